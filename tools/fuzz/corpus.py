"""The good inputs that all others are made from, in a folder: made once for a run, the same each time."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from tools.fuzz.kinds import Good

_INDEX = "index.json"


def image() -> np.ndarray:
    """A small picture that tells its corners apart."""
    rng = np.random.default_rng(0)
    return (rng.poisson(50, (64, 64)) + np.add.outer(np.arange(64), 2 * np.arange(64))).astype(np.uint16)


def build(folder: Path) -> None:
    """Fill `folder`."""
    from tools.fuzz.formats import dm, hdf5, mrc, pictures, tia, tiff, work

    one = image()
    found: dict[str, Good] = {}
    for module in (tiff, pictures, mrc, dm, tia, hdf5):
        found |= module.good(one)
    found["object.mat"] = Good({"object.mat": b"MATLAB 5.0 MAT-file" + bytes(200)})
    found |= work.good()
    index = {}
    for number, (name, good) in enumerate(found.items()):
        place = folder / str(number)
        place.mkdir(parents=True)
        for file, content in good.files.items():
            (place / file).write_bytes(content)
        index[name] = {"place": str(number), "files": list(good.files), "door": good.door, "fields": good.fields}
    (folder / _INDEX).write_text(json.dumps(index), encoding="utf-8")


def load(folder: Path) -> dict[str, Good]:
    """What `build` made."""
    index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
    return {
        name: Good(
            {file: (folder / one["place"] / file).read_bytes() for file in one["files"]},
            one["door"],
            tuple((at, form) for at, form in one["fields"]),
        )
        for name, one in index.items()
    }
