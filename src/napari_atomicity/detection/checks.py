"""Is this image one whose clusters can be counted? If not: what is it, and what can be done?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from napari_atomicity.detection.finding import averaged
from napari_atomicity.detection.gaps import without_gaps


@dataclass(frozen=True)
class Finding:
    """Something odd about an image.

    Attributes
    ----------
    code
        Short name: constant, empty, range, saturated, bright_field, lattice, gaps, small, repaired.
    message
        One sentence: what it is and what to do.
    blocking
        Whether nothing in the image can be counted.
    judged
        Whether that is a judgement of what the image shows, against which a person may decide.
    """

    code: str
    message: str
    blocking: bool
    judged: bool = False


#: power of a lattice's peaks over the typical power at the same spacing: 400 to 1500 on real lattices, 15 to 70 on
#: nearly all fields of micrographs of clusters
_LATTICE_PEAK: Final = 200.0
#: lowest frequency along a line at which a lattice is looked for, 1 / nm
_STREAKS_PER_NM: Final = 0.7
#: where atoms repeat the image becomes like itself again at some shift between these, by more than this share of what
#: it differs by: all of it on real lattices, a fifth at most on clusters in rows, which are wider than such a shift
_SHIFTS_NM: Final = (0.12, 0.6)
_LIKE_AGAIN: Final = 0.5
#: what varies more slowly than this, 1 / nm, is thickness, and so is what leaks out of it into the next frequencies
_LEAKS_PX: Final = 2.5
_THICKNESS_PER_NM: Final = 0.45
_SMALLEST_FIELD_NM: Final = 2.0
_LEAST_DATA: Final = 0.1
#: smallest span and largest value with which single precision still measures
_COUNTS: Final = (1e-18, 1e12)
#: sizes of blobs at which bright field is looked for: that of clusters, then those of larger particles
_BLOBS_NM: Final = (0.25, 0.5, 1.0, 2.0)


def inspect(image: npt.NDArray[np.floating], pixel_size_nm: float) -> tuple[Finding, ...]:
    """Look at a frame before anything is counted in it.

    Parameters
    ----------
    image
        (y, x) micrograph in counts.
    pixel_size_nm
        Side of a pixel, nm.
    """
    valid = np.isfinite(image)
    share = float(valid.mean()) if image.size else 0.0
    if share < _LEAST_DATA:
        return (Finding("empty", f"Only {share:.0%} of the pixels hold data; open another frame.", True),)
    values = image[valid] if share < 1 else image
    low, high = float(values.min()), float(values.max())
    if low == high:
        return (
            Finding("constant", f"Every pixel has the value {low:g}: nothing was recorded; open another image.", True),
        )
    if not (high - low > _COUNTS[0] and max(abs(low), abs(high)) < _COUNTS[1]):
        words = (
            f"The values run from {low:g} to {high:g}, which no detector gives; scale the image or open another one."
        )
        return (Finding("range", words, True),)
    if min(image.shape) * pixel_size_nm < _SMALLEST_FIELD_NM:
        return (Finding("small", "The field is smaller than 2 nm; open a larger field of view.", True),)
    filled = without_gaps(image, pixel_size_nm) if share < 1 else image
    found = [
        _gaps(share),
        _saturated(values, low, high),
        _bright_field(filled, pixel_size_nm),
        lattice(filled, pixel_size_nm),
    ]
    return tuple(finding for finding in found if finding)


def _gaps(share: float) -> Finding | None:
    if share == 1:
        return None
    message = f"{1 - share:.1%} of the pixels hold no data or are left out; clusters that they cut are flagged."
    return Finding("gaps", message, False)


def _saturated(values: npt.NDArray[np.floating], low: float, high: float) -> Finding | None:
    at_top = float(np.mean(values >= high))
    if at_top < 1e-4 or at_top * values.size < 20:
        return None
    blocking = at_top > 0.25
    advice = "clusters there are flagged and counted too low"
    if blocking:
        advice = "record with less gain, or count it all the same"
    message = f"{at_top:.2%} of the pixels are saturated at {high:g} counts: {advice}."
    return Finding("saturated", message, blocking, judged=True)


def _bright_field(image: npt.NDArray[np.floating], pixel_size_nm: float) -> Finding | None:
    """Of blobs the dark ones stand out, be they of a cluster's size or, where no bright ones do, of a larger one."""
    extent = min(image.shape) * pixel_size_nm
    kinds = [_darkness(image, pixel_size_nm, size) for size in _BLOBS_NM if size == _BLOBS_NM[0] or 8 * size < extent]
    small, *larger = kinds
    dark = small[0] < -1 and small[1] > 1.3
    dark |= small[0] < 1 and any(skewness < -2 and ratio > 1.5 for skewness, ratio in larger)
    if not dark:
        return None
    return Finding(
        "bright_field",
        "The particles are darker than their surroundings, as in a bright-field image; open the HAADF image, or count "
        "what is bright all the same.",
        True,
        judged=True,
    )


