"""How good the images of a session are, image after image, and a sentence when something leaves its band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from napari_atomicity.live.counting import LiveCount
    from napari_atomicity.micrograph import FloatImage

#: images that say what is usual, and least before anything is said
_USUAL_OF: Final = 12
_LEAST: Final = 4
#: standard deviations of the usual images beyond which a value is out of its band
_BAND: Final = 4.0
#: images in a row that are out of the band before it is said; one that is out twice as far is said at once
_IN_A_ROW: Final = 2
#: pixels along the sides of the middle of an image that tells the blur, and spatial frequencies that are compared
_BLUR_PX: Final = 640
_COARSE_PER_NM: Final = (0.5, 0.9)
_FINE_PER_NM: Final = (1.3, 2.2)
#: of the power of noise that details must have
_SEEN: Final = 0.05
#: width of a Gaussian at half height in its standard deviations
_FWHM: Final = 2.355
#: sides of the picture in which a shift of the stage is looked for
_DRIFT_PX: Final = 256
#: every so many pixels tell the level of the support
_EVERY_PX: Final = 4
#: peak of the correlation over its spread from which on two images show the same field
_SAME_FIELD: Final = 13.0


@dataclass(frozen=True)
class Strip:
    """One quality of images.

    Attributes
    ----------
    name, unit
        For people.
    least
        Smallest half width of its band, as a part of the usual value, or in its unit where that is about zero.
    relative
        Whether the band is a part of the usual value.
    more, less
        What is said where it is larger, or smaller; empty where that is no worry.
    """

    name: str
    unit: str
    least: float
    relative: bool
    more: str
    less: str


STRIPS: Final[Mapping[str, Strip]] = {
    "scale": Strip(
        "Intensity of an atom", "counts nm²", 0.15, True,
        "the intensity of an atom has risen to {ratio:.2f} times: gain, beam current or dwell time changed?",
        "the intensity of an atom has fallen to {ratio:.2f} times: gain, beam current or dwell time changed?",
    ),
    "blur": Strip(
        "Blur", "nm", 0.07, True,
        "images are blurred by {extra:.2f} nm more than at first: refocus?", "",
    ),
    "noise": Strip(
        "Noise", "atoms/nm²", 0.35, True,
        "noise is {ratio:.1f} times as high: beam current or dwell time lower?", "",
    ),
    "drift": Strip(
        "Drift", "nm", 2.0, False,
        "the stage drifted by {value:.1f} nm between two images of one field: wait until it is still?", "",
    ),
    "support": Strip(
        "Support", "atoms/nm²", 8.0, False,
        "the support is brighter by {difference:.0f} atoms/nm²: contamination, or a thicker place?", "",
    ),
    "saturated": Strip(
        "Saturated", "% of pixels", 0.02, False,
        "{value:.2f} % of the pixels are saturated: lower the gain?", "",
    ),
    "left_out": Strip(
        "Left out", "% of clusters", 20.0, False,
        "{value:.0f} % of the clusters cannot be counted: they touch, or lie at the border?", "",
    ),
}  # fmt: skip


def quality_of(live: LiveCount, before: FloatImage | None = None) -> dict[str, float | None]:
    """The qualities of a counted image, by the names of `STRIPS`; None where one is not known.

    Parameters
    ----------
    live
        The image.
    before
        First frame of the image before it, where it has as many pixels; tells the drift.
    """
    from napari_atomicity.counting.ratios import counted

    state = live.state
    table, image = state.table, state.micrograph.frame(0)
    scale = float(np.exp(np.median([part.labelled_at for part in live.parts]))) if live.parts else float("nan")
    used = counted(table)
    high = float(np.nanmax(image))
    moved = shift_px(image, before)
    some = image[::_EVERY_PX, ::_EVERY_PX]
    values = {
        "scale": scale,
        "blur": _blur_nm(image, state.micrograph.calibrated_pixel_size_nm),
        "noise": live.noise,
        "drift": float("nan") if moved is None else moved * state.micrograph.calibrated_pixel_size_nm,
        "support": float(np.nanmedian(some)) / scale,
        "saturated": _saturated(image, high),
        "left_out": 100 * (1 - float(used.mean())) if len(table) else float("nan"),
    }
    return {name: value if np.isfinite(value) else None for name, value in values.items()}


def _blur_nm(image: FloatImage, pixel_size_nm: float) -> float:
    """Width (nm, full at half height) of a Gaussian by which details are weaker than coarse structure; nan in noise."""
    height, width = (min(side, _BLUR_PX) for side in image.shape)
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    part = image[top : top + height, left : left + width].astype(np.float64)
    part = np.nan_to_num(part - np.nanmedian(part)) * np.hanning(height)[:, None] * np.hanning(width)
    power = np.abs(np.fft.rfft2(part)) ** 2
    down, right = np.fft.fftfreq(height, pixel_size_nm)[:, None], np.fft.rfftfreq(width, pixel_size_nm)[None]
    # offsets between lines of the scan lie on one axis: they are left out
    frequency = np.where(right > 3 / (width * pixel_size_nm), np.hypot(down, right), np.inf)
    highest = 0.5 / pixel_size_nm

    def within(low: float, high: float) -> float:
        inside = power[(frequency >= low) & (frequency < high)]
        return float(np.median(inside)) if inside.size else float("nan")

    noise = within(0.8 * highest, highest)
    coarse, fine = (within(*ends) - noise for ends in (_COARSE_PER_NM, _FINE_PER_NM))
    if not (coarse > 0 and fine > _SEEN * noise):
        return float("nan")
    steps = float(np.mean(_FINE_PER_NM) ** 2 - np.mean(_COARSE_PER_NM) ** 2)
    return _FWHM * float(np.sqrt(max(-np.log(fine / coarse), 0.0) / steps)) / (2 * np.pi)


def _saturated(image: FloatImage, high: float) -> float:
    """Per cent of the pixels at the largest value, where that is a wall and not one bright pixel."""
    at_top = float(np.mean(image >= high))
    return 100 * at_top if at_top * image.size >= 5 else 0.0


def shift_px(image: FloatImage, before: FloatImage | None) -> float | None:
    """By how many pixels the field of an image has moved since the one before.

    Parameters
    ----------
    image, before
        (y, x) counts.

    Returns
    -------
    None where they show different fields.
    """
    if before is None or before.shape != image.shape:
        return None
    step = max(1, max(image.shape) // _DRIFT_PX)
    one, other = (_small(part, step) for part in (image, before))
    correlation = np.fft.irfft2(np.fft.rfft2(one) * np.conj(np.fft.rfft2(other)), s=one.shape)
    if float(correlation.max()) < _SAME_FIELD * float(correlation.std()):
        return None
    place = np.unravel_index(int(correlation.argmax()), correlation.shape)
    down, right = (int(p) - n if p > n // 2 else int(p) for p, n in zip(place, correlation.shape, strict=True))
    return float(np.hypot(down, right) * step)


def _small(image: FloatImage, step: int) -> FloatImage:
    """Binned, without what varies slowly, and with edges that do not correlate with one another."""
    from scipy.ndimage import gaussian_filter

    height, width = (side // step * step for side in image.shape)
    filled = np.nan_to_num(image[:height, :width], nan=float(np.nanmedian(image)))
    binned = filled.reshape(height // step, step, width // step, step).mean(axis=(1, 3))
    fine = gaussian_filter(binned, 1.0) - gaussian_filter(binned, 8.0)
    return np.asarray(fine * np.hanning(len(fine))[:, None] * np.hanning(fine.shape[1]), dtype=np.float32)


# ---------------------------------------------------------------------- what is said


def band(values: Sequence[float | None], strip: Strip) -> tuple[float, float, float] | None:
    """What is usual in a session.

    Parameters
    ----------
    values
        Of its images in the order in which they were taken.
    strip
        The quality.

    Returns
    -------
    The usual value and the ends of its band; None while too few images are there.
    """
    known = np.array([value for value in values if value is not None], dtype=float)[:_USUAL_OF]
    if len(known) < _LEAST:
        return None
    middle = float(np.median(known))
    spread = 1.4826 * float(np.median(np.abs(known - middle)))
    least = strip.least * abs(middle) if strip.relative else strip.least
    half = max(_BAND * spread, least)
    return middle, middle - half, middle + half


def warnings_of(names: Sequence[str], qualities: Sequence[Mapping[str, float | None]]) -> list[str]:
    """Sentences about what has left its band and is still out of it.

    Parameters
    ----------
    names
        Of the images in the order in which they were taken.
    qualities
        Of each, as by `quality_of`.
    """
    sentences = []
    for name, strip in STRIPS.items():
        known = [(at, value) for at, quality in enumerate(qualities) if (value := quality.get(name)) is not None]
        usual = band([value for _, value in known], strip)
        if usual is None:
            continue
        middle, low, high = usual
        value = known[-1][1]
        words, end = (strip.more, high) if value > high else (strip.less, low)
        beyond = _last_beyond(known, end, above=value > high)
        far = abs(value - middle) > 2 * abs(end - middle)
        if not words or not beyond or (len(beyond) < _IN_A_ROW and not far):
            continue
        extra = float(np.sqrt(max(value**2 - middle**2, 0.0)))
        ratio = value / middle if middle else np.nan
        said = words.format(ratio=ratio, value=value, difference=value - middle, extra=extra)
        sentences.append(f"Since {names[beyond[-1]]} {said}")
    return sentences


def _last_beyond(known: Sequence[tuple[int, float]], end: float, above: bool) -> list[int]:
    """Places of the latest values, the newest first, that all lie beyond an end of the band."""
    places = []
    for at, value in reversed(known):
        if not (value > end if above else value < end):
            break
        places.append(at)
    return places
