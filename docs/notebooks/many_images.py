# From many images to one figure, as a notebook; Jupyter (with Jupytext) and VS Code open this script as one.

# %% [markdown]
# # From many images to a figure
#
# A session gives many images under the same settings of the microscope. Counted together they share one
# scale, which decides what one image alone leaves open. Here it is the five samples of one size each; put
# your own files in their place.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import napari_atomicity as atomicity
from napari_atomicity.io.samples import sample_dir
from napari_atomicity.pipeline import analyse_steps
from napari_atomicity.progress import drain

SIZES = (19, 30, 41, 55, 70)
files = [sample_dir() / f"sample_pt{size}.tif" for size in SIZES]
micrographs = [atomicity.read(path) for path in files]

# %% [markdown]
# ## Count them as one session
#
# `session=True`: all images calibrate each other. An image that cannot be counted would be left out and told,
# with `refused`.

# %%
refused = []
states = drain(
    analyse_steps(
        micrographs,
        atomicity.Settings(),
        session=True,
        refused=lambda image, why: refused.append(f"{image.name}: {why}"),
    )
)
print(f"{len(states)} images counted, {len(refused)} refused")

# %% [markdown]
# ## One table

# %%
clusters = pd.concat(
    [
        state.table.rows.assign(image=path.stem, deposited=size)
        for state, path, size in zip(states, files, SIZES, strict=True)
    ]
)
clusters = clusters[clusters["flag"] == "ok"]
summary = clusters.groupby("image").agg(
    deposited=("deposited", "first"), clusters=("id", "size"), median=("n_atoms", "median"), spread=("n_atoms", "std")
)
summary.round(1)

# %% [markdown]
# ## One figure
#
# Counts of single clusters against what was deposited. The bars hold the middle half; the line is where both
# agree.

# %%
fig, axes = plt.subplots(figsize=(5.5, 4.5))
axes.plot([10, 80], [10, 80], color="0.7", zorder=0)
generator = np.random.default_rng(0)
for size, of_size in clusters.groupby("deposited"):
    axes.plot(size + generator.uniform(-1.5, 1.5, len(of_size)), of_size["n_atoms"], ".", color="tab:blue", alpha=0.25)
    low, middle, high = of_size["n_atoms"].quantile([0.25, 0.5, 0.75])
    axes.errorbar(size, middle, [[middle - low], [high - middle]], fmt="o", color="black", capsize=4)
axes.set(xlabel="atoms, deposited", ylabel="atoms, counted", xlim=(10, 80), ylim=(0, 100))
fig.savefig("counts.pdf")  # for the paper

# %% [markdown]
# ## Keep what it rests on
#
# The table for others, with its units and what made it. The command line writes it for each image, with a
# report: `napari-atomicity analyse *.tif -o out --session`.

# %%
clusters.to_csv("clusters.csv", index=False)
print(f"{len(clusters)} clusters in clusters.csv")
