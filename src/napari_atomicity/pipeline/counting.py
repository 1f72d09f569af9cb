"""From measured clusters to classes and atom counts: classify, calibrate together, choose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline.clock import Clock
from napari_atomicity.pipeline.settings import Settings
from napari_atomicity.progress import Progress, Steps, drain
from napari_atomicity.threads import steps_on_one_thread_each

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.calibration import Calibration
    from napari_atomicity.counting.evidence import Evidence
    from napari_atomicity.counting.patches import Patches
    from napari_atomicity.counting.prior import PriorKnowledge

    Calibrations = dict[int, Calibration]


@dataclass(frozen=True, eq=False)
class Count:
    """A classified table with what the labels rest on; `evidence` and `patches` go with the table's rows."""

    table: ClusterTable
    evidence: Evidence
    patches: Patches
    #: calibration of each frame; empty where no cluster can be looked at
    calibrations: Calibrations
    #: what was known of each frame beforehand
    known: dict[int, PriorKnowledge] = field(default_factory=dict)
    #: name of the image, which is part of the identity of its clusters
    image: str = ""

    @property
    def calibration(self) -> Calibration | None:
        """That of the first frame; None where there is none."""
        return next(iter(self.calibrations.values()), None)


@steps_on_one_thread_each
def patches_steps(micrograph: Micrograph, table: ClusterTable) -> Steps[Patches]:
    """The network's view of every cluster, in the order of the table's rows.

    Parameters
    ----------
    micrograph
        The image; it must be calibrated.
    table
        Its clusters.

    Raises
    ------
    InputError
        For an image without a pixel size.
    """
    from napari_atomicity.counting.patches import Patches, extract_patches

    pixel_size_nm = micrograph.calibrated_pixel_size_nm
    frames = table.rows["frame"].to_numpy()
    present = np.unique(frames) if len(frames) else np.array([0])
    patches, order = [], []
    for done, index in enumerate(present):
        yield Progress(done, len(present), "Cutting out clusters")
        rows = np.flatnonzero(frames == index)
        patches.append(extract_patches(micrograph.frame(int(index)), table.take(rows), pixel_size_nm))
        order.append(rows)
    return Patches.join(patches).take(np.argsort(np.concatenate(order)))


def classify_steps(
    micrograph: Micrograph,
    table: ClusterTable,
    bundle: Bundle,
    settings: Settings,
) -> Steps[Count]:
    """Class, confidence and atom count of every cluster of a detected table.

    Parameters
    ----------
    micrograph
        The image; it must be calibrated.
    table
        Its clusters.
    bundle
        The model; one that `adapt_steps` made gives rows of `source` ``adapted``.
    settings
        Of the count.

    Raises
    ------
    InputError
        For settings that do not fit the model.
    """
    return (yield from classify_session_steps([micrograph], [table], bundle, settings))[0]


def classify_session_steps(
    micrographs: Sequence[Micrograph],
    tables: Sequence[ClusterTable],
    bundle: Bundle,
    settings: Settings | Sequence[Settings],
) -> Steps[list[Count]]:
    """As `classify_steps` for images taken under the same settings of the microscope: they share one scale.

    Parameters
    ----------
    micrographs, tables
        The images and their clusters, an entry an image.
    bundle
        The model.
    settings
        Of all images, or one entry an image: what was deposited may differ, whether to calibrate (`adapt`) may not
        and is that of the first.

    Returns
    -------
    One `Count` an image, in their order.

    Raises
    ------
    InputError
        For settings that do not fit the model.
    """
    clocks = [Clock() for _ in tables]
    return (yield from timed_session_steps(micrographs, tables, bundle, each_setting(settings, len(tables)), clocks))


