"""How fast the gallery opens, scrolls and follows, with thousands of clusters in a real window.

    python benchmarks/gallery.py [--clusters 5000] [--rounds 40]

Opening is from the call to the first painting; the pictures that are seen come a moment later. Scrolling goes through
the whole page, faster than a person reads. A stall is the longest gap between two beats of a timer in the window's own
thread while that happens; on a busy machine it holds the waiting for other programs as well, the last column does not.
Python's search for garbage among all that napari holds, 0.15 s now and then whatever one does, is held off. Places and
labels are random, on a noisy image of 4096 × 4096 pixels. Takes about a minute.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import _machine
from _options import parsed, parser_for
from _window import Heartbeat, need_screen, until

SIZES = (19, 30, 41, 55, 70)
SIDE_PX = 4096


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--clusters", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=40)
    options = parsed(parser, clusters=300, rounds=3)
    need_screen()
    import napari
    from qtpy.QtTest import QTest

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1400, 900)
    workspace = _fill(viewer, options.clusters)
    print(_machine.describe("napari", "PyQt6"))
    print(f"{options.clusters} clusters on {SIDE_PX} × {SIDE_PX} pixels\n")
    print("| what | ms | longest stall (ms, target 50) | of it work of the window itself |\n|---|---|---|---|")
    gc.freeze()
    panel = _open(viewer)
    view, document = panel.view, workspace.document
    crops, bar, ids = view.crops, view.bar, view.contents.ids.tolist()

    def all_made() -> bool:
        return all(crops.picture(view.contents.place(i)) is not None for i in view.visible.tolist())

    _line("all pictures that are seen are there", lambda: QTest.qWait(5), all_made)
    per_page = np.linspace(0, bar.maximum(), options.rounds * 5).astype(int).tolist()

    def through() -> None:
        for value in per_page:
            bar.setValue(value)
            QTest.qWait(10)

    _line(f"scroll through in {len(per_page)} steps, pictures made on the way", through)
    _line("scroll back, the pictures are there", lambda: (per_page.reverse(), through()))
    _paint(view, options.rounds)
    _line("select one in the gallery", lambda: view.pick([3]))
    _line("select all in the gallery", lambda: view.pick(range(len(ids))))
    _line("select one elsewhere", lambda: document.select(ids[-1:]))
    _line("label one", lambda: document.annotate(ids[:1], "Pt55"))
    _line("another order", lambda: panel.gallery.choose(order="n_atoms"))
    _line("move the slider", lambda: panel.bound.setValue(60))
    viewer.close()


def _open(viewer: Any) -> Any:
    from qtpy.QtCore import QEvent, QObject
    from qtpy.QtWidgets import QApplication

    painted: list[float] = []

    class First(QObject):
        def eventFilter(self, watched: Any, event: Any) -> bool:
            if event.type() == QEvent.Type.Paint and type(watched.parent()).__name__ == "PictureView":
                painted.append(time.perf_counter())
            return False

    first, heart = First(), Heartbeat()
    QApplication.instance().installEventFilter(first)
    heart.start()
    start = time.perf_counter()
    dock, panel = viewer.window.add_plugin_dock_widget("napari-atomicity", "Gallery")
    dock.setFloating(True)
    dock.resize(900, 860)
    until(lambda: bool(painted), quiet_ms=0)
    QApplication.instance().removeEventFilter(first)
    gaps = heart.stop()
    _write("open, to the first painting (target 500 ms)", 1000 * (painted[0] - start), gaps)
    return panel


def _line(what: str, do: Callable[[], Any], done: Callable[[], bool] = lambda: True) -> None:
    from qtpy.QtWidgets import QApplication

    heart = Heartbeat()
    heart.start()
    start = time.perf_counter()
    do()
    QApplication.processEvents()
    while not done():
        QApplication.processEvents()
    taken = time.perf_counter() - start
    until()
    _write(what, 1000 * taken, heart.stop())


def _write(what: str, ms: float, gaps: list[tuple[float, float]]) -> None:
    wall, own = gaps[-1]
    print(f"| {what} | {ms:.0f} | {1000 * wall:.0f} | {1000 * own:.0f} |", flush=True)


def _paint(view: Any, rounds: int) -> None:
    """What is seen painted once more, the interface thread's own work."""
    taken = []
    for _ in range(rounds):
        start = time.thread_time()
        view.grab()
        taken.append(1000 * (time.thread_time() - start))
    print(f"| paint {len(view.visible)} pictures (median) | {np.median(taken):.1f} | – | {np.median(taken):.0f} |")


def _fill(viewer: Any, n: int) -> Any:
    """Clusters at random places of a noisy image, with labels as a model gives them."""
    from napari.layers import Layer

    from napari_atomicity.clusters import ClusterTable
    from napari_atomicity.io.napari_hooks import as_layer
    from napari_atomicity.micrograph import Micrograph
    from napari_atomicity.ui.context import context_of

    workspace = context_of(viewer).workspace
    rng = np.random.default_rng(0)
    image = rng.normal(1000, 50, (SIDE_PX, SIDE_PX)).astype(np.uint16)
    viewer.add_layer(Layer.create(*as_layer(Micrograph(image, 0.03, name="frame"))))
    y, x = rng.uniform(20, SIDE_PX - 20, (2, n))
    found = {"y_px": y, "x_px": x, "y_nm": 0.03 * y, "x_nm": 0.03 * x, "diameter_nm": rng.normal(1.1, 0.1, n)}
    chances = rng.dirichlet(np.full(len(SIZES), 0.4), n)
    values = {f"p_{size}": chances[:, i] for i, size in enumerate(SIZES)}
    values |= {"label": [f"Pt{SIZES[i]}" for i in chances.argmax(axis=1)], "confidence": chances.max(axis=1)}
    values |= {"n_atoms": np.array(SIZES)[chances.argmax(axis=1)] + rng.normal(0, 3, n), "n_atoms_sd": np.full(n, 3.0)}
    workspace.document.commit("Count", ClusterTable.from_columns(found).with_predictions(SIZES, values))
    until(lambda: not any(work.busy for work in workspace.works))
    return workspace


if __name__ == "__main__":
    main()
