"""The class that a count with its error speaks for."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]

#: ln(atoms) further than this many standard deviations from every class is none of them
_FAR: Final = 3.0


def likeliest_sizes(n_atoms: Floats, sd: Floats, element: str, sizes: tuple[int, ...]) -> pd.DataFrame:
    """The class that counts with their errors speak for, all classes alike beforehand.

    Parameters
    ----------
    n_atoms, sd
        (n,) atoms in all, and their standard deviations; nan where they are open.
    element
        What stands before the number in a label.
    sizes
        Atoms of each class.

    Returns
    -------
    pandas.DataFrame
        One row a count: label, confidence; empty and nan where the count is open, ``other`` far from every class.
    """
    relative = np.maximum(np.asarray(sd) / np.maximum(n_atoms, np.finfo(float).tiny), 1e-6)
    away = (np.log(np.maximum(n_atoms, np.finfo(float).tiny))[:, None] - np.log(sizes)) / relative[:, None]
    chance = np.exp(-0.5 * (away**2 - np.nan_to_num((away**2).min(axis=1, keepdims=True))))
    chance /= chance.sum(axis=1, keepdims=True)
    best = np.nan_to_num(chance).argmax(axis=1)
    labels: list[Any] = []
    for row, at in enumerate(best):
        known = np.isfinite(away[row]).all()
        near = known and abs(away[row, at]) <= _FAR
        labels.append(f"{element}{sizes[at]}" if near else "other" if known else "")
    confidence = chance[np.arange(len(best)), best]
    return pd.DataFrame(
        {"label": labels, "confidence": np.where([bool(label) for label in labels], confidence, np.nan)}
    )
