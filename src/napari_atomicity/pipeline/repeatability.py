"""How well repeated frames of one field agree: images that are counted, as one result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from napari_atomicity.errors import InputError
from napari_atomicity.progress import Progress, Steps

if TYPE_CHECKING:
    import pandas as pd

    from napari_atomicity.pipeline.state import ImageState
    from napari_atomicity.repeats import Alignment, Precision

#: relative difference of pixel sizes that calibrations of the same settings may have
_SAME_PIXEL: Final = 0.01
#: least part of a frame that all frames should show
_OVERLAP: Final = 0.5
#: part of the measurements above which outliers are worth a word
_OUTLIERS: Final = 0.05


@dataclass(frozen=True, eq=False)
class Repeatability:
    """How well repeated frames agree.

    Attributes
    ----------
    frames
        A name each.
    alignment
        Where they lie.
    measured
        Of `repeats.same_clusters`.
    precision
        What that says.
    remarks
        Sentences that a person must read.
    """

    frames: tuple[str, ...]
    alignment: Alignment
    measured: pd.DataFrame
    precision: Precision
    remarks: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """All but the measurements, JSON-serialisable."""
        found = self.precision
        estimates = ("intensity", "count", "gain_drift", "atom_drift", "honesty", "kappa")
        shifts = self.alignment.shifts_px
        return {
            "frames": list(self.frames),
            "rejected": [self.frames[at] for at in self.alignment.rejected],
            "shifts_px": [None if not (row == row).all() else [float(part) for part in row] for row in shifts],
            "clusters": found.clusters,
            "measurements": found.measurements,
            "outliers": found.outliers,
            **{name: _numbers(getattr(found, name)) for name in estimates},
            "by_frame": found.frames.astype(object).where(found.frames.notna(), None).to_dict("records"),
            "sentence": found.sentence,
            "remarks": list(self.remarks),
        }


def repeatability_steps(states: Sequence[ImageState], align: bool = True) -> Steps[Repeatability]:
    """Compare repeated frames of one field.

    Parameters
    ----------
    states
        Counted images: stacks, single images, or both.
    align
        Whether to find out how the frames lie to each other; without it they lie on one another as they are.

    Returns
    -------
    Repeatability
        Precision of intensities and counts, and how frames differ.

    Raises
    ------
    InputError
        For images of different pixel sizes or models, frames that do not show one field, and where too few clusters
        were seen twice.
    """
    from napari_atomicity.repeats import Alignment, align_steps, precision_of, same_clusters

    pixel_size_nm = _common_pixel_size(states)
    readers, tables, names = [], [], []
    for state in states:
        micrograph, of_frame = state.micrograph, state.table.rows["frame"].to_numpy()
        for frame in range(micrograph.n_frames):
            readers.append(partial(micrograph.frame, frame))
            tables.append(state.table.take(of_frame == frame))
            names.append(micrograph.name + (f", frame {frame}" if micrograph.n_frames > 1 else ""))
    if len(readers) < 2:
        raise InputError(
            f"{names[0] if names else 'This'} is one frame; open a stack, or several images of the same field."
        )
    alignment = (yield from align_steps(readers, pixel_size_nm)) if align else Alignment.none(len(readers))
    yield Progress(0, 0, "Comparing the frames")
    measured = same_clusters(tables, alignment, pixel_size_nm)
    precision = precision_of(measured)
    remarks = _remarks(alignment, precision, names, states[0].micrograph.shape_yx)
    return Repeatability(tuple(names), alignment, measured, precision, remarks)


def _common_pixel_size(states: Sequence[ImageState]) -> float:
    """The pixel size of images that can be compared."""
    if not states:
        raise InputError("There is no counted image to compare; count the atoms first.")
    sizes = [state.micrograph.calibrated_pixel_size_nm for state in states]
    if max(sizes) > (1 + _SAME_PIXEL) * min(sizes):
        raise InputError(
            f"The images have pixels of {min(sizes):.4g} to {max(sizes):.4g} nm; "
            "repeats are taken at one magnification."
        )
    models = {state.bundle.card.class_sizes for state in states if state.bundle is not None}
    if len(models) > 1:
        raise InputError("The images were counted by models of different classes; count them with one.")
    return sizes[0]


def _remarks(
    alignment: Alignment, precision: Precision, names: Sequence[str], shape: tuple[int, int]
) -> tuple[str, ...]:
    remarks = []
    if alignment.rejected:
        shown = ", ".join(names[at] for at in alignment.rejected)
        remarks.append(f"Left out, for they do not show the field of the others: {shown}.")
    overlap = alignment.overlap(shape)
    if overlap < _OVERLAP:
        remarks.append(f"All frames share only {100 * overlap:.0f} % of the field; clusters at the rim are seen less.")
    if precision.outliers > _OUTLIERS * precision.measurements:
        remarks.append(
            f"{precision.outliers} of {precision.measurements} measurements fit neither their cluster nor their frame; "
            "clusters may have moved, merged or lost atoms."
        )
    drifts = (
        (precision.gain_drift, "Intensities", "gain, focus or contamination"),
        (precision.atom_drift, "Counts", "loss of atoms, or a calibration that drifts"),
    )
    for drift, what, why in drifts:
        if drift.low > 0 or drift.high < 0:
            remarks.append(f"{what} change by {100 * drift.value:+.2g} % from frame to frame ({why}).")
    return tuple(remarks)


def _numbers(estimate: Any) -> dict[str, float | None]:
    values = {name: getattr(estimate, name) for name in ("value", "low", "high")}
    return {name: float(value) if value == value else None for name, value in values.items()}
