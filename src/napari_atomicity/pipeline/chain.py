"""The whole chain in one call, as the command line and scripts use it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline.count import count_steps, search_steps
from napari_atomicity.pipeline.counting import each_setting
from napari_atomicity.pipeline.finding import Detected, detect_steps
from napari_atomicity.pipeline.settings import Settings
from napari_atomicity.pipeline.state import ImageState
from napari_atomicity.progress import Steps, drain

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.profile import InstrumentProfile


def analyse_steps(
    micrographs: Sequence[Micrograph],
    settings: Settings | Sequence[Settings],
    session: bool = False,
    frames: Iterable[int] | None = None,
    bundle: Bundle | None = None,
    refused: Callable[[Micrograph, InputError], None] | None = None,
    profile: InstrumentProfile | None = None,
) -> Steps[list[ImageState]]:
    """Search, count, calibrate and adapt: one `ImageState` an image.

    Parameters
    ----------
    micrographs
        The images.
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
    profile
        Instrument profile that the known intensity of one atom in the settings came from.

    Returns
    -------
    The images in their order, without those that were refused.

    Raises
    ------
    InputError
        For an image that cannot be counted, unless `refused` is given, and for settings that do not fit the model.
    """
    from napari_atomicity.counting.bundle import load_bundle

    states = [
        ImageState(micrograph, settings=own, profile=profile)
        for micrograph, own in zip(micrographs, each_setting(settings, len(micrographs)), strict=True)
    ]
    if not states:
        return []
    model = bundle if bundle is not None else load_bundle(states[0].settings_in_force.model)
    chosen = None if frames is None else list(frames)
    analysed: list[ImageState] = []
    for group in [states] if session else [[state] for state in states]:
        searched = yield from _search_each_steps(group, chosen, refused)
        analysed += yield from count_steps(searched, model)
    return analysed


def analyse(micrograph: Micrograph, settings: Settings | None = None) -> ImageState:
    """The whole chain on one micrograph, to its end; see `Settings` and `ImageState`.

    Parameters
    ----------
    micrograph
        The image.
    settings
        As they are by default where None.

    Raises
    ------
    InputError
        For an image that cannot be counted.
    """
    return drain(analyse_steps([micrograph], settings or Settings()))[0]


def detect(micrograph: Micrograph, settings: Settings | None = None) -> Detected:
    """Positions and measurements of the clusters of one micrograph.

    Parameters
    ----------
    micrograph
        The image.
    settings
        As they are by default where None.

    Raises
    ------
    InputError
        For an image that cannot be counted.
    """
    return drain(detect_steps(micrograph, settings or Settings()))


def _search_each_steps(
    states: Sequence[ImageState],
    frames: Sequence[int] | None,
    refused: Callable[[Micrograph, InputError], None] | None,
) -> Steps[list[ImageState]]:
    searched: list[ImageState] = []
    for state in states:
        try:
            searched.append((yield from search_steps(state, frames)))
        except InputError as error:
            if refused is None:
                raise
            refused(state.micrograph, error)
    return searched
