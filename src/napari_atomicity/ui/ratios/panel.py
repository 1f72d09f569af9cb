"""Class ratios as a result: of one image or several, against what was deposited."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari.utils.notifications import show_warning
from qtpy.compat import isalive
from qtpy.QtWidgets import QCheckBox, QComboBox, QFileDialog, QHBoxLayout, QLineEdit

from napari_atomicity.errors import InputError
from napari_atomicity.pipeline import Ratios, expected_text, load_expected, ratios_steps, read_expected, seen
from napari_atomicity.progress import Steps
from napari_atomicity.report.shares import series_of_ratios
from napari_atomicity.style import colours
from napari_atomicity.ui.ratios.table import RatioTable
from napari_atomicity.ui.widgets.controls import button, later, narrow, say
from napari_atomicity.ui.widgets.panel import Panel
from napari_atomicity.ui.widgets.share_chart import ShareChart
from napari_atomicity.ui.widgets.theme import plot_colours
from napari_atomicity.ui.workspace.scopes import SCOPES, groups_in

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document
    from napari_atomicity.ui.workspace.layer_group import LayerGroup

_PAUSE_MS: Final = 120
_CHART_TIP: Final = (
    "Bar and whisker: share with what the model confuses taken out, and its 95 % interval; line: share of the labels "
    "as they are; diamond: what is expected; hollow: what diameter or intensity alone would say"
)


def in_scope(groups: list[LayerGroup]) -> list[tuple[str, Any]]:
    """Name and what was counted of each image, for `pipeline.ratios_steps`."""
    states = [(group.name, group.document.state) for group in groups]
    return [(name, seen(state.table, state.model_in_force.card, state.count)) for name, state in states]


class RatiosPanel(Panel):
    """Shares with intervals beside what was deposited; follows every label."""

    title = "Class ratios"

    def build(self) -> None:
        """Which images, what is expected, chart, table, verdict."""
        self.scope = QComboBox()
        self.scope.setToolTip("Over which images the clusters are counted together")
        for name, words in SCOPES.items():
            self.scope.addItem(words, name)
        narrow(self.scope)
        self.scope.activated.connect(lambda _: self._follow())
        self.expected = QLineEdit()
        self.expected.setPlaceholderText("optional: 19:0.7, 55:0.3")
        self.expected.setToolTip(
            "Ratio that was deposited, as sizes with their shares; it is only compared with, and changes no label"
        )
        self.expected.editingFinished.connect(self._set_expected)
        self.load = button("Load…", "Amounts from a CSV of deposits: a column of sizes and one of amounts", self._ask)
        self.checked = QCheckBox("My labels are a random sample")
        self.checked.setToolTip(
            "Tick it where the clusters that you labelled were drawn at random: how often you differ from the model "
            "then corrects the others"
        )
        self.checked.clicked.connect(lambda on: self._expect(random_sample=on))
        form = self.form()
        form.addRow("Count over", self.scope)
        row = QHBoxLayout()
        row.addWidget(self.expected, 1)
        row.addWidget(self.load)
        form.addRow("Expected", row)
        self.page.addWidget(self.checked)
        self._build_result()
        self.result: Ratios | None = None
        self._made_of: tuple[Any, ...] = ()
        self._work = self.workspace.new_work()
        self._work.finished.connect(self._on_finished)
        self._start = later(self, _PAUSE_MS, self._compute)

    def _build_result(self) -> None:
        self.verdict = self.note("R² about the identity, and how likely so large a difference is by chance")
        self.verdict.setStyleSheet("font-weight: bold;")
        self.chart = ShareChart(_CHART_TIP, heading="", tall=True)
        self.page.addWidget(self.chart)
        self.table = RatioTable()
        self.page.addWidget(self.table)
        self.numbers = self.note("What entered the ratios, and what did not")
        self.remarks = self.note("What a person must know about these ratios")

    # ------------------------------------------------------------------ showing

    def show_document(self, document: Document | None) -> None:
        """Show what is known, and count anew where the labels changed."""
        for widget in (self.expected, self.load, self.checked):
            widget.setEnabled(document is not None)
        if document is not None:
            if not self.is_typing(self.expected):
                self.expected.setText(expected_text(document.options.expected))
                self.expected.setCursorPosition(0)
            by_hand = bool(document.table.labelled.any())
            self.checked.setVisible(by_hand or document.options.random_sample)
            self.checked.setChecked(document.options.random_sample)
        self._follow()

    def status(self, document: Document) -> str:
        """R² where something is expected."""
        return self.result.verdict if self.result is not None else "not counted yet"

    def _follow(self) -> None:
        if not isalive(self):
            return
        if not groups_in(self.workspace, self._scope):
            self._made_of, self.result = (), None
            self._show_nothing()
        elif not self.isVisible():
            return  # counted when it is looked at
        elif not _same(self._wanted, self._made_of):
            self._start.start()
        else:
            self._show_chart()  # the theme may have changed

    @property
    def _scope(self) -> str:
        return str(self.scope.currentData())

    @property
    def _wanted(self) -> tuple[Any, ...]:
        """What the result depends on: the same objects give the same result."""
        groups = groups_in(self.workspace, self._scope)
        document = self.document
        states = [each for group in groups for each in (group.document.table, group.document.state.count)]
        return (
            *states,
            None if document is None else (tuple(document.options.expected.items()), document.options.random_sample),
        )

    def _compute(self) -> None:
        document = self.document
        if self._work.busy or document is None:
            return  # what is finished looks again
        wanted, groups = self._wanted, groups_in(self.workspace, self._scope)
        if not groups or _same(wanted, self._made_of):
            return
        self._made_of = wanted
        counted, expected, checked = in_scope(groups), dict(document.options.expected), document.options.random_sample

        def steps() -> Steps[Ratios | str]:
            try:
                return (yield from ratios_steps(counted, expected, checked))
            except InputError as error:  # shown in its place: it would come again with every label
                return str(error)

        self._work.start("Class ratios", steps, self._take)

    def _take(self, result: Ratios | str) -> None:
        if not isalive(self):
            return
        if isinstance(result, str):
            self.result = None
            self._show_nothing(result)
            return
        self.result = result
        self._show_chart()
        self.table.show_ratios(result.table)
        say(self.verdict, result.verdict)
        say(self.numbers, result.sentence)
        say(self.remarks, "\n".join(result.remarks))

    def _on_finished(self, _: str) -> None:
        if isalive(self):
            self._follow()

    def _show_chart(self) -> None:
        group = next(iter(groups_in(self.workspace, self._scope)), None)
        if self.result is None or group is None:
            return
        card = group.document.state.model_in_force.card
        theme = plot_colours(self.workspace.viewer)
        self.chart.setVisible(True)
        table = self.result.table
        palette = colours(card.class_sizes, card.element)
        self.chart.show_shares(table["label"].tolist(), series_of_ratios(table), palette, theme)

    def _show_nothing(self, why: str = "") -> None:
        self.chart.setVisible(False)
        self.table.setVisible(False)
        none = {
            "one": "Count the atoms of this image first (step 3).",
            "ticked": "No ticked image is counted; tick images in step 4 and count them.",
            "all": "No image is counted yet; count the atoms first (step 3).",
        }
        say(self.numbers, why or none[self._scope])
        for label in (self.verdict, self.remarks):
            say(label, "")

    # ------------------------------------------------------------------ what a person does

    def _set_expected(self) -> None:
        try:
            amounts = read_expected(self.expected.text())
        except InputError as error:
            show_warning(str(error))
            return
        if self.asked_about is not None and expected_text(amounts) != expected_text(self.asked_about.options.expected):
            self._expect(expected=amounts)

    def _expect(self, **values: Any) -> None:
        document = self.document
        if document is not None:
            document.set_options(**values)

    def _ask(self) -> None:
        kinds = "Deposits (*.csv *.tsv *.txt)"
        document = self.document
        path, _ = QFileDialog.getOpenFileName(self, "Load what was deposited", str(Path.home()), kinds)
        if path and self.is_still(document):
            self.load_from(Path(path))

    def load_from(self, path: Path) -> None:
        """Take the expected amounts from a CSV."""
        try:
            self._expect(expected=load_expected(path))
        except InputError as error:
            show_warning(str(error))


def _same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    if len(one) != len(other) or not one:
        return False
    return one[-1] == other[-1] and all(a is b for a, b in zip(one[:-1], other[:-1], strict=True))
