"""What a file claims against what is there, in words."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np

from napari_atomicity.errors import InputError
from napari_atomicity.io.text import clean, size_of

#: passes that a progressive JPEG is drawn in; programs write about ten, and each costs as much as the whole picture
_MOST_PASSES: Final = 100


def why_too_many_passes(jpeg: bytes) -> str:
    """Why a JPEG of so many passes is not unpacked, in words; empty where it is."""
    passes = jpeg.count(b"\xff\xda")
    if passes <= _MOST_PASSES:
        return ""
    return f"its JPEG is to be drawn in {passes} passes, of which a whole one has about ten"


def damaged(path: Path, how: str) -> InputError:
    """The error for a file with bytes missing.

    Parameters
    ----------
    path
        The file.
    how
        What is missing, in words.
    """
    return InputError(
        f"{clean(path.name)} is damaged, cut short or not {_kind(path)} file: {how}; copy it again from the microscope."
    )


def odd(path: Path, how: str) -> InputError:
    """The error for a file that is whole and yet makes no sense.

    Parameters
    ----------
    path
        The file.
    how
        What makes none, in words.
    """
    return InputError(
        f"{clean(path.name)} cannot be read: {how}; export the image again, as TIFF if there is a choice."
    )


def _kind(path: Path) -> str:
    name = path.suffix.lstrip(".").upper()
    name = {"TIF": "TIFF", "JPG": "JPEG"}.get(name, name)
    return f"{'an' if name in ('MRC', 'EMI') else 'a'} {name}"


def claims(shape: Sequence[int], dtype: Any) -> str:
    """What a header claims, in words: ``60000 × 60000 pixels of uint16 (7.2 GB)``.

    Parameters
    ----------
    shape
        Lengths of the axes.
    dtype
        Of a pixel.
    """
    n_bytes = prod(max(0, int(n)) for n in shape) * np.dtype(dtype).itemsize
    return f"{' × '.join(str(n) for n in shape)} pixels of {np.dtype(dtype).name} ({size_of(n_bytes)})"
