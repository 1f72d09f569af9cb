"""Images of a session: how they are remembered, found again and recognised."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from napari_atomicity.errors import InputError
from napari_atomicity.io import image_hash, read
from napari_atomicity.io.napari_hooks import sample_dir
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.session.things import Shelf, Thing, plain

#: pixels that are in no file travel inside the session up to this size
MOST_STORED_BYTES: Final = 256 * 2**20

#: what a person says about an image that is unclear: this file is it, or leave it out
Answer = Path | None


@dataclass(frozen=True)
class Unclear:
    """An image that a person has to be asked about.

    Attributes
    ----------
    key
        By which it is answered.
    name
        Of the image.
    why
        One sentence.
    path
        A file of that name whose pixels are others; None where there is none.
    """

    key: str
    name: str
    why: str
    path: Path | None = None


@dataclass(frozen=True, eq=False)
class Found:
    """Pixels for an image of a session.

    Attributes
    ----------
    micrograph
        As it was read now.
    changed
        Its pixels are not those that the session was made on.
    match
        Which of the images that are open already it is.
    """

    micrograph: Micrograph
    changed: bool = False
    match: int | None = None


# ---------------------------------------------------------------------- remembering


def micrograph_thing(shelf: Shelf, micrograph: Micrograph, pixels: Thing) -> Thing:
    """Name, calibration and origin of a micrograph; its pixels are a thing of their own."""
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
    return shelf.thing("micrographs", content, (), (pixels,))


class PixelBook:
    """Pixel data that was remembered already; arrays cannot be looked up like other things."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, Thing]] = {}

    def store(self, shelf: Shelf, micrograph: Micrograph) -> Thing:
        """Where the pixels of `micrograph` are found again."""
        known = self._known.get(id(micrograph.data))
        if known is None:
            # the array is held, so that no other one gets its id
            known = self._known[id(micrograph.data)] = (micrograph.data, _pixels(shelf, micrograph))
        return known[1]

    def forget_all_but(self, things: set[Thing]) -> None:
        """What the session no longer refers to."""
        self._known = {key: entry for key, entry in self._known.items() if entry[1] in things}


def first_frame_sha256(micrograph: Micrograph) -> str:
    """Hash of the first frame: images of the same shape and hash are taken to be the same."""
    return hashlib.sha256(micrograph.frame(0).tobytes()).hexdigest()


def _pixels(shelf: Shelf, micrograph: Micrograph) -> Thing:
    content: dict[str, Any] = {
        "name": micrograph.name,
        "shape": list(micrograph.data.shape),
        "dtype": str(micrograph.data.dtype),
        "first_frame_sha256": first_frame_sha256(micrograph),
        "file": _file(shelf, micrograph),
        "stored": None,
    }
    size = int(np.prod(micrograph.data.shape)) * np.dtype(micrograph.data.dtype).itemsize
    if content["file"] is None and size <= MOST_STORED_BYTES:
        content["stored"] = shelf.array("pixels", np.asarray(micrograph.data))
    return shelf.thing("pixels", content, () if content["stored"] is None else (content["stored"],))


def _file(shelf: Shelf, micrograph: Micrograph) -> dict[str, Any] | None:
    """The file that holds these very pixels; None where there is none (any more)."""
    path = micrograph.provenance.path
    if path is None:
        return None
    path = Path(path).absolute()
    index = micrograph.provenance.image_index
    try:
        there = read(path, index)
        if not _same_pixels(there, micrograph):
            return None
        digest = image_hash(path)
    except InputError:
        return None
    facts: dict[str, Any] = {"path": str(path), "relative": None, "sample": None, "image": index, "sha256": digest}
    if shelf.home is not None:
        with contextlib.suppress(ValueError):  # another drive of Windows
            facts["relative"] = Path(os.path.relpath(path, shelf.home)).as_posix()
    with contextlib.suppress(InputError):
        if path.parent == sample_dir():
            facts["sample"] = path.name
    return facts


def _same_pixels(a: Micrograph, b: Micrograph) -> bool:
    if a.data.shape != b.data.shape:
        return False
    ends = {0, a.n_frames - 1}
    return all(np.array_equal(a.frame(index), b.frame(index), equal_nan=True) for index in ends)


# ---------------------------------------------------------------------- finding


