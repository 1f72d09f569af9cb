"""The figure of a movie: atoms of each track over dose, time or frames, with what happened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_atomicity.report import drawing
from napari_atomicity.report.figures import save_figure

if TYPE_CHECKING:
    from napari_atomicity.movies import Movie

#: tracks that are drawn, the longest ones
_MOST: Final = 60
_MARKS: Final = {"arrival": "^", "loss": "v", "merge": "D", "split": "s", "jump": "*"}


def draw_movie(movie: Movie, path: Path) -> None:
    """Write the plot.

    Parameters
    ----------
    movie
        The movie.
    path
        PNG, SVG or PDF to write, by its suffix.
    """
    unit, words = movie.settings.axis
    figure = drawing.new_figure(9.5, 4.5)
    axes = figure.subplots()
    longest = movie.points["track"].value_counts().index[:_MOST]
    for number in longest:
        rows = movie.of_track(int(number))
        axes.plot(rows["frame"] * unit, rows["atoms"], lw=1.1, alpha=0.75)
    for kind, mark in _MARKS.items():
        told = movie.events[movie.events["kind"] == kind]
        atoms = np.maximum(told["atoms_before"], told["atoms_after"])
        if len(told):
            axes.plot(
                told["frame"] * unit, atoms, mark, color="#222222", ms=6, mfc="none", label=f"{kind} ({len(told)})"
            )
    axes.set_xlabel(words)
    axes.set_ylabel("atoms")
    axes.set_ylim(bottom=0)
    more = len(set(movie.points["track"])) - len(longest)
    axes.set_title(movie.sentence + (f" The {_MOST} longest tracks are drawn." if more > 0 else ""), fontsize=9)
    if len(movie.events):
        axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    drawing.bare_axes(axes)
    figure.tight_layout()
    save_figure(figure, path)
