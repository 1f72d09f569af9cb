"""The specimen as the beam meets it line by line: support, clusters that move, atoms that jump, collars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.simulation.detector import Image, ScanPath, moved
from napari_atomicity.simulation.imaging import atom_weights
from napari_atomicity.simulation.placing import PlacedCluster
from napari_atomicity.simulation.support import collar

if TYPE_CHECKING:
    from napari_atomicity.simulation.spec import FrameSpec

Floats = npt.NDArray[np.float64]

#: room around a cluster for its tails and its motion, nm
_ROOM_NM: Final = 0.5
#: mean number of jumps of a cluster while the beam advances by a nanometre
_JUMPS_PER_NM: Final = 1.0
#: atoms from which on a cluster gathers a whole collar
_COLLARED: Final = 13
#: distance between the sites of an atom that jumps, nm
_SITES_NM: Final = 0.15


class Canvas:
    """Adds objects to the signal of the support, in place.

    Parameters
    ----------
    signal
        (y, x) signal density of the support, wider than the image by ``path.reach_px`` on every side.
    spec
        The frame.
    path
        The scan, which says where in the specimen a place of the image lies.
    rng
        Source of chance.
    """

    def __init__(self, signal: Image, spec: FrameSpec, path: ScanPath, rng: np.random.Generator) -> None:
        self.signal, self.spec, self.path, self.rng = signal, spec, path, rng

    def add(self, placed: PlacedCluster) -> None:
        """Add one object with what comes along with it."""
        px = self.spec.pixel_size_nm
        y, x = self.path.specimen(*placed.centre_px)
        centre = np.array([y, x]) + self.path.reach_px
        reach = placed.radius_nm + _ROOM_NM + 2 * self.spec.probe.fwhm_nm + 3 * self.spec.motion_nm
        if placed.kind != "satellite" and self.spec.collar > 0:
            reach += 1.0
        top, left = np.floor(centre - reach / px).astype(int)
        size = int(np.ceil(2 * reach / px)) + 1
        rows = slice(max(top, 0), min(top + size, self.signal.shape[0]))
        cols = slice(max(left, 0), min(left + size, self.signal.shape[1]))
        if rows.start >= rows.stop or cols.start >= cols.stop:
            return
        local = centre - [top, left]
        if placed.kind == "satellite" and self.rng.random() < self.spec.jumping:
            window = self._jumping(placed, local, size)
        else:
            window = self._rendered(placed.atoms, local, size, placed.guests)
            if placed.kind != "satellite":
                window = self._moving(window, placed.radius_nm / px)
        if placed.kind != "satellite" and self.spec.collar > 0:
            # a few atoms gather no pile
            height = self.spec.collar * self.rng.lognormal(0, 0.5) * min(1.0, len(placed.atoms) / _COLLARED)
            window = window + collar((size, size), local, placed.radius_nm, height, px, self.rng)
        self.signal[rows, cols] += window[rows.start - top : rows.stop - top, cols.start - left : cols.stop - left]

    def _rendered(self, atoms: Floats, centre: Floats, size: int, guests: npt.NDArray[np.bool_] | None = None) -> Image:
        px = self.spec.pixel_size_nm
        places = np.column_stack([centre[0] + atoms[:, 1] / px, centre[1] + atoms[:, 0] / px, atoms[:, 2]])
        weights = atom_weights(atoms, self.spec.element)
        if guests is not None and self.spec.alloy is not None:
            weights = np.where(guests, weights * self.spec.alloy.relative_signal(self.spec.element), weights)
        return self.spec.probe.render((size, size), px, places, weights)

    def _moving(self, window: Image, reach_px: float) -> Image:
        """The cluster jumps between some of the lines; rows that it skips are lost, others are seen twice."""
        if self.spec.motion_nm <= 0:
            return window
        jumps = self.rng.random(len(window)) < _JUMPS_PER_NM * self.spec.pixel_size_nm
        steps = self.rng.normal(0, self.spec.motion_nm / self.spec.pixel_size_nm, (2, len(window))) * jumps
        displacement = np.cumsum(steps, axis=1)
        # where it is on average while the beam is on it is its place in the image
        over = np.abs(np.arange(len(window)) - (len(window) - 1) / 2) < reach_px
        displacement -= displacement[:, over].mean(axis=1, keepdims=True)
        return moved(window, displacement[0], displacement[1])

    def _jumping(self, atom: PlacedCluster, centre: Floats, size: int) -> Image:
        """An atom that changes its site between lines: pieces of spots, and streaks where it came back."""
        stays = max(1.0, self.rng.uniform(0.05, 0.4) / self.spec.pixel_size_nm)
        site = np.cumsum(self.rng.random(size) < 1 / stays) % 3
        window = np.zeros((size, size), dtype=np.float32)
        for number, offset in enumerate(self.rng.normal(0, _SITES_NM, (3, 3)) * [1, 1, 0]):
            window += self._rendered(atom.atoms + offset, centre, size) * (site == number)[:, None]
        return window
