from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def counts() -> np.ndarray:
    """A grainy frame (24, 32) of uint16, different along y and x."""
    rng = np.random.default_rng(3)
    return (rng.poisson(900, (24, 32)) + 10 * np.arange(24)[:, None]).astype(np.uint16)
