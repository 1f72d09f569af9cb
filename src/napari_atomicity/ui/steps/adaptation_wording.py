"""What an adaptation did to one image, in words and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from napari_atomicity.counting.adapt import Adaptation

#: what the sources of anchors are called in the window
SOURCE_WORDS: Final = {"calibrated": "calibration", "diameter": "diameters", "annotations": "my labels"}


def anchor_groups(anchors: pd.DataFrame) -> list[dict[str, Any]]:
    """One entry a source and class: source, label, tuned on, held back, low_nm and high_nm."""
    groups = []
    for (source, label), part in anchors.groupby(["source", "label"], sort=False):
        held = int(part["held_back"].sum())
        groups.append(
            {
                "source": SOURCE_WORDS.get(str(source), str(source)),
                "label": str(label),
                "tuned": len(part) - held,
                "held": held,
                "low_nm": float(part["low_nm"].min()),
                "high_nm": float(part["high_nm"].max()),
            }
        )
    return sorted(groups, key=lambda group: (group["source"], _atoms(group["label"])))


def judged(adaptation: Adaptation) -> str:
    """What a person's held-back labels say, in one sentence; empty where there are no labels."""
    return "" if adaptation.judgement is None else adaptation.judgement.sentence


def score_lines(adaptation: Adaptation) -> list[tuple[str, str, str]]:
    """Scores of the adaptation before and after, in words; those that were not measured are left out."""
    before, after = adaptation.before, adaptation.after
    held = before.get("anchors", np.nan)
    rows = [
        (f"Held-back anchors right{f' (of {held:.0f})' if np.isfinite(held) else ''}", "right", "{:.0%}"),
        ("Loss on held-back anchors", "loss", "{:.3f}"),
        ("Log-likelihood of a cluster", "log_likelihood", "{:.2f}"),
        ("Silhouette of the features", "silhouette", "{:.2f}"),
    ]
    return [
        (words, _formatted(before.get(name), form), _formatted(after.get(name), form))
        for words, name, form in rows
        if np.isfinite(before.get(name, np.nan)) or np.isfinite(after.get(name, np.nan))
    ]


def _formatted(value: float | None, form: str) -> str:
    return "–" if value is None or not np.isfinite(value) else form.format(value)


def _atoms(label: str) -> int:
    return int("".join(c for c in label if c.isdigit()) or 0)
