"""Which clusters a person should look at first, and how often person and model agree.

The order of a queue and the labels that it checks are fixed when it is made: nothing jumps about while one labels, and
a model that learns meanwhile is not judged by what it has just been taught.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.counting.ratios import wilson
from napari_atomicity.errors import InputError

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
    """What model, diameter, intensity, the model before an adaptation and each channel say of the same clusters.

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
        its (n, classes) probabilities; nan where it has none, and left out where nobody has.
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
        """The opinions on the clusters of `table`.

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
                chances["base"] = _shares(base.probabilities)[_rows_in(table.ids, base.ids)]
                chances["base"][~np.isin(table.ids, base.ids)] = np.nan
            if evidence is not None and evidence_ids is not None:
                seen = _of_evidence(evidence, frame, table.ids, evidence_ids, calibrations or {})
                chances.update(seen)
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
        has = {
            "confidence": bool(np.isfinite(self.confidence).any()),
            "diameter": {"model", "diameter"} <= set(self.chances),
            "intensity": {"model", "intensity"} <= set(self.chances),
            "adaptation": {"model", "base"} <= set(self.chances),
            "channels": {"channel 1", "channel 2"} <= set(self.chances),
            "random": True,
            "listed": True,
        }
        return tuple(order for order in get_args(Order) if has[order])

    def urgency(self, order: Order) -> Floats:
        """(n,) how much a cluster wants to be looked at, from 0 to 1; nan where that cannot be said.

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


@dataclass(frozen=True, eq=False)
class Queue:
    """Clusters in the order in which a person looks at them; it never changes once made.

    Attributes
    ----------
    order
        How they are ordered.
    ids
        In that order; those of which nothing can be said come last.
    predicted
        Id to the label that the model gave when the queue was made; empty where it gave none.
    tuned
        Ids of clusters that the model was tuned on: it knows them, so they say nothing about its accuracy.
    """

    order: Order
    ids: tuple[int, ...]
    predicted: Mapping[int, str]
    tuned: frozenset[int] = frozenset()

    @classmethod
    def make(cls, opinions: Opinions, order: Order, seed: int = 0, tuned: Iterable[int] = ()) -> Queue:
        """Order all clusters of `opinions`.

        Raises
        ------
        InputError
            Where there are no clusters, or the order needs an opinion that is not there.
        """
        if not len(opinions.ids):
            raise InputError("There are no clusters to review yet; find them first (step 2).")
        if order not in opinions.offered():
            raise InputError(_MISSING.get(order, f"There is no order {order!r}; choose {', '.join(ORDERS)}."))
        if order == "random":
            rows = np.random.default_rng([seed, 6]).permutation(len(opinions.ids))
        else:
            urgency = opinions.urgency(order)
            # ties, and what nothing is known of, by id, so that the same table gives the same queue
            rows = np.lexsort((opinions.ids, -np.nan_to_num(urgency, nan=-1.0)))
        ids = tuple(int(i) for i in opinions.ids[rows])
        predicted = {int(i): str(label) for i, label in zip(opinions.ids, opinions.labels, strict=True)}
        return cls(order, ids, predicted, frozenset(int(i) for i in tuned))

    def present(self, table: ClusterTable) -> list[int]:
        """Those that still exist, in order: what was deleted is left out, and comes back to its place by undo."""
        there = set(table.ids.tolist())
        return [i for i in self.ids if i in there]

    def added(self, table: ClusterTable) -> int:
        """How many clusters came after the queue was made; they are not in it."""
        return len(set(table.ids.tolist()) - set(self.ids))

    def step(self, table: ClusterTable, now: int | None, by: int = 1, unreviewed: bool = False) -> int | None:
        """The next (`by` 1) or previous (-1) id after `now`, which may have gone meanwhile; None at the end.

        Parameters
        ----------
        unreviewed
            Leave out those that carry a person's label.
        """
        there = set(table.ids.tolist())
        if unreviewed:
            there -= reviewed(table)
        place = self.ids.index(now) if now in self.ids else (-1 if by > 0 else len(self.ids))
        ahead = self.ids[place + 1 :] if by > 0 else self.ids[:place][::-1]
        return next((i for i in ahead if i in there), None)

    def fair(self, table: ClusterTable, reached: int, now: int | None = None) -> LabelAgreement:
        """Agreement on the first `reached` clusters of a random queue: a fair sample of all clusters.

        Only clusters that nobody picked count: those up to where the person has come, without those that the model was
        tuned on. Those passed over without a label are told; the one at hand (`now`) may still get one. Labelled ones
        that the model was tuned on are told as well.
        """
        if self.order != "random":
            return LabelAgreement(0, 0, 0)
        there = set(table.ids.tolist())
        seen = [i for i in self.ids[:reached] if i in there and self.predicted[i]]
        sample = [i for i in seen if i not in self.tuned]
        given = dict(zip(table.ids.tolist(), table.rows["annotation"], strict=True))
        judged = [i for i in sample if given[i]]
        right = sum(given[i] == self.predicted[i] for i in judged)
        passed = [i for i in sample if not given[i] and i != now]
        tuned = sum(bool(given[i]) for i in seen if i in self.tuned)
        return LabelAgreement(int(right), len(judged), len(passed), tuned)


