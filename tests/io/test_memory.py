"""What a file may claim beside what it keeps, and how much memory its pixels take while they are read."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_atomicity.errors import InputError
from napari_atomicity.io import list_images, read
from napari_atomicity.io.formats import _guard

h5py = pytest.importorskip("h5py")


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the first look in a process of its own, so that each test is quick."""
    monkeypatch.setattr(_guard, "check", lambda *_, **__: None)


def _tiff(name: str, shape: tuple[int, ...], **options: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        # the pixels of a few rows, for an image that claims a hundred times as many
        tifffile.imwrite(path, np.zeros(shape, np.uint16), compression="zlib", metadata=None, **options)
        return path

    return make


def _hdf5(folder: Path) -> Path:
    with h5py.File(folder / "colours.h5", "w") as file:
        kind = np.dtype([(name, np.float64) for name in "RGB"])
        file.create_dataset("a", (3000, 3000), kind, chunks=(50, 3000), compression="gzip")
        file["a"][:50] = np.zeros((50, 3000), kind)
    return folder / "colours.h5"


def _picture(folder: Path) -> Path:
    image = pytest.importorskip("PIL.Image")
    image.new("RGB", (6300, 6300)).save(folder / "colours.png")
    return Path(folder / "colours.png")


@pytest.mark.parametrize(
    "make",
    [
        _tiff("samples.tif", (4400, 4400, 4), photometric="rgb", extrasamples=["unassalpha"]),
        _tiff("planes.tif", (4, 4400, 4400), photometric="rgb", planarconfig="separate", extrasamples=["unassalpha"]),
        _tiff("frames_in_one_page.tif", (20, 2000, 2000), volumetric=True, tile=(16, 256, 256)),
        _hdf5,
        _picture,
    ],
    ids=["samples", "planes", "frames in one page", "hdf5", "picture"],
)
def test_what_is_unpacked_together_counts_as_one_claim(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    assert path.stat().st_size < 1_000_000
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"it claims .* pixels \(.* MB\), but the file keeps only"):
            read(path)
        assert "export the image again" in list_images(path)[0].why_not
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.few(1)
@pytest.mark.parametrize("kind", ["white is zero", "big-endian", "tiles", "hdf5", "hdf5 x first", "hdf5 big-endian"])
def test_a_large_image_is_there_once_while_it_is_read(tmp_path: Path, kind: str) -> None:
    pixels = np.random.default_rng(1).poisson(3, (4000, 3000)).astype(np.uint16)
    path = tmp_path / ("a.emd" if kind.startswith("hdf5") else "a.tif")
    expected = pixels
    if kind.startswith("hdf5"):
        with h5py.File(path, "w") as file:
            group = file.create_group("data/a")
            group.attrs["emd_group_type"] = 1
            stored = pixels.T if kind == "hdf5 x first" else pixels.astype(">u2" if "big" in kind else "<u2")
            group.create_dataset("data", data=stored, chunks=(256, 256))
            for k, name in enumerate("xy" if kind == "hdf5 x first" else "yx"):
                group[f"dim{k + 1}"] = np.arange(stored.shape[k]) * 0.02
                group[f"dim{k + 1}"].attrs.update(name=name, units="nm")
    elif kind == "white is zero":
        tifffile.imwrite(path, pixels, photometric="miniswhite", compression="zlib", rowsperstrip=64)
        expected = 65535 - pixels
    elif kind == "big-endian":
        tifffile.imwrite(path, pixels, byteorder=">", compression="zlib", rowsperstrip=64)
    else:
        tifffile.imwrite(path, pixels, compression="zlib", tile=(256, 256))
    read(path)  # what is imported and kept is there
    tracemalloc.start()
    try:
        data = read(path).data
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(data, expected)
    assert peak < 1.7 * pixels.nbytes
