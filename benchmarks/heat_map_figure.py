"""The figure of docs/heat_maps.md: the same clusters through all methods, and what randomised weights make of them.

    python benchmarks/heat_map_figure.py [--model dual] [--output docs/images/heat_maps.png]

A simulated frame of structures that no model was trained on. Takes less than a minute.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from _options import parsed, parser_for
from napari_atomicity.counting.bundle import Bundle, load_bundle
from napari_atomicity.counting.patches import Patches, channel_pictures, in_atoms
from napari_atomicity.insight.attribution import attribution_steps
from napari_atomicity.insight.question import METHODS, Method
from napari_atomicity.progress import drain
from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.frames import simulate_frame
from napari_atomicity.training.library import label_image

_SEED = 910_000
_WORDS: dict[Method, str] = {
    "density": "atoms\nper nm²",
    "hires-cam": "HiResCAM",
    "grad-cam": "Grad-CAM",
    "integrated-gradients": "integrated\ngradients",
}


def one_of_each(bundle: Bundle) -> tuple[Patches, np.ndarray, np.ndarray]:
    """A well separated cluster of each class, the logarithm of an atom's intensity, and the index of its class."""
    frame = simulate_frame(sample_spec("nominal", n_clusters=80, seed=_SEED, split="test"), _SEED)
    library = label_image(frame.image, frame.pixel_size_nm, frame.truth, frame.scale_counts_nm2_per_atom, 0, "nominal")
    index = library.class_index(bundle.card.class_sizes)
    good = (library.flag == "ok") & library.whole
    rows = [np.flatnonzero(good & (index == k))[0] for k in range(len(bundle.card.class_sizes))]
    return library.patches.take(np.array(rows)), library.log_scale[rows], index[rows]


def scrambled(bundle: Bundle) -> Bundle:
    network = copy.deepcopy(bundle.network)
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.reset_parameters()
    return replace(bundle, network=network)


def maps_of(bundle: Bundle, patches: Patches, scale: np.ndarray, index: np.ndarray, method: Method) -> Any:
    maps = drain(attribution_steps(bundle, patches, scale, index, method=method)).maps
    return np.broadcast_to(maps, (len(maps), len(bundle.card.channels), *maps.shape[2:]))


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--model", default="dual")
    parser.add_argument("--output", type=Path, default=Path("docs/images/heat_maps.png"))
    options = parsed(parser, output=Path("out/benchmarks/heat_maps.png"))
    torch.set_num_threads(2)
    bundle = load_bundle(options.model)
    patches, scale, index = one_of_each(bundle)
    channels = len(bundle.card.channels)
    seen = channel_pictures(*in_atoms(patches, scale), channels, bundle.card.lcn_window_nm).numpy()
    rows: list[tuple[str, Any]] = [("what it sees", None)]
    rows += [(_WORDS[method], maps_of(bundle, patches, scale, index, method)) for method in METHODS]
    rows.append(("atoms per nm²,\nrandom weights", maps_of(scrambled(bundle), patches, scale, index, "density")))
    classes = len(index)
    figure = Figure(figsize=(1.15 * classes * channels + 1.2, 1.2 * len(rows) + 0.4), dpi=90)
    axes = figure.subplots(len(rows), classes * channels)
    inside = slice(8, 56)
    for r, (words, maps) in enumerate(rows):
        for c in range(channels):
            for k in range(classes):
                axis = axes[r, c * classes + k]
                axis.imshow(seen[k, c, inside, inside], cmap="gray")
                if maps is not None:
                    heat = maps[k, c, inside, inside]
                    heat = heat / (heat.max() or 1)
                    axis.imshow(heat, cmap="inferno", alpha=np.clip(1.4 * heat, 0, 0.85), vmin=0, vmax=1)
                axis.set_xticks([])
                axis.set_yticks([])
                if r == 0:
                    name = ("raw", "local contrast")[c] if k == classes // 2 else ""
                    axis.set_title(f"{name}\n{bundle.card.labels[index[k]]}", fontsize=9)
        axes[r, 0].set_ylabel(words, fontsize=9, rotation=0, ha="right", va="center")
    figure.subplots_adjust(left=0.11, right=0.995, top=0.9, bottom=0.01, wspace=0.04, hspace=0.04)
    FigureCanvasAgg(figure).draw()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.frombuffer("RGBA", figure.canvas.get_width_height(), figure.canvas.buffer_rgba())
    picture.convert("RGB").quantize(128).save(options.output, optimize=True)
    print(f"Wrote {options.output}")


if __name__ == "__main__":
    main()
