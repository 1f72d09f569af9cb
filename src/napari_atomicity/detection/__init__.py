"""Finding and measuring clusters."""

from napari_atomicity.detection.checks import Finding, inspect
from napari_atomicity.detection.detect import Detection, detect, measure_at
from napari_atomicity.detection.lattices import off_lattice
from napari_atomicity.detection.measure import Measurement
from napari_atomicity.detection.repair import Repaired, repaired
from napari_atomicity.detection.windows import extract_windows

__all__ = [
    "Detection",
    "Finding",
    "Measurement",
    "Repaired",
    "detect",
    "extract_windows",
    "inspect",
    "measure_at",
    "off_lattice",
    "repaired",
]
