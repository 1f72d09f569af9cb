"""Clusters followed through a movie: tracks, merges and splits, counts over time, losses."""

from napari_atomicity.movies.movie import Movie, MovieSettings, follow, no_edits

__all__ = ["Movie", "MovieSettings", "follow", "no_edits"]