def find_steps(
    pixels: Mapping[str, Mapping[str, Any]],
    home: Path,
    stored: Mapping[str, Any],
    have: Sequence[Micrograph],
    answers: Mapping[str, Answer],
) -> Steps[tuple[dict[str, Found], list[Unclear]]]:
    """Find the images of a session again.

    Parameters
    ----------
    pixels
        Entries of the table of contents, by key.
    home
        Folder of the session file.
    stored
        By key, a function that gives the pixels that travel inside the session.
    have
        Images that are open already.
    answers
        What a person said about those that are unclear.

    Returns
    -------
    What was found by key, without those that are left out; and what a person has to be asked about.
    """
    yield Progress(0, max(len(pixels), 1), "Looking for the images")
    open_now = {(tuple(one.data.shape), first_frame_sha256(one)): i for i, one in enumerate(have)}
    found: dict[str, Found] = {}
    unclear: list[Unclear] = []
    for done, (key, facts) in enumerate(pixels.items()):
        yield Progress(done, len(pixels), f"Looking for {facts['name']}")
        match = open_now.get((tuple(facts["shape"]), facts["first_frame_sha256"]))
        if match is not None:
            found[key] = Found(have[match], match=match)
        elif key in answers:
            answer = answers[key]
            if answer is not None:
                found[key] = _given(answer, facts)
        else:
            one = _found(key, facts, home, stored.get(key))
            if isinstance(one, Unclear):
                unclear.append(one)
            else:
                found[key] = one
    return found, unclear


def _found(key: str, facts: Mapping[str, Any], home: Path, stored: Any) -> Found | Unclear:
    name, file = str(facts["name"]), facts["file"]
    if stored is not None:
        return Found(Micrograph(stored(), name=name))
    if file is None:
        return Unclear(key, name, f"{name} was in no file and too large to travel in the session; give it as a file.")
    other: Path | None = None
    for path in dict.fromkeys(_places(file, home)):
        if not path.is_file():
            continue
        kind, micrograph = _look(path, facts)
        if kind == "same" and micrograph is not None:
            return Found(micrograph)
        other = other or path
    if other is None:
        return Unclear(key, name, f"{Path(file['path']).name} is no longer at {file['path']}; say where it is now.")
    why = f"{other.name} changed since the session was saved: its pixels are not those that were worked on."
    return Unclear(key, name, why, other)


def _places(file: Mapping[str, Any], home: Path) -> Iterator[Path]:
    """Where the file may be: where it was, in the same place beside the session, in its folder, among the samples."""
    yield Path(file["path"])
    if file["relative"]:
        yield home / file["relative"]
    # the path may be of another system
    yield home / file["path"].replace("\\", "/").rsplit("/", 1)[-1]
    if file["sample"]:
        with contextlib.suppress(InputError):
            yield sample_dir() / Path(file["sample"]).name


def _look(path: Path, facts: Mapping[str, Any]) -> tuple[Literal["same", "other"], Micrograph | None]:
    """Whether the file holds the pixels that were worked on, be it byte by byte or written anew."""
    try:
        micrograph = read(path, int(facts["file"]["image"]))
        if image_hash(path) == facts["file"]["sha256"]:
            return "same", micrograph
        same = list(micrograph.data.shape) == list(facts["shape"])
        if same and first_frame_sha256(micrograph) == facts["first_frame_sha256"]:
            return "same", micrograph
    except InputError:
        return "other", None
    return "other", micrograph


def _given(path: Path, facts: Mapping[str, Any]) -> Found:
    """The file that a person named, whatever it holds."""
    index = None if facts["file"] is None else int(facts["file"]["image"])
    try:
        micrograph = read(path, index)
    except InputError:
        micrograph = read(path)
    same = list(micrograph.data.shape) == list(facts["shape"])
    same = same and first_frame_sha256(micrograph) == facts["first_frame_sha256"]
    return Found(micrograph, changed=not same)


def micrograph_of(content: Mapping[str, Any], found: Found) -> Micrograph:
    """The micrograph that an entry describes, with the pixels that were found."""
    now = found.micrograph
    path = now.provenance.path or (None if content["path"] is None else Path(content["path"]))
    size = content["pixel_size_nm"]
    return replace(
        now,
        pixel_size_nm=None if size is None else float(size),
        name=str(content["name"]),
        provenance=replace(
            now.provenance,
            path=path,
            reader=str(content["reader"]),
            image_index=int(content["image"]),
            title=str(content["title"]),
        ),
        warnings=tuple(content["warnings"]),
        refusal=str(content["refusal"]),
        metadata=dict(content["metadata"]),
    )
