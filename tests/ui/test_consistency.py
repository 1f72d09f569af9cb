"""What one atom is worth by several ways, in the window: the detector scan, its area, the comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_atomicity.simulation.detector_scans import DetectorShape, simulate_detector_scan
from seeds import seeded

ENTRIES = {"kv": "200", "convergence": "22", "inner": "60", "outer": "200", "ratio": "1"}


@pytest.fixture
def scan(tmp_path: Path) -> Any:
    """A scan of a tilted detector, in a file."""
    made = simulate_detector_scan(6e6, DetectorShape(tilt=0.3), size=(160, 160), seed=seeded(2))
    tifffile.imwrite(tmp_path / "scan.tif", made.image)
    return made


def layers(app: Any) -> list[str]:
    return [layer.name for layer in app.viewer.layers]


def enter(app: Any, panel: Any, **values: str) -> None:
    for name, text in {**ENTRIES, **values}.items():
        field = panel.detector.fields[name]
        field.clear()
        app.qtbot.keyClicks(field, text)


def open_scan(app: Any, panel: Any, tmp_path: Path) -> Any:
    panel.detector.open_scan(tmp_path / "scan.tif")
    app.idle()
    return next(layer for layer in app.viewer.layers if layer.name == "active area of the detector")


def test_a_scan_is_opened_compared_and_taken_for_the_count(
    app: Any, micrograph: Any, counted_once: Any, scan: Any, tmp_path: Path
) -> None:
    panel = app.panel("Consistency")
    assert not panel.run.isEnabled() and "Count the atoms" in panel.remarks.text()
    app.lay_out(micrograph, counted_once)
    area = open_scan(app, panel, tmp_path)
    assert app.document.micrograph.name == "frame"  # the scan is no micrograph
    overlap = ((area.data > 0) & scan.active).sum() / ((area.data > 0) | scan.active).sum()
    assert overlap > 0.9 and "as found" in panel.detector.scan.text()
    assert [str(unit) for unit in area.units] == [str(unit) for unit in app.layers[0].units]
    enter(app, panel)
    app.click(panel.run)
    ways = {one.origin: one for one in panel.result.found.references}
    assert {"clusters", "detector"} <= set(ways)
    assert panel.finding.text() == panel.result.found.sentence
    assert "median atoms" in panel.numbers.text() and "Pt55" in panel.shares.text()
    app.click(panel.take)
    assert app.document.settings.intensity_per_atom == pytest.approx(ways["detector"].value, rel=0.1)
    app.click(panel.run)
    assert "standard" not in {one.origin for one in panel.result.found.references}
    panel.save_table(tmp_path / "scales.csv")
    assert "the detector scan" in (tmp_path / "scales.csv").read_text()
    app.document.annotate([0], "Pt19")
    app.settle()
    assert "changed since" in panel.remarks.text()


@pytest.mark.slow
def test_the_area_is_corrected_by_hand_and_found_anew(
    app: Any, micrograph: Any, counted_once: Any, scan: Any, tmp_path: Path
) -> None:
    app.lay_out(micrograph, counted_once)
    panel = app.panel("Consistency")
    area = open_scan(app, panel, tmp_path)
    enter(app, panel)
    app.click(panel.run)
    before = app.document.options.detector["active"]
    app.click(panel.detector.edit)
    assert app.viewer.layers.selection.active.name == area.name and area.mode == "paint"
    # behind the circle of its brush napari draws a box even when the layer has gone, and may crash
    assert not app.viewer.canvas.overlays["_brush_circle"].box
    bright = np.argwhere(area.data * (scan.response > 6.3e6) > 0)
    area.data_setitem(tuple(bright.T), 0)
    app.settle()
    assert "drawn by hand" in panel.detector.scan.text()
    app.click(panel.run)
    assert app.document.options.detector["active"] != pytest.approx(before, rel=0.002)
    app.click(panel.detector.anew)
    assert "as found" in panel.detector.scan.text()
    app.viewer.layers.remove("active area of the detector")
    app.settle()
    app.click(panel.run)  # without the layer the area is as it was found
    assert app.document.options.detector["active"] == pytest.approx(before)


@pytest.mark.slow
def test_what_the_detector_gave_stays_when_its_scan_is_closed(
    app: Any, micrograph: Any, counted_once: Any, scan: Any, tmp_path: Path
) -> None:
    app.lay_out(micrograph, counted_once)
    panel = app.panel("Consistency")
    open_scan(app, panel, tmp_path)
    enter(app, panel)
    app.click(panel.run)
    value = next(one.value for one in panel.result.found.references if one.origin == "detector")
    app.viewer.layers.remove("detector scan")
    app.settle()
    assert "active area of the detector" not in layers(app)
    assert "As measured before" in panel.detector.scan.text()
    enter(app, panel, ratio="2")
    app.click(panel.run)
    again = next(one.value for one in panel.result.found.references if one.origin == "detector")
    assert again == pytest.approx(2 * value)
    app.click(panel.detector.away)
    assert not app.document.options.detector
    app.click(panel.run)
    assert "detector" not in {one.origin for one in panel.result.found.references}


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"kv": ""}, "The voltage is a number of kV"),
        ({"inner": "sixty"}, "The inner angle of the detector is a number"),
        ({"outer": "50"}, "inner angle is the smaller"),
        ({"outer": "900"}, "the table runs"),
        ({"ratio": "0"}, "current ratio of 0 is impossible"),
    ],
)
def test_wrong_entries_are_answered_in_a_sentence_and_change_nothing(
    app: Any, micrograph: Any, counted_once: Any, scan: Any, tmp_path: Path, entry: dict[str, str], words: str
) -> None:
    app.lay_out(micrograph, counted_once)
    panel = app.panel("Consistency")
    open_scan(app, panel, tmp_path)
    enter(app, panel, **entry)
    app.click(panel.run)
    assert words in app.notes[-1]
    assert panel.result is None and not app.document.options.detector


def test_a_scan_without_a_detector_is_shown_and_can_be_marked_by_hand(
    app: Any, micrograph: Any, counted_once: Any, tmp_path: Path
) -> None:
    noise = np.random.default_rng(seeded(3)).normal(100, 10, (120, 120)).astype(np.float32)
    noise[30:90, 30:90] += 60  # a square is no detector
    noise[40:60, 90:120] += 60
    tifffile.imwrite(tmp_path / "scan.tif", noise)
    app.lay_out(micrograph, counted_once)
    panel = app.panel("Consistency")
    area = open_scan(app, panel, tmp_path)
    if not area.data.any():
        assert "No detector is found" in panel.detector.scan.text()
    enter(app, panel)
    area.data = np.zeros_like(area.data)
    app.settle()
    app.click(panel.run)
    assert "Hardly any pixel is marked" in app.notes[-1] and panel.result is None
    drawn = np.zeros_like(area.data)
    drawn[32:88, 32:88] = 1
    area.data = drawn
    app.settle()
    app.click(panel.run)
    assert panel.result is not None
    assert app.document.options.detector["active"] == pytest.approx(160, abs=5)


@pytest.mark.slow
def test_the_detector_is_kept_in_a_project(
    app: Any, micrograph: Any, counted_once: Any, scan: Any, tmp_path: Path
) -> None:
    from napari_atomicity.pipeline import DetectorScan

    app.lay_out(micrograph, counted_once)
    panel = app.panel("Consistency")
    open_scan(app, panel, tmp_path)
    enter(app, panel)
    app.click(panel.run)
    kept = dict(app.document.options.detector)
    app.context.project.save(tmp_path / "work.atomicity")
    app.idle()
    app.viewer.layers.clear()
    app.settle()
    app.context.project.open(tmp_path / "work.atomicity")
    app.idle()
    assert DetectorScan.of_numbers(app.document.options.detector) == DetectorScan.of_numbers(kept)
    assert "As measured before" in panel.detector.scan.text()


def test_on_an_empty_viewer_nothing_can_go_wrong(app: Any, scan: Any, tmp_path: Path) -> None:
    panel = app.panel("Consistency")
    open_scan(app, panel, tmp_path)
    assert not panel.run.isEnabled()
    for button in (panel.detector.edit, panel.detector.anew, panel.detector.away):
        app.click(button)
    assert layers(app) == [] or not any("detector" in name for name in layers(app))
    panel.detector.open_scan(tmp_path / "none.tif")
    app.idle()
    assert "none.tif" in app.notes[-1]
