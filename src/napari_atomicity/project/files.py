"""Project files: written whole or not at all, opened again as they were, told in words."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import write_atomically
from napari_atomicity.io.csv_tables import csv_text
from napari_atomicity.io.files import existing_file
from napari_atomicity.io.keeping import copies_kept_while
from napari_atomicity.io.text import clean
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.progress import Progress, Steps, drain
from napari_atomicity.project.arrays import array_of
from napari_atomicity.project.blobs import CONTENTS, MISFITS, BlobReader, ZipWriter, source_of
from napari_atomicity.project.decode import Decoder
from napari_atomicity.project.encode import FORMAT, KIND, Encoder
from napari_atomicity.project.images import Answer, SoughtImage, find_steps
from napari_atomicity.project.layout import CONTENTS_DOOR, Contents, ImageEntry, ModelEntry
from napari_atomicity.project.places import Places, reaches_out
from napari_atomicity.project.project import Project
from napari_atomicity.project.records import as_json
from napari_atomicity.project.recovery import is_ours
from napari_atomicity.project.upgrade import UPGRADES
from napari_atomicity.schema import json_of

SUFFIX: Final = ".atomicity"
_READ_ME: Final = "README.txt"


# ---------------------------------------------------------------------- saving


def save_project(project: Project, path: str | Path) -> Path:
    """Write `project` to a file; see `save_steps`.

    Parameters
    ----------
    project
        What to write.
    path
        The file; its name gets the suffix where it has none.

    Returns
    -------
    The path that was written.

    Raises
    ------
    InputError
        Where the system does not let us write there.
    """
    return drain(save_steps(project, path))[0]


def save_steps(project: Project, path: str | Path, keep: bool = False) -> Steps[tuple[Path, Path | None]]:
    """Write a project to a file that ends in ``.atomicity``.

    An earlier file is replaced only by a complete new one, in one step.

    Parameters
    ----------
    project
        What to write.
    path
        The file; its name gets the suffix where it has none.
    keep
        Whether an earlier file there is kept under another name.

    Returns
    -------
    The path that was written, and the new name of an earlier file that was kept.

    Raises
    ------
    InputError
        Where the system does not let us write there (no such folder, no rights, disk full).
    """
    yield Progress(0, 0, "Saving the project")
    path = with_suffix(path)

    def write() -> None:
        write_atomically(path, lambda beside: _write(project, beside, path.parent.absolute()))

    kept = copies_kept_while([path] if keep and path.is_file() else [], write)
    return path, kept[0] if kept else None


def with_suffix(path: str | Path) -> Path:
    """`path` with the suffix of project files."""
    path = Path(path)
    return path if path.suffix.lower() == SUFFIX else path.with_name(f"{path.name}{SUFFIX}")


def _write(project: Project, path: Path, home: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as file:
        contents, _ = Encoder(ZipWriter(file), home).contents(project)
        file.writestr(CONTENTS, as_json(contents))
        names = []
        for number, image in enumerate(project.images, start=1):
            names.append(f"clusters/{number}-{re.sub(r'[^A-Za-z0-9.+-]+', '-', image.name)[:60]}.csv")
            file.writestr(names[-1], csv_text(image.state.table.rows))
        file.writestr(_READ_ME, _read_me(contents, names))


def _read_me(contents: Mapping[str, Any], tables: Sequence[str]) -> str:
    names = "".join(f"  {name}\n" for name in tables)
    return (
        f"This is a project of {contents['software']}, saved {contents['saved']}, in format {contents['format']}.\n"
        "Open it in napari with the plug-in napari-atomicity: drop it on the window.\n\n"
        f"{CONTENTS} is the table of contents; the folders hold its parts as CSV, JSON, NumPy arrays and safetensors,\n"
        "in the form that docs/projects.md of the program describes.\n\n"
        f"For other programs, the clusters as they were when it was saved:\n{names}"
    )


# ---------------------------------------------------------------------- opening


def open_steps(
    path: str | Path,
    have: Sequence[Micrograph] = (),
    answers: Mapping[str, Answer] | None = None,
    allowed: Collection[Path] = (),
) -> Steps[Project]:
    """Bring back the project in a file, or in the folder of an autosave.

    Parameters
    ----------
    path
        File or folder.
    have
        Images that are open already: their pixels are used, and the saved images say which of them they belong to.
    answers
        What a person said about images that were unclear before: the file to take, ``"without"`` to bring the clusters
        back without the pixels, or None to leave the image out.
    allowed
        Folders outside the project's own that a person said may be read. Work that this program left unsaved itself
        needs no such word.

    Returns
    -------
    The project; without images where images are unclear, with what is to be asked in its `unclear`.

    Raises
    ------
    InputError
        Where it is no project, damaged, or of a newer version of the program.
    """
    yield Progress(0, 0, "Reading the project")
    path = Path(path)
    source = _source(path)
    with _damage_in_one_sentence(path):
        decoder = Decoder(contents_of(source), source, {})
        places = Places(path.parent.absolute(), frozenset(allowed), is_ours(path))
        in_force = {decoder.pixels_of(entry): entry for entry in decoder.contents.images}
        sought = {
            key: SoughtImage(entry, _frames(in_force.get(key)), _reader(source, entry.stored))
            for key, entry in decoder.contents.pixels.items()
        }
        now = {key: image for key, image in sought.items() if key in in_force}
        found, unclear = yield from find_steps(now, places, have, answers)
        if unclear:
            return Project((), unclear=tuple(unclear))
        # earlier pixels of an image, which only an undo would show
        others = {key: image for key, image in sought.items() if key not in in_force}
        earlier, _ = yield from find_steps(others, places, have)
        decoder.found, decoder.places = {**earlier, **found}, places
        decoder.wanted = frozenset(found)
        return (yield from decoder.project_steps())


def contents_of(source: BlobReader) -> Contents:
    """The table of contents in the present format.

    Raises
    ------
    InputError
        Where it is none of a project, or of a newer version of the program.
    """
    name, contents = source.path.name, _as_stored(source)
    if contents["format"] > FORMAT:
        software = clean(contents.get("software", "unknown"))
        raise InputError(f"{name} was saved by a newer version ({software}); update napari-atomicity to open it.")
    while contents["format"] < FORMAT:
        upgrade = UPGRADES.get(contents["format"])
        if upgrade is None:
            raise InputError(f"{name} is of the unknown format {contents['format']}.")
        contents = upgrade(contents)
    return CONTENTS_DOOR.check(contents, f"{name} is damaged")


def _as_stored(source: BlobReader) -> dict[str, Any]:
    """The table of contents in the format of the file, which it names."""
    contents = json_of(source.contents(), f"{source.path.name}: its table of contents")
    if not isinstance(contents, dict) or contents.get("kind") != KIND or not isinstance(contents.get("format"), int):
        raise InputError(f"{source.path.name} is no project of napari-atomicity.")
    return contents


def _source(path: Path) -> BlobReader:
    return source_of(path if path.is_dir() else existing_file(path))


def _reader(source: BlobReader, name: str | None) -> Callable[[], Any] | None:
    return None if name is None else lambda: array_of(source, name)


def _frames(entry: ImageEntry | None) -> dict[int, str]:
    return {} if entry is None else {int(at): digest for at, digest in entry.frames_sha256.items()}


@contextmanager
def _damage_in_one_sentence(path: Path) -> Iterator[None]:
    """Whatever things that do not fit together lead to becomes one sentence."""
    try:
        yield
    except MISFITS as error:
        raise InputError(f"{path.name} is damaged: what it holds does not fit together.") from error


# ---------------------------------------------------------------------- in words


def describe(path: str | Path) -> str:
    """What a project file holds, for people; no file that it names is looked at, but in its own folder."""
    path = Path(path)
    source = _source(path)
    with _damage_in_one_sentence(path):
        decoder = Decoder(contents_of(source), source, {})
        contents, n = decoder.contents, len(decoder.contents.images)
        lines = [
            f"{path.name}: project of {n} image{'s' * (n != 1)}, saved {clean(contents.saved)} by "
            f"{clean(contents.software)} (format {_as_stored(source)['format']})"
        ]
        for entry in contents.images:
            lines += _image_lines(decoder, entry, Places(path.parent.absolute(), ours=is_ours(path)))
        models = [_model_line(entry) for entry in contents.models.values()]
        return "\n".join([*lines, *(["Models:", *dict.fromkeys(models)] if models else [])])


def _image_lines(decoder: Decoder, entry: ImageEntry, places: Places) -> list[str]:
    table = decoder.table_in_force(entry)
    micrograph = decoder.contents.micrographs[decoder.state_in_force(entry).micrograph]
    pixels, size = decoder.contents.pixels[micrograph.pixels], micrograph.pixel_size_nm
    where = "its pixels are in the project" if pixels.stored else "its pixels are in no file"
    if pixels.file is not None:
        where = f"{clean(pixels.file.path, 500)}{_presence(Path(pixels.file.path), places)}"
        where += f", sha256 {pixels.file.sha256[:16] or 'unknown'}…"
    steps, now = entry.history, entry.now
    counts = table.rows.loc[table.rows["label"] != "", "label"].value_counts()
    labels = ", ".join(f"{clean(label, 40)} {count}" for label, count in counts.sort_index().items())
    facts = {
        "Image": where,
        "Size": f"{' × '.join(map(str, pixels.shape))}, "
        + ("no pixel size" if size is None else f"{size:.6g} nm per pixel"),
        "Clusters": f"{len(table)}, of which {table.labelled.sum()} labelled by hand",
        "Labels": labels,
        "History": f"{len(steps) - 1} steps, the last one in force: {clean(steps[now].name)}"
        + (f" ({len(steps) - 1 - now} undone)" if now < len(steps) - 1 else ""),
    }
    return [clean(entry.name), *(f"  {name + ':':<12}{value}" for name, value in facts.items() if value)]


def _presence(path: Path, places: Places) -> str:
    """Whether a file is there, as far as that may be looked at."""
    if reaches_out(path) and not places.may_look(path):
        return " (on another machine; not looked at)"
    return "" if path.is_file() else " (not there now)"


def _model_line(entry: ModelEntry) -> str:
    kind = "comes with the program" if entry.bundled is not None else "its weights are in the project"
    return f"  {clean(entry.name)} ({kind})"
