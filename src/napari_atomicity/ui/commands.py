"""Commands of the manifest: what napari's menus and command palette call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari_atomicity.project import SUFFIX
from napari_atomicity.ui import actions, annotating, saving, together
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


def label_as(place: int) -> Callable[..., None]:
    """Command that labels the selected clusters as the class at `place` (from 1) in the list of the model."""

    def command(viewer: Any = None) -> None:
        annotating.do(_bench(viewer), f"class_{place}")

    return command


label_1, label_2, label_3, label_4, label_5 = (label_as(place) for place in range(1, 6))
label_6, label_7, label_8, label_9, label_10 = (label_as(place) for place in range(6, 11))


def label_other(viewer: Any = None) -> None:
    """Label the selected clusters as none of the classes."""
    annotating.do(_bench(viewer), "other")


def accept(viewer: Any = None) -> None:
    """Label the selected clusters as the model does."""
    annotating.do(_bench(viewer), "accept")


def clear_labels(viewer: Any = None) -> None:
    """Take the labels of the selected clusters back."""
    annotating.do(_bench(viewer), "clear")


def next_cluster(viewer: Any = None) -> None:
    """The next cluster of the review."""
    annotating.do(_bench(viewer), "next")


def previous_cluster(viewer: Any = None) -> None:
    """The previous cluster of the review."""
    annotating.do(_bench(viewer), "previous")


def next_uncertain(viewer: Any = None) -> None:
    """The least certain cluster without a label."""
    annotating.do(_bench(viewer), "uncertain")


def show_keys(viewer: Any = None) -> None:
    """Show the table of keys, or hide it."""
    annotating.do(_bench(viewer), "keys")


def _bench(viewer: Any) -> Bench:
    import napari

    return bench_of(viewer if viewer is not None else napari.current_viewer())
