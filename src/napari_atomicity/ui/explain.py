"""Step 6: heat maps that show what the model looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from magicgui.widgets import ComboBox, Container, FloatSlider

from napari_atomicity.counting.describe import CHANNEL_WORDS
from napari_atomicity.ui import actions
from napari_atomicity.ui.panel import Panel, button, narrow, say

if TYPE_CHECKING:
    from napari_atomicity.ui.document import Document


_OWN = ("each cluster's own class", -1)


class ExplainPanel(Panel):
    """Grad-CAM of all clusters or the selected ones, over the image."""

    title = "See why"

    def build(self) -> None:
        """Which clusters, which class, opacity, what the maps say."""
        self.target = ComboBox(
            label="Class", choices=[_OWN], tooltip="Evidence for which class: each cluster's own label, or one for all"
        )
        self.opacity = FloatSlider(
            label="Opacity", value=0.8, max=1.0, step=0.01, tooltip="How strongly the heat maps cover the image"
        )
        self.opacity.changed.connect(self._set_opacity)
        narrow(self.target.native)
        form = Container(widgets=[self.target, self.opacity], labels=True)
        form.margins = (0, 0, 0, 0)
        self.page.addWidget(form.native)
        self.all = button(
            "All clusters", "Heat maps of all clusters in view (of the frame shown)", lambda: self._run(False)
        )
        self.some = button("Selected", "Heat maps of the selected clusters alone", lambda: self._run(True))
        self.clear = button("Clear", "Take the heat maps off", self._clear)
        self.row(self.all, self.some, self.clear)
        self.result = self.note("How much of the evidence for the class lies in each channel")

    def show_document(self, document: Document | None) -> None:
        """Show choices and what the maps say."""
        free = document is not None and not document.micrograph.refusal and not self.bench.work.busy
        self.all.setEnabled(free)
        self.some.setEnabled(free and document is not None and bool(document.selection))
        self.clear.setEnabled(document is not None and document.attribution is not None)
        for widget in (self.target, self.opacity):
            widget.enabled = free
        if document is not None:
            bundle = document.state.bundle
            self._offer(bundle.card.labels if bundle is not None else ())
        say(self.result, _said(document) if document is not None else "")

    def status(self, document: Document) -> str:
        """How many clusters are explained."""
        done = document.attribution
        return "no heat maps" if done is None else f"{len(done.ids)} clusters explained"

    def _offer(self, labels: tuple[str, ...]) -> None:
        choices = [_OWN, *((label, index) for index, label in enumerate(labels))]
        if [text for text, _ in choices] != self._labels():
            self.target.choices = choices
            # a number means another class now
            self.target.value = _OWN[1]

    def _labels(self) -> list[str]:
        return [self.target.native.itemText(i) for i in range(self.target.native.count())]

    def _run(self, selected: bool) -> None:
        target = self.target.value
        actions.explain(self.bench, selected, None if target < 0 else target)

    def _clear(self) -> None:
        if self.bench.maps is not None and self.document is not None:
            self.bench.maps.clear()
            self.document.explain(None)

    def _set_opacity(self, value: float) -> None:
        if self.bench.maps is not None:
            self.bench.maps.set_opacity(value)


def _said(document: Document) -> str:
    done = document.attribution
    if done is None or not len(done.ids):
        return ""
    names, attribution = done.channel_names, done.attribution
    lines = []
    if len(names) > 1:
        middle = np.nan_to_num(np.nanmedian(np.vstack([attribution.share, np.full(len(names), np.nan)]), axis=0))
        words = [f"{share:.0%} {CHANNEL_WORDS.get(name, name)}" for name, share in zip(names, middle, strict=True)]
        lines.append(f"Evidence (median): {', '.join(words)}")
    empty = int(attribution.empty.all(axis=1).sum())
    if empty:
        lines.append(f"{empty} without any evidence for the class: nothing is drawn there.")
    lines.append(f"Detail finer than {attribution.resolution_nm:.2f} nm in the maps means nothing.")
    return "\n".join(lines)
