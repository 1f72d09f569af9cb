"""What MkDocs is told besides `mkdocs.yml`: made pages are added, links out of `docs/` find their way.

The pages of `docs/` are read in three places: on GitHub, in the window, and here. So they link to one another and to
files of the repository as on GitHub, and what differs here is done at the build.
"""

from __future__ import annotations

import os
import posixpath
import re
import sys
import tempfile
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

TOP: Final = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP), str(TOP / "src")]

from tools.site import notebooks, pages  # noqa: E402

#: pages of the site that lie elsewhere in the repository
BESIDE: Final = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CODE_OF_CONDUCT.md": "conduct.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "sample_data/README.md": "samples.md",
}
#: pages of the site that are made from a file of the repository
MADE: Final = {"src/napari_atomicity/clusters/columns.py": "table.md"}
#: 0 shows the notebooks without running them, for a quick look at the other pages
RUN: Final = os.environ.get("ATOMICITY_SITE_NOTEBOOKS", "1") != "0"
_LINK: Final = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")
_FENCE: Final = re.compile(r"^(```|    )")

_made: Final = tempfile.TemporaryDirectory(prefix="atomicity-site-")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made, and those from the top of the repository."""
    made = {**pages.reference(TOP), **{name: _text_of(place) for place, name in BESIDE.items()}}
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    for script in sorted((TOP / "docs" / "notebooks").glob("*.py")):
        try:
            page = notebooks.page_of(script, Path(_made.name), run=RUN)
        except notebooks.FailedError as error:
            raise PluginError(str(error)) from error
        files.append(File.generated(config, f"notebooks/{script.stem}.md", content=page.text))
        for picture in page.pictures:
            files.append(File.generated(config, f"notebooks/{picture.name}", abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to files that are no page of the site to where they lie on GitHub."""
    known = {file.src_uri for file in files}
    source = {name: place for place, name in BESIDE.items()}.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def led(found: re.Match[str]) -> str:
        start, target, anchor, end = found[1], found[2], found[3] or "", found[4]
        if re.match(r"[a-z]+:", target):
            return found[0]
        place = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        name = (BESIDE | MADE).get(place, place.removeprefix("docs/") if place.startswith("docs/") else "")
        if name.startswith("notebooks/"):  # a script there, a page here
            name = posixpath.splitext(name)[0] + ".md"
        if name in known:
            return f"{start}{posixpath.relpath(name, posixpath.dirname(page.file.src_uri) or '.')}{anchor}{end}"
        if place.startswith("..") or not (TOP / place).exists():
            return found[0]  # MkDocs says that it leads nowhere
        kind = "tree" if (TOP / place).is_dir() else "blob"
        return f"{start}{config.repo_url.rstrip('/')}/{kind}/main/{place}{anchor}{end}"

    return pages.lists_apart(
        "\n".join(line if _FENCE.match(line) else _LINK.sub(led, line) for line in markdown.split("\n"))
    )


def _text_of(place: str) -> str:
    return (TOP / place).read_text(encoding="utf-8")
