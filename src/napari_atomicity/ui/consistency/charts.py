"""Plots of what one atom is worth: every way with its bar, and single atoms with their mixture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
import pyqtgraph as pg

from napari_atomicity.ui.widgets.plot import Plot

if TYPE_CHECKING:
    from napari_atomicity.counting.references import Consistency
    from napari_atomicity.counting.single_atoms import SingleAtoms

_BAR: Final = "#4f9dff"
_FIT: Final = "#ff9d3b"
#: standard deviations that a bar shows on either side
_BAR_SD: Final = 1.96
_SHORT: Final = {
    "clusters": "own clusters",
    "detector": "detector",
    "atoms": "single atoms",
    "deposited": "deposited",
    "standard": "standard",
    "profile": "profile",
}


class ScaleChart(Plot):
    """Every way to the intensity of one atom with its 95 % bar; what all say together as a band."""

    def __init__(self) -> None:
        super().__init__((340, 150), 150, "Intensity of one atom and its 95 % interval; the band is all ways together")

    def show_scales(self, found: Consistency, theme: Mapping[str, str]) -> None:
        """Draw the ways.

        Parameters
        ----------
        found
            The ways.
        theme
            Of `theme.plot_colours`.
        """
        self.clear({}, theme)
        self.words.setText("one atom (counts·nm²), 95 %")
        ways = found.references
        ends = np.array([[np.log(one.value) + side * _BAR_SD * one.relative_sd for side in (-1, 1)] for one in ways])
        low, high = float(ends.min()), float(ends.max())
        margin = 0.08 * max(high - low, 0.05)
        if len(ways) > 1:
            half = _BAR_SD * found.relative_sd
            middle = float(np.log(found.value))
            band = pg.LinearRegionItem((middle - half, middle + half), movable=False, brush=(128, 128, 128, 60))
            for line in band.lines:
                line.setPen(pg.mkPen(None))
            self.axes.addItem(band)
        places = np.arange(len(ways))[::-1].astype(float)
        for place, one, (left, right) in zip(places, ways, ends, strict=True):
            self.axes.addItem(pg.PlotDataItem([left, right], [place, place], pen=pg.mkPen(_BAR, width=3)))
            self.axes.addItem(pg.ScatterPlotItem([np.log(one.value)], [place], size=9, brush=_BAR, pen=None))
        names = [(place, _SHORT[one.origin]) for place, one in zip(places, ways, strict=True)]
        plot = self.axes.getPlotItem()
        plot.getAxis("left").setTicks([names])
        ticks = [float(f"{np.exp(at):.2g}") for at in np.linspace(low, high, 4)]
        plot.getAxis("bottom").setTicks([[(float(np.log(tick)), f"{tick:g}") for tick in dict.fromkeys(ticks)]])
        self.axes.show_between((low - margin, high + margin), (-0.6, len(ways) - 0.4))


class AtomChart(Plot):
    """Intensities of features as narrow as an atom, and the mixture of one, two … atoms in them."""

    def __init__(self) -> None:
        super().__init__((340, 130), 130, "Integrated intensities of single atoms; the line is the mixture")

    def show_atoms(self, atoms: SingleAtoms, theme: Mapping[str, str]) -> None:
        """Draw histogram and mixture.

        Parameters
        ----------
        atoms
            The features.
        theme
            Of `theme.plot_colours`.
        """
        self.clear({}, theme)
        self.words.setText(
            f"single atoms: intensity (counts·nm²), <span style='color:{_FIT}'>—</span> mixture, one atom "
            f"{atoms.one:.4g}. A hint, never a truth."
        )
        top = float(np.quantile(atoms.intensity, 0.99)) * 1.15
        count, edges = np.histogram(atoms.intensity, bins=min(30, max(8, len(atoms.intensity) // 5)), range=(0, top))
        width = float(edges[1] - edges[0])
        self.axes.addItem(pg.BarGraphItem(x0=edges[:-1], width=width * 0.92, height=count, brush=_BAR, pen=None))
        grid = np.linspace(1e-6 * top, top, 200)
        line = atoms.density(grid) * len(atoms.intensity) * width
        self.axes.addItem(pg.PlotCurveItem(grid, line, pen=pg.mkPen(_FIT, width=2)))
        self.axes.show_as_far_as(top, float(max(count.max(), line.max())) * 1.1)
