"""Taking the lattice of a crystalline support off an image: its sharp peaks in Fourier space, wherever they lie."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from napari_atomicity.detection.checks import lattice
from napari_atomicity.detection.gaps import without_gaps
from napari_atomicity.detection.repair import content_of, repaired

Image = npt.NDArray[np.float32]

#: spacings of lattices, nm
_SPACINGS_NM: Final = (0.09, 0.6)
#: power of a peak over the typical power at its spacing
_PEAK: Final = 25.0
#: what belongs to a peak around it, in pixels of the spectrum
_REACH_PX: Final = 3
#: width over which the image is led to its level at the sides, as part of them: else peaks smear along the axes
_RIM: Final = 0.04
#: the last image that has none, told by its content: one that was searched is cut into patches next
_BARE: Final[set[bytes]] = set()


def without_lattice(image: npt.NDArray[np.floating], pixel_size_nm: float) -> Image:
    """The image without what repeats at the spacings of a lattice in the whole of it.

    Parameters
    ----------
    image
        (y, x) micrograph in counts, without nan.
    pixel_size_nm
        Side of a pixel, nm.
    """
    values = np.asarray(image, dtype=np.float32)
    margin = [max(8, int(_RIM * n)) for n in values.shape]
    level = float(np.median(values))
    # the spectrum of a mirrored rim is that of a lattice still, and has no jump at the sides
    padded = np.pad(values - level, [(n, n) for n in margin], mode="reflect")
    window = np.outer(*(_ramp(n + 2 * m, m) for n, m in zip(values.shape, margin, strict=True)))
    spectrum = fft.rfft2(padded * window)
    frequency = np.hypot(
        fft.fftfreq(padded.shape[0], pixel_size_nm)[:, None], fft.rfftfreq(padded.shape[1], pixel_size_nm)[None]
    )
    power = np.log(np.abs(spectrum) ** 2 + 1e-30)
    ring = (frequency * pixel_size_nm * min(padded.shape) / 4).astype(int)
    typical = np.bincount(ring.ravel(), power.ravel()) / np.maximum(np.bincount(ring.ravel()), 1)
    band = (frequency > 1 / _SPACINGS_NM[1]) & (frequency < 1 / _SPACINGS_NM[0])
    peaks = band & (power - typical[ring] > np.log(_PEAK))
    # noise alone goes beyond that in single pixels; a lattice is far above and wide
    peaks &= ndimage.uniform_filter(peaks.astype(np.float32), 3) > 0.3
    notch = ndimage.binary_dilation(peaks, iterations=_REACH_PX) & band
    spectrum[notch] *= np.exp(0.5 * (typical[ring] - power))[notch]
    clean = fft.irfft2(spectrum, padded.shape) / np.maximum(window, 0.05)
    inner = tuple(slice(m, m + n) for n, m in zip(values.shape, margin, strict=True))
    return np.asarray(clean[inner] + level, dtype=np.float32)


def off_lattice(image: npt.NDArray[np.floating], pixel_size_nm: float) -> npt.NDArray[np.floating]:
    """An image as clusters are measured and counted on it: without the lattice of a crystalline support.

    Parameters
    ----------
    image
        (y, x) micrograph in counts; nan where there is no data.
    pixel_size_nm
        Side of a pixel, nm.

    Returns
    -------
    numpy.ndarray
        The same object where there is no lattice.
    """
    # of a masked image the same content may hide behind another mask
    key = None if isinstance(image, np.ma.MaskedArray) else content_of(image, pixel_size_nm)
    if key is not None and key in _BARE:
        return image
    mended = repaired(image, pixel_size_nm).image
    filled = without_gaps(mended, pixel_size_nm)
    if lattice(filled, pixel_size_nm) is None:
        if key is not None:
            has_no_lattice(key)
        return image
    return np.where(np.isfinite(mended), without_lattice(filled, pixel_size_nm), np.float32(np.nan))


def has_no_lattice(key: bytes) -> None:
    """Take note that the image of this content (`repair.content_of`) was searched for a lattice and has none."""
    _BARE.clear()
    _BARE.add(key)


def _ramp(n: int, margin: int) -> npt.NDArray[np.float32]:
    """(n,) ones that fall to nothing within a margin at both ends."""
    rise = np.sin(0.5 * np.pi * (np.arange(margin) + 0.5) / margin) ** 2
    return np.concatenate([rise, np.ones(n - 2 * margin), rise[::-1]]).astype(np.float32)
