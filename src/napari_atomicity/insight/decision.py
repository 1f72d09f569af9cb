"""What a decision between two classes is made of: brightness, shape in each channel, and class shares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_atomicity.wording import channel_words

if TYPE_CHECKING:
    from napari_atomicity.counting.calibration import Calibration
    from napari_atomicity.counting.evidence import Evidence


#: logarithm of a factor of 10,000
_NO_DOUBT: Final = 9.21


@dataclass(frozen=True)
class Decision:
    """Why the likeliest class of a cluster and not the next one; parts in log-odds, which add up to `total`.

    Attributes
    ----------
    label, against
        The likeliest class, and the one after it.
    total
        Logarithm of how much likelier it is.
    brightness
        By the count, over all scales that the image allows.
    shape
        By the shape beyond the count, a channel each.
    shares
        By how frequent the classes are in this image.
    """

    label: str
    against: str
    total: float
    brightness: float
    shape: Mapping[str, float]
    shares: float

    @property
    def words(self) -> str:
        """In a sentence: how many times likelier, and the factors that make it so."""
        parts = [f"brightness {_factor(self.brightness)}"]
        parts += [f"shape in {channel_words(name)} {_factor(part)}" for name, part in self.shape.items()]
        parts += [f"class shares {_factor(self.shares)}"]
        return f"{self.label} rather than {self.against}, {_times(self.total)} times likelier: {', '.join(parts)}."


def _factor(log_odds: float) -> str:
    """``× 20`` or ``÷ 1.6``, on one line."""
    against = log_odds < 0 and _times(-log_odds) != "1.0"
    return f"{'÷' if against else '×'}\N{NO-BREAK SPACE}{_times(abs(log_odds))}"


def _times(log_odds: float) -> str:
    """A factor above 1 with two digits; beyond some size it only says that there is no doubt."""
    if log_odds > _NO_DOUBT:
        return "more than 10,000"
    factor = float(f"{math.exp(log_odds):.2g}")
    return f"{factor:,.0f}" if factor >= 10 else f"{factor:.1f}"


def decision_of(
    evidence: Evidence, calibration: Calibration, row: int, chances: Mapping[str, float]
) -> Decision | None:
    """What decided between the two likeliest classes of a cluster.

    Parameters
    ----------
    evidence
        Of the clusters of its image, looked at with their scales.
    calibration
        Of its frame.
    row
        Of the cluster in the evidence.
    chances
        Probability of each class, as the table holds them.

    Returns
    -------
    Decision
        None where there is nothing to take apart: without a scale, or where only one class has a chance.
    """
    card = evidence.card
    if evidence.log_scale is None or not evidence.valid[row]:
        return None
    known = np.array([chances.get(label, np.nan) for label in card.labels])
    if not np.isfinite(known).all() or np.count_nonzero(known > 0) < 2:
        return None
    second, first = np.argsort(known)[-2:]
    branch = evidence.branch[row].astype(float) / card.temperature_scaled
    label, against = card.labels[first], card.labels[second]
    shape = dict(zip(card.channels, (branch[:, first] - branch[:, second]).tolist(), strict=True))
    shares = float(np.log(max(calibration.fractions[label], 1e-12) / max(calibration.fractions[against], 1e-12)))
    total = float(np.log(known[first] / known[second]))
    return Decision(label, against, total, total - sum(shape.values()) - shares, shape, shares)
