"""Tables in Markdown, as the documentation quotes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd


def markdown(columns: Sequence[str], lines: Mapping[str, Sequence[str]], corner: str = "") -> str:
    """One line a key of `lines`, which heads it; `corner` heads the column of keys."""
    head = f"| {corner} | {' | '.join(columns)} |\n{'|---' * (len(columns) + 1)}|\n"
    return head + "\n".join(f"| {name} | {' | '.join(cells)} |" for name, cells in lines.items())


def markdown_of(table: pd.DataFrame, cell: Callable[[Any], str] = "{:.3f}".format) -> str:
    """A table of numbers, each written by `cell`; its index heads the lines."""
    lines = {str(key): [cell(value) for value in row] for key, row in zip(table.index, table.to_numpy(), strict=True)}
    return markdown(list(map(str, table.columns)), lines, str(table.index.name or ""))


def median_and_range(values: Sequence[float], form: str = "{:.3f}") -> str:
    """The median of some runs, with the lowest and the highest where they differ."""
    middle, low, high = (form.format(float(of(values))) for of in (np.nanmedian, np.nanmin, np.nanmax))
    return middle if low == high else f"{middle} ({low}–{high})"
