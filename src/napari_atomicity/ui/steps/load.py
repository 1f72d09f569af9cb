"""Step 1: which image, and how large a pixel is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.notifications import show_info
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QSizePolicy

from napari_atomicity.progress import Progress, Steps
from napari_atomicity.ui.actions.metals import doubt_of
from napari_atomicity.ui.widgets.controls import button, narrow, say
from napari_atomicity.ui.widgets.panel import Panel

if TYPE_CHECKING:
    from pathlib import Path

    from napari_atomicity.document.document import Document
    from napari_atomicity.io import ImageInfo
    from napari_atomicity.micrograph import Micrograph


class LoadPanel(Panel):
    """Choose the image and say how large its pixels are."""

    title = "Load and calibrate"

    def build(self) -> None:
        """Image, other images of its file, pixel size, field of view, remarks."""
        self.images = QComboBox()
        self.images.setToolTip("The micrograph in hand; clicking a layer in the layer list does the same")
        self.images.activated.connect(self._choose)
        self.others = QComboBox()
        self.others.setToolTip("Images in the same file")
        self.look = button("Other images in the file…", "List what else the file holds", self._look)
        self.open = button("Open", "Open the chosen image of the file as a layer of its own", self._open)
        self.pixel = _length("Side of one pixel in nm", decimals=6, top=100)
        self.field = _length("Width of the whole image in nm (pixel size × pixels across)", decimals=2, top=1e6)
        self.pixel.editingFinished.connect(self._set_pixel)
        self.field.editingFinished.connect(self._set_field)
        for wide in (self.pixel, self.field):
            wide.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        narrow(self.images)
        narrow(self.others)
        form = self.form()
        form.addRow("Image", self.images)
        form.addRow("Pixel size", self.pixel)
        form.addRow("Image width", self.field)
        self.hide_others = QCheckBox("Hide the other images")
        self.hide_others.setToolTip("Of several images only the one in hand is seen, with its clusters and heat maps")
        self.hide_others.setChecked(self.context.solo.wanted)
        self.hide_others.toggled.connect(self.context.solo.set_wanted)
        self.page.addWidget(self.hide_others)
        self.facts = self.note()
        self.row(self.look, self.others, self.open)
        self.remarks = self.note("What was found odd while reading")
        self._infos: list[ImageInfo] = []
        #: the file that they are of
        self._infos_of: Path | None = None

    def show_document(self, document: Document | None) -> None:
        """Show image, calibration and remarks."""
        names = [layer.name for layer in self.workspace.images]
        offered = names or ["no micrograph open"]
        if offered != [self.images.itemText(i) for i in range(self.images.count())]:
            self.images.clear()
            self.images.addItems(offered)
        self.hide_others.setVisible(len(names) > 1)
        self.hide_others.setChecked(self.context.solo.wanted)
        if self.workspace.image in self.workspace.images:
            self.images.setCurrentIndex(self.workspace.images.index(self.workspace.image))
        path = document.micrograph.provenance.path if document else None
        listed = bool(self._infos) and self._infos_of == path
        if not listed:
            self._infos = []
        self.look.setVisible(path is not None and not listed)
        self.others.setVisible(listed)
        self.open.setVisible(listed)
        usable = document is not None and not self.workspace.work.busy
        for widget in (self.pixel, self.field):
            widget.setEnabled(usable)
        self.images.setEnabled(bool(names))
        if document is None:
            say(self.facts, "Drop a micrograph on the window, or File > Open Sample > Atomicity.")
            say(self.remarks, self.workspace.refusal)
            return
        self._show_numbers(document)

    def _show_numbers(self, document: Document) -> None:
        micrograph = document.micrograph
        size, (height, width) = micrograph.pixel_size_nm, micrograph.shape_yx
        # what a person is just typing stays
        self._show_lengths(document, not self.is_typing(self.pixel), not self.is_typing(self.field))
        frames = f"{micrograph.n_frames} frames of " if micrograph.n_frames > 1 else ""
        extent = f", {height * size:.4g} × {width * size:.4g} nm" if size else ""
        say(self.facts, f"{frames}{height} × {width} px{extent}, {micrograph.data.dtype}")
        missing = () if size else ("No pixel size in the file: give it in nm, or the width of the image.",)
        refusal = (micrograph.refusal,) if micrograph.refusal else ()
        other_metal = [doubt] if not document.counted and (doubt := doubt_of(document)) else []
        say(self.remarks, "\n".join(dict.fromkeys((*refusal, *missing, *micrograph.warnings, *other_metal))))

    def _show_lengths(self, document: Document, pixel: bool = True, field: bool = True) -> None:
        size = document.micrograph.pixel_size_nm or 0.0
        if pixel:
            self.pixel.setValue(size)
        if field:
            self.field.setValue(size * document.micrograph.shape_yx[1])

    def status(self, document: Document) -> str:
        """Calibration in a few words."""
        if document.micrograph.refusal:
            return "cannot be counted"
        size = document.micrograph.pixel_size_nm
        return f"{size:.4g} nm per pixel" if size else "pixel size needed"

    # ------------------------------------------------------------------ what a person does

    def _choose(self, index: int) -> None:
        if 0 <= index < len(self.workspace.images):
            self.workspace.choose(self.workspace.images[index])

    def _set_pixel(self) -> None:
        self._calibrate(self.pixel.value(), 1, 6e-7)

    def _set_field(self) -> None:
        if self.asked_about is not None:
            self._calibrate(self.field.value(), self.asked_about.micrograph.shape_yx[1], 0.006)

    def _calibrate(self, length_nm: float, pixels: int, rounding_nm: float) -> None:
        document = self.asked_about
        if document is None:
            return
        if length_nm <= 0:  # emptied: what is in force stands there again
            self._show_lengths(document)
            return
        now = document.micrograph.pixel_size_nm
        # what is shown is rounded; leaving a field as it was must change nothing
        if now is None or abs(length_nm - now * pixels) > rounding_nm:
            document.calibrate(length_nm / pixels)

    def _look(self) -> None:
        from napari_atomicity.io import list_images

        document = self.document
        path = document.micrograph.provenance.path if document else None
        if path is None:
            return

        def steps() -> Steps[list[ImageInfo]]:
            yield Progress(0, 0, "Looking into the file")
            return list_images(path)

        def apply(infos: list[ImageInfo]) -> None:
            if len(infos) < 2:
                show_info(f"{path.name} holds this one image.")
                return
            self._infos, self._infos_of = infos, path
            self.others.clear()
            self.others.addItems([_described(info) for info in infos])
            self.show_now()

        self.workspace.work.start("Look into the file", steps, apply)

    def _open(self) -> None:
        from napari_atomicity.io import read

        path = self._infos_of
        if not self._infos or path is None or self.workspace.viewer is None:
            return
        index = self._infos[self.others.currentIndex()].index

        def steps() -> Steps[Micrograph]:
            yield Progress(0, 0, "Reading")
            return read(path, image=index)

        self.workspace.work.start("Read", steps, self._add)

    def _add(self, micrograph: Micrograph) -> None:
        from napari.layers import Layer

        from napari_atomicity.io.napari_hooks import as_layer

        if self.workspace.viewer is not None:
            self.workspace.viewer.add_layer(Layer.create(*as_layer(micrograph)))


def _length(tip: str, decimals: int, top: float) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setDecimals(decimals)
    box.setRange(0, top)
    box.setSuffix(" nm")
    box.setSpecialValueText("not known")
    box.setKeyboardTracking(False)
    box.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
    box.setToolTip(tip)
    return box


def _described(info: ImageInfo) -> str:
    size = f", {info.pixel_size_nm:.4g} nm/px" if info.pixel_size_nm else ""
    reason = "" if info.countable else f" ({info.why_not})"
    shape = " × ".join(map(str, info.shape))
    return f"{info.index}: {info.title or 'untitled'}, {shape}{size}{reason}"
