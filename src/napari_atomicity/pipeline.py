"""The whole chain, from a micrograph to its table of counted clusters: the one place that puts it together.

The window and the command line both call these functions, so that the same input and settings give the same table.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.progress import Progress, Steps, drain

if TYPE_CHECKING:
    from napari_atomicity.counting.adapt import Adaptation
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.calibrate import Calibration
    from napari_atomicity.counting.classify import Evidence
    from napari_atomicity.counting.patches import Patches
    from napari_atomicity.detection import Measurement
    from napari_atomicity.insight.attribution import Attribution

    Calibrations = dict[int, Calibration]

Adapt = Literal["auto", "off", "diameter"]
Result = TypeVar("Result")

#: a cluster found again within this distance of its old centre is the same cluster
SAME_CLUSTER_NM: Final = 0.5
# The last bit of a convolution depends on the number of threads: the same few everywhere, so that the window and
# the command line agree to the bit and the window stays responsive.
_TORCH_THREADS: Final = 2
_PREDICTED: Final = ("label", "confidence", "n_atoms", "n_atoms_sd", "source")


@dataclass(frozen=True)
class Settings:
    """What a person may choose; everything that decides a table besides the image.

    Attributes
    ----------
    sensitivity
        0 (only clear clusters) to 1 (faint ones too).
    model
        Name of a model that comes with the package (``dual``, ``single``), or path of one.
    adapt
        ``auto``: calibrate intensity and class shares from the image's own clusters; ``diameter``: besides, fine-tune
        the model on clusters of clearly separated diameters; ``off``: neither.
    scale
        Integrated intensity of one atom in this image in counts·nm², where it is known.
    deposited
        Sizes (atoms) that were deposited, where they are known.
    seed
        Seed of whatever is random (fine-tuning).
    """

    sensitivity: float = 0.5
    model: str = "dual"
    adapt: Adapt = "auto"
    scale: float | None = None
    deposited: tuple[int, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.sensitivity <= 1:
            raise InputError(f"A sensitivity of {self.sensitivity} is outside 0 (few) to 1 (many); 0.5 is usual.")
        if self.adapt not in get_args(Adapt):
            raise InputError(f"There is no adaptation {self.adapt!r}; choose {', '.join(get_args(Adapt))}.")
        if self.scale is not None and not (np.isfinite(self.scale) and self.scale > 0):
            raise InputError(f"A scale of {self.scale} counts nm² per atom is impossible; give a positive number.")
        if any(size < 1 for size in self.deposited):
            raise InputError("A deposited size must be a positive number of atoms, for example 19,30.")


@dataclass(frozen=True, eq=False)
class Detected:
    """Clusters as found: positions and measurements, and sentences about what was odd."""

    table: ClusterTable
    messages: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Classified:
    """A classified table with what the labels rest on; `evidence` and `patches` go with the table's rows."""

    table: ClusterTable
    evidence: Evidence
    patches: Patches
    #: calibration of each frame; empty where the labels rest on shape alone
    calibrations: Calibrations

    @property
    def calibration(self) -> Calibration | None:
        """That of the first frame; None where there is none."""
        return next(iter(self.calibrations.values()), None)


