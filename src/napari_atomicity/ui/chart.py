"""Class shares with intervals, beside what diameter alone would say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from qtpy.QtWidgets import QSizePolicy


class RatioChart(FigureCanvasQTAgg):
    """Bars of the class shares in %, filled for the model and hollow for diameter alone."""

    def __init__(self) -> None:
        super().__init__(Figure(figsize=(3.4, 1.9), dpi=96))
        self.setMinimumHeight(170)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip("Share of each class with its 95 % interval of counting (it knows nothing of wrong labels)")
        self._shown: tuple[Any, ...] = ()

    def show_ratios(
        self, final: pd.DataFrame, diameter: pd.DataFrame, colours: dict[str, str], theme: dict[str, str]
    ) -> None:
        """Draw shares (columns label, count, fraction, low, high) of the labels and of diameter alone."""
        key = (final.to_csv(), diameter.to_csv(), tuple(theme.values()))
        if key == self._shown:
            return
        self._shown = key
        self.figure.clear()
        self.figure.set_facecolor(theme["background"])
        axes = self.figure.add_axes((0.13, 0.15, 0.85, 0.70))
        axes.set_facecolor(theme["background"])
        x = np.arange(len(final))
        hues = [colours.get(label, "#b0b0b0") for label in final["label"]]
        axes.bar(x - 0.2, 100 * final["fraction"], 0.38, color=hues, yerr=_whiskers(final), ecolor=theme["text"])
        beside = diameter.set_index("label").reindex(final["label"]).reset_index()
        axes.bar(
            x + 0.2,
            100 * beside["fraction"],
            0.38,
            facecolor="none",
            edgecolor=hues,
            linewidth=1.2,
            yerr=_whiskers(beside),
            ecolor=theme["grid"],
        )
        axes.set_xticks(x, final["label"])
        axes.set_ylabel("share (%)", color=theme["text"], fontsize=8)
        axes.set_ylim(bottom=0)
        axes.tick_params(colors=theme["text"], labelsize=8, length=2)
        axes.set_title("filled: labels    hollow: diameter alone", color=theme["text"], fontsize=8, pad=4)
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(theme["grid"])
        self.draw_idle()


def _whiskers(shares: pd.DataFrame) -> Any:
    low = 100 * (shares["fraction"] - shares["low"]).to_numpy(dtype=float)
    high = 100 * (shares["high"] - shares["fraction"]).to_numpy(dtype=float)
    return np.nan_to_num(np.clip([low, high], 0, None))
