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
    "See why",
    "What the model uses",
    "Cluster card",
    "Export",
)


def test_every_widget_opens_through_the_manifest_on_an_empty_viewer(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from qtpy.QtWidgets import QFileDialog, QPushButton

    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("", ""))
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([], ""))
    for name in WIDGETS:
        widget = app.panel(name)
        app.qtbot.waitUntil(widget.isVisible)
        # what can be pressed without an image says what is missing and breaks nothing
        for button in widget.findChildren(QPushButton):
            button.click()
    app.idle()
    assert app.document is None


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
def app_with_model(app: Any, micrograph: Any, model_path: Path) -> Any:
    app.show(micrograph)
    app.document.choose(model=str(model_path))
    return app


def test_the_window_gives_the_table_of_the_pipeline(app_with_model: Any, micrograph: Any) -> None:
    from napari_atomicity.pipeline import analyse

    app = app_with_model
    expected = analyse(micrograph, app.document.settings).table
    panel = app.panel("Atomicity")
    app.click(panel.analyse)
    pd.testing.assert_frame_equal(app.document.table.rows, expected.rows)
    # step by step it comes to the same
    app.document.undo()
    assert not len(app.document.table)
    steps = [step.panel for step in panel.steps]
    app.click(steps[1].search)
    app.click(steps[2].run)
    pd.testing.assert_frame_equal(app.document.table.rows, expected.rows)
    shown = pd.DataFrame(app.points.features)
    pd.testing.assert_frame_equal(shown[list(expected.rows)], expected.rows, check_dtype=False)


