"""How long the interface stalls while work runs, and how long the workbench takes to open, in a real window.

    python benchmarks/interface.py [--size 2048] [--clusters 300] [--model NAME|PATH] [--plain]

A timer beats every 5 ms in the window's own thread; the longest gap between two beats is what a person feels as a
stall. On a busy machine it holds the waiting for other programs as well; the next column does not. `--plain` starts
as napari does (PyTorch is imported at first use); without it PyTorch is there from the start, as with
`napari-atomicity window`. The image is simulated. Takes about a minute.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
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
    viewer.close()


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
