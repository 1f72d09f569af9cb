"""The commands that look at micrographs: analyse, detect, explain."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_atomicity.cli.console import Console
from napari_atomicity.cli.facts import Facts
from napari_atomicity.cli.files import (
    Input,
    check_table,
    folder,
    frames,
    inputs,
    open_image,
    read_when_asked,
    save_json,
    save_table,
)
from napari_atomicity.errors import InputError

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.calibrate import Calibration
    from napari_atomicity.counting.profile import SourceImage
    from napari_atomicity.micrograph import Micrograph
    from napari_atomicity.pipeline import ImageState


def analyse(options: argparse.Namespace, console: Console) -> None:
    """Table, report and figure of each image; on request a profile of the microscope."""
    from napari_atomicity.pipeline.count import model_steps

    facts = Facts.of(options)
    bundle = console.drain(facts.common.model, model_steps(facts.common.model))
    facts.check(bundle, console)
    _check_profile(options, facts)
    target = folder(options.output)
    images = inputs(options, console)
    done: list[_Kept] = []
    for group in [images] if options.session or facts.references else [[each] for each in images]:
        done += _group(group, facts, bundle, target, options, console)
    if options.save_profile is not None and done:
        _save_profile(options, done, bundle, console)


#: what is kept of an image once its files are written: a batch needs no more memory than its largest image
_Kept = tuple["list[Calibration]", "SourceImage"]


def _group(
    group: Sequence[Input],
    facts: Facts,
    bundle: Bundle,
    target: Path,
    options: argparse.Namespace,
    console: Console,
) -> list[_Kept]:
    """Analyse images that calibrate each other, or one, and write their files."""
    from napari_atomicity.counting.profile import SourceImage

    what = group[0].stem if len(group) == 1 else ""
    found = console.guard(what, lambda: _together(group, facts, bundle, options, console)) or []
    kept: list[_Kept] = []

    def keep(analysis: ImageState) -> None:
        kept.append((list(analysis.calibrations.values()), SourceImage.of(analysis.micrograph)))

    for stem, analysis in found:
        console.guard(stem, partial(_write, analysis, target, stem, options, console))
        if options.save_profile is not None:
            console.guard(stem, partial(keep, analysis))
    if found and (options.report or options.figure):
        console.guard(what, lambda: _write_for_print(found, target, options, console))
    return kept


def _together(
    group: Sequence[Input], facts: Facts, bundle: Bundle, options: argparse.Namespace, console: Console
) -> list[tuple[str, ImageState]]:
    """Analyse images that calibrate each other; one that cannot be counted is said and left out."""
    from napari_atomicity.pipeline import analyse_steps

    opened: list[tuple[Input, Micrograph]] = []
    if len(group) == 1:  # before the work, not after it; with others it still calibrates these
        check_table(options.output / f"{group[0].stem}.clusters.csv", counts=True)
    for each in group:
        micrograph = console.guard(each.stem, lambda each=each: _opened(each, len(group), options))  # type: ignore[misc]
        if micrograph is not None:
            opened.append((each, micrograph))
    stems = {id(micrograph): each.stem for each, micrograph in opened}
    settings = [facts.settings(each.place) for each, _ in opened]

    def refused(micrograph: Micrograph, error: InputError) -> None:
        console.refuse(stems[id(micrograph)], error)

    steps = analyse_steps(
        [micrograph for _, micrograph in opened], settings, True, frames(options), bundle, refused, facts.profile
    )
    done = console.drain(group[0].stem, steps)
    counted = {stems[id(analysis.micrograph)] for analysis in done}
    for each in group:
        if done and each.place in facts.references and each.stem not in counted:
            console.remark(f"{each.stem}: this reference could not be used; the other images were counted without it.")
    return [(stems[id(analysis.micrograph)], analysis) for analysis in done]


def _opened(each: Input, together: int, options: argparse.Namespace) -> Micrograph:
    """The image; one of several keeps no pixels."""
    micrograph = open_image(each.path, options)
    return micrograph if together == 1 else read_when_asked(micrograph, each.path, options)


def _write(analysis: ImageState, target: Path, stem: str, options: argparse.Namespace, console: Console) -> None:
    from napari_atomicity.cli.explain import explain_analysis, summary
    from napari_atomicity.report.figures import draw_clusters
    from napari_atomicity.report.summary import describe

    report = describe(analysis)
    further: list[Path] = []
    paths = [target / f"{stem}.{suffix}" for suffix in ("clusters.csv", "report.json")]
    figure = target / f"{stem}.clusters.png"
    facts = {name: report[name] for name in ("image", "parameters", "versions", "model")}
    save_table(paths[0], analysis.table, facts, console)

    def explain() -> None:
        explained, written = explain_analysis(analysis, None, target / stem, frames(options), console)
        report["explanation"] = summary(explained)
        further.extend(written)

    if options.explain and len(analysis.table):
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
    found = "1 cluster" if counts["found"] == 1 else f"{counts['found']} clusters"
    console.say(f"{stem}: {found}, {counts['analysed']} counted. {', '.join(shares)}".rstrip(". "))
    for line in (*outcome, *paths, *further):
        console.say(f"  {line}")


def _write_for_print(
    found: Sequence[tuple[str, ImageState]], target: Path, options: argparse.Namespace, console: Console
) -> None:
    """The report and the figures that were asked for."""
    from napari_atomicity.report.figures import draw_overlay

    def draw(analysis: ImageState, path: Path) -> None:
        shown = analysis.table.rows["frame"]
        card, frame = analysis.model_in_force.card, int(shown.iloc[0]) if len(shown) else 0
        draw_overlay(analysis.micrograph, analysis.table, card, path, frame)
        console.say(f"  {path}")

    for stem, analysis in found:
        for kind in dict.fromkeys(options.figure):  # one that fails costs neither the others nor the report
            console.guard(f"{stem}: {kind}", partial(draw, analysis, target / f"{stem}.overlay.{kind}"))
    if options.report:
        from napari_atomicity.pipeline import Settings
        from napari_atomicity.report import report_steps

        settings = found[0][1].settings or Settings()
        expected = options.expected or dict(zip(settings.deposited, settings.fractions, strict=False))
        name = found[0][0] if len(found) == 1 else "session"
        path = target / f"{name}.report.html"
        console.drain(name, report_steps([analysis for _, analysis in found], path, expected))
        console.say(f"  {path}")


def _say_messages(analysis: ImageState, stem: str, console: Console) -> list[str]:
    """What was odd, as remarks; gives what came of the adaptation, which is a result and nothing odd."""
    outcome = [] if analysis.adaptation is None else [analysis.adaptation.reason]
    for message in analysis.messages:
        if message not in outcome:
            console.remark(f"{stem}: {message}")
    return outcome


def _check_profile(options: argparse.Namespace, facts: Facts) -> None:
    """Raise `InputError` where no profile could be saved in the end."""
    from napari_atomicity.counting.profile import check_place

    if options.save_profile is None:
        return
    if options.adapt != "auto" and not (facts.common.deposited or facts.references):
        raise InputError("--save-profile saves the scale that a calibration finds; leave --adapt at auto.")
    check_place(options.save_profile, options.force)


def _save_profile(options: argparse.Namespace, done: Sequence[_Kept], bundle: Bundle, console: Console) -> None:
    from napari_atomicity.counting.profile import profile_of, save_profile

    path: Path = options.save_profile

    def save() -> None:
        calibrations = [fit for fits, _ in done for fit in fits]
        profile = profile_of(path.stem, calibrations, bundle, [image for _, image in done])
        save_profile(profile, path, options.force)
        console.say(
            f"{profile.name}: {profile.scale:.4g} counts nm² per {profile.element} atom (± {profile.scale_sd:.0%}), "
            f"from {profile.clusters} clusters\n  {path}"
        )

    console.guard("", save)


def detect(options: argparse.Namespace, console: Console) -> None:
    """Positions and measurements of the clusters of each image."""
    from napari_atomicity.pipeline import Settings, detect_steps
    from napari_atomicity.provenance import describe_image, versions

    settings = Settings(sensitivity=options.sensitivity)
    target = folder(options.output)

    def work(each: Input) -> None:
        path = target / f"{each.stem}.clusters.csv"
        check_table(path, counts=False)
        micrograph = open_image(each.path, options)
        found = console.drain(each.stem, detect_steps(micrograph, settings, frames=frames(options)))
        parameters = {"sensitivity": settings.sensitivity}
        metadata = {"image": describe_image(micrograph), "parameters": parameters, "versions": versions()}
        save_table(path, found.table, metadata, console)
        for message in (*micrograph.warnings, *found.messages):
            console.remark(f"{each.stem}: {message}")
        console.say(f"{each.stem}: {len(found.table)} clusters\n  {path}")

    for each in inputs(options, console):
        console.guard(each.stem, lambda each=each: work(each))  # type: ignore[misc]


def explain(options: argparse.Namespace, console: Console) -> None:
    """Heat maps of each image, a channel a file, with the tables and figures that belong to them."""
    from napari_atomicity.cli.explain import explain_analysis, question
    from napari_atomicity.pipeline import analyse_steps
    from napari_atomicity.pipeline.count import model_steps

    facts = Facts.of(options)
    bundle = console.drain(facts.common.model, model_steps(facts.common.model))
    facts.check(bundle, console)
    asked = question(options, bundle)
    target = folder(options.output)

    def work(each: Input) -> None:
        micrograph = open_image(each.path, options)
        steps = analyse_steps([micrograph], facts.common, frames=frames(options), bundle=bundle)
        analysis = console.drain(each.stem, steps)[0]
        outcome = _say_messages(analysis, each.stem, console)
        if not len(analysis.table):
            return
        explained, paths = explain_analysis(analysis, asked, target / each.stem, frames(options), console)
        console.say(f"{each.stem}: {sum(len(one.ids) for one in explained)} clusters explained")
        for line in (*outcome, *paths):
            console.say(f"  {line}")

    for each in inputs(options, console):
        console.guard(each.stem, lambda each=each: work(each))  # type: ignore[misc]
