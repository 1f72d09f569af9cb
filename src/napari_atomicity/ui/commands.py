"""Commands of the manifest: what napari's menus and command palette call."""

from __future__ import annotations

from typing import Any

from napari_atomicity.ui import actions, together
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


def _bench(viewer: Any) -> Bench:
    import napari

    return bench_of(viewer if viewer is not None else napari.current_viewer())
