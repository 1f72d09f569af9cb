"""What the calibration of one frame holds: its scale, its class shares, and the other solutions.

The scale of a frame is the integrated intensity of one of its atoms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import OTHER, class_label
from napari_atomicity.counting.joint_scale import intensity
from napari_atomicity.counting.mixture import Floats, even_shares
from napari_atomicity.counting.prior import PriorKnowledge
from napari_atomicity.errors import InputError

#: other solutions with more than this probability in all make the frame ambiguous
AMBIGUOUS_ABOVE: Final = 0.05
#: a solution with less probability is not worth naming
_NAMED_ABOVE = 0.01
#: solutions nearer than this in ln(scale) are the same one: the classes lie at least twice as far apart
_SAME_SOLUTION = 0.1
#: scales less probable than this part of the best are left out of averages
NEGLIGIBLE: Final = 1e-3


@dataclass(frozen=True, eq=False)
class Calibration:
    """The scale of a frame and its class shares, as far as its clusters tell them.

    Attributes
    ----------
    class_sizes
        Atoms of each class.
    intensity_per_atom, intensity_per_atom_sd
        Most probable integrated intensity of one atom, counts·nm², and its standard deviation within that solution.
    fractions
        Class label (and ``other``) to its estimated share.
    ambiguous
        Another solution, with another dominant class, is nearly as likely.
    candidates
        Solutions, best first: dominant (label), probability, scale.
    log_scale, weight, shares
        Grid of ln(scale) (g,), posterior weight (g,) and class shares (g, classes + 1), ``other`` last.
    log_evidence
        Mean log-likelihood of a cluster's evidence under this calibration.
    clusters
        Number of clusters that it rests on.
    intervals
        Class label (and ``other``) to the 95 % interval of its share; empty for a scale that was given.
    misfit
        One sentence where the frame contradicts what it was calibrated with (its session, what is known of the
        sample, its pixel size); empty where all is well.
    """

    class_sizes: tuple[int, ...]
    intensity_per_atom: float
    intensity_per_atom_sd: float
    fractions: dict[str, float]
    ambiguous: bool
    candidates: tuple[dict[str, Any], ...]
    log_scale: Floats
    weight: Floats
    shares: Floats
    log_evidence: float
    clusters: int
    element: str = "Pt"
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    misfit: str = ""

    @property
    def confidence(self) -> float:
        """Probability of the best solution; what is missing to 1 belongs to the other candidates."""
        return float(self.candidates[0]["probability"]) if self.candidates else 1.0

    @classmethod
    def at_scale(cls, intensity_per_atom: float, class_sizes: Sequence[int], element: str = "Pt") -> Calibration:
        """A scale that is known exactly, and nothing assumed about the sample: all classes equally likely.

        Parameters
        ----------
        intensity_per_atom
            Integrated intensity of one atom, counts·nm².
        class_sizes
            Atoms of each class.
        element
            Metal of the clusters.

        Raises
        ------
        InputError
            For a scale that is not above 0.
        """
        PriorKnowledge(intensity_per_atom=intensity_per_atom)  # refuses what is impossible
        grid, shares = np.array([np.log(intensity_per_atom)]), even_shares(len(class_sizes))[None]
        return calibration_of(tuple(class_sizes), grid, np.ones(1), shares, np.nan, 0, element)

    def chosen(self, dominant: str) -> Calibration:
        """The calibration with the person's choice among its `candidates`.

        Parameters
        ----------
        dominant
            Label of the dominant class of that candidate.

        Raises
        ------
        InputError
            Where `dominant` is no candidate.
        """
        offered = [str(candidate["dominant"]) for candidate in self.candidates]
        solutions = _solutions(self.log_scale, self.weight, self.shares)
        matching = [points for points in solutions if self._dominant_label(points) == dominant]
        if dominant not in offered or not matching:
            raise InputError(f"{dominant} is not among the solutions of this image ({', '.join(offered)}).")
        weight = np.zeros_like(self.weight)
        for points in matching:
            weight[points] = self.weight[points]
        calibration = calibration_of(
            self.class_sizes,
            self.log_scale,
            weight / weight.sum(),
            self.shares,
            self.log_evidence,
            self.clusters,
            self.element,
        )
        return replace(calibration, intervals=self.intervals, misfit=self.misfit)

    @property
    def best(self) -> npt.NDArray[np.int64]:
        """Points of the grid that belong to the most probable solution."""
        return _solutions(self.log_scale, self.weight, self.shares)[0]

    def _dominant_label(self, points: npt.NDArray[np.int64]) -> str:
        """The most frequent class of the solution with these points of the grid."""
        best = points[np.argmax(self.weight[points])]
        return class_label(self.class_sizes[int(self.shares[best, :-1].argmax())], self.element)


def calibration_of(
    sizes: tuple[int, ...], grid: Floats, weight: Floats, shares: Floats, evidence: float, n: int, element: str
) -> Calibration:
    """Sum up a posterior over scales: the best one, what it says of the classes, and the other solutions.

    Parameters
    ----------
    sizes
        Atoms of each class.
    grid, weight
        (g,) logarithms of the scales, counts·nm² per atom, and their posterior weights, in all 1.
    shares
        (g, classes + 1) class shares at each, ``other`` last.
    evidence
        Mean log-likelihood of a cluster.
    n
        Number of clusters that this rests on.
    element
        Metal of the clusters.
    """
    labels = [class_label(size, element) for size in sizes]
    candidates: dict[str, dict[str, Any]] = {}
    solutions = _solutions(grid, weight, shares)
    for points in solutions:
        top = points[int(weight[points].argmax())]
        name = labels[int(shares[top, :-1].argmax())]
        chance = float(weight[points].sum())
        if name in candidates:  # the same sample read twice is one solution
            candidates[name]["probability"] += chance
        elif chance >= _NAMED_ABOVE:
            candidates[name] = {"dominant": name, "probability": chance, "scale": intensity(grid[top])}
    ordered = tuple(sorted(candidates.values(), key=lambda candidate: -candidate["probability"]))
    best = solutions[0]
    within = weight[best] / weight[best].sum()
    centre = float(within @ grid[best])
    sd = float(np.sqrt(within @ (grid[best] - centre) ** 2))
    mean_shares = weight @ shares
    return Calibration(
        class_sizes=sizes,
        intensity_per_atom=intensity(centre),
        intensity_per_atom_sd=intensity(centre) * sd,
        fractions=dict(zip([*labels, OTHER], map(float, mean_shares), strict=True)),
        ambiguous=len(ordered) > 1 and sum(other["probability"] for other in ordered[1:]) > AMBIGUOUS_ABOVE,
        candidates=ordered,
        log_scale=grid,
        weight=weight,
        shares=shares,
        log_evidence=evidence,
        clusters=n,
        element=element,
    )


def _solutions(grid: Floats, weight: Floats, shares: Floats) -> list[npt.NDArray[np.int64]]:
    """Points of the grid of each separate solution, the most probable one first.

    A solution is a peak of the posterior with the slopes down to the valleys around it. Neighbouring peaks are one
    solution where they lie closer than classes do, or make the same class dominant.
    """
    n = len(grid)
    left, right = np.append(-1.0, weight[:-1]), np.append(weight[1:], -1.0)
    peaks = [int(i) for i in np.flatnonzero((weight >= left) & (weight > right))]
    cuts = [0] + [a + int(weight[a:b].argmin()) for a, b in pairwise(peaks)] + [n]
    dominant = shares[:, :-1].argmax(axis=1)
    solutions: list[npt.NDArray[np.int64]] = []
    tops: list[int] = []
    for peak, start, stop in zip(peaks, cuts, cuts[1:], strict=False):
        near = bool(tops) and (grid[peak] - grid[tops[-1]] < _SAME_SOLUTION or dominant[peak] == dominant[tops[-1]])
        if near:
            solutions[-1] = np.append(solutions[-1], np.arange(start, stop))
            tops[-1] = int(solutions[-1][weight[solutions[-1]].argmax()])
        else:
            solutions.append(np.arange(start, stop))
            tops.append(peak)
    return sorted(solutions, key=lambda points: -float(weight[points].sum()))
