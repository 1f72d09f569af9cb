"""How long after a click the card of the cluster is on the screen, in a real window.

    python benchmarks/card.py [--clusters 5000] [--size 8192] [--clicks 40] [--model NAME|PATH]

A click selects a point on the layer of clusters; the clock stops when the card has painted the pictures of that
cluster (and with them its numbers, bars and strips). On a busy machine that holds the waiting for other programs as
well; the second row does not. The contours of attribution follow from a thread; the last row says when. Each cluster
is clicked once, so nothing is remembered from before. The workbench is open as well. The image is simulated.
Takes about three minutes, most of it to find and count the clusters.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

import _machine
from _block import block_of_frames
from _options import parsed, parser_for
from _window import need_screen, until


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--clusters", type=int, default=5000)
    parser.add_argument("--size", type=int, default=8192)
    parser.add_argument("--clicks", type=int, default=40)
    parser.add_argument("--model", default="dual")
    options = parsed(parser, clusters=200, size=1024, clicks=5)
    need_screen()
    import napari
    import torch  # noqa: F401

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1400, 900)
    _, workbench = viewer.window.add_plugin_dock_widget("napari-atomicity", "Atomicity")
    document = _counted(viewer, workbench, options)
    dock, card = viewer.window.add_plugin_dock_widget("napari-atomicity", "Cluster card")
    dock.setFloating(True)
    dock.resize(400, 850)
    until(lambda: not card.looker.work.busy, 500)
    rows = document.table.rows
    ids = rows["id"][(rows["flag"] == "ok") & (rows["label"] != "")].sample(options.clicks, random_state=0)
    shown, own, contours = np.array([_click(workbench.workspace, card, int(i)) for i in ids]).T * 1000

    print(_machine.describe("napari", "PyQt6"))
    print(f"{len(document.table)} clusters, {options.clicks} of them clicked one after the other\n")
    print("| from the click to | median (ms) | longest (ms) | target (ms) |")
    print("|---|---|---|---|")
    print(f"| pictures and numbers on the screen | {np.median(shown):.0f} | {shown.max():.0f} | 100 |")
    print(f"| the same, work of the window itself alone | {np.median(own):.0f} | {own.max():.0f} | 100 |")
    print(f"| contours of attribution | {np.median(contours):.0f} | {contours.max():.0f} | – |")
    viewer.close()


def _counted(viewer: Any, workbench: Any, options: argparse.Namespace) -> Any:
    """A frame of many clusters, found and counted."""
    from napari.layers import Layer

    from napari_atomicity.io.napari_hooks import as_layer
    from napari_atomicity.ui.actions import single

    viewer.add_layer(Layer.create(*as_layer(block_of_frames(options.size, options.clusters))))
    workspace = workbench.workspace
    workspace.document.choose(model=options.model, adapt="off")
    for step in (single.detect, single.classify):
        step(workspace)
        until(lambda: not workspace.work.busy, 500)
    return workspace.document


def _click(workspace: Any, card: Any, cluster: int) -> tuple[float, float, float]:
    """Seconds until the card of `cluster` is painted, how long the window worked for it, and until its contours are."""
    from qtpy.QtCore import QEvent, QObject
    from qtpy.QtWidgets import QApplication

    class Watch(QObject):
        at = own = 0.0

        def eventFilter(self, _: Any, event: Any) -> bool:
            if event.type() == QEvent.Type.Paint and card.shown == cluster and not self.at:
                self.at, self.own = time.perf_counter(), time.thread_time()
            return False

    watch = Watch()
    card.patch.installEventFilter(watch)
    row = int(np.flatnonzero(workspace.document.table.ids == cluster)[0])
    start, own = time.perf_counter(), time.thread_time()
    workspace.clusters.points.selected_data = {row}  # what the select tool does
    while not watch.at:
        QApplication.processEvents()
    while not any(shown.contours for shown in card.patch.shown) and "No contours" not in card.contours.text():
        QApplication.processEvents()
        time.sleep(0.001)
    contours_at = time.perf_counter()
    card.patch.removeEventFilter(watch)
    until(lambda: not card.looker.work.busy, 100)
    return watch.at - start, watch.own - own, contours_at - start


if __name__ == "__main__":
    main()
