"""The models that come with the package, by what lies in its folder: how many there are is nobody's business here."""

from __future__ import annotations

from typing import Final

from napari_atomicity.counting.bundle import packaged_folder

#: their names, in the order in which they are listed
MODELS: Final = sorted(path.stem for path in packaged_folder().glob("*.safetensors"))
