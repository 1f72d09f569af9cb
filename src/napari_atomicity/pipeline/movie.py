"""A movie from its pixels to its tracks: frames are read one at a time, whatever their number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import NO_TRACK, ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline.clock import Clock
from napari_atomicity.pipeline.count import model_steps
from napari_atomicity.pipeline.movie_counts import MovieScale, counted_steps, scale_steps
from napari_atomicity.pipeline.movie_frames import said_of, shifts_steps
from napari_atomicity.pipeline.settings import Settings
from napari_atomicity.pipeline.state import ImageState
from napari_atomicity.progress import Progress, Steps, drain

if TYPE_CHECKING:
    import pandas as pd

    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.movies import Movie, MovieSettings


@dataclass(frozen=True, eq=False)
class FollowedMovie:
    """A movie that was counted and followed.

    Attributes
    ----------
    state
        The image with its table; it holds no patches, which many frames would fill the memory with.
    movie
        Its tracks.
    scale
        That all frames were counted with; None where it was given.
    timings
        Seconds that each stage took.
    """

    state: ImageState
    movie: Movie
    scale: MovieScale | None
    timings: dict[str, float]


def movie_steps(state: ImageState, settings: MovieSettings, edits: pd.DataFrame | None = None) -> Steps[ImageState]:
    """Follow the clusters of a counted stack.

    Parameters
    ----------
    state
        The stack with its clusters counted.
    settings
        What a person says of the movie.
    edits
        What a person joined and cut; that of the movie before where None.

    Returns
    -------
    The stack with `movie`, and with the column ``track`` of its table.

    Raises
    ------
    InputError
        For one frame, a table that is not counted, and where the frames do not show one field.
    """
    micrograph = state.micrograph
    _check(micrograph, state.table)
    earlier = state.movie
    known = None
    if earlier is not None and earlier.settings.align == settings.align:
        known = earlier.shifts_px if len(earlier.shifts_px) == micrograph.n_frames else None
    if known is None:
        known = yield from shifts_steps(micrograph, settings, _empty_frames(state))
    if edits is None and earlier is not None:
        edits = earlier.edits
    yield Progress(0, 0, "Following the clusters")
    return linked_state(state, settings, known, edits)


def linked_state(
    state: ImageState, settings: MovieSettings, shifts_px: npt.NDArray[np.float64], edits: pd.DataFrame | None
) -> ImageState:
    """A counted stack with its tracks, where it is known how its frames lie.

    Parameters
    ----------
    state, settings, edits
        As for `movie_steps`.
    shifts_px
        (t, 2) of each frame.
    """
    from napari_atomicity.movies import exposure_of, follow

    settings = exposure_of(state.micrograph).completed(settings)
    table, micrograph = state.table, state.micrograph
    movie = follow(
        table.rows.assign(sizeable=table.sizeable, cut_off=table.rows["flag"] == "border"),
        settings, shifts_px, micrograph.shape_yx, micrograph.calibrated_pixel_size_nm, edits,
    )  # fmt: skip
    movie = replace(movie, remarks=(*said_of(movie, micrograph.shape_yx), *movie.remarks))
    return replace(state, table=with_tracks(table, movie), movie=movie)


def edited_steps(state: ImageState, edits: pd.DataFrame) -> Steps[ImageState]:
    """Follow once more, with what a person joined and cut.

    Parameters
    ----------
    state
        A stack that was followed.
    edits
        Of its movie.

    Raises
    ------
    InputError
        Where it was not followed.
    """
    if state.movie is None:
        raise InputError("The clusters are not followed yet.")
    yield Progress(0, 0, "Following the clusters")
    return linked_state(state, state.movie.settings, state.movie.shifts_px, edits)


def outdated(state: ImageState) -> bool:
    """Whether the clusters changed since they were followed."""
    movie, rows = state.movie, state.table.rows
    if movie is None:
        return False
    known = movie.points.set_index("id")[["frame", "track", "y_px", "x_px", "n_atoms"]]
    frame = rows["frame"].to_numpy(dtype=np.int64)
    belongs = (frame >= 0) & (frame < len(movie.shifts_px)) & ~np.isin(frame, movie.rejected)
    now = rows[belongs].set_index("id")[known.columns]
    if len(now) != len(known) or not known.index.isin(now.index).all():
        return True
    return not np.array_equal(
        now.loc[known.index].to_numpy(dtype=float), known.to_numpy(dtype=float), equal_nan=True
    )  # fmt: skip


def with_tracks(table: ClusterTable, movie: Movie) -> ClusterTable:
    """A table with the tracks of a movie.

    Parameters
    ----------
    table
        The clusters.
    movie
        What they were followed to.
    """
    track = np.full(len(table), NO_TRACK, dtype=np.int64)
    rows = table.rows_of(movie.points["id"].to_numpy(dtype=np.int64))
    track[rows[rows >= 0]] = movie.points["track"].to_numpy(dtype=np.int64)[rows >= 0]
    return table.with_columns(track=track)


def followed_movie_steps(
    micrograph: Micrograph, settings: Settings, movie: MovieSettings, bundle: Bundle | None = None
) -> Steps[FollowedMovie]:
    """Search, count and follow a movie, with one scale for all frames and one frame in memory at a time.

    Parameters
    ----------
    micrograph
        The movie; it must be calibrated.
    settings
        Of search and count. Where they do not give the intensity of an atom, some of the frames tell it.
    movie
        What a person says of the movie.
    bundle
        The model, where it is loaded already.

    Raises
    ------
    InputError
        For one frame, a movie that cannot be counted, and where the frames do not show one field.
    """
    if micrograph.refusal:
        raise InputError(micrograph.refusal)
    _check_frames(micrograph)
    clock = Clock()
    base = bundle if bundle is not None else (yield from model_steps(settings.model))
    model, scale = yield from clock.time("scale", scale_steps(micrograph, settings, base))
    if scale is not None:
        settings = replace(settings, intensity_per_atom=scale.intensity_per_atom)
    table, said, refused = yield from clock.time("count", counted_steps(micrograph, settings, model))
    state = ImageState(
        micrograph, table=table, searched=True, search_messages=tuple(said), bundle=model, settings=settings
    )
    shifts = yield from clock.time("align", shifts_steps(micrograph, movie, refused))
    yield Progress(0, 0, "Following the clusters")
    followed = yield from clock.time("follow", _linked_steps(state, movie, shifts))
    assert followed.movie is not None
    return FollowedMovie(followed, followed.movie, scale, clock.seconds)


def followed_movie(micrograph: Micrograph, settings: Settings, movie: MovieSettings) -> FollowedMovie:
    """`followed_movie_steps`, to its end.

    Parameters
    ----------
    micrograph, settings, movie
        As there.

    Raises
    ------
    InputError
        As there.
    """
    return drain(followed_movie_steps(micrograph, settings, movie))


def _linked_steps(state: ImageState, movie: MovieSettings, shifts: npt.NDArray[np.float64]) -> Steps[ImageState]:
    yield Progress(0, 0, "Following the clusters")
    return linked_state(state, movie, shifts, None)


def _check_frames(micrograph: Micrograph) -> None:
    if micrograph.n_frames < 2:
        raise InputError(f"{micrograph.name} is one frame; a movie has several: open a stack of them.")


def _check(micrograph: Micrograph, table: ClusterTable) -> None:
    _check_frames(micrograph)
    if not table.rows["n_atoms"].notna().any():
        raise InputError("No cluster is counted yet; find and count the clusters of the stack, then follow them.")


def _empty_frames(state: ImageState) -> list[int]:
    """Frames that the search refused, as it said."""
    heads = {f"Frame {frame}: " for frame in range(state.micrograph.n_frames)}
    has = set(state.table.rows["frame"].tolist())
    said = [sentence.split(": ")[0] + ": " for sentence in state.search_messages]
    return [int(head[6:-2]) for head in dict.fromkeys(said) if head in heads and int(head[6:-2]) not in has]
