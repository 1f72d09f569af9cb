"""Frames whose clusters are images by abTEM's multislice, pasted in place of the fast model's."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_atomicity.simulation.canvas import Canvas
from napari_atomicity.simulation.detector import ScanPath, acquire, scanned
from napari_atomicity.simulation.frames import SimulatedFrame, truth_of
from napari_atomicity.simulation.placing import Placing
from napari_atomicity.simulation.spec import FrameSpec
from napari_atomicity.simulation.support import support_signal
from validation.multislice_library import MultisliceLibrary, paste

Floats = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]


class _Drawn:
    """Stands in for the library of structures: draws clusters that multislice has imaged, and keeps their images."""

    def __init__(self, store: MultisliceLibrary, focus: int) -> None:
        self.store, self.focus = store, focus
        self.images: list[tuple[Floats, Image]] = []

    def draw(self, n_atoms: int, _flatness: float, rng: np.random.Generator, _spread: float = 0.0) -> Floats:
        image, atoms = self.store.draw(n_atoms, rng, self.focus)
        self.images.append((atoms, image))
        return atoms

    def image_of(self, atoms: Floats) -> Image | None:
        return next((image for drawn, image in self.images if drawn is atoms), None)


class _MultisliceCanvas(Canvas):
    """A canvas that pastes the image of a cluster in place of the fast model's; detached atoms are the fast model's."""

    drawn: _Drawn

    def _rendered(self, atoms: Floats, centre: Floats, size: int) -> Image:
        image = self.drawn.image_of(atoms)
        if image is None:
            return super()._rendered(atoms, centre, size)
        window = np.zeros((size, size), dtype=np.float32)
        store = self.drawn.store
        # the store's probe, 0.11 nm with its source, is blurred to the frame's; a defocused one needs less
        blur = np.sqrt(max(self.spec.probe.fwhm_nm**2 - (0.11 if self.drawn.focus == 0 else 0.2) ** 2, 0.0))
        paste(window, self.spec.pixel_size_nm, centre, image, store.sampling_nm, float(blur))
        return window


def multislice_frame(spec: FrameSpec, seed: int, store: MultisliceLibrary) -> SimulatedFrame:
    """A frame of `spec` whose clusters are drawn from `store`; the flatness of the frame is the store's."""
    rng = np.random.default_rng([seed, 1])
    px = spec.pixel_size_nm
    path = ScanPath.of(spec.shape, px, spec.detector, rng)
    margin = path.reach_px
    wide = (spec.shape[0] + 2 * margin, spec.shape[1] + 2 * margin)
    signal, covered = support_signal(wide, px, spec.support, spec.probe.fwhm_nm, rng)
    level = float(signal[covered].mean()) if covered.any() else 1.0
    placing = Placing(spec, covered[margin : margin + spec.shape[0], margin : margin + spec.shape[1]], rng)
    drawn = _Drawn(store, int(rng.integers(1, 3)) if spec.condition == "defocus" else 0)
    placing.library = drawn  # type: ignore[assignment]
    placed = placing.run()
    canvas = _MultisliceCanvas(signal, spec, path, rng)
    canvas.drawn = drawn
    for placed_object in placed:
        canvas.add(placed_object)
    image = acquire(scanned(canvas.signal, path), level, px, spec.detector, rng)
    return SimulatedFrame(image, px, truth_of(placed, spec), spec.detector.gain, spec, seed)
