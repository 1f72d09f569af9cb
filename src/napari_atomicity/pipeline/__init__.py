"""The whole chain, from a micrograph to its table of counted clusters: the one place that puts it together.

The window and the command line both call these functions, so that the same input and settings give the same table.
"""

from napari_atomicity.pipeline.adaptation import AppliedAdaptation, adapt_steps, adapted
from napari_atomicity.pipeline.alloys import AlloyCount, alloy_count, alloy_of_image
from napari_atomicity.pipeline.chain import analyse, analyse_steps, detect
from napari_atomicity.pipeline.compositions import (
    Known,
    known_composition,
    known_fraction,
    known_second,
    measured_fractions,
)
from napari_atomicity.pipeline.consistency import ScaleConsistency, consistency_steps
from napari_atomicity.pipeline.counting import Count, choose, classify_session_steps, classify_steps, patches_steps
from napari_atomicity.pipeline.detector import DetectorScan, detector_steps
from napari_atomicity.pipeline.doubts import remarks
from napari_atomicity.pipeline.explaining import Explained, explain_steps
from napari_atomicity.pipeline.finding import SAME_CLUSTER_NM, Detected, detect_steps, measure_steps
from napari_atomicity.pipeline.mapping import map_table_steps
from napari_atomicity.pipeline.metals import (
    MetalCount,
    composition_of,
    count_unit,
    metal_count,
    metal_doubt,
    metal_remarks,
    scale_remarks,
)
from napari_atomicity.pipeline.movie import FollowedMovie, followed_movie_steps, movie_steps
from napari_atomicity.pipeline.movie_frames import movie_of_frames
from napari_atomicity.pipeline.ratios import Ratios, expected_text, load_expected, ratios_steps, read_expected, seen
from napari_atomicity.pipeline.repeatability import Repeatability, repeatability_steps
from napari_atomicity.pipeline.scale_ways import standard_reference
from napari_atomicity.pipeline.settings import (
    Adapt,
    Settings,
    Source,
    metal_of_deposited,
    metal_text,
    read_deposited,
    read_metal,
)
from napari_atomicity.pipeline.state import ImageState
from napari_atomicity.pipeline.teaching import training_set_steps

__all__ = [
    "SAME_CLUSTER_NM",
    "Adapt",
    "AlloyCount",
    "AppliedAdaptation",
    "Count",
    "Detected",
    "DetectorScan",
    "Explained",
    "FollowedMovie",
    "ImageState",
    "Known",
    "MetalCount",
    "Ratios",
    "Repeatability",
    "ScaleConsistency",
    "Settings",
    "Source",
    "adapt_steps",
    "adapted",
    "alloy_count",
    "alloy_of_image",
    "analyse",
    "analyse_steps",
    "choose",
    "classify_session_steps",
    "classify_steps",
    "composition_of",
    "consistency_steps",
    "count_unit",
    "detect",
    "detect_steps",
    "detector_steps",
    "expected_text",
    "explain_steps",
    "followed_movie_steps",
    "known_composition",
    "known_fraction",
    "known_second",
    "load_expected",
    "map_table_steps",
    "measure_steps",
    "measured_fractions",
    "metal_count",
    "metal_doubt",
    "metal_of_deposited",
    "metal_remarks",
    "metal_text",
    "movie_of_frames",
    "movie_steps",
    "patches_steps",
    "ratios_steps",
    "read_deposited",
    "read_expected",
    "read_metal",
    "remarks",
    "repeatability_steps",
    "scale_remarks",
    "seen",
    "standard_reference",
    "training_set_steps",
]
