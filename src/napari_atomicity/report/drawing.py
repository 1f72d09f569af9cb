"""Drawing for print with matplotlib: figures that need no screen, class shares, radial profiles."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from napari_atomicity.style import OTHER_COLOUR

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_atomicity.report.shares import ShareSeries

_GREY: Final = "#444444"
#: marker of matplotlib and its inside
_MARKS: Final = {
    "hollow": ("D", "white"),
    "line": ("|", "white"),
    "diamond": ("D", "black"),
    "square": ("s", "white"),
    "triangle": ("^", "white"),
}


def load_matplotlib() -> None:
    """Import matplotlib whatever window the environment names for its drawings: those made here need none."""
    if "matplotlib" in sys.modules:
        return
    named = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib as mpl
    finally:
        if named is not None:
            os.environ["MPLBACKEND"] = named
    if named is not None:
        with contextlib.suppress(ValueError):  # none that it knows
            mpl.rcParams["backend"] = named


def new_figure(width: float, height: float, dpi: int = 150) -> Figure:
    """An empty figure, made without pyplot: no global state, no display, safe in any thread.

    Parameters
    ----------
    width, height
        In inches.
    dpi
        Dots per inch where it is written as pixels.
    """
    load_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=dpi)
    FigureCanvasAgg(figure)
    return figure


def bare_axes(axes: Axes) -> None:
    """Leave only the lines at the left and below, in grey, with small numbers."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_GREY)
    axes.tick_params(labelsize=8, color=_GREY)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_fontsize(8.5)


def draw_shares(
    axes: Axes, labels: Sequence[str], series: Sequence[ShareSeries], colours: Mapping[str, str], names: Sequence[str]
) -> None:
    """Draw class shares as lying bars with intervals, and marks of what they are held against.

    Parameters
    ----------
    axes
        To draw in; the words of each series are its labels for a legend.
    labels, names
        Of the classes, from the top down: those that choose a colour, and what stands beside the bars.
    series
        What is drawn, bars first.
    colours
        Of the labels, as ``#rrggbb``.
    """
    y = np.arange(len(labels))
    fill = [colours.get(label, OTHER_COLOUR) for label in labels]
    for source in series:
        share = 100 * source.share
        if source.form == "bar":
            bars = np.nan_to_num(share)
            reach = 100 * np.nan_to_num(np.abs(np.stack([source.share - source.low, source.high - source.share])))
            axes.barh(y, bars, color=fill, height=0.62, edgecolor=_GREY, linewidth=0.5, label=source.words)
            axes.errorbar(bars, y, xerr=reach, fmt="none", ecolor="black", elinewidth=1.1, capsize=3)
        else:
            mark, inside = _MARKS[source.form]
            axes.plot(
                share, y, mark, mfc=inside, mec="black", ms=6, mew=1.1, label=source.words, clip_on=False,
                zorder=6 if source.form == "diamond" else 5,
            )  # fmt: skip
    axes.set_yticks(y, names)
    axes.invert_yaxis()
    highest = max((source.highest for source in series), default=0.0)
    axes.set_xlim(0, min(100, 5 * np.ceil(20 * highest) + 5))
    bare_axes(axes)


def draw_profiles(axes: Axes, rows: pd.DataFrame, colours: Mapping[str, str]) -> None:
    """Draw mean densities of the evidence from the centre outwards, a curve a class, with the bands of their intervals.

    Parameters
    ----------
    axes
        To draw in.
    rows
        Columns label, radius (in radii of the cluster), mean, low, high, clusters.
    colours
        Of the labels, as ``#rrggbb``.
    """
    for label, part in rows.groupby("label", sort=False):
        colour = colours.get(str(label), OTHER_COLOUR)
        axes.fill_between(part["radius"], part["low"], part["high"], color=colour, alpha=0.2, lw=0)
        axes.plot(part["radius"], part["mean"], color=colour, label=f"{label} ({part['clusters'].iloc[0]})")
    axes.axhline(1, color="0.6", lw=0.8, ls="--")
    axes.axvline(1, color="0.6", lw=0.8, ls=":")
    axes.set(xlabel="radii of the cluster", ylabel="density of the evidence", xlim=(0, 2))
    axes.set_ylim(bottom=0)
