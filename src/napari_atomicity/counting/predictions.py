"""Class probabilities, labels and atom counts from the shape of clusters and the calibration of their frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import OTHER, OTHER_PROBABILITY, probability_column
from napari_atomicity.counting.calibration import NEGLIGIBLE, Calibration
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.mixture import Floats, even_shares, integral_terms, shape_terms, with_usual_other
from napari_atomicity.errors import InputError

#: standard deviation of ln(atoms) below which shape alone never tells them
_NEVER_BETTER = 0.1


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
        (n,) continuous atom count and its standard deviation. It does not depend on the classes where the image's scale
        is known or found; else it is the mean over the classes.
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
    """Join count and shape to class probabilities and labels.

    Parameters
    ----------
    evidence
        Of the clusters of one frame, looked at with its scale.
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
        joint = np.exp(shape_terms(usable.free, np.zeros(1))[0]) * even_shares(len(sizes))
        chances = joint / joint.sum(axis=1, keepdims=True)
        log_n, log_n_sd = _mean_over_classes(chances[:, :-1], np.log(sizes))
        threshold = card.outside_threshold
        of_best = chances
    else:
        chances, of_best, log_n, log_n_sd = _over_scales(usable, calibration)
        threshold = card.outside_threshold_scaled
    inside = chances[:, :-1]
    # that it would be none of the classes at another scale is no reason to call it so at this one
    is_other = of_best[:, -1] > threshold
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


def _over_scales(evidence: Evidence, calibration: Calibration) -> tuple[Floats, Floats, Floats, Floats]:
    """Chances (n, classes + 1) averaged over the posterior of the scale, and over its most probable solution alone.

    And ln(atoms) (n,) by that solution, with its error over all.
    """
    best = np.zeros(len(calibration.weight), dtype=bool)
    best[calibration.best] = True
    keep = calibration.weight > NEGLIGIBLE * calibration.weight.max()
    grid, weight = calibration.log_scale[keep], calibration.weight[keep]
    shares = with_usual_other(calibration.shares[keep])
    weight = weight / weight.sum()
    of_best = np.where(best[keep], weight, 0.0)
    of_best = of_best / of_best.sum()
    chances, by_best = np.zeros((2, len(evidence), len(evidence.card.class_sizes) + 1))
    for start in range(0, len(evidence), 500):
        rows = slice(start, start + 500)
        some = evidence.take(np.arange(len(evidence))[rows])
        terms = integral_terms(some, grid, "count") + shape_terms(some, grid)
        terms += np.log(shares)[:, None, :]
        joint = np.exp(terms - terms.max(axis=-1, keepdims=True))
        joint /= joint.sum(axis=-1, keepdims=True)
        chances[rows], by_best[rows] = (np.einsum("g,gnk->nk", over, joint) for over in (weight, of_best))
    centre = of_best @ grid
    centre_sd = np.sqrt(weight @ (grid - centre) ** 2)
    return chances, by_best, evidence.log_integral - centre, np.hypot(evidence.log_integral_sd, centre_sd)


def _mean_over_classes(chances: Floats, log_sizes: Floats) -> tuple[Floats, Floats]:
    """(n,) mean of ln(atoms) over the classes by their chances (n, classes), and its standard deviation."""
    weight = chances / np.maximum(chances.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    mean = weight @ log_sizes
    return mean, np.sqrt((weight * (log_sizes - mean[:, None]) ** 2).sum(axis=1) + _NEVER_BETTER**2)
