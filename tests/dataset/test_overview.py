"""What one sees of a dataset: an overview that holds all it shows."""

from __future__ import annotations

import re
import shutil
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_atomicity.dataset.folder import Folder
from napari_atomicity.dataset.overview import _round_above, write_overview
from napari_atomicity.dataset.rows import finest_detail, thumbnail
from napari_atomicity.errors import InputError
from seeds import seeded


def test_the_overview_shows_sessions_charts_and_refusals_and_needs_nothing_else(night, run, tmp_path):
    folder = tmp_path / "images <b>"
    shutil.copytree(night / "grid0", folder / "first & last")
    (folder / "first & last" / "broken.tif").write_bytes(b"II*\0")
    done = run(folder, session_by="folder")
    text = (done.folder.path / "overview.html").read_text(encoding="utf-8")
    charts = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(charts) == 3
    for chart in charts:
        ElementTree.fromstring(chart)
    assert text.count("data:image/jpeg;base64,") == 3
    assert "first &amp; last" in text and "<b>" not in text
    assert "Images without a count" in text and "broken.tif" in text
    assert not re.search(r'(src|href)="(?!data:)', text)


def test_an_unfinished_dataset_has_no_overview(tmp_path):
    with pytest.raises(InputError, match="holds no dataset"):
        write_overview(Folder(tmp_path))


def test_the_finest_detail_grows_out_of_focus_and_noise_has_none(simulated):
    rng = np.random.default_rng(seeded(0))
    noise = rng.normal(0, simulated.image.std() / 20, simulated.image.shape)
    found = [
        finest_detail((gaussian_filter(simulated.image, blur) + noise).astype(np.float32), simulated.pixel_size_nm)
        for blur in (0, 2, 4)
    ]
    assert None not in found and found[0] < found[1] < found[2]
    assert finest_detail(noise.astype(np.float32), simulated.pixel_size_nm) is None
    assert finest_detail(noise[:8, :8].astype(np.float32), simulated.pixel_size_nm) is None


@pytest.mark.parametrize("shape", [(5, 3000), (97, 200), (1, 1), (512, 512)])
def test_every_shape_has_a_small_picture(shape):
    small = thumbnail(np.full(shape, 7, dtype=np.float32))
    assert small[:2] == b"\xff\xd8" and len(small) < 8000


def test_axes_end_at_round_numbers():
    for value in (24.1, 0.107, 999.0, 1e-5, 3.0):
        assert 1.02 * value <= _round_above(value) <= 1.7 * value
