"""How long the interface stalls while work runs, and how long the workbench takes to open, in a real window.

    python benchmarks/interface.py [--size 2048] [--clusters 300] [--model NAME|PATH] [--plain]

A timer beats every 5 ms in the window's own thread; the longest gap between two beats is what a person feels as a
stall. On a busy machine it holds the waiting for other programs as well; the next column does not. `--plain` starts
as napari does (PyTorch is imported at first use); without it PyTorch is there from the start, as with
`napari-atomicity window`. Analyse is timed on the sample, from the click to the first rings and to the first labels,
once everything is loaded. All images are simulated. Takes about a minute.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from statistics import median
from typing import Any

import _machine
from _options import parsed, parser_for
from _window import Heartbeat, need_screen, until


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--clusters", type=int, default=300)
    parser.add_argument("--model", default="dual")
    parser.add_argument("--plain", action="store_true")
    options = parsed(parser, size=1024, clusters=60)
    need_screen()
    if not options.plain:
        import torch  # noqa: F401
    import napari

    start = time.perf_counter()
    viewer = napari.Viewer(show=True)
    until()
    napari_alone = time.perf_counter() - start
    start = time.perf_counter()
    _, workbench = viewer.window.add_plugin_dock_widget("napari-atomicity", "Atomicity")
    until()
    opening = time.perf_counter() - start

    print(_machine.describe("napari", "PyQt6"))
    print(f"{options.size} × {options.size} frame, {options.clusters} clusters\n")
    rows = _stalls(viewer, workbench, options)
    print("| step | seconds | longest stall (ms, target 100) | of it work of the window itself | second longest |")
    print("|---|---|---|---|---|")
    for title, seconds, gaps, note in rows:
        (second, _), (longest, own) = ((1000 * wall, 1000 * own) for wall, own in gaps[-2:])
        print(f"| {title}{note} | {seconds:.2f} | {longest:.0f} | {own:.0f} | {second:.0f} |")
    print(f"\nWorkbench opened in {opening:.2f} s (target 1.5) beyond napari's own {napari_alone:.2f} s")
    rings, labels, end = _first_sight(viewer, workbench, options)
    print(
        f"Analyse of the sample: rings after {rings:.2f} s (target 0.4), labels after {labels:.2f} s (target 1), "
        f"all done after {end:.2f} s"
    )
    times = _openings(viewer)
    slowest = sorted(times, key=lambda name: times[name])[-3:]
    print(
        f"First opening of a panel (target 0.30 s), median of {len(times)}: {median(times.values()):.2f} s; slowest: "
        + ", ".join(f"{name} {times[name]:.2f}" for name in reversed(slowest))
    )
    viewer.close()


def _openings(viewer: Any) -> dict[str, float]:
    """Seconds from asking for each panel for the first time until it is painted, by its name."""
    from npe2 import PluginManager
    from qtpy.QtWidgets import QApplication

    from napari_atomicity.ui.workspace.docks import PLUGIN, open_dock

    times = {}
    for panel in PluginManager.instance().get_manifest(PLUGIN).contributions.widgets or []:
        until()
        start = time.perf_counter()
        open_dock(viewer, panel.display_name)
        for _ in range(3):
            QApplication.processEvents()
        times[panel.display_name] = time.perf_counter() - start
    return times


def _first_sight(viewer: Any, workbench: Any, options: argparse.Namespace) -> tuple[float, float, float]:
    """Seconds from the click on Analyse to first rings, first labels and the end, once another sample is done."""
    from napari_atomicity.io.samples import sample_dir
    from napari_atomicity.ui.launch import open_image

    workspace = workbench.workspace
    found: list[float] = []
    for name in ("sample_pt30.tif", "sample_mixed.tif"):
        open_image(viewer, sample_dir() / name)
        document = workspace.document
        document.choose(model=options.model)
        until()
        rings: list[float] = []
        labels: list[float] = []

        def look(document: Any = document, rings: list[float] = rings, labels: list[float] = labels) -> None:
            (labels if document.counted else rings).append(time.perf_counter())

        document.table_changed.connect(look)
        start = time.perf_counter()
        workbench.analyse.click()
        until(lambda: not workspace.work.busy, quiet_ms=0)
        found = [at - start for at in (rings[0], labels[0], time.perf_counter())]
    return found[0], found[1], found[2]


def _stalls(
    viewer: Any, workbench: Any, options: argparse.Namespace
) -> list[tuple[str, float, list[tuple[float, float]], str]]:
    from napari.layers import Layer

    from napari_atomicity.io.napari_hooks import as_layer
    from napari_atomicity.micrograph import Micrograph
    from napari_atomicity.simulation.conditions import sample_spec
    from napari_atomicity.simulation.frames import simulate_frame
    from napari_atomicity.ui.actions import single

    spec = sample_spec("nominal", None, options.clusters, shape=(options.size,) * 2, seed=1)
    frame = simulate_frame(spec, 1)
    viewer.add_layer(Layer.create(*as_layer(Micrograph(frame.image, frame.pixel_size_nm, name="frame"))))
    workspace = workbench.workspace
    workspace.document.choose(model=options.model)
    until()
    heart = Heartbeat()
    rows = []
    for title, do in (
        ("Find clusters", single.detect),
        ("Count atoms", single.classify),
        ("Count atoms again", single.classify),
        ("Adapt", single.adapt),
        ("Heat maps", partial(single.explain, explainer=workbench.context.explainer)),
        ("Analyse", single.analyse),
    ):
        endings: list[str] = []
        workspace.work.finished.connect(endings.append)
        heart.start()
        start = time.perf_counter()
        do(workspace)
        until(lambda: not workspace.work.busy)
        seconds = time.perf_counter() - start
        rows.append((title, seconds, heart.stop(), "" if endings == ["done"] else f" ({endings})"))
        workspace.work.finished.disconnect(endings.append)
    return rows


if __name__ == "__main__":
    main()
