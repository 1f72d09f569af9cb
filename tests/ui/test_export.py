"""What is exported equals what is on the screen, after whatever a person did."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog

from napari_atomicity.io.tables import read_metadata, read_table

from .app_driver import cell


@pytest.fixture
def counted(app: Any, micrograph: Any, model_path: Path, count_of: Any) -> Any:
    """A counted image, and the panel of exports."""
    app.lay_out(micrograph, count_of(model_path, "auto"))
    return app


def answer(monkeypatch: pytest.MonkeyPatch, path: Path, kind: str = "") -> list[tuple[Any, ...]]:
    """Every file dialogue is answered with `path`; gives what they were asked with."""
    asked: list[tuple[Any, ...]] = []

    def ask(*arguments: Any, **_: Any) -> tuple[str, str]:
        asked.append(arguments)
        return str(path), kind

    monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
    return asked


def edited(app: Any) -> None:
    """Labels by hand, one of them taken back, one of the person's own, a deletion and an undo."""
    document = app.document
    ids = document.table.ids.tolist()
    document.annotate(ids[:4], "Pt70")
    document.annotate(ids[1:2], "")
    document.annotate(ids[5:6], "Pt38")
    app.points.selected_data = {7}
    app.points.remove_selected()
    document.annotate(ids[10:12], "other")
    document.undo()
    app.idle()


def same_as_screen(app: Any, table: Any) -> None:
    """A table of clusters shows the same as the layer: ids, places, labels."""
    features = app.points.features
    shown = np.where(features["annotation"] != "", features["annotation"], features["label"])
    assert table.ids.tolist() == features["id"].tolist()
    assert table.final_labels.tolist() == shown.tolist()
    np.testing.assert_allclose(table.centres_px, app.points.data)


