"""How an image looks while its clusters are reviewed: in the contrast of the place at hand, and without heat maps."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Final

import numpy as np
from napari.layers import Image

from napari_atomicity.micrograph import contrast_limits

if TYPE_CHECKING:
    from napari.utils.events import Event

    from napari_atomicity.document.review import Review
    from napari_atomicity.ui.layers.heat_maps import HeatMaps

#: the cluster and the support around it
_AROUND_NM: Final = 5.0


class ReviewLook:
    """Contrast and heat maps of one image while a review of it runs; both are as they were once it ends.

    The contrast that a person sets meanwhile stays, and is theirs from then on.
    """

    def __init__(self, image: Image, review: Review, maps: HeatMaps) -> None:
        self._image = weakref.ref(image)
        self._review, self._maps = review, maps
        self._usual: tuple[float, float] | None = None
        self._running = self._theirs = self._setting = False
        self._at: int | None = None
        review.changed.connect(self._follow)
        image.events.contrast_limits.connect(self._on_limits)

    @property
    def limits(self) -> tuple[float, float] | None:
        """Black and white of the image as it is shown when no review runs."""
        image = self._image()
        return self._usual or (None if image is None else _pair(image))

    def _follow(self) -> None:
        review, image = self._review, self._image()
        if image is None:
            return
        if review.running != self._running:
            self._running, self._theirs, self._at = review.running, False, None
            self._maps.put_aside(review.running)
            if review.running:
                self._usual = _pair(image)
            elif self._usual is not None:
                self._set(image, self._usual)
                self._usual = None
        if self._running and not self._theirs and review.at not in (None, self._at):
            self._at = review.at
            limits = self._around()
            if limits is not None:
                self._set(image, limits)

    def _around(self) -> tuple[float, float] | None:
        """Contrast of what lies around the cluster at hand."""
        document, at = self._review.document, self._review.at
        row = None if at is None else document.table.row_of(at)
        size = document.micrograph.pixel_size_nm
        if row is None or size is None:
            return None
        frame, y, x = document.table.places[row]
        pixels = document.micrograph.frame(int(frame))
        reach = max(round(_AROUND_NM / 2 / size), 8)
        top, left = (max(0, round(float(middle)) - reach) for middle in (y, x))
        part = pixels[top : top + 2 * reach, left : left + 2 * reach]
        return contrast_limits(part) if np.isfinite(part).any() else None

    def _set(self, image: Image, limits: tuple[float, float]) -> None:
        self._setting = True
        try:
            image.contrast_limits = limits
        finally:
            self._setting = False

    def _on_limits(self, _: Event) -> None:
        if self._running and not self._setting:
            self._theirs, self._usual = True, None


def _pair(image: Image) -> tuple[float, float]:
    low, high = image.contrast_limits
    return float(low), float(high)