@dataclass(frozen=True)
class LabelAgreement:
    """How often person and model agree: on `right` of `total`.

    `passed` clusters were seen and not labelled; `tuned` ones were labelled, but the model was tuned on them.
    """

    right: int
    total: int
    passed: int = 0
    tuned: int = 0

    @property
    def interval(self) -> tuple[float, float, float]:
        """Share with its 95 % Wilson interval; nan where nothing was compared."""
        share, low, high = wilson(np.array([self.right]), self.total)
        return float(share[0]), float(low[0]), float(high[0])


def reviewed(table: ClusterTable) -> set[int]:
    """Ids of the clusters that carry a person's label."""
    return set(table.ids[(table.rows["annotation"] != "").to_numpy()].tolist())


def agreement(table: ClusterTable) -> LabelAgreement:
    """Of all clusters that a person and the model in force labelled, however they were chosen."""
    rows = table.rows
    both = ((rows["annotation"] != "") & (rows["label"] != "")).to_numpy()
    right = (rows["annotation"] == rows["label"]).to_numpy() & both
    return LabelAgreement(int(right.sum()), int(both.sum()))


def confusion(table: ClusterTable, order: Iterable[str] = ()) -> pd.DataFrame:
    """Counts of clusters by a person's label (rows) and the model's (columns), both where both are there.

    Parameters
    ----------
    order
        Labels in the order wanted; those that do not occur are left out, further ones follow.
    """
    rows = table.rows
    both = ((rows["annotation"] != "") & (rows["label"] != "")).to_numpy()
    given, said = (rows[name].to_numpy(dtype=object)[both] for name in ("annotation", "label"))
    seen = set(given) | set(said)
    wanted = list(dict.fromkeys(order))
    names = [name for name in wanted if name in seen] + sorted(seen - set(wanted))
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(
        counts, tuple(pd.Index(names, dtype=object).get_indexer(pd.Index(x, dtype=object)) for x in (given, said)), 1
    )
    return pd.DataFrame(counts, index=names, columns=names)


def uncertain_after(table: ClusterTable, now: int | None) -> int | None:
    """The unreviewed cluster of least confidence, or the next less uncertain one after `now`; None where none is left.

    Those without any label of the model come last.
    """
    rows = table.rows
    confidence = np.nan_to_num(rows["confidence"].to_numpy(dtype=np.float64), nan=2.0)
    ids = table.ids
    order = np.lexsort((ids, confidence))
    free = (rows["annotation"] == "").to_numpy()
    here = np.flatnonzero(ids[order] == now)
    start = int(here[0]) + 1 if len(here) and free[order[here[0]]] else 0
    turned = np.concatenate([order[start:], order[:start]])
    left = [int(ids[row]) for row in turned if free[row] and int(ids[row]) != now]
    return left[0] if left else None


# ---------------------------------------------------------------------- opinions


_MISSING: Final[Mapping[str, str]] = {
    "confidence": "No cluster has a confidence yet; count the atoms first (step 3).",
    "diameter": "Model and diameter cannot be compared yet; count the atoms first (step 3).",
    "intensity": "Intensity says nothing yet: the image is not calibrated; count the atoms with 'auto' first.",
    "adaptation": "No adaptation is in force that could be compared with the model before; adapt first (step 5).",
    "channels": "There are not two channels to compare; count the atoms with a model of two channels first.",
}


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


def _rows_in(ids: npt.NDArray[np.int64], of: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(n,) row of each of `ids` in `of`; the last row (-1) where it is missing."""
    return np.asarray(pd.Index(of).get_indexer(pd.Index(ids)))


def _of_evidence(
    evidence: Evidence,
    frame: npt.NDArray[np.int64],
    ids: npt.NDArray[np.int64],
    evidence_ids: npt.NDArray[np.int64],
    calibrations: Mapping[int, Calibration],
) -> dict[str, Floats]:
    """What integrals and channels say, for clusters that were classified."""
    if not len(evidence_ids):
        return {}
    rows = _rows_in(ids, evidence_ids)
    gone = rows < 0
    found: dict[str, Floats] = {}
    log_n = np.log(np.array(evidence.card.class_sizes, dtype=np.float64))
    scale = np.array([calibrations[f].scale if f in calibrations else np.nan for f in frame.tolist()])
    with np.errstate(invalid="ignore", divide="ignore"):
        off = evidence.log_integral[rows] - np.log(scale)
    sd = np.hypot(evidence.log_integral_sd[rows], _INTENSITY_SD)
    found["intensity"] = _softmax(-0.5 * ((off[:, None] - log_n) / sd[:, None]) ** 2)
    channels = evidence.branch.shape[1]
    if channels > 1:
        for channel in range(channels):
            logits = evidence.branch[rows, channel].astype(np.float64) / evidence.card.temperature
            found[f"channel {channel + 1}"] = _softmax(logits)
    for values in found.values():
        values[gone] = np.nan
    return found


def opinion_words(opinions: Opinions, cluster: int, channel_names: Iterable[str] = ()) -> list[tuple[str, str, float]]:
    """Who says what of one cluster: name of the opinion, label, probability; without those that say nothing."""
    rows = np.flatnonzero(opinions.ids == cluster)
    if not len(rows):
        return []
    row, names = int(rows[0]), list(channel_names)
    said = []
    for name, chances in opinions.chances.items():
        label = str(opinions.labels_of(name)[row])
        if not label:
            continue
        sure = float(opinions.confidence[row] if name == "model" else np.max(chances[row]))
        channel = int(name.split()[1]) - 1 if name.startswith("channel") else -1
        said.append((names[channel] if 0 <= channel < len(names) else name, label, sure))
    return said