def choose(classified: Count, frame: int, dominant: str, bundle: Bundle) -> Count:
    """The labels with a person's choice among the candidates of a frame that cannot decide by itself.

    Parameters
    ----------
    classified
        The count so far.
    frame
        Which frame of the stack.
    dominant
        One of its candidates, for example ``Pt30``.
    bundle
        The model that classified.

    Returns
    -------
    The count with the labels of that choice.

    Raises
    ------
    InputError
        For a frame without calibration, or where `dominant` is no candidate.
    """
    if frame not in classified.calibrations:
        raise InputError(f"Frame {frame} is not calibrated, so there is nothing to choose; count it with 'auto' first.")
    fit = classified.calibrations[frame].chosen(dominant)
    calibrations = {**classified.calibrations, frame: fit}
    before = classified.known.get(frame)
    # a fine-tuning that follows starts from the choice
    narrowed = (
        {}
        if before is None
        else {
            frame: replace(
                before,
                intensity_per_atom=fit.intensity_per_atom,
                intensity_per_atom_sd=fit.intensity_per_atom_sd / fit.intensity_per_atom,
            )
        }
    )
    evidence = drain(_looked_again_steps(classified, frame, fit, bundle))
    relabelled = labelled(classified.table, classified.patches, evidence, calibrations, bundle)
    return replace(relabelled, known={**classified.known, **narrowed}, image=classified.image)


def _looked_again_steps(classified: Count, frame: int, fit: Calibration, bundle: Bundle) -> Steps[Evidence]:
    """The evidence, with the clusters of one frame looked at with another scale."""
    from napari_atomicity.counting.evidence import Evidence
    from napari_atomicity.counting.looking import looked_steps

    evidence, table = classified.evidence, classified.table
    if evidence.log_scale is None:  # counted by an earlier version, whose evidence knows no scale
        return evidence
    frames = table.rows["frame"].to_numpy()
    rows, others = np.flatnonzero(frames == frame), np.flatnonzero(frames != frame)
    free = evidence.take(rows).free
    log_scale = float(np.log(fit.intensity_per_atom))
    anew = yield from looked_steps(bundle, classified.patches.take(rows), free, log_scale, table.sizeable[rows])
    return Evidence.join([evidence.take(others), anew]).take(np.argsort(np.concatenate([others, rows])))


@steps_on_one_thread_each
def timed_session_steps(
    micrographs: Sequence[Micrograph],
    tables: Sequence[ClusterTable],
    bundle: Bundle,
    settings: Sequence[Settings],
    clocks: Sequence[Clock],
) -> Steps[list[Count]]:
    """Classify images that calibrate each other, with the seconds that each takes.

    Parameters
    ----------
    micrographs, tables, settings, clocks
        The images with their clusters, settings and clocks, an entry an image.
    bundle
        The model.

    Returns
    -------
    One `Count` an image, in their order.

    Raises
    ------
    InputError
        For settings that do not fit the model.
    """
    from napari_atomicity.counting.classify import evidence_steps

    patches: list[Patches] = []
    evidence: list[Evidence] = []
    for micrograph, table, clock in zip(micrographs, tables, clocks, strict=True):
        patches.append((yield from clock.time("classify", patches_steps(micrograph, table))))
        evidence.append((yield from clock.time("classify", evidence_steps(bundle, patches[-1]))))
    if not tables:
        return []
    counts = yield from clocks[0].time("calibrate", _labelled_steps(tables, patches, evidence, bundle, settings))
    return [replace(count, image=image_key(micrograph)) for count, micrograph in zip(counts, micrographs, strict=True)]


def image_key(micrograph: Micrograph) -> str:
    """Name of an image that stays the same from session to session, wherever the file lies."""
    return f"{micrograph.name}#{micrograph.provenance.image_index}"


def _labelled_steps(
    tables: Sequence[ClusterTable],
    patches: Sequence[Patches],
    evidence: Sequence[Evidence],
    bundle: Bundle,
    settings: Sequence[Settings],
) -> Steps[list[Count]]:
    """Calibrate the images together where the settings want it, and label their clusters."""
    yield Progress(0, 1, "Calibrating")
    seen, calibrations = yield from _calibrated_steps(tables, patches, evidence, bundle, settings)
    counts = []
    for table, of_table, of_clusters, of_frames, own in zip(tables, patches, seen, calibrations, settings, strict=True):
        known = {frame: own.known for frame, _ in rows_by_frame(table)}
        counts.append(replace(labelled(table, of_table, of_clusters, of_frames, bundle), known=known))
    return counts


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


