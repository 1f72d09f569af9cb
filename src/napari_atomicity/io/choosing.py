"""Which image of several is the one to count: by title, calibration, type and shape together, then by its pixels.

Every clue has a weight and words. The weights of an image are added; the images are looked at in the
order of their sums, and only as long as the pixels of a later one could still win.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import log2, prod
from typing import Any, Final, NamedTuple

import numpy as np

from napari_atomicity.errors import InputError
from napari_atomicity.io.pixels import nothing_to_see, signs_of_no_micrograph
from napari_atomicity.io.raw import RawImage

#: images whose pixels are looked at, and bytes that this may read, before headers decide alone
_MOST_LOOKS: Final = 8
_MOST_BYTES: Final = 2**29
#: what the pixels of an image say against it
_SIGNS: Final = {
    "mask": (-60, "of two values, as a mask"),
    "labels": (-50, "in patches of equal whole numbers, as labels"),
    "fourier": (-40, "the same on both sides of its middle, as a Fourier transform"),
    "marks": (-30, "nearly all of one value, as a map of distances"),
    "display": (-5, "cut off at both ends, as a display copy"),
    "unit": (-11, "of values between 0 and 1"),
}

_RAW = re.compile(r"un(processed|filtered|masked|label+ed)|(?<![a-z])(raw|original)(?![a-z])", re.IGNORECASE)
_NO_MICROGRAPH = re.compile(
    r"mask|label|segment|annotation|probab|predict|thumb|preview|posit|coord|centroid|histogram|heat.?map|grad.?cam|attention"
    r"|thresh|binary|contour|outline|skelet|spectr|diffract|background|flat.?field|gain.?(ref|map|corr)|dark.?(ref|curr|frame)"
    r"|variance|uncertain|residual|ground.?truth|calibration|palette|colou?r.?map|instances"
    r"|(?<![a-z])((dark|white|flat)s?(?!.?field)|rois?|seg|preds?|probs?|gt|bkg|fft|eels|eds|edx|errors?|std|stddev"
    r"|sigma|weights?|hist|lut|tables?|ax[ei]s|ids?|ind(ex|ices)|objects?|instances?|class(es)?|scores?|confidence"
    r"|times?(tamps?)?|points?|bbox(es)?|box(es)?|grid|dist(ance)?|survey)(?![a-z])|(^|/)[xyt]{1,2}$",
    re.IGNORECASE,
)
_PROCESSED = re.compile(
    r"filter|denois|bg.?sub|smooth|deconv|restor|enhanc|normali[sz]|averag|subtract|integrat|process|gauss|wiener|median"
    r"|display|overlay|render|screenshot|resi[zs]|resampl|upsampl|downsampl|up.?scal|super.?res|interpol|reconstr|projection|masked|correlat|equali[sz]"
    r"|(?<![a-z])(sum|summed|mean|avg|max|rms|copy|rgba?|scaled|binn(ed|ing)|bin\d*|clahe|lcn|nlm|bm3d|n2[vn]|svd|pca"
    r"|nmf|ica|fit|fitted|template|i?d?dpc|dcfi|stretched|rescaled|8.?bit|jpe?g|png)(?![a-z])",
    re.IGNORECASE,
)


class Clue(NamedTuple):
    """One thing that speaks for an image (positive weight) or against it, and how it is said."""

    weight: float
    words: str


@dataclass
class Candidate:
    """An image of a file with what is known about it; `data` once it was looked at."""

    index: int
    image: RawImage
    clues: list[Clue]
    data: Any = None
    failed: InputError | None = None
    warnings: tuple[str, ...] = ()

    @property
    def score(self) -> float:
        """Sum of the weights: the greater, the more likely this is the image to count."""
        return sum(clue.weight for clue in self.clues)

    def load(self) -> None:
        """Read the pixels; `failed` says why that did not work."""
        try:
            self.data = self.image.load()
            self._examine()
        except InputError as error:
            self.failed, self.data = error, None

    def look(self) -> None:
        """Read the pixels (of a stack the first frame) and add what they tell."""
        self.load()
        if self.failed is not None:
            return
        try:
            frame = self.data if self.data.ndim == 2 else np.asarray(self.data[0])
        except InputError as error:
            self.failed, self.data = error, None
            return
        if nothing_to_see(frame):
            self.clues.append(Clue(-100, "of one value everywhere"))
        elif sign := signs_of_no_micrograph(frame):
            self.clues.append(Clue(*_SIGNS[sign]))

    def _examine(self) -> None:
        if self.image.examine is None:
            return
        warnings, refusal = self.image.examine()
        all_warnings = (*self.image.warnings, *warnings)
        self.image = replace(self.image, warnings=all_warnings, refusal=self.image.refusal or refusal, examine=None)
        if refusal:
            self.clues.append(Clue(-200, "not to be counted"))


# ---------------------------------------------------------------------- what headers tell


def of_headers(image: RawImage) -> Iterator[Clue]:
    """What title, calibration, type and shape say about an image, pixels not read."""
    if image.cannot_open:
        return
    yield Clue(0.5 * log2(max(1, prod(image.shape[-2:]))), "")
    if image.why_not:
        yield Clue(-200, "not to be counted")
    yield from _of_title(image)
    if image.calibration.pixel_size_nm is not None:
        yield Clue(6 if image.calibration.warnings else 10, "with a pixel size")
    if image.dtype == bool:
        yield Clue(-60, "yes or no a pixel, a mask")
    elif image.dtype.kind in "iu" and image.dtype.itemsize != 2:
        yield from _of_integers(image.dtype.itemsize)
    short, long = sorted(image.shape[-2:])
    if short < 16 or long > 20 * short:
        yield Clue(-50, "of the shape of a table")
    elif short < 64:
        yield Clue(-6, "small")


def _of_title(image: RawImage) -> Iterator[Clue]:
    title = _RAW.sub("", image.title)
    if image.says_haadf:
        yield Clue(45, "HAADF by its title")
    elif image.says_dark_field:
        yield Clue(30, "dark field by its title")
    if match := _NO_MICROGRAPH.search(title):
        yield Clue(-60, f"“{_word(title, match)}” in its title")
    elif match := _PROCESSED.search(title):
        yield Clue(-12, f"“{_word(title, match)}” in its title")
    elif title != image.title:
        yield Clue(2, "raw by its title")


def _word(title: str, match: re.Match[str]) -> str:
    """The whole word of `title` in which something was found."""
    start, end = match.span()
    while start and title[start - 1].isalpha():
        start -= 1
    while end < len(title) and title[end].isalpha():
        end += 1
    return title[start:end]


def _of_integers(n_bytes: int) -> Iterator[Clue]:
    if n_bytes == 1:
        yield Clue(-12, "8-bit")
    elif n_bytes == 8:
        yield Clue(-9, "64-bit whole numbers, as labels have")


# ---------------------------------------------------------------------- choosing


def choose(images: Sequence[RawImage]) -> Candidate:
    """The likeliest image of a file to count, loaded, with a warning that says why it was taken and what else there is.

    Parameters
    ----------
    images
        All of the file, at least one of which can be opened.

    Raises
    ------
    InputError
        Where the pixels of none of them can be read.
    """
    candidates = [Candidate(k, image, list(of_headers(image))) for k, image in enumerate(images)]
    openable = [candidate for candidate in candidates if not candidate.image.cannot_open]
    waiting = sorted(openable, key=lambda candidate: -candidate.score)
    if len(waiting) > 1:
        _look_at(waiting)
    best = min(
        (candidate for candidate in openable if candidate.failed is None),
        key=lambda candidate: -candidate.score,
        default=None,
    )
    if best is None:
        raise next(candidate.failed for candidate in openable if candidate.failed is not None)
    if best.data is None:
        best.load()
    if best.failed is not None:
        raise best.failed
    best.warnings = tuple(_messages(best, candidates))
    return best


def loaded(index: int, image: RawImage) -> Candidate:
    """The image that a person asked for, with its pixels.

    Parameters
    ----------
    index
        Its place in the file.
    image
        What its headers say.

    Raises
    ------
    InputError
        Where its pixels cannot be read.
    """
    candidate = Candidate(index, image, [])
    candidate.load()
    if candidate.failed is not None:
        raise candidate.failed
    return candidate


def _look_at(waiting: Sequence[Candidate]) -> None:
    """Look at the pixels of the first ones, until none of the rest can win against what was seen."""
    best: Candidate | None = None
    bytes_read = 0
    for looks, candidate in enumerate(waiting):
        if best is not None and best.score >= candidate.score:
            return
        bytes_read += prod(candidate.image.shape[-2:]) * candidate.image.dtype.itemsize
        if looks >= _MOST_LOOKS or (looks and bytes_read > _MOST_BYTES):
            return
        candidate.look()
        if candidate.failed is not None:
            continue
        if best is None or candidate.score > best.score:
            best, worse = candidate, best
        else:
            worse = candidate
        if worse is not None:
            worse.data = None  # one image in memory at a time


# ---------------------------------------------------------------------- saying it


def _messages(best: Candidate, candidates: Sequence[Candidate]) -> Iterator[str]:
    others = [one for one in candidates if one is not best and not one.image.why_not and one.failed is None]
    if others:
        reasons = [one.words for one in best.clues if one.weight > 0 and one.words]
        if max(one.score for one in others) >= best.score:
            reasons = ["the first of those that look alike"]
        named = ", ".join(_named(one) for one in others[:5])
        rest = f" and {len(others) - 5} more" if len(others) > 5 else ""
        yield (
            f"The file holds several images; this is image {best.index} "
            f"({', '.join(reasons) or 'the likeliest by type and shape'}), the others are {named}{rest}."
        )
    yield from broken(candidates)


def broken(candidates: Sequence[Candidate]) -> Iterator[str]:
    """A sentence for each image of the file that should be there and cannot be read."""
    lost = [(candidate, candidate.image.cannot_open) for candidate in candidates if candidate.image.broken]
    lost += [(candidate, str(candidate.failed)) for candidate in candidates if candidate.failed is not None]
    for candidate, why in lost[:5]:
        yield f"Image {_title(candidate)} is left out: {why}"
    if len(lost) > 5:
        yield f"{len(lost) - 5} more images are left out, for reasons of the same kind."


def _named(candidate: Candidate) -> str:
    against = [clue.words for clue in candidate.clues if clue.weight < 0]
    return _title(candidate) + (f" ({', '.join(against)})" if against else "")


def _title(candidate: Candidate) -> str:
    return f"{candidate.index} “{candidate.image.title}”" if candidate.image.title else str(candidate.index)
