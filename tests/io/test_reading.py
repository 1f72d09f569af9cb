from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_atomicity.errors import InputError
from napari_atomicity.io import describe, image_hash, list_images, read


def test_missing_empty_folder_and_unknown(tmp_path: Path) -> None:
    empty = tmp_path / "empty.tif"
    empty.touch()
    other = tmp_path / "spectrum.msa"
    other.write_text("x")
    folder = tmp_path / "folder.tif"
    folder.mkdir()
    (tmp_path / "object.mat").write_text("x")
    for path, said in (
        (tmp_path / "no.tif", "does not exist"),
        (empty, "is empty"),
        (other, "“.msa” are not read"),
        (folder, "is a folder"),
        (tmp_path / "object.mat", "MATLAB"),
    ):
        with pytest.raises(InputError, match=said) as caught:
            read(path)
        assert "\n" not in str(caught.value)
        assert str(caught.value).endswith(".")


def test_an_image_that_is_not_there(tmp_path: Path, counts: np.ndarray) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, counts)
    with pytest.raises(InputError, match="images 0 to 0"):
        read(path, image=1)
    with pytest.raises(InputError, match="images 0 to 0"):
        read(path, image=-1)


def test_suffix_in_capitals(tmp_path: Path, counts: np.ndarray) -> None:
    path = tmp_path / "SCAN.TIF"
    tifffile.imwrite(path, counts)
    assert read(path).name == "SCAN"


def test_list_images(tmp_path: Path, counts: np.ndarray) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, counts, imagej=True, resolution=(50, 50), metadata={"unit": "nm"})
    (info,) = list_images(str(path))
    assert (info.index, info.shape, info.dtype, info.countable, info.why_not) == (0, (24, 32), "uint16", True, "")
    assert info.pixel_size_nm == pytest.approx(0.02)


def test_image_hash(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"abc")
    assert image_hash(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "rowsperstrip": 64}], ids=["plain", "compressed"])
def test_a_large_frame_takes_less_than_twice_its_size(tmp_path: Path, options: dict) -> None:
    path = tmp_path / "large.tif"
    rows = np.arange(8192, dtype=np.uint16)
    tifffile.imwrite(path, np.broadcast_to(rows[:, None], (8192, 8192)), **options)
    size = 2 * 8192**2
    read(path, image=0).data[0, 0]  # imports are not part of the frame
    tracemalloc.start()
    try:
        micrograph = read(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert micrograph.data.shape == (8192, 8192)
    assert peak < 1.5 * size


def test_a_large_hdf5_frame_takes_less_than_twice_its_size(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "large.h5"
    with h5py.File(path, "w") as file:
        file["data"] = np.broadcast_to(np.arange(4096, dtype=np.uint16), (4096, 4096))
    read(path)
    tracemalloc.start()
    try:
        read(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * 2 * 4096**2


def test_describe(tmp_path: Path, counts: np.ndarray) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, np.stack([counts, counts]), imagej=True, resolution=(2, 2), metadata={"axes": "TYX", "unit": "nm"}
    )
    text = describe(path)
    for said in ("a.tif: 1 image", "2 × 24 × 32", "uint16", "0.5 nm per pixel", "first frame", "too coarse"):
        assert said in text
    tifffile.imwrite(path, counts)
    assert "--pixel-size" in describe(path)
    tifffile.imwrite(path, counts * 0)
    assert "Cannot be counted: Every pixel" in describe(path)
    tifffile.imwrite(path, counts.astype(np.complex64))
    assert "Fourier transform" in describe(path)
