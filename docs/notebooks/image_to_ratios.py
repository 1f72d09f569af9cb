# From an image to class ratios, as a notebook; Jupyter (with Jupytext) and VS Code open this script as one.

# %% [markdown]
# # An image to ratios
#
# You have one micrograph and want to know which sizes are on it, in which shares, and how sure that is. Here
# it is the mixed sample that comes with the program: simulated, so that its truth is known. Put the path of
# yours in its place.

# %%
import matplotlib.pyplot as plt
import pandas as pd

import napari_atomicity as atomicity
from napari_atomicity.io.samples import sample_dir

micrograph = atomicity.read(sample_dir() / "sample_mixed.tif")
print(micrograph.data.shape, "pixels,", micrograph.pixel_size_nm, "nm each")

# %% [markdown]
# ## Find and count
#
# One call finds the clusters, finds the scale of the image (how bright one atom is) from all of them
# together, counts, and adapts the model to the image where that helps. The result keeps everything a number
# depends on.

# %%
state = atomicity.analyse(micrograph)
table = state.table.rows
table[["id", "x_nm", "y_nm", "diameter_nm", "label", "confidence", "n_atoms", "n_atoms_sd", "flag"]].head(8).round(2)

# %% [markdown]
# Clusters that are cut by the border, touch a neighbour or are saturated are flagged, and left out of the shares.
# `outside` stands alone but looks like none of the sizes; it is counted as `other`.

# %%
table["flag"].value_counts().to_dict()

# %% [markdown]
# ## Counts of single clusters
#
# `n_atoms` knows nothing of the classes; where the histogram has peaks, the sample has sizes.

# %%
counted = table[table["flag"].isin(["ok", "outside"])]
fig, axes = plt.subplots(figsize=(7, 3))
axes.hist(counted["n_atoms"], bins=range(0, 100, 3))
axes.set(xlabel="atoms", ylabel="clusters")
for size in (19, 30, 41, 55, 70):
    axes.axvline(size, color="0.6", zorder=0)

# %% [markdown]
# ## Ratios
#
# The shares are corrected for what the model is known to confuse, and their intervals contain that correction. Beside
# them stands what was deposited; the simulated sample was drawn from these shares.

# %%
from napari_atomicity.pipeline import ratios_steps, seen
from napari_atomicity.progress import drain

ratios = drain(
    ratios_steps(
        [("sample", seen(state.table, state.model_in_force.card, state.count))],
        expected={19: 0.30, 30: 0.22, 41: 0.20, 55: 0.16, 70: 0.12},
    )
)
print(ratios.sentence)
print(ratios.verdict)
ratios.table[["label", "counted", "share", "low", "high", "expected"]].round(3)

# %% [markdown]
# ## Against the truth
#
# Nobody has this for a real image. For the sample it tells how many labels are right, of all clusters that stand alone;
# those that were called none of the classes count as wrong.

# %%
truth = pd.read_csv(sample_dir() / "sample_mixed.truth.csv", comment="#")
right = total = 0
for cluster in table[table["flag"].isin(["ok", "outside"])].itertuples():
    distance = (truth["y_px"] - cluster.y_px) ** 2 + (truth["x_px"] - cluster.x_px) ** 2
    nearest = truth.loc[distance.idxmin()]
    if distance.min() ** 0.5 * micrograph.pixel_size_nm < 0.5 and nearest["n_atoms"] in (19, 30, 41, 55, 70):
        total += 1
        right += cluster.label == f"Pt{int(nearest['n_atoms'])}"
print(f"{right} of {total} labels are right")

# %% [markdown]
# The same on the command line, with a report to read:
# `napari-atomicity analyse sample_mixed.tif -o out --report html --expected 19:0.3,30:0.22,41:0.2,55:0.16,70:0.12`.
# Read on: [Class ratios](../ratios.md), [how the calibration works and when not to trust it](../calibration.md).
