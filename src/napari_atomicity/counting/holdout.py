"""Labels of a person that are held back from every tuning, to judge its result."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

#: part of a person's labels that no model is ever tuned on
HELD_BACK: Final = 0.25
#: a change of right answers more probable than this by chance says nothing
_CHANCE: Final = 0.05


def identities(image: str, frame: Rows, ids: Rows) -> npt.NDArray[np.uint64]:
    """A number for each cluster that only its image (by name), frame and id decide.

    It is the same in every session and whatever images are pooled, so that a label that was held back once is held
    back from every later tuning as well.

    Parameters
    ----------
    image
        Name of the image.
    frame, ids
        (n,) frame and id of each cluster.

    Returns
    -------
    (n,) numbers of 64 bits, as good as random.
    """
    name = int.from_bytes(blake2b(image.encode(), digest_size=8).digest(), "little")
    return mixed(np.uint64(name) ^ mixed(frame.astype(np.uint64)), ids)


def held_back(annotation: npt.NDArray[np.object_], identity: npt.NDArray[np.uint64]) -> Mask:
    """Choose the labels of a person that no model is tuned on: a quarter, by identity alone.

    Parameters
    ----------
    annotation
        (n,) labels of a person, empty where there is none.
    identity
        (n,) as by `identities`.

    Returns
    -------
    (n,) clusters whose label is held back.
    """
    return np.asarray((annotation != "") & (fraction(identity) < HELD_BACK))


def mixed(
    first: npt.NDArray[np.uint64] | np.uint64, second: npt.NDArray[np.int64 | np.uint64] | int = 0
) -> npt.NDArray[np.uint64]:
    """Hash two numbers into one of 64 bits (SplitMix64: Steele et al., OOPSLA 2014).

    Parameters
    ----------
    first, second
        (n,) or a single number each.

    Returns
    -------
    (n,) as good as random, and the same on every machine.
    """
    with np.errstate(over="ignore"):  # the arithmetic is modulo 2^64
        x = np.atleast_1d(np.asarray(first, dtype=np.uint64)) * np.uint64(0xD1B54A32D192ED03)
        x = x + np.asarray(second).astype(np.uint64)
        x = (x + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(x ^ (x >> np.uint64(31)))


def fraction(number: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
    """(n,) `number` of 64 bits as a fraction from 0 to 1, evenly distributed."""
    return np.asarray(number / 2.0**64)


@dataclass(frozen=True)
class Judgement:
    """How many of the labels that were held back a model gets right, before and after a tuning.

    Attributes
    ----------
    labels
        Clusters that a person labelled.
    held
        Those of them that were held back and that the model could label.
    before, after
        How many of these carry the person's label, before and after the tuning.
    gained, lost
        How many became right, and how many wrong.
    """

    labels: int
    held: int
    before: int
    after: int
    gained: int
    lost: int

    @classmethod
    def of(
        cls,
        annotation: npt.NDArray[np.object_],
        held: Mask,
        before: npt.NDArray[np.object_],
        after: npt.NDArray[np.object_],
    ) -> Judgement:
        """Compare the labels of a person with those of the model.

        Parameters
        ----------
        annotation
            (n,) labels of a person, empty where there is none.
        held
            (n,) clusters whose label is held back.
        before, after
            (n,) labels of the model before and after the tuning, empty where there is none.
        """
        judged = held & (before != "")
        right_before, right_after = (labels[judged] == annotation[judged] for labels in (before, after))
        return cls(
            int((annotation != "").sum()),
            int(judged.sum()),
            int(right_before.sum()),
            int(right_after.sum()),
            int((right_after & ~right_before).sum()),
            int((right_before & ~right_after).sum()),
        )

    @property
    def by_chance(self) -> bool:
        """Whether labels changed at random would often differ as much (exact sign test, two-sided)."""
        from scipy.stats import binomtest

        changed = self.gained + self.lost
        return changed == 0 or bool(binomtest(self.gained, changed).pvalue > _CHANCE)

    @property
    def sentence(self) -> str:
        """The comparison in words; empty where there are no labels."""
        if not self.labels:
            return ""
        of_yours = f"Of your {self.labels} label{'s' if self.labels > 1 else ''}"
        if not self.held:
            return f"{of_yours} none is held back to judge the result; label more clusters to see whether it helped."
        comparison = f"{of_yours}, {self.held} held back: {self.before} right before, {self.after} after"
        if self.before != self.after and self.by_chance:
            return f"{comparison} (so small a difference may be chance)."
        return f"{comparison}."
