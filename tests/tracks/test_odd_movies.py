"""Movies as they come from the microscope: jumps, drift without end, frames that are no frames, very many of them."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.io.stack import FrameStack
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.movies import MovieSettings
from napari_atomicity.pipeline import ImageState, movie_of_frames, movie_steps
from napari_atomicity.progress import drain
from seeds import seeded

_PIXEL_NM = 0.1
_SIDE = 128
Places = npt.NDArray[np.float64]


class _World:
    """Clusters in a plane that is larger than the field of a frame."""

    def __init__(self, offsets_px: Places, seed: int, apart_px: float = 26.0) -> None:
        self.rng = np.random.default_rng(seeded(seed))
        self.offsets = np.asarray(offsets_px, dtype=float)
        low, high = self.offsets.min(axis=0) - 20, self.offsets.max(axis=0) + _SIDE + 20
        grid = np.stack(
            np.meshgrid(*(np.arange(a, b, apart_px) for a, b in zip(low, high, strict=True)), indexing="ij")
        )
        self.places = grid.reshape(2, -1).T + self.rng.uniform(-0.3, 0.3, (grid[0].size, 2)) * apart_px
        self.atoms = self.rng.choice([19.0, 30.0, 41.0, 55.0, 70.0], len(self.places))

    def frame(self, t: int) -> npt.NDArray[np.float32]:
        """What the field of a frame shows."""
        y, x = np.mgrid[:_SIDE, :_SIDE]
        image = np.random.default_rng([t, 5]).normal(0, 0.3, (_SIDE, _SIDE))
        for (down, across), atoms in zip(self.places - self.offsets[t], self.atoms, strict=True):
            if -12 < down < _SIDE + 12 and -12 < across < _SIDE + 12:
                image += atoms / 20 * np.exp(-((y - down) ** 2 + (x - across) ** 2) / 40)
        return image.astype(np.float32)

    def state(self, but: tuple[int, ...] = (), frame: Callable[[int], Any] | None = None) -> ImageState:
        """The movie with its clusters found and counted, but in some frames."""
        rows: dict[str, list[float]] = {name: [] for name in ("frame", "y_px", "x_px", "n_atoms", "true")}
        for t, offset in enumerate(self.offsets):
            for number, (down, across) in enumerate(self.places - offset):
                if t not in but and 5 < down < _SIDE - 6 and 5 < across < _SIDE - 6:
                    values = (t, down, across, self.atoms[number] * (1 + 0.04 * self.rng.standard_normal()), number)
                    for name, value in zip(rows, values, strict=True):
                        rows[name].append(value)
        self.true = np.array(rows.pop("true"))
        columns: dict[str, Any] = {name: np.array(values) for name, values in rows.items()}
        columns["frame"] = columns["frame"].astype(np.int64)
        table = ClusterTable.from_columns(
            {**columns, "n_atoms_sd": 0.08 * columns["n_atoms"], "diameter_nm": np.full(len(self.true), 1.0)}
        )
        data = FrameStack((len(self.offsets), _SIDE, _SIDE), np.float32, frame or self.frame)
        return ImageState(Micrograph(data, _PIXEL_NM, name="odd"), table=table)

    def tracks_of(self, state: ImageState) -> dict[int, set[int]]:
        """The tracks of each cluster."""
        found: dict[int, set[int]] = {}
        for number, track in zip(self.true.tolist(), state.table.rows["track"].tolist(), strict=True):
            found.setdefault(int(number), set()).add(int(track))
        return found


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "way", [(_SIDE // 2, 0), (-_SIDE // 2, 0), (0, 70), (-66, 20)], ids=["down", "up", "across", "both"]
)
def test_a_jump_of_half_a_field_keeps_what_stays_in_sight(way: tuple[int, int]) -> None:
    world = _World(np.array([(t, -t) for t in range(5)] + [(way[0] + t, way[1] - t) for t in range(5, 10)]), 1, 18.0)
    state = drain(movie_steps(world.state(), MovieSettings()))
    movie = state.movie
    assert movie is not None and not movie.rejected
    assert np.allclose(movie.shifts_px, -(world.offsets - world.offsets[0]), atol=1.5)
    assert all(len(tracks) == 1 for tracks in world.tracks_of(state).values())
    assert not len(movie.events) and "jumps between frames 4 and 5" in movie.remarks[0]


def test_a_drift_that_leaves_nothing_in_common_is_said_and_followed() -> None:
    world = _World(np.array([(18 * t, 6 * t) for t in range(12)]), 2)
    state = drain(movie_steps(world.state(), MovieSettings()))
    movie = state.movie
    assert movie is not None and not movie.rejected and not len(movie.events)
    assert "more than its size" in movie.remarks[0]
    assert all(len(tracks) == 1 for tracks in world.tracks_of(state).values())


def test_another_place_in_the_middle_is_left_out_and_named() -> None:
    world = _World(np.array([(t, 0) for t in range(6)] + [(2000, 900)] + [(t, 0) for t in range(7, 12)]), 3)
    state = drain(movie_steps(world.state(), MovieSettings()))
    movie = state.movie
    assert movie is not None and movie.rejected == (6,) and "Frame 6 left out" in movie.remarks[0]
    seen = {number for number, tracks in world.tracks_of(state).items() if tracks != {-1}}
    assert all(len(world.tracks_of(state)[number]) == 1 for number in seen) and not len(movie.events)


def test_blank_half_and_unreadable_frames_cost_themselves_and_nothing_else() -> None:
    world = _World(np.array([(t, t) for t in range(12)]), 4, apart_px=18.0)

    def frame(t: int) -> Any:
        image = world.frame(t)
        if t == 4:
            return np.zeros_like(image)
        if t == 5:
            raise InputError("Frame 5 of the file is damaged; copy the file again.")
        if t == 8:
            image[_SIDE // 2 :] = np.nan
        return image

    state = world.state(but=(0, 4, 5), frame=frame)
    state = replace(state, search_messages=("Frame 5: the file is damaged.", "Frame 4: nothing was recorded."))
    followed = drain(movie_steps(state, MovieSettings()))
    movie = followed.movie
    assert movie is not None and movie.rejected == (4, 5) and "Frames 4, 5 left out" in movie.remarks[0]
    assert all(len(tracks) == 1 for tracks in world.tracks_of(followed).values()) and not len(movie.events)


def test_a_preview_that_comes_first_does_not_decide_what_belongs() -> None:
    frames = [Micrograph(np.ones((64, 64), np.float32), _PIXEL_NM, name=f"f{t}") for t in range(3)]
    preview = Micrograph(np.ones((32, 32), np.float32), 2 * _PIXEL_NM, name="preview")
    movie, said = movie_of_frames([preview, *frames])
    assert movie.n_frames == 3 and said == ["preview is left out: it has 32 × 32 pixels, the others 64 × 64."]


def test_frames_of_a_long_movie_are_never_in_memory_together() -> None:
    world = _World(np.array([(0.01 * t, 8 * np.sin(t / 40)) for t in range(160)]), 5)
    pictures = [world.frame(t) for t in range(0, 160, 20)]
    alive: set[int] = set()
    most = 0

    def frame(t: int) -> Any:
        nonlocal most
        image = np.roll(pictures[t // 20], 0)
        alive.add(t)
        weakref.finalize(image, alive.discard, t)
        most = max(most, len(alive))
        return image

    state = world.state(frame=frame)
    keep = state.table.rows["y_px"].between(40, 80) & state.table.rows["x_px"].between(40, 80)
    state = replace(state, table=state.table.take(np.flatnonzero(keep)))
    movie = drain(movie_steps(state, MovieSettings())).movie
    assert movie is not None and len(movie.kept) == 160 and most <= 4
    assert len(movie.tracks) < 12
