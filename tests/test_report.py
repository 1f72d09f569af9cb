"""The report and the figures: all in one file, nothing from elsewhere, no word of a person taken as code."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from napari_atomicity.errors import InputError
from napari_atomicity.pipeline import Settings, analyse
from napari_atomicity.progress import drain
from napari_atomicity.report import report_steps
from napari_atomicity.report.figures import draw_overlay
from napari_atomicity.report.summary import describe


@pytest.fixture(scope="module")
def analysis(micrograph, model_path):
    done = analyse(replace(micrograph, name='<b>"name" & $x$</b>'), Settings(model=str(model_path)))
    ids = done.table.ids.tolist()
    return replace(done, table=done.table.annotate(ids[:3], "Pt55").annotate(ids[3:4], "Pt38 <script>"))


@pytest.fixture(scope="module")
def page(analysis, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    assert drain(report_steps([analysis], path, {19: 0.5, 55: 0.5})) == path
    return path.read_text(encoding="utf-8")


def test_the_report_says_how_to_cite_as_the_citation_file_does(page, repository):
    """Every name, title and number of CITATION.cff that a reader needs to find the program and the paper."""
    citation = (repository / "CITATION.cff").read_text(encoding="utf-8")
    program, paper = citation.split("\nreferences:")

    def entry(part, key):
        return re.search(rf"^[ -]*{key}: *\"?(.+?)\"?$", part, re.MULTILINE)[1]

    words = re.sub(r"<[^>]*>", "", html.unescape(page[page.index("How to cite") :]))
    assert f"{entry(program, 'title').partition(':')[0]} {entry(program, 'version')}" in words
    assert entry(program, "authors:\n  - name") in words
    place = f"{entry(paper, 'journal')} {entry(paper, 'volume')}, {entry(paper, 'start')} ({entry(paper, 'year')})"
    assert f"{entry(paper, 'family-names')} et al." in words and entry(paper, "title") in words
    assert place in words and f"doi:{entry(paper, 'doi')}" in words


class _Page(HTMLParser):
    """Tags that are open, and everything that a browser would fetch or run."""

    def __init__(self):
        super().__init__()
        self.fetched, self.tags, self.ids, self.words = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "srcset", "action", "data"):
                self.fetched.append(value)
            if name == "id":
                self.ids.append(value)
            assert not name.startswith("on"), name

    def handle_data(self, data):
        self.words.append(data)


def test_the_page_stands_alone(page):
    seen = _Page()
    seen.feed(page)
    assert not {"script", "iframe", "link", "object", "b"} & set(seen.tags)
    assert all(value.startswith(("data:image/png;base64,", "#")) for value in seen.fetched)
    assert not re.search(r"url\((?!#)", page) and "@import" not in page
    # the drawings do not share names of their parts
    assert len(seen.ids) == len(set(seen.ids))


def test_the_page_says_what_the_numbers_are(page, analysis):
    seen = _Page()
    seen.feed(page)
    words = " ".join(" ".join(seen.words).split())
    said = describe(analysis)
    for wanted in (
        said["image"]["sha256"],
        said["model"]["sha256"],
        "doi:10.1038/s41524-026-02014-z",
        "what was deposited (p",
        "R² = ",
        'Atom counts of <b>"name" & $x$</b>',
        "Pt38 <script>",
        f"{said['counts']['analysed']} of {said['counts']['found']} clusters analysed, 4 labelled by hand",
        f"torch {said['versions']['torch']}",
        "Limits",
    ):
        assert wanted in words, wanted


def test_an_uncounted_session_has_no_report(tmp_path):
    with pytest.raises(InputError, match="count the atoms"):
        drain(report_steps([], tmp_path / "report.html"))
    assert not list(tmp_path.iterdir())


def test_a_report_that_cannot_be_written_is_one_sentence(analysis, tmp_path):
    with pytest.raises(InputError, match="could not be written"):
        drain(report_steps([analysis], tmp_path / "nowhere" / "report.html"))


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_figures_for_print(analysis, tmp_path, kind):
    path = tmp_path / f"figure.{kind}"
    draw_overlay(analysis.micrograph, analysis.table, analysis.bundle.card, path, title=analysis.micrograph.name)
    content = path.read_bytes()
    if kind == "png":
        from imageio.v3 import imread

        assert imread(content).shape[1] == 2100  # 7 inches at 300 dots
    if kind == "svg":
        text = content.decode()
        # words can be edited, and the micrograph keeps its pixels
        assert all(f">{word}</text>" in text for word in ("5 nm", "Pt19", "labelled by hand"))
        assert png_size(text) == analysis.micrograph.shape_yx[::-1]
    if kind == "pdf":
        assert content.startswith(b"%PDF") and b"/Type3" not in content


def png_size(svg: str) -> tuple[int, int]:
    from base64 import b64decode
    from io import BytesIO

    from imageio.v3 import imread

    found = re.search(r"data:image/png;base64,([^\"]+)", svg)
    assert found
    height, width = imread(BytesIO(b64decode(found[1]))).shape[:2]
    return width, height


def test_other_kinds_and_uncounted_tables(analysis, tmp_path):
    with pytest.raises(InputError, match="PNG, SVG or PDF"):
        draw_overlay(analysis.micrograph, analysis.table, analysis.bundle.card, tmp_path / "figure.bmp")
    bare = analysis.table.without_predictions()
    draw_overlay(analysis.micrograph, bare, None, tmp_path / "bare.png")
    assert (tmp_path / "bare.png").stat().st_size > 10_000


def test_the_same_analysis_gives_the_same_figure(analysis, tmp_path):
    for name in ("one.svg", "two.svg"):
        draw_overlay(analysis.micrograph, analysis.table, analysis.bundle.card, tmp_path / name)
    one, two = (
        re.sub(r"<dc:date>.*?</dc:date>", "", (tmp_path / n).read_text("utf-8")) for n in ("one.svg", "two.svg")
    )
    assert one == two


def test_the_template_is_part_of_the_package():
    from importlib.resources import files

    assert (files("napari_atomicity.report") / "templates" / "report.html").is_file()
