"""What a process that measures needs, loaded when this module is; nothing is computed.

Imported by the process whose copies the workers are, so that the libraries are loaded once for all of them.
"""

from contextlib import suppress
from importlib import import_module
from typing import Final

#: everything that counting an image imports at first use
_NEEDED: Final = (
    "torch",
    "safetensors",
    "pyarrow.parquet",
    "tifffile",
    "imageio.v3",
    "PIL.JpegImagePlugin",
    "threadpoolctl",
    "napari_atomicity.counting.network",
    "napari_atomicity.counting.plausible",
    "napari_atomicity.counting.scale_network",
    "napari_atomicity.dataset.calibrate",
    "napari_atomicity.dataset.measure",
    "napari_atomicity.dataset.statistics",
    "napari_atomicity.detection.checks",
    "napari_atomicity.detection.finding",
    "napari_atomicity.io.formats.tiff",
    "napari_atomicity.io.grey",
    "napari_atomicity.pipeline.count",
)

for _name in _NEEDED:
    with suppress(Exception):  # a worker says what is missing when it needs it
        import_module(_name)
