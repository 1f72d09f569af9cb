"""Step 6: heat maps that show what the model looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from magicgui.widgets import ComboBox, Container, FloatSlider
from napari.utils.notifications import show_warning
from qtpy.QtWidgets import QAbstractSpinBox, QPushButton

from napari_atomicity.errors import InputError
from napari_atomicity.ui.actions import single
from napari_atomicity.ui.widgets.controls import button, narrow, say
from napari_atomicity.ui.widgets.panel import Panel
from napari_atomicity.ui.workspace.docks import open_dock
from napari_atomicity.wording import channel_words

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document
    from napari_atomicity.insight.attribution import Attribution
    from napari_atomicity.pipeline import Explained

_OWN: Final = ("each cluster's own class", "")
_OTHERS: Final = ("the next smaller size", "")
_METHODS: Final = [
    ("Atoms per nm² (what was counted)", "density"),
    ("Grad-CAM (a channel each, as in the paper)", "grad-cam"),
    ("HiResCAM (the same, cell by cell)", "hires-cam"),
    ("Integrated gradients (finer, slower)", "integrated-gradients"),
]
_METHODS_TIP: Final = (
    "Atoms per nm² add up to the count, which decides most of all. Grad-CAM and HiResCAM show what each channel's last "
    "maps contribute, with one weight a map or cell by cell; HiResCAM of the local contrast misleads. Integrated "
    "gradients go down to the pixels. Their agreement is shown below as a number."
)
_MORE: Final = (
    ("Cluster card", "Everything about the selected cluster, and what it looks most like", "Cluster card"),
    ("Feature map", "Where the clusters lie among the model's classes", "Feature map"),
    ("What it uses", "From the centre to the contour: where each class is recognised", "What the model uses"),
)


class ExplainPanel(Panel):
    """Heat maps of all clusters or the selected ones, over the image."""

    title = "See why"

    def build(self) -> None:
        """Which question, which clusters, opacity, what the maps say."""
        self.target = ComboBox(
            label="Why", choices=[_OWN], tooltip="Evidence for which class: each cluster's own label, or one for all"
        )
        self.against = ComboBox(
            label="and not", choices=[_OTHERS], tooltip="Held against which class: why 55 and not 41?"
        )
        self.method = ComboBox(label="Method", choices=_METHODS, tooltip=_METHODS_TIP)
        self.opacity = FloatSlider(
            label="Opacity", value=0.8, max=1.0, step=0.01, tooltip="How strongly the heat maps cover the image"
        )
        self.opacity.changed.connect(self._set_opacity)
        self._fields = (self.target, self.against, self.method, self.opacity)
        for box in self._fields[:3]:
            narrow(box.native)
        form = Container(widgets=list(self._fields), labels=True)
        form.margins = (0, 0, 0, 0)
        self.page.addWidget(form.native)
        for number in self.opacity.native.findChildren(QAbstractSpinBox):
            number.setAccessibleName("Opacity")
        self.all = button(
            "Explain all", "Heat maps of all clusters in view (of the frame shown)", lambda: self._run(False)
        )
        self.some = button("Explain selected", "Heat maps of the selected clusters alone", lambda: self._run(True))
        self.clear = button("Clear", "Take the heat maps off", self._clear)
        self.row(self.all, self.some, self.clear)
        self.result = self.note("What the heat maps rest on, and how far they can be trusted")
        self.more = [self._opener(*each) for each in _MORE]
        self.row(*self.more)

    def show_document(self, document: Document | None) -> None:
        """Show choices and what the maps say."""
        self.all.setEnabled(self.can_act)
        self.some.setEnabled(self.can_act and document is not None and bool(document.selection))
        self.clear.setEnabled(document is not None and document.asked is not None)
        for widget in self._fields:
            widget.enabled = self.can_act
        if document is not None:
            bundle = document.state.bundle
            self._offer(bundle.card.labels if bundle is not None else ())
        say(self.result, _heat_map_words(document) if document is not None else "")

    def status(self, document: Document) -> str:
        """How many clusters are explained."""
        done = document.attribution
        return "no heat maps" if done is None else f"{len(done.ids)} clusters explained"

    def _offer(self, labels: tuple[str, ...]) -> None:
        for box, first in ((self.target, _OWN), (self.against, _OTHERS)):
            choices = [first, *((label, label) for label in labels)]
            if [text for text, _ in choices] != _texts(box):
                kept = box.value if box.value in labels else ""
                box.choices = choices
                box.value = kept

    def _run(self, selected: bool) -> None:
        from napari_atomicity.insight.question import Question

        try:
            question = Question(self.target.value, self.against.value, self.method.value)
        except InputError as error:
            show_warning(str(error))
            return
        single.explain(self.workspace, self.context.explainer, selected, question)

    def _clear(self) -> None:
        document = self.document
        if self.workspace.maps is not None and document is not None:
            self.context.explainer.forget(document)
            self.workspace.maps.clear()
            document.explain(None)

    def _set_opacity(self, value: float) -> None:
        if self.workspace.maps is not None:
            self.workspace.maps.set_opacity(value)

    def _opener(self, text: str, tip: str, name: str) -> QPushButton:
        return button(text, tip, lambda: open_dock(self.workspace.viewer, name))


def _texts(box: ComboBox) -> list[str]:
    return [box.native.itemText(i) for i in range(box.native.count())]


def _heat_map_words(document: Document) -> str:
    explained = document.attribution
    if explained is None or not len(explained.ids):
        return ""
    attribution = explained.attribution
    lines = [_lead(explained), _agreement(attribution), *_not_drawn(explained), _detail(attribution)]
    return "\n".join(line for line in lines if line)


def _by_channel(attribution: Attribution, values: np.ndarray, form: str) -> str:
    """Medians over the clusters: ``33 % raw intensity, 67 % local contrast``; empty where nothing is known."""
    parts = []
    for column, name in zip(values.T, attribution.channel_names, strict=True):
        known = column[np.isfinite(column)]
        if len(known):
            parts.append(f"{format(float(np.median(known)), form)} {channel_words(name)}")
    return ", ".join(parts)


def _lead(explained: Explained) -> str:
    """What the lead of the classes is made of, medians over the clusters."""
    parts = explained.attribution.parts
    known = parts[np.isfinite(parts).all(axis=1)]
    if not len(known):
        return ""
    names = ["brightness", *(f"shape in {channel_words(name)}" for name in explained.bundle.card.channels)]
    words = ", ".join(f"{name} {part:+.1f}" for name, part in zip(names, np.median(known, axis=0), strict=True))
    over = explained.question.against or "the next smaller size"
    return f"Lead over {over} in log-odds (median): {words}"


def _agreement(attribution: Attribution) -> str:
    n = int(np.isfinite(attribution.agreement).any(axis=1).sum())
    other = "HiResCAM" if attribution.method == "integrated-gradients" else "integrated gradients"
    words = _by_channel(attribution, attribution.agreement, ".2f")
    return f"Agreement with {other} ({n} clusters; 1 the same, 0 none): {words}" if words else ""


def _not_drawn(explained: Explained) -> list[str]:
    """What is not drawn, and why."""
    from napari_atomicity.insight.question import DENSITY

    attribution = explained.attribution
    asked = attribution.target >= 0
    lines = []
    if unasked := int((~asked).sum()):
        against = explained.question.against
        why = f"are {against} themselves or have" if against else "have"
        lines.append(f"{unasked} {why} too little of them in the image: not explained.")
    for column, name in zip(attribution.empty[asked].T, attribution.channel_names, strict=True):
        if silent := int(column.sum()):
            why = "no atoms are seen" if name == DENSITY else f"nothing in {channel_words(name)} speaks for the class"
            lines.append(f"{silent} of {int(asked.sum())}: {why}, nothing is drawn.")
    return lines


def _detail(attribution: Attribution) -> str:
    cell, field = attribution.resolution_nm, attribution.field_nm
    if field <= cell:
        return f"Detail finer than {cell:.2f} nm means nothing."
    return f"Cells of {cell:.2f} nm; each draws on what lies within {field / 2:.1f} nm around it."
