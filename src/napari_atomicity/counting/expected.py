"""Observed class shares against what was deposited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import ClusterTable, class_label
from napari_atomicity.counting.calibration import Calibration
from napari_atomicity.counting.card import ModelCard
from napari_atomicity.counting.corrected import Shares
from napari_atomicity.counting.mixture import Floats
from napari_atomicity.errors import InputError

#: a probability below this counts as a contradiction
CONTRADICTED_BELOW: Final = 0.05
#: a smaller R² is no agreement, however uncertain the counts are
_CLOSE: Final = 0.5


@dataclass(frozen=True)
class RatioAgreement:
    """How well observed shares agree with expected ones.

    Attributes
    ----------
    r2
        1 - SS_res / SS_tot of the shares about the identity; nan where all expected shares are alike.
    p
        Probability of so large a difference, or a larger one, were the expected shares the true ones: classification
        error, scale and counting included.
    least
        Smallest probability that the number of draws can tell from none.
    """

    r2: float
    p: float
    least: float

    @property
    def sentence(self) -> str:
        """The agreement in words."""
        p = f"p < {self.least:.2g}" if self.p < self.least else f"p = {self.p:.2g}"
        if self.p < CONTRADICTED_BELOW:
            return (
                f"The counts do not agree with what was deposited ({p}: so large a difference would be rare, "
                "counting and classification errors included)."
            )
        if np.isfinite(self.r2) and self.r2 < _CLOSE:
            return f"The counts do not contradict what was deposited ({p}), but they are too uncertain to confirm it."
        return f"The counts agree with what was deposited ({p}: errors of counting and classification explain it)."


def expected_shares(sizes: Mapping[int, float], card: ModelCard) -> dict[str, float]:
    """Turn deposited amounts into expected shares.

    Parameters
    ----------
    sizes
        Amount of each deposited size (atoms), in any unit.
    card
        Of the model.

    Returns
    -------
    Share by label, zero for the model's other classes, in all 1.

    Raises
    ------
    InputError
        For amounts that are negative, infinite or all zero, and sizes that the model does not know.
    """
    unknown = sorted(set(sizes) - set(card.class_sizes))
    if unknown:
        raise InputError(
            f"The model does not know clusters of {', '.join(map(str, unknown))} atoms; "
            f"it knows {', '.join(map(str, card.class_sizes))}."
        )
    values = np.array(list(sizes.values()), dtype=float)
    if not len(values) or not np.isfinite(values).all() or values.min() < 0 or values.sum() <= 0:
        raise InputError(
            "The expected amounts must be numbers, none negative and not all zero, such as 19:0.7, 55:0.3."
        )
    total = float(values.sum())
    return {class_label(n, card.element): float(sizes.get(n, 0.0)) / total for n in card.class_sizes}


def compare(shares: Shares, expected: Mapping[str, float]) -> RatioAgreement:
    """Compare observed shares with expected ones, among the expected classes alone.

    The test is a Mahalanobis distance, with the covariance of the draws, of shares whose variance is made alike
    (arcsine of the root: Anscombe, Biometrika 35, 246, 1948); how large it is by chance is read from the draws, which
    need not be normal.

    Parameters
    ----------
    shares
        As observed, with draws.
    expected
        Share by label, in all 1.
    """
    labels = list(expected)
    expected_share = np.array([expected[label] for label in labels])
    best, _, _ = shares.interval(among=labels)
    draws = shares.posterior(labels)
    # the shares add up to 1, so that one of them says nothing new
    kept = np.delete(np.arange(len(labels)), int(expected_share.argmax()))
    target, stable = _variance_stable(expected_share)[kept], _variance_stable(draws)[:, kept]
    centre = stable.mean(axis=0)
    inverse = np.linalg.pinv(np.atleast_2d(np.cov(stable, rowvar=False)), hermitian=True)

    def distance(points: Floats) -> Floats:
        off = points - centre
        return np.asarray(np.einsum("...i,ij,...j->...", off, inverse, off))

    n = len(stable)
    p = (1 + int((distance(stable) >= float(distance(target))).sum())) / (n + 1)
    return RatioAgreement(r_squared(best[None], expected_share[None]), p, 2 / (n + 1))


def r_squared(observed: Floats, expected: Floats) -> float:
    """Share of the spread of the expected values that the observed ones explain, about the identity.

    Parameters
    ----------
    observed, expected
        (samples, classes) shares; all samples and classes are pooled.

    Returns
    -------
    1 - SS_res / SS_tot; nan where all expected shares are the same.
    """
    spread = float(((expected - expected.mean()) ** 2).sum())
    return 1.0 - float(((observed - expected) ** 2).sum()) / spread if spread > 1e-12 else float("nan")


def classify_by_intensity(
    table: ClusterTable, card: ModelCard, calibrations: Mapping[int, Calibration]
) -> npt.NDArray[np.object_]:
    """Label clusters by their integrated intensity alone.

    Parameters
    ----------
    table
        n measured clusters.
    card
        Of the model.
    calibrations
        By frame.

    Returns
    -------
    (n,) label of the class whose intensity lies nearest; empty in frames without a calibration.
    """
    rows = table.rows
    scale = np.array(
        [calibrations[f].intensity_per_atom if f in calibrations else np.nan for f in rows["frame"]], dtype=float
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        log_n = np.log(rows["intensity"].to_numpy(dtype=float)) - np.log(scale)
    known = np.isfinite(log_n)
    nearest = np.abs(np.where(known, log_n, 0.0)[:, None] - np.log(card.class_sizes)).argmin(axis=1)
    return np.where(known, np.array(card.labels, dtype=object)[nearest], "")


def plain_shares(labels: Sequence[npt.NDArray[np.object_]], among: Sequence[str]) -> Floats:
    """Count labels, without any correction.

    Parameters
    ----------
    labels
        (n,) labels of each image.
    among
        Labels to count, in their order.

    Returns
    -------
    (among,) shares in all images together, in all 1; nan where there is none of these labels.
    """
    joined = np.concatenate([np.asarray(image, dtype=object) for image in labels])
    count = np.array([(joined == label).sum() for label in among], dtype=float)
    return count / count.sum() if count.sum() else np.full(len(count), np.nan)


def _variance_stable(shares: Floats) -> Floats:
    """Arcsine of the root: the variance of a counted share then hardly depends on it."""
    return np.asarray(np.arcsin(np.sqrt(np.clip(shares, 0.0, 1.0))))
