"""One image of a running session: found, looked at with the scale that the session has by now, and labelled."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.live.running_scale import RunningScale
from napari_atomicity.pipeline import ImageState, Settings, patches_steps
from napari_atomicity.pipeline.calibrating import rows_by_frame
from napari_atomicity.pipeline.counting import labelled
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.threads import steps_on_one_thread_each

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.calibration import Calibration
    from napari_atomicity.counting.evidence import Evidence
    from napari_atomicity.counting.patches import Patches
    from napari_atomicity.counting.scale_likelihood import ScaleLikelihood

#: how far a scale, or what lies outside the aperture, may move unnoticed (ln)
_SETTLED: Final = 0.02
_LOOKS: Final = 3
#: of more clusters than the first, so many find the scale, and all are looked at once it is found
_ALL_AT_ONCE: Final = 128
_SAMPLE: Final = 96

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Part:
    """One frame of an image: what its clusters say about its scale, and the scale that it was labelled with."""

    frame: int
    likelihood: ScaleLikelihood
    labelled_at: float


@dataclass(frozen=True, eq=False)
class LiveCount:
    """A counted image of a running session.

    Attributes
    ----------
    state
        With its count.
    parts
        Its frames.
    noise
        Standard deviation of a pixel of the background in atoms per nm², the median over the clusters.
    """

    state: ImageState
    parts: tuple[Part, ...]
    noise: float


@steps_on_one_thread_each
def live_count_steps(state: ImageState, bundle: Bundle, scale: RunningScale, image: str) -> Steps[LiveCount]:
    """Count an image whose clusters are found, with the scale of its session; its frames join it.

    Parameters
    ----------
    state
        The image with its clusters and settings.
    bundle
        The model.
    scale
        Of the session; whoever stops in the middle removes the image from it.
    image
        Hash of the image.
    """
    from napari_atomicity.counting.classify import evidence_steps, look_steps
    from napari_atomicity.counting.evidence import Evidence

    table = state.table
    patches = yield from patches_steps(state.micrograph, table)
    free = yield from evidence_steps(bundle, patches)
    seen: list[Evidence] = []
    order: list[Rows] = []
    calibrations: dict[int, Calibration] = {}
    parts: list[Part] = []
    for frame, rows in rows_by_frame(table):
        yield Progress(len(parts), len(parts) + 1, "Calibrating")
        one = _Frame(table, rows, patches.take(rows), free.take(rows), state.settings_in_force, bundle)
        evidence, fit, likelihood = yield from one.calibrated_steps(scale, (image, frame))
        seen.append(evidence)
        order.append(rows)
        calibrations[frame] = fit
        parts.append(Part(frame, likelihood, float(np.log(fit.intensity_per_atom))))
    if seen:
        joined = Evidence.join(seen).take(np.argsort(np.concatenate(order)))
    else:
        nothing = np.zeros(len(free))
        joined = yield from look_steps(bundle, patches, free, nothing, nothing)
    known = dict.fromkeys(calibrations, state.settings_in_force.known)
    count = replace(labelled(table, patches, joined, calibrations, bundle), known=known)
    counted = replace(state, table=count.table, bundle=bundle, count=count, offered=count)
    return LiveCount(counted, tuple(parts), _noise(patches, count.table))


@dataclass(frozen=True, eq=False)
class _Frame:
    """The clusters of one frame."""

    table: ClusterTable
    rows: Rows
    patches: Patches
    free: Evidence
    settings: Settings
    bundle: Bundle

    def calibrated_steps(
        self, scale: RunningScale, key: tuple[str, int]
    ) -> Steps[tuple[Evidence, Calibration, ScaleLikelihood]]:
        """Look at the clusters with the scale of the session until nothing moves; the frame joins the session."""
        from napari_atomicity.counting.calibrate import calibration_at
        from napari_atomicity.counting.calibration import Calibration
        from napari_atomicity.counting.looking import looked_steps, shift_of
        from napari_atomicity.counting.scale_likelihood import scale_likelihood, thinned, usable_rows

        settings, card = self.settings, self.bundle.card
        sizeable = self.table.sizeable[self.rows] & self.free.valid
        use = sizeable if sizeable.any() else self.free.valid
        exact = settings.intensity_per_atom
        if exact is not None and settings.adapt != "auto" and not settings.deposited:
            evidence = yield from looked_steps(self.bundle, self.patches, self.free, float(np.log(exact)), use)
            nothing = scale_likelihood(evidence.take(np.empty(0, dtype=np.int64)), settings.known)
            return evidence, Calibration.at_scale(exact, card.class_sizes, card.element), nothing
        few = len(self.rows) <= _ALL_AT_ONCE
        sample = self if few else self._part(thinned(np.flatnonzero(use), _SAMPLE))
        sample_use = use if few else np.ones(len(sample.rows), dtype=bool)
        evidence, at, shift = yield from sample._settled_steps(scale, key, sample_use)
        if not few:
            evidence = yield from self._look_steps(at, shift)
        chosen, clusters = usable_rows(evidence, use)
        likelihood = scale_likelihood(evidence.take(chosen), settings.known, self._by_diameter(chosen))
        scale.add(key, likelihood)
        scale.shift = shift_of(evidence, self.patches, use, shift)
        grid, weight, misfit = scale.posterior(key)
        fit = calibration_at(evidence.take(chosen), grid, weight, clusters, settings.known)
        return evidence, replace(fit, misfit=misfit or likelihood.contradiction), likelihood

    def _settled_steps(
        self, scale: RunningScale, key: tuple[str, int], use: npt.NDArray[np.bool_]
    ) -> Steps[tuple[Evidence, float, float]]:
        """Look with the scale and the shift of the session until nothing moves; evidence, ln(scale) and shift."""
        from napari_atomicity.counting.looking import shift_of
        from napari_atomicity.counting.scale_likelihood import scale_likelihood, usable_rows

        evidence, at, shift = self.free, np.nan, scale.shift
        if scale.best is not None:  # the frames before this one tell where to begin
            at = scale.best
            evidence = yield from self._look_steps(at, shift)
        for _ in range(_LOOKS):
            chosen, _ = usable_rows(evidence, use)
            likelihood = scale_likelihood(evidence.take(chosen), self.settings.known, self._by_diameter(chosen))
            scale.add(key, likelihood)
            grid, weight, _ = scale.posterior(key)
            now = float(grid[int(weight.argmax())])
            found = shift_of(evidence, self.patches, use, shift)
            if abs(now - at) < _SETTLED and abs(found - shift) < _SETTLED / 2:
                break
            at, shift = now, found
            evidence = yield from self._look_steps(at, shift)
        return evidence, at, shift

    def _part(self, rows: Rows) -> _Frame:
        return replace(self, rows=self.rows[rows], patches=self.patches.take(rows), free=self.free.take(rows))

    def _look_steps(self, log_scale: float, shift: float) -> Steps[Evidence]:
        from napari_atomicity.counting.classify import look_steps

        n = len(self.patches)
        return (yield from look_steps(self.bundle, self.patches, self.free, np.full(n, log_scale), np.full(n, shift)))

    def _by_diameter(self, chosen: Rows) -> npt.NDArray[np.float64] | None:
        from napari_atomicity.counting.diameter_only import relative_log_likelihood

        if self.settings.adapt != "diameter":
            return None
        diameter = self.table.rows["diameter_nm"].to_numpy(dtype=np.float64)[self.rows]
        return relative_log_likelihood(diameter[chosen], self.bundle.card)


def _noise(patches: Patches, table: ClusterTable) -> float:
    """In atoms per nm²: the patches are divided by the integral of a cluster, which has so many atoms."""
    noise = patches.noise * table.rows["n_atoms"].to_numpy(dtype=np.float64)
    fine = np.isfinite(noise)
    return float(np.median(noise[fine])) if fine.any() else float("nan")
