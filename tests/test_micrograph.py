from __future__ import annotations

import numpy as np
import pytest

from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph


def test_shape_and_frames() -> None:
    single, stack = Micrograph(np.zeros((4, 6))), Micrograph(np.zeros((3, 4, 6)))
    assert single.shape_yx == stack.shape_yx == (4, 6)
    assert (single.n_frames, stack.n_frames) == (1, 3)


def test_a_frame_is_float32_and_the_data_stay_as_stored() -> None:
    data = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
    micrograph = Micrograph(data)
    frame = micrograph.frame(1)
    assert frame.dtype == np.float32
    np.testing.assert_array_equal(frame, data[1])
    assert micrograph.data is data


@pytest.mark.parametrize("index", [-1, 3])
def test_a_frame_that_is_not_there(index: int) -> None:
    with pytest.raises(InputError, match="frames 0 to 2"):
        Micrograph(np.zeros((3, 4, 6))).frame(index)


@pytest.mark.parametrize("shape", [(4,), (2, 3, 4, 5)])
def test_other_numbers_of_axes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=f"{len(shape)} axes"):
        Micrograph(np.zeros(shape))


@pytest.mark.parametrize("size", [0.0, -0.02, float("nan"), float("inf")])
def test_an_impossible_pixel_size_is_refused(size: float) -> None:
    with pytest.raises(InputError, match="positive"):
        Micrograph(np.zeros((4, 6)), size)


def test_without_a_pixel_size_it_asks_for_one() -> None:
    micrograph = Micrograph(np.zeros((4, 6)), name="frame")
    with pytest.raises(InputError, match="frame has no pixel size"):
        _ = micrograph.calibrated_pixel_size_nm
    calibrated = micrograph.with_pixel_size(0.02)
    assert calibrated.calibrated_pixel_size_nm == 0.02
    assert micrograph.pixel_size_nm is None
    assert calibrated.data is micrograph.data
