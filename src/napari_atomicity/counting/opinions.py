"""What model, diameter, intensity and channels make of the same clusters, and on which of them they disagree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import ClusterTable, find_rows

if TYPE_CHECKING:
    from napari_atomicity.counting.calibration import Calibration
    from napari_atomicity.counting.card import ModelCard
    from napari_atomicity.counting.evidence import Evidence

Order = Literal["confidence", "diameter", "intensity", "adaptation", "channels", "random", "listed"]
Floats = npt.NDArray[np.float64]
Strings = npt.NDArray[np.object_]

#: what each order is called
ORDERS: Final[Mapping[Order, str]] = {
    "confidence": "least confident first",
    "diameter": "model against diameter",
    "intensity": "model against intensity",
    "adaptation": "base against adapted model",
    "channels": "channel against channel",
    "random": "at random (fair check)",
    "listed": "by number",
}
#: relative standard deviation of an integral beside what the network says of it, as clusters of one class scatter
_INTENSITY_SD: Final = 0.1


@dataclass(frozen=True, eq=False)
class Opinions:
    """Labels of the same clusters by model, diameter, intensity, the model before an adaptation and each channel.

    Attributes
    ----------
    ids, frame
        (n,) of the clusters.
    labels
        (n,) label of the model in force; empty where there is none.
    confidence
        (n,) probability of that label, nan where there is none.
    classes
        Labels of the classes, in the order of the columns of `chances`.
    chances
        Name of an opinion (``model``, ``diameter``, ``intensity``, ``base``, ``channels`` as ``channel 1``, ...) to
        its (n, classes) probabilities; nan where it has none, and left out where it has none for any cluster.
    """

    ids: npt.NDArray[np.int64]
    frame: npt.NDArray[np.int64]
    labels: Strings
    confidence: Floats
    classes: tuple[str, ...]
    chances: Mapping[str, Floats]

    @classmethod
    def read(
        cls,
        table: ClusterTable,
        card: ModelCard | None = None,
        evidence: Evidence | None = None,
        calibrations: Mapping[int, Calibration] | None = None,
        evidence_ids: npt.NDArray[np.int64] | None = None,
        base: ClusterTable | None = None,
    ) -> Opinions:
        """Collect the opinions on the clusters of a table.

        Parameters
        ----------
        table, card
            Classified clusters and the model; without a model there is nothing to compare.
        evidence, evidence_ids
            Of the last classification, and the ids of its rows: the table may have changed since.
        calibrations
            Of each frame; intensity says nothing where there is none.
        base
            The table before the adaptation in force.
        """
        rows = table.rows
        frame = rows["frame"].to_numpy(dtype=np.int64)
        labels = rows["label"].to_numpy(dtype=object)
        confidence = rows["confidence"].to_numpy(dtype=np.float64)
        classes = tuple(card.labels) if card is not None else ()
        chances: dict[str, Floats] = {}
        if card is not None and tuple(table.class_sizes) == tuple(card.class_sizes):
            chances["model"] = _shares(table.probabilities)
            chances["diameter"] = _by_diameter(rows["diameter_nm"].to_numpy(dtype=np.float64), card)
            if base is not None and base.class_sizes == table.class_sizes:
                rows_before = base.rows_of(table.ids)
                chances["base"] = _shares(base.probabilities)[rows_before]
                chances["base"][rows_before < 0] = np.nan
            if evidence is not None and evidence_ids is not None:
                chances.update(_of_evidence(evidence, frame, table.ids, evidence_ids, calibrations or {}))
        kept = {name: values for name, values in chances.items() if np.isfinite(values).any()}
        return cls(table.ids, frame, labels, confidence, classes, kept)

    def labels_of(self, name: str) -> Strings:
        """(n,) most probable class by the opinion `name`; empty where it has none."""
        if name == "model":
            return self.labels
        if name not in self.chances:
            return np.full(len(self.ids), "", dtype=object)
        chances = self.chances[name]
        known = np.asarray(np.isfinite(chances).all(axis=1))
        best = np.where(known[:, None], chances, 0.0).argmax(axis=1)
        return np.where(known, np.array(self.classes, dtype=object)[best], "")

    def offered(self) -> tuple[Order, ...]:
        """The orders that these clusters allow."""
        possible = {
            "confidence": bool(np.isfinite(self.confidence).any()),
            "diameter": {"model", "diameter"} <= set(self.chances),
            "intensity": {"model", "intensity"} <= set(self.chances),
            "adaptation": {"model", "base"} <= set(self.chances),
            "channels": {"channel 1", "channel 2"} <= set(self.chances),
            "random": True,
            "listed": True,
        }
        return tuple(order for order in get_args(Order) if possible[order])

    def urgency(self, order: Order) -> Floats:
        """(n,) how urgently a cluster should be looked at, from 0 to 1; nan where that is unknown.

        For disagreements the total variation distance of the two opinions: 0 where they agree, 1 where each excludes
        what the other says.
        """
        if order == "confidence":
            return 1.0 - self.confidence
        if order == "listed":
            return np.zeros(len(self.ids))
        pairs: dict[str, tuple[str, str]] = {
            "diameter": ("model", "diameter"),
            "intensity": ("model", "intensity"),
            "adaptation": ("model", "base"),
            "channels": ("channel 1", "channel 2"),
        }
        first, second = pairs[order]
        return np.asarray(0.5 * np.abs(self.chances[first] - self.chances[second]).sum(axis=1))


def opinion_words(opinions: Opinions, cluster: int, channel_names: Iterable[str] = ()) -> list[tuple[str, str, float]]:
    """The opinions on one cluster.

    Parameters
    ----------
    opinions
        On all clusters.
    cluster
        Id.
    channel_names
        What to call the channels, in their order.

    Returns
    -------
    Name, label and probability of each opinion that has one.
    """
    rows = np.flatnonzero(opinions.ids == cluster)
    if not len(rows):
        return []
    row, names = int(rows[0]), list(channel_names)
    entries = []
    for name, chances in opinions.chances.items():
        label = str(opinions.labels_of(name)[row])
        if not label:
            continue
        confidence = float(opinions.confidence[row] if name == "model" else np.max(chances[row]))
        channel = int(name.split()[1]) - 1 if name.startswith("channel") else -1
        entries.append((names[channel] if 0 <= channel < len(names) else name, label, confidence))
    return entries


def _shares(probabilities: Floats) -> Floats:
    """(n, classes) chances among the classes alone."""
    total = probabilities.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(probabilities / np.where(total > 0, total, np.nan))


def _softmax(score: Floats) -> Floats:
    top = np.where(np.isfinite(score).all(axis=1, keepdims=True), score, np.nan)
    weight = np.exp(top - top.max(axis=1, keepdims=True))
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))


def _by_diameter(diameter_nm: Floats, card: ModelCard) -> Floats:
    from napari_atomicity.counting.diameter_only import log_likelihood

    if set(card.diameter_nm) != {str(n) for n in card.class_sizes}:
        return np.full((len(diameter_nm), len(card.class_sizes)), np.nan)
    return _softmax(log_likelihood(diameter_nm, card))


def _of_evidence(
    evidence: Evidence,
    frame: npt.NDArray[np.int64],
    ids: npt.NDArray[np.int64],
    evidence_ids: npt.NDArray[np.int64],
    calibrations: Mapping[int, Calibration],
) -> dict[str, Floats]:
    """Chances of the classes by integral and by each channel, for clusters that were classified."""
    if not len(evidence_ids):
        return {}
    rows = find_rows(ids, evidence_ids)
    missing = rows < 0
    chances: dict[str, Floats] = {}
    log_n = np.log(np.array(evidence.card.class_sizes, dtype=np.float64))
    scale = np.array([calibrations[f].intensity_per_atom if f in calibrations else np.nan for f in frame.tolist()])
    with np.errstate(invalid="ignore", divide="ignore"):
        off = evidence.log_integral[rows] - np.log(scale)
    sd = np.hypot(evidence.log_integral_sd[rows], _INTENSITY_SD)
    chances["intensity"] = _softmax(-0.5 * ((off[:, None] - log_n) / sd[:, None]) ** 2)
    branch, classes = evidence.free.branch, len(log_n)
    if branch.shape[1] > 1:
        for channel in range(branch.shape[1]):
            logits = branch[rows, channel, :classes].astype(np.float64) / evidence.card.temperature
            chances[f"channel {channel + 1}"] = _softmax(logits)
    for values in chances.values():
        values[missing] = np.nan
    return chances
