"""HDF5 on which the library itself never ends or asks for all memory: a process of its own meets it first."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from napari_atomicity.errors import InputError
from napari_atomicity.io import read

h5py = pytest.importorskip("h5py")


@pytest.fixture
def path(tmp_path: Path, counts: np.ndarray) -> Path:
    path = tmp_path / "image.h5"
    with h5py.File(path, "w") as file:
        file["a"] = counts
        file["a"].attrs.update(scale=0.02, unit="nm")
    return path


def _overwritten(path: Path, at: int, content: bytes) -> Path:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)
    return path


def test_a_whole_file_comes_through(path: Path, counts: np.ndarray) -> None:
    micrograph = read(path)
    np.testing.assert_array_equal(micrograph.data, counts)
    assert micrograph.pixel_size_nm == pytest.approx(0.02)


@pytest.mark.slow
def test_texts_without_end(path: Path) -> None:
    heap = path.read_bytes().index(b"GCOL")
    _overwritten(path, heap + 16 + 16 + 8, bytes(16))  # after the entry that holds “nm”
    with pytest.raises(InputError, match="do not suffice to look through its headers"):
        read(path)


def test_a_text_that_claims_all_memory(path: Path) -> None:
    content = path.read_bytes()
    reference = content.index(struct.pack("<IQI", 2, content.index(b"GCOL"), 1))
    _overwritten(path, reference, struct.pack("<I", 2**31 - 1))
    with pytest.raises(InputError, match="do not suffice to look through its headers"):
        read(path)
