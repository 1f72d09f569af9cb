"""The labelled clusters of the foreign lots, made once and kept."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.training.evaluate import EvaluationSet, FramePlan, labelled
from napari_atomicity.training.library import Library
from validation.foreign_clusters import LOTS
from validation.foreign_frames import Settings, foreign_frame, plan
from validation.multislice_library import load_multislice


@dataclass(frozen=True, eq=False)
class ForeignLot:
    """A lot as the detector sees it.

    Attributes
    ----------
    tested
        Clusters found, and those that were missed.
    session
        (frames,) session of each frame, by its number.
    """

    tested: EvaluationSet
    session: npt.NDArray[np.int64]


def foreign_lot(name: str, folder: Path, workers: int = 2) -> ForeignLot:
    """The clusters of the lot `name`; its frames are made where they are not in `folder` yet.

    Parameters
    ----------
    name
        ``choose`` or ``report``.
    folder
        Holds the store ``NAME.npz`` of imaged clusters (`benchmarks/foreign.py --make` fills it).
    workers
        Processes.
    """
    frames = plan()
    kept = folder / f"{name}-clusters.npz"
    missed = folder / f"{name}-missed.csv"
    if not (kept.exists() and missed.exists()):
        sets = list(_made(name, folder, frames, workers))
        tested = EvaluationSet.join(sets)
        tested.library.save(kept)
        tested.missed.to_csv(missed, index=False)
    pure = np.array([settings.number for settings in frames if settings.pure], dtype=np.int64)
    tested = EvaluationSet(Library.load(kept), pd.read_csv(missed), pure)
    return ForeignLot(tested, np.array([settings.session for settings in frames], dtype=np.int64))


def _made(name: str, folder: Path, frames: list[Settings], workers: int) -> Iterator[EvaluationSet]:
    jobs = [(name, folder / f"{name}.npz", settings) for settings in frames]
    if workers < 2:
        yield from map(_frame, jobs)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_frame, jobs, chunksize=2)


def _frame(job: tuple[str, Path, Settings]) -> EvaluationSet:
    name, store, settings = job
    frame = foreign_frame(LOTS[name], load_multislice(store), settings)
    return labelled(frame, FramePlan(settings.number, settings.condition, settings.pure))
