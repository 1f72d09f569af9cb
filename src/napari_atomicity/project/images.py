"""Images of a project: how they are remembered, found again and recognised."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.io import image_hash, is_unchanged, read
from napari_atomicity.io.text import clean
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.project.layout import MicrographEntry, PixelsEntry
from napari_atomicity.project.pixels import Blank, frame_sha256
from napari_atomicity.project.places import Places, reaches_out

#: what a person says about an image that is unclear: this file is it, open it without its pixels, or leave it out
Answer = Path | Literal["without"] | None
#: pixels that are not there are shown as a blank image up to this size
_LARGEST_BLANK: Final = 2**28
#: paths in one sentence
_NAMED: Final = 6


@dataclass(frozen=True)
class UnclearImage:
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
    outside
        Places outside the project's folder that would have to be read, as the project names them.
    """

    key: str
    name: str
    why: str
    path: Path | None = None
    outside: tuple[Path, ...] = ()


def outside_sentence(asked: Sequence[UnclearImage]) -> str:
    """What a project wants to read outside of its folder, in one sentence; empty where nothing."""
    paths = list(dict.fromkeys(path for image in asked for path in image.outside))
    if not paths:
        return ""
    named = ", ".join(clean(path, 300) for path in paths[:_NAMED])
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    far = ", in part on another machine, which would learn who you are" if any(map(reaches_out, paths)) else ""
    return f"This project wants to read images outside of its own folder{far}: {named}{more}."


@dataclass(frozen=True, eq=False)
class SoughtImage:
    """An image that is looked for.

    Attributes
    ----------
    pixels
        What the project says about its pixels.
    frames
        Hash of each frame of a stack in which something was counted; none in older projects.
    stored
        Gives the pixels that travel inside the project; None where they do not.
    """

    pixels: PixelsEntry
    frames: Mapping[int, str]
    stored: Callable[[], npt.NDArray[Any]] | None = None

    def differs(self, micrograph: Micrograph) -> str:
        """Where the pixels of `micrograph` are others than those that were worked on, in words; empty where not."""
        shape = " × ".join(map(str, micrograph.data.shape))
        if list(micrograph.data.shape) != self.pixels.shape:
            return f"it is {shape} pixels now, and was {' × '.join(map(str, self.pixels.shape))}"
        if frame_sha256(micrograph, 0) != self.pixels.first_frame_sha256:
            return "its pixels are not those that were worked on"
        if micrograph.n_frames == 1:
            return ""
        if not self.frames:
            return "it is another file, and whether all its frames are those that were worked on cannot be seen"
        other = [at for at, digest in self.frames.items() if frame_sha256(micrograph, at) != digest]
        if not other:
            return ""
        many = f"{len(other)} of {len(self.frames)} frames with clusters"
        return f"the pixels of {f'frame {other[0]}' if len(other) == 1 else many} are not those that were worked on"

    def same_file(self, path: Path) -> bool:
        """Whether the file at `path` is, byte by byte, the one that was worked on."""
        return self.pixels.file is not None and image_hash(path) == self.pixels.file.sha256


@dataclass(frozen=True, eq=False)
class FoundImage:
    """Pixels for an image of a project.

    Attributes
    ----------
    micrograph
        As it was read now.
    changed
        Its pixels are not those that the project was made on.
    match
        Which of the images that are open already it is.
    """

    micrograph: Micrograph
    changed: bool = False
    match: int | None = None


def find_steps(
    wanted: Mapping[str, SoughtImage],
    places: Places,
    have: Sequence[Micrograph] = (),
    answers: Mapping[str, Answer] | None = None,
) -> Steps[tuple[dict[str, FoundImage], list[UnclearImage]]]:
    """Find the images of a project again.

    Parameters
    ----------
    wanted
        By key.
    places
        Where may be looked.
    have
        Images that are open already.
    answers
        What a person said about those that are unclear.

    Returns
    -------
    What was found by key, without those that are left out; and what a person has to be asked about.
    """
    yield Progress(0, max(len(wanted), 1), "Looking for the images")
    found: dict[str, FoundImage] = {}
    unclear: list[UnclearImage] = []
    for done, (key, image) in enumerate(wanted.items()):
        yield Progress(done, len(wanted), f"Looking for {clean(image.pixels.name)}")
        answer = (answers or {}).get(key)
        match = _open_now(image, have)
        if match is not None:
            found[key] = FoundImage(have[match], match=match)
        elif answer == "without":
            found[key] = FoundImage(_blank(image))
        elif isinstance(answer, Path):
            found[key] = _as_answered(answer, image)
        elif key not in (answers or {}):
            result = _search(key, image, places)
            if isinstance(result, UnclearImage):
                unclear.append(result)
            else:
                found[key] = result
    return found, unclear


