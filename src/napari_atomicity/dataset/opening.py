"""One image of a batch as a micrograph: a file of any type that is read, or an OME-Zarr image."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph, Provenance

_NM: Final = {"nanometer": 1.0, "micrometer": 1e3, "angstrom": 0.1, "picometer": 1e-3, "meter": 1e9, "millimeter": 1e6}


def opened(path: str, image: int | None = None) -> Micrograph:
    """The micrograph in a file or an OME-Zarr folder.

    Parameters
    ----------
    path
        The file or folder.
    image
        Which image of a file with several; the likeliest to count where None.

    Raises
    ------
    InputError
        Where it cannot be read.
    """
    from napari_atomicity.io import read

    if Path(path).is_dir() and path.lower().endswith(".zarr"):
        return _ome_zarr(Path(path))
    return read(path, image)


def frame_hash(micrograph: Micrograph, frame: int) -> str:
    """SHA-256 of the file that an image was read from; of the pixels of the frame where it is a folder.

    Parameters
    ----------
    micrograph
        The image.
    frame
        Which frame of a stack.

    Raises
    ------
    InputError
        Where the file has changed meanwhile.
    """
    from napari_atomicity.io.files import micrograph_hash

    path = micrograph.provenance.path
    if path is not None and path.is_dir():
        return hashlib.sha256(micrograph.frame(frame).tobytes()).hexdigest()
    return micrograph_hash(micrograph)


def _ome_zarr(path: Path) -> Micrograph:
    """The full resolution of the first image of an OME-Zarr folder, its frames read when they are asked for."""
    try:
        import zarr
    except ImportError as error:
        raise InputError('OME-Zarr images need an extra; install it with  pip install "zarr>=3"  .') from error
    from napari_atomicity.io.stack import FrameStack

    try:
        entry = _multiscales(path)[0]
        axes = [str(axis["name"]) for axis in entry["axes"]]
        best = entry["datasets"][0]
        array = zarr.open_array(str(path / str(best["path"])), mode="r")
        pixel_size = _pixel_size(entry, best)
        others = [n for name, n in zip(axes, array.shape, strict=True) if name not in ("t", "y", "x")]
    except (OSError, KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError(f"{path.name} is not a readable OME-Zarr image ({type(error).__name__}).") from error
    if axes[-2:] != ["y", "x"] or any(n != 1 for n in others):
        raise InputError(f"{path.name} has the axes {', '.join(axes)}; one image (y, x) or a stack (t, y, x) is read.")
    frames = array.shape[axes.index("t")] if "t" in axes else 1

    def frame(t: int) -> Any:
        return array[tuple(t if name == "t" else 0 for name in axes[:-2])]

    data = FrameStack((frames, *array.shape[-2:]), array.dtype, frame) if frames > 1 else frame(0)
    return Micrograph(data, pixel_size, path.stem, Provenance(path, f"zarr {zarr.__version__}"))


def _multiscales(path: Path) -> list[dict[str, Any]]:
    """Of version 0.5 in ``zarr.json``, of earlier ones in ``.zattrs``."""
    for name in ("zarr.json", ".zattrs"):
        if (path / name).is_file():
            content = json.loads((path / name).read_text(encoding="utf-8"))
            attributes = content.get("attributes", content)
            found: list[dict[str, Any]] = attributes.get("ome", attributes)["multiscales"]
            return found
    raise KeyError("multiscales")


def _pixel_size(entry: dict[str, Any], best: dict[str, Any]) -> float | None:
    """Nm per pixel; None where the unit of length is not said."""
    axis = entry["axes"][-1]
    scales = [step["scale"][-1] for step in best.get("coordinateTransformations", []) if step.get("type") == "scale"]
    unit = _NM.get(str(axis.get("unit", "")))
    return float(scales[0]) * unit if scales and unit is not None else None