@dataclass(frozen=True, eq=False)
class Explained:
    """Heat maps of one frame, in register with it.

    Attributes
    ----------
    frame
        Which frame of the stack.
    ids
        (n,) ids of the explained clusters; row i of `attribution` is cluster ``ids[i]``.
    overlay
        (channels, y, x) float32 on the pixels of the image, 0 where nothing is attributed.
    """

    frame: int
    ids: npt.NDArray[np.int64]
    attribution: Attribution
    overlay: npt.NDArray[np.float32]

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Name of each channel of `overlay`."""
        return tuple(self.attribution.channel_names)


@dataclass(frozen=True, eq=False)
class Analysis:
    """One analysed micrograph: its table and everything the numbers depend on."""

    micrograph: Micrograph
    table: ClusterTable
    settings: Settings
    bundle: Bundle
    calibrations: Calibrations = field(default_factory=dict)
    adaptation: Adaptation | None = None
    messages: tuple[str, ...] = ()
    #: seconds a stage
    timings: dict[str, float] = field(default_factory=dict)
    #: names of the images that calibrated each other; empty where this one stood alone
    session: tuple[str, ...] = ()

    def report(self) -> dict[str, Any]:
        """Everything about this analysis that is not in the table, JSON-serialisable."""
        from napari_atomicity.report import describe

        return describe(self)


# ---------------------------------------------------------------------- finding and measuring


def detect_steps(
    micrograph: Micrograph,
    settings: Settings,
    previous: ClusterTable | None = None,
    frames: Iterable[int] | None = None,
) -> Steps[Detected]:
    """Find and measure the clusters of a micrograph.

    Parameters
    ----------
    micrograph
        Must be calibrated.
    previous
        The table so far: identities, annotations, hand-placed centres and deletions carry over, predictions do not.
    frames
        Which frames of a stack; all where None.

    Raises
    ------
    InputError
        For a micrograph that cannot be counted or has no pixel size.
    """
    from napari_atomicity.detection import detect

    if micrograph.refusal:
        raise InputError(micrograph.refusal)
    pixel_size_nm = micrograph.calibrated_pixel_size_nm
    chosen = range(micrograph.n_frames) if frames is None else sorted(set(frames))
    tables: list[pd.DataFrame] = []
    messages: list[str] = []
    refused: list[str] = []
    for done, index in enumerate(chosen):
        yield Progress(done, len(chosen), "Finding clusters")
        image = micrograph.frame(index)
        where = f"Frame {index}: " if micrograph.n_frames > 1 else ""
        found = detect(image, pixel_size_nm, settings.sensitivity)
        blocking = [finding.message for finding in found.findings if finding.blocking]
        if blocking:
            refused.append(f"{where}{blocking[0]}")
            continue
        messages += [f"{where}{sentence}" for sentence in found.messages]
        measured = _measured(found.clusters, pixel_size_nm)
        tables.append(pd.DataFrame({**measured, "frame": np.full(len(found.clusters.y_px), index)}))
    if refused and not tables:
        raise InputError(refused[0])
    table = _numbered(tables)
    if previous is not None:
        others = previous.rows[~previous.rows["frame"].isin(list(chosen))]
        found_now = replace(previous, rows=others.reset_index(drop=True)).without_predictions().rows
        table = previous.redetected(_numbered([table.rows, found_now]), SAME_CLUSTER_NM / pixel_size_nm)
    return Detected(table, (*refused, *dict.fromkeys(messages)))


def measure_steps(micrograph: Micrograph, table: ClusterTable, ids: Iterable[int]) -> Steps[ClusterTable]:
    """Measure the clusters `ids` anew where they are now, after a person placed or moved them.

    Their predictions are reset: they belonged to the old measurement. Everything a person entered stays.
    """
    from napari_atomicity.detection import measure_at

    pixel_size_nm = micrograph.calibrated_pixel_size_nm
    rows = table.rows.copy()
    mine = rows["id"].isin(list(ids)).to_numpy()
    frames = np.unique(rows["frame"].to_numpy()[mine])
    for done, index in enumerate(frames):
        yield Progress(done, len(frames), "Measuring")
        here = mine & (rows["frame"] == index).to_numpy()
        y, x = rows.loc[here, ["y_px", "x_px"]].to_numpy(dtype=np.float64).T
        values = _measured(measure_at(micrograph.frame(int(index)), pixel_size_nm, y, x), pixel_size_nm)
        for name, column in values.items():
            rows.loc[here, name] = column
    computed = [name for name in rows.columns if name.startswith("p_") or name in _PREDICTED]
    neutral = ClusterTable.from_columns({"id": rows["id"]}, table.class_sizes).rows
    rows.loc[mine, computed] = neutral.loc[mine, computed]
    return replace(table, rows=rows)


def _measured(clusters: Measurement, pixel_size_nm: float) -> dict[str, npt.NDArray[Any]]:
    """The columns of the table that a measurement fills."""
    return {
        "y_px": clusters.y_px,
        "x_px": clusters.x_px,
        "y_nm": clusters.y_px * pixel_size_nm,
        "x_nm": clusters.x_px * pixel_size_nm,
        "diameter_nm": clusters.diameter_nm,
        "intensity": clusters.intensity,
        "flag": np.asarray(clusters.flag, dtype=object),
    }


def _numbered(parts: Sequence[pd.DataFrame]) -> ClusterTable:
    """One table of the parts' clusters, with ids from 0."""
    full = [part for part in parts if len(part)]
    if not full:
        return ClusterTable.empty()
    rows = pd.concat(full, ignore_index=True)
    return ClusterTable.from_columns({name: rows[name] for name in rows.columns if name != "id"})


