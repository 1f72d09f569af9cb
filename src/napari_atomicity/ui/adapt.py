"""Step 4: fit the model to this image, and see what that changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from magicgui.widgets import ComboBox, Container

from napari_atomicity.ui import actions
from napari_atomicity.ui.panel import Panel, button, narrow, say

if TYPE_CHECKING:
    from napari_atomicity.ui.document import Document


_MODES = {
    "auto": "the calibrated image",
    "diameter": "clear diameters (paper)",
}


class AdaptPanel(Panel):
    """Adapt the model with one click; one click takes it back."""

    title = "Adapt to this image"

    def build(self) -> None:
        """The two buttons, and before and after."""
        self.mode = ComboBox(
            label="Learn from",
            choices=[(text, name) for name, text in _MODES.items()],
            value="auto",
            tooltip="The clusters that the model is fitted to: those of which the calibrated image is sure, or "
            "those of a clear diameter (Tsukamoto et al., npj Comput. Mater. 12, 143 (2026))",
        )
        narrow(self.mode.native)
        form = Container(widgets=[self.mode], labels=True)
        form.margins = (0, 0, 0, 0)
        self.page.addWidget(form.native)
        self.run = button("Adapt", "Fine-tune the model to this image (a few seconds)", self._run)
        self.back = button("Undo adaptation", "Back to the labels of the model as shipped", self._back)
        self.anchors = button(
            "Select anchors", "Select the clusters that the model was fitted to", self._select_anchors
        )
        self.row(self.run, self.back, self.anchors)
        self.result = self.note("What the adaptation changed")

    def show_document(self, document: Document | None) -> None:
        """Show what the adaptation changed."""
        free = document is not None and not document.micrograph.refusal and not self.bench.work.busy
        adapted = document.state.adaptation if document is not None else None
        self.run.setEnabled(free and adapted is None)
        self.mode.enabled = free and adapted is None
        self.back.setEnabled(free and adapted is not None)
        self.anchors.setEnabled(adapted is not None and len(_anchor_ids(adapted)) > 0)
        if document is None:
            say(self.result, "")
        elif adapted is not None:
            say(self.result, _comparison(document, adapted))
        else:
            say(self.result, document.refused_adaptation)

    def status(self, document: Document) -> str:
        """How many labels the adaptation changed."""
        if document.state.adaptation is None:
            return "not accepted" if document.refused_adaptation else "model as shipped"
        changed, total = _changed(document.state.adaptation)
        return f"adapted, {changed} of {total} labels changed"

    def _run(self) -> None:
        actions.adapt(self.bench, self.mode.value)

    def _back(self) -> None:
        actions.undo_adaptation(self.bench)

    def _select_anchors(self) -> None:
        document = self.document
        if document is not None and document.state.adaptation is not None:
            document.select(_anchor_ids(document.state.adaptation))


def _anchor_ids(adapted: Any) -> list[int]:
    return [int(i) for i in adapted.adaptation.anchors["id"]]


def _changed(adapted: Any) -> tuple[int, int]:
    before, after = (each.table.rows["label"].to_numpy() for each in (adapted.before, adapted.after))
    return int(np.count_nonzero(before != after)), len(after)


def _comparison(document: Document, adapted: Any) -> str:
    """Labels changed, and the share of each class before and after."""
    from napari_atomicity.counting.ratios import class_ratios

    card = document.state.bundle.card
    before, after = (class_ratios(each.table, card) for each in (adapted.before, adapted.after))
    changed, total = _changed(adapted)
    shares = [
        f"{label}: {was:.1%} → {now:.1%}"
        for label, was, now in zip(before["label"], before["fraction"], after["fraction"], strict=True)
        if was > 0 or now > 0
    ]
    return "\n".join([adapted.adaptation.reason, f"{changed} of {total} labels changed.", *shares])
