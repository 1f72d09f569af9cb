"""Small words for numbers, flags and channels: the same in every window, report and terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

#: stands where there is no number
NOTHING: Final = "–"

#: an interval of a share that is wider than this says less than a word
_SAYS_NOTHING: Final = 0.5
#: what a flag is called in a list
FLAGS: Final = {
    "touching": "touching",
    "border": "at the border",
    "saturated": "saturated",
    "outside": "outside the classes",
}
_FLAG_SENTENCES: Final = {
    "border": "Cut off by the border of the image: size and brightness are too low.",
    "touching": "Touches another cluster: size and brightness may belong to both.",
    "saturated": "Saturated pixels: its brightness is too low.",
    "outside": "Looks like none of the sizes that the model knows.",
}
_CHANNELS: Final = {"raw": "raw intensity", "lcn": "local contrast", "density": "atoms per nm²"}
_METHODS: Final = {
    "density": "Atoms per nm²",
    "hires-cam": "HiResCAM",
    "grad-cam": "Grad-CAM",
    "integrated-gradients": "Integrated gradients",
}
_SOURCES: Final = {"base": "as shipped", "adapted": "adapted to this image"}


def number(value: float | None, form: str) -> str:
    """A number in a format such as ``.2f``; a dash where it is not known.

    Parameters
    ----------
    value
        None, nan and infinity are not known.
    form
        As `format` takes it.
    """
    return NOTHING if value is None or not math.isfinite(value) else format(value, form)


def percent(share: float | None, digits: int = 1) -> str:
    """A share from 0 to 1 as ``12.3 %``; a dash where it is not known.

    Parameters
    ----------
    share
        From 0 to 1.
    digits
        After the decimal point.
    """
    return NOTHING if share is None or not math.isfinite(share) else f"{100 * share:.{digits}f} %"


def chance(probability: float) -> str:
    """A probability in %: none is said to be certain or impossible."""
    if probability < 0.005:
        return "< 1 %"
    return "> 99 %" if probability > 0.995 else percent(probability, 0)


def interval(low: float, high: float, digits: int = 1) -> str:
    """An interval of shares as ``41.0 to 53.0 %``; a dash where it is not known.

    Parameters
    ----------
    low, high
        Its ends, from 0 to 1.
    digits
        After the decimal point.
    """
    return NOTHING if not math.isfinite(low) else f"{100 * low:.{digits}f} to {percent(high, digits)}"


def share_and_interval(share: float, low: float, high: float, digits: int = 1) -> str:
    """A share with its interval as ``47 (41 to 53) %``; a dash where it is not known.

    Parameters
    ----------
    share, low, high
        The share and the ends of its interval, from 0 to 1.
    digits
        After the decimal point.
    """
    if not math.isfinite(share):
        return NOTHING
    return "{:.{d}f} ({:.{d}f} to {:.{d}f}) %".format(*(100 * part for part in (share, low, high)), d=digits)


def share_or_doubt(label: str, share: float, low: float, high: float, undecided: Sequence[str]) -> str:
    """The share of a class with its interval; where its frame cannot decide, between which classes.

    Parameters
    ----------
    label
        Of the class.
    share, low, high
        The share and the ends of its interval, from 0 to 1.
    undecided
        Labels between which a frame cannot decide.
    """
    if label in undecided and high - low > _SAYS_NOTHING:
        return f"undecided: {' or '.join(undecided)}"
    return share_and_interval(share, low, high)


def nm(length: float, digits: int = 2) -> str:
    """A length as ``1.23 nm``; a dash where it is not known.

    Parameters
    ----------
    length
        In nm.
    digits
        After the decimal point.
    """
    return NOTHING if not math.isfinite(length) else f"{length:.{digits}f} nm"


def counted(n: int, noun: str) -> str:
    """How many there are: ``1 cluster``, ``3 clusters``.

    Parameters
    ----------
    n
        How many.
    noun
        Of one of them; more take an s.
    """
    return f"{n} {noun}{'' if n == 1 else 's'}"


def flag_sentence(flag: str) -> str:
    """A flag in a sentence; empty for ``ok``."""
    return _FLAG_SENTENCES.get(flag, "" if flag == "ok" else f"Flag: {flag}.")


def method_words(name: str) -> str:
    """A way of explaining: ``Grad-CAM``."""
    return _METHODS.get(name, name)


def channel_words(name: str) -> str:
    """A channel of the network: ``raw intensity``."""
    return _CHANNELS.get(name, name)


def source_words(source: str) -> str:
    """The state of the model that gave a label."""
    return _SOURCES.get(source, source)
