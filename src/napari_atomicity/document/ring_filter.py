"""Which clusters of one image a person wants to see: by class, by confidence, by flag. No number depends on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.wording import FLAGS

#: what can be asked of the confidence, and from where to where it is then
CONFIDENCES: Final = {
    "": ("any confidence", 0.0, np.inf),
    "below 60": ("below 60 %", 0.0, 0.6),
    "below 80": ("below 80 %", 0.0, 0.8),
    "below 95": ("below 95 %", 0.0, 0.95),
    "from 80": ("80 % and more", 0.8, np.inf),
    "from 95": ("95 % and more", 0.95, np.inf),
}
#: what can be asked of the flag
FLAG_CHOICES: Final = {"": "any flag", "ok": "no flag", "flagged": "some flag", **FLAGS}


class RingFilter:
    """The clusters of one document whose rings are drawn, whatever is counted anew; belongs to no step of the history.

    Signal: `changed` when other clusters are wanted.
    """

    changed = Signal()

    def __init__(self) -> None:
        #: labels whose clusters are hidden
        self.hidden: frozenset[str] = frozenset()
        #: one of `CONFIDENCES`
        self.confidence = ""
        #: one of `FLAG_CHOICES`
        self.flag = ""
        #: the cluster of each label that a person was led to last
        self._last: dict[str, int] = {}

    @property
    def active(self) -> bool:
        """Whether any cluster may be hidden."""
        return bool(self.hidden or self.confidence or self.flag)

    def show_label(self, label: str, wanted: bool) -> None:
        """Show or hide the clusters of a label.

        Parameters
        ----------
        label
            That counts: the person's, or else the model's.
        wanted
            Whether they are to be seen.
        """
        self._set(self.hidden - {label} if wanted else self.hidden | {label}, self.confidence, self.flag)

    def choose(self, confidence: str, flag: str) -> None:
        """Show clusters of some confidence and flag alone.

        Parameters
        ----------
        confidence, flag
            Of `CONFIDENCES` and `FLAG_CHOICES`; empty for any.
        """
        self._set(self.hidden, confidence, flag)

    @property
    def view(self) -> dict[str, Any]:
        """What is wanted, for a project file; empty where nothing is hidden."""
        if not self.active:
            return {}
        return {"hidden": sorted(self.hidden), "confidence": self.confidence, "flag": self.flag}

    def resume(self, view: Mapping[str, Any]) -> None:
        """What was wanted when a project was saved; of what is not known, nothing is hidden."""
        confidence, flag = view.get("confidence", ""), view.get("flag", "")
        self._set(
            frozenset(view.get("hidden", ())),
            confidence if confidence in CONFIDENCES else "",
            flag if flag in FLAG_CHOICES else "",
        )

    def show_all(self) -> None:
        """Hide nothing."""
        self._set(frozenset(), "", "")

    def seen(self, table: ClusterTable) -> npt.NDArray[np.bool_]:
        """(n,) which clusters of a table are wanted; one that has no label yet has no confidence that hides it."""
        rows = table.rows
        _, low, high = CONFIDENCES[self.confidence]
        sure, flags = rows["confidence"].to_numpy(dtype=float), rows["flag"].to_numpy(dtype=object)
        wanted = ~np.isin(table.final_labels.astype(str), list(self.hidden))
        wanted &= ~np.isfinite(sure) | ((sure >= low) & (sure < high))
        if self.flag:
            wanted &= (flags != "ok") if self.flag == "flagged" else (flags == self.flag)
        return np.asarray(wanted, dtype=bool)

    def next_of(self, label: str, ids: Iterable[int]) -> int | None:
        """The cluster after the one of this label that was asked for last; after the last one comes the first.

        Parameters
        ----------
        label
            Of the clusters.
        ids
            Of all of them.
        """
        ordered = sorted(ids)
        if not ordered:
            return None
        last = self._last.get(label, -1)
        self._last[label] = next((cluster for cluster in ordered if cluster > last), ordered[0])
        return self._last[label]

    def _set(self, hidden: frozenset[str], confidence: str, flag: str) -> None:
        if (hidden, confidence, flag) != (self.hidden, self.confidence, self.flag):
            self.hidden, self.confidence, self.flag = hidden, confidence, flag
            self.changed.emit()
