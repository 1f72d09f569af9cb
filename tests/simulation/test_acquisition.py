"""Support, scan and detector: the noise that was asked for, and nothing lost or gained on the way."""

from __future__ import annotations

import numpy as np
import pytest

from napari_atomicity.simulation.detector import Detector, acquire
from napari_atomicity.simulation.support import Support, support_signal


def test_noise_has_the_standard_deviation_and_correlation_it_was_given():
    flat = np.full((400, 400), 6.0, dtype=np.float32)
    detector = Detector(noise=0.2, correlation=0.3, line_offset=0, jitter_nm=0, gain=50, black=300)
    image = acquire(flat, 6.0, detector, np.random.default_rng(1))
    noise = image - image.mean()
    assert image.mean() == pytest.approx(300 + 50 * 6, rel=0.01)
    assert noise.std() == pytest.approx(0.2 * 6 * 50, rel=0.02)
    assert (noise[:, 1:] * noise[:, :-1]).mean() / noise.var() == pytest.approx(0.3, abs=0.02)
    assert (noise[1:] * noise[:-1]).mean() / noise.var() == pytest.approx(0, abs=0.02)


def test_vacuum_has_no_support_and_covers_the_share_it_was_given():
    film, covered = support_signal((256, 256), 0.1, Support(vacuum=0.3), 0.16, np.random.default_rng(2))
    assert 1 - covered.mean() == pytest.approx(0.3, abs=0.02)
    assert film[~covered].max() == 0
