"""The counts of a movie: one scale for all frames, and one frame in memory at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline.count import count_steps, label_steps, search_steps
from napari_atomicity.pipeline.settings import Settings
from napari_atomicity.pipeline.state import ImageState
from napari_atomicity.progress import Progress, Steps, drain
from napari_atomicity.threads import in_order, steps_on_one_thread_each

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.calibration import Calibration

#: frames that tell the scale of a movie
_SCALE_FRAMES: Final = 8


@dataclass(frozen=True)
class MovieScale:
    """Integrated intensity of one atom in a movie (counts·nm²), and its standard deviation."""

    intensity_per_atom: float
    intensity_per_atom_sd: float


def counted_frames_steps(
    micrograph: Micrograph, settings: Settings, bundle: Bundle
) -> Steps[tuple[ClusterTable, list[str]]]:
    """Search and count each frame alone, with a scale that is known.

    Parameters
    ----------
    micrograph
        One image or many.
    settings
        Of search and count, with the intensity of an atom.
    bundle
        The model.

    Returns
    -------
    The table of all frames, and what was odd in them.

    Raises
    ------
    InputError
        Where no frame has a cluster.
    """
    table, said, _ = yield from counted_steps(micrograph, settings, bundle)
    return table, said


def scale_steps(micrograph: Micrograph, settings: Settings, bundle: Bundle) -> Steps[tuple[Bundle, MovieScale | None]]:
    """Find the scale of a movie.

    Parameters
    ----------
    micrograph
        The movie.
    settings
        Of search and count.
    bundle
        The model.

    Returns
    -------
    The model, adapted where the settings say so, and the scale that some of the frames tell; None where it is given.

    Raises
    ------
    InputError
        Where these frames hold no cluster.
    """
    if settings.intensity_per_atom is not None and settings.adapt == "off":
        return bundle, None
    n = micrograph.n_frames
    some = np.unique(np.linspace(0, n - 1, min(n, _SCALE_FRAMES)).round().astype(int)).tolist()
    searched = yield from search_steps(ImageState(micrograph, settings=settings), some)
    (state,) = yield from count_steps([searched], bundle)
    fits = [fit for fit in state.calibrations.values() if np.isfinite(fit.intensity_per_atom)]
    if not fits:
        raise InputError("No cluster was found in the movie; raise the sensitivity, or check the pixel size.")
    return state.bundle or bundle, _joined_scale(fits)


def _joined_scale(fits: Sequence[Calibration]) -> MovieScale:
    """One scale of frames that were calibrated together."""
    logs = np.log([fit.intensity_per_atom for fit in fits])
    scale = float(np.exp(np.median(logs)))
    # what one frame does not know, the others do not know either
    return MovieScale(scale, float(np.median([fit.intensity_per_atom_sd for fit in fits])))


@steps_on_one_thread_each
def counted_steps(
    micrograph: Micrograph, settings: Settings, bundle: Bundle
) -> Steps[tuple[ClusterTable, list[str], list[int]]]:
    """Search and count each frame alone.

    Parameters
    ----------
    micrograph
        The movie.
    settings
        Of search and count, with the intensity of an atom.
    bundle
        The model.

    Returns
    -------
    The table of all frames, what was odd in them, and those where nothing can be counted.

    Raises
    ------
    InputError
        Where no frame holds a cluster.
    """
    # with that scale and no other; what was known beforehand is in it
    settings = replace(settings, adapt="off", deposited=(), fractions=(), anchors=())
    n = micrograph.n_frames
    tables: list[ClusterTable] = []
    said: list[str] = []
    refused: list[int] = []
    counted = in_order(partial(_counted_frame, micrograph, settings, bundle), range(n))
    for frame, result in enumerate(counted):
        yield Progress(frame, n, "Counting the frames")
        if isinstance(result, InputError):
            refused.append(frame)
            said.append(f"Frame {frame}: {result}")
            continue
        table, messages = result
        tables.append(table)
        said += [f"Frame {frame}: {sentence}" for sentence in messages]
    filled = [table for table in tables if len(table)]
    if not filled:
        raise InputError(said[0] if refused else "No cluster was found in the movie; raise the sensitivity.")
    return _stacked(filled), list(dict.fromkeys(said)), refused


def _counted_frame(
    micrograph: Micrograph, settings: Settings, bundle: Bundle, frame: int
) -> tuple[ClusterTable, tuple[str, ...]] | InputError:
    """One frame alone; its pixels and patches are gone when it returns."""
    try:
        alone = replace(micrograph, data=micrograph.frame(frame))
        searched = drain(search_steps(ImageState(alone, settings=settings)))
        if not len(searched.table):
            return searched.table, searched.search_messages
        (state,) = drain(label_steps([searched], bundle))
        table = state.table.with_columns(frame=np.full(len(state.table), frame))
        return table, searched.search_messages
    except InputError as error:
        return error


def _stacked(tables: Sequence[ClusterTable]) -> ClusterTable:
    """One table of those of all frames, with ids from 0."""
    import pandas as pd

    rows = pd.concat([table.rows for table in tables], ignore_index=True)
    return ClusterTable.from_columns(
        {name: rows[name] for name in rows.columns if name != "id"}, tables[0].class_sizes
    )  # fmt: skip
