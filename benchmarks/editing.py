"""How long a label takes from the key to the colour on the screen, and what 200 steps of history weigh.

    python benchmarks/editing.py [--clusters 5000] [--presses 40] [--profile]

A real window with the workbench, the review and the history open. The key is pressed in the window; the first time is
until its handler returns (the table, the history and the layer hold the label), the second until the event loop has
painted the canvas, the third the longest stall afterwards, when the panels follow. Places and labels are random.
Takes about two minutes.
"""

from __future__ import annotations

import gc
import time
from typing import Any

import numpy as np

import _machine
from _options import parsed, parser_for
from _window import Heartbeat, need_screen, until

SIZES = (19, 30, 41, 55, 70)


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--clusters", type=int, default=5000)
    parser.add_argument("--presses", type=int, default=40)
    parser.add_argument("--profile", action="store_true")
    options = parsed(parser, clusters=500, presses=3)
    need_screen()
    import napari

    viewer = napari.Viewer(show=True)
    _, workbench = viewer.window.add_plugin_dock_widget("napari-atomicity", "Atomicity")
    for name in ("Review", "History"):
        viewer.window.add_plugin_dock_widget("napari-atomicity", name)
    _fill(viewer, workbench.workspace, options.clusters)
    print(_machine.describe("napari", "PyQt6"))
    print(f"{options.clusters} clusters, {options.presses} presses of each key (simulated places and labels)\n")
    if options.profile:
        _profile(workbench.workspace)
    workbench.workspace.group.review.go_on = False
    print("| key | to the layer (ms, median) | to the screen (ms, median; target 50) | 95 % | stall afterwards (ms) |")
    print("|---|---|---|---|---|")
    for title, key, chosen in (
        ("label one cluster", "Q", 1),
        ("label a hundred", "R", 100),
        ("accept one and go on", "F", 0),
        ("next", "N", 0),
        ("undo", "Ctrl+Z", 0),
        ("redo", "Ctrl+Shift+Z", 0),
    ):
        if title.startswith("accept"):
            workbench.workspace.group.review.go_on = True
            _pressed(workbench.workspace, "N", 0, 1)
        layer, screen, after = _pressed(workbench.workspace, key, chosen, options.presses)
        print(
            f"| {title} | {np.median(layer):.0f} | {np.median(screen):.0f} | {np.quantile(screen, 0.95):.0f} "
            f"| {np.median(after):.0f} |"
        )
    redraw = _redrawn(workbench.workspace, options.presses)
    usual, late = np.median(redraw), np.quantile(redraw, 0.95)
    print(f"| nothing of ours: napari draws these points anew | – | {usual:.0f} | {late:.0f} | – |")
    _weigh(workbench.workspace)
    viewer.close()


def _fill(viewer: Any, workspace: Any, n: int) -> None:
    """Clusters at random places of an empty image, with labels as a model gives them."""
    from napari.layers import Layer

    from napari_atomicity.clusters import ClusterTable
    from napari_atomicity.counting.bundle import load_bundle
    from napari_atomicity.io.napari_hooks import as_layer
    from napari_atomicity.micrograph import Micrograph
    from napari_atomicity.pipeline import Count

    rng = np.random.default_rng(0)
    image = rng.normal(100, 10, (2048, 2048)).astype(np.float32)
    viewer.add_layer(Layer.create(*as_layer(Micrograph(image, 0.05, name="frame"))))
    y, x = rng.uniform(20, 2028, (2, n))
    found = {"y_px": y, "x_px": x, "y_nm": y / 20, "x_nm": x / 20, "diameter_nm": rng.normal(1.1, 0.1, n)}
    table = ClusterTable.from_columns(found | {"intensity": rng.normal(100, 10, n)})
    chances = rng.dirichlet(np.full(len(SIZES), 0.4), n)
    values = {f"p_{size}": chances[:, i] for i, size in enumerate(SIZES)}
    values |= {"label": [f"Pt{SIZES[i]}" for i in chances.argmax(axis=1)], "confidence": chances.max(axis=1)}
    table = table.with_predictions(SIZES, values)
    done = Count(table, None, None, {})
    workspace.document.commit("Count", table, bundle=load_bundle("dual"), count=done, offered=done)
    until(quiet_ms=1500)


def _pressed(workspace: Any, key: str, chosen: int, presses: int) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds to the layer, to the screen, and of the longest stall afterwards."""
    from qtpy.QtGui import QKeySequence
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QApplication, QMainWindow

    window = next(w for w in QApplication.topLevelWidgets() if isinstance(w, QMainWindow) and w.isVisible())
    canvas = next(w for w in QApplication.allWidgets() if hasattr(w, "frameSwapped") and w.isVisible())
    combination = QKeySequence(key)[0]
    rng, heart = np.random.default_rng(1), Heartbeat()
    times: tuple[list[float], list[float], list[float]] = ([], [], [])
    for _ in range(presses):
        if chosen:
            workspace.document.select(rng.choice(workspace.document.table.ids, chosen, replace=False))
        QTest.qWait(150)
        start = time.perf_counter()
        QTest.keyClick(window, combination.key(), combination.keyboardModifiers())
        times[0].append(1000 * (time.perf_counter() - start))
        painted: list[float] = []
        canvas.frameSwapped.connect(lambda painted=painted: painted.append(time.perf_counter()))
        while not painted and time.perf_counter() < start + 2:
            QApplication.processEvents()
        canvas.frameSwapped.disconnect()
        times[1].append(1000 * ((painted or [np.nan])[0] - start))
        heart.start()
        QTest.qWait(150)
        times[2].append(1000 * heart.stop()[-1][0])
    return times


def _redrawn(workspace: Any, times: int) -> list[float]:
    """Milliseconds that napari takes from a refresh of the layer to the screen, without anything of ours."""
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QApplication

    canvas = next(w for w in QApplication.allWidgets() if hasattr(w, "frameSwapped") and w.isVisible())
    found = []
    rng = np.random.default_rng(2)
    for _ in range(times):
        # as before a key: napari marks what is selected, which it draws too
        workspace.document.select(rng.choice(workspace.document.table.ids, 1))
        QTest.qWait(150)
        painted: list[float] = []
        canvas.frameSwapped.connect(lambda painted=painted: painted.append(time.perf_counter()))
        start = time.perf_counter()
        workspace.clusters.points.refresh(extent=False)
        while not painted:
            QApplication.processEvents()
        canvas.frameSwapped.disconnect()
        found.append(1000 * (painted[0] - start))
    return found


def _weigh(workspace: Any) -> None:
    """Memory of 200 more steps."""
    import psutil

    process = psutil.Process()
    gc.collect()
    before = process.memory_info().rss
    ids = workspace.document.table.ids
    for i in range(200):
        workspace.document.annotate([int(ids[i])], f"Pt{SIZES[i % len(SIZES)]}")
    gc.collect()
    grown = (process.memory_info().rss - before) / 2**20
    print(f"\n200 labels more in the history: {grown:.0f} MiB ({len(workspace.document.steps[0])} steps are kept)")


def _profile(workspace: Any) -> None:
    import cProfile
    import pstats

    profile = cProfile.Profile()
    workspace.document.select([int(workspace.document.table.ids[5])])
    until()
    from napari_atomicity.ui.actions import annotate

    profile.enable()
    for i in range(10):
        annotate.label(workspace, f"Pt{SIZES[i % 5]}")
    profile.disable()
    pstats.Stats(profile).sort_stats("cumulative").print_stats(35)


if __name__ == "__main__":
    main()
