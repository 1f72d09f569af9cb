from __future__ import annotations

import numpy as np
import pytest

from napari_atomicity.io.stack import FrameStack

FRAMES = np.arange(5 * 3 * 4, dtype=np.uint16).reshape(5, 3, 4)


@pytest.fixture
def asked() -> list[int]:
    return []


@pytest.fixture
def stack(asked: list[int]) -> FrameStack:
    def frame(t: int) -> np.ndarray:
        asked.append(t)
        return FRAMES[t]

    return FrameStack(FRAMES.shape, FRAMES.dtype, frame)


@pytest.mark.parametrize(
    "key",
    [
        2,
        -1,
        np.int64(3),
        (1, slice(None), 2),
        (1, 2),
        slice(1, 4),
        slice(None, None, -2),
        (slice(None), 1),
        (slice(2, 2), 1),
        ...,
        (..., 1),
        (2, ...),
        [0, 3],
        np.array([True, False, True, False, True]),
        (slice(None), slice(None), slice(1, 3)),
        (),
    ],
    ids=str,
)
def test_it_is_asked_like_an_array(stack: FrameStack, key: object) -> None:
    np.testing.assert_array_equal(stack[key], FRAMES[key])


def test_only_what_is_asked_for_is_read(stack: FrameStack, asked: list[int]) -> None:
    assert (stack.shape, stack.ndim, stack.size, len(stack), stack.chunks) == ((5, 3, 4), 3, 60, 5, (1, 3, 4))
    assert stack.dtype == np.uint16
    assert asked == []
    assert stack[3, 1, 2] == FRAMES[3, 1, 2]
    assert asked == [3]


def test_beyond_the_end(stack: FrameStack) -> None:
    with pytest.raises(IndexError):
        stack[5]
    assert len(list(stack)) == 5


def test_numpy_takes_it_whole(stack: FrameStack) -> None:
    np.testing.assert_array_equal(np.asarray(stack, dtype=np.float32), FRAMES.astype(np.float32))
    np.testing.assert_array_equal(stack.compute(), FRAMES)
    assert np.mean(stack) == FRAMES.mean()


def test_a_frame_of_very_many_costs_no_more() -> None:
    """Neither making it nor reading a frame may walk through all the others."""
    many = FrameStack((10**15, 3, 4), np.uint16, lambda t: FRAMES[t % 5])
    np.testing.assert_array_equal(many[10**15 - 1], FRAMES[4])
    np.testing.assert_array_equal(many[7:9], FRAMES[[2, 3]])
