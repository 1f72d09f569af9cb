"""Simulated micrographs as files: a TIFF, its truth as a table, and what made it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from tifffile import imwrite

from napari_atomicity.io.atomic import write_atomically
from napari_atomicity.simulation.frames import SimulatedFrame


def write_frame(frame: SimulatedFrame, folder: Path, stem: str) -> tuple[Path, Path, Path]:
    """Write ``stem.tif`` (uint16 where the counts fit, else float32), ``stem.truth.csv`` and ``stem.truth.json``.

    Parameters
    ----------
    frame
        What to write.
    folder
        An existing folder.
    stem
        Name of the files without suffix.

    Returns
    -------
    The three paths.
    """
    image = frame.image
    if image.min() >= 0 and 100 < image.max() <= np.iinfo(np.uint16).max:
        image = np.round(image).astype(np.uint16)
    resolution = (1 / frame.pixel_size_nm, 1 / frame.pixel_size_nm)

    def write_image(beside: Path) -> None:
        imwrite(
            beside, image, imagej=True, resolution=resolution, metadata={"unit": "nm", "axes": "YX"},
            compression="zlib", predictor=True,
        )  # fmt: skip

    def write_text(text: str, path: Path) -> None:
        def write(beside: Path) -> None:
            beside.write_text(text, encoding="utf-8", newline="\n")

        write_atomically(path, write)

    paths = (folder / f"{stem}.tif", folder / f"{stem}.truth.csv", folder / f"{stem}.truth.json")
    write_atomically(paths[0], write_image)
    write_text(frame.truth.round(4).to_csv(index=False, lineterminator="\n"), paths[1])
    write_text(json.dumps(frame.describe(), indent=1) + "\n", paths[2])
    return paths
