"""The whole chain, from a micrograph to its table of counted clusters: the one place that puts it together.

The window and the command line both call these functions, so that the same input and settings give the same table.
"""

from napari_atomicity.pipeline.adaptation import AppliedAdaptation, adapt_steps, adapted
from napari_atomicity.pipeline.chain import analyse, analyse_steps, detect
from napari_atomicity.pipeline.counting import Count, choose, classify_session_steps, classify_steps, patches_steps
from napari_atomicity.pipeline.doubts import remarks
from napari_atomicity.pipeline.explaining import Explained, explain_steps
from napari_atomicity.pipeline.finding import SAME_CLUSTER_NM, Detected, detect_steps, measure_steps
from napari_atomicity.pipeline.mapping import map_table_steps
from napari_atomicity.pipeline.movie import (
    FollowedMovie,
    followed_movie_steps,
    movie_of_frames,
    movie_steps,
)
from napari_atomicity.pipeline.ratios import Ratios, expected_text, load_expected, ratios_steps, read_expected, seen
from napari_atomicity.pipeline.repeatability import Repeatability, repeatability_steps
from napari_atomicity.pipeline.settings import Adapt, Settings, Source, read_deposited
from napari_atomicity.pipeline.state import ImageState
from napari_atomicity.pipeline.teaching import training_set_steps

__all__ = [
    "SAME_CLUSTER_NM",
    "Adapt",
    "AppliedAdaptation",
    "Count",
    "Detected",
    "Explained",
    "FollowedMovie",
    "ImageState",
    "Ratios",
    "Repeatability",
    "Settings",
    "Source",
    "adapt_steps",
    "adapted",
    "analyse",
    "analyse_steps",
    "choose",
    "classify_session_steps",
    "classify_steps",
    "detect",
    "detect_steps",
    "expected_text",
    "explain_steps",
    "followed_movie_steps",
    "load_expected",
    "map_table_steps",
    "measure_steps",
    "movie_of_frames",
    "movie_steps",
    "patches_steps",
    "ratios_steps",
    "read_deposited",
    "read_expected",
    "remarks",
    "repeatability_steps",
    "seen",
    "training_set_steps",
]
