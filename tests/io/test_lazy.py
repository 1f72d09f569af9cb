"""Images whose pixels are read whenever they are asked for."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_atomicity.errors import InputError
from napari_atomicity.io.lazy import ImageOnDisk, read_when_asked
from napari_atomicity.micrograph import Micrograph

PIXELS = np.arange(6 * 8, dtype=np.uint16).reshape(6, 8)


@pytest.fixture
def path(tmp_path):
    tifffile.imwrite(tmp_path / "image.tif", PIXELS)
    return tmp_path / "image.tif"


@pytest.fixture
def lazy(path):
    return read_when_asked(Micrograph(PIXELS, 0.05, name="image"), path, lambda: tifffile.imread(path))


def test_its_pixels_are_those_of_the_file_and_are_not_kept(lazy) -> None:
    assert (lazy.shape_yx, lazy.n_frames, lazy.data.dtype, lazy.data.nbytes) == ((6, 8), 1, np.uint16, PIXELS.nbytes)
    first, second = lazy.frame(), lazy.frame()
    np.testing.assert_array_equal(first, PIXELS.astype(np.float32))
    np.testing.assert_array_equal(first, second)
    assert first is not second and not np.shares_memory(first, second)
    np.testing.assert_array_equal(lazy.data[2:4, ::3], PIXELS[2:4, ::3])


def test_nothing_is_read_before_it_is_asked_for() -> None:
    def never() -> np.ndarray:
        raise AssertionError("read")

    data = ImageOnDisk((6, 8), np.uint16, never)
    assert (np.shape(data), np.ndim(data), len(data), data.size) == ((6, 8), 2, 6, 48)
    assert "6, 8" in repr(data)


def test_it_is_read_here_whoever_else_computes_in_the_process(lazy) -> None:
    dask = pytest.importorskip("dask")
    with dask.config.set(scheduler="dask.distributed"):  # as a cluster leaves it that was lost
        np.testing.assert_array_equal(lazy.frame(), PIXELS.astype(np.float32))


def test_another_file_in_its_place_is_refused(lazy, path) -> None:
    tifffile.imwrite(path, PIXELS[:3])
    with pytest.raises(InputError, match=r"image\.tif has changed since it was opened"):
        lazy.frame()
