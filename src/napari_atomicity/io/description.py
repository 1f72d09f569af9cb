"""What `napari-atomicity info FILE` prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.io.reading import ImageInfo, list_images, read, value_range
from napari_atomicity.micrograph import Micrograph


def describe(path: str | Path) -> str:
    """What would be read from the file `path`, for people: images, shape, type, calibration, range, warnings."""
    path = Path(path)
    infos = list_images(path)
    try:
        chosen = read(path)
    except InputError as error:
        return "\n".join([_title(path, infos), *(_line(info, " ") for info in infos), str(error)])
    index = chosen.provenance.image_index
    lines = [_title(path, infos), *(_line(info, "→" if info.index == index else " ") for info in infos)]
    return "\n".join([*lines, *_facts(chosen)])


def _title(path: Path, infos: list[ImageInfo]) -> str:
    return f"{path.name}: {len(infos)} image{'s' * (len(infos) != 1)}"


def _line(info: ImageInfo, mark: str) -> str:
    size = " × ".join(str(n) for n in info.shape)
    scale = "no pixel size" if info.pixel_size_nm is None else f"{info.pixel_size_nm:.6g} nm per pixel"
    parts = [f"{mark} [{info.index}]", info.title or "(no title)", size, info.dtype, scale]
    return "  ".join([*parts, *([] if info.countable else ["not counted"])])


def _facts(chosen: Micrograph) -> list[str]:
    frame = np.asarray(chosen.data[0] if chosen.data.ndim == 3 else chosen.data)
    low, high = value_range(frame)
    height, width = chosen.shape_yx
    facts = {
        "Read by": chosen.provenance.reader,
        "Frames": str(chosen.n_frames) if chosen.n_frames > 1 else "",
        "Field": _field(chosen, height, width),
        "Values": (f"{low:.6g} to {high:.6g}" if low <= high else "none") + " (first frame)" * (chosen.n_frames > 1),
        "Pixels without a number": _without_number(frame),
    }
    lines = [f"{name + ':':<25}{value}" for name, value in facts.items() if value]
    lines += [f"{key + ':':<25}{value}" for key, value in chosen.metadata.items()]
    lines += [f"Warning: {warning}" for warning in chosen.warnings]
    if chosen.refusal:
        lines.append(f"Cannot be counted: {chosen.refusal}")
    elif chosen.pixel_size_nm is None:
        lines.append("To be counted it needs a pixel size; give it with --pixel-size NM.")
    return lines


def _field(chosen: Micrograph, height: int, width: int) -> str:
    size = chosen.pixel_size_nm
    return "" if size is None else f"{width * size:.4g} × {height * size:.4g} nm (width × height)"


def _without_number(frame: npt.NDArray[Any]) -> str:
    if frame.dtype.kind != "f":
        return ""
    n = int(frame.size - np.count_nonzero(np.isfinite(frame)))
    return f"{n} ({100 * n / frame.size:.2g} %)" if n else ""
