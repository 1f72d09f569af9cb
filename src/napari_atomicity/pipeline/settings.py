"""What a person may choose; everything that decides a table besides the image."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np

from napari_atomicity.errors import InputError

if TYPE_CHECKING:
    from napari_atomicity.counting.prior import PriorKnowledge

Adapt = Literal["auto", "off", "diameter"]
Source = Literal["calibrated", "diameter", "annotations"]

#: a deposited size with or without its element, and with or without its share: 19, Pt55, 19:0.7, 19:70%
_DEPOSITED: Final = re.compile(r"[A-Za-z]{0,2}([0-9]{1,6})(?::([0-9]{0,9}[.,]?[0-9]{1,20})%?)?")
#: characters of a list of sizes, and how many of them are shown where it is none
_LONGEST: Final = 2000
_LONGEST_SHOWN: Final = 60


@dataclass(frozen=True)
class Settings:
    """What a person may choose; everything that decides a table besides the image.

    Attributes
    ----------
    sensitivity
        0 (only clear clusters) to 1 (faint ones too).
    model
        Name of a model that comes with the package (``dual``, ``single``), or path of one.
    adapt
        ``auto``: calibrate intensity and class shares from the image's own clusters, then fine-tune the model to them
        where that helps; ``diameter``: fine-tune on clusters of clearly separated diameters, and label by shape alone
        unless scale or deposited sizes are given; ``off``: neither.
    intensity_per_atom, intensity_per_atom_sd
        Integrated intensity of one atom in this image in counts·nm², where it is known, and its relative standard
        deviation.
    deposited
        Sizes (atoms) that were deposited, where they are known.
    fractions
        Share of each deposited size, in the order of `deposited`, where they are known; in all 1, or 100 (per cent).
    anchors
        What the fine-tuning may rest on, any mix; that of `adapt` where empty.
    seed
        Seed of whatever is random (fine-tuning).
    """

    sensitivity: float = 0.5
    model: str = "dual"
    adapt: Adapt = "auto"
    intensity_per_atom: float | None = None
    intensity_per_atom_sd: float = 0.02
    deposited: tuple[int, ...] = ()
    fractions: tuple[float, ...] = ()
    anchors: tuple[Source, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.sensitivity <= 1:
            raise InputError(f"A sensitivity of {self.sensitivity} is outside 0 (few) to 1 (many); 0.5 is usual.")
        if self.adapt not in get_args(Adapt):
            raise InputError(f"There is no adaptation {self.adapt!r}; choose {', '.join(get_args(Adapt))}.")
        if self.intensity_per_atom is not None and not (
            np.isfinite(self.intensity_per_atom) and self.intensity_per_atom > 0
        ):
            raise InputError(
                f"A scale of {self.intensity_per_atom} counts nm² per atom is impossible; give a positive number."
            )
        if not 0 < self.intensity_per_atom_sd <= 1:
            raise InputError(
                f"A relative standard deviation of {self.intensity_per_atom_sd} of the scale is impossible; "
                "give 0.02 for 2 %."
            )
        if any(size < 1 for size in self.deposited):
            raise InputError("A deposited size must be a positive number of atoms, for example 19,30.")
        if len(set(self.deposited)) < len(self.deposited):
            raise InputError("A deposited size is named twice; name each once, for example 19,30.")
        self._check_fractions()
        unknown = set(self.anchors) - set(get_args(Source))
        if unknown:
            raise InputError(f"There are no anchors {unknown.pop()!r}; choose among {', '.join(get_args(Source))}.")

    def _check_fractions(self) -> None:
        if not self.fractions:
            return
        if len(self.fractions) != len(self.deposited):
            raise InputError("Give a share for each deposited size or for none, for example 19:0.7,55:0.3.")
        total = float(np.sum(self.fractions))
        if min(self.fractions) < 0 or not (abs(total - 1) <= 0.02 or abs(total - 100) <= 2):
            shares = " + ".join(f"{share:g}" for share in self.fractions)
            raise InputError(f"The deposited shares {shares} do not add up to 1 (or to 100 per cent); check them.")

    @property
    def known(self) -> PriorKnowledge:
        """What is known beforehand of an image counted under these settings."""
        from napari_atomicity.counting.prior import PriorKnowledge

        return PriorKnowledge(self.intensity_per_atom, self.intensity_per_atom_sd, self.deposited, self.fractions)


def read_deposited(text: str) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Sizes (atoms) and, where they are given, shares of what was deposited: ``19, Pt55`` or ``19:0.7, 55:0.3``.

    Raises
    ------
    InputError
        For anything else, and where only some of the sizes have a share.
    """
    if not text.strip():
        return (), ()
    if len(text) <= _LONGEST:
        text = ":".join(part.strip() for part in text.split(":"))
        # between semicolons a comma may be that of a decimal
        for separators in (r"[\s,;]", r"[\s;]")[: 1 + (";" in text)]:
            matches = [_DEPOSITED.fullmatch(part.strip(",")) for part in re.split(separators, text) if part.strip(",")]
            sizes = tuple(int(match[1]) for match in matches if match)
            shares = tuple(float(match[2].replace(",", ".")) for match in matches if match and match[2])
            if matches and len(sizes) == len(matches) and len(shares) in (0, len(matches)):
                return sizes, shares
    shown = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
    raise InputError(
        f"{shown!r} does not say what was deposited; give numbers of atoms such as 19, 55, or each with its share "
        "such as 19:0.7, 55:0.3."
    )
