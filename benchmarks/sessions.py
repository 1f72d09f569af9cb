"""What saving costs: interface time of an autosave, size and time of a session file.

    python benchmarks/sessions.py [--clusters 5000] [--steps 200] [--plain]

A counted image of simulated pixels with a history of labels is saved, opened, and autosaved in a real window. A timer
beats every 5 ms in the window's own thread; its longest gap while the background writes is what a person could feel.
`--plain` leaves the window out. Takes about a minute.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import _machine
from _options import parsed, parser_for
from _window import Heartbeat, need_screen, until
from napari_atomicity.clusters import ClusterTable
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline import ImageState
from napari_atomicity.progress import drain
from napari_atomicity.project import HistoryStep, Project, SavedImage, open_steps, save_project
from napari_atomicity.project.recovery import Recorder


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--clusters", type=int, default=5000)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--plain", action="store_true")
    options = parsed(parser, clusters=500, steps=20, plain=True)
    if not options.plain:
        need_screen()
    work = make(options.clusters, options.steps)
    print(_machine.describe("napari"))
    print(f"{options.clusters} clusters, {options.steps} steps of history, simulated pixels\n")
    print("| what | seconds | size (MB) |")
    print("|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for row in on_the_disk(work, Path(folder)):
            print(row)
        if not options.plain:
            os.environ["NAPARI_ATOMICITY_RECOVERY"] = str(Path(folder) / "window")
            in_the_window(work)


def make(n: int, steps: int) -> SavedImage:
    """A counted image with a history of single labels."""
    from napari_atomicity.counting.bundle import load_bundle
    from napari_atomicity.io import read
    from napari_atomicity.io.samples import sample_dir
    from napari_atomicity.pipeline import Settings, analyse

    seen = analyse(read(sample_dir() / "sample_mixed.tif"), Settings(adapt="auto"))
    before = seen.before
    assert before is not None
    rows = np.arange(n) % len(before.table)
    side = int(40 * np.sqrt(n))
    rng = np.random.default_rng(0)
    places = {"id": np.arange(n), "y_px": rng.uniform(0, side, n), "x_px": rng.uniform(0, side, n)}
    noise = {"intensity": rng.normal(3000, 500, n), "confidence": rng.random(n)}
    frame = before.table.rows.iloc[rows].reset_index(drop=True).assign(**places, **noise)
    table = ClusterTable(pd.DataFrame(frame), before.table.class_sizes)
    image = Micrograph(rng.poisson(300, (side, side)).astype(np.uint16), 0.05, name="simulated")
    done = replace(before, table=table, evidence=before.evidence.take(rows))
    state = ImageState(image, table, bundle=load_bundle("dual"), count=done, offered=done)
    history = [HistoryStep("Open", ImageState(image, ClusterTable.empty())), HistoryStep("Count atoms", state)]
    for at in range(steps - 2):
        table = table.annotate([int(rng.integers(n))], "Pt19")
        history.append(HistoryStep(f"Label {at}", replace(state, table=table)))
    return SavedImage("simulated", tuple(history), len(history) - 1)


def on_the_disk(work: SavedImage, folder: Path) -> list[str]:
    """Lines about saving, opening and recording."""
    session = Project((work,))
    lines = []
    start = time.perf_counter()
    path = save_project(session, folder / "all.atomicity")
    lines.append(f"| save the session | {time.perf_counter() - start:.2f} | {path.stat().st_size / 1e6:.1f} |")
    pixels = work.state.micrograph.data.nbytes / 1e6
    lines.append(f"| of it the pixels, which are in no file here | | up to {pixels:.1f} |")
    start = time.perf_counter()
    drain(open_steps(path))
    lines.append(f"| open it again | {time.perf_counter() - start:.2f} | |")
    recorder = Recorder(folder / "recovery")
    start = time.perf_counter()
    recorder.record(session)
    lines.append(f"| first autosave, in the background | {time.perf_counter() - start:.2f} | |")
    table = work.state.table.annotate([1], "Pt70")
    more = replace(
        work, steps=(*work.steps, HistoryStep("One more", replace(work.state, table=table))), now=work.now + 1
    )
    start = time.perf_counter()
    recorder.record(Project((more,)))
    lines.append(f"| autosave after one more label, in the background | {time.perf_counter() - start:.2f} | |")
    recorder.clear()
    return lines


def in_the_window(work: SavedImage) -> None:
    """Interface time of autosaves while a person labels one cluster after the other."""
    import napari

    from napari_atomicity.ui.context import context_of
    from napari_atomicity.ui.project.conversion import Restorer

    viewer = napari.Viewer(show=True)
    context: Any = context_of(viewer)
    workspace: Any = context.workspace
    document = Restorer(workspace).show(work)
    assert document is not None
    autosave = context.project.autosave
    until(lambda: autosave.when is not None)
    heart = Heartbeat()
    print("\n| in the window | ms (target 50) |")
    print("|---|---|")
    autosave.longest = 0.0
    edits, gaps = [], []
    for at in range(5):
        start = time.perf_counter()
        document.annotate([at], "Pt41")
        edits.append(1000 * (time.perf_counter() - start))
        last = autosave.when
        until(quiet_ms=200)  # what napari does for the label itself
        heart.start()
        until(lambda last=last: autosave.when != last)
        gaps.append(heart.stop()[-1])
    print(f"| collecting what is to be written | {1000 * autosave.longest:.1f} |")
    print(f"| longest gap between beats while the background writes | {1000 * max(gap for gap, _ in gaps):.0f} |")
    print(f"| of it work of the window itself | {1000 * max(own for _, own in gaps):.0f} |")
    viewer.close()


if __name__ == "__main__":
    main()
