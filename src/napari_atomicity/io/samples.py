"""Where the sample images lie."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from napari_atomicity.errors import InputError


def sample_dir() -> Path:
    """The folder of the sample images: beside the sources, or in the wheel next to the manifest.

    Raises
    ------
    InputError
        Where an installation lacks them.
    """
    sources = Path(__file__).parents[3] / "sample_data"
    spec = find_spec("napari_atomicity_manifest")
    packaged = [Path(place) / "sample_data" for place in (spec.submodule_search_locations or ())] if spec else []
    for place in (sources, *packaged):
        if place.is_dir():
            return place
    raise InputError("The sample images are not part of this installation; install napari-atomicity again.")
