"""The commands that look at micrographs: analyse, detect, explain."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_atomicity.cli.call_settings import CallSettings
from napari_atomicity.cli.console import Console
from napari_atomicity.cli.detector import detector_of
from napari_atomicity.cli.files import (
    Input,
    check_table,
    folder,
    inputs,
    open_image,
    read_when_asked,
    save_json,
    save_rows,
    save_table,
)
from napari_atomicity.cli.requests import AnalyseRequest, DetectRequest, ExplainRequest, ImagesRequest
from napari_atomicity.errors import InputError

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.calibration import Calibration
    from napari_atomicity.counting.profile import SourceImage
    from napari_atomicity.micrograph import Micrograph
    from napari_atomicity.pipeline import ImageState


def analyse(request: AnalyseRequest, console: Console) -> None:
    """Table, report and figure of each image; on request a profile of the microscope.

    Parameters
    ----------
    request
        The options.
    console
        Where messages go.

    Raises
    ------
    InputError
        For options that contradict each other, and where nothing can be written.
    """
    from napari_atomicity.pipeline.count import model_steps

    settings = CallSettings.of(request, request.reference)
    bundle = console.drain(settings.common.model, model_steps(settings.common.model))
    settings.check(bundle, console)
    _check_profile(request, settings)
    detector = detector_of(request, bundle, console)
    settings = settings.knowing(detector, bundle.card.element)
    target = folder(request.output)
    images = inputs(request, console)
    kept: list[_Kept] = []
    for group in [images] if request.session or settings.references else [[each] for each in images]:
        kept += _analyse_group(group, settings, bundle, target, request, console)
    if request.save_profile is not None and kept:
        _save_profile(request.save_profile, request.force, kept, bundle, console)


#: what is kept of an image once its files are written: a batch needs no more memory than its largest image
_Kept = tuple["list[Calibration]", "SourceImage"]


def _analyse_group(
    group: Sequence[Input],
    settings: CallSettings,
    bundle: Bundle,
    target: Path,
    request: AnalyseRequest,
    console: Console,
) -> list[_Kept]:
    """Analyse images that calibrate each other, or one, and write their files."""
    from napari_atomicity.counting.profile import SourceImage

    what = group[0].stem if len(group) == 1 else ""
    analyses = console.guard(what, lambda: _analyse_together(group, settings, bundle, request, console)) or []
    kept: list[_Kept] = []

    def keep(analysis: ImageState) -> None:
        kept.append((list(analysis.calibrations.values()), SourceImage.of(analysis.micrograph)))

    for stem, analysis in analyses:
        console.guard(stem, partial(_write, analysis, settings, target, stem, request, console))
        if request.save_profile is not None:
            console.guard(stem, partial(keep, analysis))
    if analyses and (request.report or request.figure):
        console.guard(what, lambda: _write_for_print(analyses, settings, target, request, console))
    return kept


def _analyse_together(
    group: Sequence[Input], settings: CallSettings, bundle: Bundle, request: AnalyseRequest, console: Console
) -> list[tuple[str, ImageState]]:
    """Analyse images that calibrate each other; one that cannot be counted is said and left out."""
    from napari_atomicity.pipeline import analyse_steps, metal_doubt

    opened: list[tuple[Input, Micrograph]] = []
    if len(group) == 1:  # before the work, not after it; with others it still calibrates these
        check_table(request.output / f"{group[0].stem}.clusters.csv", counts=True)
    for each in group:
        micrograph = console.guard(each.stem, partial(_opened, each, len(group), request))
        if micrograph is not None:
            opened.append((each, micrograph))
            if doubt := metal_doubt(bundle.card.element, settings.of_image(each.place), micrograph):
                console.remark(doubt)
    stems = {id(micrograph): each.stem for each, micrograph in opened}

    def refused(micrograph: Micrograph, error: InputError) -> None:
        console.refuse(stems[id(micrograph)], error)

    steps = analyse_steps(
        [micrograph for _, micrograph in opened],
        [settings.of_image(each.place) for each, _ in opened],
        session=True,
        frames=request.frames,
        bundle=bundle,
        refused=refused,
        profile=settings.profile,
    )
    analyses = console.drain(group[0].stem, steps)
    counted = {stems[id(analysis.micrograph)] for analysis in analyses}
    for each in group:
        if analyses and each.place in settings.references and each.stem not in counted:
            console.remark(f"{each.stem}: this reference could not be used; the other images were counted without it.")
    return [(stems[id(analysis.micrograph)], analysis) for analysis in analyses]


def _opened(each: Input, n_together: int, request: ImagesRequest) -> Micrograph:
    """The image; one of several keeps no pixels."""
    micrograph = open_image(each.path, request)
    return micrograph if n_together == 1 else read_when_asked(micrograph, each.path, request)


def _write(
    analysis: ImageState, call: CallSettings, target: Path, stem: str, request: AnalyseRequest, console: Console
) -> None:
    from napari_atomicity.cli.explain import explain_analysis, summary
    from napari_atomicity.pipeline import metal_count
    from napari_atomicity.pipeline.doubts import open_labels
    from napari_atomicity.report.figures import draw_clusters
    from napari_atomicity.report.summary import describe

    report, metals = describe(analysis), metal_count(analysis)
    if call.detector is not None:
        report["detector"] = {**call.detector.numbers, "scan": call.detector.source}
    further: list[Path] = []
    paths = [target / f"{stem}.{suffix}" for suffix in ("clusters.csv", "report.json")]
    figure = target / f"{stem}.clusters.png"
    facts = {name: report[name] for name in ("image", "parameters", "versions", "model")}
    if metals is not None:
        facts["metals"] = report["metals"]
        further.append(target / f"{stem}.metals.csv")
        save_rows(further[0], metals.table, console)
    save_table(paths[0], analysis.table, facts, console)

    def explain() -> None:
        explained, written = explain_analysis(analysis, None, target / stem, request.frames, console)
        report["explanation"] = summary(explained)
        further.extend(written)

    if request.explain and len(analysis.table):
        console.guard(f"{stem}: heat maps", explain)
    save_json(paths[1], report)
    shown = analysis.table.rows["frame"]

    def draw() -> None:
        draw_clusters(analysis, figure, int(shown.iloc[0]) if len(shown) else 0)
        paths.append(figure)

    console.guard(f"{stem}: figure", draw)
    outcome = _say_messages(analysis, stem, console)
    counts = report["counts"]
    shares = [f"{row['label']} {100 * row['fraction']:.0f} %" for row in report["ratios"] if row["count"]]
    between = open_labels(analysis.calibrations)
    doubt = f" (undecided: {' or '.join(between)})" if between and shares else ""
    clusters = "1 cluster" if counts["found"] == 1 else f"{counts['found']} clusters"
    console.say(f"{stem}: {clusters}, {counts['analysed']} counted. {', '.join(shares)}{doubt}".rstrip(". "))
    for line in (*outcome, *paths, *further):
        console.say(f"  {line}")


def _write_for_print(
    analyses: Sequence[tuple[str, ImageState]],
    call: CallSettings,
    target: Path,
    request: AnalyseRequest,
    console: Console,
) -> None:
    """The report and the figures that were asked for."""
    from napari_atomicity.report.figures import draw_overlay

    def draw(analysis: ImageState, path: Path) -> None:
        shown = analysis.table.rows["frame"]
        card, frame = analysis.model_in_force.card, int(shown.iloc[0]) if len(shown) else 0
        draw_overlay(analysis.micrograph, analysis.table, card, path, frame)
        console.say(f"  {path}")

    for stem, analysis in analyses:
        for kind in dict.fromkeys(request.figure):  # one that fails costs neither the others nor the report
            console.guard(f"{stem}: {kind}", partial(draw, analysis, target / f"{stem}.overlay.{kind}"))
    if request.report:
        from napari_atomicity.pipeline import consistency_steps
        from napari_atomicity.report import report_steps

        given = call.common.intensity_per_atom
        scales = [
            console.drain(stem, consistency_steps(analysis, None, call.detector, call.ways, given))
            for stem, analysis in analyses
            if call.detector is not None and len(analysis.table)
        ]
        settings = analyses[0][1].settings_in_force
        expected = request.expected or dict(zip(settings.deposited, settings.fractions, strict=False))
        name = analyses[0][0] if len(analyses) == 1 else "session"
        path = target / f"{name}.report.html"
        console.drain(name, report_steps([analysis for _, analysis in analyses], path, expected, scales=scales))
        console.say(f"  {path}")


def _say_messages(analysis: ImageState, stem: str, console: Console) -> list[str]:
    """What was odd, as remarks; gives what came of the adaptation, which is a result and nothing odd."""
    outcome = [] if analysis.adaptation is None else [analysis.adaptation.reason]
    for message in analysis.messages:
        if message not in outcome:
            console.remark(f"{stem}: {message}")
    return outcome


def _check_profile(request: AnalyseRequest, settings: CallSettings) -> None:
    """Raise `InputError` where no profile could be saved in the end."""
    from napari_atomicity.counting.profile import check_place

    if request.save_profile is None:
        return
    if request.adapt != "auto" and not (settings.common.deposited or settings.references):
        raise InputError("--save-profile saves the scale that a calibration finds; leave --adapt at auto.")
    check_place(request.save_profile, request.force)


def _save_profile(path: Path, force: bool, kept: Sequence[_Kept], bundle: Bundle, console: Console) -> None:
    from napari_atomicity.counting.profile import profile_of, save_profile

    def save() -> None:
        calibrations = [fit for fits, _ in kept for fit in fits]
        profile = profile_of(path.stem, calibrations, bundle, [image for _, image in kept])
        save_profile(profile, path, force)
        console.say(
            f"{profile.name}: {profile.intensity_per_atom:.4g} counts nm² per {profile.element} atom "
            f"(± {profile.intensity_per_atom_sd:.0%}), from {profile.clusters} clusters\n  {path}"
        )

    console.guard("", save)


def detect(request: DetectRequest, console: Console) -> None:
    """Positions and measurements of the clusters of each image.

    Parameters
    ----------
    request
        The options.
    console
        Where messages go.

    Raises
    ------
    InputError
        Where nothing can be written.
    """
    from napari_atomicity.pipeline import Settings, detect_steps
    from napari_atomicity.provenance import describe_image, versions

    settings = Settings(sensitivity=request.sensitivity, all_the_same=request.all_the_same)
    target = folder(request.output)

    def analyse_one(each: Input) -> None:
        path = target / f"{each.stem}.clusters.csv"
        check_table(path, counts=False)
        micrograph = open_image(each.path, request)
        detected = console.drain(each.stem, detect_steps(micrograph, settings, frames=request.frames))
        parameters = {"sensitivity": settings.sensitivity, "all_the_same": settings.all_the_same}
        metadata = {"image": describe_image(micrograph), "parameters": parameters, "versions": versions()}
        save_table(path, detected.table, metadata, console)
        for message in (*micrograph.warnings, *detected.messages):
            console.remark(f"{each.stem}: {message}")
        console.say(f"{each.stem}: {len(detected.table)} clusters\n  {path}")

    for each in inputs(request, console):
        console.guard(each.stem, partial(analyse_one, each))


def explain(request: ExplainRequest, console: Console) -> None:
    """Heat maps of each image, a channel a file, with the tables and figures that belong to them.

    Parameters
    ----------
    request
        The options.
    console
        Where messages go.

    Raises
    ------
    InputError
        For options that contradict each other or do not fit the model, and where nothing can be written.
    """
    from napari_atomicity.cli.explain import explain_analysis, question
    from napari_atomicity.pipeline import analyse_steps
    from napari_atomicity.pipeline.count import model_steps

    settings = CallSettings.of(request)
    bundle = console.drain(settings.common.model, model_steps(settings.common.model))
    settings.check(bundle, console)
    asked = question(request, bundle)
    target = folder(request.output)

    def analyse_one(each: Input) -> None:
        micrograph = open_image(each.path, request)
        steps = analyse_steps([micrograph], settings.common, frames=request.frames, bundle=bundle)
        analysis = console.drain(each.stem, steps)[0]
        outcome = _say_messages(analysis, each.stem, console)
        if not len(analysis.table):
            return
        explained, paths = explain_analysis(analysis, asked, target / each.stem, request.frames, console)
        console.say(f"{each.stem}: {sum(len(of_frame.ids) for of_frame in explained)} clusters explained")
        for line in (*outcome, *paths):
            console.say(f"  {line}")

    for each in inputs(request, console):
        console.guard(each.stem, partial(analyse_one, each))
