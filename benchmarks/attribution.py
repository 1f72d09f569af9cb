"""How far the heat maps can be trusted, what the models use, and how long the maps take.

    python benchmarks/attribution.py [--model dual single] [--frames 6] [--clusters 60]

Simulated frames of structures that no model was trained on, half of them nominal and half of random conditions.
Deletion: the cells of the patch are replaced by empty support, the most attributed first; the area under the score
is small where the map names what the score rests on. Insertion: they are put into an empty support; large is good.
Both are compared with cells in random order, and with a centred disc, from the middle outwards.
Takes about five minutes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from _machine import describe
from _options import parsed, parser_for
from napari_atomicity.counting.bundle import Bundle, load_bundle
from napari_atomicity.counting.patches import Patches, network_input
from napari_atomicity.insight import methods
from napari_atomicity.insight.attribution import METHODS, Attribution, attribution_steps
from napari_atomicity.insight.methods import CELLS
from napari_atomicity.insight.overlay import compose
from napari_atomicity.insight.radial import radial_profiles
from napari_atomicity.progress import drain
from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.frames import simulate_frame
from napari_atomicity.training.library import Library, label_image

#: seeds apart from those of the frames behind the model cards
_FIRST = 900_000
#: cells replaced so far, of 256
_STEPS = (0, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256)


def frames(n: int, clusters: int) -> Iterator[Library]:
    for i in range(n):
        seed = _FIRST + i
        condition = "nominal" if i % 2 == 0 else "random"
        spec = sample_spec(condition, n_clusters=clusters, seed=seed, split="test")
        frame = simulate_frame(spec, seed)
        scale = frame.scale_counts_nm2_per_atom
        yield label_image(frame.image, frame.pixel_size_nm, frame.truth, scale, seed, spec.condition)


def by_cells(x: torch.Tensor, empty: torch.Tensor, order: npt.NDArray[np.int64], k: int) -> torch.Tensor:
    """`x` (n, 1, 64, 64) with the first `k` cells of `order` (n, 256) taken from `empty`."""
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(CELLS**2)[None].repeat(len(order), 0), axis=1)
    cell = np.round(np.arange(64) / 4).clip(0, CELLS - 1).astype(int)
    pixel = rank.reshape(-1, CELLS, CELLS)[:, cell][:, :, cell]
    return torch.where(torch.as_tensor(pixel < k)[:, None], empty, x)


def faithfulness(bundle: Bundle, patches: Patches, found: dict[str, Attribution]) -> pd.DataFrame:
    """Area under the score while cells go (deletion) or come (insertion), a channel and an order."""
    card, n = bundle.card, len(patches)
    target = next(iter(found.values())).target
    weights = torch.as_tensor(methods.lead(target, None, len(card.class_sizes)))
    x = network_input(patches, len(card.channels), card.lcn_window_nm)
    empty = network_input(methods.empty_support(patches), len(card.channels), card.lcn_window_nm)
    radius = np.hypot(*(np.indices((CELLS, CELLS)) * 4.0 - 31.5)).ravel()
    rows = []
    for channel, name in enumerate(card.channels):
        branch = bundle.network.branches[channel]
        shown, blank = x[:, channel : channel + 1], empty[:, channel : channel + 1]
        orders = {
            method: np.argsort(-one.maps[:, channel, ::4, ::4].reshape(n, -1), axis=1, kind="stable")
            for method, one in found.items()
        }
        orders["centred disc"] = np.argsort(radius)[None].repeat(n, 0)
        orders["random"] = np.argsort(np.random.default_rng(0).random((n, CELLS**2)), axis=1)
        for order_name, order in orders.items():
            areas = []
            for first, second in ((shown, blank), (blank, shown)):
                scores = []
                for k in _STEPS:
                    with torch.inference_mode():
                        logits = branch(by_cells(first, second, order, k))[0]
                    scores.append((logits * weights).sum(dim=1).numpy())
                areas.append(np.trapezoid(np.array(scores), _STEPS, axis=0) / CELLS**2)
            rows.append({"channel": name, "order": order_name, "deletion": areas[0], "insertion": areas[1]})
    return pd.DataFrame(rows)


def mean_and_interval(values: npt.NDArray[Any]) -> str:
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    draws = np.random.default_rng(1).choice(values, (400, len(values))).mean(axis=1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return f"{values.mean():.2f} ({low:.2f} to {high:.2f})"


def trust(bundle: Bundle, libraries: list[Library]) -> None:
    whole = [one.take((one.flag == "ok") & one.patches.valid & one.whole) for one in libraries]
    patches = Patches.join([library.patches for library in whole])
    found = {method: drain(attribution_steps(bundle, patches, method=method)) for method in METHODS}
    table = faithfulness(bundle, patches, found)
    print(f"\n{bundle.card.name}: {len(patches)} clusters\n")
    print("| channel | cells in the order of | deletion (lower is better) | insertion (higher is better) |")
    print("|---|---|---|---|")
    for row in table.to_dict("records"):
        deletion, insertion = mean_and_interval(row["deletion"]), mean_and_interval(row["insertion"])
        print(f"| {row['channel']} | {row['order']} | {deletion} | {insertion} |")
    agreement = found["integrated-gradients"].agreement
    words = [f"{name} {mean_and_interval(agreement[:, i])}" for i, name in enumerate(bundle.card.channels)]
    print(f"\nAgreement of the two methods (correlation, mean and 95 % interval): {', '.join(words)}")
    diameter = np.concatenate([library.diameter_nm for library in whole])
    for method, one in found.items():
        labels = np.array([bundle.card.labels[i] if i >= 0 else "" for i in one.target], dtype=object)
        print(f"\nFrom centre to contour by {method}, by predicted class\n")
        print("| channel | class | clusters | centre | contour | lead of the contour |")
        print("|---|---|---|---|---|---|")
        for row in radial_profiles(one, diameter, labels).summary.to_dict("records"):
            lead = f"{row['lead']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f})"
            print(
                f"| {row['channel']} | {row['label']} | {row['clusters']} | {row['centre']:.2f} | "
                f"{row['contour']:.2f} | {lead} |"
            )


def speed(bundle: Bundle, libraries: list[Library], clusters: int) -> None:
    patches = Patches.join([library.patches for library in libraries])
    patches = patches.take(np.arange(clusters) % len(patches))
    places = np.random.default_rng(0).uniform(30, 2018, (clusters, 2))
    print(f"\nSeconds for {clusters} clusters in 2048 x 2048, best of 3 (target of Grad-CAM with its layers: 3)")
    for method in METHODS:
        best = [np.inf, np.inf]
        for _ in range(3):
            start = time.perf_counter()
            found = drain(attribution_steps(bundle, patches, method=method))
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
