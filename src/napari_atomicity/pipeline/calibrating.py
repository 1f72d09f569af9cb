"""The scales of the frames of images, and what the network sees with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.pipeline.settings import Settings
from napari_atomicity.progress import Steps

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.calibration import Calibration
    from napari_atomicity.counting.evidence import Evidence
    from napari_atomicity.counting.patches import Patches

Calibrations = dict[int, "Calibration"]


@dataclass(frozen=True, eq=False)
class _Frame:
    """The clusters of one frame of one of the images: their rows, patches, evidence without a scale, and use."""

    image: int
    frame: int
    rows: npt.NDArray[np.int64]
    patches: Patches
    scale_free: Evidence
    #: which of them have the integral of one whole cluster
    use: npt.NDArray[np.bool_]


def _frames(tables: Sequence[ClusterTable], patches: Sequence[Patches], evidence: Sequence[Evidence]) -> list[_Frame]:
    frames = []
    for i, table in enumerate(tables):
        for frame, rows in rows_by_frame(table):
            free = evidence[i].take(rows)
            # what is cut off, merged or saturated has no integral to calibrate on, unless there is nothing else
            use = table.sizeable[rows] & free.valid
            frames.append(_Frame(i, frame, rows, patches[i].take(rows), free, use if use.any() else free.valid))
    return frames


def calibrated_images_steps(
    tables: Sequence[ClusterTable],
    patches: Sequence[Patches],
    evidence: Sequence[Evidence],
    bundle: Bundle,
    settings: Sequence[Settings],
) -> Steps[tuple[list[Evidence], list[Calibrations]]]:
    """Find the scales of images that were taken under the same settings, and look at their clusters with these.

    Parameters
    ----------
    tables, patches, evidence, settings
        Of each image: its clusters, their patches, what the network sees in them without a scale, and what is wanted.
    bundle
        The model.

    Returns
    -------
    For each image what the network sees with the scales of its frames, row by row of its table, and the calibrations of
    its frames; none where no cluster can be looked at.

    Raises
    ------
    InputError
        For settings that do not fit the model or the images.
    """
    for own in settings:
        own.known.check(bundle.card.class_sizes)
    _check_scales(tables, evidence, settings)
    frames = _frames(tables, patches, evidence)
    # a scale that is given is taken as it is, unless the clusters shall have a say in it
    exact = [f for f in frames if settings[f.image].intensity_per_atom is not None and not _calibrates(settings)]
    looked = yield from _exact_steps(exact, bundle, settings)
    looked += yield from _found_steps([frame for frame in frames if frame not in exact], bundle, tables, settings)
    seen = []
    for i, free in enumerate(evidence):
        seen.append((yield from _joined_steps([one for one in looked if one[0].image == i], bundle, patches[i], free)))
    return seen, [{frame.frame: fit for frame, _, fit in looked if frame.image == i} for i in range(len(tables))]


def _exact_steps(
    frames: Sequence[_Frame], bundle: Bundle, settings: Sequence[Settings]
) -> Steps[list[tuple[_Frame, Evidence, Calibration]]]:
    """Frames whose scale is given."""
    from napari_atomicity.counting.calibration import Calibration
    from napari_atomicity.counting.looking import looked_steps

    card, looked = bundle.card, []
    for frame in frames:
        scale = settings[frame.image].intensity_per_atom
        assert scale is not None
        seen = yield from looked_steps(bundle, frame.patches, frame.scale_free, float(np.log(scale)), frame.use)
        looked.append((frame, seen, Calibration.at_scale(scale, card.class_sizes, card.element)))
    return looked


def _found_steps(
    frames: Sequence[_Frame], bundle: Bundle, tables: Sequence[ClusterTable], settings: Sequence[Settings]
) -> Steps[list[tuple[_Frame, Evidence, Calibration]]]:
    """Frames whose scale their clusters tell, all together; none where there is no cluster to tell it."""
    from napari_atomicity.counting.looking import calibrated_steps

    if not any(frame.use.any() for frame in frames):
        return []
    seen, fits = yield from calibrated_steps(
        bundle,
        [frame.patches for frame in frames],
        [frame.scale_free for frame in frames],
        [settings[frame.image].known for frame in frames],
        [frame.use for frame in frames],
        _by_diameter(tables, frames, bundle) if settings[0].adapt == "diameter" else None,
    )
    return list(zip(frames, seen, fits, strict=True))


def _joined_steps(
    looked: Sequence[tuple[_Frame, Evidence, Calibration]], bundle: Bundle, patches: Patches, scale_free: Evidence
) -> Steps[Evidence]:
    """The evidence of one image from that of its frames, in the order of its table."""
    from napari_atomicity.counting.classify import look_steps
    from napari_atomicity.counting.evidence import Evidence

    if not looked:  # no cluster of it can be looked at: nothing is said of any
        nothing = np.zeros(len(scale_free))
        return (yield from look_steps(bundle, patches, scale_free, nothing, nothing))
    order = np.argsort(np.concatenate([frame.rows for frame, _, _ in looked]))
    return Evidence.join([seen for _, seen, _ in looked]).take(order)


def _by_diameter(
    tables: Sequence[ClusterTable], frames: Sequence[_Frame], bundle: Bundle
) -> list[npt.NDArray[np.float64]]:
    """For each frame (n, classes) what the diameters of its clusters say, relative to an average class member."""
    from napari_atomicity.counting.diameter_only import relative_log_likelihood

    diameters = [tables[frame.image].rows["diameter_nm"].to_numpy(dtype=np.float64)[frame.rows] for frame in frames]
    return [relative_log_likelihood(of_frame, bundle.card) for of_frame in diameters]


def _check_scales(tables: Sequence[ClusterTable], evidence: Sequence[Evidence], settings: Sequence[Settings]) -> None:
    """Raise `InputError` for a known scale that is impossible for all images that it is said of."""
    from napari_atomicity.counting.evidence import Evidence
    from napari_atomicity.counting.plausible import check_scale

    # where nothing is calibrated the scale is taken as it is
    doubt = {
        own.intensity_per_atom: own.intensity_per_atom_sd if _calibrates(settings) else 0.0
        for own in settings
        if own.intensity_per_atom is not None
    }
    for scale, scale_sd in doubt.items():
        images = [i for i, own in enumerate(settings) if own.intensity_per_atom == scale]
        usable = [tables[i].sizeable for i in images]
        check_scale(Evidence.join([evidence[i] for i in images]), scale, scale_sd, np.concatenate(usable))


def _calibrates(settings: Sequence[Settings]) -> bool:
    """Whether the clusters have a say in a scale that is known."""
    return settings[0].adapt == "auto" or any(own.deposited for own in settings)


def rows_by_frame(table: ClusterTable) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """Go through the frames that have clusters.

    Parameters
    ----------
    table
        Clusters of one image.

    Yields
    ------
    Each frame with the rows of its clusters in the table.
    """
    frames = table.rows["frame"].to_numpy()
    for index in np.unique(frames):
        yield int(index), np.flatnonzero(frames == index)
