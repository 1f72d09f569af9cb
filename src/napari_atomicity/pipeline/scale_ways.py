"""The ways to what one atom is worth in an image, one function a way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.progress import Steps

if TYPE_CHECKING:
    from napari_atomicity.counting.calibration import Calibration
    from napari_atomicity.counting.evidence import Evidence
    from napari_atomicity.counting.references import ScaleReference
    from napari_atomicity.counting.single_atoms import SingleAtoms
    from napari_atomicity.pipeline.state import ImageState

#: what the clusters' own scale may be off by beyond its stated error (``benchmarks/consistency.py``)
_MODEL_SD: Final = 0.03
#: what images under the same settings differ by
_SESSION_SD: Final = 0.07
#: what usually lies outside the aperture of the measurement, in ln(integral)
USUAL_OUTSIDE: Final = 0.05
#: numbers that differ by less are the same
_SAME: Final = 1e-6


def standard_reference(state: ImageState) -> ScaleReference:
    """What an image of known size says of others under the same settings.

    Parameters
    ----------
    state
        The image of the standard, counted with its deposited size.

    Raises
    ------
    InputError
        Where it could not be calibrated.
    """
    from napari_atomicity.counting.references import ScaleReference

    fits = [fit for fit in state.calibrations.values() if fit.clusters and not fit.ambiguous]
    if not fits:
        raise InputError(f"{state.micrograph.name} settles no scale; give the size of this standard, or another one.")
    fit = fits[0]
    sd = float(np.hypot(fit.intensity_per_atom_sd / fit.intensity_per_atom, _SESSION_SD))
    basis = f"{fit.clusters} clusters of {', '.join(map(str, state.settings_in_force.deposited)) or 'all'} atoms"
    return ScaleReference("standard", fit.intensity_per_atom, sd, state.micrograph.name, basis)


@dataclass(frozen=True, eq=False)
class CountedFrame:
    """The clusters of one frame of a counted image."""

    frame: int
    rows: npt.NDArray[np.int64]
    evidence: Evidence
    use: npt.NDArray[np.bool_]
    centres_px: npt.NDArray[np.float64]
    radius_nm: npt.NDArray[np.float64]
    outside: float

    @classmethod
    def of(cls, state: ImageState, frame: int | None) -> CountedFrame:
        """The clusters of a frame.

        Parameters
        ----------
        state
            The counted image.
        frame
            Of a stack; the first with clusters where None.

        Raises
        ------
        InputError
            Where it has none that were counted.
        """
        count = state.count
        frames = np.empty(0) if count is None else count.table.rows["frame"].to_numpy()
        if count is None or not len(frames):
            raise InputError(f"{state.micrograph.name} has no counted cluster; find clusters and count atoms first.")
        at = int(frames.min()) if frame is None else frame
        rows = np.flatnonzero(frames == at)
        if not len(rows):
            raise InputError(f"Frame {at} of {state.micrograph.name} has no counted cluster; choose another one.")
        table = count.table.take(rows)
        looked = count.evidence.take(rows)
        use = table.sizeable & looked.free.valid
        shift = USUAL_OUTSIDE if looked.shift is None else float(np.nanmedian(looked.shift))
        return cls(
            at,
            rows,
            looked.free,
            use if use.any() else looked.free.valid,
            table.centres_px,
            table.rows["diameter_nm"].to_numpy(dtype=float) / 2,
            shift if np.isfinite(shift) else USUAL_OUTSIDE,
        )


def own_steps(state: ImageState, seen: CountedFrame) -> Steps[tuple[ScaleReference, Calibration]]:
    """What the clusters alone say, without what is known beforehand and without other images.

    Parameters
    ----------
    state
        The counted image.
    seen
        The clusters of one of its frames.
    """
    from napari_atomicity.counting.looking import calibrated_steps
    from napari_atomicity.counting.references import ScaleReference

    count = state.count
    assert count is not None
    before = count.known.get(seen.frame)
    alone = not state.counted_with and (before is None or (before.intensity_per_atom is None and not before.deposited))
    diameters = state.settings_in_force.adapt == "diameter"
    fit = state.calibrations.get(seen.frame) if alone and not diameters else None
    if fit is None:
        _, fits = yield from calibrated_steps(
            state.model_in_force, [count.patches.take(seen.rows)], [seen.evidence], None, [seen.use]
        )
        fit = fits[0]
    sd = float(np.hypot(fit.intensity_per_atom_sd / fit.intensity_per_atom, _MODEL_SD))
    basis = f"{fit.clusters} clusters, model {state.model_in_force.card.name}"
    return ScaleReference("clusters", fit.intensity_per_atom, sd, basis=basis), fit


def deposited(state: ImageState, seen: CountedFrame, remarks: list[str]) -> list[ScaleReference]:
    """What the integrals say where the sizes are known.

    Parameters
    ----------
    state
        The counted image.
    seen
        The clusters of one of its frames.
    remarks
        Sentences for a person; a way that says nothing adds why.
    """
    from napari_atomicity.counting.given_scale import scale_of_deposited
    from napari_atomicity.counting.references import ScaleReference

    known = replace(state.settings_in_force.known, intensity_per_atom=None)
    if not known.deposited:
        return []
    try:
        value, sd = scale_of_deposited(seen.evidence, known, seen.use)
    except InputError as error:
        remarks.append(str(error))
        return []
    sizes = ", ".join(map(str, known.deposited))
    basis = f"integrals of {int(seen.use.sum())} clusters of {sizes} atoms" + (", shares known" * bool(known.fractions))
    return [ScaleReference("deposited", value, sd, basis=basis)]


def single_atoms(micrograph: Micrograph, seen: CountedFrame, remarks: list[str]) -> SingleAtoms | None:
    """Single atoms in the image; None where they say nothing.

    Parameters
    ----------
    micrograph
        The image.
    seen
        The clusters of one of its frames.
    remarks
        Sentences for a person; a way that says nothing adds why.
    """
    from napari_atomicity.counting.single_atoms import fit_single_atoms
    from napari_atomicity.detection.single_atoms import find_atoms

    try:
        pixel_size_nm = micrograph.calibrated_pixel_size_nm
        atoms = find_atoms(micrograph.frame(seen.frame), pixel_size_nm, seen.centres_px, seen.radius_nm)
        return fit_single_atoms(atoms.intensity, atoms.limit)
    except InputError as error:
        remarks.append(f"Single atoms say nothing here: {str(error)[:1].lower()}{str(error)[1:]}")
        return None


def given(state: ImageState, derived: float | None) -> list[ScaleReference]:
    """The intensity that the count was given, unless it follows from the other ways.

    Parameters
    ----------
    state
        The counted image.
    derived
        As in `consistency_steps`.
    """
    from napari_atomicity.counting.references import ScaleReference

    settings, profile = state.settings_in_force, state.profile
    value = settings.intensity_per_atom
    if value is None or (derived is not None and abs(value / derived - 1) < _SAME):
        return []
    if profile is None:
        return [ScaleReference("standard", value, settings.intensity_per_atom_sd, basis="given by hand")]
    of = f"{profile.name} of {profile.created[:10]}"
    basis = f"{profile.clusters} clusters of {profile.frames} frames"
    return [ScaleReference("profile", value, settings.intensity_per_atom_sd, of, basis)]


def undecided(fit: Calibration, references: Sequence[ScaleReference]) -> list[str]:
    """Which of the solutions of an undecided image the other ways speak for.

    Parameters
    ----------
    fit
        What the clusters alone say.
    references
        All ways.
    """
    from napari_atomicity.counting.references import joined

    others = [one for one in references if one.origin != "clusters"]
    if not fit.ambiguous:
        return []
    names = [str(candidate["dominant"]) for candidate in fit.candidates]
    undecided = f"The image's own clusters cannot decide between {', '.join(names[:-1])} and {names[-1]}"
    if not others:
        return [f"{undecided}; give a detector scan, a standard or the deposited sizes."]
    log = np.log(joined(others).value)
    nearest = min(fit.candidates, key=lambda candidate: abs(np.log(candidate["scale"]) - log))
    return [f"{undecided}; the other ways speak for {nearest['dominant']}."]


def alone(seen: CountedFrame, one: ScaleReference) -> dict[str, Any]:
    """What the image would hold if this way alone were right.

    Parameters
    ----------
    seen
        The clusters of one of its frames.
    one
        One way.
    """
    from napari_atomicity.counting.given_scale import calibration_with_scale

    fit = calibration_with_scale(seen.evidence, one.value, one.relative_sd, seen.use)
    median = float(np.exp(np.median(seen.evidence.log_integral[seen.use])) / one.value)
    return {"way": one.words, "median_atoms": median, **fit.fractions}
