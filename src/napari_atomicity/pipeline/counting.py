"""From measured clusters to classes and atom counts: classify, calibrate together, adapt, choose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline.clock import Clock
from napari_atomicity.pipeline.settings import Settings
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.threads import steps_on_one_thread_each

if TYPE_CHECKING:
    from napari_atomicity.counting.adapt import Adaptation
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.calibrate import Calibration
    from napari_atomicity.counting.evidence import Evidence
    from napari_atomicity.counting.patches import Patches
    from napari_atomicity.counting.prior import PriorKnowledge

    Calibrations = dict[int, Calibration]

#: so few clusters outside the classes say nothing about the image
_FEW: Final = 5


@dataclass(frozen=True, eq=False)
class Count:
    """A classified table with what the labels rest on; `evidence` and `patches` go with the table's rows."""

    table: ClusterTable
    evidence: Evidence
    patches: Patches
    #: calibration of each frame; empty where the labels rest on shape alone
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
    """The network's view of every cluster, in the order of the table's rows."""
    from napari_atomicity.counting.patches import Patches, extract_patches

    pixel_size_nm = micrograph.calibrated_pixel_size_nm
    frames = table.rows["frame"].to_numpy()
    present = np.unique(frames) if len(frames) else np.array([0])
    parts, order = [], []
    for done, index in enumerate(present):
        yield Progress(done, len(present), "Cutting out clusters")
        here = np.flatnonzero(frames == index)
        parts.append(extract_patches(micrograph.frame(int(index)), table.take(here), pixel_size_nm))
        order.append(here)
    return Patches.join(parts).take(np.argsort(np.concatenate(order)))


def classify_steps(
    micrograph: Micrograph,
    table: ClusterTable,
    bundle: Bundle,
    settings: Settings,
) -> Steps[Count]:
    """Class, confidence and atom count of every cluster of a detected table.

    Parameters
    ----------
    bundle
        The model; one that `adapt_steps` made gives rows of `source` ``adapted``.
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
    settings
        Of all images, or one entry an image: what was deposited may differ, whether to calibrate (`adapt`) may not
        and is that of the first.
    """
    clocks = [Clock() for _ in tables]
    return (yield from timed_session_steps(micrographs, tables, bundle, each_setting(settings, len(tables)), clocks))


def adapt_steps(classified: Count | Sequence[Count], bundle: Bundle, settings: Settings) -> Steps[Adaptation]:
    """Fine-tune a copy of `bundle` once to all given images; `adapted` with the result gives their new tables.

    Parameters
    ----------
    classified
        By `bundle`; several images were taken under the same settings of the microscope. What was known of each frame
        goes with it.
    settings
        Only `adapt`, `anchors` and `seed` count here.

    Returns
    -------
    The ids in its `anchors` are those of the table; of several images they number the rows of all, one after the other.
    """
    from napari_atomicity.counting.adapt import adapt_steps as fine_tune_steps
    from napari_atomicity.counting.holdout import identities

    parts = [classified] if isinstance(classified, Count) else list(classified)
    if not parts:
        raise InputError("There is no image to adapt the model to; classify at least one.")
    table, evidence, patches = _pooled(parts)
    frames = np.zeros(len(table), dtype=np.int64)
    known: list[PriorKnowledge] = []
    calibrations = {}
    for part, start in zip(parts, _starts(parts), strict=True):
        for frame, rows in _rows_by_frame(part.table):
            frames[start + rows] = len(known)
            if frame in part.calibrations:
                calibrations[len(known)] = part.calibrations[frame]
            known.append(part.known.get(frame, settings.known))
    return (
        yield from fine_tune_steps(
            bundle,
            patches,
            table,
            evidence,
            mode=settings.adapt,
            seed=settings.seed,
            known=known,
            sources=settings.anchors,
            frames=frames,
            identity=np.concatenate(
                [identities(part.image, part.table.rows["frame"].to_numpy(), part.table.ids) for part in parts]
            ),
            calibrations=calibrations,
        )
    )


