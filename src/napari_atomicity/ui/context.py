"""The services of one viewer, made once and joined here; none of them knows this room."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_warning

from napari_atomicity.ui.actions import annotate
from napari_atomicity.ui.binding import trouble_here
from napari_atomicity.ui.project.controller import ProjectController
from napari_atomicity.ui.project.recent import RecentImages
from napari_atomicity.ui.shortcuts.bindings import ShortcutBindings
from napari_atomicity.ui.workspace.detector_scan import DetectorView
from napari_atomicity.ui.workspace.explainer import Explainer
from napari_atomicity.ui.workspace.fitting import Fitting
from napari_atomicity.ui.workspace.legend_switch import LegendSwitch
from napari_atomicity.ui.workspace.solo import Solo
from napari_atomicity.ui.workspace.workspace import Workspace

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_atomicity.clusters import ClusterTable
    from napari_atomicity.document.document import Document
    from napari_atomicity.pipeline import ImageState, Repeatability, ScaleConsistency


class Context:
    """What belongs to one viewer.

    Attributes
    ----------
    workspace
        The images, the layers that show them, and the work that runs.
    solo
        Hides the images that are not in hand.
    explainer
        Keeps the heat maps up to date.
    shortcuts
        The keys on the layers.
    legend
        Whether the legend lies on the image.
    project
        Saving, opening and autosaving.
    recent
        Remembers which files were opened.
    fitting
        Shows the image in hand whole.
    detector
        The scan of the detector that is open.
    scales
        Of each document what one atom was last found to be worth, by every way, and of which state.
    repeats
        What repeated frames said last, and of which tables; None while none were compared.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self.workspace = Workspace(viewer)
        self.solo = Solo(self.workspace)
        self.explainer = Explainer(self.workspace)
        self.shortcuts = ShortcutBindings(self.workspace, annotate.do)
        self.legend = LegendSwitch()
        self.project = ProjectController(self.workspace, self.solo)
        self.recent = RecentImages(self.workspace)
        self.detector = DetectorView(self.workspace)
        self.scales: weakref.WeakKeyDictionary[Document, tuple[ImageState, ScaleConsistency]] = (
            weakref.WeakKeyDictionary()
        )
        self.repeats: tuple[Repeatability, list[ClusterTable]] | None = None
        self.workspace.begin()
        self.fitting = Fitting(self.workspace, self.solo)


_CONTEXTS: weakref.WeakKeyDictionary[ViewerModel, Context] = weakref.WeakKeyDictionary()


def context_of(viewer: Any) -> Context:
    """The one context of a viewer; also for the proxy that napari gives to widgets."""
    # the proxy is one of wrapt, whose documentation gives this name to what a proxy stands for
    viewer = getattr(viewer, "__wrapped__", viewer)
    context = _CONTEXTS.get(viewer)
    if context is None:
        context = _CONTEXTS[viewer] = Context(viewer)
        if trouble := trouble_here():
            show_warning(trouble)
    return context
