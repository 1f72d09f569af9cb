"""How the pixels of an image are remembered: by their file and its hash, by hashes of frames, or stored."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from napari_atomicity.errors import InputError
from napari_atomicity.io import image_hash, is_unchanged, read
from napari_atomicity.io.samples import sample_dir
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.project.layout import MicrographEntry, PixelsEntry
from napari_atomicity.project.records import Record, RecordStore, plain

#: pixels that are in no file travel inside the project up to this size
MOST_STORED_BYTES: Final = 256 * 2**20


@dataclass(frozen=True, eq=False)
class Blank(Micrograph):
    """In the place of an image whose pixels were not read: its clusters and labels are there, to be saved again.

    `stands_for`, `about` and `frames` are what the project says about pixels, image and frames, for the next time.
    """

    stands_for: PixelsEntry | None = None
    about: MicrographEntry | None = None
    frames: Mapping[int, str] = field(default_factory=dict)


def micrograph_record(records: RecordStore, micrograph: Micrograph, pixels: Record) -> Record:
    """Name, calibration and origin of a micrograph; its pixels have a record of their own.

    Parameters
    ----------
    records
        What was stored already.
    micrograph
        The image.
    pixels
        The record of its pixels.
    """
    origin = micrograph.provenance
    content = {
        "name": micrograph.name,
        "pixels": pixels.key,
        "pixel_size_nm": micrograph.pixel_size_nm,
        "warnings": micrograph.warnings,
        "refusal": micrograph.refusal,
        "reader": origin.reader,
        "title": origin.title,
        "image": origin.image_index,
        "path": None if origin.path is None else str(origin.path),
        "metadata": plain(micrograph.metadata),
    }
    if isinstance(micrograph, Blank) and micrograph.about is not None:
        content |= {"refusal": micrograph.about.refusal, "path": micrograph.about.path}
    return records.add("micrographs", content, (), (pixels,))


class PixelIndex:
    """Pixel data that was remembered already; arrays cannot be looked up like other objects."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, Record]] = {}
        self._frames: dict[tuple[int, int], str] = {}

    def record_of(self, records: RecordStore, micrograph: Micrograph) -> Record:
        """The record that tells where the pixels of an image are found again.

        Parameters
        ----------
        records
            What was stored already.
        micrograph
            The image.
        """
        known = self._known.get(id(micrograph.data))
        if known is None:
            # the array is held, so that no other one gets its id
            known = self._known[id(micrograph.data)] = (micrograph.data, _pixels(records, micrograph))
        return known[1]

    def frames(self, micrograph: Micrograph, frames: Iterable[int]) -> dict[str, str]:
        """Hashes of some frames of a stack that was stored before; none where its file is another one now.

        Parameters
        ----------
        micrograph
            The stack.
        frames
            Which of its frames.

        Returns
        -------
        Hashes by the number of the frame, as text; empty for an image that is no stack.
        """
        if isinstance(micrograph, Blank):
            return {str(at): digest for at, digest in micrograph.frames.items()}
        if micrograph.n_frames == 1:
            return {}
        digests = {}
        with contextlib.suppress(InputError):
            for at in (at for at in frames if 0 <= at < micrograph.n_frames):
                key = id(micrograph.data), at
                if key not in self._frames:
                    self._frames[key] = frame_sha256(micrograph, at)
                digests[str(at)] = self._frames[key]
            return digests
        return {}

    def forget_all_but(self, records: set[Record]) -> None:
        """What the project no longer refers to."""
        self._known = {key: entry for key, entry in self._known.items() if entry[1] in records}
        self._frames = {key: digest for key, digest in self._frames.items() if key[0] in self._known}


def frame_sha256(micrograph: Micrograph, index: int) -> str:
    """Hash of a frame: of its pixels as float32, row by row.

    Parameters
    ----------
    micrograph
        The image.
    index
        Which frame.
    """
    return hashlib.sha256(micrograph.frame(index).tobytes()).hexdigest()


def _pixels(records: RecordStore, micrograph: Micrograph) -> Record:
    if isinstance(micrograph, Blank) and micrograph.stands_for is not None:
        return records.add("pixels", {**micrograph.stands_for.model_dump(), "unread": True})
    content: dict[str, Any] = {
        "name": micrograph.name,
        "shape": list(micrograph.data.shape),
        "dtype": str(micrograph.data.dtype),
        "first_frame_sha256": "",
        "file": None,
        "stored": None,
    }
    try:
        content["first_frame_sha256"] = frame_sha256(micrograph, 0)
        content["file"] = _file(records, micrograph)
        size = int(np.prod(micrograph.data.shape)) * np.dtype(micrograph.data.dtype).itemsize
        if content["file"] is None and size <= MOST_STORED_BYTES:
            content["stored"] = records.array("pixels", np.asarray(micrograph.data))
    except InputError:
        # a stack that is read frame by frame, from a file that is another one now: what it held nobody can say
        content["first_frame_sha256"] = ""
        content["file"] = None if micrograph.provenance.path is None else _place(records, micrograph, "")
    return records.add("pixels", content, () if content["stored"] is None else (content["stored"],))


def _file(records: RecordStore, micrograph: Micrograph) -> dict[str, Any] | None:
    """The file that holds these very pixels; None where there is none (any more)."""
    path = micrograph.provenance.path
    if path is None:
        return None
    try:
        certain = is_unchanged(micrograph)
        again = None if certain else read(path, micrograph.provenance.image_index)
        digest = image_hash(path)
    except InputError:
        return None
    if is_unchanged(micrograph) if certain else again is not None and _same_pixels(again, micrograph):
        return _place(records, micrograph, digest)
    return None


def _place(records: RecordStore, micrograph: Micrograph, digest: str) -> dict[str, Any]:
    """Where a file is, in all ways in which it can be found again."""
    path, index = Path(micrograph.provenance.path or "").absolute(), micrograph.provenance.image_index
    facts: dict[str, Any] = {"path": str(path), "relative": None, "sample": None, "image": index, "sha256": digest}
    if records.home is not None:
        with contextlib.suppress(ValueError):  # another drive of Windows
            facts["relative"] = Path(os.path.relpath(path, records.home)).as_posix()
    with contextlib.suppress(InputError):
        if path.parent == sample_dir():
            facts["sample"] = path.name
    return facts


def _same_pixels(a: Micrograph, b: Micrograph) -> bool:
    frames = range(a.n_frames)
    return a.data.shape == b.data.shape and all(
        np.array_equal(a.frame(index), b.frame(index), equal_nan=True) for index in frames
    )
