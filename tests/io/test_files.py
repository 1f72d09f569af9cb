"""Which file a number belongs to, when files change between reading and reporting."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_atomicity.errors import InputError
from napari_atomicity.io import files, hash_of, image_hash, is_unchanged, micrograph_hash, read
from napari_atomicity.micrograph import Micrograph

h5py = pytest.importorskip("h5py")


def _stack(path: Path, frames: np.ndarray) -> Path:
    if path.suffix == ".tif":
        tifffile.imwrite(path, frames, imagej=True, metadata={"axes": "TYX"})
    else:
        with h5py.File(path, "w") as file:
            file["data"] = frames
    return path


def test_an_unchanged_file_gives_its_own_hash(tmp_path: Path, counts: np.ndarray) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, counts)
    micrograph = read(path)
    assert is_unchanged(micrograph)
    assert hash_of(micrograph) == (image_hash(path), "file")


@pytest.mark.parametrize("how", ["in place", "another file of the same age and size", "deleted"])
def test_a_replaced_image_keeps_the_hash_of_what_was_read(tmp_path: Path, counts: np.ndarray, how: str) -> None:
    path, other = tmp_path / "a.tif", tmp_path / "b.tif"
    tifffile.imwrite(path, counts)
    tifffile.imwrite(other, counts + 1)
    micrograph = read(path)
    if how == "in place":
        tifffile.imwrite(path, np.tile(counts, 2))
    elif how == "deleted":
        path.unlink()
    else:
        os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
        other.replace(path)
    assert not is_unchanged(micrograph)
    said, of = hash_of(micrograph)
    assert of == "pixels"
    assert said == micrograph_hash(Micrograph(counts))
    assert not path.exists() or said != image_hash(path)


@pytest.mark.parametrize("suffix", [".tif", ".h5"])
def test_frames_of_another_file_are_refused(tmp_path: Path, counts: np.ndarray, suffix: str) -> None:
    frames = np.stack([counts, counts + 1, counts + 2])
    path = _stack(tmp_path / f"stack{suffix}", frames)
    micrograph = read(path)
    np.testing.assert_array_equal(micrograph.frame(1), frames[1])
    _stack(path, np.concatenate([frames, frames]) + 7)
    with pytest.raises(InputError, match="has changed since it was opened; open it again"):
        micrograph.frame(1)
    assert hash_of(micrograph) == (None, "nothing")
    with pytest.raises(InputError, match="has changed"):
        micrograph_hash(micrograph)
    path.unlink()
    with pytest.raises(InputError, match="no longer there"):
        micrograph.frame(1)


def test_a_file_that_changes_while_it_is_read(
    tmp_path: Path, counts: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, counts)
    states = iter([files.FileState(1, 1), files.FileState(2, 2)])
    monkeypatch.setattr("napari_atomicity.io.reading.file_state", lambda _: next(states))
    with pytest.raises(InputError, match="has changed"):
        read(path)
