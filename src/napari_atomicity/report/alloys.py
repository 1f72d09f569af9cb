"""The figure of an alloy: how many atoms of either metal explain a cluster, and where its composition puts it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_atomicity.report import drawing
from napari_atomicity.report.figures import save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from napari_atomicity.pipeline.alloys import AlloyCount

_COLOURS: Final = ("#3b6fb5", "#d0632b", "#3f8f4f")


def draw_alloy(found: AlloyCount, path: Path, sizes: tuple[int, ...] = ()) -> None:
    """Write the ridges of a small, a middling and a large cluster, with all clusters that are settled.

    Parameters
    ----------
    found
        Of `pipeline.alloy_count`.
    path
        PNG, SVG or PDF to write, by its suffix.
    sizes
        Atoms of each class, drawn as lines of equal size.
    """
    figure = drawing.new_figure(5.6, 4.6)
    axes = figure.subplots()
    rows = found.shown()
    largest = found.table["equivalents"].max()
    reach = 1.15 * float(max(largest, found.table["n_atoms"].max() if found.settled else 0))
    for size in (size for size in sizes if size <= 2 * reach):
        label = "as many atoms in all" if size == sizes[0] else None
        axes.plot([0, size], [size, 0], color="#bbbbbb", lw=0.8, ls=":", label=label)
        axes.annotate(str(size), (max(size - reach, 0), min(size, reach)), fontsize=7, color="#888888")
    for row, colour in zip(rows, _COLOURS, strict=False):
        _draw_ridge(axes, found, row, colour)
    known = found.table[found.table["settled"]]
    if len(known):
        axes.errorbar(known["n_host"], known["n_guest"], xerr=known["n_host_sd"], yerr=known["n_guest_sd"], fmt=".",
                      ms=4, lw=0.6, color="#222222", label="size and composition known")  # fmt: skip
    axes.set_xlim(0, reach)
    axes.set_ylim(0, reach)
    axes.set_xlabel(f"atoms of {found.pair.host}")
    axes.set_ylabel(f"atoms of {found.pair.guest}")
    axes.set_title("Pairs that explain the intensity equally well", fontsize=9.5)
    axes.legend(fontsize=7.5, frameon=False)
    drawing.bare_axes(axes)
    figure.tight_layout()
    save_figure(figure, path)


def _draw_ridge(axes: Axes, found: AlloyCount, row: int, colour: str) -> None:
    line = found.ridge(row)
    part = line["fraction"].to_numpy()
    outline = [line[name].to_numpy() for name in ("low", "high")]
    host = np.concatenate([outline[0] * (1 - part), (outline[1] * (1 - part))[::-1]])
    guest = np.concatenate([outline[0] * part, (outline[1] * part)[::-1]])
    axes.fill(host, guest, color=colour, alpha=0.18, lw=0)
    count = found.table["equivalents"].iloc[row]
    axes.plot(line["n_host"], line["n_guest"], color=colour, lw=1.4,
              label=f"{count:.1f} {found.pair.reference}-equivalents, 95 %")  # fmt: skip
