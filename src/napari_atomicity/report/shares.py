"""Class shares as every chart shows them: a bar a class, and marks of what it is held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

Form = Literal["bar", "hollow", "line", "diamond", "square", "triangle"]


@dataclass(frozen=True, eq=False)
class ShareSeries:
    """What one source says of the share of each class.

    Attributes
    ----------
    words
        What it is called in the legend.
    form
        How it is drawn; an interval is drawn for bars only, filled or hollow.
    share, low, high
        (n,) shares from 0 to 1 and their intervals, a class each; nan where they are not known.
    """

    words: str
    form: Form
    share: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]

    @property
    def highest(self) -> float:
        """The highest end of a bar, an interval or a mark; 0 where nothing is known."""
        return float(np.nanmax([self.share, self.high, np.zeros(len(self.share))], initial=0.0))


def series_of_counts(counts: pd.DataFrame, labels: Sequence[str], words: str, form: Form) -> ShareSeries:
    """The shares that `counting.ratios.class_ratios` found.

    Parameters
    ----------
    counts
        Columns label, fraction, low and high.
    labels
        The classes in their order; one that `counts` lacks is not known.
    words, form
        As in `ShareSeries`.
    """
    by_label = counts.set_index("label").reindex(list(labels))
    share, low, high = (by_label[name].to_numpy(dtype=float) for name in ("fraction", "low", "high"))
    return ShareSeries(words, form, share, low, high)


def series_of_ratios(table: pd.DataFrame) -> list[ShareSeries]:
    """The corrected shares of `pipeline.Ratios`, and what is known of the labels, the deposit and simple methods."""
    forms: tuple[tuple[str, str, Form], ...] = (
        ("share", "corrected, 95 % interval", "bar"),
        ("counted", "as labelled", "line"),
        ("expected", "expected", "diamond"),
        ("diameter", "by diameter alone", "square"),
        ("intensity", "by intensity alone", "triangle"),
    )
    unknown = np.full(len(table), np.nan)
    return [
        ShareSeries(
            words,
            form,
            table[name].to_numpy(dtype=float),
            *((table[end].to_numpy(dtype=float) for end in ("low", "high")) if form == "bar" else (unknown, unknown)),
        )
        for name, words, form in forms
        if table[name].notna().any()
    ]
