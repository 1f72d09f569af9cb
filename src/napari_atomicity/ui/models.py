"""The models at hand: what each is, what it was trained on, how well it counts; import and export."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari.utils.notifications import show_info, show_warning
from qtpy.QtGui import QTextOption
from qtpy.QtWidgets import QFileDialog, QHeaderView, QTextBrowser, QTreeWidget, QTreeWidgetItem

from napari_atomicity.counting import card_text, store
from napari_atomicity.counting.store import Model
from napari_atomicity.errors import InputError
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.ui.widgets.controls import button, line_height, say, with_window_font
from napari_atomicity.ui.widgets.html import Bold, html_table
from napari_atomicity.ui.widgets.panel import Panel
from napari_atomicity.ui.widgets.progress_strip import ProgressStrip

if TYPE_CHECKING:
    import napari

    from napari_atomicity.counting.card import ModelCard
    from napari_atomicity.document.document import Document

_SUFFIXES: Final = "Model (*.safetensors *.json)"


class ModelsPanel(Panel):
    """List of models, the card of the one that is selected, and what can be done with it."""

    title = "Models"

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._known: list[Model] = []
        self._said = ""
        super().__init__(viewer)
        strip = self.findChild(ProgressStrip)
        if strip is not None:
            # they belong to the clusters, and would seem to take back what is done here
            strip.undo.hide()
            strip.redo.hide()

    def build(self) -> None:
        """The list, the buttons, the card."""
        self.list = QTreeWidget()
        with_window_font(self.list)
        self.list.setObjectName("models")
        self.list.setColumnCount(3)
        self.list.setHeaderLabels(["Model", "Classes", "From"])
        self.list.setRootIsDecorated(False)
        self.list.setToolTip("Bold: the model chosen for this image")
        header = self.list.header()
        if header is not None:
            header.setStretchLastSection(False)
            header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self.list.currentItemChanged.connect(lambda *_: self._show_selected())
        self.list.itemDoubleClicked.connect(lambda *_: self._use())
        self.page.addWidget(self.list)
        self.use = button("Use", "Count the atoms of this image with the selected model (step 3)", self._use)
        self.bring = button(
            "Import…", "Copy a model (.safetensors with its .json card) to your models", self._ask_import
        )
        self.give = button("Export…", "Write the selected model to a folder, for another machine", self._ask_export)
        self.away = button("Remove", "Take one of your models off the list; its files are kept", self._remove)
        self.row(self.use, self.bring, self.give, self.away)
        self.result = self.note()
        self.card = QTextBrowser()
        self.card.setOpenExternalLinks(True)
        self.card.setWordWrapMode(QTextOption.WrapMode.WordWrap)
        self.card.setAccessibleName("Model card")
        self.card.setMinimumHeight(220)
        self.page.addWidget(self.card, 30)

    def show_document(self, document: Document | None) -> None:
        """Show the models on the disk as they are now, and which one counts this image."""
        models = store.models()
        if models != self._known:
            self._fill(models)
        chosen = document.settings.model if document is not None else None
        for i, model in enumerate(self._known):
            item = self.list.topLevelItem(i)
            assert item is not None
            font = item.font(0)
            font.setBold(chosen in (model.name, str(model.path)))
            item.setFont(0, font)
        self._enable()
        say(self.result, self._said)

    def status(self, document: Document) -> str:
        """Which model counts this image."""
        return Path(document.settings.model).stem

    @property
    def selected(self) -> Model | None:
        """The model whose card is shown."""
        row = self.list.indexOfTopLevelItem(self.list.currentItem())
        return self._known[row] if 0 <= row < len(self._known) else None

    def select(self, name: str) -> None:
        """Show the card of the model of that name."""
        for i, model in enumerate(self._known):
            if model.name == name:
                self.list.setCurrentItem(self.list.topLevelItem(i))

    # ------------------------------------------------------------------ showing

    def _fill(self, models: list[Model]) -> None:
        chosen = self.document.settings.model if self.document is not None else ""
        before = self.selected.name if self.selected is not None else chosen
        self._known = models
        self.list.blockSignals(True)
        self.list.clear()
        for model in models:
            kind = "comes along" if model.bundled else "yours"
            about = card_text.classes(model.card) if model.card is not None else ""
            item = QTreeWidgetItem([model.name, about, kind if not model.problem else "unusable"])
            for column in range(3):
                item.setToolTip(column, model.problem or str(model.path))
            self.list.addTopLevelItem(item)
        self.list.setCurrentItem(self.list.topLevelItem(0))
        self.select(before)
        self.list.blockSignals(False)
        # as tall as it needs to be, up to eight rows
        self.list.setFixedHeight(line_height(self.list, 1 + min(max(len(models), 3), 8)) + 8)
        self._show_selected()

    def _show_selected(self) -> None:
        model = self.selected
        self.card.setHtml("" if model is None else as_html(model))
        self._enable()

    def _enable(self) -> None:
        model, free = self.selected, not self.workspace.work.busy
        usable = model is not None and not model.problem
        self.use.setEnabled(free and usable and self.document is not None)
        self.bring.setEnabled(free)
        self.give.setEnabled(free and usable)
        self.away.setEnabled(free and model is not None and not model.bundled)

    def _say(self, text: str) -> None:
        self._said = text
        show_info(text)
        self.show_now()

    # ------------------------------------------------------------------ what a person does

    def _use(self) -> None:
        model = self.selected
        if model is None or model.problem or self.document is None or self.workspace.work.busy:
            return
        self.document.choose(model=model.name)
        self._say(f"{model.name} is chosen for this image; count the atoms (step 3) to label with it.")

    def _ask_import(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Import a model", str(Path.home()), _SUFFIXES)
        if path:
            self.import_from(Path(path))

    def import_from(self, path: Path) -> None:
        """Check the model in that file and take it into the user's models."""

        def steps() -> Steps[Model]:
            yield Progress(0, 0, "Checking the model")
            return store.import_model(path)

        def apply(model: Model) -> None:
            name = f" under the name {model.name}, for the other one is taken" if model.name != path.stem else ""
            self._say(f"Imported {path.stem}{name}.")
            self.select(model.name)

        self.workspace.work.start("Import the model", steps, apply)

    def _ask_export(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Export the model to a folder", str(Path.home()))
        if folder:
            self.export_to(Path(folder))

    def export_to(self, folder: Path) -> None:
        """Write the selected model to `folder`."""
        model = self.selected
        if model is None:
            return

        def steps() -> Steps[Path]:
            yield Progress(0, 0, "Writing the model")
            return store.export_model(model.name, folder)

        self.workspace.work.start(
            "Export the model", steps, lambda path: self._say(f"Exported to {path} and its card.")
        )

    def _remove(self) -> None:
        model = self.selected
        if model is None:
            return
        try:
            aside = store.remove_model(model.name)
        except InputError as error:
            show_warning(str(error))
            return
        self._say(
            f"Removed {model.name}; results stay, and its files lie in {aside.parent}: import {aside.name} to undo."
        )
        self.workspace.changed.emit()


# ---------------------------------------------------------------------- the card as a page


def as_html(model: Model) -> str:
    """Name, facts, scores and limits of a model as a page; only the problem where the card cannot be read."""
    name = f"<h3>{escape(model.name)}</h3>"
    problem = f"<p><b>It cannot be used:</b> {escape(model.problem)}</p>" if model.problem else ""
    if model.card is None:
        return name + problem
    card = model.card
    parts = [name, problem, _pairs(card_text.facts(card)), _scores(card), _pairs(card_text.fine_print(card))]
    return "".join(parts)


def _pairs(pairs: list[tuple[str, str]]) -> str:
    return html_table([(Bold(heading), text) for heading, text in pairs], left=2, first_px=84, wraps=True, wide=False)


def _scores(card: ModelCard) -> str:
    table = card_text.scores(card)
    if not table:
        return f"<p><b>{card_text.NO_SCORES}</b></p>"
    shown = html_table(table, card_text.HEADINGS, wraps=True, wide=False)
    return f"<br>{shown}<p><small>{card_text.SCORES_NOTE}</small></p>"
