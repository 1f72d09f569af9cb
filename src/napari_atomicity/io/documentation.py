"""Where the pages of the documentation lie."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, metadata
from importlib.util import find_spec
from pathlib import Path


def page_of(name: str) -> Path | None:
    """A page on this computer, beside the sources or in the wheel next to the manifest; None where it is not there.

    Parameters
    ----------
    name
        Such as ``guide.md``.
    """
    spec = find_spec("napari_atomicity_manifest")
    packaged = [Path(place) / "docs" for place in (spec.submodule_search_locations or ())] if spec else []
    folders = (Path(__file__).parents[3] / "docs", *packaged)
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def address_of(name: str) -> str:
    """The address of a page in the net, as the package says it; empty where it says none.

    Parameters
    ----------
    name
        Such as ``guide.md``.
    """
    try:
        addresses = metadata("napari-atomicity").get_all("Project-URL") or []
    except PackageNotFoundError:
        return ""
    known = dict(entry.split(", ", 1) for entry in addresses if ", " in entry)
    return f"{known['Documentation'].rstrip('/')}/{name}" if "Documentation" in known else ""


def anchor_of(heading: str) -> str:
    """The name of a heading in links: ``3 Count atoms`` is ``3-count-atoms``."""
    kept = "".join(letter for letter in heading.lower() if letter.isalnum() or letter in " -_")
    return kept.strip().replace(" ", "-")
