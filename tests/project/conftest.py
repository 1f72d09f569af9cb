"""Small images, without a window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_atomicity.micrograph import Micrograph, Provenance


@pytest.fixture
def image(tmp_path: Path) -> Micrograph:
    """A small micrograph in a file."""
    from tifffile import imwrite

    from napari_atomicity.io import read

    path = tmp_path / "small.tif"
    imwrite(path, np.random.default_rng(0).normal(10, 1, (40, 50)).astype(np.float32))
    return read(path).with_pixel_size(0.05)


@pytest.fixture
def drawn() -> Micrograph:
    """A small stack that was never a file."""
    data = np.random.default_rng(1).poisson(9, (3, 20, 30)).astype(np.uint16)
    return Micrograph(data, 0.1, name="drawn: a/b", provenance=Provenance(), warnings=("odd",))