# ---------------------------------------------------------------------- classifying


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
        part = replace(table, rows=table.rows.iloc[here].reset_index(drop=True))
        parts.append(extract_patches(micrograph.frame(int(index)), part, pixel_size_nm))
        order.append(here)
    return Patches.join(parts).take(np.argsort(np.concatenate(order)))


def classify_steps(
    micrograph: Micrograph,
    table: ClusterTable,
    bundle: Bundle,
    settings: Settings,
) -> Steps[Classified]:
    """Class, confidence and atom count of every cluster of a detected table.

    Parameters
    ----------
    bundle
        The model; one that `adapt_steps` made gives rows of `source` ``adapted``.
    """
    done = yield from _group_classify_steps([micrograph], [table], bundle, settings, [_Clock()])
    return done[0]


def adapt_steps(classified: Classified, bundle: Bundle, settings: Settings) -> Steps[Adaptation]:
    """Fine-tune a copy of `bundle` to the image; `classify_steps` with the result gives the adapted table."""
    from napari_atomicity.counting.adapt import adapt_steps as fine_tune_steps
    from napari_atomicity.counting.calibrate import Known

    _fix_torch_threads()
    known = Known(scale=settings.scale, deposited=settings.deposited)
    return (
        yield from fine_tune_steps(
            bundle, classified.patches, classified.table, classified.evidence, settings.adapt, settings.seed, known
        )
    )


def _evidence_steps(bundle: Bundle, patches: Patches) -> Steps[Evidence]:
    from napari_atomicity.counting.classify import evidence_steps

    _fix_torch_threads()
    return (yield from evidence_steps(bundle, patches))


def _calibrate_steps(
    images: Sequence[tuple[ClusterTable, Evidence]], bundle: Bundle, settings: Settings
) -> Steps[list[Calibrations]]:
    """Calibrations of the frames of each image, all taken under the same settings; empty where shape alone speaks."""
    from napari_atomicity.counting.calibrate import Calibration, Known, calibrate_session

    yield Progress(0, 1, "Calibrating")
    sizes = bundle.card.class_sizes
    known = Known(scale=settings.scale, deposited=settings.deposited)
    known.check(sizes)
    lots = [(i, frame, rows) for i, (table, _) in enumerate(images) for frame, rows in _rows_by_frame(table)]
    evidence = [images[i][1].take(rows) for i, _, rows in lots]
    # what is cut off, merged or saturated has no integral to calibrate on
    use = [images[i][0].rows["flag"].isin(["ok", "outside"]).to_numpy()[rows] for i, _, rows in lots]
    usable = any((fit & seen.valid).any() for fit, seen in zip(use, evidence, strict=True))
    fits: list[Calibration] = []
    if settings.adapt == "off" and not settings.deposited:
        if settings.scale is not None:
            fits = [Calibration.at_scale(settings.scale, sizes, bundle.card.element)] * len(lots)
    elif usable:
        fits = calibrate_session(evidence, known, use)
    calibrations: list[Calibrations] = [{} for _ in images]
    for (i, frame, _), fit in zip(lots, fits, strict=False):
        calibrations[i][frame] = fit
    return calibrations


