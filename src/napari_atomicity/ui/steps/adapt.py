"""Step 5: fit the model to this image, and see what that changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari.utils.notifications import show_warning
from qtpy.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QInputDialog

from napari_atomicity.counting.adapt import SOURCES
from napari_atomicity.ui.actions import joint, save_model, single
from napari_atomicity.ui.steps.adaptation_wording import SOURCE_WORDS
from napari_atomicity.ui.steps.comparison import Comparison
from napari_atomicity.ui.widgets.controls import button, narrow, say
from napari_atomicity.ui.widgets.panel import Panel

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document
    from napari_atomicity.pipeline import Settings

_MODES: Final = {
    "auto": "auto: calibrate, tune where it helps",
    "diameter": "diameter: clear diameters (the paper)",
    "off": "off: calibrate alone",
}
_MODES_TIP: Final = (
    "auto: the image calibrates itself, and the model is fine-tuned where that makes it better. "
    "diameter: fine-tuned on clusters of clear diameters, which also tell the intensity of an atom; after Tsukamoto et "
    "al., npj Comput. Mater. 12, 143 (2026). off: the image calibrates itself, and the model stays as it is."
)
_SOURCE_TIPS: Final = {
    "calibrated": "Clusters of whose class the calibrated image is sure",
    "diameter": "Clusters whose diameter makes the class nearly certain; misleads on samples of one size",
    "annotations": "Clusters that you labelled by hand",
}


class AdaptPanel(Panel):
    """Adapt the model with one click; one click takes it back."""

    title = "Adapt to this image"

    def build(self) -> None:
        """Mode, sources of anchors, buttons, before and after."""
        self.mode = QComboBox()
        for name, text in _MODES.items():
            self.mode.addItem(text, name)
        self.mode.setToolTip(_MODES_TIP)
        narrow(self.mode)
        self.mode.activated.connect(lambda i: self._choose(adapt=self.mode.itemData(i), anchors=()))
        self.sources = {name: QCheckBox(words) for name, words in SOURCE_WORDS.items()}
        sources = QHBoxLayout()
        for name, box in self.sources.items():
            box.setToolTip(_SOURCE_TIPS[name])
            box.clicked.connect(lambda _=False: self._set_sources())
            sources.addWidget(box)
        sources.addStretch(1)
        form = self.form()
        form.addRow("Adaptation", self.mode)
        form.addRow("Learn from", sources)
        self.run = button("Adapt", "Fine-tune the model to this image (a few seconds)", self._run)
        self.back = button("Undo adaptation", "Back to the labels of the model as it was before", self._back)
        self.share = button(
            "Use for the session", "Label the ticked images of step 4 with this adapted model", self._share
        )
        self.row(self.run, self.back, self.share)
        self.anchors = QCheckBox("Show anchors")
        self.anchors.setToolTip(
            "Clusters that the model was fitted to (circles) and those held back to judge it (diamonds)"
        )
        self.anchors.clicked.connect(self._show_anchors)
        self.select = button("Select anchors", "Select these clusters, to see them in tables", self._select_anchors)
        self.save = button("Save as model…", "Keep the adapted model, with its history, for other images", self._save)
        self.row(self.anchors, self.select, self.save)
        self.result = self.note()
        self.comparison = Comparison()
        self.page.addWidget(self.comparison)

    def show_document(self, document: Document | None) -> None:
        """Show what the adaptation changed."""
        can_act = self.can_act
        state = document.state if document is not None else None
        adapted = state.applied if state is not None else None
        group = self.workspace.group
        has_anchors = group is not None and group.anchors.anchors is not None
        self.mode.setEnabled(can_act)
        self.run.setEnabled(can_act and adapted is None and document is not None and document.settings.adapt != "off")
        self.back.setEnabled(can_act and adapted is not None)
        self.save.setEnabled(can_act and adapted is not None)
        self.share.setEnabled(can_act and adapted is not None)
        self.anchors.setEnabled(has_anchors)
        self.anchors.setChecked(group is not None and group.anchors.wanted and has_anchors)
        self.select.setEnabled(can_act and has_anchors)
        self._show_settings(document, can_act)
        say(self.result, _explained(document) if document is not None else "")
        self.comparison.show_adapted(state.adaptation if state is not None else None, *self._colours(document))

    def status(self, document: Document) -> str:
        """How many labels the adaptation changed."""
        adaptation = document.state.adaptation
        if adaptation is None:
            return "off" if document.settings.adapt == "off" else "model as shipped"
        if not adaptation.accepted:
            return "nothing changed"
        changed, _ = adaptation.changed
        return f"adapted, {changed} label{'' if changed == 1 else 's'} changed"

    def _show_settings(self, document: Document | None, can_act: bool) -> None:
        settings = document.settings if document is not None else None
        if settings is not None:
            self.mode.setCurrentIndex(self.mode.findData(settings.adapt))
        for name, box in self.sources.items():
            box.setEnabled(can_act and settings is not None and settings.adapt != "off")
            box.setChecked(settings is not None and name in sources_of(settings))

    def _colours(self, document: Document | None) -> tuple[dict[str, str], dict[str, str]]:
        from napari_atomicity.style import colours
        from napari_atomicity.ui.widgets.theme import plot_colours

        theme = plot_colours(self.workspace.viewer)
        bundle = document.state.bundle if document is not None else None
        return ({} if bundle is None else colours(bundle.card.class_sizes, bundle.card.element)), theme

    # ------------------------------------------------------------------ what a person does

    def _choose(self, **values: object) -> None:
        if self.document is not None:
            self.document.choose(**values)

    def _set_sources(self) -> None:
        document = self.document
        if document is None:
            return
        wanted = tuple(name for name, box in self.sources.items() if box.isChecked())
        if not wanted:
            show_warning("The model must learn from something; choose the adaptation off to leave it as it is.")
            self.show_now()
            return
        usual = set(wanted) == set(SOURCES[document.settings.adapt])
        document.choose(anchors=() if usual else wanted)

    def _run(self) -> None:
        single.adapt(self.workspace)

    def _back(self) -> None:
        single.undo_adaptation(self.workspace)

    def _share(self) -> None:
        joint.hand_on(self.workspace)

    def _show_anchors(self, wanted: bool) -> None:
        if self.workspace.group is not None:
            self.workspace.group.anchors.show(wanted)

    def _select_anchors(self) -> None:
        group = self.workspace.group
        if group is not None and group.anchors.anchors is not None:
            group.document.select(int(i) for i in group.anchors.anchors["id"])

    def _save(self) -> None:
        name, agreed = QInputDialog.getText(
            self, "Save the adapted model", "Name of the model:", text=save_model.proposed_name(self.workspace)
        )
        if agreed and name.strip():
            save_model.keep_model(self.workspace, name)


def sources_of(settings: Settings) -> tuple[str, ...]:
    """Where the anchors come from under these settings."""
    return settings.anchors or SOURCES[settings.adapt]


def _explained(document: Document) -> str:
    """What stands there as long as nothing was tried."""
    if document.state.adaptation is not None:
        return ""
    if document.settings.adapt == "off":
        return "No adaptation: the image calibrates itself, and the model stays as it is."
    return ""
