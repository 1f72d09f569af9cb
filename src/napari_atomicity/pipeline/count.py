"""The chain from an image to its count: search, count, calibrate together, adapt. Written once, for all who call it.

Every step takes images as far as they have come (`ImageState`, whose `settings` say what is to be done) and gives new
ones. The window keeps each of them as a step of an image's history; the command line goes through all at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.pipeline.adaptation import AppliedAdaptation, adapt_steps, adapted
from napari_atomicity.pipeline.clock import Clock
from napari_atomicity.pipeline.counting import Count, choose, timed_session_steps
from napari_atomicity.pipeline.finding import detect_steps
from napari_atomicity.pipeline.state import ImageState
from napari_atomicity.progress import Progress, Steps

if TYPE_CHECKING:
    from napari_atomicity.counting.adapt import Adaptation
    from napari_atomicity.counting.bundle import Bundle


def model_steps(name: str) -> Steps[Bundle]:
    """The model of that name or path; the first time it takes a moment, for PyTorch comes with it."""
    yield Progress(0, 0, "Loading the model")
    from napari_atomicity.counting.bundle import load_bundle

    return load_bundle(name)


def search_steps(state: ImageState, frames: Iterable[int] | None = None) -> Steps[ImageState]:
    """Find and measure the clusters of an image; what a person did in its table stays.

    Parameters
    ----------
    state
        The image, with the settings of the search.
    frames
        Which frames of a stack; all where None.

    Returns
    -------
    The image with its clusters and without a count.

    Raises
    ------
    InputError
        For an image that cannot be counted or has no pixel size.
    """
    clock, table = Clock(), state.table
    # an empty table that nothing was removed from has nothing to keep
    previous = table if len(table) or len(table.removed) else None
    detected = yield from clock.time(
        "detect", detect_steps(state.micrograph, state.settings_in_force, previous, frames)
    )
    return state.uncounted(
        table=detected.table,
        searched=True,
        search_messages=detected.messages,
        profile=state.profile,
        timings=clock.seconds,
    )


def label_steps(states: Sequence[ImageState], bundle: Bundle) -> Steps[list[ImageState]]:
    """Count images with one model and, where there are several, with one intensity of an atom.

    Parameters
    ----------
    states
        Images whose clusters are found, with the settings of the count, all taken under the same settings of the
        microscope. What a person chose among the candidates of undecided frames is chosen again where it still can be.
    bundle
        The model.

    Returns
    -------
    The images with their counts, in the same order; none of them carries an adaptation.
    """
    clocks = [Clock() for _ in states]
    settings = [state.settings_in_force for state in states]
    micrographs, tables = [state.micrograph for state in states], [state.table for state in states]
    counts = yield from timed_session_steps(micrographs, tables, bundle, settings, clocks)
    names = tuple(state.micrograph.name for state in states) if len(states) > 1 else ()
    return [
        _counted(replace(state, adaptation=None, counted_with=names), offered, bundle, clock.seconds)
        for state, offered, clock in zip(states, counts, clocks, strict=True)
    ]


def count_steps(states: Sequence[ImageState], base: Bundle) -> Steps[list[ImageState]]:
    """Count images, adapt the model once to all of them where the settings say so, and count anew where that helps.

    Parameters
    ----------
    states
        As for `label_steps`; whether to adapt, and to what, is said by the settings of the first.
    base
        The model to begin with.

    Returns
    -------
    The images with their counts; where the model was adapted or the adaptation was refused, with `adaptation`.
    """
    before = yield from label_steps(states, base)
    return (yield from refine_steps(before, base))


def refine_steps(before: Sequence[ImageState], base: Bundle) -> Steps[list[ImageState]]:
    """Adapt a model once to counted images where their settings say so, and count anew where that helps.

    Parameters
    ----------
    before
        What `label_steps` gave.
    base
        The model that counted.

    Returns
    -------
    The images; where the model was adapted or the adaptation was refused, with `adaptation`.
    """
    if not before:
        return []
    settings = before[0].settings_in_force
    if settings.adapt == "off" or not any(len(state.table) for state in before):
        return list(before)
    clock, counts = Clock(), [_count(state) for state in before]
    adaptation = yield from clock.time("adapt", adapt_steps(counts, base, settings))
    after: Sequence[Count | None] = adapted(counts, adaptation) if adaptation.accepted else [None] * len(before)
    anchors = _anchors_of_each(adaptation.anchors, [state.table for state in before])
    names = tuple(state.micrograph.name for state in before)
    adapted_states = [
        apply_adaptation(state, offered, adaptation, own, names)
        for state, offered, own in zip(before, after, anchors, strict=True)
    ]
    adapted_states[0] = replace(adapted_states[0], timings={**adapted_states[0].timings, **clock.seconds})
    return adapted_states


def apply_adaptation(
    state: ImageState, offered: Count | None, adaptation: Adaptation, anchors: pd.DataFrame, images: tuple[str, ...]
) -> ImageState:
    """A counted image after an adaptation.

    Parameters
    ----------
    state
        The image as the model before the adaptation counted it.
    offered
        Its count by the adapted model; None where the adaptation was not accepted.
    adaptation, anchors, images
        As in `AppliedAdaptation`.

    Returns
    -------
    The image with `adaptation`, and with its new count where the adaptation was accepted.
    """
    after = state if offered is None else _counted(state, offered, adaptation.bundle, {})
    applied = AppliedAdaptation(
        adaptation=adaptation,
        base=state.model_in_force,
        before=_count(state),
        offered=state.offered or _count(state),
        after=None if offered is None else after.count,
        anchors=anchors,
        images=images,
    )
    return replace(after, adaptation=applied)


def chosen(offered: Count, choices: Mapping[int, str], bundle: Bundle) -> Count:
    """A count with a person's choices, where its frames are undecided between the chosen candidate and others.

    Parameters
    ----------
    offered
        The count without them.
    choices
        The dominant class by frame.
    bundle
        The model that counted.
    """
    result = offered
    for frame, dominant in choices.items():
        fit = offered.calibrations.get(frame)
        if fit is not None and fit.ambiguous and dominant in {c["dominant"] for c in fit.candidates}:
            result = choose(result, frame, dominant, bundle)
    return result


def _counted(state: ImageState, offered: Count, bundle: Bundle, seconds: Mapping[str, float]) -> ImageState:
    count = chosen(offered, state.choices, bundle)
    timings = {**state.timings, **seconds}
    return replace(
        state, table=count.table, bundle=bundle, count=count, offered=offered, timings=timings, when=time.time()
    )


def _count(state: ImageState) -> Count:
    if state.count is None:
        raise ValueError(f"{state.micrograph.name} is not counted")
    return state.count


def _anchors_of_each(anchors: pd.DataFrame, tables: Sequence[ClusterTable]) -> list[pd.DataFrame]:
    """The anchors that lie in each image, with its ids; those of several images are numbered one after the other."""
    if len(tables) == 1:
        return [anchors]
    starts = np.cumsum([0, *(len(table) for table in tables)])
    of_each = []
    for start, stop, table in zip(starts, starts[1:], tables, strict=False):
        own = anchors[anchors["id"].between(start, stop - 1)]
        of_each.append(own.assign(id=table.ids[own["id"].to_numpy() - start]).reset_index(drop=True))
    return of_each
