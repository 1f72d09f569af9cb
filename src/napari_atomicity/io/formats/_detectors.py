"""Several detectors that lie along one axis of the stored pixels, known by a list of names beside them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from napari_atomicity.io.raw import says_detector
from napari_atomicity.io.text import clean

#: names of one list; a longer one belongs to frames
MOST: Final = 64
_LONGEST: Final = 100
#: a number that does not belong to the name of a detector: the frames “HAADF 1” and “HAADF 2” are of one detector
_NUMBER: Final = re.compile(r"(?<!df)\d+([.,]\d+)?", re.IGNORECASE)


class Detectors(NamedTuple):
    """Which axis the detectors lie along, and their names."""

    axis: int
    names: tuple[str, ...]

    def sentence(self, title: str) -> str:
        """What a person reads about it."""
        what = f"“{title}”" if title else "The file"
        return f"{what} holds one image for each of {len(self.names)} detectors: {', '.join(self.names[:8])}."


def along(shape: Sequence[int], lists: Iterable[Sequence[str]]) -> Detectors | None:
    """The first list of names that names detectors, as many as one of the axes is long.

    Parameters
    ----------
    shape
        Lengths of the axes.
    lists
        Lists of names that lie beside the data, the likeliest first.

    Returns
    -------
    The axis with the names; None where no list does.
    """
    for names in lists:
        if are_detectors(names) and len(names) in shape:
            return Detectors(list(shape).index(len(names)), tuple(names))
    return None


def are_detectors(names: Sequence[str]) -> bool:
    """Whether the names are those of different detectors, and not of frames that one detector recorded."""
    if not 2 <= len(names) <= MOST or not any(says_detector(name) for name in names):
        return False
    return len({_NUMBER.sub("", name).casefold() for name in names}) > 1


def filled(names: Sequence[str]) -> tuple[str, ...]:
    """The names, with a number where there is none."""
    return tuple(name or f"channel {k}" for k, name in enumerate(names))


def listed(value: Any) -> tuple[str, ...]:
    """The names in a list of texts, or in one text that holds several; none where it is anything else."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        value = _parts(value)
    if isinstance(value, np.ndarray):
        value = value.ravel().tolist() if value.size <= MOST else ()
    if not isinstance(value, list | tuple) or not 2 <= len(value) <= MOST:
        return ()
    texts = [one.decode("utf-8", "replace") if isinstance(one, bytes) else one for one in value]
    return tuple(clean(one, _LONGEST) for one in texts) if all(isinstance(one, str) for one in texts) else ()


def _parts(text: str) -> list[Any]:
    """The parts of a text that is a list in JSON, or has commas, semicolons, bars or tabs."""
    if len(text) > MOST * _LONGEST:
        return []
    if text.lstrip().startswith("["):
        try:
            parts = json.loads(text.replace("'", '"'))
        except (ValueError, RecursionError):
            return []
        return parts if isinstance(parts, list) else []
    mark = next((mark for mark in ";|\t," if mark in text), None)
    return [] if mark is None else [part.strip() for part in text.split(mark)]
