"""Which images a batch is about: from folders, patterns, lists and stacks to one entry an image."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from glob import escape, glob
from io import StringIO
from pathlib import Path
from typing import Any, Final

from napari_atomicity.errors import InputError
from napari_atomicity.io.formats import SUFFIXES
from napari_atomicity.io.names import is_figure

#: lists of files
LISTS: Final = (".csv", ".tsv", ".parquet")
#: folders that are one image each
ZARR: Final = ".zarr"
#: frames of a stack that are one piece of work
FRAMES_AT_A_TIME: Final = 50
#: files smaller than this are not looked into before the work: a stack in them is one piece of work
_LOOKED_INTO: Final = 64 * 2**20
#: columns of a list that we know; others may name the session
_PATH: Final = ("path", "file", "image", "filename")
_PIXEL_SIZE: Final = ("pixel_size_nm", "pixel_size")
_DEPOSITED: Final = "deposited"
_WILD: Final = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of work: an image file, or some frames of a stack.

    Attributes
    ----------
    path
        The file, absolute.
    session
        Which images it was taken together with; empty where it stands alone.
    pixel_size_nm
        Instead of what the file says; None where it is believed.
    deposited
        Sizes that were deposited, as `read_deposited` reads them.
    first, stop
        Which frames of a stack; all from `first` where `stop` is None.
    size, modified_ns
        The file when it was listed.
    """

    path: str
    session: str = ""
    pixel_size_nm: float | None = None
    deposited: str = ""
    first: int = 0
    stop: int | None = None
    size: int = -1
    modified_ns: int = -1

    @property
    def id(self) -> str:
        """The same for the same frames of the same file, whatever is in it."""
        return image_id(self.path, self.first)

    @property
    def name(self) -> str:
        """Name of the file."""
        return Path(self.path).name


def image_id(path: str, frame: int) -> str:
    """Which row of the dataset a frame of a file is; 16 hexadecimal digits.

    Parameters
    ----------
    path
        The file, absolute.
    frame
        Which frame of a stack.
    """
    return hashlib.sha256(os.fsencode(path) + b"\0" + str(frame).encode()).hexdigest()[:16]


def items_of(sources: Sequence[str | Path], session_by: str = "none") -> list[Item]:
    """All images of a batch, in the order of their paths.

    Parameters
    ----------
    sources
        Folders, which are gone through with all folders in them; patterns; lists of files (CSV, TSV or Parquet, with
        a column ``path`` and, where wanted, ``pixel_size_nm``, ``deposited`` and one that names the session); image
        files and stacks.
    session_by
        What images taken under the same settings have in common: ``folder``, ``file`` (frames of one stack),
        ``none``, or the name of a column of the lists.

    Raises
    ------
    InputError
        Where a source is missing or holds no image, and for a list that cannot be used.
    """
    items: dict[tuple[str, int], Item] = {}
    images = [source for source in sources if not is_figure(Path(source).name)]
    if sources and not images:
        raise InputError("No image is left to count; name the micrographs that the figures were made of.")
    for source in images:
        found = list(_of_source(source, session_by))
        if not found:
            raise InputError(f"{source} holds no image of a type that is read ({', '.join(SUFFIXES)}).")
        for item in found:
            for piece in _pieces(item):
                items.setdefault((piece.path, piece.first), piece)
    return [items[key] for key in sorted(items)]


def _of_source(source: str | Path, session_by: str) -> Iterator[Item]:
    path = Path(source)
    text = str(source)
    if path.is_dir() and path.suffix.lower() != ZARR:
        paths = list(_in_folder(path))
    elif _WILD & set(text) and not os.path.lexists(path):
        folder = escape(str(path.parent)) if path.parent.is_dir() else str(path.parent)
        pattern = path.name if path.parent == Path() else os.path.join(folder, path.name)  # noqa: PTH118
        matches = [Path(each) for each in sorted(glob(pattern, recursive=True))]  # noqa: PTH207
        paths = [each for each in matches if _is_image(each)]
    elif path.suffix.lower() in LISTS:
        yield from _of_list(path, session_by)
        return
    elif not path.exists():
        raise InputError(f"{text} does not exist; check the name and the folder.")
    else:
        paths = [path]
    if session_by not in ("none", "folder", "file"):
        raise InputError(
            f"--session-by {session_by} names a column of a list, but {text} is not a list; "
            "give a CSV or Parquet file with that column, or say folder or none."
        )
    for each in paths:
        yield _item(each, session_by)


def holds_images(folder: Path) -> bool:
    """Whether there is an image anywhere in a folder; it is gone through no further than to the first."""
    return next(_in_folder(folder), None) is not None


def _in_folder(folder: Path) -> Iterator[Path]:
    for top, folders, files in os.walk(folder):
        here = Path(top)
        # an OME-Zarr image is a folder, and a dataset of ours holds no image
        stacks = [name for name in folders if name.lower().endswith(ZARR)]
        folders[:] = sorted(
            name
            for name in folders
            if name not in stacks and not name.startswith(".") and not (here / name / "dataset.json").is_file()
        )
        yield from (here / name for name in sorted([*files, *stacks]) if _is_image(here / name))


