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
from napari_atomicity.io.formats import _axes, _guard, _hdf5, emd, hspy, velox
from napari_atomicity.io.formats._hdf5_tree import FAULTS, Node, Tree, at, attributes, full, opened, text, walk
from napari_atomicity.io.raw import RawImage, says_detector, unreadable
from napari_atomicity.io.text import clean
from napari_atomicity.io.units import Calibration, calibrate

Entry = TypeVar("Entry")

#: images of one file that are looked at
_MOST_IMAGES: Final = 1000
#: and of Velox, where each has a long description
_MOST_DESCRIBED: Final = 400
_SCALES: Final = ("pixel_size", "pixelsize", "scale", "pixel size", "resolution")
_UNITS: Final = ("unit", "units", "scale_unit", "scale_units", "pixel_unit", "pixel_size_unit", "pixelunit")
#: attributes, or texts beside a data set, that may name the detector
_TITLES: Final = ("detector", "name", "title", "long_name", "label", "channel", "signal", "description")
_CALIBRATION: Final = frozenset({"pixel_size_nm", *_SCALES, *_UNITS})


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
    makers: list[tuple[str, Callable[..., RawImage | None]]]
    if groups := _first(velox.groups(file), tree, _MOST_DESCRIBED):
        titles = velox.titles(file)
        named = [(titles.get(key, ""), key, group) for key, group in groups]
        alone = len(groups) == 1
        makers = [(title or key, partial(velox.image, path, title, group, alone)) for title, key, group in named]
    elif signals := _first(hspy.signals(file), tree):
        makers = [(name, partial(hspy.image, path, name, group)) for name, group in signals]
    else:
        tree = walk(file)
        arrays = _first(emd.arrays(tree.nodes), tree)
        makers = [(array[0], partial(emd.image, path, *array)) for array in arrays]
        sets = [] if arrays else _largest([node for node in tree.nodes if node.is_dataset], tree)
        makers += [(node.name, partial(_image, path, node)) for node in sets]
    left_out = tuple(tree.left_out)
    made = [_careful(name, partial(make, left_out)) for name, make in makers]
    return [image for image in made if image is not None], tree.left_out


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


def _careful(name: str, make: Callable[[], RawImage | None]) -> RawImage | None:
    """What `make` gives, or the reason why this entry of the file is lost."""
    try:
        return make()
    except InputError as error:
        why = str(error)
    except FAULTS as error:
        full(error)
        why = f"its entry in the file is damaged or of an unknown kind ({clean(error)})."
    return unreadable(name, (), np.void, why, broken=True)


# ---------------------------------------------------------------------- home-made: every data set of rows and columns


def _image(path: Path, node: Node, left_out: tuple[str, ...]) -> RawImage | None:
    """The data set as an image, or the reason why it is none; None where it is not meant as one."""
    dataset = node.item
    _hdf5.check_place(dataset)
    dtype: np.dtype[Any] = dataset.dtype
    shape: tuple[int, ...] = dataset.shape or ()
    long = [axis for axis, size in enumerate(shape) if size != 1]
    if len(long) < 2 or not (dtype.kind in "buifc" or _axes.is_colour(dtype)):
        return None
    picture = dtype == np.uint8 and len(shape) == 3 and shape[-1] in (3, 4)
    samples, long = (2, [0, 1]) if picture else (None, long)
    return _axes.image(
        [],
        title=_title(node),
        dtype=dtype,
        shape=[size if axis in long else 1 for axis, size in enumerate(shape)],
        make=partial(_hdf5.image, path, dataset, samples=samples, warnings=left_out),
        reader=_hdf5.reader_name("HDF5"),
        calibration=_calibration(node),
    )


def _title(node: Node) -> str:
    """Its path in the file, and the detector where that is named beside it: ``detectors/1/data (HAADF)``."""
    if says_detector(node.name):
        return node.name
    found = attributes(node.item, _TITLES)
    said = [text(found[name]) for name in _TITLES if name in found]
    if "/" in node.name:  # what the file as a whole says belongs to all that is in it
        found = attributes(node.group, _TITLES)
        said += [text(found[name]) for name in _TITLES if name in found]
        said += [_hdf5.first_text(at(node.group, name)) for name in _TITLES]
    detector = next((clean(one, 60) for one in said if len(one) < 200 and says_detector(one)), "")
    return f"{node.name} ({detector})" if detector else node.name


def _calibration(node: Node) -> Calibration:
    """From attributes such as ``scale`` = "0.33" and ``scale_unit`` = "nm", of the data set or its group."""
    dataset = node.item
    found = {**attributes(node.group, _CALIBRATION), **attributes(dataset, _CALIBRATION)}
    if "pixel_size_nm" in found:
        scale, unit = found["pixel_size_nm"], "nm"
    else:
        scale = next((found[name] for name in _SCALES if name in found), None)
        unit = next((text(found[name]) for name in _UNITS if name in found), "")
    scales: list[Any] = list(np.ravel(scale))
    if scale is None or len(scales) not in (1, 2, dataset.ndim):  # of one axis, of two, or of all
        return Calibration()
    return calibrate((scales[-2:][0], unit), (scales[-1], unit))


def _look(path: Path) -> None:
    with suppress(InputError):  # it is said again, in the words of the one who asked
        _listed(path)


if __name__ == "__main__":
    _hdf5.load_filters()
    _guard.in_child(Path(sys.argv[1]), lambda: _look(Path(sys.argv[1])))
