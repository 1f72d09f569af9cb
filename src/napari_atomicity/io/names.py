"""Names of files that every system can write."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection
from typing import Final

# names that Windows keeps for devices, whatever the suffix
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
#: bytes; a file's name has at most 255, and the longest that is added here are some forty
_LONGEST_NAME: Final = 200
#: of figures and heat maps that are made of an image and often lie beside it
_FIGURES: Final = (
    ".clusters.png", ".overlay.png", ".heatmap.png", ".heatmap.tif", ".profiles.png", ".tracks.png", ".alloy.png",
)  # fmt: skip


def safe_name(name: str) -> str:
    """`name` without what some system does not allow in a file's name, and with room for what is added to it."""
    name = re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", name).rstrip(" .") or "image"
    if len(os.fsencode(name)) > _LONGEST_NAME:
        mark = hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
        while len(os.fsencode(name)) > _LONGEST_NAME - len(mark) - 1:
            name = name[:-1]
        name = f"{name}-{mark}"
    return f"{name}_" if _DEVICE.fullmatch(name) else name


def free_stem(name: str, taken: Collection[str]) -> str:
    """A stem for the files of an image that no other image has.

    Parameters
    ----------
    name
        Of the image.
    taken
        Stems of the others, case folded.
    """
    own = safe_name(name)
    stem, n = own, 1
    while stem.casefold() in taken:
        n += 1
        stem = f"{own}-{n}"
    return stem


def is_figure(name: str) -> bool:
    """Whether a file is, by its name, a figure that this program has made of an image, and no image to be counted.

    Parameters
    ----------
    name
        Of the file.
    """
    return name.lower().endswith(_FIGURES)
