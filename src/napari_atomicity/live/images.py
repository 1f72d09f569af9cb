"""The images of a running session: how they are read, and what is kept of each."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_atomicity.errors import InputError
from napari_atomicity.live.counting import LiveCount
from napari_atomicity.live.quality import warnings_of
from napari_atomicity.live.seen import Seen, seen_part
from napari_atomicity.live.shares import ImageCounts, counts_of
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline.doubts import open_labels

if TYPE_CHECKING:
    from napari_atomicity.live.sources import Arrival
    from napari_atomicity.pipeline import ImageState


#: images that tell whether a quality is as usual
_LOOKED_BACK: Final = 400
#: pixel sizes that differ by less than this part are the same
_SAME_PIXEL: Final = 0.01


class NotWritten(InputError):
    """What was counted could not be written: the image is none the worse for it and is taken again.

    Parameters
    ----------
    message
        For a person.
    arrival
        The image as far as it has come.
    """

    def __init__(self, message: str, arrival: Arrival) -> None:
        super().__init__(message)
        self.arrival = arrival


@dataclass(frozen=True)
class Reading:
    """How the files of a session are read.

    Attributes
    ----------
    pixel_size_nm
        Instead of what the files say; None where they are believed.
    image
        Which image of files with several; the likeliest to count where None.
    """

    pixel_size_nm: float | None = None
    image: int | None = None

    def open(self, path: Path) -> Micrograph:
        """The image that is meant in a file.

        Parameters
        ----------
        path
            The file.

        Raises
        ------
        InputError
            Where it cannot be read or has no pixel size.
        """
        from napari_atomicity.io import read

        return self.calibrated(read(path, self.image))

    def calibrated(self, micrograph: Micrograph) -> Micrograph:
        """The image with the pixel size that was given, or its own.

        Parameters
        ----------
        micrograph
            As it came.

        Raises
        ------
        InputError
            Where it has none.
        """
        if self.pixel_size_nm is not None:
            return micrograph.with_pixel_size(self.pixel_size_nm)
        if micrograph.pixel_size_nm is None and not micrograph.refusal:
            raise InputError("It holds no pixel size; give it in nm per pixel.")
        return micrograph


@dataclass(frozen=True, eq=False)
class Counted:
    """An image as it was counted, with what is kept of it, and whether it was counted before."""

    seen: Seen
    state: ImageState | None
    seconds: float
    again: bool = False


def place_of(arrival: Arrival | None) -> dict[str, Any]:
    """Path and state of the file of an image, by the names of `Seen`; nothing where there is none."""
    if arrival is None or arrival.path is None or arrival.state is None:
        return {}
    state = arrival.state
    return {"path": str(arrival.path), "size": state.size, "modified_ns": state.modified_ns, "inode": state.inode}


def warnings_about(images: Sequence[Seen]) -> list[str]:
    """Sentences about what is undecided, what has left its band, and images of another pixel size than those before.

    Parameters
    ----------
    images
        Counted images, in the order in which they came.
    """
    latest = sorted(images[-_LOOKED_BACK:], key=lambda seen: seen.taken)
    return [
        *_undecided(images),
        *_another_pixel_size(latest),
        *warnings_of([seen.name for seen in latest], [seen.quality for seen in latest]),
    ]


def _undecided(images: Sequence[Seen]) -> list[str]:
    """What the newest count still leaves open: the ends of shares hold for one scale alone."""
    names = images[-1].undecided if images else []
    if not names:
        return []
    return [
        f"The images so far cannot decide whether most clusters are {', '.join(names[:-1])} or {names[-1]}, which the "
        "ends of the shares do not cover: count images of other sizes too, or say which sizes were deposited."
    ]


def _another_pixel_size(images: Sequence[Seen]) -> list[str]:
    if not images or not images[-1].pixel_size_nm:
        return []
    now = images[-1].pixel_size_nm
    others = [at for at, seen in enumerate(images) if abs(seen.pixel_size_nm / now - 1) > _SAME_PIXEL]
    if not others:
        return []
    before = images[others[-1]].pixel_size_nm
    return [
        f"Since {images[others[-1] + 1].name} a pixel is {now:.3g} nm wide instead of {before:.3g}: is that meant? "
        "Images of one session are best taken alike."
    ]


def seen_of(
    live: LiveCount,
    arrival: Arrival | None,
    sha256: str,
    stem: str,
    quality: Mapping[str, float | None],
    labels: Sequence[str],
) -> Seen:
    """What is kept of a counted image.

    Parameters
    ----------
    live
        The image.
    arrival
        As it came; None where it was counted again.
    sha256, stem
        Its hash, and the stem of its files.
    quality
        As by `quality_of`.
    labels
        Of the classes.
    """
    state = live.state
    counts, analysed = counts_in(state, labels)
    return Seen(
        outcome="counted",
        sha256=sha256,
        name=state.micrograph.name if arrival is None else arrival.name,
        stem=stem,
        **place_of(arrival),
        when=time.time(),
        taken=0.0 if arrival is None else arrival.when,
        found=len(state.table),
        analysed=analysed,
        labels=[float(value) for value in counts.labels],
        confusion=[[round(float(value), 4) for value in row] for row in counts.confusion],
        parts=[seen_part(part.frame, part.likelihood, part.labelled_at) for part in live.parts],
        quality=dict(quality),
        messages=list(state.messages),
        search_messages=list(state.search_messages),
        shape=[int(side) for side in np.shape(state.micrograph.data)],
        pixel_size_nm=float(state.micrograph.calibrated_pixel_size_nm),
        undecided=list(open_labels(state.calibrations)),
    )


def counts_in(state: ImageState, labels: Sequence[str]) -> tuple[ImageCounts, int]:
    """The labels of a counted image, and how many clusters enter the shares.

    Frames of a stack show the same clusters again: together they count as one.

    Parameters
    ----------
    state
        The image.
    labels
        Of the classes.
    """
    from napari_atomicity.counting.ratios import counted

    chosen = counted(state.table)
    counts = counts_of(state.table.final_labels[chosen], state.table.probabilities[chosen], labels)
    frames = max(len(np.unique(state.table.rows["frame"].to_numpy()[chosen])), 1)
    return ImageCounts(counts.labels / frames, counts.confusion / frames), int(chosen.sum())
