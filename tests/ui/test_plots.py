"""Plots with axes: what is drawn, how far the axes go, and who gets the wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyqtgraph import BarGraphItem
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QImage, QWheelEvent
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_atomicity.report.shares import ShareSeries, series_of_counts, series_of_ratios
from napari_atomicity.style import OTHER_COLOUR
from napari_atomicity.ui.widgets import plot
from napari_atomicity.ui.widgets.curves import Curves
from napari_atomicity.ui.widgets.share_chart import ShareChart

COLOURS = {"Pt19": "#cb3b32", "Pt55": "#9bd995"}
THEMES = {
    "dark": {"background": "#262930", "text": "#f0f1f2", "grid": "#414851"},
    "light": {"background": "#efebe9", "text": "#3b3a39", "grid": "#b1aaa6"},
}


def counts(first: float, second: float) -> pd.DataFrame:
    share = np.array([first, second])
    return pd.DataFrame({"label": ["Pt19", "Pt55"], "fraction": share, "low": share - 0.1, "high": share + 0.1})


@pytest.fixture
def chart(qtbot: Any) -> ShareChart:
    made = ShareChart()
    qtbot.addWidget(made)
    made.resize(400, 160)
    labels = ["Pt19", "Pt55", "other"]
    series = [
        series_of_counts(counts(0.3, 0.7), labels, "by label", "bar"),
        series_of_counts(counts(0.5, np.nan), labels, "by diameter", "hollow"),
    ]
    made.show_shares(labels, series, COLOURS, THEMES["dark"])
    made.show()
    return made


def test_the_axis_reaches_the_highest_interval_and_unknown_shares_have_no_bar(chart: ShareChart) -> None:
    (_, far), (_, high) = chart.axes.getViewBox().viewRange()
    assert (far, high) == (3, pytest.approx(0.8))
    bars = [item.opts["height"].tolist() for item in chart.axes.items() if isinstance(item, BarGraphItem)]
    assert sorted(bars) == [[0.3, 0.7], [0.5]]
    assert "by diameter" in chart.words.text().replace("&nbsp;", " ")
    assert chart.colour("nobody").name() == OTHER_COLOUR


@pytest.mark.parametrize("theme", THEMES)
def test_a_plot_is_drawn_in_the_colours_of_the_theme(chart: ShareChart, theme: str) -> None:
    chart.show_shares(chart.labels, chart.series, COLOURS, THEMES[theme])
    image = chart.axes.grab().toImage()
    assert image.pixelColor(image.width() - 2, 1).name() == THEMES[theme]["background"]
    drawn = {image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())}
    assert "#cb3b32" in drawn, "a bar is opaque"


def test_the_wheel_scrolls_the_panel_and_zooms_only_with_ctrl(chart: ShareChart) -> None:
    def turn(keys: Qt.KeyboardModifier) -> bool:
        at = QPointF(chart.axes.rect().center())
        event = QWheelEvent(
            at, chart.axes.mapToGlobal(at), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton, keys,
            Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(chart.axes.viewport(), event)
        return chart.axes.getViewBox().viewRange() != [[0, 3], [0, pytest.approx(0.8)]]

    assert not turn(Qt.KeyboardModifier.NoModifier)
    assert turn(Qt.KeyboardModifier.ControlModifier)


def test_a_plot_is_saved_as_a_picture_or_a_sentence_says_why_not(
    chart: ShareChart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(plot, "show_warning", told.append)
    (entry,) = chart.axes.scene().contextMenu
    for name in ("plot.png", "no folder/plot.png"):
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, name=name: (str(tmp_path / name), ""))
        entry.trigger()
    assert QImage(str(tmp_path / "plot.png")).width() == chart.grab().width()
    assert len(told) == 1 and "no folder" in told[0]


def test_what_nobody_knows_of_a_ratio_is_left_out() -> None:
    nothing = [np.nan, np.nan]
    known = {"share": [0.4, 0.6], "low": [0.3, 0.5], "high": [0.5, 0.9], "counted": [0.5, 0.5], "diameter": [0.2, 0.8]}
    table = pd.DataFrame({"label": ["Pt19", "Pt55"], "expected": nothing, "intensity": nothing, **known})
    series = series_of_ratios(table)
    assert [one.form for one in series] == ["bar", "line", "square"]
    assert [one.highest for one in series] == [0.9, 0.5, 0.8]


def test_curves_are_not_pressed_down_by_one_wild_interval(qtbot: Any) -> None:
    curves = Curves()
    qtbot.addWidget(curves)
    radius = np.linspace(0.1, 2, 5)
    rows = pd.DataFrame({"label": "Pt19", "radius": radius, "mean": 1.5, "low": 1.0, "high": 50.0})
    curves.show_curves(rows, "raw", "radii", COLOURS, THEMES["light"])
    assert curves.axes.getViewBox().viewRange() == [[0, 2], [0, 2]]
    assert "Pt19" in curves.words.text()
    curves.show_curves(rows[:0], "raw", "radii", COLOURS, THEMES["light"])
    assert "Pt19" not in curves.words.text()


def test_shares_that_nobody_knows_are_drawn_as_nothing(chart: ShareChart) -> None:
    nothing = np.full(len(chart.labels), np.nan)
    series = [ShareSeries("shares", form, nothing, nothing, nothing) for form in ("bar", "square")]
    chart.show_shares(chart.labels, series, COLOURS, THEMES["dark"])
    assert not [item for item in chart.axes.items() if isinstance(item, BarGraphItem)]