def _darkness(image: npt.NDArray[np.floating], pixel_size_nm: float, size_nm: float) -> tuple[float, float]:
    """Skewness of the image filtered for blobs of a size, and how much stronger the darkest is than the brightest."""
    factor = max(1, min(int(0.8 * size_nm / pixel_size_nm), min(image.shape) // 16))
    coarse = averaged(image, factor)
    grid = pixel_size_nm * factor
    blobs = ndimage.gaussian_filter(coarse, size_nm / grid) - ndimage.gaussian_filter(coarse, 4 * size_nm / grid)
    blobs -= blobs.mean()
    squares = blobs * blobs
    skewness = float(np.mean(squares * blobs)) / (float(np.mean(squares)) ** 1.5 + 1e-30)
    darkest, brightest = np.quantile(blobs, (2e-4, 1 - 2e-4))
    return skewness, -float(darkest) / max(float(brightest), 1e-30)


def lattice(image: npt.NDArray[np.floating], pixel_size_nm: float) -> Finding | None:
    """Sharp peaks in the power spectrum, at lattice spacings, of what repeats at them, in most parts of the field.

    Parameters
    ----------
    image
        (y, x) micrograph in counts, without nan.
    pixel_size_nm
        Side of a pixel, nm.
    """
    side = min(256, *image.shape)
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(side, pixel_size_nm)] * 2, indexing="ij"))[:, : side // 2 + 1]
    ring = (frequency * pixel_size_nm * side + 0.5).astype(int)
    band = (frequency > 1 / 0.6) & (frequency < 1 / 0.09) & (ring >= 4)
    # scan-line noise lies on the axes, jitter and flicker of lines near the one of the slow scan
    band[0, :] = band[:, : max(3, int(_STREAKS_PER_NM * pixel_size_nm * side) + 1)] = False
    if band.sum() < 100:
        return None
    fine = frequency > max(_THICKNESS_PER_NM, _LEAKS_PX / (side * pixel_size_nm))
    window = np.hanning(side)[:, None] * np.hanning(side)[None]
    periodic = []
    for y in {0, image.shape[0] - side}:
        for x in {0, image.shape[1] - side}:
            part = np.asarray(image[y : y + side, x : x + side], dtype=np.float32)
            power = np.abs(fft.rfft2((part - part.mean()) * window)) ** 2
            # compared with the geometric mean of their ring, which the peaks themselves hardly raise
            logarithm = np.log(power + 1e-9 * power.mean() + 1e-30)
            typical = np.bincount(ring.ravel(), logarithm.ravel()) / np.maximum(np.bincount(ring.ravel()), 1)
            sharp = float((logarithm - typical[ring])[band].max()) > np.log(_LATTICE_PEAK)
            periodic.append(sharp and _repeats_as_atoms_do(power * fine, pixel_size_nm))
    if np.mean(periodic) > 0.5:
        return Finding(
            "lattice",
            "The whole field is periodic, as a crystal lattice or interference is; "
            "open an image of separate clusters on a support, or count it all the same.",
            True,
            judged=True,
        )
    return None


def _repeats_as_atoms_do(power: npt.NDArray[np.floating], pixel_size_nm: float) -> bool:
    """Whether the image is like itself again within the spacing of a lattice.

    Clusters in rows have sharp peaks at such spacings, too: overtones of the distance between them.
    """
    side = len(power)
    alike = fft.irfft2(power, (side, side))
    shifts = np.arange(*_SHIFTS_NM, min(0.03, pixel_size_nm / 2)) / pixel_size_nm
    angles = np.linspace(0, np.pi, 24, endpoint=False)
    places = np.stack([np.outer(np.sin(angles), shifts), np.outer(np.cos(angles), shifts)])
    # sampled at whole shifts from minus to plus half the side, put in order around none
    along = ndimage.map_coordinates(fft.fftshift(alike), places + side // 2, order=1, mode="nearest")
    rise = (along - np.minimum.accumulate(along, axis=1)).max()
    return bool(rise > _LIKE_AGAIN * np.ptp(along, axis=1).max())