def test_load_calibrate_find_count_adapt_undo_explain_by_clicks(
    app_with_model: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    app = app_with_model
    adapt_always(monkeypatch)
    panel = app.panel("Atomicity")
    load, find, count, _, adapt, explain, _, export = (step.panel for step in panel.steps)
    load.pixel.setValue(0.05)
    load.pixel.editingFinished.emit()
    app.click(find.search)
    assert panel.steps[1].state.toolTip().startswith(f"{len(app.document.table)} clusters")
    app.click(count.run)
    base = app.document.table
    # of a cluster at the rim too little may be seen for any label
    assert (base.rows["source"] == np.where(base.rows["label"] == "", "", "base")).all()
    assert (base.rows["source"] == "base").mean() > 0.8
    app.document.annotate([int(base.ids[0])], "Pt70")
    annotated = app.document.table
    app.click(adapt.run)
    assert (app.document.table.rows["source"] == "adapted").any()
    assert app.document.table.rows["annotation"].iloc[0] == "Pt70"
    assert "labels changed" in adapt.comparison.headline.text()
    app.click(adapt.back)
    assert app.document.table.rows.equals(annotated.rows)
    app.click(explain.all)
    app.qtbot.waitUntil(lambda: len(app.workspace.maps.shown) == 1)
    (layer,) = app.workspace.maps.shown
    assert layer.name.endswith("atoms per nm²") and layer.colorbar.visible
    assert np.allclose(layer.scale, app.workspace.image.scale)
    assert layer.units == app.workspace.image.units
    assert str(layer.blending) == "translucent"
    assert layer.data.shape == app.workspace.image.data.shape
    app.document.select([int(base.ids[2])])
    app.settle()
    app.click(explain.some)
    assert app.document.attribution.ids.tolist() == [int(base.ids[2])]
    app.qtbot.waitUntil(lambda: np.array_equal(layer.data, app.document.attribution.overlay[0]))
    y, x = base.centres_px[2]
    lit = np.argwhere(layer.data > 0)
    # something is drawn, and nothing beside the patch of that cluster
    assert len(lit) and np.abs(lit - [y, x]).max() * 0.05 < 1.7
    path = tmp_path / "out.csv"
    export.write(path)
    app.idle()
    from napari_atomicity.io.tables import read_table

    pd.testing.assert_frame_equal(read_table(path).rows, app.document.table.rows)


def test_an_adaptation_that_is_not_accepted_changes_nothing_and_says_why(
    app_with_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = app_with_model
    adapt_always(monkeypatch, accepted=False)
    panel = app.panel("Atomicity")
    app.click(panel.analyse)
    table = app.document.table
    steps = len(app.document.history)
    app.click(panel.steps[4].panel.run)
    assert app.document.table is table and len(app.document.history) == steps
    shown = panel.steps[4].panel.comparison
    assert (
        shown.reason.text() == "No clear diameters."
        and shown.headline.text() == "Nothing changed; tuning makes it no better here."
    )


def test_counting_again_after_an_edit_labels_the_new_cluster(app_with_model: Any) -> None:
    app = app_with_model
    panel = app.panel("Atomicity")
    app.click(panel.analyse)
    rows = app.document.table.rows
    whole = rows[rows["flag"] == "ok"].iloc[0]
    app.document.edit("Delete", app.document.table.drop([int(whole["id"])]), [])
    before = int((app.document.table.rows["label"] == "").sum())  # what the rim cuts too short
    app.points.add([float(whole["y_px"]), float(whole["x_px"])])
    app.idle()
    assert (app.document.table.rows["label"] == "").sum() == before + 1
    count = panel.steps[2].panel
    assert "count again" in count.remarks.text()
    app.click(count.run)
    assert (app.document.table.rows["label"] == "").sum() == before
    assert app.document.table.rows["label"].iloc[-1] != ""


def test_ratios_and_colours_follow_a_persons_label(app_with_model: Any) -> None:
    app = app_with_model
    panel = app.panel("Atomicity")
    app.click(panel.analyse)
    app.document.annotate(app.document.table.ids.tolist(), "Pt41")
    app.settle()
    legend = panel.steps[2].panel.legend
    rows = range(1, 1 + len(app.document.ratios()))
    counts = {cell(legend, row, 1).text(): cell(legend, row, 2).text() for row in rows}
    assert counts["Pt41"] == str(len(app.document.table))
    assert len({tuple(colour) for colour in app.points.border_color}) == 1


def test_every_command_of_the_manifest_can_be_run_on_an_empty_viewer_and_says_what_is_missing(
    app: Any, monkeypatch: pytest.MonkeyPatch
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
        said = len(app.notes)
        command.exec()
        app.idle()
        if len(app.notes) > said:
            spoken.add(command.id.rpartition(".")[2])
    # undo and the keys have nothing to do, and say nothing; these were asked for
    assert spoken >= {"analyse", "detect", "classify", "adapt", "undo_adaptation", "explain"}
    assert spoken >= {"calibrate_together", "use_for_session"}
    assert len(asked) == 3 and app.document is None  # to save, to save under a name, to open


def test_measuring_in_the_window_equals_the_pipeline(app_with_model: Any, micrograph: Any) -> None:
    from napari_atomicity.pipeline import measure_steps

    app = app_with_model
    app.click(app.panel("Find clusters").search)
    app.points.add([200.0, 200.0])
    app.idle()
    table = app.document.table
    again = drain(measure_steps(micrograph, table, [int(table.ids[-1])]))
    pd.testing.assert_frame_equal(table.rows, again.rows)


def test_a_layer_that_is_made_anew_shows_the_selection(app_with_model: Any) -> None:
    app = app_with_model
    app.click(app.panel("Find clusters").search)
    document = app.document
    document.select([int(document.table.ids[3])])
    app.viewer.layers.remove(app.points)
    document.annotate([int(document.table.ids[3])], "Pt19")
    app.idle()
    assert set(app.points.selected_data) == {3}


def test_a_person_may_have_an_image_counted_that_looks_unfit(app: Any, micrograph: Any) -> None:
    from dataclasses import replace

    app.show(replace(micrograph, data=micrograph.data.max() - micrograph.data))
    panel = app.panel("Find clusters")
    app.click(panel.search)
    assert any("all the same" in note for note in app.notes), "a refusal names a way on"
    assert not app.document.state.searched
    panel.all_the_same.click()
    app.click(panel.search)
    assert app.document.state.searched
    assert "darker than their surroundings" in panel.messages.text()
