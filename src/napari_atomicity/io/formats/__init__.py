"""Which reader takes which file: one small module a family of formats, imported when its turn comes."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Final

from napari_atomicity.errors import InputError
from napari_atomicity.io.raw import RawImage

_FAMILIES: Final = {
    "tiff": (".tif", ".tiff", ".ome.tif", ".tf8", ".btf"),
    "picture": (".png", ".jpg", ".jpeg", ".bmp"),
    "dm": (".dm3", ".dm4"),
    "tia": (".ser", ".emi"),
    "mrc": (".mrc",),
    "hdf5": (".emd", ".hspy", ".h5", ".hdf5"),
    "matlab": (".mat",),
}
_BY_SUFFIX: Final = {suffix: family for family, suffixes in _FAMILIES.items() for suffix in suffixes}
#: what `read` opens, for file dialogs
SUFFIXES: Final = tuple(sorted(suffix for suffix, family in _BY_SUFFIX.items() if family != "matlab"))


def images(path: Path) -> list[RawImage]:
    """The images of a file, in file order.

    Raises
    ------
    InputError
        Where it is of no known format, or damaged.
    """
    family = _BY_SUFFIX.get(path.suffix.lower())
    if family is None:
        raise InputError(
            f"{path.name}: files of the type “{path.suffix or 'without suffix'}” are not read; "
            "save the image as TIFF, or open the microscope's own file (DM3, DM4, EMD, SER, MRC)."
        )
    entries: list[RawImage] = import_module(f"{__name__}.{family}").images(path)
    return entries
