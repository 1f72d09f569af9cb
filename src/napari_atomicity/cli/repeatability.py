"""How well repeated frames of one field agree, as files and as a sentence."""

from __future__ import annotations

from napari_atomicity.cli.call_settings import CallSettings
from napari_atomicity.cli.console import Console
from napari_atomicity.cli.files import folder, inputs, open_image, save_json, save_rows
from napari_atomicity.cli.requests import RepeatabilityRequest


def repeatability(request: RepeatabilityRequest, console: Console) -> None:
    """Count repeated frames of one field and write how well they agree.

    Parameters
    ----------
    request
        The options.
    console
        Where messages go.

    Raises
    ------
    InputError
        For options that contradict each other, images that are no repeats, and where nothing can be written.
    """
    from napari_atomicity.pipeline import analyse_steps, repeatability_steps
    from napari_atomicity.pipeline.count import model_steps
    from napari_atomicity.provenance import describe_image, versions
    from napari_atomicity.report import report_steps
    from napari_atomicity.report.repeatability import draw_repeatability, repeatability_lines

    settings = CallSettings.of(request)
    bundle = console.drain(settings.common.model, model_steps(settings.common.model))
    settings.check(bundle, console)
    target = folder(request.output)
    named = inputs(request, console)
    micrographs = [open_image(each.path, request) for each in named]
    stem = named[0].stem
    steps = analyse_steps(
        micrographs, settings.common, session=request.session, bundle=bundle, profile=settings.profile
    )
    states = console.drain(stem, steps)
    found = console.drain(stem, repeatability_steps(states, align=request.align))
    facts = {"images": [describe_image(each) for each in micrographs], "versions": versions()}
    paths = [target / f"{stem}.repeatability.{suffix}" for suffix in ("json", "csv", "png")]
    save_json(paths[0], {**facts, "repeatability": found.as_dict()})
    save_rows(paths[1], found.measured, console)
    draw_repeatability(found, paths[2])
    if request.report == "html":
        paths.append(target / f"{stem}.report.html")
        console.drain(stem, report_steps(states, paths[-1], repeats=found))
    for remark in found.remarks:
        console.remark(f"{stem}: {remark}")
    console.say(f"{stem}: {found.precision.sentence}")
    for line in (*(f"{name}: {value}" for name, value in repeatability_lines(found)), *paths):
        console.say(f"  {line}")
