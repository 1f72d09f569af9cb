"""Step 2: find the clusters, and put right by hand what was missed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QButtonGroup, QCheckBox, QLabel, QPushButton, QSlider

from napari_atomicity import wording
from napari_atomicity.ui.actions import single
from napari_atomicity.ui.widgets.controls import button, later, say
from napari_atomicity.ui.widgets.panel import Panel

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document

_TOOLS: Final = (
    ("Move view", "pan_zoom", "Drag to move the view, wheel to zoom"),
    ("Select", "select", "Click or frame clusters; drag them to move them; Delete removes them"),
    ("Add", "add", "Click to add a cluster by hand; it is measured at once"),
)


class DetectPanel(Panel):
    """Find and measure the clusters."""

    title = "Find clusters"

    def build(self) -> None:
        """Sensitivity, the button, tools for work by hand, what was found."""
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, 100)
        self.slider.setPageStep(10)
        self.slider.setToolTip("Left: only clear clusters. Right: faint ones too. The middle suits most images.")
        self.slider.valueChanged.connect(self._on_slider)
        form = self.form()
        form.addRow("Sensitivity", self.slider)
        self.all_the_same = QCheckBox("Count unfit images all the same")
        self.all_the_same.setToolTip(
            "Search also where the image looks like bright field, a crystal or is saturated; what it looks like is said"
        )
        self.all_the_same.clicked.connect(self._on_all_the_same)
        self.page.addWidget(self.all_the_same)
        self.search = button("Find clusters", "Find and measure all clusters (what you did by hand stays)", self._find)
        self.row(self.search)
        self._tools = QButtonGroup(self)
        row = self.row(QLabel("By hand:"))
        for text, mode, tip in _TOOLS:
            tool = QPushButton(text)
            tool.setCheckable(True)
            tool.setToolTip(tip)
            tool.setProperty("mode", mode)
            self._tools.addButton(tool)
            row.addWidget(tool)
        self._tools.buttonClicked.connect(self._set_tool)
        self.delete = button("Delete", "Delete the selected clusters; a new search leaves them out", self._delete)
        row.addWidget(self.delete)
        self.summary = self.note()
        self.messages = self.note("Remarks of the search")
        #: the image whose clusters are to be found again
        self._again_for: Document | None = None
        self._again = later(self, 400, self._find_again)

    def show_document(self, document: Document | None) -> None:
        """Show sensitivity, tools and what was found."""
        usable = document is not None and not document.micrograph.refusal
        self.search.setEnabled(self.can_act)
        self.slider.setEnabled(usable)
        self.all_the_same.setEnabled(usable)
        self.all_the_same.setChecked(document is not None and document.settings.all_the_same)
        for tool in self._tools.buttons():
            tool.setEnabled(usable)
        self.delete.setEnabled(usable and document is not None and bool(document.selection))
        if document is None:
            say(self.summary, "")
            say(self.messages, "")
            return
        self.slider.blockSignals(True)
        self.slider.setValue(round(100 * document.settings.sensitivity))
        self.slider.blockSignals(False)
        self._show_tool()
        say(self.summary, _summary(document))
        say(self.messages, "\n".join(m for m in document.messages if m not in document.micrograph.warnings))

    def status(self, document: Document) -> str:
        """``212 clusters, 9 touching, 3 at the border``."""
        if not len(document.table):
            return "no clusters found" if document.state.searched else "not searched yet"
        return counted(document)

    def _show_tool(self) -> None:
        points = self.workspace.clusters.points if self.workspace.clusters else None
        mode = str(points.mode) if points is not None else "pan_zoom"
        for tool in self._tools.buttons():
            tool.setChecked(tool.property("mode") == mode)

    # ------------------------------------------------------------------ what a person does

    def _on_slider(self, value: int) -> None:
        if self.document is not None:
            self.document.choose(sensitivity=value / 100)
            # once there is a result, it follows the slider
            if self.document.state.searched:
                self._again_for = self.document
                self._again.start()

    def _on_all_the_same(self, wanted: bool = False) -> None:
        if self.document is not None:
            self.document.choose(all_the_same=wanted)
            if self.document.state.searched:
                self._again_for = self.document
                self._again.start()

    def _find(self) -> None:
        self._again.stop()
        single.detect(self.workspace)

    def _find_again(self) -> None:
        if self._again_for is not self.document:
            return  # another image is in hand
        if self.workspace.work.busy or self.slider.isSliderDown():
            self._again.start()
        elif self.document is not None and self.document.micrograph.pixel_size_nm:
            single.detect(self.workspace)

    def _set_tool(self, tool: QPushButton) -> None:
        clusters, viewer = self.workspace.clusters, self.workspace.viewer
        if clusters is None or viewer is None:
            return
        points = clusters.make()
        viewer.layers.selection.active = points
        points.mode = tool.property("mode")
        self._show_tool()

    def _delete(self) -> None:
        if self.document is not None:
            chosen = sorted(self.document.selection)
            words = f"Delete {len(chosen)} cluster{'s' if len(chosen) > 1 else ''}"
            self.document.edit(words, self.document.table.drop(chosen), [])


def counted(document: Document) -> str:
    """How many clusters there are, and how many of them are flagged."""
    flags = document.table.rows["flag"].value_counts()
    parts = [f"{flags[flag]} {words}" for flag, words in wording.FLAGS.items() if flags.get(flag, 0)]
    return ", ".join([wording.counted(len(document.table), "cluster"), *parts])


def _summary(document: Document) -> str:
    if not len(document.table):
        return ""
    diameter = document.table.rows["diameter_nm"].dropna()
    spread = ""
    if len(diameter):
        low, mid, high = diameter.quantile([0.1, 0.5, 0.9])
        spread = f"\nDiameter {mid:.2f} nm (median; 80 % lie between {low:.2f} and {high:.2f} nm)"
    return counted(document) + spread