def adapted(classified: Sequence[Count], adaptation: Adaptation) -> list[Count]:
    """The images that a model was adapted to, as that model sees them: nothing is cut out or looked at again.

    The calibrations stay: the judge of scales knows the features of the model as shipped, not those of its copy.
    """
    if adaptation.evidence is None:
        raise InputError("The adaptation was not accepted, so there is nothing to label anew.")
    done = []
    for part, start in zip(classified, _starts(classified), strict=True):
        seen = adaptation.evidence.take(np.arange(start, start + len(part.table)))
        now = _labelled(part.table, part.patches, seen, part.calibrations, adaptation.bundle)
        done.append(replace(now, known=part.known, image=part.image))
    return done


def remarks(classified: Count) -> tuple[str, ...]:
    """Sentences that a person must read before using the labels: what is undecided, and what does not fit."""
    said = []
    for frame, calibration in classified.calibrations.items():
        where = f"Frame {frame}: " if len(classified.calibrations) > 1 else ""
        if calibration.ambiguous:
            said.append(f"{where}{_undecided(calibration)}")
        if calibration.misfit:
            said.append(f"{where}{calibration.misfit}")
    if not any(calibration.misfit for calibration in classified.calibrations.values()):
        scaled = any(known.scale is not None for known in classified.known.values())
        said += _strange(classified.table, "the scale and the pixel size" if scaled else "the pixel size")
    return tuple(said)


def _strange(table: ClusterTable, doubtful: str) -> list[str]:
    """A sentence where most clusters are none of the classes."""
    sized = int(table.sizeable.sum())
    strange = int((table.rows["flag"] == "outside").sum())
    if strange <= max(_FEW, sized / 2):
        return []
    classes = ", ".join(str(size) for size in table.class_sizes)
    return [
        f"{strange} of {sized} clusters look like none of the sizes that the model knows ({classes} atoms); "
        f"check {doubtful}, or use a model of other sizes."
    ]


def _undecided(calibration: Calibration) -> str:
    chances = [f"{one['dominant']} ({one['probability']:.0%})" for one in calibration.candidates]
    return (
        f"The image cannot decide whether most clusters are {', '.join(chances[:-1])} or {chances[-1]}. To settle it, "
        "say which sizes were deposited, or count it in one session with a reference or with images of other sizes."
    )


