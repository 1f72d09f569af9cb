"""Whether a movie that comes from a file holds together."""

from __future__ import annotations

import re
from typing import Final

from napari_atomicity.movies.happenings import COLUMNS
from napari_atomicity.movies.movie import EDITS, POINTS, Movie

#: tracks before and after an event
_NUMBERS: Final = re.compile("[0-9]{0,9}( [0-9]{1,9}){0,3}")


def fits_together(movie: Movie) -> bool:
    """Whether the parts of a movie that was saved are those of one."""
    frames = len(movie.shifts_px)
    return (
        movie.shifts_px.shape == (frames, 2)
        and tuple(movie.points.columns) == POINTS
        and tuple(movie.graph.columns) == ("child", "parent")
        and tuple(movie.events.columns) == COLUMNS
        and tuple(movie.edits.columns) == EDITS
        and bool(movie.points["id"].is_unique)
        and bool(movie.points["frame"].between(0, frames - 1).all())
        and bool(movie.events["frame"].between(0, frames - 1).all())
        and all(_NUMBERS.fullmatch(str(text)) for side in ("before", "after") for text in movie.events[side])
        and _runs_forward(movie)
    )  # fmt: skip


def _runs_forward(movie: Movie) -> bool:
    """Whether every track begins after its parents: no circle can be drawn."""
    first = movie.points.groupby("track")["frame"].min().to_dict()
    links = zip(movie.graph["child"], movie.graph["parent"], strict=True)
    return all(first.get(parent, -2) < first.get(child, -1) for child, parent in links)