def _rows_by_frame(table: ClusterTable) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    frames = table.rows["frame"].to_numpy()
    for index in np.unique(frames):
        yield int(index), np.flatnonzero(frames == index)


def _labelled(
    table: ClusterTable, patches: Patches, evidence: Evidence, calibrations: Calibrations, bundle: Bundle
) -> Classified:
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
    return Classified(table.with_predictions(bundle.card.class_sizes, values), evidence, patches, calibrations)


def _fix_torch_threads() -> None:
    import torch

    torch.set_num_threads(_TORCH_THREADS)


# ---------------------------------------------------------------------- explaining


def explain_steps(
    micrograph: Micrograph,
    table: ClusterTable,
    bundle: Bundle,
    frame: int = 0,
    ids: Iterable[int] | None = None,
    target: int | None = None,
) -> Steps[Explained]:
    """Grad-CAM of the clusters of one frame, laid over the micrograph.

    Parameters
    ----------
    frame
        Which frame of the stack.
    ids
        Which clusters; all of the frame where None.
    target
        Index of the class to explain; where None the most probable class of each cluster in the table.
    """
    from napari_atomicity.insight.attribution import attribution_steps
    from napari_atomicity.insight.overlay import compose

    chosen = (table.rows["frame"] == frame).to_numpy()
    if ids is not None:
        chosen = chosen & table.rows["id"].isin(list(ids)).to_numpy()
    part = replace(table, rows=table.rows[chosen].reset_index(drop=True))
    patches = yield from patches_steps(micrograph, part)
    _fix_torch_threads()
    wanted = _likeliest(part, bundle) if target is None else target
    attribution = yield from attribution_steps(bundle, patches, wanted)
    overlay = compose(attribution, part.centres_px, micrograph.shape_yx, micrograph.calibrated_pixel_size_nm)
    return Explained(frame, part.ids, attribution, overlay)


def _likeliest(table: ClusterTable, bundle: Bundle) -> npt.NDArray[np.int64] | None:
    """Index of each cluster's most probable class; None for a table that this model has not classified."""
    if table.class_sizes != bundle.card.class_sizes:
        return None
    return np.asarray(np.nan_to_num(table.probabilities, nan=-1.0).argmax(axis=1))


# ---------------------------------------------------------------------- the whole chain


def analyse_steps(
    micrographs: Sequence[Micrograph],
    settings: Settings,
    session: bool = False,
    frames: Iterable[int] | None = None,
    bundle: Bundle | None = None,
    refused: Callable[[Micrograph, InputError], None] | None = None,
) -> Steps[list[Analysis]]:
    """Detect, classify, calibrate or adapt: one `Analysis` an image.

    Parameters
    ----------
    session
        All images were taken under the same settings and calibrate each other; else each stands alone.
    frames
        Which frames of stacks; all where None.
    bundle
        The model, where it is loaded already; else the one that the settings name.
    refused
        Called for an image that cannot be counted, which is then left out; without it the first one ends the work.
    """
    from napari_atomicity.counting.bundle import load_bundle

    model = bundle if bundle is not None else load_bundle(settings.model)
    chosen = None if frames is None else list(frames)
    groups = [list(micrographs)] if session else [[micrograph] for micrograph in micrographs]
    analyses: list[Analysis] = []
    for group in groups:
        analyses += yield from _group_steps(group, settings, chosen, model, refused)
    return analyses


def analyse(micrograph: Micrograph, settings: Settings | None = None) -> Analysis:
    """The whole chain on one micrograph, to its end; see `Settings`."""
    return drain(analyse_steps([micrograph], settings or Settings()))[0]


def detect(micrograph: Micrograph, settings: Settings | None = None) -> Detected:
    """Positions and measurements of the clusters of one micrograph."""
    return drain(detect_steps(micrograph, settings or Settings()))


