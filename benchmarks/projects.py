"""What a project file costs: saving and opening it, and the keeping of unsaved work behind it.

    python benchmarks/projects.py [--clusters 5000] [--size 8192] [--steps 200] [--repeats 5] [--model NAME|PATH]

A real window with one counted image of a file, and that many labels by hand one after another; saved, and opened in
another window. Times are from the call until the window says that it is done; the longest pause is the longest gap
between two beats of the interface, less that with nothing to write. Median of the repeats, with their range. The image
is simulated. Takes about five minutes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd

import _machine
from _block import block_of_frames
from _options import parsed, parser_for
from _tables import markdown, median_and_range
from _window import Heartbeat, need_screen, until

SIZES: Final = (19, 30, 41, 55, 70)


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--clusters", type=int, default=5000)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--size", type=int, default=8192)
    parser.add_argument("--model", default="dual")
    parser.add_argument("--repeats", type=int, default=5)
    options = parsed(parser, clusters=200, size=1024, steps=20, repeats=1)
    need_screen()
    from tifffile import imwrite

    print(_machine.describe("napari", "PyQt6"))
    with tempfile.TemporaryDirectory() as name:
        image = block_of_frames(options.size, options.clusters)
        per_nm = (1 / image.calibrated_pixel_size_nm,) * 2
        imwrite(Path(name) / "frame.tif", image.data, imagej=True, resolution=per_nm, metadata={"unit": "nm"})
        saved = _saved(Path(name), options)
        size = f"{saved[0][0].stat().st_size / 1e6:.1f} MB"
        opened = pd.DataFrame([_opened(path) for path, _ in saved])
    lines = {"save the project": [_time([seconds for _, seconds in saved]), size]}
    lines |= {str(what): [_time(opened[what].tolist()), ""] for what in opened}
    print(markdown(["time", "size"], lines, "what"))


def _saved(folder: Path, options: argparse.Namespace) -> list[tuple[Path, float]]:
    """Files of one counted and labelled image, each with the seconds that saving it took."""
    from napari_atomicity.ui.actions import single

    viewer, workspace, project = _window()
    viewer.open(folder / "frame.tif", plugin="napari-atomicity")
    workspace.document.choose(model=options.model, adapt="off")
    for step in (single.detect, single.classify):
        _until_idle(workspace, lambda step=step: step(workspace))
    for _ in range(options.steps):
        _label(workspace)
    until()
    print(
        f"{len(workspace.document.table)} clusters, {options.steps} labels by hand (simulated image, random labels)\n"
    )
    paths = [folder / f"project{i}.atomicity" for i in range(options.repeats)]
    saved = [(path, _until_idle(workspace, lambda path=path: project.save(path))) for path in paths]
    viewer.close()
    return saved


def _opened(path: Path) -> dict[str, float]:
    """Seconds in a second window, which opens the file and goes on."""
    viewer, workspace, project = _window()
    autosave, heart = project.autosave, Heartbeat()
    found = {"open it again": _until_idle(workspace, lambda: project.open(path))}
    until(lambda: autosave.done, quiet_ms=1000)
    usual = _longest(heart, lambda: until(quiet_ms=1000))
    first, pause = _kept(workspace, autosave, heart)
    found["first autosave after opening it, in the background"] = first
    found["autosave after one more label, in the background"] = _kept(workspace, autosave, heart)[0]
    found["interface time of an autosave"] = autosave.longest
    found["longest pause of the interface while the first one is written"] = max(pause - usual, 0.0)
    viewer.close()
    return found


def _window() -> tuple[Any, Any, Any]:
    import napari

    from napari_atomicity.ui.context import context_of

    viewer = napari.Viewer(show=True)
    viewer.window.add_plugin_dock_widget("napari-atomicity", "Atomicity")
    until()
    context = context_of(viewer)
    return viewer, context.workspace, context.project


def _label(workspace: Any) -> None:
    """One cluster more gets another label."""
    document = workspace.document
    row = len(document.steps[0]) % len(document.table)
    document.annotate([int(document.table.ids[row])], f"Pt{SIZES[len(document.steps[0]) % len(SIZES)]}")


def _until_idle(workspace: Any, begin: Callable[[], Any]) -> float:
    start = time.perf_counter()
    begin()
    until(lambda: not workspace.work.busy, quiet_ms=0)
    return time.perf_counter() - start


def _longest(heart: Heartbeat, do: Callable[[], Any]) -> float:
    heart.start()
    do()
    return heart.stop()[-1][0]


def _kept(workspace: Any, autosave: Any, heart: Heartbeat) -> tuple[float, float]:
    """Seconds that a thread writes after one more label, and the longest pause of the interface meanwhile."""
    _label(workspace)
    until(lambda: autosave.writing, quiet_ms=0)
    start = time.perf_counter()
    pause = _longest(heart, lambda: until(lambda: not autosave.writing, quiet_ms=0))
    return time.perf_counter() - start, pause


def _time(seconds: Sequence[float]) -> str:
    if max(seconds) < 0.1:
        return median_and_range([1000 * each for each in seconds], "{:.0f}") + " ms"
    return median_and_range(seconds, "{:.2f}") + " s"


if __name__ == "__main__":
    main()
