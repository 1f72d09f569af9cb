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
def counted(desk: Any, micrograph: Any, model_path: Path) -> Any:
    """A counted image, and the panel of exports."""
    desk.show(micrograph)
    desk.document.choose(model=str(model_path))
    desk.click(desk.panel("Find clusters").search)
    desk.click(desk.count.run)
    return desk


def answer(monkeypatch: pytest.MonkeyPatch, path: Path, kind: str = "") -> list[tuple[Any, ...]]:
    """Every file dialogue is answered with `path`; gives what they were asked with."""
    asked: list[tuple[Any, ...]] = []

    def ask(*arguments: Any, **_: Any) -> tuple[str, str]:
        asked.append(arguments)
        return str(path), kind

    monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
    return asked


def edited(desk: Any) -> None:
    """Labels by hand, one of them taken back, one of the person's own, a deletion and an undo."""
    document = desk.document
    ids = document.table.ids.tolist()
    document.annotate(ids[:4], "Pt70")
    document.annotate(ids[1:2], "")
    document.annotate(ids[5:6], "Pt38")
    desk.points.selected_data = {7}
    desk.points.remove_selected()
    document.annotate(ids[10:12], "other")
    document.undo()
    desk.idle()


def same_as_screen(desk: Any, table: Any) -> None:
    """A table of clusters shows the same as the layer: ids, places, labels."""
    features = desk.points.features
    shown = np.where(features["annotation"] != "", features["annotation"], features["label"])
    assert table.ids.tolist() == features["id"].tolist()
    assert table.final_labels.tolist() == shown.tolist()
    np.testing.assert_allclose(table.centres_px, desk.points.data)


def test_every_export_equals_the_screen(counted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = counted
    edited(desk)
    table = desk.document.table
    for kind in ("csv", "parquet"):
        answer(monkeypatch, tmp_path / f"table.{kind}")
        desk.click(desk.export.save)
        same_as_screen(desk, read_table(tmp_path / f"table.{kind}"))
        assert read_metadata(tmp_path / f"table.{kind}")["units"]["diameter_nm"] == "nm"
    # what napari itself writes, through the manifest
    for kind in ("csv", "parquet"):
        desk.points.save(str(tmp_path / f"layer.{kind}"), plugin="napari-atomicity")
        assert read_table(tmp_path / f"layer.{kind}").rows.equals(table.rows)
    # colours of the figure, and of the layer
    answer(monkeypatch, tmp_path / "figure.svg")
    desk.click(desk.export.figure)
    drawn = rings((tmp_path / "figure.svg").read_text(encoding="utf-8"))
    on_screen = sorted(
        (tuple(np.round(255 * c[:3]).astype(int)), round(float(c[3]), 2)) for c in desk.points.border_color
    )
    assert close(drawn, on_screen)
    # shares in the panel, the report's counts and the document
    answer(monkeypatch, tmp_path / "report.html")
    desk.click(desk.export.report)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for row in desk.document.ratios().to_dict("records"):
        cells = f"<td>{row['label']}</td><td>{row['count']}</td><td>{100 * row['fraction']:.1f} %</td>"
        assert cells in page
    legend = [cell(desk.count.legend, row, 2).text() for row in range(1, 1 + len(desk.document.ratios()))]
    assert legend == [str(n) for n in desk.document.ratios()["count"]]


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


def test_the_report_and_the_dock_say_the_same(counted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = counted
    edited(desk)
    desk.document.set_options(expected={19: 1.0, 70: 1.0})
    dock = desk.panel("Class ratios")
    desk.qtbot.waitUntil(lambda: dock.result is not None and dock.result.agreement is not None, timeout=20_000)
    answer(monkeypatch, tmp_path / "report.html")
    desk.click(desk.export.report)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert dock.verdict.text() in page and dock.numbers.text() in page
    for row in dock.result.table.to_dict("records"):
        assert f"<strong>{100 * row['share']:.1f} %</strong></td><td>{100 * row['low']:.1f} to" in page


def test_names_are_proposed_beside_the_image_and_nothing_is_replaced_unasked(
    counted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, micrograph: Any
) -> None:
    desk = counted
    asked = answer(monkeypatch, tmp_path / "mine", "SVG (*.svg)")
    (tmp_path / "mine.svg").write_text("precious", encoding="utf-8")
    desk.click(desk.export.figure)
    assert asked[0][2].endswith("frame.clusters.png")
    assert (tmp_path / "mine.svg").read_text(encoding="utf-8") == "precious" and "there already" in desk.notes[-1]
    answer(monkeypatch, tmp_path / "other", "SVG (*.svg)")
    desk.click(desk.export.figure)
    assert (tmp_path / "other.svg").stat().st_size > 1000 and str(tmp_path / "other.svg") in desk.export.result.text()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: ("", ""))
    desk.click(desk.export.save)
    assert {each.name for each in tmp_path.iterdir() if each.is_file()} == {"mine.svg", "other.svg"}
    # a place that cannot be written to is one sentence
    answer(monkeypatch, tmp_path / "no such folder" / "report.html")
    desk.click(desk.export.report)
    assert "could not be written" in desk.notes[-1]


def test_labels_become_a_training_set(counted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_atomicity.training.annotated import load_set

    desk = counted
    assert not desk.export.teach.isEnabled()
    ids = desk.document.table.ids.tolist()
    desk.document.annotate(ids[:5], "Pt19")
    answer(monkeypatch, tmp_path / "labels.training-set")
    desk.click(desk.export.teach)
    made = load_set(tmp_path / "labels.training-set")
    assert set(made.labels) == {"Pt19"} and set(made.arrays["id"].tolist()) <= set(ids[:5])
    desk.click(desk.export.teach)
    assert "there already" in desk.notes[-1]


def test_a_report_on_all_images(counted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, micrograph: Any) -> None:
    desk = counted
    desk.show(dataclasses.replace(micrograph, name="<second>"))
    assert not desk.export.report.isEnabled()
    desk.document.choose(model=desk.workspace.groups[0].document.settings.model)
    desk.click(desk.panel("Find clusters").search)
    desk.click(desk.count.run)
    desk.export.scope.setCurrentIndex(desk.export.scope.findData("all"))
    answer(monkeypatch, tmp_path / "both.html")
    desk.click(desk.export.report)
    page = (tmp_path / "both.html").read_text(encoding="utf-8")
    assert "all images together" in page and "&lt;second&gt;" in page and "<second>" not in page
