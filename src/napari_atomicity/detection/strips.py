"""Strips along a side of the image that the scan left much brighter or darker: where the beam flies back or settles."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.detection.sides import SAMPLE_PX, from_each_side, typical_difference

Image = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]

_SIDES: Final = ("top", "bottom", "left", "right")
#: a strip is no deeper than this share of the image, which goes on for as much again behind it
_DEEPEST: Final = 0.1
#: it lies off what is behind it by this share of the height of the brightest things, by the noise of single pixels, and
#: by so many times what neighbouring lines differ by
_OFF_BY: Final = 0.15
_OFF_LINES: Final = 6.0
#: in this share of the parts of its length, of which more than half hold data; where it ends differs by no more pixels
#: than this between as many of them, which is how it differs from a thick or thin place of the support
_SEGMENTS: Final = 16
_ALL_ALONG: Final = 0.9
_THERE: Final = 0.5
_STRAIGHT: Final = 2.0
#: what is left of it where it ends
_FADED: Final = 0.1
#: and how deep its rim is; lines of one value with no more than that behind them are an empty frame
_RIM: Final = 2


def edge_strips(image: Image) -> tuple[Mask, str] | None:
    """Strips along the sides, all along them and of the same depth everywhere, and a sentence; None without any.

    Parameters
    ----------
    image
        (y, x) micrograph in counts; nan where there is no data.
    """
    step = max(1, int(np.sqrt(image.size / SAMPLE_PX)))
    level, top = np.nanquantile(image[::step, ::step], (0.5, 0.999))
    least = max(_OFF_BY * float(top - level), typical_difference(image, 0.5) / 0.95)
    strips = np.zeros(image.shape, dtype=bool)
    found: dict[str, list[str]] = {"bright": [], "dark": []}
    for side, seen, covered in zip(_SIDES, from_each_side(image), from_each_side(strips), strict=True):
        depth, bright = _depth_of_strip(seen, least)
        if depth:
            covered[:depth] = True
            found["bright" if bright else "dark"].append(side)
    if not strips.any():
        return None
    words = [
        f"a {kind} strip along the {' and the '.join(sides)} edge{'s' * (len(sides) > 1)}"
        for kind, sides in found.items()
        if sides
    ]
    sentence = f"{' and '.join(words)} of the image {'is' if sum(map(len, found.values())) == 1 else 'are'} left out."
    return strips, sentence[0].upper() + sentence[1:]


def _depth_of_strip(image: Image, least: float) -> tuple[int, bool]:
    """Lines of a strip at the top of the image, those without data before it included, and whether it is bright."""
    deepest = int(_DEEPEST * len(image))
    if deepest < 4 or image.shape[1] < 4 * _SEGMENTS:
        return 0, False
    there = np.isfinite(image[: 3 * deepest]).mean(axis=1) > _THERE
    first = int(np.argmax(there))
    lines = image[first : first + 2 * deepest]
    if first > deepest or not there[first : first + 2 * deepest].all():
        return 0, False
    split = [part for part in np.array_split(lines, _SEGMENTS, axis=1) if np.isfinite(part).any(axis=1).all()]
    if len(split) < _THERE * _SEGMENTS:
        return 0, False
    median = np.median if np.isfinite(lines).all() else np.nanmedian
    parts = np.column_stack([median(part, axis=1) for part in split])
    parts -= np.median(parts[deepest:], axis=0)
    scatter = float(np.median(np.abs(np.diff(np.median(parts[deepest:], axis=1)))))
    least = max(least, _OFF_LINES * scatter)
    # of the first two lines, as one may be dead or hot
    for start in (0, 1):
        off = np.median(parts[start])
        height = parts * np.sign(off)
        if np.mean(height[start] > least) < _ALL_ALONG:
            continue
        half = np.argmax(height[start:] < 0.5 * height[start], axis=0)
        straight = np.mean(np.abs(half - np.median(half)) <= _STRAIGHT)
        ended = np.median(height, axis=1)[start:] < max(min(_FADED * float(abs(off)), 0.5 * least), scatter)
        depth = int(np.argmax(ended))
        strip = lines[: start + depth]
        constant = np.count_nonzero(np.fmin.reduce(strip, axis=1) == np.fmax.reduce(strip, axis=1))
        if constant and len(strip) - constant <= _RIM:
            continue
        if straight >= _ALL_ALONG and ended.any() and depth < deepest and ended[depth : 2 * depth + 2].mean() > 0.8:
            return first + start + depth + _RIM, bool(off > 0)
    return 0, False