def _calibrated_steps(
    tables: Sequence[ClusterTable],
    patches: Sequence[Patches],
    evidence: Sequence[Evidence],
    bundle: Bundle,
    settings: Sequence[Settings],
) -> Steps[tuple[list[Evidence], list[Calibrations]]]:
    """What the network sees with the scales of the frames, all taken under the same settings; their calibrations."""
    from napari_atomicity.counting.calibration import Calibration
    from napari_atomicity.counting.classify import look_steps
    from napari_atomicity.counting.evidence import Evidence
    from napari_atomicity.counting.looking import calibrated_steps, looked_steps

    card = bundle.card
    for own in settings:
        own.known.check(card.class_sizes)
    _check_scales(tables, evidence, settings)
    frames = _frames(tables, patches, evidence)
    given = not _calibrates(settings)
    exact = [frame for frame in frames if given and settings[frame.image].intensity_per_atom is not None]
    found = [frame for frame in frames if frame not in exact]
    seen: dict[int, list[tuple[_Frame, Evidence]]] = {i: [] for i in range(len(tables))}
    of_images: list[Calibrations] = [{} for _ in tables]
    for frame in exact:
        scale = settings[frame.image].intensity_per_atom
        assert scale is not None
        at_scale = yield from looked_steps(bundle, frame.patches, frame.scale_free, float(np.log(scale)), frame.use)
        seen[frame.image].append((frame, at_scale))
        of_images[frame.image][frame.frame] = Calibration.at_scale(scale, card.class_sizes, card.element)
    if any(frame.use.any() for frame in found):
        looked, fits = yield from calibrated_steps(
            bundle,
            [frame.patches for frame in found],
            [frame.scale_free for frame in found],
            [settings[frame.image].known for frame in found],
            [frame.use for frame in found],
            _by_diameter(tables, found, bundle) if settings[0].adapt == "diameter" else None,
        )
        for frame, with_scale, fit in zip(found, looked, fits, strict=True):
            seen[frame.image].append((frame, with_scale))
            of_images[frame.image][frame.frame] = fit
    joined = []
    for i, free in enumerate(evidence):
        parts = seen[i]
        if not parts:  # no cluster of it can be looked at: nothing is said of any
            nothing = np.zeros(len(free))
            joined.append((yield from look_steps(bundle, patches[i], free, nothing, nothing)))
            continue
        order = np.argsort(np.concatenate([frame.rows for frame, _ in parts]))
        joined.append(Evidence.join([part for _, part in parts]).take(order))
    return joined, of_images


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
    """Each frame that has clusters, with their rows in the table."""
    frames = table.rows["frame"].to_numpy()
    for index in np.unique(frames):
        yield int(index), np.flatnonzero(frames == index)


def labelled(
    table: ClusterTable, patches: Patches, evidence: Evidence, calibrations: Calibrations, bundle: Bundle
) -> Count:
    """The count of one image, from what the network makes of its clusters.

    Parameters
    ----------
    table
        The clusters.
    patches, evidence
        Of each row of the table.
    calibrations
        Of the frames; a frame without a cluster that can be looked at has none.
    bundle
        The model.
    """
    from napari_atomicity.counting.predictions import posterior

    source = "adapted" if bundle.card.history else "base"
    flag = table.rows["flag"].to_numpy(dtype=object)
    # a table without clusters has no frame, but still gets the columns of the model
    groups = list(rows_by_frame(table)) or [(0, np.empty(0, dtype=np.int64))]
    predictions = [
        posterior(evidence.take(rows), calibrations.get(frame)).columns(flag[rows], source) for frame, rows in groups
    ]
    order = np.argsort(np.concatenate([rows for _, rows in groups]))
    values = {name: np.concatenate([prediction[name] for prediction in predictions])[order] for name in predictions[0]}
    return Count(table.with_predictions(bundle.card.class_sizes, values), evidence, patches, calibrations)


def each_setting(settings: Settings | Sequence[Settings], n: int) -> list[Settings]:
    """Settings for each of several images, which may share theirs.

    Parameters
    ----------
    settings
        One for all, or an entry an image.
    n
        Number of images.

    Raises
    ------
    InputError
        Where there are more settings than images, or fewer.
    """
    of_images = [settings] * n if isinstance(settings, Settings) else list(settings)
    if len(of_images) != n:
        raise InputError(f"There are settings for {len(of_images)} images but {n} images; give one entry an image.")
    return of_images
