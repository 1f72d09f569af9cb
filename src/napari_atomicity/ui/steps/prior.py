"""What is known beforehand: deposited sizes, the intensity of one atom, an instrument profile."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari.utils.notifications import show_info, show_warning
from qtpy.QtWidgets import QFileDialog, QFormLayout, QHBoxLayout, QLabel, QLineEdit, QSizePolicy

from napari_atomicity.counting.prior import PriorKnowledge
from napari_atomicity.errors import InputError
from napari_atomicity.pipeline import metal_of_deposited, metal_text, read_deposited
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.ui.actions import single
from napari_atomicity.ui.actions.metals import say_metal
from napari_atomicity.ui.widgets.controls import button
from napari_atomicity.ui.widgets.panel import Panel

if TYPE_CHECKING:
    from napari_atomicity.counting.calibration import Calibration
    from napari_atomicity.counting.profile import InstrumentProfile
    from napari_atomicity.document.document import Document
    from napari_atomicity.pipeline import Settings

_SUFFIX: Final = "Instrument profile (*.json)"
#: images whose pixel sizes differ by more than this may have been taken in another way
_OTHER_PIXELS: Final = 0.05


class PriorFields:
    """Rows of a form in which a person says what is known about the sample and the microscope."""

    def __init__(self, panel: Panel, form: QFormLayout) -> None:
        self.panel = panel
        self.deposited = QLineEdit()
        self.deposited.setPlaceholderText("optional: 19, 55 or with shares 19:0.7, 55:0.3")
        self.deposited.setToolTip(
            "Sizes in atoms that were deposited, where known, with their shares or without; only these are then "
            "expected. An image of one known size is a reference for its session."
        )
        self.deposited.editingFinished.connect(self._set_deposited)
        self.metal = QLineEdit()
        self.metal.setPlaceholderText("optional: Au, or an alloy Co=0.25±0.05")
        self.metal.setToolTip(
            "What the clusters are made of, where it is not the metal of the model: a metal, or atomic fractions of an "
            "alloy with their errors. Counts are then equivalents, and Metals and alloys says what they are in atoms."
        )
        self.metal.editingFinished.connect(self._set_metal)
        self.intensity = QLineEdit()
        self.intensity.setPlaceholderText("optional, counts·nm² per atom")
        self.intensity.setToolTip(
            "Integrated intensity of one atom in this image, where you know it from a standard; "
            "otherwise it is found from the clusters themselves"
        )
        self.intensity.editingFinished.connect(self._set_intensity)
        self.profile = QLabel()
        self.profile.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.load = button("Load…", "Start from what you saved for a microscope", self._ask_load)
        self.save = button("Save…", "Save what was found, for this microscope's next image", self._ask_save)
        self.forget = button("✕", "Forget the profile and its intensity", self._forget)
        self.forget.setAccessibleName("Forget the profile")
        self.forget.setFixedWidth(28)
        row = QHBoxLayout()
        row.addWidget(self.profile, 1)
        for widget in (self.forget, self.load, self.save):
            row.addWidget(widget)
        form.addRow("Deposited", self.deposited)
        form.addRow("Metal", self.metal)
        form.addRow("One atom", self.intensity)
        form.addRow("Profile", row)

    def show_document(self, document: Document | None, can_act: bool) -> None:
        """Show what was said about the document in hand; what a person is just typing stays."""
        for widget in (self.deposited, self.metal, self.intensity, self.load):
            widget.setEnabled(can_act)
        profile = document.options.profile if document is not None else None
        self.profile.setText(profile.name if profile is not None else "none")
        self.profile.setToolTip(_described(profile) if profile is not None else "")
        self.forget.setVisible(profile is not None)
        self.forget.setEnabled(can_act)
        self.save.setEnabled(can_act and document is not None and bool(_calibrations(document)))
        if document is None:
            return
        if not self.panel.is_typing(self.deposited):
            self.deposited.setText(deposited_text(document.settings))
        if not self.panel.is_typing(self.metal):
            self.metal.setText(metal_text(document.settings))
        if not self.panel.is_typing(self.intensity):
            self.intensity.setText(
                "" if document.settings.intensity_per_atom is None else f"{document.settings.intensity_per_atom:g}"
            )

    # ------------------------------------------------------------------ what a person does

    def _set_deposited(self) -> None:
        if self.panel.asked_about is not None:
            say_deposited(self.panel.asked_about, self.deposited.text())

    def _set_metal(self) -> None:
        say_metal(self.panel.asked_about, self.metal.text())

    def _set_intensity(self) -> None:
        document, text = self.panel.asked_about, self.intensity.text().strip().replace(",", ".")
        if document is None or text == (
            "" if document.settings.intensity_per_atom is None else f"{document.settings.intensity_per_atom:g}"
        ):
            return
        try:
            document.know_intensity_per_atom(float(text) if text else None)
        except ValueError:
            show_warning("The intensity of one atom is a number of counts·nm²; leave it empty if you do not know it.")
        except InputError as error:
            show_warning(str(error))

    def _forget(self) -> None:
        if self.panel.document is not None:
            self.panel.document.know_intensity_per_atom(None)

    def _ask_load(self) -> None:
        document = self.panel.document
        path, _ = QFileDialog.getOpenFileName(self.panel, "Load an instrument profile", str(Path.home()), _SUFFIX)
        if path and self.panel.is_still(document):
            self.load_from(Path(path))

    def load_from(self, path: Path) -> None:
        """Take the intensity of one atom from the profile in that file, for the document in hand."""
        from napari_atomicity.counting.bundle import load_card
        from napari_atomicity.counting.profile import load_profile

        document = self.panel.document
        if document is None:
            return

        def steps() -> Steps[InstrumentProfile]:
            yield Progress(0, 0, "Reading the profile")
            profile = load_profile(path)
            profile.check(load_card(document.settings.model))
            return profile

        def apply(profile: InstrumentProfile) -> None:
            document.know_intensity_per_atom(profile.intensity_per_atom, profile.intensity_per_atom_sd, profile)
            show_info(f"The intensity of one atom is taken from {profile.name}; count the atoms (step 3) with it.")
            size = document.micrograph.pixel_size_nm
            if size and profile.pixel_size_nm and abs(size / profile.pixel_size_nm - 1) > _OTHER_PIXELS:
                show_warning(
                    f"{profile.name} was made at {profile.pixel_size_nm:.3g} nm per pixel, this image has {size:.3g}; "
                    "its intensity holds only if dwell time and beam current are the same."
                )

        self.panel.workspace.work.start("Load the profile", steps, apply, document)

    def _ask_save(self) -> None:
        proposal = Path.home() / "microscope.json"
        if path := self.panel.ask_where("Save the instrument profile", proposal, _SUFFIX):
            self.save_to(path)

    def save_to(self, path: Path) -> None:
        """Write the intensity that was found in the image in hand, and in those it was calibrated with."""
        document = single.in_hand(self.panel.workspace)
        if document is None:
            return
        session = [group.document for group in self.panel.workspace.groups if group.document.state.counted_with]
        documents = [each for each in session if each.state.counted_with == document.state.counted_with] or [document]
        calibrations = [fit for each in documents for fit in _calibrations(each)]
        images = [each.micrograph for each in documents]
        bundle = document.state.model_in_force

        def steps() -> Steps[str]:
            from napari_atomicity.counting.profile import profile_of, save_profile

            yield Progress(0, 0, "Saving the profile")
            save_profile(profile_of(path.stem, calibrations, bundle, images), path)
            return f"Saved the profile {path.name}, from {len(images)} image{'s' if len(images) > 1 else ''}."

        self.panel.workspace.work.start("Save the profile", steps, show_info, document)


def say_deposited(document: Document, text: str) -> None:
    """Take what a person typed about what was deposited on an image; what cannot be is refused in a sentence."""
    from napari_atomicity.counting.bundle import load_card

    try:
        sizes, shares = read_deposited(text)
        element = metal_of_deposited(text)
        if sizes:
            PriorKnowledge(deposited=sizes).check(load_card(document.settings.model).class_sizes)
        document.choose(deposited=sizes, fractions=shares, deposited_element=element)
    except InputError as error:
        show_warning(str(error))


def deposited_text(settings: Settings) -> str:
    """Deposited sizes as a person types them."""
    sizes = [f"{settings.deposited_element}{size}" for size in settings.deposited]
    if not settings.fractions:
        return ", ".join(sizes)
    return ", ".join(f"{size}:{share:g}" for size, share in zip(sizes, settings.fractions, strict=True))


def _calibrations(document: Document) -> list[Calibration]:
    done = document.state.count
    return [] if done is None else list(done.calibrations.values())


def _described(profile: InstrumentProfile) -> str:
    return (
        f"{profile.name}: {profile.intensity_per_atom:.4g} counts·nm² per {profile.element} atom "
        f"(± {profile.intensity_per_atom_sd:.0%}), "
        f"from {profile.clusters} clusters of {len(profile.images)} images, {profile.created[:10]}"
    )
