"""Clusters followed through a movie: tracks, merges and splits, counts over time, losses."""

from napari_atomicity.movies.edits import cut, joined, proposals, relabelled
from napari_atomicity.movies.exposure import Exposure, exposure_of
from napari_atomicity.movies.movie import Movie, MovieSettings, follow, no_edits

__all__ = [
    "Exposure", "Movie", "MovieSettings", "cut", "exposure_of", "follow", "joined", "no_edits", "proposals",
    "relabelled",
]  # fmt: skip
