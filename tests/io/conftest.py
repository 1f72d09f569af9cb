from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

REAL = Path(__file__).parents[3] / "shared" / "real"


@pytest.fixture
def real() -> Callable[[str], Path]:
    """A real micrograph by its name; the test is skipped where the folder is not at hand."""

    def find(name: str) -> Path:
        path = REAL / name
        if not path.exists():
            pytest.skip("the folder of real micrographs is not here")
        return path

    return find


@pytest.fixture
def counts() -> np.ndarray:
    """A grainy frame (24, 32) of uint16, different along y and x."""
    rng = np.random.default_rng(3)
    return (rng.poisson(900, (24, 32)) + 10 * np.arange(24)[:, None]).astype(np.uint16)
