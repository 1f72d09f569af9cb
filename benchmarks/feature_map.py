"""The feature map: how long placing takes, how near it is to UMAP's own transform, and what stands out as strange.

    python benchmarks/feature_map.py [--model dual single]

Placed are clusters of three simulated frames, of structures that the models have not learnt from. Takes about a minute.
"""

from __future__ import annotations

import time

import numpy as np

from _machine import describe
from _options import parsed, parser_for
from napari_atomicity.counting.bundle import load_bundle
from napari_atomicity.counting.classify import evidence_steps, look_steps
from napari_atomicity.counting.silhouette import silhouette
from napari_atomicity.insight.feature_map import FeatureMap, feature_map_steps, purity
from napari_atomicity.insight.fitting import NEIGHBOURS
from napari_atomicity.progress import drain
from napari_atomicity.simulation.conditions import CONDITIONS
from napari_atomicity.training.library import Library, Recipe, labelled_frame


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--model", nargs="+", default=["dual", "single"])
    options = parsed(parser, model=["dual"])
    print(describe("umap-learn"), "\n")
    library = Library.join([_frame(condition, i) for i, condition in enumerate(("nominal", "low_dose", "defocus"))])
    library = library.take(library.flag == "ok")
    for name in options.model:
        bundle = load_bundle(name)
        began = time.perf_counter()
        found = drain(feature_map_steps(bundle))
        opened = time.perf_counter() - began
        nothing = np.zeros(len(library))
        free = drain(evidence_steps(bundle, library.patches))
        features = drain(look_steps(bundle, library.patches, free, library.log_scale, nothing)).features
        index = library.class_index(bundle.card.class_sizes)
        print(f"## {name}: {len(found.xy)} library clusters, {len(features)} clusters of three simulated frames\n")
        print("| what | |\n|---|---|")
        print(f"| library looked at, once a model | {opened:.2f} s |")
        print(f"| placing 500 clusters | {_seconds(found, features, 500):.3f} s |")
        print(f"| placing 5000 clusters | {_seconds(found, features, 5000):.3f} s |")
        _strangers(found, features, index, library.is_outside(bundle.card.class_sizes))
        _neighbours(found, features, index)
        _beside_umap(found, features)
        print()


def _frame(condition: str, number: int) -> Library:
    """A frame of structures that the models have not learnt from."""
    assert condition in CONDITIONS
    return labelled_frame(Recipe(conditions=(condition,)), "test", 500 + number)


def _seconds(found: FeatureMap, features: np.ndarray, n: int) -> float:
    many = np.resize(features, (n, features.shape[1]))
    began = time.perf_counter()
    found.place(many)
    return time.perf_counter() - began


def _strangers(found: FeatureMap, features: np.ndarray, index: np.ndarray, outside: np.ndarray) -> None:
    marked = found.place(features).outlier
    print(f"| marked as unlike the library, of the classes | {marked[index >= 0].mean():.1%} |")
    print(f"| marked, of those that are none of the classes | {marked[outside].mean():.1%} |")


def _neighbours(found: FeatureMap, features: np.ndarray, index: np.ndarray) -> None:
    known = found.library.standardised(found.library.features)
    print(f"| purity of the library, true classes | {purity(known, found.library.class_index):.2f} |")
    inside = index >= 0
    own = found.library.standardised(features[inside])
    print(f"| purity of the frames' clusters, true classes | {purity(own, index[inside]):.2f} |")
    print(f"| silhouette of the library | {silhouette(known, found.library.class_index):.2f} |")
    print(f"| silhouette of the frames' clusters | {silhouette(own, index[inside]):.2f} |")
    print(f"| purity of their places on the map | {purity(found.place(features[inside]).xy, index[inside]):.2f} |")


def _beside_umap(found: FeatureMap, features: np.ndarray) -> None:
    """The same clusters put on the same map by UMAP's transform: a start like ours, then random descent."""
    try:
        from umap import UMAP
    except ImportError:
        print("| beside UMAP's transform | umap-learn is missing |")
        return
    library = found.library
    known = library.standardised(library.features).astype(np.float32)
    new = library.standardised(features).astype(np.float32)
    fitter = UMAP(n_neighbors=NEIGHBOURS, min_dist=0.5, random_state=0, n_jobs=1).fit(known)
    fitter.embedding_ = found.xy.copy()
    theirs, ours = fitter.transform(new), found.place(features).xy
    spread = float(np.sqrt(found.xy.var(axis=0).sum()))
    apart = np.hypot(*(theirs - ours).T) / spread
    islands = np.array([found.xy[library.class_index == i].mean(axis=0) for i in np.unique(library.class_index)])
    same = _nearest(ours, islands) == _nearest(theirs, islands)
    middle, most = np.quantile(apart, [0.5, 0.9])
    print(f"| apart from UMAP's transform, median and 90 %, in spreads of the map | {middle:.2f}, {most:.2f} |")
    print(f"| nearest island the same | {same.mean():.0%} |")
    again = UMAP(n_neighbors=NEIGHBOURS, min_dist=0.5, random_state=1, n_jobs=1).fit(known)
    again.embedding_ = found.xy.copy()
    other = np.hypot(*(again.transform(new) - theirs).T) / spread
    print(f"| UMAP's transform from itself with another seed, median | {np.median(other):.2f} |")


def _nearest(places: np.ndarray, islands: np.ndarray) -> np.ndarray:
    return np.hypot(*(places[:, None] - islands).transpose(2, 0, 1)).argmin(axis=1)


if __name__ == "__main__":
    main()
