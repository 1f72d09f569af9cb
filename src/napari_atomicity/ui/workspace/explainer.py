"""Heat maps that stay true: asked for once, they follow labels, places, model and frame."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QTimer

from napari_atomicity import pipeline
from napari_atomicity.document.explanation import MapRequest
from napari_atomicity.errors import InputError
from napari_atomicity.pipeline.count import model_steps
from napari_atomicity.pipeline.explaining import scale_of
from napari_atomicity.progress import Steps

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document
    from napari_atomicity.ui.workspace.workspace import Workspace
from napari_atomicity.pipeline import ImageState

#: many edits come together; one look serves them all
_PAUSE_MS: Final = 250
_NOT_COUNTED: Final = "Count the atoms first (step 3); heat maps show what was counted."
_NO_SCALE: Final = "This frame was not counted, or by an earlier version; count its atoms again (step 3)."


class Explainer:
    """Heat maps of the documents of one viewer, computed anew where something that they depend on has changed."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = weakref.ref(workspace)
        self.work = workspace.new_work()
        #: last explanation of each document, whose maps are taken over where nothing has changed
        self._last: weakref.WeakKeyDictionary[Document, pipeline.Explained] = weakref.WeakKeyDictionary()
        #: what the maps that are shown were made for
        self._made_for: weakref.WeakKeyDictionary[Document, tuple[object, ...]] = weakref.WeakKeyDictionary()
        self._due = False
        self._following: Document | None = None
        workspace.changed.connect(self._on_changed)
        self.work.finished.connect(self._on_finished)

    def steps(self, document: Document, state: ImageState, asked: MapRequest, frame: int) -> Steps[pipeline.Explained]:
        """The heat maps of a frame; computed only for the clusters about which something has changed.

        Raises
        ------
        InputError
            For a frame that is not counted: the maps are in atoms, and nothing says how bright one is.
        """
        if not _counted(state, frame):
            raise InputError(_NOT_COUNTED if state.count is None else _NO_SCALE)
        bundle = state.bundle or (yield from model_steps(document.settings.model))
        done = yield from pipeline.explain_steps(
            state.micrograph,
            state.table,
            bundle,
            frame,
            asked.ids,
            asked.question,
            self._last.get(document),
            state.count,
        )
        _ = done.profiles  # takes a moment, and is wanted at once where it is shown
        return done

    def show(self, document: Document, asked: MapRequest, done: pipeline.Explained, was: ImageState) -> None:
        """Show what `steps` gave for the state `was`; from now on it is kept up to date."""
        workspace = self._workspace()
        if workspace is None:
            return
        maps = workspace.maps_of(document)
        shown = document.attribution
        document.asked = asked
        self._last[document] = done
        self._made_for[document] = _made_for(was, done.frame)
        if maps is not None and (shown is None or shown.overlay is not done.overlay):
            maps.show(done)
        document.explain(done)

    def forget(self, document: Document) -> None:
        """Nothing is to be explained any more."""
        document.asked = None
        self._made_for.pop(document, None)

    # ------------------------------------------------------------------ following

    def _on_changed(self) -> None:
        if not self._due and self._stale() is not None:
            self._due = True
            QTimer.singleShot(_PAUSE_MS, _weak(self))

    @property
    def up_to_date(self) -> bool:
        """Whether the maps of the document in hand are those of what it shows now, and none are being made."""
        return not self._due and not self.work.busy and self._stale() is None

    def _stale(self) -> Document | None:
        """The document in hand, where its maps are not those of what it shows now."""
        workspace = self._workspace()
        document = workspace.document if workspace is not None else None
        if workspace is None or document is None or document.asked is None or not document.micrograph.pixel_size_nm:
            return None
        return document if self._made_for.get(document) != _made_for(document.state, workspace.frame) else None

    def follow(self) -> None:
        """Bring the heat maps up to date, in the background."""
        self._due = False
        workspace, document = self._workspace(), self._stale()
        if workspace is None or document is None or document.asked is None or workspace.work.busy or self.work.busy:
            return  # when that work ends, this is looked at again
        frame, asked, state = workspace.frame, document.asked, document.state
        if document.attribution is not None and document.attribution.frame != frame:
            # those of another frame must not lie over this one
            if (maps := workspace.maps_of(document)) is not None:
                maps.clear()
            document.explain(None)
        made_for = self._made_for[document] = _made_for(state, frame)
        if not len(document.table) or not _counted(state, frame):
            return  # they come back with the next count

        def show(done: pipeline.Explained) -> None:
            if document.asked == asked and _made_for(document.state, frame) == made_for:
                self.show(document, asked, done, state)
            else:
                self._made_for.pop(document, None)  # overtaken meanwhile: the next look catches up

        self._following = document
        self.work.start("Heat maps", lambda: self.steps(document, state, asked, frame), show, document)

    def _on_finished(self, ending: str) -> None:
        if ending == "failed" and self._following is not None:
            self.forget(self._following)  # it was said why; once is enough
        self._following = None
        self._on_changed()


def _counted(state: ImageState, frame: int) -> bool:
    """Whether the clusters of a frame were counted, so that they can be shown in atoms."""
    return math.isfinite(scale_of(state.count, frame))


def _made_for(state: ImageState, frame: int) -> tuple[object, ...]:
    return (state.table, state.bundle, state.micrograph, frame)


def _weak(explainer: Explainer) -> Callable[[], None]:
    """`follow`, by a function that does not keep the explainer alive."""
    explainer_ref = weakref.ref(explainer)

    def follow() -> None:
        if (explainer := explainer_ref()) is not None:
            explainer.follow()

    return follow
