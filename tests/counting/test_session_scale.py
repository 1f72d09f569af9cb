"""The scale of many frames says what that of a few says."""

from __future__ import annotations

import numpy as np

from napari_atomicity.counting.joint_scale import posterior_of_scale
from napari_atomicity.counting.prior import PriorKnowledge
from napari_atomicity.counting.session_scale import session_scale
from seeds import seeded


def test_a_session_of_many_frames_says_what_one_call_says():
    rng = np.random.default_rng(seeded(0))
    grid = np.arange(0, 3, 0.01)
    scales = 1.5 + rng.normal(0, 0.02, 12)
    scales[3] += 0.5  # does not fit
    own = [np.logaddexp(-0.5 * ((grid - scale) / 0.05) ** 2, -3 - 0.5 * ((grid - 1.0) / 0.05) ** 2) for scale in scales]
    own.append(np.zeros(len(grid)))  # has no clusters
    known = [PriorKnowledge()] * len(own)
    expected, misfits = posterior_of_scale(grid, own, known)
    session = session_scale(grid, np.stack(own))
    weights, sentences = session.weights(np.stack(own), session.members)
    assert np.allclose(weights, expected, atol=1e-12)
    assert sentences == misfits
    assert list(np.flatnonzero(~session.members)) == [3, 12]


def test_many_frames_that_do_not_fit_are_left_out():
    rng = np.random.default_rng(seeded(1))
    grid = np.arange(0, 3, 0.02)
    scales = np.where(np.arange(1000) % 10 == 0, 2.3, 1.5) + rng.normal(0, 0.01, 1000)
    session = session_scale(grid, -0.5 * ((grid[None] - scales[:, None]) / 0.05) ** 2)
    assert np.array_equal(session.members, scales < 2)
