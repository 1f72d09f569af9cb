"""Independent ways to the intensity of one atom, as one kind of number, and how far they agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from napari_atomicity.errors import InputError

Origin = Literal["clusters", "detector", "atoms", "deposited", "standard", "profile"]

_WORDS: Final[dict[Origin, str]] = {
    "clusters": "the image's own clusters",
    "detector": "the detector scan",
    "atoms": "single atoms",
    "deposited": "the deposited sizes",
    "standard": "the standard",
    "profile": "the profile",
}
#: what to look at first where one of them stands apart
_DOUBTS: Final[dict[Origin, str]] = {
    "clusters": "sizes that the model does not know, or another pixel size?",
    "detector": "another gain or current, or other angles?",
    "atoms": "pairs taken for atoms, or lighter ones?",
    "deposited": "were other sizes deposited?",
    "standard": "another gain or beam current, or another size?",
    "profile": "another gain or beam current?",
}
#: two that differ by more standard deviations do not agree
_APART: Final = 2.0
#: below this probability all together do not agree
_CONTRADICTED: Final = 0.05
#: nobody knows a scale better than this: pixel size and current are seldom known to 1 %
_SHARPEST: Final = 0.01


@dataclass(frozen=True)
class ScaleReference:
    """What one way says of the intensity of one atom.

    Attributes
    ----------
    origin
        Which way.
    value
        Integrated intensity of one atom, counts·nm², as the column `intensity` measures clusters.
    relative_sd
        Its relative standard deviation.
    of
        Which one, where there may be several: the name of a profile or of a standard.
    basis
        What it rests on, in a few words.
    """

    origin: Origin
    value: float
    relative_sd: float
    of: str = ""
    basis: str = ""

    def __post_init__(self) -> None:
        if not (0 < self.value < np.inf and 0 < self.relative_sd < np.inf):
            raise InputError(
                f"An intensity of one atom of {self.value:.4g} counts·nm² (± {self.relative_sd:.2g}) is impossible; "
                "give numbers above 0."
            )

    @property
    def words(self) -> str:
        """What it is called in a sentence."""
        return f"{_WORDS[self.origin]} {self.of}".rstrip()

    @property
    def log_sd(self) -> float:
        """Standard deviation of the logarithm."""
        return max(self.relative_sd, _SHARPEST)


@dataclass(frozen=True, eq=False)
class Consistency:
    """How far several ways to one scale agree.

    Attributes
    ----------
    references
        The ways.
    value, relative_sd
        What all say together; where they do not agree the deviation is widened until they do (Birge 1932).
    chi2, p
        Sum of squared deviations from that over their variances, and the probability of as much by chance; nan for one.
    pairs
        A row for two: first, second, ratio of their values, deviations between them.
    """

    references: tuple[ScaleReference, ...]
    value: float
    relative_sd: float
    chi2: float
    p: float
    pairs: pd.DataFrame

    @property
    def agrees(self) -> bool:
        """Whether nothing contradicts."""
        return not self.p < _CONTRADICTED and not bool((self.pairs["deviations"] > _APART).any())

    @property
    def sentence(self) -> str:
        """The finding in words."""
        if len(self.references) < 2:
            only = self.references[0].words
            return f"There is one way alone to what an atom is worth, {only}; nothing else to hold it against."
        together, apart = self._parties()
        if len(together) < 2:
            first, second = self.references[:2] if len(self.references) == 2 else (None, None)
            if first is None or second is None:
                return "No two ways to the intensity of one atom agree; check gain, beam current and pixel size."
            doubted = _more_doubtful(first, second)
            return (
                f"{_capital(first.words)} and {second.words} do not agree: {doubted.words} is "
                f"{_off(doubted.value / _other(doubted, first, second).value)}, "
                f"more than their errors allow. {_capital(_DOUBTS[doubted.origin])}"
            )
        spread = max(one.value for one in together) / min(one.value for one in together) - 1
        sentence = f"{_listed(together)} agree within {_percent(spread)}"
        wide = max(one.relative_sd for one in together)
        if spread > 0.1:
            sentence += f", which errors of up to {_percent(wide)} allow"
        centre = _mean(together)[0]
        parts = [f"{one.words} is {_off(one.value / centre)}: {_DOUBTS[one.origin]}" for one in apart]
        return _plural("; ".join([sentence, *parts]) + ("" if parts else "."))

    def _parties(self) -> tuple[list[ScaleReference], list[ScaleReference]]:
        """The largest group in which all agree, the surest one of several; and those that stand apart."""
        ways = range(len(self.references))
        apart = self.pairs[self.pairs["deviations"] > _APART]
        far = set(zip(apart["i"], apart["j"], strict=True))
        for size in range(len(self.references), 0, -1):
            fitting = [
                group for group in combinations(ways, size) if not any(pair in far for pair in combinations(group, 2))
            ]
            if fitting:
                best = min(fitting, key=lambda group: _mean([self.references[i] for i in group])[1])
                return [self.references[i] for i in best], [self.references[i] for i in ways if i not in best]
        return [], list(self.references)

    def as_dict(self) -> dict[str, Any]:
        """JSON-serialisable."""
        single = len(self.references) < 2
        return {
            "references": [
                {"origin": one.origin, "of": one.of, "intensity_per_atom": one.value, "relative_sd": one.relative_sd,
                 "basis": one.basis}
                for one in self.references
            ],
            "together": {"intensity_per_atom": self.value, "relative_sd": self.relative_sd},
            "chi2": None if single else self.chi2,
            "p": None if single else self.p,
            "pairs": self.pairs.drop(columns=["i", "j"]).to_dict("records"),
            "agrees": self.agrees,
            "sentence": self.sentence,
        }  # fmt: skip


def compare_scales(references: Sequence[ScaleReference]) -> Consistency:
    """Hold several ways to the intensity of one atom against each other, in logarithms.

    Parameters
    ----------
    references
        At least one.

    Raises
    ------
    InputError
        Where there is none.
    """
    from scipy.stats import chi2 as chi2_of

    if not references:
        raise InputError("Nothing says what one atom is worth in this image; count the atoms, or give a detector scan.")
    value, sd, chi2 = _mean(references)
    p = float(chi2_of.sf(chi2, len(references) - 1)) if len(references) > 1 else float("nan")
    rows = []
    for i, j in combinations(range(len(references)), 2):
        one, other = references[i], references[j]
        ratio = one.value / other.value
        deviations = abs(np.log(ratio)) / np.hypot(one.log_sd, other.log_sd)
        rows.append((i, j, one.words, other.words, ratio, float(deviations)))
    pairs = pd.DataFrame(rows, columns=["i", "j", "first", "second", "ratio", "deviations"])
    stretch = max(1.0, np.sqrt(chi2 / (len(references) - 1))) if len(references) > 1 else 1.0
    return Consistency(tuple(references), value, float(sd * stretch), chi2, p, pairs)


def joined(references: Sequence[ScaleReference]) -> ScaleReference:
    """One factor for a posterior from several ways that do not look at the image's clusters.

    Parameters
    ----------
    references
        At least one.
    """
    if len(references) == 1:
        return references[0]
    found = compare_scales(references)
    names = " and ".join(one.words for one in references)
    return ScaleReference("standard", found.value, min(found.relative_sd, 1.0), f"from {names}", "joined")


def _mean(references: Sequence[ScaleReference]) -> tuple[float, float, float]:
    """Value, relative standard deviation and χ² of all together."""
    log = np.log([one.value for one in references])
    weight = np.array([one.log_sd for one in references]) ** -2.0
    centre = float(np.average(log, weights=weight))
    return float(np.exp(centre)), float(weight.sum() ** -0.5), float((weight * (log - centre) ** 2).sum())


def _more_doubtful(first: ScaleReference, second: ScaleReference) -> ScaleReference:
    """Of two that contradict each other, the one that knows less of this image."""
    order: tuple[Origin, ...] = ("profile", "standard", "atoms", "detector", "deposited", "clusters")
    return min((first, second), key=lambda one: order.index(one.origin))


def _other(one: ScaleReference, first: ScaleReference, second: ScaleReference) -> ScaleReference:
    return second if one is first else first


def _listed(references: Sequence[ScaleReference]) -> str:
    words = [one.words for one in references]
    return _capital(f"{', '.join(words[:-1])} and {words[-1]}")


def _off(ratio: float) -> str:
    side = "higher" if ratio > 1 else "lower"
    return f"{ratio:.2g} times as high" if ratio >= 2 or ratio <= 0.5 else f"{_percent(abs(ratio - 1))} {side}"


def _percent(part: float) -> str:
    return f"{100 * part:.0f} %" if part >= 0.01 else "1 %"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _plural(sentence: str) -> str:
    for origin in ("atoms", "deposited", "clusters"):
        sentence = sentence.replace(f"{_WORDS[origin]} is ", f"{_WORDS[origin]} are ")
    return sentence
