"""Independent ways to what one atom is worth in an image, brought together and held against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.progress import Progress, Steps

if TYPE_CHECKING:
    from napari_atomicity.counting.calibration import Calibration
    from napari_atomicity.counting.cross_sections import Annulus
    from napari_atomicity.counting.detector_scan import Response
    from napari_atomicity.counting.evidence import Evidence
    from napari_atomicity.counting.references import Consistency, ScaleReference
    from napari_atomicity.counting.single_atoms import SingleAtoms
    from napari_atomicity.pipeline.state import ImageState

#: what the clusters' own scale may be off by beyond its stated error: a model has seen simulations only
_MODEL_SD: Final = 0.03
#: what images under the same settings differ by
_SESSION_SD: Final = 0.07
#: what usually lies outside the aperture of the measurement, in ln(integral)
_USUAL_OUTSIDE: Final = 0.05
#: a scale that was given and one of those found differ by less: they are the same number
_SAME: Final = 1e-4


@dataclass(frozen=True)
class DetectorScan:
    """A scan of the detector, and what it says.

    Attributes
    ----------
    seen
        What the detector gives.
    annulus
        Voltage and angles of the image.
    current_ratio
        Beam current of the image over that of the scan.
    """

    seen: Response
    annulus: Annulus
    current_ratio: float = 1.0

    @property
    def numbers(self) -> dict[str, float]:
        """All but the sentences, to be kept with an image."""
        seen = {name: value for name, value in asdict(self.seen).items() if name != "remarks"}
        return {**asdict(self.annulus), **seen, "current_ratio": self.current_ratio}

    @classmethod
    def of_numbers(cls, numbers: Mapping[str, float]) -> DetectorScan | None:
        """What was kept; None where nothing was, or it cannot be."""
        from napari_atomicity.counting.cross_sections import Annulus
        from napari_atomicity.counting.detector_scan import Response

        try:
            kept = {name: float(value) for name, value in numbers.items()}
            angles = Annulus(**{one.name: kept[one.name] for one in fields(Annulus)})
            seen = Response(kept["dark"], kept["active"], kept["height_sd"], kept["unevenness"], kept["share"])
            return cls(seen, angles, kept["current_ratio"]) if seen.height > 0 else None
        except (KeyError, TypeError, ValueError, InputError):
            return None

    def reference(self, element: str, outside: float = _USUAL_OUTSIDE) -> ScaleReference:
        """As a way to the intensity of one atom.

        Parameters
        ----------
        element
            Chemical symbol of the atom.
        outside
            As in `one_atom`.
        """
        from napari_atomicity.counting.detector_scan import one_atom

        return one_atom(self.seen, self.annulus, element, self.current_ratio, outside=outside)


@dataclass(frozen=True, eq=False)
class ScaleConsistency:
    """What an image is worth by every way that there is.

    Attributes
    ----------
    image, frame
        Name, and frame of a stack.
    found
        The ways, and how far they agree.
    shares
        A row a way: way, median_atoms (of a cluster), and the share of each class that it alone would give.
    atoms
        Single atoms in the image; None where they say nothing.
    remarks
        Sentences that a person must read.
    """

    image: str
    frame: int
    found: Consistency
    shares: pd.DataFrame
    atoms: SingleAtoms | None
    remarks: tuple[str, ...]

    def table(self) -> pd.DataFrame:
        """A row a way: its value and error, what it rests on, and what it alone would give."""
        ways = self.found.references
        facts = {
            "way": [one.words for one in ways],
            "intensity_per_atom": [one.value for one in ways],
            "relative_sd": [one.relative_sd for one in ways],
            "basis": [one.basis for one in ways],
        }
        return pd.DataFrame(facts).join(self.shares.drop(columns="way"))

    def as_dict(self) -> dict[str, Any]:
        """JSON-serialisable."""
        return {
            "image": self.image,
            "frame": self.frame,
            **self.found.as_dict(),
            "shares": self.shares.to_dict("records"),
            "single_atoms": None if self.atoms is None else self.atoms.sentence,
            "remarks": list(self.remarks),
        }


def detector_steps(
    scan: Micrograph,
    annulus: Annulus,
    element: str = "Pt",
    current_ratio: float = 1.0,
    active: npt.NDArray[np.bool_] | None = None,
) -> Steps[DetectorScan]:
    """Look at a scan of the detector.

    Parameters
    ----------
    scan
        The scan; the first frame of a stack.
    annulus
        Voltage and angles of the image.
    element
        Metal of the clusters.
    current_ratio
        Beam current of the image over that of the scan.
    active
        (y, x) the active area, where a person drew it.

    Raises
    ------
    InputError
        For a scan that shows no detector, and angles that the table does not hold.
    """
    from napari_atomicity.counting.cross_sections import cross_section
    from napari_atomicity.counting.detector_area import area_by_hand, find_active_area
    from napari_atomicity.counting.detector_scan import response

    cross_section(element, annulus)  # refuses what is impossible before the work
    yield Progress(0, 2, "Finding the detector")
    image = scan.frame(0)
    area = find_active_area(image) if active is None else area_by_hand(image, active)
    yield Progress(1, 2, "Measuring the detector")
    made = DetectorScan(response(image, area, annulus, element), annulus, current_ratio)
    made.reference(element)  # refuses an impossible ratio
    return made


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


def consistency_steps(
    state: ImageState,
    frame: int | None = None,
    detector: DetectorScan | None = None,
    others: Sequence[ScaleReference] = (),
) -> Steps[ScaleConsistency]:
    """Hold all ways to the intensity of one atom in an image against each other.

    Parameters
    ----------
    state
        The counted image; what its settings know of scale, profile and deposited sizes takes part.
    frame
        Of a stack; the first with clusters where None.
    detector
        A scan of the detector.
    others
        Further ways, such as standards.

    Raises
    ------
    InputError
        Where nothing is counted.
    """
    from napari_atomicity.counting.references import compare_scales

    yield Progress(0, 3, "Reading the clusters")
    seen = _Frame.of(state, frame)
    remarks: list[str] = []
    own, fit = yield from _own_steps(state, seen)
    references = [own, *_deposited(state, seen, remarks)]
    if detector is not None:
        references.append(detector.reference(state.model_in_force.card.element, seen.outside))
        remarks += detector.seen.remarks
    yield Progress(1, 3, "Finding single atoms")
    atoms = _single_atoms(state.micrograph, seen, remarks)
    references += [] if atoms is None else [atoms.reference]
    references += others
    references += _given(state, references)
    yield Progress(2, 3, "Comparing")
    remarks += _undecided(fit, references)
    found = compare_scales(references)
    shares = pd.DataFrame([_alone(seen, one) for one in references])
    return ScaleConsistency(state.micrograph.name, seen.frame, found, shares, atoms, tuple(remarks))


# ---------------------------------------------------------------------- the ways


@dataclass(frozen=True, eq=False)
class _Frame:
    """The clusters of one frame of a counted image."""

    frame: int
    rows: npt.NDArray[np.int64]
    evidence: Evidence
    use: npt.NDArray[np.bool_]
    centres_px: npt.NDArray[np.float64]
    radius_nm: npt.NDArray[np.float64]
    outside: float

    @classmethod
    def of(cls, state: ImageState, frame: int | None) -> _Frame:
        """The clusters of a frame.

        Raises
        ------
        InputError
            Where it has none that were counted.
        """
        count = state.count
        frames = np.empty(0) if count is None else count.table.rows["frame"].to_numpy()
        if count is None or not len(frames):
            raise InputError(f"No cluster of {state.micrograph.name} is counted; count the atoms first.")
        at = int(frames.min()) if frame is None else frame
        rows = np.flatnonzero(frames == at)
        if not len(rows):
            raise InputError(f"Frame {at} of {state.micrograph.name} has no counted cluster; choose another one.")
        table = count.table.take(rows)
        looked = count.evidence.take(rows)
        use = table.sizeable & looked.free.valid
        shift = _USUAL_OUTSIDE if looked.shift is None else float(np.nanmedian(looked.shift))
        return cls(
            at,
            rows,
            looked.free,
            use if use.any() else looked.free.valid,
            table.centres_px,
            table.rows["diameter_nm"].to_numpy(dtype=float) / 2,
            shift if np.isfinite(shift) else _USUAL_OUTSIDE,
        )


def _own_steps(state: ImageState, seen: _Frame) -> Steps[tuple[ScaleReference, Calibration]]:
    """What the clusters alone say, without what is known beforehand and without other images."""
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


def _deposited(state: ImageState, seen: _Frame, remarks: list[str]) -> list[ScaleReference]:
    """What the integrals say where the sizes are known."""
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


def _single_atoms(micrograph: Micrograph, seen: _Frame, remarks: list[str]) -> SingleAtoms | None:
    from napari_atomicity.counting.single_atoms import fit_single_atoms
    from napari_atomicity.detection.single_atoms import find_atoms

    try:
        pixel_size_nm = micrograph.calibrated_pixel_size_nm
        atoms = find_atoms(micrograph.frame(seen.frame), pixel_size_nm, seen.centres_px, seen.radius_nm)
        return fit_single_atoms(atoms.intensity, atoms.limit)
    except InputError as error:
        remarks.append(f"Single atoms say nothing here: {str(error)[:1].lower()}{str(error)[1:]}")
        return None


def _given(state: ImageState, found: Sequence[ScaleReference]) -> list[ScaleReference]:
    """The intensity that the count was given, unless it is one of those found, or several of them joined."""
    from napari_atomicity.counting.references import ScaleReference, joined

    settings, profile = state.settings_in_force, state.profile
    value = settings.intensity_per_atom
    if value is None:
        return []
    outside = [one for one in found if one.origin not in ("clusters", "deposited")]
    known = [*[one.value for one in outside], *([joined(outside).value] if outside else [])]
    if any(abs(value / one - 1) < _SAME for one in known):
        return []
    if profile is None:
        return [ScaleReference("standard", value, settings.intensity_per_atom_sd, basis="given by hand")]
    of = f"{profile.name} of {profile.created[:10]}"
    basis = f"{profile.clusters} clusters of {profile.frames} frames"
    return [ScaleReference("profile", value, settings.intensity_per_atom_sd, of, basis)]


def _undecided(fit: Calibration, references: Sequence[ScaleReference]) -> list[str]:
    """Which of the solutions of an undecided image the other ways speak for."""
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


def _alone(seen: _Frame, one: ScaleReference) -> dict[str, Any]:
    """What the image would hold if this way alone were right."""
    from napari_atomicity.counting.given_scale import calibration_at

    fit = calibration_at(seen.evidence, one.value, one.relative_sd, seen.use)
    median = float(np.exp(np.median(seen.evidence.log_integral[seen.use])) / one.value)
    return {"way": one.words, "median_atoms": median, **fit.fractions}
