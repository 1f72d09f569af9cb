"""Whether the legend lies on the image; belongs to a viewer."""

from __future__ import annotations

from psygnal import Signal


class LegendSwitch:
    """On at first. Signal: `changed` when it was switched."""

    changed = Signal()

    def __init__(self) -> None:
        self.wanted = True

    def set_wanted(self, wanted: bool) -> None:
        """Switch it on or off."""
        if wanted != self.wanted:
            self.wanted = wanted
            self.changed.emit()
