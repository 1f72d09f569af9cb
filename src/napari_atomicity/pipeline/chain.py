"""The whole chain: one micrograph, or several that calibrate each other, from the pixels to an `Analysis`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline.clock import Clock
from napari_atomicity.pipeline.counting import (
    Classified,
    adapt_steps,
    adapted,
    each_setting,
    remarks,
    timed_session_steps,
)
from napari_atomicity.pipeline.finding import Detected, detect_steps
from napari_atomicity.pipeline.settings import Settings
from napari_atomicity.progress import Steps, drain

if TYPE_CHECKING:
    from napari_atomicity.counting.adapt import Adaptation
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.calibrate import Calibration
    from napari_atomicity.counting.profile import InstrumentProfile


@dataclass(frozen=True, eq=False)
class Analysis:
    """One analysed micrograph: its table and everything the numbers depend on."""

    micrograph: Micrograph
    table: ClusterTable
    settings: Settings
    bundle: Bundle
    calibrations: dict[int, Calibration] = field(default_factory=dict)
    adaptation: Adaptation | None = None
    #: the image before the model was adapted; None where it was not
    before: Classified | None = None
    #: what the labels rest on
    classified: Classified | None = None
    messages: tuple[str, ...] = ()
    #: seconds a stage
    timings: dict[str, float] = field(default_factory=dict)
    #: names of the images that calibrated each other; empty where this one stood alone
    session: tuple[str, ...] = ()
    #: instrument profile that the scale was taken from
    profile: InstrumentProfile | None = None

    def report(self) -> dict[str, Any]:
        """Everything about this analysis that is not in the table, JSON-serialisable."""
        from napari_atomicity.report.summary import describe

        return describe(self)


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

    jobs = list(zip(micrographs, each_setting(settings, len(micrographs)), strict=True))
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
    group: list[tuple[Micrograph, Settings, Detected, Clock]] = []
    for micrograph, one in jobs:
        clock = Clock()
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
    before = yield from timed_session_steps(images, [each.table for each in detected], base, settings, clocks)
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
            classified=now,
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
