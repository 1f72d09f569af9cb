"""Simulated micrographs as files: a TIFF, its truth as a table, and what made it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
from tifffile import imwrite

from napari_atomicity.io.atomic import write_together
from napari_atomicity.io.keeping import copies_kept_while
from napari_atomicity.simulation.frames import SimulatedFrame

#: where the description of a frame holds the hashes of the three files, of itself as it is without them
_HASHES: Final = "sha256"


def write_frame(
    frame: SimulatedFrame, folder: Path, stem: str, remark: Callable[[str], object] = lambda _: None
) -> tuple[Path, Path, Path]:
    """Write ``stem.tif`` (uint16 where the counts fit, else float32), ``stem.truth.csv`` and ``stem.truth.json``.

    Earlier files of these names are replaced if they are as they were written; if one is not, they are all kept.

    Parameters
    ----------
    frame
        What to write.
    folder
        An existing folder.
    stem
        Name of the files without suffix.
    remark
        Called with a sentence about earlier files that are kept.

    Returns
    -------
    The three paths.

    Raises
    ------
    InputError
        Where the system does not let us write there.
    """
    paths = (folder / f"{stem}.tif", folder / f"{stem}.truth.csv", folder / f"{stem}.truth.json")
    table = frame.truth.round(4).to_csv(index=False, lineterminator="\n").encode()
    description = frame.describe()
    pixels = _tiff(frame)
    hashes = dict(zip((path.name for path in paths), map(_hash, (pixels, table, _text(description))), strict=True))
    contents = dict(zip(paths, (pixels, table, _text({**description, _HASHES: hashes})), strict=True))
    replaced = [path for path, content in contents.items() if path.is_file() and path.read_bytes() != content]
    changed = [path for path in _not_as_written(paths) if path in replaced]

    def write() -> None:
        write_together([(path, partial(_fill, content)) for path, content in contents.items()])

    # what belongs to a truth that a person corrected is kept with it
    kept = copies_kept_while(replaced if changed else [], write)
    if kept:
        remark(
            f"{_listed(changed)} {'were' if len(changed) > 1 else 'was'} changed by hand or by another program; "
            f"the earlier files of that name are now {_listed(kept)}."
        )
    return paths


def _listed(paths: Sequence[Path]) -> str:
    return " and ".join(filter(None, (", ".join(path.name for path in paths[:-1]), paths[-1].name)))


def _fill(content: bytes, draft: Path) -> None:
    draft.write_bytes(content)


def _tiff(frame: SimulatedFrame) -> bytes:
    image = frame.image
    if image.min() >= 0 and 100 < image.max() <= np.iinfo(np.uint16).max:
        image = np.round(image).astype(np.uint16)
    resolution = (1 / frame.pixel_size_nm, 1 / frame.pixel_size_nm)
    file = BytesIO()
    imwrite(
        file, image, imagej=True, resolution=resolution, metadata={"unit": "nm", "axes": "YX"},
        compression="zlib", predictor=True,
    )  # fmt: skip
    return file.getvalue()


def _text(description: Mapping[str, Any]) -> bytes:
    return (json.dumps(description, indent=1) + "\n").encode()


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _not_as_written(paths: tuple[Path, Path, Path]) -> list[Path]:
    """Which files of a frame somebody else wrote or changed, as far as the hashes in its description tell."""
    contents = {path: path.read_bytes() for path in paths if path.is_file()}
    try:
        description = json.loads(contents[paths[2]])
        hashes = dict(description.pop(_HASHES))
        contents[paths[2]] = _text(description)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return list(contents)
    return [path for path, content in contents.items() if _hash(content) != hashes.get(path.name)]
