"""Images in, files out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_atomicity.cli.console import Console
from napari_atomicity.cli.requests import ImagesRequest
from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import sweep, write_atomically, write_text
from napari_atomicity.io.names import free_stem, is_figure, safe_name
from napari_atomicity.wording import counted

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from napari_atomicity.clusters import ClusterTable
    from napari_atomicity.micrograph import Micrograph


@dataclass(frozen=True)
class Input:
    """An image named on the command line, at which place, and the stem of the files that are made from it."""

    path: Path
    stem: str
    place: int


def inputs(request: ImagesRequest, console: Console) -> list[Input]:
    """The images, each with a stem that every system can write and that no other image of the call has.

    Parameters
    ----------
    request
        The options.
    console
        Where it is said that an image goes by another name.

    Raises
    ------
    InputError
        For a folder in the place of an image, and where there are only figures of images.
    """
    taken: set[str] = set()
    named = []
    for place, path in enumerate(request.images):
        if not path.name:
            raise InputError(f"{path} is a folder; give the image files in it.")
        if is_figure(path.name):
            console.remark(f"{path}: this is a figure of another image, and is left out.")
            continue
        own, stem = safe_name(path.stem), free_stem(path.stem, taken)
        if stem != own:
            console.remark(f"{path}: another image here is called {own!r} too; this one becomes {stem!r}.")
        taken.add(stem.casefold())
        named.append(Input(path, stem, place))
    if request.images and not named:
        raise InputError("No image is left to count; name the micrographs that the figures were made of.")
    return named


def folder(path: Path) -> Path:
    """The folder, made where there is none.

    Raises
    ------
    InputError
        Where it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {path} cannot be made ({error.strerror}); choose another one.") from error
    sweep(path)  # what a call that was killed left there
    return path


def open_image(path: Path, request: ImagesRequest) -> Micrograph:
    """The image that the options mean in a file, calibrated or refused.

    Parameters
    ----------
    path
        The file.
    request
        The options.

    Raises
    ------
    InputError
        Where it cannot be read, or has no pixel size.
    """
    from napari_atomicity.io import read

    micrograph = read(path, request.image)
    if request.pixel_size is not None:
        return micrograph.with_pixel_size(request.pixel_size)
    if micrograph.pixel_size_nm is None and not micrograph.refusal:
        raise InputError("The file holds no pixel size; give it with --pixel-size in nm per pixel.")
    return micrograph


def read_when_asked(micrograph: Micrograph, path: Path, request: ImagesRequest) -> Micrograph:
    """The same image of the file, its pixels read whenever they are asked for instead of kept.

    Of many images that calibrate each other only one is then in memory. An `InputError` meets who asks for the pixels
    of a file that has changed.

    Parameters
    ----------
    micrograph
        The image as it was opened.
    path
        The file.
    request
        The options.
    """
    from napari_atomicity.io import lazy

    return lazy.read_when_asked(micrograph, path, lambda: open_image(path, request).data)


def save_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON, whole or not at all.

    Parameters
    ----------
    path
        The file; an earlier one is replaced.
    content
        What JSON can hold.

    Raises
    ------
    InputError
        Where the system does not let us write there.
    """
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def check_table(path: Path, counts: bool) -> None:
    """Raise where a new table would cost labels of a person, or positions alone the atoms counted.

    Parameters
    ----------
    path
        The table to be written.
    counts
        Whether the new table holds atoms counted.

    Raises
    ------
    InputError
        Where it would.
    """
    from napari_atomicity.io.tables import earlier

    existing = earlier(path)
    if existing is not None and existing.labels:
        raise InputError(
            f"{path} holds {counted(existing.labels, 'label')} that a person gave, which would be lost; "
            "choose another folder with -o."
        )
    if existing is not None and existing.is_counted and not counts:
        raise InputError(
            f"{path} holds atoms counted by analyse, which positions alone would replace; "
            "choose another folder with -o."
        )


def save_table(path: Path, table: ClusterTable, metadata: dict[str, Any], console: Console) -> None:
    """Write the table, but never over one in which a person has labelled clusters; see `check_table`.

    Parameters
    ----------
    path
        The file.
    table
        The clusters.
    metadata
        JSON-serialisable facts that the numbers depend on.
    console
        Where it is said that an earlier file was kept.

    Raises
    ------
    InputError
        Where labels would be lost, or the system does not let us write there.
    """
    from napari_atomicity.io.keeping import kept_sentence
    from napari_atomicity.io.tables import write_table

    check_table(path, counts=bool(table.class_sizes))
    kept = write_table(table, path, metadata)
    if kept is not None:
        console.remark(kept_sentence(path, kept))


def save_rows(path: Path, rows: pd.DataFrame, console: Console) -> None:
    """Write a table as CSV, but never over one that was changed.

    Parameters
    ----------
    path
        The file.
    rows
        What to write.
    console
        Where it is said that an earlier file was kept.

    Raises
    ------
    InputError
        Where the system does not let us write there.
    """
    from napari_atomicity.io.keeping import kept_sentence, write_rows

    kept = write_rows(rows, path)
    if kept is not None:
        console.remark(kept_sentence(path, kept))


def save_tiff(path: Path, data: npt.NDArray[np.float32], pixel_size_nm: float) -> None:
    """Write an image with its calibration, so that it opens in register with the micrograph.

    Parameters
    ----------
    path
        The file; an earlier one is replaced.
    data
        (y, x) or (t, y, x).
    pixel_size_nm
        nm per pixel.

    Raises
    ------
    InputError
        Where the system does not let us write there.
    """
    from tifffile import imwrite

    axes = "TYX" if data.ndim == 3 else "YX"
    resolution = (1 / pixel_size_nm, 1 / pixel_size_nm)

    def write(beside: Path) -> None:
        imwrite(beside, data, imagej=True, resolution=resolution, metadata={"unit": "nm", "axes": axes})

    write_atomically(path, write)
