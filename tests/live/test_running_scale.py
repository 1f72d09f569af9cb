"""The scale of a session that grows is that of all frames at once."""

from __future__ import annotations

import numpy as np
import pytest

from napari_atomicity.counting.joint_scale import posterior_of_scale
from napari_atomicity.counting.prior import PriorKnowledge
from napari_atomicity.counting.scale_likelihood import ScaleLikelihood
from napari_atomicity.live.running_scale import RunningScale
from seeds import seeded


def _frame(rng: np.random.Generator, centre: float, width: float, other: float | None = None) -> ScaleLikelihood:
    """A frame that speaks for one scale, or for one of two."""
    grid = np.linspace(centre - 1.5, centre + 1.6, 64)
    here = -0.5 * ((grid - centre - rng.normal(0, width)) / width) ** 2
    if other is not None:
        here = np.logaddexp(here, -0.5 * ((grid - other) / width) ** 2)
    return ScaleLikelihood(grid, here - here.max())


def _frames() -> list[ScaleLikelihood]:
    rng = np.random.default_rng(seeded(4))
    frames = [_frame(rng, 6.9 + 0.02 * i, 0.05 + 0.02 * i, 6.6 if i % 2 else None) for i in range(6)]
    # one without clusters, and one that does not fit the others
    return [*frames, ScaleLikelihood(np.empty(0), np.empty(0)), _frame(rng, 8.2, 0.03)]


@pytest.mark.parametrize(
    "known", [PriorKnowledge(), PriorKnowledge(intensity_per_atom=1000.0, intensity_per_atom_sd=0.1)]
)
@pytest.mark.parametrize("backwards", [False, True])
def test_one_after_the_other_gives_what_all_at_once_gives(known, backwards):
    frames = _frames()[::-1] if backwards else _frames()
    running = RunningScale(known)
    for so_far in range(1, len(frames) + 1):
        running.add(("image", so_far), frames[so_far - 1])
        grid = running.grid
        own = [frame.on(grid) for frame in frames[:so_far]]
        weights, misfits = posterior_of_scale(grid, own, [known] * so_far)
        for i in range(so_far):
            _, mine, misfit = running.posterior(("image", i + 1))
            assert np.allclose(mine, weights[i], atol=1e-9)
            assert misfit == misfits[i]


def test_a_frame_that_is_taken_back_leaves_no_trace():
    frames = _frames()
    running, other = RunningScale(), RunningScale()
    for i, frame in enumerate(frames):
        running.add((f"image {i}", 0), frame)
        if i != 2:
            other.add((f"image {i}", 0), frame)
    running.remove("image 2")
    running.remove("never there")
    assert len(running) == len(other)
    at, back = (each.posterior(("image 4", 0)) for each in (running, other))
    assert np.interp(back[0], at[0], at[1]) == pytest.approx(back[1], abs=1e-9)
    for i in range(len(frames)):
        running.remove(f"image {i}")
    assert running.best is None
