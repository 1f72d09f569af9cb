"""Class probabilities, labels and atom counts from the shape of clusters and the calibration of their frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import OTHER, OTHER_PROBABILITY, probability_column
from napari_atomicity.counting.calibration import NEGLIGIBLE, Calibration
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.mixture import Floats, even_shares, integral_terms, shape_terms
from napari_atomicity.errors import InputError


@dataclass(frozen=True, eq=False)
class Predictions:
    """Labels and counts with their certainty; one row a cluster, nan and empty where nothing can be said.

    Attributes
    ----------
    class_sizes
        Atoms of each class.
    probabilities
        (n, classes); what is missing to 1 is the probability of being none of the classes.
    outside
        (n,) that probability.
    label, confidence
        (n,) ``Pt19`` … or ``other``, and its probability.
    n_atoms, n_atoms_sd
        (n,) continuous atom count and its standard deviation: from the integral where the image's scale is known or
        found, else from the shape alone. It does not depend on the classes.
    """

    class_sizes: tuple[int, ...]
    probabilities: Floats
    outside: Floats
    label: npt.NDArray[np.object_]
    confidence: Floats
    n_atoms: Floats
    n_atoms_sd: Floats

    def columns(self, flag: npt.NDArray[Any], source: str) -> dict[str, Any]:
        """Columns for `ClusterTable.with_predictions`.

        Parameters
        ----------
        flag
            (n,) flags of the table; only ``ok`` gives way to ``outside``.
        source
            Name of the model, for the rows that carry a label.
        """
        flag = np.where(flag == "outside", "ok", np.asarray(flag, dtype=object))
        return {
            **{probability_column(n): self.probabilities[:, i] for i, n in enumerate(self.class_sizes)},
            OTHER_PROBABILITY: self.outside,
            "label": self.label,
            "confidence": self.confidence,
            "n_atoms": self.n_atoms,
            "n_atoms_sd": self.n_atoms_sd,
            "flag": np.where((flag == "ok") & (self.label == OTHER), "outside", flag),
            "source": np.where(self.label != "", source, ""),
        }


def posterior(evidence: Evidence, calibration: Calibration | None) -> Predictions:
    """Join shape and, where there is a calibration, integral to class probabilities, labels and counts.

    Parameters
    ----------
    evidence
        Of the clusters of one frame.
    calibration
        Of that frame; shape alone decides where it is None.

    Raises
    ------
    InputError
        Where the calibration belongs to a model of other classes.
    """
    card = evidence.card
    sizes = np.array(card.class_sizes, dtype=np.float64)
    if calibration is not None and calibration.class_sizes != card.class_sizes:
        raise InputError("The calibration belongs to a model of other classes; calibrate again.")
    rows = np.flatnonzero(evidence.valid)
    usable = evidence.take(rows)
    if calibration is None:
        joint = np.exp(shape_terms(usable)) * even_shares(len(sizes))
        chances = joint / joint.sum(axis=1, keepdims=True)
        log_n, log_n_sd, threshold = usable.log_n, usable.log_n_sd, card.outside_threshold
    else:
        chances, log_n, log_n_sd = _over_scales(usable, calibration)
        threshold = card.outside_threshold_scaled
    inside = chances[:, :-1]
    is_other = chances[:, -1] > threshold
    # the count owes nothing to the classes: a cluster of 62 atoms says so, whatever label lies nearest
    count = np.exp(np.clip(log_n, -1.0, 8.0))

    def all_rows(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        blank = np.full((len(evidence), *values.shape[1:]), "" if values.dtype == object else np.nan, values.dtype)
        blank[rows] = values
        return blank

    labels = np.array(card.labels, dtype=object)[inside.argmax(axis=1)] if len(rows) else np.empty(0, dtype=object)
    return Predictions(
        class_sizes=card.class_sizes,
        probabilities=all_rows(inside),
        outside=all_rows(chances[:, -1]),
        label=all_rows(np.where(is_other, OTHER, labels).astype(object)),
        confidence=all_rows(np.where(is_other, chances[:, -1], inside.max(axis=1, initial=0.0))),
        n_atoms=all_rows(count),
        n_atoms_sd=all_rows(count * log_n_sd),
    )


def _over_scales(evidence: Evidence, calibration: Calibration) -> tuple[Floats, Floats, Floats]:
    """(n, classes + 1) chances averaged over the posterior of the scale; ln(atoms) from the integral and its error."""
    keep = calibration.weight > NEGLIGIBLE * calibration.weight.max()
    grid, weight, shares = calibration.log_scale[keep], calibration.weight[keep], calibration.shares[keep]
    weight = weight / weight.sum()
    shape = shape_terms(evidence)
    chances = np.zeros_like(shape)
    for start in range(0, len(evidence), 500):
        rows = slice(start, start + 500)
        terms = integral_terms(evidence.take(np.arange(len(evidence))[rows]), grid) + shape[None, rows]
        terms += np.log(shares)[:, None, :]
        joint = np.exp(terms - terms.max(axis=-1, keepdims=True))
        chances[rows] = np.einsum("g,gnk->nk", weight, joint / joint.sum(axis=-1, keepdims=True))
    centre = weight @ grid
    centre_sd = np.sqrt(weight @ (grid - centre) ** 2)
    return chances, evidence.log_integral - centre, np.hypot(evidence.log_integral_sd, centre_sd)
