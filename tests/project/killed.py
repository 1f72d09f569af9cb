"""A process that edits and saves until it is killed; `edit_on` runs in it."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline import ImageState
from napari_atomicity.project import HistoryStep, Project, SavedImage, save_project
from napari_atomicity.project.recovery import Recorder

#: files in which the process notes its edits: those made, those in the recovery folder, those in the project file
MADE, KEPT, SAVED = "made", "kept", "saved"
SESSION = "day.atomicity"


def edit_on(folder: str, n: int) -> None:
    """Label one cluster after the other; record each, and write the project file now and then."""
    home = Path(folder)
    recorder = Recorder(home / "recovery")
    rng = np.random.default_rng(os.getpid())
    table = ClusterTable.from_columns({"y_px": rng.uniform(0, 99, n), "x_px": rng.uniform(0, 99, n)})
    micrograph = Micrograph(rng.normal(0, 1, (20, 20)).astype(np.float32), 0.1, name="killed")
    state = ImageState(micrograph, table)
    steps = [HistoryStep("Find clusters", state)]
    for at in range(1, 100_000):
        table = table.annotate([int(rng.choice(table.ids))], f"Pt{at}")
        if at % 7 == 0:
            table = table.drop([int(table.ids[0])]).add({"frame": [0], "y_px": [float(at)], "x_px": [1 / at]})
        steps = [*steps, HistoryStep(f"Edit {at}", replace(state, table=table, when=time.time()))][-300:]
        tell(home / MADE, at)
        project = Project((SavedImage("killed", tuple(steps), len(steps) - 1),))
        recorder.record(project)
        tell(home / KEPT, at)
        if at % 5 == 0:
            save_project(project, home / SESSION)
            tell(home / SAVED, at)


def tell(path: Path, number: int) -> None:
    """Note a number so that it is read whole or not at all."""
    with path.open("ab") as file:
        file.write(number.to_bytes(4, "big"))


def told(path: Path) -> int:
    """The last number that was noted; 0 where there is none."""
    content = path.read_bytes() if path.is_file() else b""
    whole = content[: len(content) // 4 * 4]
    return int.from_bytes(whole[-4:], "big") if whole else 0
