"""Arrays out of safetensors files, bounded and of the shapes that are wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.schema import json_of

#: models and training sets are some MB; what is larger is none of ours
MOST_BYTES: Final = 128 * 2**20
_MOST_HEADER: Final = 2**20
#: the number that says how long the header is
_HEAD: Final = 8


class TensorSpec(NamedTuple):
    """Shape and kinds (letters of NumPy: ``f`` floating, ``i`` and ``u`` integer) of an array."""

    shape: tuple[int, ...]
    kinds: str = "f"


def header_of(content: bytes, name: str) -> dict[str, Any]:
    """The header of a safetensors file.

    Parameters
    ----------
    content
        The bytes of the file.
    name
        Of the file; starts the message.

    Returns
    -------
    Type, shape and place of each array by its name, and the metadata.

    Raises
    ------
    InputError
        Where it is no such file, or claims more than there is.
    """
    size = int.from_bytes(content[:_HEAD], "little")
    if len(content) < _HEAD + 2 or not 2 <= size <= min(_MOST_HEADER, len(content) - _HEAD):
        raise InputError(f"{name} is no safetensors file, or a damaged one; use an unharmed copy.")
    header = json_of(content[_HEAD : _HEAD + size], f"The header of {name}")
    if not isinstance(header, dict):
        raise InputError(f"{name} is no safetensors file, or a damaged one; use an unharmed copy.")
    return header


def tensors_of(content: bytes, name: str) -> dict[str, npt.NDArray[Any]]:
    """All arrays of a safetensors file, by name.

    Parameters
    ----------
    content
        The bytes of the file.
    name
        Of the file; starts the message.

    Raises
    ------
    InputError
        Where it is none, is too large, or claims what it does not hold; `name` starts the sentence.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    if len(content) > MOST_BYTES:
        raise InputError(f"{name} has more than {MOST_BYTES // 2**20} MB, which none of ours has; give another file.")
    header_of(content, name)
    try:
        arrays: dict[str, npt.NDArray[Any]] = load(content)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{name} is no safetensors file, or a damaged one; use an unharmed copy.") from error
    return arrays


def misfit(arrays: Mapping[str, npt.NDArray[Any]], wanted: Mapping[str, TensorSpec], finite: bool = True) -> str:
    """What is wrong with `arrays`, in a few words; empty where they are exactly those that are wanted.

    Parameters
    ----------
    arrays
        By name.
    wanted
        What each has to be, by the same names.
    finite
        Whether nan and infinite values are wrong too.
    """
    if set(arrays) != set(wanted):
        odd = sorted(set(arrays) ^ set(wanted))[0]
        return f"{odd!r:.60} is {'missing' if odd in wanted else 'unknown'}"
    for name, (shape, kinds) in wanted.items():
        values = arrays[name]
        if values.shape != shape:
            return f"{name} has the shape {values.shape}, not {shape}"
        if values.dtype.kind not in kinds:
            return f"{name} holds {values.dtype}"
        if finite and values.dtype.kind == "f" and not np.isfinite(values).all():
            return f"{name} holds values that are not numbers"
    return ""
