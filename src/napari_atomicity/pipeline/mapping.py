"""Where the clusters of an image lie among those that the model knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_atomicity.pipeline.counting import Count
from napari_atomicity.progress import Steps

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle


def map_table_steps(classified: Count, bundle: Bundle) -> Steps[pd.DataFrame]:
    """Place of every cluster on the feature map of the model.

    Parameters
    ----------
    classified
        Result of `classify_steps`, or of `adapted`.
    bundle
        The model that classified it, as shipped or adapted.

    Returns
    -------
    One row a cluster of the table: id, frame; map_x and map_y, which have no unit; nearest_class, label of the library
    cluster with the most similar features, and distance from it; outlier, where that is farther than 19 in 20 library
    clusters lie from the one nearest to them. nan and an empty label for a cluster that could not be classified.

    Raises
    ------
    InputError
        For a model without library clusters, or whose map must be made first where umap-learn is missing.
    """
    from napari_atomicity.insight.feature_map import feature_map_steps

    feature_map = yield from feature_map_steps(bundle)
    placed = feature_map.place(classified.evidence.features)
    labels = np.array([*feature_map.library.labels, ""], dtype=object)
    return pd.DataFrame(
        {
            "id": classified.table.ids,
            "frame": classified.table.rows["frame"].to_numpy(),
            "map_x": placed.xy[:, 0].astype(np.float64),
            "map_y": placed.xy[:, 1].astype(np.float64),
            "nearest_class": labels[placed.nearest],
            "distance": placed.distance,
            "outlier": placed.outlier,
        }
    )
