"""What an adaptation did to one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from napari_atomicity.counting.adapt import Adaptation
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.pipeline.counting import Count


@dataclass(frozen=True, eq=False)
class AppliedAdaptation:
    """One image before and after an adaptation; `after` is None where it was not accepted.

    Attributes
    ----------
    adaptation
        Result of `pipeline.adapt_steps`, which may have been made on several images.
    base
        The model before it.
    before, after
        The image as the model before and after it counts it.
    offered
        `before`, as it was before a person chose among the candidates of undecided frames.
    anchors
        Those of the adaptation's anchors that lie in this image, with the ids of its table.
    images
        Names of the images whose anchors it was made on.
    """

    adaptation: Adaptation
    base: Bundle
    before: Count
    offered: Count
    after: Count | None
    anchors: pd.DataFrame
    images: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether the adapted model is in force."""
        return self.after is not None

    @property
    def reason(self) -> str:
        """One sentence: what was done, or why nothing was."""
        return self.adaptation.reason

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