def test_every_export_equals_the_screen(counted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = counted
    edited(app)
    table = app.document.table
    for kind in ("csv", "parquet"):
        answer(monkeypatch, tmp_path / f"table.{kind}")
        app.click(app.export.save)
        same_as_screen(app, read_table(tmp_path / f"table.{kind}"))
        assert read_metadata(tmp_path / f"table.{kind}")["units"]["diameter_nm"] == "nm"
    # what napari itself writes, through the manifest
    for kind in ("csv", "parquet"):
        app.points.save(str(tmp_path / f"layer.{kind}"), plugin="napari-atomicity")
        assert read_table(tmp_path / f"layer.{kind}").rows.equals(table.rows)
    # colours of the figure, and of the layer
    answer(monkeypatch, tmp_path / "figure.svg")
    app.click(app.export.figure)
    drawn = rings((tmp_path / "figure.svg").read_text(encoding="utf-8"))
    on_screen = sorted(
        (tuple(np.round(255 * c[:3]).astype(int)), round(float(c[3]), 2)) for c in app.points.border_color
    )
    assert close(drawn, on_screen)
    # shares in the panel, the report's counts and the document
    answer(monkeypatch, tmp_path / "report.html")
    app.click(app.export.report)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for row in app.document.ratios().to_dict("records"):
        cells = f"<td>{row['label']}</td><td>{row['count']}</td><td>{100 * row['fraction']:.1f} %</td>"
        assert cells in page
    legend = [cell(app.count.legend, row, 2).text() for row in range(1, 1 + len(app.document.ratios()))]
    assert legend == [str(n) for n in app.document.ratios()["count"]]


def rings(svg: str) -> list[tuple[tuple[int, ...], float]]:
    """Colour and opacity of each ring in a figure."""
    part = svg[svg.index("PatchCollection_1") :]
    part = part[: part.index("</g>")]
    found = []
    for style in re.findall(r'style="([^"]*stroke:[^"]*)"', part):
        colour = re.search(r"stroke: #([0-9a-f]{6})", style)
        opacity = re.search(r"stroke-opacity: ([0-9.]+)", style)
        if colour:
            rgb = tuple(int(colour[1][i : i + 2], 16) for i in (0, 2, 4))
            found.append((rgb, round(float(opacity[1]) if opacity else 1.0, 2)))
    return sorted(found)


def close(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(
        np.allclose(a[0], b[0], atol=1) and abs(a[1] - b[1]) < 0.02 for a, b in zip(one, other, strict=True)
    )


@pytest.mark.slow
def test_the_report_and_the_dock_say_the_same(counted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = counted
    edited(app)
    app.document.set_options(expected={19: 1.0, 70: 1.0})
    dock = app.panel("Class ratios")
    app.qtbot.waitUntil(lambda: dock.result is not None and dock.result.agreement is not None, timeout=20_000)
    answer(monkeypatch, tmp_path / "report.html")
    app.click(app.export.report)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert dock.verdict.text() in page and dock.numbers.text() in page
    for row in dock.result.table.to_dict("records"):
        assert f"<strong>{100 * row['share']:.1f} %</strong></td><td>{100 * row['low']:.1f} to" in page


def test_names_are_proposed_beside_the_image_and_nothing_is_replaced_unasked(
    counted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, micrograph: Any
) -> None:
    app = counted
    asked = answer(monkeypatch, tmp_path / "mine", "SVG (*.svg)")
    (tmp_path / "mine.svg").write_text("precious", encoding="utf-8")
    app.click(app.export.figure)
    assert asked[0][2].endswith("frame.clusters.png")
    assert (tmp_path / "mine.svg").read_text(encoding="utf-8") == "precious" and "there already" in app.notes[-1]
    answer(monkeypatch, tmp_path / "other", "SVG (*.svg)")
    app.click(app.export.figure)
    assert (tmp_path / "other.svg").stat().st_size > 1000 and str(tmp_path / "other.svg") in app.export.result.text()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: ("", ""))
    app.click(app.export.save)
    assert {each.name for each in tmp_path.iterdir() if each.is_file()} == {"mine.svg", "other.svg"}
    # a place that cannot be written to is one sentence
    answer(monkeypatch, tmp_path / "no such folder" / "report.html")
    app.click(app.export.report)
    assert "could not be written" in app.notes[-1]


def test_labels_become_a_training_set(counted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_atomicity.training.annotated import load_set

    app = counted
    assert not app.export.teach.isEnabled()
    ids = app.document.table.ids.tolist()
    app.document.annotate(ids[:5], "Pt19")
    answer(monkeypatch, tmp_path / "labels.training-set")
    app.click(app.export.teach)
    made = load_set(tmp_path / "labels.training-set")
    assert set(made.labels) == {"Pt19"} and set(made.arrays["id"].tolist()) <= set(ids[:5])
    app.click(app.export.teach)
    assert "there already" in app.notes[-1]


@pytest.mark.slow
def test_a_report_on_all_images(counted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, micrograph: Any) -> None:
    app = counted
    app.show(dataclasses.replace(micrograph, name="<second>"))
    assert not app.export.report.isEnabled()
    app.document.choose(model=app.workspace.groups[0].document.settings.model)
    app.click(app.panel("Find clusters").search)
    app.click(app.count.run)
    app.export.scope.setCurrentIndex(app.export.scope.findData("all"))
    answer(monkeypatch, tmp_path / "both.html")
    app.click(app.export.report)
    page = (tmp_path / "both.html").read_text(encoding="utf-8")
    assert "all images together" in page and "&lt;second&gt;" in page and "<second>" not in page


@pytest.mark.slow
def test_a_report_names_images_as_the_window_does(
    counted: Any, tmp_path: Path, micrograph: Any, model_path: Path, count_of: Any
) -> None:
    app = counted
    app.lay_out(dataclasses.replace(micrograph), count_of(model_path, "auto"))
    for layer, name in zip(app.layers, ("grid A", "grid B"), strict=True):
        layer.name = name
    app.export.scope.setCurrentIndex(app.export.scope.findData("all"))
    app.export.write_report(tmp_path / "both.html")
    app.idle()
    page = (tmp_path / "both.html").read_text(encoding="utf-8")
    assert all(f'<h2 class="image">grid {one}</h2>' in page for one in "AB") and ">frame<" not in page
    assert app.document.micrograph.name == "frame"


@pytest.mark.slow
def test_heat_maps_that_can_be_seen_are_in_the_figure(
    counted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.image import imread

    app = counted
    image, maps = app.workspace.image, app.workspace.maps
    plane = np.zeros(image.data.shape, dtype=np.float32)
    plane[: plane.shape[0] // 2] = 1.0
    layer = maps._made(image, plane)
    layer.colormap, layer.blending, layer.opacity, layer.visible = "red", "translucent", 1.0, True
    app.viewer.layers.insert(1, layer)
    maps.layers, maps._used = [layer], 1
    answer(monkeypatch, tmp_path / "with.png")
    app.click(app.export.figure)
    seen = imread(tmp_path / "with.png")[:, :, :3]
    upper = seen[200:900]
    assert np.mean((upper[..., 0] > 0.9) & (upper[..., 1] < 0.1)) > 0.7
    layer.visible = False
    answer(monkeypatch, tmp_path / "without.png")
    app.click(app.export.figure)
    seen = imread(tmp_path / "without.png")[200:900, :, :3]
    assert np.mean((seen[..., 0] > 0.9) & (seen[..., 1] < 0.1)) < 0.05


def test_an_image_that_comes_while_the_dialog_is_open_is_not_written_under_the_name_of_the_first(
    app: Any, frame: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qtpy.QtWidgets import QFileDialog

    from napari_atomicity.micrograph import Micrograph

    app.show(Micrograph(frame.image, frame.pixel_size_nm, name="first"))
    app.click(app.panel("Find clusters").search)

    def dialog(parent: Any, title: str, proposal: str, kinds: str) -> tuple[str, str]:
        app.show(Micrograph(frame.image[:256], frame.pixel_size_nm, name="second"))
        return str(tmp_path / "table.csv"), kinds

    monkeypatch.setattr(QFileDialog, "getSaveFileName", dialog)
    app.export._ask_table()
    app.idle()
    assert not list(tmp_path.glob("*.csv")) and "Another image came into hand meanwhile" in app.notes[-1]
