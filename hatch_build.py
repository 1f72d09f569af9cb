"""The README as PyPI and the napari hub show it: its links lead to the repository, which is not beside it there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from hatchling.metadata.plugin.interface import MetadataHookInterface

_REPOSITORY: Final = "napari-atomicity/napari-atomicity"
_LINK: Final = re.compile(r"(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)\s]+)\)")


class ReadmeHook(MetadataHookInterface):
    """Gives the package its description."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Put the README into the metadata of the package."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        version = metadata["version"]
        metadata["readme"] = {"content-type": "text/markdown", "text": readme(text, f"v{version}")}


def readme(text: str, tag: str) -> str:
    """The README with whole addresses.

    Parameters
    ----------
    text
        As it stands in the repository.
    tag
        Of the version whose files it leads to.
    """

    def led(found: re.Match[str]) -> str:
        picture, words, target = found.groups()
        site = (
            f"https://raw.githubusercontent.com/{_REPOSITORY}/"
            if picture
            else f"https://github.com/{_REPOSITORY}/blob/"
        )
        return f"{picture}[{words}]({site}{tag}/{target})"

    return _LINK.sub(led, text)
