"""Repeated frames of one field: how they lie, which clusters are the same, and how precise a count is."""

from napari_atomicity.repeats.alignment import Alignment, align_steps
from napari_atomicity.repeats.precision import Estimate, Precision, precision_of
from napari_atomicity.repeats.same_clusters import same_clusters

__all__ = ["Alignment", "Estimate", "Precision", "align_steps", "precision_of", "same_clusters"]
