"""Commands of the manifest: what napari's menus and command palette call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_atomicity.session import SUFFIX
from napari_atomicity.ui import actions, saving, together
from napari_atomicity.ui.bench import Bench, bench_of


def analyse(viewer: Any = None) -> None:
    """Find and classify in one go."""
    actions.analyse(_bench(viewer))


def detect(viewer: Any = None) -> None:
    """Find the clusters."""
    actions.detect(_bench(viewer))


def classify(viewer: Any = None) -> None:
    """Count the atoms."""
    actions.classify(_bench(viewer))


def adapt(viewer: Any = None) -> None:
    """Adapt the model to the image."""
    actions.adapt(_bench(viewer))


def undo_adaptation(viewer: Any = None) -> None:
    """Back to the model as shipped."""
    actions.undo_adaptation(_bench(viewer))


def calibrate_together(viewer: Any = None) -> None:
    """Count the ticked images with one scale."""
    together.calibrate(_bench(viewer))


def use_for_session(viewer: Any = None) -> None:
    """Label the ticked images with the adapted model of the one in hand."""
    together.hand_on(_bench(viewer))


def explain(viewer: Any = None) -> None:
    """Heat maps of all clusters."""
    actions.explain(_bench(viewer))


def undo(viewer: Any = None) -> None:
    """One step back."""
    actions.undo(_bench(viewer))


def redo(viewer: Any = None) -> None:
    """One step forward."""
    actions.redo(_bench(viewer))


def save_session(viewer: Any = None) -> None:
    """Write the session to its file, or ask for one."""
    saving.save(_bench(viewer))


def save_session_as(viewer: Any = None) -> None:
    """Ask for a file and write the session to it."""
    saving.save_as(_bench(viewer))


def open_session(viewer: Any = None) -> None:
    """Ask for a session and open it."""
    saving.ask_open(_bench(viewer))


def get_session_reader(path: Any) -> Any:
    """For session files that are dropped on the window: they open in the documents, not as layers of napari."""
    paths = [Path(one) for one in ([path] if isinstance(path, str | Path) else path)]
    if any(one.suffix.lower() != SUFFIX for one in paths):
        return None

    def read(_: Any) -> list[tuple[None]]:
        for one in paths:
            _bench(None).sessions.open(one)
        return [(None,)]  # nothing for napari to add

    return read


def _bench(viewer: Any) -> Bench:
    import napari

    return bench_of(viewer if viewer is not None else napari.current_viewer())
