"""What one atom is worth by independent ways, as files and as a sentence."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_atomicity.cli.call_settings import CallSettings
from napari_atomicity.cli.console import Console
from napari_atomicity.cli.detector import detector_of
from napari_atomicity.cli.files import Input, folder, inputs, open_image, save_json, save_rows
from napari_atomicity.cli.requests import ConsistencyRequest
from napari_atomicity.errors import InputError

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.references import ScaleReference
    from napari_atomicity.pipeline import DetectorScan


def consistency(request: ConsistencyRequest, console: Console) -> None:
    """Count each image and write what one atom is worth in it by every way.

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
    from napari_atomicity.counting.profile import check_place
    from napari_atomicity.pipeline.count import model_steps

    settings = CallSettings.of(request)
    if request.save_profile is not None:
        if len(request.images) > 1:
            raise InputError("A profile is saved of one image; give one, or leave --save-profile out.")
        check_place(request.save_profile, request.force)
    bundle = console.drain(settings.common.model, model_steps(settings.common.model))
    settings.check(bundle, console)
    detector = detector_of(request, bundle, console)
    standards = _standards(request, settings, bundle, console)
    target = folder(request.output)
    for each in inputs(request, console):
        one = partial(_compare, each, target, request, settings, bundle, detector, standards, console)
        console.guard(each.stem, one)


def _standards(
    request: ConsistencyRequest, settings: CallSettings, bundle: Bundle, console: Console
) -> list[ScaleReference]:
    """What each standard says."""
    from napari_atomicity.pipeline import analyse_steps, standard_reference

    found = []
    for name, sizes in request.standard:
        known = replace(settings.common, deposited=sizes, fractions=(), intensity_per_atom=None, adapt="off")
        known.known.check(bundle.card.class_sizes)
        micrograph = open_image(Path(name), request)
        state = console.drain(Path(name).stem, analyse_steps([micrograph], known, bundle=bundle))[0]
        found.append(standard_reference(state))
    return found


def _compare(
    each: Input,
    target: Path,
    request: ConsistencyRequest,
    settings: CallSettings,
    bundle: Bundle,
    detector: DetectorScan | None,
    standards: list[ScaleReference],
    console: Console,
) -> None:
    """Count one image, compare, write and say."""
    from napari_atomicity.counting.profile import save_profile
    from napari_atomicity.counting.reference_profile import profile_of_references
    from napari_atomicity.pipeline import analyse_steps, consistency_steps
    from napari_atomicity.provenance import describe_image, versions
    from napari_atomicity.report.consistency import draw_consistency

    micrograph = open_image(each.path, request)
    # what is known takes part afterwards: a scale that is impossible must not keep the clusters from saying so
    alone = replace(settings.common, adapt="off", intensity_per_atom=None, deposited=(), fractions=())
    steps = analyse_steps([micrograph], alone, frames=request.frames, bundle=bundle)
    counted = console.drain(each.stem, steps)[0]
    state = replace(counted, settings=settings.common, profile=settings.profile)
    found = console.drain(each.stem, consistency_steps(state, request.frame, detector, standards))
    paths = [target / f"{each.stem}.consistency.{suffix}" for suffix in ("json", "csv", "png")]
    seen = None if detector is None else {**detector.numbers, "scan": detector.source}
    facts = {"image": describe_image(micrograph), "versions": versions(), "detector": seen}
    save_json(paths[0], {**facts, "consistency": found.as_dict()})
    save_rows(paths[1], found.table(), console)
    draw_consistency(found, paths[2])
    for remark in dict.fromkeys((*state.messages, *found.remarks)):
        console.remark(f"{each.stem}: {remark}")
    console.say(f"{each.stem}: {found.found.sentence}")
    for one in found.found.references:
        console.say(f"  {one.words}: {one.value:.4g} counts nm² per atom (± {one.relative_sd:.0%}), {one.basis}")
    if request.save_profile is not None:
        made = profile_of_references(request.save_profile.stem, found.found, bundle, micrograph, len(state.table))
        save_profile(made, request.save_profile, request.force)
        paths.append(request.save_profile)
    for path in paths:
        console.say(f"  {path}")
