"""The whole path by clicks, through the manifest, and the numbers behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from napari_atomicity.progress import drain

from .app_driver import PLUGIN, cell
from .stand_ins import adapt_always

WIDGETS = (
    "Atomicity",
    "Load and calibrate",
    "Find clusters",
    "Count atoms",
    "Calibrate images together",
    "Adapt to the image",
    "See why (Grad-CAM)",
    "What the model uses",
    "Cluster card",
    "Export",
)


def test_every_widget_opens_through_the_manifest_on_an_empty_viewer(desk: Any) -> None:
    from qtpy.QtWidgets import QPushButton

    for name in WIDGETS:
        widget = desk.panel(name)
        desk.qtbot.waitUntil(widget.isVisible)
        # what can be pressed without an image says what is missing and breaks nothing
        for button in widget.findChildren(QPushButton):
            button.click()
    desk.idle()
    assert desk.document is None


def test_opening_the_workbench_imports_no_torch_and_no_matplotlib(repository: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys; import napari_atomicity.ui.steps.workbench; "
        "print([m for m in ('torch', 'matplotlib', 'captum') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture
def bench_with_model(desk: Any, micrograph: Any, model_path: Path) -> Any:
    desk.show(micrograph)
    desk.document.choose(model=str(model_path))
    return desk


def test_the_window_gives_the_table_of_the_pipeline(bench_with_model: Any, micrograph: Any) -> None:
    from napari_atomicity.pipeline import analyse

    desk = bench_with_model
    expected = analyse(micrograph, desk.document.settings).table
    panel = desk.panel("Atomicity")
    desk.click(panel.analyse)
    pd.testing.assert_frame_equal(desk.document.table.rows, expected.rows)
    # step by step it comes to the same
    desk.document.undo()
    assert not len(desk.document.table)
    steps = [step.panel for step in panel.steps]
    desk.click(steps[1].search)
    desk.click(steps[2].run)
    pd.testing.assert_frame_equal(desk.document.table.rows, expected.rows)
    shown = pd.DataFrame(desk.points.features)
    pd.testing.assert_frame_equal(shown[list(expected.rows)], expected.rows, check_dtype=False)


def test_load_calibrate_find_count_adapt_undo_explain_by_clicks(
    bench_with_model: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    desk = bench_with_model
    adapt_always(monkeypatch)
    panel = desk.panel("Atomicity")
    load, find, count, _, adapt, explain, _, export = (step.panel for step in panel.steps)
    load.pixel.setValue(0.05)
    load.pixel.editingFinished.emit()
    desk.click(find.search)
    assert panel.steps[1].state.toolTip().startswith(f"{len(desk.document.table)} clusters")
    desk.click(count.run)
    base = desk.document.table
    # of a cluster at the rim too little may be seen for any label
    assert (base.rows["source"] == np.where(base.rows["label"] == "", "", "base")).all()
    assert (base.rows["source"] == "base").mean() > 0.8
    desk.document.annotate([int(base.ids[0])], "Pt70")
    annotated = desk.document.table
    desk.click(adapt.run)
    assert (desk.document.table.rows["source"] == "adapted").any()
    assert desk.document.table.rows["annotation"].iloc[0] == "Pt70"
    assert "labels changed" in adapt.comparison.headline.text()
    desk.click(adapt.back)
    assert desk.document.table.rows.equals(annotated.rows)
    desk.click(explain.all)
    desk.qtbot.waitUntil(lambda: len(desk.workspace.maps.shown) == 2)
    maps = desk.workspace.maps.shown
    for layer in maps:
        assert np.allclose(layer.scale, desk.workspace.image.scale)
        assert layer.units == desk.workspace.image.units
        assert str(layer.blending) == "additive"
        assert layer.data.shape == desk.workspace.image.data.shape
    desk.document.select([int(base.ids[2])])
    desk.settle()
    desk.click(explain.some)
    assert desk.document.attribution.ids.tolist() == [int(base.ids[2])]
    desk.qtbot.wait(200)
    y, x = base.centres_px[2]
    lit = np.argwhere(sum(layer.data for layer in desk.workspace.maps.shown) > 0)
    # something is drawn, and nothing beside the patch of that cluster
    assert len(lit) and np.abs(lit - [y, x]).max() * 0.05 < 1.7
    path = tmp_path / "out.csv"
    export.write(path)
    desk.idle()
    from napari_atomicity.io.tables import read_table

    pd.testing.assert_frame_equal(read_table(path).rows, desk.document.table.rows)


def test_an_adaptation_that_is_not_accepted_changes_nothing_and_says_why(
    bench_with_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = bench_with_model
    adapt_always(monkeypatch, accepted=False)
    panel = desk.panel("Atomicity")
    desk.click(panel.analyse)
    table = desk.document.table
    steps = len(desk.document.history)
    desk.click(panel.steps[4].panel.run)
    assert desk.document.table is table and len(desk.document.history) == steps
    shown = panel.steps[4].panel.comparison
    assert shown.reason.text() == "No clear diameters." and "stay as they were" in shown.headline.text()


def test_counting_again_after_an_edit_labels_the_new_cluster(bench_with_model: Any) -> None:
    desk = bench_with_model
    panel = desk.panel("Atomicity")
    desk.click(panel.analyse)
    rows = desk.document.table.rows
    whole = rows[rows["flag"] == "ok"].iloc[0]
    desk.document.edit("Delete", desk.document.table.drop([int(whole["id"])]), [])
    before = int((desk.document.table.rows["label"] == "").sum())  # what the rim cuts too short
    desk.points.add([float(whole["y_px"]), float(whole["x_px"])])
    desk.idle()
    assert (desk.document.table.rows["label"] == "").sum() == before + 1
    count = panel.steps[2].panel
    assert "count again" in count.remarks.text()
    desk.click(count.run)
    assert (desk.document.table.rows["label"] == "").sum() == before
    assert desk.document.table.rows["label"].iloc[-1] != ""


def test_ratios_and_colours_follow_a_persons_label(bench_with_model: Any) -> None:
    desk = bench_with_model
    panel = desk.panel("Atomicity")
    desk.click(panel.analyse)
    desk.document.annotate(desk.document.table.ids.tolist(), "Pt41")
    desk.settle()
    legend = panel.steps[2].panel.legend
    rows = range(1, 1 + len(desk.document.ratios()))
    counts = {cell(legend, row, 1).text(): cell(legend, row, 2).text() for row in rows}
    assert counts["Pt41"] == str(len(desk.document.table))
    assert len({tuple(colour) for colour in desk.points.border_color}) == 1


def test_every_command_of_the_manifest_can_be_run_on_an_empty_viewer_and_says_what_is_missing(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from npe2 import PluginManager
    from qtpy.QtWidgets import QFileDialog

    manifest = PluginManager.instance().get_manifest(PLUGIN)
    ours = [c for c in manifest.contributions.commands if ".ui.commands:" in (c.python_name or "")]
    commands = [command for command in ours if not command.id.endswith("_reader")]
    assert len(commands) > 15
    asked = []
    for name in ("getOpenFileName", "getSaveFileName"):
        monkeypatch.setattr(QFileDialog, name, lambda *given: asked.append(given[1]) or ("", ""))
    spoken = set()
    for command in commands:
        said = len(desk.notes)
        command.exec()
        desk.idle()
        if len(desk.notes) > said:
            spoken.add(command.id.rpartition(".")[2])
    # undo and the keys have nothing to do, and say nothing; these were asked for
    assert spoken >= {"analyse", "detect", "classify", "adapt", "undo_adaptation", "explain"}
    assert spoken >= {"calibrate_together", "use_for_session"}
    assert len(asked) == 3 and desk.document is None  # to save, to save under a name, to open


def test_measuring_in_the_window_equals_the_pipeline(bench_with_model: Any, micrograph: Any) -> None:
    from napari_atomicity.pipeline import measure_steps

    desk = bench_with_model
    desk.click(desk.panel("Find clusters").search)
    desk.points.add([200.0, 200.0])
    desk.idle()
    table = desk.document.table
    again = drain(measure_steps(micrograph, table, [int(table.ids[-1])]))
    pd.testing.assert_frame_equal(table.rows, again.rows)


def test_a_layer_that_is_made_anew_shows_the_selection(bench_with_model: Any) -> None:
    desk = bench_with_model
    desk.click(desk.panel("Find clusters").search)
    document = desk.document
    document.select([int(document.table.ids[3])])
    desk.viewer.layers.remove(desk.points)
    document.annotate([int(document.table.ids[3])], "Pt19")
    desk.idle()
    assert set(desk.points.selected_data) == {3}
