"""Calibrations and what a model said, from their entries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.io.tensors import TensorSpec, misfit
from napari_atomicity.project.arrays import csv_of, floats, number
from napari_atomicity.project.blobs import BlobReader

if TYPE_CHECKING:
    from napari_atomicity.counting.calibration import Calibration
    from napari_atomicity.counting.card import ModelCard


def calibration_of(entry: Any, source: BlobReader, fields: Callable[[type, Any], dict[str, Any]]) -> Calibration:
    """The calibration of a frame.

    Parameters
    ----------
    entry
        Of the calibration.
    source
        The parts of the project.
    fields
        Reads the fields of a class from an entry.

    Raises
    ------
    InputError
        Where its part is missing or damaged.
    """
    from napari_atomicity.counting.calibration import Calibration

    curves = csv_of(source, entry.curves)
    values = fields(Calibration, entry)
    values |= {
        "candidates": tuple(dict(candidate) for candidate in entry.candidates),
        "intervals": {name: (number(low), number(high)) for name, (low, high) in entry.intervals.items()},
        "log_scale": floats(curves["log_scale"]),
        "weight": floats(curves["weight"]),
        "shares": np.column_stack([floats(curves[f"share_{name}"]) for name in (*entry.class_sizes, "other")]),
    }
    return Calibration(**values)


def check_evidence(arrays: Mapping[str, npt.NDArray[Any]], card: ModelCard, source: BlobReader) -> None:
    """Raise where an array has another length than the clusters, or other columns than classes and channels.

    Parameters
    ----------
    arrays
        Of the evidence, by name.
    card
        Of the model.
    source
        The parts of the project, named in the message.

    Raises
    ------
    InputError
        Where one does not fit.
    """
    n, classes, channels = len(np.atleast_1d(arrays["valid"])), len(card.class_sizes), len(card.channels)
    width = arrays["features"].shape[-1] if arrays["features"].ndim else 0
    needed = {name: TensorSpec((n,)) for name in arrays} | {"valid": TensorSpec((n,), "b")}
    needed |= {"shape": TensorSpec((n, classes)), "features": TensorSpec((n, width))}
    # files before format 3 hold the classes alone, without that a cluster is none of them
    of_other = int(arrays["branch"].shape[-1] == classes + 1) if arrays["branch"].ndim else 0
    needed |= {"branch": TensorSpec((n, channels, classes + of_other))}
    if wrong := misfit(arrays, needed, finite=False):  # nan where nothing could be said
        raise InputError(f"{source.path.name} is damaged: what a model said does not fit together ({wrong}).")
