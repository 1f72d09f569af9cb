"""The figure of what one atom is worth: every way with its bar, and the shares that each alone would give."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_atomicity.clusters import OTHER
from napari_atomicity.report import drawing
from napari_atomicity.report.figures import save_figure
from napari_atomicity.style import OTHER_COLOUR, colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_atomicity.pipeline import ScaleConsistency

#: standard deviations that a bar shows on either side
BAR_SD = 1.96


def draw_consistency(found: ScaleConsistency, path: Path) -> None:
    """Write the figure.

    Parameters
    ----------
    found
        Of `pipeline.consistency_steps`.
    path
        PNG, SVG or PDF to write, by its suffix.
    """
    save_figure(consistency_figure(found), path)


def consistency_figure(found: ScaleConsistency) -> Figure:
    """Both plots side by side."""
    figure = drawing.new_figure(9.5, 1.6 + 0.45 * len(found.found.references))
    scales, shares = figure.subplots(1, 2, sharey=True)
    _draw_scales(scales, found)
    _draw_shares(shares, found)
    figure.tight_layout()
    return figure


def _draw_scales(axes: Axes, found: ScaleConsistency) -> None:
    """Every way with its 95 % bar, and all together as a band."""
    ways = found.found.references
    low, high = (found.found.value * np.exp(side * BAR_SD * found.found.relative_sd) for side in (-1, 1))
    if len(ways) > 1:
        axes.axvspan(low, high, color="#d8dde5", lw=0)
        axes.axvline(found.found.value, color="#888888", lw=0.8)
    for place, one in enumerate(ways):
        ends = one.value * np.exp(np.array([-1, 1]) * BAR_SD * one.relative_sd)
        axes.plot(ends, [place, place], color="#3b6fb5", lw=2)
        axes.plot([one.value], [place], "o", color="#3b6fb5", ms=5)
    axes.set_yticks(range(len(ways)), [one.words for one in ways], fontsize=8)
    axes.set_ylim(len(ways) - 0.5, -0.5)
    axes.set_xscale("log")
    axes.set_xlabel("intensity of one atom (counts·nm²), 95 %")
    _few_ticks(axes)
    drawing.bare_axes(axes)


def _draw_shares(axes: Axes, found: ScaleConsistency) -> None:
    """The shares of the classes that each way alone would give."""
    labels = [name for name in found.shares.columns if name not in ("way", "median_atoms")]
    element = "".join(filter(str.isalpha, labels[0]))
    sizes = tuple(int("".join(filter(str.isdigit, label))) for label in labels if label != OTHER)
    known = colours(sizes, element)
    left = np.zeros(len(found.shares))
    for label in labels:
        width = found.shares[label].to_numpy(dtype=float)
        axes.barh(np.arange(len(width)), width, left=left, color=known.get(label, OTHER_COLOUR), label=label)
        left += width
    axes.set_xlim(0, 1)
    axes.set_xlabel("shares that each alone would give")
    axes.legend(fontsize=7, frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    drawing.bare_axes(axes)


def _few_ticks(axes: Axes) -> None:
    """Three plain numbers on a logarithmic axis."""
    from matplotlib.ticker import NullFormatter, NullLocator

    low, high = axes.get_xlim()
    places = np.exp(np.linspace(np.log(low), np.log(high), 5))[1:-1]
    ticks = [float(f"{place:.2g}") for place in places]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