def _is_image(path: Path) -> bool:
    known = path.suffix.lower() in (*SUFFIXES, ZARR)
    return known and not path.name.startswith(".") and not is_figure(path.name)


def _item(path: Path, session_by: str) -> Item:
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 resolving links would show names that nobody gave
    session = {"folder": str(absolute.parent), "file": str(absolute)}.get(session_by, "")
    item = Item(str(absolute), session)
    try:
        state = absolute.stat()
    except OSError:
        return item  # said as a failure of this one image
    return replace(item, size=0 if absolute.is_dir() else state.st_size, modified_ns=state.st_mtime_ns)


def _pieces(item: Item) -> Iterator[Item]:
    """A large stack as several pieces of work."""
    zarr = item.path.lower().endswith(ZARR)
    if item.size < _LOOKED_INTO and not zarr:
        yield item
        return
    from napari_atomicity.dataset.opening import opened

    try:
        frames = opened(item.path).n_frames
    except Exception:
        frames = 1
    if frames == 1:
        yield item
    for first in range(0, frames if frames > 1 else 0, FRAMES_AT_A_TIME):
        yield replace(item, first=first, stop=min(first + FRAMES_AT_A_TIME, frames))


# ---------------------------------------------------------------------- lists


def _of_list(path: Path, session_by: str) -> Iterator[Item]:
    rows = _rows_of(path)
    column = next((name for name in _PATH if name in rows), None)
    if column is None:
        raise InputError(f"{path.name} has no column path; its columns are {', '.join(map(str, rows)) or 'none'}.")
    size = next((name for name in _PIXEL_SIZE if name in rows), None)
    by_column = session_by not in ("none", "folder", "file")
    if by_column and session_by not in rows:
        raise InputError(f"{path.name} has no column {session_by!r} to tell the session by.")
    seen: dict[str, Item] = {}
    for i, given in enumerate(rows[column]):
        where = f"{path.name}, row {i + 2}"
        name = _text(given)
        if not name:
            raise InputError(f"{where}, names no file.")
        if not isinstance(given, str) or "\0" in name:
            raise InputError(f"{where}: {name[:40]!r} in the column {column} is no name of a file.")
        item = _item(Path(name) if Path(name).is_absolute() else path.parent / name, session_by)
        deposited = _text(rows[_DEPOSITED][i]) if _DEPOSITED in rows else ""
        _check_deposited(deposited, where)
        item = replace(
            item,
            session=_text(rows[session_by][i]) if by_column else item.session,
            pixel_size_nm=None if size is None else _nm(rows[size][i], where),
            deposited=deposited,
        )
        if seen.setdefault(item.path, item) != item:
            raise InputError(f"{where}, names {item.name} once more, with another pixel size, session or deposit.")
        yield item


def _rows_of(path: Path) -> dict[str, list[Any]]:
    """The columns of a list by name, in small letters but for that of the session."""
    import pandas as pd

    if not path.is_file():
        raise InputError(f"The list {path} does not exist; check the name and the folder.")
    try:
        if path.suffix.lower() == ".parquet":
            from napari_atomicity.io.parquet import pyarrow

            frame = pyarrow(path)[1].read_table(path).to_pandas()
        else:
            from napari_atomicity.io.quiet import warnings_raised
            from napari_atomicity.io.sheets import decoded

            text = decoded(path.read_bytes())
            head = text.partition("\n")[0]
            separator = max(",;\t", key=head.count)  # spreadsheets of some languages write semicolons
            content = StringIO(text.lstrip("\ufeff"))
            with warnings_raised():  # a row that is too long would lose its end
                frame = pd.read_csv(content, dtype=str, keep_default_na=False, sep=separator, index_col=False)
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise InputError(f"{path.name} has rows of different lengths; give each row as many cells as names.") from error
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path.name} cannot be read as a list of files ({type(error).__name__}).") from error
    known = {*_PATH, *_PIXEL_SIZE, _DEPOSITED}
    return {
        (low if (low := str(name).strip().lower()) in known else str(name).strip()): frame[name].tolist()
        for name in frame.columns
    }


def _text(value: Any) -> str:
    """What a cell of a list says; nothing where it is empty."""
    if isinstance(value, float):  # a column of numbers with a gap
        return "" if value != value else f"{value:.15g}"
    return "" if value is None else str(value).strip()


def _nm(value: Any, where: str) -> float | None:
    text = _text(value)
    if not text:
        return None
    try:
        size = float(text.replace(",", "."))
    except ValueError:
        size = -1.0
    if not 0 < size < 1e6:
        raise InputError(f"{where}: a pixel size of {text[:40]!r} is no number of nm above zero.")
    return size


def _check_deposited(text: str, where: str) -> None:
    from napari_atomicity.pipeline.settings import Settings, read_deposited

    try:
        sizes, shares = read_deposited(text)
        Settings(deposited=sizes, fractions=shares)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
