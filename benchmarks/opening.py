"""What it costs to open a stack and to read one of its frames, for every format and many frames.

    python benchmarks/opening.py [--side 32] [--largest 100000]

Each stack is written of random numbers, opened, and then frames here and there in it are read: both should not depend
on how many frames there are, but for the pages of a TIFF file, which are counted once when it is opened. Takes about
ten minutes, most of it to write the stacks.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import mrcfile
import numpy as np
import tifffile

import _machine
from _options import parsed, parser_for
from napari_atomicity.io import read

sys.path.append(str(Path(__file__).parents[1]))  # the formats that no library writes

from tools.fuzz.formats.dm import Writer, image_tree, whole
from tools.fuzz.formats.tia import Ser


def pages(path: Path, frames: np.ndarray) -> None:
    """A page a frame, compressed, as cameras stream them."""
    tifffile.imwrite(path, frames, photometric="minisblack", compression="zlib", metadata=None)


def imagej(path: Path, frames: np.ndarray) -> None:
    """Frames behind each other."""
    tifffile.imwrite(path, frames, imagej=True, resolution=(50, 50), metadata={"axes": "TYX", "unit": "nm"})


def ome(path: Path, frames: np.ndarray) -> None:
    """A page a frame, with a description in OME-XML."""
    tifffile.imwrite(path, frames, ome=True, compression="zlib", metadata={"axes": "TYX"})


def mrc(path: Path, frames: np.ndarray) -> None:
    """Sections behind each other."""
    mrcfile.write(path, frames, voxel_size=0.2)


def hdf5(path: Path, frames: np.ndarray) -> None:
    """One data set, a chunk a frame."""
    with h5py.File(path, "w") as file:
        file.create_dataset("frames", data=frames, chunks=(1, *frames.shape[1:])).attrs["pixel_size_nm"] = 0.02


def dm4(path: Path, frames: np.ndarray) -> None:
    """An image of three dimensions."""
    path.write_bytes(Writer(4).file(whole(image_tree(frames, kind=10))))


def ser(path: Path, frames: np.ndarray) -> None:
    """An element a frame."""
    path.write_bytes(Ser().file(frames[:, ::-1], long=True))  # the lowest row comes first


FORMATS: dict[str, tuple[str, Callable[[Path, np.ndarray], None]]] = {
    "TIFF, pages": (".tif", pages),
    "TIFF, ImageJ": (".tif", imagej),
    "TIFF, OME": (".ome.tif", ome),
    "MRC": (".mrc", mrc),
    "HDF5": (".h5", hdf5),
    "DM4": (".dm4", dm4),
    "SER": ("_1.ser", ser),
}

#: more are not written for these, whose writers are slow
FEWER = {"DM4": 10_000, "SER": 10_000}
LOOKS = 20


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--largest", type=int, default=100_000)
    options = parsed(parser, largest=1000)
    print(_machine.describe("tifffile", "mrcfile", "h5py", "rosettasciio"))
    print(
        f"\nframes of {options.side}² pixels (uint16); a frame: mean of {LOOKS} here and there, as read for counting\n"
    )
    print("| format | frames | opened (s) | a frame (ms) |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, (suffix, write) in FORMATS.items():
            n = 100
            while n <= min(options.largest, FEWER.get(name, options.largest)):
                print(
                    f"| {name} | {n:,} | {row(Path(folder) / f'stack{suffix}', write, n, options.side)} |", flush=True
                )
                n *= 10


def row(path: Path, write: Callable[[Path, np.ndarray], None], n: int, side: int) -> str:
    """Seconds to open a stack of `n` frames, and milliseconds a frame."""
    rng = np.random.default_rng(n)
    frames = rng.integers(0, 60_000, (n, side, side), dtype=np.uint16)
    write(path, frames)
    start = time.perf_counter()
    stack = read(path)
    opened = time.perf_counter() - start
    asked = rng.integers(0, n, LOOKS)
    start = time.perf_counter()
    for t in asked:
        assert stack.frame(int(t))[0, 0] == frames[t, 0, 0]
    taken = (time.perf_counter() - start) / LOOKS
    path.unlink()
    return f"{opened:.2f} | {1000 * taken:.2f}"


if __name__ == "__main__":
    main()