def _open_now(image: SoughtImage, have: Sequence[Micrograph]) -> int | None:
    """Which of the open images has the pixels that are wanted."""
    for at, micrograph in enumerate(have):
        if isinstance(micrograph, Blank) or list(micrograph.data.shape) != image.pixels.shape:
            continue
        with suppress(InputError):  # a stack whose file changed while it was open
            if not image.differs(micrograph) or _read_from(image, micrograph):
                return at
    return None


def _read_from(image: SoughtImage, micrograph: Micrograph) -> bool:
    """Whether an open stack comes from the very file that is wanted."""
    path = micrograph.provenance.path
    return path is not None and is_unchanged(micrograph) and image.same_file(path)


def _search(key: str, image: SoughtImage, places: Places) -> FoundImage | UnclearImage:
    facts, file, name = image.pixels, image.pixels.file, clean(image.pixels.name)
    if image.stored is not None:
        pixels = image.stored()
        if list(pixels.shape) != facts.shape:
            raise InputError(f"The pixels of {name} in the project are {pixels.shape}, not {tuple(facts.shape)}.")
        return FoundImage(Micrograph(pixels, name=facts.name))
    if file is None:
        return UnclearImage(
            key, name, f"{name} was in no file and too large to travel in the project; give it as a file."
        )
    other: Path | None = None
    why = ""
    outside: list[Path] = []
    for path in dict.fromkeys(places.of(file)):
        if not places.may_look(path, refused=facts.unread):
            outside.append(path)
        elif path.is_file():
            micrograph, differs = _look(path, image)
            if micrograph is not None and not differs:
                return FoundImage(micrograph)
            other, why = other or path, why or differs
    if (sample := places.sample(file)) is not None and (micrograph := _look(sample, image)[0]) is not None:
        return FoundImage(micrograph)
    # of a name on this machine it is known whether there is anything to ask for
    outside = [path for path in outside if reaches_out(path) or path.is_file()]
    if outside:
        asked = UnclearImage(key, name, "", outside=tuple(outside))
        return replace(asked, why=outside_sentence([asked]))
    if other is None:
        where = clean(file.path, 300)
        return UnclearImage(key, name, f"{clean(Path(file.path).name)} is no longer at {where}; say where it is now.")
    return UnclearImage(key, name, f"{clean(other.name)} changed since the project was saved: {why}.", other)


def _look(path: Path, image: SoughtImage) -> tuple[Micrograph | None, str]:
    """The image in the file, and where it is another than the one that was worked on, be it the same file or not."""
    assert image.pixels.file is not None
    try:
        micrograph = read(path, image.pixels.file.image)
        return micrograph, "" if image.same_file(path) else image.differs(micrograph)
    except InputError:
        return None, "it cannot be read as that image"


def _as_answered(path: Path, image: SoughtImage) -> FoundImage:
    """The file that a person named, whatever it holds."""
    index = None if image.pixels.file is None else image.pixels.file.image
    try:
        micrograph = read(path, index)
    except InputError:
        micrograph = read(path)
    return FoundImage(micrograph, changed=not image.same_file(path) and bool(image.differs(micrograph)))


def _blank(image: SoughtImage) -> Blank:
    """An image without its pixels, of the same size."""
    facts, shape = image.pixels, image.pixels.shape[-2:]
    if shape[0] * shape[1] > _LARGEST_BLANK:
        raise InputError(f"{clean(facts.name)} is too large to be shown without its pixels; leave it out.")
    # one zero for all of them: no memory is taken
    return Blank(
        np.broadcast_to(np.zeros((), np.uint8), facts.shape), name=facts.name, stands_for=facts, frames=image.frames
    )


def micrograph_of(content: MicrographEntry, found: FoundImage, places: Places) -> Micrograph:
    """The micrograph that an entry describes, with the pixels that were found.

    Parameters
    ----------
    content
        The entry.
    found
        The pixels.
    places
        Where may be looked.
    """
    now = found.micrograph
    path = now.provenance.path
    if path is None and content.path is not None and places.may_look(Path(content.path)):
        path = Path(content.path)
    about: dict[str, Any] = {
        "pixel_size_nm": content.pixel_size_nm,
        "name": content.name,
        "warnings": content.warnings,
        "refusal": content.refusal,
        "metadata": content.metadata,
    }
    origin: dict[str, Any] = {
        "path": path,
        "reader": content.reader,
        "image_index": content.image,
        "title": content.title,
    }
    if isinstance(now, Blank):
        about["refusal"] = f"The pixels of {clean(content.name)} were not read; open the project again to allow it."
        about["about"] = content
    return replace(now, provenance=replace(now.provenance, **origin), **about)
