"""What one sees of a dataset: an overview that holds all it shows."""

from __future__ import annotations

import base64
import re
import shutil
from html.parser import HTMLParser
from io import BytesIO
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from napari_atomicity.dataset.folder import Folder
from napari_atomicity.dataset.overview import _names, _round_above, write_overview
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
    page = Page(text)
    assert not page.open and len(page.pictures) == 3
    for picture in page.pictures:
        assert Image.open(BytesIO(base64.b64decode(picture.removeprefix("data:image/jpeg;base64,")))).size == (96, 96)
    assert page.links and {link.removeprefix("#") for link in page.links} <= page.ids
    assert not page.scripts and "url(" not in text and "@import" not in text
    # readable in the dark: every colour is one of the page, which knows both
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r'(fill|stroke)="#1d5fa8"|fill="#5d6878"', text)


class Page(HTMLParser):
    """What a page refers to, and the tags that it leaves open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.pictures, self.links, self.ids, self.scripts, self.open = [], [], set(), 0, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        self.scripts += tag in ("script", "link", "iframe", "object")
        self.pictures += [known["src"]] if tag == "img" else []
        self.links += [known["href"]] if "href" in known else []
        self.ids |= {known["id"]} if "id" in known else set()
        if tag not in ("meta", "br", "img", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        pass


def test_sessions_that_end_alike_are_told_apart():
    alone = "Images that stand alone"
    assert _names(["/a/monday/grid0", "/a/tuesday/grid0", ""]) == ["monday/grid0", "tuesday/grid0", alone]
    assert _names(["C:\\night\\grid0", "C:\\night\\grid1"]) == ["grid0", "grid1"]
    assert _names([""]) == [alone]


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
