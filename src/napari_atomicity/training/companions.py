"""The library clusters that a model carries along for comparison, and their map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.bundle import Bundle, weights_sha256
from napari_atomicity.counting.library_patches import library_patches, packed
from napari_atomicity.errors import InputError
from napari_atomicity.insight.feature_map import fitted_map_steps
from napari_atomicity.progress import Steps
from napari_atomicity.training.library import LABORATORY, Library

#: the first simulated frames: four of each kind of condition, and a model that is done already can be given the same
FRAMES: Final = 48
#: clusters besides those that are rehearsed: what keeps the file of a model of two channels under 1.5 MB
_CLUSTERS: Final = 70


def with_library_steps(bundle: Bundle, training: Library, seed: int, say: Callable[[str], None]) -> Steps[Bundle]:
    """The bundle with library clusters, evenly over classes and conditions, and with their map.

    Its network stays as it is. Without umap-learn the map is left to be made when it is first wanted.

    Parameters
    ----------
    bundle
        A trained model.
    training
        Clusters to choose from.
    seed
        Of the choice and of the map.
    say
        Takes a sentence for the person where there is no map.

    Returns
    -------
    Bundle
        The same weights with other library clusters.
    """
    plain = replace(bundle, library={})
    rows = _chosen(plain, training, seed)
    chosen = training.take(rows)
    log_atoms = chosen.log_integral - chosen.log_scale
    library = packed(chosen.raw, chosen.noise, log_atoms, chosen.class_index(bundle.card.class_sizes))
    with_clusters = replace(plain, library=library)
    try:
        xy = yield from fitted_map_steps(with_clusters, seed)
    except InputError as error:
        say(f"The model carries no feature map yet. {error}")
        return with_clusters
    with_map = replace(with_clusters, library=library | {"map": xy})
    assert weights_sha256(with_map) == weights_sha256(bundle)
    return with_map


def _chosen(bundle: Bundle, training: Library, seed: int) -> npt.NDArray[np.int64]:
    """Rows of `training`, class by class: the conditions take turns; none that is rehearsed already."""
    rng = np.random.default_rng([seed, 7])
    sizes = bundle.card.class_sizes
    index = training.class_index(sizes)
    rehearsed = {patch.tobytes() for patch in library_patches(bundle)[0].raw.astype(np.float16)}
    usable = (index >= 0) & (training.flag == "ok") & ((training.frame < FRAMES) | (training.condition == LABORATORY))
    rows: list[int] = []
    for i in range(len(sizes)):
        by_condition = [
            list(rng.permutation(np.flatnonzero(usable & (index == i) & (training.condition == condition))))
            for condition in np.unique(training.condition[usable])
        ]
        missing = _CLUSTERS // len(sizes)
        while missing and any(by_condition):
            for candidates in by_condition:
                if candidates and missing and training.raw[row := candidates.pop()].tobytes() not in rehearsed:
                    rows.append(int(row))
                    missing -= 1
    return np.array(rows, dtype=np.int64)
