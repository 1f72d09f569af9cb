"""The figure of repeated frames: what each of them says of all clusters, and how far a count repeats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_atomicity.report import drawing
from napari_atomicity.report.figures import save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_atomicity.pipeline.repeatability import Repeatability


def draw_repeatability(found: Repeatability, path: Path) -> None:
    """Write both plots side by side.

    Parameters
    ----------
    found
        Of `pipeline.repeatability_steps`.
    path
        PNG, SVG or PDF to write, by its suffix.
    """
    save_figure(repeatability_figure(found), path)


def repeatability_lines(found: Repeatability) -> list[tuple[str, str]]:
    """What repeats say, a number with its 95 % interval each."""
    precision = found.precision
    return [
        ("count: relative precision", str(precision.count)),
        ("intensity: relative precision", str(precision.intensity)),
        ("intensity, change a frame", str(precision.gain_drift)),
        ("count, change a frame", str(precision.atom_drift)),
        ("spread over stated uncertainty", str(precision.honesty)),
        ("labels, Cohen's kappa", str(precision.kappa)),
    ]


def repeatability_figure(found: Repeatability) -> Figure:
    """Both plots side by side."""
    figure = drawing.new_figure(9.5, 4.0)
    frames, clusters = figure.subplots(1, 2)
    _draw_frames(frames, found)
    _draw_clusters(clusters, found)
    figure.suptitle("Precision of repeated frames (agreement, not accuracy)", fontsize=10)
    figure.tight_layout()
    return figure


def _draw_frames(axes: Axes, found: Repeatability) -> None:
    """Intensities and counts of each frame over the mean of all."""
    table = found.precision.frames
    for name, words, mark in (("gain", "intensity", "o-"), ("atoms", "count", "s--")):
        error = 196 * table[f"{name}_se"]
        axes.errorbar(table["frame"], 100 * table[name] - 100, yerr=error, fmt=mark, ms=4, capsize=2, label=words)
    axes.axhline(0, color="#888888", lw=0.8)
    axes.set_xlabel("frame")
    axes.set_ylabel("all clusters of the frame beside the mean (%)")
    axes.legend(fontsize=8, frameon=False)
    drawing.bare_axes(axes)


def _draw_clusters(axes: Axes, found: Repeatability) -> None:
    """Spread between frames of each cluster, beside what was stated."""
    table = found.precision.by_cluster.sort_values("n_atoms")
    axes.plot(table["n_atoms"], table["n_atoms_sd"], ".", ms=4, color="#3b6fb5", label="between frames")
    middle = table[["n_atoms", "stated_sd"]].rolling(max(len(table) // 10, 1), min_periods=1).median()
    axes.plot(middle["n_atoms"], middle["stated_sd"], color="#d0632b", lw=1.5, label="stated (median)")
    axes.set_ylim(0, float(np.nanquantile(table[["n_atoms_sd", "stated_sd"]].to_numpy(), 0.98)) * 1.15 or None)
    axes.set_xlabel("atoms (mean of the frames)")
    axes.set_ylabel("standard deviation (atoms)")
    axes.legend(fontsize=8, frameon=False)
    drawing.bare_axes(axes)
