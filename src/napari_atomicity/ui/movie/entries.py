"""A line for one number that may be missing."""

from __future__ import annotations

from psygnal import Signal
from qtpy.QtWidgets import QLineEdit


class NumberLine(QLineEdit):
    """A number, or nothing where it is not known. Signal: `entered` with it; what is no number changes nothing."""

    entered = Signal(object)

    def __init__(self, placeholder: str, tip: str) -> None:
        super().__init__()
        self._unknown = placeholder
        self.setPlaceholderText(placeholder)
        self.setToolTip(tip)
        self._value: float | None = None
        self.editingFinished.connect(self._on_entered)

    def show_value(self, value: float | None, told: float | None = None) -> None:
        """Show a value, unless a person is writing another one.

        Parameters
        ----------
        value
            That a person gave; None where nobody did.
        told
            What holds then, as the file tells it.
        """
        self._value = value
        self.setPlaceholderText(self._unknown if told is None else f"{told:.4g} from the file")
        if not (self.hasFocus() and self.isModified()):
            self.setText("" if value is None else f"{value:.6g}")

    def _on_entered(self) -> None:
        if not self.isModified():
            return
        self.setModified(False)
        text = self.text().strip().replace(",", ".")
        try:
            value = float(text) if text else None
        except ValueError:
            self.setText("" if self._value is None else f"{self._value:.6g}")
            return
        self.entered.emit(value)
