"""How fast the plots of the window are painted, and the map of features beside the same points in pyqtgraph.

python benchmarks/plots.py [--rounds 30] [--quick]

Half a minute. Median of the rounds, of the interface thread's own work, so that other programs on the machine do not
count. *Repaint*: what is shown already is painted once more; *new data*: drawn anew and painted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

import _machine
from _options import parsed, parser_for
from _window import need_screen

SIZES = (19, 30, 41, 55, 70)
LABELS = [f"Pt{size}" for size in SIZES]
THEME = {"background": "#262930", "text": "#f0f1f2", "grid": "#414851"}
LIBRARY, CLUSTERS = 2000, 5000


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parsed(parser, rounds=3).rounds
    need_screen()
    from napari.qt import get_qapp

    app = get_qapp()
    print(_machine.describe("pyqtgraph", "PyQt6"), "\n")
    print("| plot | repaint (ms) | new data (ms) |\n|---|---|---|")
    for name, widget, draw in _charts():
        widget.resize(420, 260)
        widget.show()
        draw()
        app.processEvents()
        repaint, anew = (_ms(do, rounds) for do in (widget.grab, lambda w=widget, draw=draw: (draw(), w.grab())))
        print(f"| {name} | {repaint:.1f} | {anew:.1f} |")
    print(f"\nMap of features: {LIBRARY:,} clusters of the library, {CLUSTERS:,} of images\n")
    print("| what | painted by hand (ms) | pyqtgraph (ms) |\n|---|---|---|")
    ours, theirs = _by_hand(app, rounds), _pyqtgraph(app, rounds)
    for what in ours:
        print(f"| {what} | {ours[what]:.1f} | {theirs[what]:.1f} |")


def _ms(do: Callable[[], Any], rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        start = time.thread_time()
        do()
        taken.append(time.thread_time() - start)
    return 1000 * float(np.median(taken))


def _charts() -> list[tuple[str, Any, Callable[[], None]]]:
    from napari_atomicity.report.shares import series_of_counts, series_of_ratios
    from napari_atomicity.style import colours
    from napari_atomicity.ui.widgets.curves import Curves
    from napari_atomicity.ui.widgets.share_chart import ShareChart

    rng, palette = np.random.default_rng(0), colours(SIZES)
    share = rng.dirichlet(np.full(5, 2.0))
    counts = pd.DataFrame({"label": LABELS, "fraction": share, "low": 0.8 * share, "high": 1.2 * share})
    ratios = pd.DataFrame({"label": LABELS, "share": share, "low": 0.8 * share, "high": 1.2 * share} | {
        name: rng.dirichlet(np.full(5, 2.0)) for name in ("counted", "expected", "diameter", "intensity")
    })  # fmt: skip
    pair = [series_of_counts(counts, LABELS, "by label", "bar"), series_of_counts(counts, LABELS, "diameter", "hollow")]
    radius = np.linspace(0.05, 2, 24)
    curves = []
    for i, label in enumerate(LABELS):
        mean = 0.15 + 1.9 * np.exp(-((radius - 0.3 - 0.15 * i) ** 2) / 0.3)
        curves.append(
            pd.DataFrame({"label": label, "radius": radius, "mean": mean, "low": mean - 0.1, "high": mean + 0.1})
        )
    rows = pd.concat(curves, ignore_index=True)
    step, dock, profiles = ShareChart(), ShareChart(heading="", tall=True), Curves()
    return [
        ("shares of step 3", step, lambda: step.show_shares(LABELS, pair, palette, THEME)),
        ("class ratios", dock, lambda: dock.show_shares(LABELS, series_of_ratios(ratios), palette, THEME)),
        ("radial profiles", profiles, lambda: profiles.show_curves(rows, "raw", "radii", palette, THEME)),
    ]


def _points() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Places and classes of the library and of the clusters of images: five islands."""
    rng = np.random.default_rng(0)
    middles = 8 * rng.random((5, 2))
    kinds = [rng.integers(0, 5, n) for n in (LIBRARY, CLUSTERS)]
    library, clusters = (middles[kind] + rng.normal(0, 0.8, (len(kind), 2)) for kind in kinds)
    return library, kinds[0], clusters, kinds[1]


def _by_hand(app: Any, rounds: int) -> dict[str, float]:
    from qtpy.QtCore import QPointF

    from napari_atomicity.insight.islands import extent, islands
    from napari_atomicity.style import colours, label_colours
    from napari_atomicity.ui.feature_map.canvas import MapCanvas
    from napari_atomicity.ui.feature_map.painting import Style
    from napari_atomicity.ui.feature_map.view import View

    places, kind, xy, label = _points()
    labels = np.array(LABELS)[kind]
    feature_map = SimpleNamespace(xy=places, library=SimpleNamespace(labels=labels, class_index=kind))
    look = SimpleNamespace(feature_map=feature_map, islands=islands(feature_map))  # type: ignore[arg-type]
    view = View()
    canvas = MapCanvas(view, lambda *_: None)
    canvas.resize(420, 380)
    canvas.show()
    view.fit(*extent(places))
    canvas.show_map(look, Style(THEME, colours(SIZES)))  # type: ignore[arg-type]
    rgba, nothing = label_colours(np.array(LABELS)[label], SIZES), np.zeros(CLUSTERS, dtype=bool)
    canvas.show_clusters(xy, rgba, nothing, nothing)
    app.processEvents()

    def zoom() -> None:
        view.zoom_at(np.array([210.0, 190.0]), canvas.extent_px, 1.001)
        canvas.grab()

    def hover() -> None:
        canvas._mouse = QPointF(150.0, 120.0)
        canvas._look_under_mouse()

    return {
        "repaint": _ms(canvas.grab, rounds),
        "clusters moved or coloured anew": _ms(lambda: (canvas.move_clusters(xy), canvas.grab()), rounds),
        "zoom": _ms(zoom, rounds),
        "what lies under the mouse": _ms(hover, rounds),
    }


def _pyqtgraph(app: Any, rounds: int) -> dict[str, float]:
    import pyqtgraph as pg

    from napari_atomicity.style import label_colours

    places, kind, xy, label = _points()
    faint, full = (
        [pg.mkBrush(*(255 * colour[:3]), alpha) for colour in label_colours(np.array(LABELS)[which], SIZES)]
        for which, alpha in ((kind, 120), (label, 255))
    )
    plot = pg.PlotWidget(background=THEME["background"])
    plot.resize(420, 380)
    plot.hideAxis("left")
    plot.hideAxis("bottom")
    ground = pg.ScatterPlotItem(*places.T, size=3.8, pen=None, brush=faint, antialias=True)
    clusters = pg.ScatterPlotItem(*xy.T, size=5.6, pen=pg.mkPen(THEME["background"]), brush=full, antialias=True)
    plot.addItem(ground)
    plot.addItem(clusters)
    plot.show()
    app.processEvents()
    box, under = plot.getViewBox(), pg.Point(*xy[0])

    def zoom() -> None:
        box.scaleBy((1 / 1.001, 1 / 1.001))
        plot.grab()

    def move() -> None:
        clusters.setData(*xy.T, brush=full)
        plot.grab()

    return {
        "repaint": _ms(plot.grab, rounds),
        "clusters moved or coloured anew": _ms(move, rounds),
        "zoom": _ms(zoom, rounds),
        "what lies under the mouse": _ms(lambda: clusters.pointsAt(under), rounds),
    }


if __name__ == "__main__":
    main()
