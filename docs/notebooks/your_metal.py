# A model for another metal, as a notebook; Jupyter (with Jupytext) and VS Code open this script as one.

# %% [markdown]
# # Train for your metal
#
# The models that come along know platinum and five sizes. Another metal, other sizes or your own
# size-selected micrographs need a model of their own: a configuration, one command, and a look at its scores.
# Here it is gold with two sizes, and so small a training (some minutes) that this page can be made anew at each
# build. **It is far too small to be used**; see the last paragraph.

# %%
from pathlib import Path

_ = Path("gold.toml").write_text("""
name = "gold_small"
element = "Au"
classes = [20, 55]
channels = ["raw"]
licence = "CC-BY-4.0"

[simulation]
frames = 8
clusters = 40
families = ["block"]
conditions = ["nominal"]
other_sizes = [35]

[training]
epochs = 3
batch = 16
""")

# %% [markdown]
# ## Train
#
# As on the command line, `napari-atomicity train gold.toml -o models`; 0 says that all went well. Simulated frames are
# kept in the folder; after an interruption the same call goes on where it was.

# %%
from napari_atomicity.cli import main

assert main(["train", "gold.toml", "-o", "models"]) == 0

# %% [markdown]
# ## Look at the card
#
# A model carries what it was trained on and how well it counts. The last is what to read before anything
# else.

# %%
from napari_atomicity.counting.bundle import load_bundle
from napari_atomicity.counting.card_text import as_text

print(as_text(load_bundle("models/gold_small.safetensors").card, "gold_small"))

# %% [markdown]
# ## Use it
#
# A gold micrograph with its truth, simulated from another seed, counted with the new model.

# %%
call = "simulate --element Au --sizes 20,55 --clusters 40 --shape 512,512 --seed 11 -o frame"
assert main(call.split()) == 0

# %%
import pandas as pd

import napari_atomicity as atomicity

image = next(Path("frame").glob("*.tif"))
state = atomicity.analyse(atomicity.read(image), atomicity.Settings(model="models/gold_small.safetensors", adapt="off"))
counted = state.table.rows
pd.crosstab(counted["label"], counted["flag"])

# %% [markdown]
# ## For real work
#
# Hundreds of frames of all conditions (leave `frames`, `families` and `conditions` out), about ten epochs,
# three quarters of an hour on two cores; and, if you have them, your own size-selected micrographs in folders named by
# their atoms (`[laboratory]`). [Training a model of your own](../training.md) explains every key and what is
# refused.
