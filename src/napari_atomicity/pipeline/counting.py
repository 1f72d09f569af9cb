"""From measured clusters to classes and atom counts: classify, calibrate together, choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline.calibrating import Calibrations, calibrated_images_steps, rows_by_frame
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
    from napari_atomicity.detection import off_lattice

    pixel_size_nm = micrograph.calibrated_pixel_size_nm
    frames = table.rows["frame"].to_numpy()
    present = np.unique(frames) if len(frames) else np.array([0])
    patches, order = [], []
    for done, index in enumerate(present):
        yield Progress(done, len(present), "Cutting out clusters")
        rows = np.flatnonzero(frames == index)
        image = off_lattice(micrograph.frame(int(index)), pixel_size_nm)
        patches.append(extract_patches(image, table.take(rows), pixel_size_nm))
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
    seen, calibrations = yield from calibrated_images_steps(tables, patches, evidence, bundle, settings)
    counts = []
    for table, of_table, of_clusters, of_frames, own in zip(tables, patches, seen, calibrations, settings, strict=True):
        known = {frame: own.known for frame, _ in rows_by_frame(table)}
        counts.append(replace(labelled(table, of_table, of_clusters, of_frames, bundle), known=known))
    return counts


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
