"""What an adaptation did to one image, and how to say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from napari_atomicity import pipeline

#: what the sources of anchors are called in the window
SOURCE_WORDS: Final = {"calibrated": "calibration", "diameter": "diameters", "annotations": "my labels"}


@dataclass(frozen=True, eq=False)
class Adapted:
    """One image before and after an adaptation; `after` is None where it was not accepted.

    Attributes
    ----------
    adaptation
        Result of `pipeline.adapt_steps`, which may have been made on several images.
    base
        The model before it.
    before, after
        The image as the model before and after it classifies it.
    offered
        `before`, as it was before a person chose among the candidates of undecided frames.
    anchors
        Those of the adaptation's anchors that lie in this image, with the ids of its table.
    images
        Names of the images whose anchors it was made on.
    """

    adaptation: Any
    base: Any
    before: pipeline.Classified
    offered: pipeline.Classified
    after: pipeline.Classified | None
    anchors: pd.DataFrame
    images: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether the adapted model is in force."""
        return self.after is not None

    @property
    def changed(self) -> tuple[int, int]:
        """How many labels it changed, and of how many."""
        before = self.before.table.rows["label"].to_numpy()
        after = before if self.after is None else self.after.table.rows["label"].to_numpy()
        return int(np.count_nonzero(before != after)), len(before)

    @property
    def headline(self) -> str:
        """What it did, in one short sentence."""
        if not self.accepted:
            return "Not adapted: the labels stay as they were."
        changed, total = self.changed
        to = f" to {len(self.images)} images" if len(self.images) > 1 else ""
        # what another image taught has no anchors here
        to = to or ("" if len(self.anchors) else f" to {', '.join(self.images)}")
        return f"Adapted{to}: {changed} of {total} labels changed."


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


def judged(adaptation: Any) -> str:
    """What a person's held-back labels say, in one sentence; empty where there are no labels."""
    judgement = getattr(adaptation, "judgement", None)
    return "" if judgement is None else judgement.sentence


def score_lines(adaptation: Any) -> list[tuple[str, str, str]]:
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
        (words, _said(before.get(name), form), _said(after.get(name), form))
        for words, name, form in rows
        if np.isfinite(before.get(name, np.nan)) or np.isfinite(after.get(name, np.nan))
    ]


def _said(value: float | None, form: str) -> str:
    return "–" if value is None or not np.isfinite(value) else form.format(value)


def _atoms(label: str) -> int:
    return int("".join(c for c in label if c.isdigit()) or 0)
