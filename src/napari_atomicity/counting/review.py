"""Which clusters a person should look at first, and how often person and model agree.

The order of a queue and the labels that it checks are fixed when it is made: nothing jumps about while one labels, and
a model that learns meanwhile is not judged by what it has just been taught.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.counting.opinions import ORDERS, Opinions, Order
from napari_atomicity.counting.ratios import wilson
from napari_atomicity.errors import InputError

#: why an order cannot be chosen
_MISSING: Final[Mapping[str, str]] = {
    "confidence": "No cluster has a confidence yet; count the atoms first.",
    "diameter": "Model and diameter cannot be compared yet; count the atoms first.",
    "intensity": "Intensity says nothing yet: the image is not calibrated; count the atoms with 'auto' first.",
    "adaptation": "No adaptation is in force that could be compared with the model before; adapt first.",
    "channels": "There are not two channels to compare; count the atoms with a model of two channels first.",
}


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
        """Order all clusters for a review.

        Parameters
        ----------
        opinions
            On the clusters.
        order
            One of `ORDERS`.
        seed
            Decides a random order.
        tuned
            Ids of clusters that the model was tuned on.

        Raises
        ------
        InputError
            Where there are no clusters, or the order needs an opinion that is not there.
        """
        if not len(opinions.ids):
            raise InputError("There are no clusters to review yet; find them first.")
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
        """Ids that still exist, in order: a deleted cluster is left out, and returns to its position by undo."""
        existing = set(table.ids.tolist())
        return [i for i in self.ids if i in existing]

    def added(self, table: ClusterTable) -> int:
        """How many clusters came after the queue was made; they are not in it."""
        return len(set(table.ids.tolist()) - set(self.ids))

    def step(self, table: ClusterTable, now: int | None, by: int = 1, unreviewed: bool = False) -> int | None:
        """The neighbour of a cluster in the queue.

        Parameters
        ----------
        table
            The clusters as they are now.
        now
            Id to start from, which may have been deleted meanwhile; None for the end of the queue.
        by
            1 for the next cluster, -1 for the previous one.
        unreviewed
            Leave out those that carry a person's label.

        Returns
        -------
        Its id; None at the end.
        """
        existing = set(table.ids.tolist())
        if unreviewed:
            existing -= reviewed(table)
        position = self.ids.index(now) if now in self.ids else (-1 if by > 0 else len(self.ids))
        ahead = self.ids[position + 1 :] if by > 0 else self.ids[:position][::-1]
        return next((i for i in ahead if i in existing), None)

    def fair(self, table: ClusterTable, reached: int, now: int | None = None) -> LabelAgreement:
        """Agreement on the first clusters of a random queue: a fair sample of all clusters.

        Clusters that a person picked, and those that the model was tuned on, do not count.

        Parameters
        ----------
        table
            The clusters as they are now.
        reached
            How many clusters of the queue the person has come to.
        now
            Id of the one at hand, which may still get a label, so that it is not passed over yet.
        """
        if self.order != "random":
            return LabelAgreement(0, 0, 0)
        existing = set(table.ids.tolist())
        shown = [i for i in self.ids[:reached] if i in existing and self.predicted[i]]
        sample = [i for i in shown if i not in self.tuned]
        given = dict(zip(table.ids.tolist(), table.rows["annotation"], strict=True))
        judged = [i for i in sample if given[i]]
        right = sum(given[i] == self.predicted[i] for i in judged)
        passed = [i for i in sample if not given[i] and i != now]
        tuned = sum(bool(given[i]) for i in shown if i in self.tuned)
        return LabelAgreement(int(right), len(judged), len(passed), tuned)


@dataclass(frozen=True)
class LabelAgreement:
    """How often person and model agree.

    Attributes
    ----------
    right, total
        They agree on `right` of `total` clusters.
    passed
        Clusters that the person has seen and not labelled.
    tuned
        Clusters that the person has labelled, but the model was tuned on.
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
    return set(table.ids[table.labelled].tolist())


def agreement(table: ClusterTable) -> LabelAgreement:
    """Of all clusters that a person and the model in force labelled, however they were chosen."""
    given, predicted = _both_labels(table)
    return LabelAgreement(int((given == predicted).sum()), len(given))


def confusion(table: ClusterTable, order: Iterable[str] = ()) -> pd.DataFrame:
    """Count clusters by a person's label and the model's, where they have both.

    Parameters
    ----------
    table
        Classified clusters.
    order
        Labels in their order; those that do not occur are left out, further ones follow.

    Returns
    -------
    Numbers of clusters, a row a label by a person, a column a label by the model.
    """
    by_person, by_model = _both_labels(table)
    occurring = set(by_person) | set(by_model)
    usual = list(dict.fromkeys(order))
    names = [name for name in usual if name in occurring] + sorted(occurring - set(usual))
    index = pd.Index(names, dtype=object)
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    cells = tuple(index.get_indexer(pd.Index(labels, dtype=object)) for labels in (by_person, by_model))
    np.add.at(counts, cells, 1)
    return pd.DataFrame(counts, index=names, columns=names)


def _both_labels(table: ClusterTable) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_]]:
    """A person's label and the model's of the clusters that carry both."""
    annotation, label = (table.rows[name].to_numpy(dtype=object) for name in ("annotation", "label"))
    both = table.labelled & np.asarray(label != "", dtype=bool)
    return annotation[both], label[both]


def uncertain_after(table: ClusterTable, now: int | None) -> int | None:
    """The next unreviewed cluster, from the least confident label to the most confident one.

    Clusters without any label of the model come last.

    Parameters
    ----------
    table
        Classified clusters.
    now
        Id of the cluster to go on from; the least confident one comes first where it is None, reviewed or gone.

    Returns
    -------
    Its id; None where none is left.
    """
    confidence = np.nan_to_num(table.rows["confidence"].to_numpy(dtype=np.float64), nan=2.0)
    ids, free = table.ids, ~table.labelled
    order = np.lexsort((ids, confidence))
    position = np.flatnonzero(ids[order] == now)
    start = int(position[0]) + 1 if len(position) and free[order[position[0]]] else 0
    turned = np.concatenate([order[start:], order[:start]])
    left = [int(ids[row]) for row in turned if free[row] and int(ids[row]) != now]
    return left[0] if left else None
