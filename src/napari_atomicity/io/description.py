"""What `napari-atomicity info FILE` prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.io import text
from napari_atomicity.io.pixels import value_range
from napari_atomicity.io.reading import ImageInfo, look
from napari_atomicity.micrograph import Micrograph

#: images that are listed of a file with more
_MOST_LISTED: Final = 40


def describe(path: str | Path) -> str:
    """What would be read from the file `path`, for people: images, shape, type, calibration, range, warnings."""
    path = Path(path)
    infos, chosen = look(path)
    title = f"{text.clean(path.name)}: {len(infos)} image{'s' * (len(infos) != 1)}"
    if isinstance(chosen, InputError):
        return "\n".join([title, *_lines(infos, None), str(chosen)])
    return "\n".join([title, *_lines(infos, chosen.provenance.image_index), *_facts(chosen)])


def _lines(infos: list[ImageInfo], chosen: int | None) -> list[str]:
    shown = [info for info in infos if info.index < _MOST_LISTED or info.index == chosen]
    lines = [_line(info, "→" if info.index == chosen else " ") for info in shown]
    return [*lines, f"  and {len(infos) - len(shown)} more"] if len(shown) < len(infos) else lines


def _line(info: ImageInfo, mark: str) -> str:
    size = " × ".join(str(n) for n in info.shape)
    scale = "no pixel size" if info.pixel_size_nm is None else f"{info.pixel_size_nm:.6g} nm per pixel"
    parts = [f"{mark} [{info.index}]", info.title or "(no title)", size, info.dtype, scale if info.shape else ""]
    why = [] if info.countable else [f"not counted: {info.why_not}"]
    return "  ".join(part for part in [*parts, *why] if part)


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
