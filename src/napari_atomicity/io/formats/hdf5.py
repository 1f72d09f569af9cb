"""HDF5 of every layout: Velox, NCEM, HyperSpy, or home-made; one damaged entry leaves the others readable."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from napari_atomicity.errors import InputError
from napari_atomicity.io.formats import _guard, _hdf5, emd, home_made, hspy, nexus, velox
from napari_atomicity.io.formats._hdf5_tree import FAULTS, Node, Tree, full, opened, walk
from napari_atomicity.io.raw import RawImage, unreadable
from napari_atomicity.io.text import clean

Entry = TypeVar("Entry")

#: images of one file that are looked at
_MOST_IMAGES: Final = 1000
#: and of Velox, where each has a long description
_MOST_DESCRIBED: Final = 400


def images(path: Path) -> list[RawImage]:
    """The images of the file, whoever wrote it, and what should be one and is not, with the reason.

    HDF5 may take for ever, all memory, or the whole process down over a damaged file: a child looks first.
    """
    _guard.check(path, __name__, [], meanwhile=_hdf5.load_filters)
    return _listed(path)


def _listed(path: Path) -> list[RawImage]:
    with opened(path) as file:
        found, left_out = _found(path, file)
    if not found:
        raise InputError(
            f"{clean(path.name)} holds no image (a data set of rows and columns); "
            f"open the microscope's own image, or export it as TIFF. {' '.join(left_out)}".strip()
        )
    return found


def _found(path: Path, file: Any) -> tuple[list[RawImage], list[str]]:
    """The images, and sentences about what was not looked at."""
    tree = Tree()
    makers: list[tuple[str, Callable[..., list[RawImage]]]]
    if groups := _first(velox.groups(file), tree, _MOST_DESCRIBED):
        titles = velox.titles(file)
        named = [(titles.get(key, ""), key, group) for key, group in groups]
        alone = len(groups) == 1
        makers = [(title or key, partial(velox.images, path, title, group, alone)) for title, key, group in named]
    elif signals := _first(hspy.signals(file), tree):
        makers = [(name, partial(hspy.images, path, name, group)) for name, group in signals]
    else:
        tree = walk(file)
        arrays = _first(emd.arrays(tree.nodes), tree)
        makers = [(array[0], partial(emd.images, path, *array)) for array in arrays]
        sets = [] if arrays else _largest([node for node in tree.nodes if node.is_dataset], tree)
        described = nexus.groups(tree.nodes) if sets else {}
        makers += [
            (node.name, partial(home_made.images, path, node, described.get(f"/{node.name}", node.group)))
            for node in sets
        ]
    left_out = tuple(tree.left_out)
    return [image for name, make in makers for image in _careful(name, partial(make, left_out))], tree.left_out


def _first(entries: list[Entry], tree: Tree, most: int = _MOST_IMAGES) -> list[Entry]:
    if len(entries) > most:
        tree.leave_out(f"The file has {len(entries)} or more images; the first {most} of them are looked at.")
    return entries[:most]


def _largest(sets: list[Node], tree: Tree) -> list[Node]:
    """Of very many data sets those with the most bytes in the file, in its order: an image among its patches."""
    if len(sets) <= _MOST_IMAGES:
        return sets
    tree.leave_out(f"The file has {len(sets)} data sets; the largest {_MOST_IMAGES} of them are looked at.")
    stored = [int(node.item.id.get_storage_size()) for node in sets]
    largest = sorted(range(len(sets)), key=lambda k: -stored[k])[:_MOST_IMAGES]
    return [sets[k] for k in sorted(largest)]


def _careful(name: str, make: Callable[[], list[RawImage]]) -> list[RawImage]:
    """What `make` gives, or the reason why this entry of the file is lost."""
    try:
        return make()
    except InputError as error:
        why = str(error)
    except FAULTS as error:
        full(error)
        why = f"its entry in the file is damaged or of an unknown kind ({clean(error)})."
    return [unreadable(name, (), np.void, why, broken=True)]


def _look(path: Path) -> None:
    with suppress(InputError):  # it is said again, in the words of the one who asked
        _listed(path)


if __name__ == "__main__":
    _hdf5.load_filters()
    _guard.in_child(Path(sys.argv[1]), lambda: _look(Path(sys.argv[1])))
