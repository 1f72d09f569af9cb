"""What a micrograph's noise and support are like, in numbers that real and simulated ones can be compared by."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Floats = npt.NDArray[np.float64]

#: structure of the support is judged between these lengths, nm
BAND_NM: Final = (0.4, 2.0)
#: neighbouring pixels up to this distance tell noise from structure
_LAGS: Final = 5


@dataclass(frozen=True)
class NoiseStatistics:
    """Noise and support of one micrograph; counts unless said otherwise.

    Attributes
    ----------
    level
        Median of the support above black.
    pixel_noise
        Standard deviation of what changes from pixel to pixel.
    correlation_along, correlation_across
        Correlation of that noise between neighbours along a scan line and from line to line.
    line_offset
        Standard deviation of the offset of a scan line, relative to `pixel_noise`.
    structure
        Standard deviation of the support between the lengths of `BAND_NM`, noise taken off.
    thickness_ratio
        95th over 5th percentile of the support averaged over 2 nm.
    noise_growth
        Exponent of the noise's variance with the level: 0 readout, 1 shot noise (nan on an even support).
    """

    level: float
    pixel_noise: float
    correlation_along: float
    correlation_across: float
    line_offset: float
    structure: float
    thickness_ratio: float
    noise_growth: float

    @property
    def relative_noise(self) -> float:
        """Pixel noise over the level."""
        return self.pixel_noise / max(self.level, 1e-12)


def noise_statistics(
    image: npt.NDArray[np.floating],
    pixel_size_nm: float,
    black: float = 0.0,
    objects_px: Floats | None = None,
    vacuum_below: float | None = None,
) -> NoiseStatistics:
    """Measure the noise and the support of a micrograph.

    Noise is what has no memory over a few pixels: its variance and its correlation are the step of the autocovariance
    at the first lags over a parabola through the next ones.

    Parameters
    ----------
    image
        (y, x) counts.
    pixel_size_nm
        Side of a pixel, nm.
    black
        Counts without signal.
    objects_px
        (n, 2) places y, x of clusters and atoms, which are left out.
    vacuum_below
        Counts (averaged over 1 nm) below which there is no support.
    """
    data = np.asarray(image, dtype=np.float64) - black
    smooth = ndimage.gaussian_filter(data, 0.5 / pixel_size_nm)
    use = _off_objects(data, smooth, pixel_size_nm, objects_px)
    if vacuum_below is not None:
        use &= ndimage.uniform_filter(smooth, max(1, round(2.0 / pixel_size_nm))) > vacuum_below - black
    high = data - ndimage.gaussian_filter(data, 1.5 / pixel_size_nm)
    high[~use] = np.nan
    some = use.any(axis=1)
    rows = np.full(len(high), np.nan)
    rows[some] = np.nanmedian(high[some], axis=1)
    offset = _offset_sd(rows, high)
    high -= np.nan_to_num(rows)[:, None]
    along, across = _autocovariance(high, 1), _autocovariance(high, 0)
    zero = 0.5 * (_extrapolated(across, 0, 1) + _extrapolated(along, 0, 2))
    noise = max(along[0] - zero, 1e-30)
    wide = ndimage.gaussian_filter(data, 1.0 / pixel_size_nm)[use]
    low, high_end = np.percentile(wide, (5, 95))
    level = float(np.median(data[use]))
    return NoiseStatistics(
        level=level,
        pixel_noise=float(np.sqrt(noise)),
        correlation_along=float((along[1] - _extrapolated(across, 1, 2)) / noise),
        correlation_across=float((across[1] - _extrapolated(across, 1, 2)) / noise),
        line_offset=float(offset / np.sqrt(noise)),
        structure=_band_sd(
            data, use, pixel_size_nm, noise * (1 + 2 * (along[1] - _extrapolated(across, 1, 2)) / noise)
        ),
        thickness_ratio=float(high_end / max(low, 0.02 * level)),
        noise_growth=_growth(data, smooth, use),
    )


def _off_objects(
    data: Floats, smooth: Floats, pixel_size_nm: float, objects_px: Floats | None
) -> npt.NDArray[np.bool_]:
    """Pixels far from every object; where these are not known, from everything that stands out."""
    if objects_px is not None:
        use = np.ones(data.shape, dtype=bool)
        places = np.round(objects_px).astype(int)
        inside = np.all((places >= 0) & (places < data.shape), axis=1)
        use[tuple(places[inside].T)] = False
        return np.asarray(ndimage.distance_transform_edt(use) * pixel_size_nm > 0.35)
    bright = ndimage.gaussian_filter(data, 0.12 / pixel_size_nm) - smooth
    spread = 1.4826 * np.median(np.abs(bright - np.median(bright)))
    return np.asarray(~ndimage.binary_dilation(bright > 4 * spread, iterations=max(1, round(0.25 / pixel_size_nm))))


def _autocovariance(values: Floats, axis: int) -> Floats:
    """(lags + 1,) covariance of pixels at distance 0, 1, 2 … along an axis; nan left out."""
    values = np.moveaxis(values, axis, 0)
    return np.array([np.nanmean(values[: len(values) - lag] * values[lag:]) for lag in range(_LAGS + 1)])


def _extrapolated(covariance: Floats, lag: int, first: int) -> float:
    """Covariance of the smooth part at `lag`, by an even parabola through four lags from `first`."""
    lags = np.arange(first, min(first + 4, len(covariance)))
    return float(np.polyval(np.polyfit(lags**2, covariance[lags], 1), lag**2))


def _offset_sd(rows: Floats, high: Floats) -> float:
    """Standard deviation of line offsets: what lines differ from the mean of their two neighbours, less its noise."""
    bend = rows[1:-1] - 0.5 * (rows[:-2] + rows[2:])
    count = np.maximum(np.isfinite(high).sum(axis=1), 1)
    chance = np.nanvar(high) * 1.57 * 1.4 * np.mean(1 / count[count > 20])
    return float(np.sqrt(max(np.nanvar(bend) / 1.5 - chance, 0)))


def _band_sd(data: Floats, use: npt.NDArray[np.bool_], pixel_size_nm: float, noise_density: float) -> float:
    """Standard deviation of the support within the band, from the spectrum without that of the noise."""
    filled = data.copy()
    weight = ndimage.gaussian_filter(use.astype(float), 0.3 / pixel_size_nm)
    inpaint = ndimage.gaussian_filter(data * use, 0.3 / pixel_size_nm) / np.maximum(weight, 1e-6)
    filled[~use] = inpaint[~use]
    filled -= ndimage.gaussian_filter(filled, 2.5 / pixel_size_nm)
    keep = ndimage.gaussian_filter((ndimage.minimum_filter(weight, 3) > 0.2).astype(float), 0.5 / pixel_size_nm)
    keep *= np.outer(*(np.hanning(n) ** 0.5 for n in data.shape))
    spectrum = np.abs(np.fft.fft2(filled * keep)) ** 2 / (keep**2).sum()
    fy, fx = (np.fft.fftfreq(n, pixel_size_nm) for n in data.shape)
    radius = np.hypot(fy[:, None], fx[None])
    # scan-line faults lie at the lowest frequencies along the line
    band = (radius > 1 / BAND_NM[1]) & (radius < 1 / BAND_NM[0])
    clear = band & (np.abs(fx)[None] > 0.12)
    density = spectrum[clear].mean() - noise_density
    return float(np.sqrt(max(density, 0) * band.sum() / data.size))


def _growth(data: Floats, smooth: Floats, use: npt.NDArray[np.bool_]) -> float:
    """Slope of ln(noise variance) over ln(level) between parts of different thickness."""
    step = 0.5 * (data[2:] - data[:-2]) ** 2
    level, use = smooth[1:-1], use[2:] & use[:-2]
    edges = np.percentile(level[use], np.linspace(2, 98, 9))
    if edges[0] <= 0 or edges[-1] < 1.5 * edges[0]:
        return float("nan")
    parts = [use & (level >= a) & (level < b) for a, b in pairwise(edges)]
    return float(np.polyfit(np.log([level[p].mean() for p in parts]), np.log([step[p].mean() for p in parts]), 1)[0])