def choose(classified: Count, frame: int, dominant: str, bundle: Bundle) -> Count:
    """The labels with a person's choice among the candidates of a frame that cannot decide by itself.

    Parameters
    ----------
    frame
        Which frame of the stack.
    dominant
        One of its candidates, for example ``Pt30``.
    bundle
        The model that classified.

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
    told = {} if before is None else {frame: replace(before, scale=fit.scale, scale_sd=fit.scale_sd / fit.scale)}
    done = _labelled(classified.table, classified.patches, classified.evidence, calibrations, bundle)
    return replace(done, known={**classified.known, **told}, image=classified.image)


@steps_on_one_thread_each
def timed_session_steps(
    micrographs: Sequence[Micrograph],
    tables: Sequence[ClusterTable],
    bundle: Bundle,
    settings: Sequence[Settings],
    clocks: Sequence[Clock],
) -> Steps[list[Count]]:
    """Classify images that calibrate each other, with the seconds that each takes."""
    from napari_atomicity.counting.classify import evidence_steps

    patches: list[Patches] = []
    evidence: list[Evidence] = []
    for micrograph, table, clock in zip(micrographs, tables, clocks, strict=True):
        patches.append((yield from clock.time("classify", patches_steps(micrograph, table))))
        evidence.append((yield from clock.time("classify", evidence_steps(bundle, patches[-1]))))
    if not tables:
        return []
    done = yield from clocks[0].time("calibrate", _labelled_steps(tables, patches, evidence, bundle, settings))
    return [replace(one, image=image_key(micrograph)) for one, micrograph in zip(done, micrographs, strict=True)]


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
    calibrations = _calibrated(tables, evidence, bundle, settings)
    done = []
    for table, cut, seen, found, one in zip(tables, patches, evidence, calibrations, settings, strict=True):
        known = {frame: one.known for frame, _ in _rows_by_frame(table)}
        done.append(replace(_labelled(table, cut, seen, found, bundle), known=known))
    return done


def _calibrated(
    tables: Sequence[ClusterTable], evidence: Sequence[Evidence], bundle: Bundle, settings: Sequence[Settings]
) -> list[Calibrations]:
    """Calibrations of the frames of each image, all taken under the same settings; empty where shape alone speaks."""
    from napari_atomicity.counting.calibrate import Calibration, calibrate_session

    card = bundle.card
    for one in settings:
        one.known.check(card.class_sizes)
    _check_scales(tables, evidence, settings)
    found: list[Calibrations] = [{} for _ in tables]
    if not _calibrates(settings):
        for table, one, mine in zip(tables, settings, found, strict=True):
            if one.scale is not None:
                exact = Calibration.at_scale(one.scale, card.class_sizes, card.element)
                mine.update({frame: exact for frame, _ in _rows_by_frame(table)})
        return found
    lots = [(i, frame, rows) for i, table in enumerate(tables) for frame, rows in _rows_by_frame(table)]
    seen = [evidence[i].take(rows) for i, _, rows in lots]
    # what is cut off, merged or saturated has no integral to calibrate on
    use = [tables[i].sizeable[rows] for i, _, rows in lots]
    if any((fit & part.valid).any() for fit, part in zip(use, seen, strict=True)):
        fits = calibrate_session(seen, [settings[i].known for i, _, _ in lots], use)
        for (i, frame, _), fit in zip(lots, fits, strict=True):
            found[i][frame] = fit
    return found


def _check_scales(tables: Sequence[ClusterTable], evidence: Sequence[Evidence], settings: Sequence[Settings]) -> None:
    """Raise `InputError` for a known scale that is impossible for all images that it is said of."""
    from napari_atomicity.counting.evidence import Evidence
    from napari_atomicity.counting.plausible import check_scale

    # where nothing is calibrated the scale is taken as it is
    doubt = {one.scale: one.scale_sd if _calibrates(settings) else 0.0 for one in settings if one.scale is not None}
    for scale, scale_sd in doubt.items():
        mine = [i for i, one in enumerate(settings) if one.scale == scale]
        use = [tables[i].sizeable for i in mine]
        check_scale(Evidence.join([evidence[i] for i in mine]), scale, scale_sd, np.concatenate(use))


def _calibrates(settings: Sequence[Settings]) -> bool:
    """Whether the clusters have a say in the scale."""
    return settings[0].adapt == "auto" or any(one.deposited for one in settings)


def _rows_by_frame(table: ClusterTable) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    frames = table.rows["frame"].to_numpy()
    for index in np.unique(frames):
        yield int(index), np.flatnonzero(frames == index)


def _labelled(
    table: ClusterTable, patches: Patches, evidence: Evidence, calibrations: Calibrations, bundle: Bundle
) -> Count:
    from napari_atomicity.counting.calibrate import posterior

    source = "adapted" if bundle.card.history else "base"
    flag = table.rows["flag"].to_numpy(dtype=object)
    # a table without clusters has no frame, but still gets the columns of the model
    lots = list(_rows_by_frame(table)) or [(0, np.empty(0, dtype=np.int64))]
    parts = [
        posterior(evidence.take(rows), calibrations.get(frame)).columns(flag[rows], source) for frame, rows in lots
    ]
    order = np.argsort(np.concatenate([rows for _, rows in lots]))
    values = {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}
    return Count(table.with_predictions(bundle.card.class_sizes, values), evidence, patches, calibrations)


def _pooled(parts: Sequence[Count]) -> tuple[ClusterTable, Evidence, Patches]:
    """The clusters of several images one after the other, numbered anew; of one image as they are."""
    from napari_atomicity.counting.evidence import Evidence
    from napari_atomicity.counting.patches import Patches

    first = parts[0]
    if len(parts) == 1:
        return first.table, first.evidence, first.patches
    rows = pd.concat([part.table.rows for part in parts], ignore_index=True)
    table = ClusterTable(rows.assign(id=np.arange(len(rows))), first.table.class_sizes)
    return table, Evidence.join([part.evidence for part in parts]), Patches.join([part.patches for part in parts])


def _starts(parts: Sequence[Count]) -> npt.NDArray[np.int64]:
    """(images,) row of the pooled table at which each image begins."""
    return np.cumsum([0, *(len(part.table) for part in parts[:-1])])


def each_setting(settings: Settings | Sequence[Settings], n: int) -> list[Settings]:
    """Settings for each of `n` images, which may share theirs."""
    each = [settings] * n if isinstance(settings, Settings) else list(settings)
    if len(each) != n:
        raise InputError(f"There are settings for {len(each)} images but {n} images; give one entry an image.")
    return each
