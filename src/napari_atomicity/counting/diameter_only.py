"""What diameter alone would say: the classical shortcut, shown beside the model's answer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.card import ModelCard
from napari_atomicity.errors import InputError


def log_likelihood(diameter_nm: npt.NDArray[np.float64], card: ModelCard) -> npt.NDArray[np.float64]:
    """How well each diameter goes with each class.

    Parameters
    ----------
    diameter_nm
        (n,) nm.
    card
        Of the model, which knows the diameters of its classes.

    Returns
    -------
    (n, classes) logarithm of the density of ln(diameter), up to a constant; nan where there is no diameter.

    Raises
    ------
    InputError
        Where the model knows no diameters of its classes.
    """
    if set(card.diameter_nm) != {str(n) for n in card.class_sizes}:
        raise InputError(f"The model {card.name!r} knows no diameters of its classes; use another model.")
    mean, sd = np.array([card.diameter_nm[str(n)] for n in card.class_sizes]).T
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (np.log(np.asarray(diameter_nm, dtype=np.float64))[:, None] - mean) / sd
    return np.where(np.isfinite(z), -0.5 * z**2 - np.log(sd), np.nan)


def relative_log_likelihood(diameter_nm: npt.NDArray[np.float64], card: ModelCard) -> npt.NDArray[np.float64]:
    """How well each diameter goes with each class, relative to an average class; 0 where there is no diameter.

    Parameters
    ----------
    diameter_nm
        (n,) nm.
    card
        Of the model, which knows the diameters of its classes.

    Returns
    -------
    (n, classes).

    Raises
    ------
    InputError
        Where the model knows no diameters of its classes.
    """
    terms = log_likelihood(diameter_nm, card)
    terms[~np.isfinite(terms).all(axis=1)] = 0.0
    return np.asarray(terms - np.logaddexp.reduce(terms, axis=1, keepdims=True) + np.log(terms.shape[1]))


def classify_by_diameter(diameter_nm: npt.NDArray[np.float64], card: ModelCard) -> npt.NDArray[np.object_]:
    """Label clusters by their diameter alone, all classes taken to be equally frequent.

    Parameters
    ----------
    diameter_nm
        (n,) nm.
    card
        Of the model, which knows the diameters of its classes.

    Returns
    -------
    (n,) most likely label; empty where there is no diameter.

    Raises
    ------
    InputError
        Where the model knows no diameters of its classes.
    """
    score = log_likelihood(diameter_nm, card)
    known = ~np.isnan(score.sum(axis=1))
    labels = np.array(card.labels, dtype=object)[np.where(known[:, None], score, 0.0).argmax(axis=1)]
    return np.where(known, labels, "")