def _group_steps(
    micrographs: Sequence[Micrograph],
    settings: Settings,
    frames: Sequence[int] | None,
    base: Bundle,
    refused: Callable[[Micrograph, InputError], None] | None,
) -> Steps[list[Analysis]]:
    """Images that calibrate each other; a single one calibrates itself."""
    group: list[Micrograph] = []
    found: list[Detected] = []
    clocks: list[_Clock] = []
    for micrograph in micrographs:
        clock = _Clock()
        try:
            detected = yield from clock.time("detect", detect_steps(micrograph, settings, frames=frames))
        except InputError as error:
            if refused is None:
                raise
            refused(micrograph, error)
            continue
        group.append(micrograph)
        found.append(detected)
        clocks.append(clock)
    if not group:
        return []
    classified = yield from _group_classify_steps(group, [each.table for each in found], base, settings, clocks)
    adaptation, bundle = None, base
    if settings.adapt == "diameter":
        adaptation = yield from clocks[0].time("adapt", adapt_steps(_pooled(classified), base, settings))
        if adaptation.accepted:
            bundle = adaptation.bundle
            tables = [each.table for each in found]
            known = [each.patches for each in classified]
            classified = yield from _group_classify_steps(group, tables, bundle, settings, clocks, known)
    names = tuple(micrograph.name for micrograph in group) if len(group) > 1 else ()
    outcome = () if adaptation is None else (adaptation.reason,)
    return [
        Analysis(
            micrograph=micrograph,
            table=done.table,
            settings=settings,
            bundle=bundle,
            calibrations=done.calibrations,
            adaptation=adaptation,
            messages=tuple(dict.fromkeys((*micrograph.warnings, *detected.messages, *outcome))),
            timings=clock.seconds,
            session=names,
        )
        for micrograph, detected, done, clock in zip(group, found, classified, clocks, strict=True)
    ]


def _group_classify_steps(
    group: Sequence[Micrograph],
    tables: Sequence[ClusterTable],
    bundle: Bundle,
    settings: Settings,
    clocks: Sequence[_Clock],
    patches: Sequence[Patches] | None = None,
) -> Steps[list[Classified]]:
    cut: list[Patches] = list(patches or ())
    evidence: list[Evidence] = []
    for i, (micrograph, table, clock) in enumerate(zip(group, tables, clocks, strict=True)):
        if patches is None:
            cut.append((yield from clock.time("classify", patches_steps(micrograph, table))))
        evidence.append((yield from clock.time("classify", _evidence_steps(bundle, cut[i]))))
    pairs = list(zip(tables, evidence, strict=True))
    found = yield from clocks[0].time("calibrate", _calibrate_steps(pairs, bundle, settings))
    return [_labelled(table, cut[i], seen, found[i], bundle) for i, (table, seen) in enumerate(pairs)]


def _pooled(parts: Sequence[Classified]) -> Classified:
    """The clusters of several images as if they were one image, for a common fine-tuning."""
    from napari_atomicity.counting.classify import Evidence
    from napari_atomicity.counting.patches import Patches

    if len(parts) == 1:
        return parts[0]
    rows = pd.concat([part.table.rows for part in parts], ignore_index=True)
    table = ClusterTable(rows.assign(id=np.arange(len(rows))), parts[0].table.class_sizes)
    evidence = Evidence.join([part.evidence for part in parts])
    return Classified(table, evidence, Patches.join([part.patches for part in parts]), {})


@dataclass
class _Clock:
    """Seconds a stage, summed over its steps; not the time that the caller takes between two steps."""

    seconds: dict[str, float] = field(default_factory=dict)

    def time(self, stage: str, steps: Steps[Result]) -> Steps[Result]:
        while True:
            start = time.perf_counter()
            try:
                progress = next(steps)
            except StopIteration as end:
                result: Result = end.value
                return result
            finally:
                self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start
            yield progress
