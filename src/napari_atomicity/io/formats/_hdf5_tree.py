"""What is in an HDF5 file, read with care: nothing outside the file is followed, and nothing is read without bound.

Links to other files could lead to a pipe that never ends or to any file of the person who opens it; groups may
contain themselves; attributes and texts may claim any size.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from napari_atomicity.errors import InputError
from napari_atomicity.io.formats._extra import missing_formats
from napari_atomicity.io.text import clean

#: what h5py raises on damaged or unknown content
FAULTS: Final = (OSError, KeyError, TypeError, ValueError, RuntimeError, IndexError, OverflowError)

#: groups and data sets that are looked at, groups within each other, and entries of one group
_MOST_OBJECTS: Final = 10_000
_DEEPEST: Final = 32
#: attributes of one object that are looked through, and bytes or texts of one value
_MOST_ATTRIBUTES: Final = 1000
_MOST_BYTES: Final = 2**20
_MOST_TEXTS: Final = 16
_MOST_SENTENCES: Final = 5


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The h5py file at a path, closed in the end.

    Raises
    ------
    InputError
        Where it is no whole HDF5 file, or h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise missing_formats(path) from error
    try:
        file = h5py.File(path, "r")
    except FAULTS as error:
        raise _not_opened(path, str(error)) from error
    with file:
        try:
            yield file
        except FAULTS as error:
            full(error)
            raise InputError(
                f"{clean(path.name)} is damaged, or of a variant of HDF5 that is not known here; open it in the "
                "program that wrote it and export the image as TIFF."
            ) from error


def _not_opened(path: Path, message: str) -> InputError:
    name = clean(path.name)
    if "truncated" in message:
        return InputError(f"{name} is cut short: its end is missing; copy it again.")
    if "signature not found" in message:
        return InputError(f"{name} is not the HDF5 file that its name promises; open the original file.")
    if "lock" in message or "already open" in message:
        return InputError(f"{name} is still being written by another program; close it there and open it again.")
    return InputError(f"{name} is damaged, cut short or of a newer HDF5 version; copy it again.")


def full(error: Exception) -> None:
    """A `MemoryError` where an error of h5py is one in other words: that is no damage."""
    if "memory" in str(error):
        raise MemoryError from error


# ---------------------------------------------------------------------- groups and data sets


@dataclass(frozen=True)
class Node:
    """A group or a data set of the file, its path in it as HDF5 writes it, and the group that it is in."""

    name: str
    item: Any
    group: Any

    @property
    def is_dataset(self) -> bool:
        """Whether it holds an array."""
        import h5py

        return isinstance(self.item, h5py.Dataset)


@dataclass
class Tree:
    """Groups and data sets of a file, depth first, each once; `left_out`: sentences about what was not looked at."""

    nodes: list[Node] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def leave_out(self, sentence: str) -> None:
        """Remember a sentence, once, and of very many the first ones."""
        if sentence not in self.left_out and len(self.left_out) < _MOST_SENTENCES:
            self.left_out.append(sentence)


def walk(file: Any) -> Tree:
    """All groups and data sets of an open file, in the order of their names."""
    tree = Tree()
    seen = {_address(file.id)}
    waiting = [iter(_links(file, "", tree))]
    while waiting:
        link = next(waiting[-1], None)
        if link is None:
            waiting.pop()
            continue
        parent, key, name = link
        try:
            item = _opened_object(parent.id, key)
            if item is None:
                continue
            address = _address(item.id)
        except FAULTS:
            tree.leave_out(f"“{clean(name)}” is damaged and left out.")
            continue
        if len(seen) > _MOST_OBJECTS:
            tree.leave_out(f"The file has more than {_MOST_OBJECTS} entries; the first of them are looked at.")
            break
        if address in seen:
            continue
        seen.add(address)
        node = Node(name, item, parent)
        tree.nodes.append(node)
        if node.is_dataset:
            continue
        if len(waiting) >= _DEEPEST:
            tree.leave_out(f"Groups more than {_DEEPEST} levels deep are not looked at.")
            continue
        waiting.append(iter(_links(item, f"{name}/", tree)))
    return tree


def _links(group: Any, prefix: str, tree: Tree) -> list[tuple[Any, bytes, str]]:
    """The entries of a group that are in this file, with the group and their path."""
    import h5py

    keys: list[bytes] = []

    def collect(key: bytes) -> bool | None:
        keys.append(key)
        return True if len(keys) > _MOST_OBJECTS else None

    try:
        group.id.links.iterate(collect)
        kinds = {key: group.id.links.get_info(key).type for key in keys}
    except FAULTS:
        tree.leave_out(f"The group “{clean(prefix) or '/'}” is damaged; what is in it is left out.")
        return []
    if any(kind not in (h5py.h5l.TYPE_HARD, h5py.h5l.TYPE_SOFT) for kind in kinds.values()):
        tree.leave_out("Links to other files are not followed; open those files themselves.")
    return [
        (group, key, prefix + key.decode("utf-8", "surrogateescape"))
        for key in keys
        if kinds[key] == h5py.h5l.TYPE_HARD
    ]


def _opened_object(parent: Any, key: bytes) -> Any:
    """The group or data set of that name in the group; None where it is neither, such as a named type."""
    import h5py

    identifier = h5py.h5o.open(parent, key)
    if isinstance(identifier, h5py.h5g.GroupID):
        return h5py.Group(identifier)
    return h5py.Dataset(identifier) if isinstance(identifier, h5py.h5d.DatasetID) else None


def _address(item: Any) -> tuple[int, int]:
    import h5py

    info = h5py.h5o.get_info(item)
    return int(info.fileno), int(info.addr)


def at(group: Any, path: str) -> Any:
    """What lies at a path below an open group or file.

    Parameters
    ----------
    group
        The open h5py group or file.
    path
        Names, parted by slashes.

    Returns
    -------
    The open group or data set; None where there is none in this file.
    """
    import h5py

    keys = path.strip("/").encode("utf-8", "surrogateescape").split(b"/")
    for key in keys:
        if not isinstance(group, h5py.Group) or len(keys) > _DEEPEST + 1:
            return None
        try:
            if group.id.links.get_info(key).type != h5py.h5l.TYPE_HARD:
                return None
            group = _opened_object(group.id, key)
        except FAULTS:
            return None
    return group


def linked(group: Any, name: str) -> Any:
    """What lies at `name` in a group, or where a link of that name leads within the file; None where nothing does.

    Parameters
    ----------
    group
        The open h5py group.
    name
        In it.
    """
    import h5py

    item = at(group, name)
    if item is not None or not isinstance(group, h5py.Group) or "/" in name:
        return item
    try:
        link = group.get(name, getlink=True)
    except FAULTS:
        return None
    if not isinstance(link, h5py.SoftLink):
        return None
    return at(group.file if link.path.startswith("/") else group, link.path)


def children(group: Any) -> Iterator[tuple[str, Any]]:
    """Names and groups or data sets in a group, in its own order; None for what cannot be opened."""
    if not hasattr(group, "keys"):
        return
    for count, name in enumerate(group):
        if count >= _MOST_OBJECTS:
            return
        yield name, at(group, name)


# ---------------------------------------------------------------------- attributes and texts


def attributes(item: Any, names: Collection[str]) -> dict[str, Any]:
    """Some attributes of an item, whatever the case of their names, as far as they are small.

    Parameters
    ----------
    item
        The open h5py group or data set; None for none.
    names
        In lower case.

    Returns
    -------
    Values by name in lower case.
    """
    values: dict[str, Any] = {}
    if item is None:
        return values
    try:
        keys = list(item.attrs)[:_MOST_ATTRIBUTES]
    except FAULTS:
        return values
    for key in keys:
        if key.lower() in names and _is_small(item, key):
            try:
                values[key.lower()] = item.attrs[key]
            except FAULTS as error:
                full(error)
    return values


def texts(item: Any) -> Iterator[Any]:
    """The attributes of `item` that are texts, or lists of a few, as far as they are small."""
    try:
        keys = list(item.attrs)[:_MOST_ATTRIBUTES]
    except FAULTS:
        return
    for key in keys:
        try:
            if _is_small(item, key) and item.attrs.get_id(key).dtype.kind in "OS":
                yield item.attrs[key]
        except FAULTS as error:
            full(error)


def attribute(item: Any, name: str, default: Any = None) -> Any:
    """One attribute, `default` where there is none of that name or it cannot be read.

    Parameters
    ----------
    item
        The open h5py group or data set; None for none.
    name
        In any case.
    default
        What stands for it.
    """
    return attributes(item, {name.lower()}).get(name.lower(), default)


def _is_small(item: Any, key: str) -> bool:
    try:
        found = item.attrs.get_id(key)
        n = int(np.prod(found.shape, dtype=object)) if found.shape is not None else 0
        return n <= _MOST_TEXTS if found.dtype.hasobject else n * found.dtype.itemsize <= _MOST_BYTES
    except FAULTS:
        return False


def text(value: Any) -> str:
    """An attribute as text, however it was stored."""
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
