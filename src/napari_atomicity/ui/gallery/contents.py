"""Which clusters the gallery shows, in which groups and in which order, and what it says of each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import OTHER, OTHER_PROBABILITY, ClusterTable, atoms_of, probability_column
from napari_atomicity.style import symbols
from napari_atomicity.wording import chance, counted, flag_sentence, nm, number

Rows = npt.NDArray[np.int64]

#: what clusters are sorted by within their group
ORDERS: Final = {
    "confidence": "least sure first",
    "against": "labels against the model first",
    "n_atoms": "fewest atoms first",
    "diameter_nm": "smallest first",
}
#: beside the label: whose it is, as the rings over the image say it
SIGNS: Final = {"disc": "○", "square": "□", "diamond": "◇"}
_IN_CAPTION: Final = ("label", "confidence", "frame", "diameter_nm", "n_atoms")
_NOT_LABELLED: Final = "no label yet"


@dataclass(frozen=True)
class Choices:
    """What a person chose to see.

    Attributes
    ----------
    order
        One of `ORDERS`.
    backwards
        The last ones first.
    side, bound
        Shown are clusters whose label is at most, or at least, so sure, in per cent; with ``below`` 100 and ``above``
        0 all of them.
    one_grey
        Whether all pictures of a frame share one scale of grey, so that brightness can be compared.
    size
        How many times as large as they need be the pictures are.
    folded
        Labels of the groups of which only the heading is shown.
    """

    order: str = "confidence"
    backwards: bool = False
    side: Literal["below", "above"] = "below"
    bound: int = 100
    one_grey: bool = True
    size: float = 1.0
    folded: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class Group:
    """The clusters of one label.

    Attributes
    ----------
    label
        Empty for those without one.
    rows
        Of the table, in the order in which they are shown.
    total
        How many there are, with those that are not shown.
    folded
        Whether only the heading is shown.
    """

    label: str
    rows: Rows
    total: int
    folded: bool

    @property
    def title(self) -> str:
        """Its heading."""
        return self.label or _NOT_LABELLED

    @property
    def words(self) -> str:
        """How many clusters it has."""
        n = len(self.rows)
        return counted(n, "cluster") if n == self.total else f"{n} of {counted(self.total, 'cluster')}"


class Contents:
    """All that is shown, cluster by cluster in the order of the pictures.

    Attributes
    ----------
    groups
        One for each class of the model and for ``other``, also where it is empty; then one for each further label.
    rows, ids
        (k,) rows of the table and ids of the clusters that have a picture.
    group
        (k,) index into `groups`.
    """

    def __init__(self, table: ClusterTable, labels: Sequence[str], choices: Choices, stack: bool = False) -> None:
        self.table, self.choices, self._stack = table, choices, stack
        self.groups = grouped(table, labels, choices)
        open_groups = [(i, group) for i, group in enumerate(self.groups) if not group.folded]
        self.rows = np.concatenate([np.empty(0, np.int64), *(group.rows for _, group in open_groups)])
        self.ids = table.ids[self.rows]
        self.group: Rows = np.repeat([i for i, _ in open_groups], [len(group.rows) for _, group in open_groups])
        self._places = table.places[self.rows]
        self._signs = symbols(table)
        self._sizeable = table.sizeable

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def n_shown(self) -> int:
        """How many clusters the choices leave, those of folded groups too."""
        return sum(len(group.rows) for group in self.groups)

    def index_of(self, cluster: int) -> int | None:
        """Which picture shows the cluster with the id `cluster`; None where none does."""
        found = np.flatnonzero(self.ids == cluster)
        return int(found[0]) if len(found) else None

    def indices_of(self, clusters: Collection[int]) -> Rows:
        """Which pictures show any of these clusters."""
        return np.flatnonzero(np.isin(self.ids, list(clusters)))

    def place(self, index: int) -> tuple[float, float, float]:
        """Frame, y and x (pixels) of a cluster."""
        frame, y, x = self._places[index].tolist()
        return frame, y, x

    def label(self, index: int) -> str:
        """The label that counts, empty where there is none."""
        return self.groups[int(self.group[index])].label

    def is_sizeable(self, index: int) -> bool:
        """Whether the cluster is counted in shares: whole, alone and not saturated."""
        return bool(self._sizeable[self.rows[index]])

    def caption(self, index: int) -> tuple[str, str]:
        """Two lines below a picture: label with its sign and how sure the model is; and what the order goes by."""
        row = self.rows[index]
        one: dict[str, Any] = {name: self.table.rows[name].to_numpy()[row] for name in _IN_CAPTION}
        sign = SIGNS[str(self._signs[row])]
        against = sign == SIGNS["diamond"]
        sure = "" if not one["label"] or against else f"  {chance(one['confidence'])}"
        first = f"{sign} {self.label(index)}{sure}" if self.label(index) else _NOT_LABELLED
        second = [f"frame {one['frame']}"] if self._stack else []
        if against:
            second.append(f"model: {one['label']}")
        elif self.choices.order == "diameter_nm":
            second.append(nm(one["diameter_nm"]))
        elif np.isfinite(one["n_atoms"]):
            second.append(f"{one['n_atoms']:.0f} atoms")
        return first, ", ".join(second)

    def sentence(self, index: int) -> str:
        """All that is known of a cluster in words, for tool tips and screen readers."""
        one = self.table.rows.iloc[self.rows[index]]
        label, mine = str(one["label"]), str(one["annotation"])
        said = [f"Cluster {one['id']}: {mine or label or _NOT_LABELLED}"]
        if mine:
            said.append("labelled by you" + (f" against the model ({label})" if label and label != mine else ""))
        if label:
            said.append(f"the model is {chance(one['confidence'])} sure")
        if np.isfinite(one["n_atoms"]):
            said.append(f"{one['n_atoms']:.0f} ± {number(one['n_atoms_sd'], '.0f')} atoms")
        if np.isfinite(one["diameter_nm"]):
            said.append(f"{nm(one['diameter_nm'])} across")
        if self._stack:
            said.append(f"frame {one['frame']}")
        return ", ".join(said) + ". " + flag_sentence(str(one["flag"]))


def grouped(table: ClusterTable, labels: Sequence[str], choices: Choices) -> tuple[Group, ...]:
    """The clusters in groups by the label that counts.

    Parameters
    ----------
    table
        All clusters.
    labels
        Of the classes of the model, in its order.
    choices
        Which of the clusters are shown, and in which order.
    """
    final = table.final_labels.astype(str)
    further = sorted(set(final.tolist()) - {*labels, OTHER, ""}, key=lambda label: (atoms_of(label) or 0, label))
    names = [*labels, OTHER, *further, *([""] if (final == "").any() else [])]
    ordered = order_of(table, choices)
    ordered = ordered[_within(table, choices)[ordered]]
    in_order = final[ordered]
    return tuple(
        Group(name, ordered[in_order == name], int((final == name).sum()), name in choices.folded) for name in names
    )


def order_of(table: ClusterTable, choices: Choices) -> Rows:
    """(n,) rows of all clusters, sorted; those of which nothing is known come last."""
    if choices.order == "against":
        by = _for_the_label(table)
        known = np.isfinite(by) | table.labelled
        ordered = np.lexsort((table.ids, by, ~table.labelled, symbols(table) != "diamond"))
    else:
        by = table.rows[choices.order].to_numpy(dtype=float)
        known = np.isfinite(by)
        ordered = np.lexsort((table.ids, by))
    if choices.backwards:
        ordered = ordered[::-1]
    return np.concatenate([ordered[known[ordered]], ordered[~known[ordered]]]).astype(np.int64)


def _for_the_label(table: ClusterTable) -> npt.NDArray[np.float64]:
    """(n,) probability that the model gives the label that counts; nan where it has none for it."""
    found = np.full(len(table), np.nan)
    final = table.final_labels
    for label in set(final.tolist()):
        name = OTHER_PROBABILITY if label == OTHER else probability_column(atoms_of(label) or 0)
        if label and name in table.rows:
            of = final == label
            found[of] = table.rows[name].to_numpy(dtype=float)[of]
    return found


def _within(table: ClusterTable, choices: Choices) -> npt.NDArray[np.bool_]:
    """(n,) which clusters are as sure as was asked for; of which nothing is known counts as not sure."""
    confidence = np.nan_to_num(table.rows["confidence"].to_numpy(dtype=float), nan=0.0)
    bound = choices.bound / 100
    return np.asarray(confidence <= bound if choices.side == "below" else confidence >= bound, dtype=bool)
