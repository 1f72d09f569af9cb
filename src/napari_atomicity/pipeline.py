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
    from napari_atomicity.counting.calibrate import Calibration, Known
    from napari_atomicity.counting.classify import Evidence
    from napari_atomicity.counting.patches import Patches
    from napari_atomicity.counting.profile import InstrumentProfile
    from napari_atomicity.detection import Measurement
    from napari_atomicity.insight.attribution import Attribution

    Calibrations = dict[int, Calibration]

Adapt = Literal["auto", "off", "diameter"]
Source = Literal["calibrated", "diameter", "annotations"]
Result = TypeVar("Result")

#: a cluster found again within this distance of its old centre is the same cluster
SAME_CLUSTER_NM: Final = 0.5
# The last bit of a convolution depends on the number of threads: the same few everywhere, so that the window and
# the command line agree to the bit and the window stays responsive.
_TORCH_THREADS: Final = 2
#: so few clusters outside the classes say nothing about the image
_FEW: Final = 5
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
        ``auto``: calibrate intensity and class shares from the image's own clusters, then fine-tune the model to them
        where that helps; ``diameter``: fine-tune on clusters of clearly separated diameters, and label by shape alone
        unless scale or deposited sizes are given; ``off``: neither.
    scale, scale_sd
        Integrated intensity of one atom in this image in counts·nm², where it is known, and its relative standard
        deviation.
    deposited
        Sizes (atoms) that were deposited, where they are known.
    fractions
        Share of each deposited size, in the order of `deposited`, where they are known; in all 1, or 100 (per cent).
    anchors
        What the fine-tuning may rest on, any mix; that of `adapt` where empty.
    seed
        Seed of whatever is random (fine-tuning).
    """

    sensitivity: float = 0.5
    model: str = "dual"
    adapt: Adapt = "auto"
    scale: float | None = None
    scale_sd: float = 0.02
    deposited: tuple[int, ...] = ()
    fractions: tuple[float, ...] = ()
    anchors: tuple[Source, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.sensitivity <= 1:
            raise InputError(f"A sensitivity of {self.sensitivity} is outside 0 (few) to 1 (many); 0.5 is usual.")
        if self.adapt not in get_args(Adapt):
            raise InputError(f"There is no adaptation {self.adapt!r}; choose {', '.join(get_args(Adapt))}.")
        if self.scale is not None and not (np.isfinite(self.scale) and self.scale > 0):
            raise InputError(f"A scale of {self.scale} counts nm² per atom is impossible; give a positive number.")
        if not 0 < self.scale_sd <= 1:
            raise InputError(
                f"A relative standard deviation of {self.scale_sd} of the scale is impossible; give 0.02 for 2 %."
            )
        if any(size < 1 for size in self.deposited):
            raise InputError("A deposited size must be a positive number of atoms, for example 19,30.")
        if len(set(self.deposited)) < len(self.deposited):
            raise InputError("A deposited size is named twice; name each once, for example 19,30.")
        self._check_fractions()
        unknown = set(self.anchors) - set(get_args(Source))
        if unknown:
            raise InputError(f"There are no anchors {unknown.pop()!r}; choose among {', '.join(get_args(Source))}.")

    def _check_fractions(self) -> None:
        if not self.fractions:
            return
        if len(self.fractions) != len(self.deposited):
            raise InputError("Give a share for each deposited size or for none, for example 19:0.7,55:0.3.")
        total = float(np.sum(self.fractions))
        if min(self.fractions) < 0 or not (abs(total - 1) <= 0.02 or abs(total - 100) <= 2):
            shares = " + ".join(f"{share:g}" for share in self.fractions)
            raise InputError(f"The deposited shares {shares} do not add up to 1 (or to 100 per cent); check them.")

    @property
    def known(self) -> Known:
        """What is known beforehand of an image counted under these settings."""
        from napari_atomicity.counting.calibrate import Known

        return Known(self.scale, self.scale_sd, self.deposited, self.fractions)


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
    #: what was known of each frame beforehand
    known: dict[int, Known] = field(default_factory=dict)

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
    #: the image before the model was adapted; None where it was not
    before: Classified | None = None
    messages: tuple[str, ...] = ()
    #: seconds a stage
    timings: dict[str, float] = field(default_factory=dict)
    #: names of the images that calibrated each other; empty where this one stood alone
    session: tuple[str, ...] = ()
    #: instrument profile that the scale was taken from
    profile: InstrumentProfile | None = None

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
    return (yield from classify_session_steps([micrograph], [table], bundle, settings))[0]


def classify_session_steps(
    micrographs: Sequence[Micrograph],
    tables: Sequence[ClusterTable],
    bundle: Bundle,
    settings: Settings | Sequence[Settings],
) -> Steps[list[Classified]]:
    """As `classify_steps` for images taken under the same settings of the microscope: they share one scale.

    Parameters
    ----------
    settings
        Of all images, or one entry an image: what was deposited may differ, whether to calibrate (`adapt`) may not
        and is that of the first.
    """
    clocks = [_Clock() for _ in tables]
    return (yield from _session_steps(micrographs, tables, bundle, _each(settings, len(tables)), clocks))


def adapt_steps(classified: Classified | Sequence[Classified], bundle: Bundle, settings: Settings) -> Steps[Adaptation]:
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

    parts = [classified] if isinstance(classified, Classified) else list(classified)
    if not parts:
        raise InputError("There is no image to adapt the model to; classify at least one.")
    _fix_torch_threads()
    table, evidence, patches = _pooled(parts)
    frames = np.zeros(len(table), dtype=np.int64)
    known: list[Known] = []
    for part, start in zip(parts, _starts(parts), strict=True):
        for frame, rows in _rows_by_frame(part.table):
            frames[start + rows] = len(known)
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
        )
    )


def adapted(classified: Sequence[Classified], adaptation: Adaptation) -> list[Classified]:
    """The images that a model was adapted to, as that model sees them: nothing is cut out or looked at again.

    The calibrations stay: the judge of scales knows the features of the model as shipped, not those of its copy.
    """
    if adaptation.evidence is None:
        raise InputError("The adaptation was not accepted, so there is nothing to label anew.")
    done = []
    for part, start in zip(classified, _starts(classified), strict=True):
        seen = adaptation.evidence.take(np.arange(start, start + len(part.table)))
        now = _labelled(part.table, part.patches, seen, part.calibrations, adaptation.bundle)
        done.append(replace(now, known=part.known))
    return done


def remarks(classified: Classified) -> tuple[str, ...]:
    """Sentences that a person must read before using the labels: what is undecided, and what does not fit."""
    said = []
    for frame, calibration in classified.calibrations.items():
        where = f"Frame {frame}: " if len(classified.calibrations) > 1 else ""
        if calibration.ambiguous:
            said.append(f"{where}{_undecided(calibration)}")
        if calibration.misfit:
            said.append(f"{where}{calibration.misfit}")
    if not any(calibration.misfit for calibration in classified.calibrations.values()):
        said += _strange(classified.table)
    return tuple(said)


def _strange(table: ClusterTable) -> list[str]:
    """A sentence where most clusters are none of the classes."""
    sized = int(table.rows["flag"].isin(["ok", "outside"]).sum())
    strange = int((table.rows["flag"] == "outside").sum())
    if strange <= max(_FEW, sized / 2):
        return []
    classes = ", ".join(str(size) for size in table.class_sizes)
    return [
        f"{strange} of {sized} clusters look like none of the sizes that the model knows ({classes} atoms); "
        "check the pixel size, or use a model of other sizes."
    ]


def _undecided(calibration: Calibration) -> str:
    chances = [f"{one['dominant']} ({one['probability']:.0%})" for one in calibration.candidates]
    return (
        f"The image cannot decide whether most clusters are {', '.join(chances[:-1])} or {chances[-1]}. To settle it, "
        "say which sizes were deposited, or count it in one session with a reference or with images of other sizes."
    )


def choose(classified: Classified, frame: int, dominant: str, bundle: Bundle) -> Classified:
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
    return replace(done, known={**classified.known, **told})


def _evidence_steps(bundle: Bundle, patches: Patches) -> Steps[Evidence]:
    from napari_atomicity.counting.classify import evidence_steps

    _fix_torch_threads()
    return (yield from evidence_steps(bundle, patches))


def _session_steps(
    micrographs: Sequence[Micrograph],
    tables: Sequence[ClusterTable],
    bundle: Bundle,
    settings: Sequence[Settings],
    clocks: Sequence[_Clock],
) -> Steps[list[Classified]]:
    """Classify images that calibrate each other, with the seconds that each takes."""
    patches: list[Patches] = []
    evidence: list[Evidence] = []
    for micrograph, table, clock in zip(micrographs, tables, clocks, strict=True):
        patches.append((yield from clock.time("classify", patches_steps(micrograph, table))))
        evidence.append((yield from clock.time("classify", _evidence_steps(bundle, patches[-1]))))
    if not tables:
        return []
    return (yield from clocks[0].time("calibrate", _labelled_steps(tables, patches, evidence, bundle, settings)))


def _labelled_steps(
    tables: Sequence[ClusterTable],
    patches: Sequence[Patches],
    evidence: Sequence[Evidence],
    bundle: Bundle,
    settings: Sequence[Settings],
) -> Steps[list[Classified]]:
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
    found: list[Calibrations] = [{} for _ in tables]
    if settings[0].adapt != "auto" and not any(one.deposited for one in settings):
        for table, one, mine in zip(tables, settings, found, strict=True):
            if one.scale is not None:
                exact = Calibration.at_scale(one.scale, card.class_sizes, card.element)
                mine.update({frame: exact for frame, _ in _rows_by_frame(table)})
        return found
    lots = [(i, frame, rows) for i, table in enumerate(tables) for frame, rows in _rows_by_frame(table)]
    seen = [evidence[i].take(rows) for i, _, rows in lots]
    # what is cut off, merged or saturated has no integral to calibrate on
    use = [tables[i].rows["flag"].isin(["ok", "outside"]).to_numpy()[rows] for i, _, rows in lots]
    if any((fit & part.valid).any() for fit, part in zip(use, seen, strict=True)):
        fits = calibrate_session(seen, [settings[i].known for i, _, _ in lots], use)
        for (i, frame, _), fit in zip(lots, fits, strict=True):
            found[i][frame] = fit
    return found


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
    settings: Settings | Sequence[Settings],
    session: bool = False,
    frames: Iterable[int] | None = None,
    bundle: Bundle | None = None,
    refused: Callable[[Micrograph, InputError], None] | None = None,
) -> Steps[list[Analysis]]:
    """Detect, classify, calibrate and adapt: one `Analysis` an image.

    Parameters
    ----------
    settings
        Of all images, or one entry an image; model, adaptation and seed are those of the first.
    session
        All images were taken under the same settings of the microscope: they calibrate each other, and the model is
        adapted once to all of them. Else each stands alone.
    frames
        Which frames of stacks; all where None.
    bundle
        The model, where it is loaded already; else the one that the settings name.
    refused
        Called for an image that cannot be counted, which is then left out; without it the first one ends the work.
    """
    from napari_atomicity.counting.bundle import load_bundle

    jobs = list(zip(micrographs, _each(settings, len(micrographs)), strict=True))
    if not jobs:
        return []
    model = bundle if bundle is not None else load_bundle(jobs[0][1].model)
    chosen = None if frames is None else list(frames)
    analyses: list[Analysis] = []
    for group in [jobs] if session else [[job] for job in jobs]:
        analyses += yield from _group_steps(group, chosen, model, refused)
    return analyses


def analyse(micrograph: Micrograph, settings: Settings | None = None) -> Analysis:
    """The whole chain on one micrograph, to its end; see `Settings`."""
    return drain(analyse_steps([micrograph], settings or Settings()))[0]


def detect(micrograph: Micrograph, settings: Settings | None = None) -> Detected:
    """Positions and measurements of the clusters of one micrograph."""
    return drain(detect_steps(micrograph, settings or Settings()))


def _group_steps(
    jobs: Sequence[tuple[Micrograph, Settings]],
    frames: Sequence[int] | None,
    base: Bundle,
    refused: Callable[[Micrograph, InputError], None] | None,
) -> Steps[list[Analysis]]:
    """Images that calibrate each other; a single one calibrates itself."""
    group: list[tuple[Micrograph, Settings, Detected, _Clock]] = []
    for micrograph, one in jobs:
        clock = _Clock()
        try:
            found = yield from clock.time("detect", detect_steps(micrograph, one, frames=frames))
        except InputError as error:
            if refused is None:
                raise
            refused(micrograph, error)
            continue
        group.append((micrograph, one, found, clock))
    if not group:
        return []
    images, settings, detected, clocks = (list(column) for column in zip(*group, strict=True))
    before = yield from _session_steps(images, [each.table for each in detected], base, settings, clocks)
    adaptation, after = yield from clocks[0].time("adapt", _adapt_to_all_steps(before, base, settings))
    names = tuple(micrograph.name for micrograph in images) if len(images) > 1 else ()
    return [
        Analysis(
            micrograph=micrograph,
            table=now.table,
            settings=one,
            bundle=base if adaptation is None else adaptation.bundle,
            calibrations=now.calibrations,
            adaptation=adaptation,
            before=was if now is not was else None,
            messages=_messages(micrograph, found, now, adaptation),
            timings=clock.seconds,
            session=names,
        )
        for (micrograph, one, found, clock), was, now in zip(group, before, after, strict=True)
    ]


def _adapt_to_all_steps(
    before: list[Classified], base: Bundle, settings: Sequence[Settings]
) -> Steps[tuple[Adaptation | None, list[Classified]]]:
    """The adaptation, and the images after it: as they were where it was not wanted or not accepted."""
    if settings[0].adapt == "off" or not any(len(each.table) for each in before):
        return None, before
    adaptation = yield from adapt_steps(before, base, settings[0])
    if not adaptation.accepted:
        return adaptation, before
    return adaptation, adapted(before, adaptation)


def _messages(
    micrograph: Micrograph, detected: Detected, classified: Classified, adaptation: Adaptation | None
) -> tuple[str, ...]:
    outcome = () if adaptation is None else (adaptation.reason,)
    return tuple(dict.fromkeys((*micrograph.warnings, *detected.messages, *remarks(classified), *outcome)))


def _pooled(parts: Sequence[Classified]) -> tuple[ClusterTable, Evidence, Patches]:
    """The clusters of several images one after the other, numbered anew; of one image as they are."""
    from napari_atomicity.counting.classify import Evidence
    from napari_atomicity.counting.patches import Patches

    first = parts[0]
    if len(parts) == 1:
        return first.table, first.evidence, first.patches
    rows = pd.concat([part.table.rows for part in parts], ignore_index=True)
    table = ClusterTable(rows.assign(id=np.arange(len(rows))), first.table.class_sizes)
    return table, Evidence.join([part.evidence for part in parts]), Patches.join([part.patches for part in parts])


def _starts(parts: Sequence[Classified]) -> npt.NDArray[np.int64]:
    """(images,) row of the pooled table at which each image begins."""
    return np.cumsum([0, *(len(part.table) for part in parts[:-1])])


def _each(settings: Settings | Sequence[Settings], n: int) -> list[Settings]:
    each = [settings] * n if isinstance(settings, Settings) else list(settings)
    if len(each) != n:
        raise InputError(f"There are settings for {len(each)} images but {n} images; give one entry an image.")
    return each


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
