"""An image of a session, to be opened in a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_atomicity.live.counting import live_count_steps
from napari_atomicity.live.running_scale import RunningScale
from napari_atomicity.live.seen import Seen
from napari_atomicity.live.session import LiveSession
from napari_atomicity.progress import Steps

if TYPE_CHECKING:
    from napari_atomicity.pipeline import ImageState


def opened_steps(session: LiveSession, seen: Seen) -> Steps[ImageState | None]:
    """An image counted with the scale that its session has by now; nothing is written, and the session stays as it is.

    Parameters
    ----------
    session
        The session.
    seen
        One of its counted images.

    Returns
    -------
    None where its pixels or its table are gone.
    """
    state = session.state_of(seen, keep_pixels=True)
    if state is None:
        return None
    scale = RunningScale(session.settings.known)
    scale.join(dict(session.scale.parts()))
    return (yield from live_count_steps(state, session.bundle, scale, seen.sha256)).state
