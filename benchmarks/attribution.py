"""How far the heat maps can be trusted, what the models use, and how long the maps take.

    python benchmarks/attribution.py [--model dual single] [--frames 6] [--clusters 60]

Simulated frames of structures that no model was trained on, half of them nominal and half of random conditions, at the
scale that is measured on their own clusters. Deletion: the cells of the patch are replaced by empty support, the most
attributed first; the area under the score, the lead of the class over the next smaller one in log-odds, is small where
the map names what it rests on. Insertion: they are put into an empty support; large is good. Both are given in parts of
the score of the whole cluster less that of the empty support, and compared with cells in random order and with a
centred disc, from the middle outwards. *Near*: part of the map within 0.35 nm of the cluster's rim.
Takes about five minutes. On frames of another maker: ``benchmarks/foreign.py --maps``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy.integrate import trapezoid

from _machine import describe
from _options import parsed, parser_for
from napari_atomicity.counting.bundle import Bundle, load_bundle
from napari_atomicity.counting.classify import evidence_steps
from napari_atomicity.counting.looking import looked_steps
from napari_atomicity.counting.patches import CELL_PX, CELLS, NM_PER_PX, PATCH_PX, Patches, in_atoms, network_input
from napari_atomicity.insight import methods
from napari_atomicity.insight.attribution import Attribution, attribution_steps
from napari_atomicity.insight.overlay import compose
from napari_atomicity.insight.question import DENSITY, METHODS
from napari_atomicity.insight.radial import radial_profiles
from napari_atomicity.progress import drain
from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.frames import simulate_frame
from napari_atomicity.training.evaluate import measured_scale
from napari_atomicity.training.library import Library, label_image

#: seeds apart from those of the frames behind the model cards
_FIRST = 900_000
#: cells replaced so far, of 676
_STEPS = (0, 4, 8, 16, 32, 48, 64, 96, 128, 192, 256, 384, 676)
_NEAR_NM = 0.35


def frames(n: int, clusters: int) -> Iterator[Library]:
    for i in range(n):
        seed = _FIRST + i
        condition = "nominal" if i % 2 == 0 else "random"
        spec = sample_spec(condition, n_clusters=clusters, seed=seed, split="test")
        frame = simulate_frame(spec, seed)
        scale = frame.scale_counts_nm2_per_atom
        yield label_image(frame.image, frame.pixel_size_nm, frame.truth, scale, seed, spec.condition)


def by_cells(x: torch.Tensor, empty: torch.Tensor, order: npt.NDArray[np.int64], k: int) -> torch.Tensor:
    """`x` (n, pictures, 52, 52) with the first `k` cells of `order` (n, 676) taken from `empty`."""
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(CELLS**2)[None].repeat(len(order), 0), axis=1)
    pixel = rank.reshape(-1, CELLS, CELLS).repeat(CELL_PX, axis=1).repeat(CELL_PX, axis=2)
    return torch.where(torch.as_tensor(pixel < k)[:, None], empty, x)


def faithfulness(
    bundle: Bundle, patches: Patches, log_scale: npt.NDArray[np.float64], found: dict[str, Attribution]
) -> pd.DataFrame:
    """Area under the score while cells go (deletion) or come (insertion), by the order of the cells."""
    card, network, n = bundle.card, bundle.network, len(patches)
    target = torch.as_tensor(next(iter(found.values())).target)
    picture, noise_of = in_atoms(patches, log_scale)
    bare, _ = in_atoms(methods.empty_support(patches), log_scale)
    x, empty = (network_input(one, noise_of, len(card.channels), card.lcn_window_nm) for one in (picture, bare))
    noise = torch.from_numpy(noise_of)

    def score(shown: torch.Tensor) -> npt.NDArray[np.float64]:
        with torch.inference_mode():
            parts = methods.lead_parts(network(shown, noise), network, card, target, None)
        return np.asarray(parts.sum(dim=1).double().numpy())

    to_cells = methods.cell_weights()
    radius = np.hypot(*(np.indices((CELLS, CELLS)) - (CELLS - 1) / 2)).ravel()
    orders = {"centred disc": np.argsort(radius, kind="stable")[None].repeat(n, 0)}
    orders["random"] = np.argsort(np.random.default_rng(0).random((n, CELLS**2)), axis=1)
    for method, one in found.items():
        for channel, name in enumerate(one.channel_names):
            cells = (to_cells.T @ one.maps[:, channel] @ to_cells).reshape(n, -1)
            orders[method if name == DENSITY else f"{method}, {name}"] = np.argsort(-cells, axis=1, kind="stable")
    whole, nothing = score(x), score(empty)
    span = np.where(np.abs(whole - nothing) > 0.5, whole - nothing, np.nan)
    rows = []
    for name, order in orders.items():
        areas = []
        for first, second in ((x, empty), (empty, x)):
            scores = [(score(by_cells(first, second, order, k)) - nothing) / span for k in _STEPS]
            areas.append(trapezoid(np.array(scores), _STEPS, axis=0) / CELLS**2)
        rows.append({"order": name, "deletion": areas[0], "insertion": areas[1]})
    return pd.DataFrame(rows)


def near(found: dict[str, Attribution], diameter_nm: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[np.float64]]:
    """Part of each map that lies within 0.35 nm of its cluster, by method and channel."""
    y, x = (np.indices((PATCH_PX, PATCH_PX)) - (PATCH_PX - 1) / 2) * NM_PER_PX
    close = np.hypot(y, x)[None] < diameter_nm[:, None, None] / 2 + _NEAR_NM
    parts = {}
    for method, one in found.items():
        for channel, name in enumerate(one.channel_names):
            heat = one.maps[:, channel]
            total = heat.sum(axis=(1, 2))
            share = (heat * close).sum(axis=(1, 2)) / np.where(total > 0, total, np.nan)
            parts[method if name == DENSITY else f"{method}, {name}"] = share
    return parts


def mean_and_interval(values: npt.NDArray[Any]) -> str:
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    draws = np.random.default_rng(1).choice(values, (400, len(values))).mean(axis=1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return f"{values.mean():.2f} ({low:.2f} to {high:.2f})"


def scales_of(bundle: Bundle, libraries: list[Library]) -> npt.NDArray[np.float64]:
    """(n,) whole intensity of an atom of each cluster, in its logarithm, from what is measured in its frame."""
    found = []
    for library in libraries:
        free = drain(evidence_steps(bundle, library.patches))
        seen = drain(looked_steps(bundle, library.patches, free, measured_scale(library, bundle.card.class_sizes)))
        assert seen.log_scale is not None and seen.shift is not None
        found.append(seen.log_scale + seen.shift)
    return np.concatenate(found)


def trust(bundle: Bundle, libraries: list[Library]) -> None:
    whole = [one.take((one.flag == "ok") & one.patches.valid & one.whole) for one in libraries]
    patches = Patches.join([library.patches for library in whole])
    scale = scales_of(bundle, whole)
    found = {method: drain(attribution_steps(bundle, patches, scale, method=method)) for method in METHODS}
    diameter = np.concatenate([library.diameter_nm for library in whole])
    table, beside = faithfulness(bundle, patches, scale, found), near(found, diameter)
    print(f"\n{bundle.card.name}: {len(patches)} clusters\n")
    print("| cells in the order of | deletion (lower is better) | insertion (higher is better) | near the cluster |")
    print("|---|---|---|---|")
    for row in table.to_dict("records"):
        deletion, insertion = mean_and_interval(row["deletion"]), mean_and_interval(row["insertion"])
        close = mean_and_interval(beside[row["order"]]) if row["order"] in beside else "–"
        print(f"| {row['order']} | {deletion} | {insertion} | {close} |")
    for method in ("hires-cam", "grad-cam"):
        agreement = found[method].agreement
        words = [f"{name} {mean_and_interval(agreement[:, i])}" for i, name in enumerate(bundle.card.channels)]
        print(f"\nAgreement of {method} with integrated gradients (correlation, 24 clusters): {', '.join(words)}")
    parts = np.median(found["density"].parts, axis=0)
    named = zip(("brightness", *bundle.card.channels), parts, strict=True)
    print("\nLead over the next smaller class, log-odds, median: " + ", ".join(f"{n} {p:+.1f}" for n, p in named))
    one = found["density"]
    labels = np.array([bundle.card.labels[i] if i >= 0 else "" for i in one.target], dtype=object)
    print("\nFrom centre to contour by density, by predicted class\n")
    print("| class | clusters | centre | contour | lead of the contour |")
    print("|---|---|---|---|---|")
    for row in radial_profiles(one, diameter, labels).summary.to_dict("records"):
        lead = f"{row['lead']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f})"
        print(f"| {row['label']} | {row['clusters']} | {row['centre']:.2f} | {row['contour']:.2f} | {lead} |")


def speed(bundle: Bundle, libraries: list[Library], clusters: int) -> None:
    patches = Patches.join([library.patches for library in libraries])
    scale = np.concatenate([library.log_scale for library in libraries])
    rows = np.arange(clusters) % len(patches)
    patches, scale = patches.take(rows), scale[rows]
    places = np.random.default_rng(0).uniform(30, 2018, (clusters, 2))
    print(f"\nSeconds for {clusters} clusters in 2048 x 2048, best of 3 (target of the default with its layer: 3)")
    for method in METHODS:
        best = [np.inf, np.inf]
        for _ in range(3):
            start = time.perf_counter()
            found = drain(attribution_steps(bundle, patches, scale, method=method))
            middle = time.perf_counter()
            compose(found, places, (2048, 2048), 0.05)
            best = np.minimum(best, [middle - start, time.perf_counter() - middle]).tolist()
        print(f"  {method:24s} maps {best[0]:.2f}, laid over the image {best[1]:.2f}")


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--model", nargs="+", default=["dual", "single"])
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--clusters", type=int, default=60)
    parser.add_argument("--timed", type=int, default=500, help="clusters whose heat maps are timed")
    options = parsed(parser, model=["dual"], frames=1, clusters=20, timed=50)
    torch.set_num_threads(2)
    print(describe("captum"))
    libraries = list(frames(options.frames, options.clusters))
    print(f"{options.frames} simulated frames of the test split, {options.clusters} clusters each")
    for name in options.model:
        bundle = load_bundle(name)
        trust(bundle, libraries)
        speed(bundle, libraries, options.timed)


if __name__ == "__main__":
    main()
