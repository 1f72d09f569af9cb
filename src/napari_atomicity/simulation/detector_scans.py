"""Scans of a detector with a known response: an uneven annulus, drawn out to an ellipse, on a dark ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Image = npt.NDArray[np.float32]


@dataclass(frozen=True)
class DetectorShape:
    """How a detector looks in a scan of it.

    Attributes
    ----------
    centre
        (y, x) of the hole, as parts of the height and width.
    outer
        Radius of the outer edge, as part of the smaller side.
    inner
        Radius of the hole over that of the outer edge.
    squeeze, turn
        Short over long axis of the ellipse, and its direction in radians.
    tilt, rings
        Relative change of the response from side to side, and from the hole to the rim.
    dead
        Radius of a spot without response, as part of the outer one; 0 for none.
    """

    centre: tuple[float, float] = (0.5, 0.5)
    outer: float = 0.38
    inner: float = 0.3
    squeeze: float = 0.93
    turn: float = 0.5
    tilt: float = 0.0
    rings: float = 0.0
    dead: float = 0.0


@dataclass(frozen=True, eq=False)
class SimulatedDetectorScan:
    """A scan with what is true of it.

    Attributes
    ----------
    image
        (y, x) float32 counts.
    active
        (y, x) which pixels lie on the detector.
    radius
        (y, x) distance from the axis, 1 at the outer edge.
    response
        (y, x) counts of the whole beam at each place, without dark level, blur and noise; 0 beside the detector.
    dark
        Counts without electrons.
    """

    image: Image
    active: npt.NDArray[np.bool_]
    radius: npt.NDArray[np.float64]
    response: npt.NDArray[np.float64]
    dark: float


def simulate_detector_scan(
    height: float,
    shape: DetectorShape | None = None,
    size: tuple[int, int] = (256, 256),
    dark: float = 500.0,
    noise: float = 0.02,
    blur_px: float = 0.8,
    seed: int = 0,
) -> SimulatedDetectorScan:
    """Scan the beam over a detector.

    Parameters
    ----------
    height
        Counts of the whole beam on an even detector.
    shape
        Of the detector; a round one, off no centre and even, by default.
    size
        (y, x) pixels.
    dark
        Counts without electrons.
    noise
        Standard deviation of a pixel relative to `height`.
    blur_px
        Width of the beam on the detector, pixels.
    seed
        Of the noise.
    """
    shape = shape or DetectorShape()
    rng = np.random.default_rng([seed, 11])
    y, x = np.indices(size, dtype=np.float64)
    y, x = y - shape.centre[0] * (size[0] - 1), x - shape.centre[1] * (size[1] - 1)
    along = x * np.cos(shape.turn) + y * np.sin(shape.turn)
    across = (y * np.cos(shape.turn) - x * np.sin(shape.turn)) / shape.squeeze
    reach = shape.outer * min(size)
    radius = np.hypot(along, across) / reach
    active = (radius <= 1) & (radius >= shape.inner)
    even = 1 + shape.tilt * along / reach / 2 + shape.rings * (radius - (1 + shape.inner) / 2)
    if shape.dead:
        even = np.where(np.hypot(along / reach - 0.6, across / reach) < shape.dead, 0.0, even)
    seen = height * np.where(active, even, 0.0)
    image = dark + ndimage.gaussian_filter(seen, blur_px) + height * noise * rng.standard_normal(size)
    return SimulatedDetectorScan(image.astype(np.float32), active, radius, seen, dark)
