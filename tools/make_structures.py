"""Anneal the structures that come with the package anew: a new version of platinum.npz and platinum.json.

python tools/make_structures.py --version 2                  # into the package
python tools/make_structures.py --version 2 --to FOLDER      # beside it, to compare

Takes about ten minutes of processor time; what the cache of structures holds is not annealed again. Frames made from a
new version are other frames: tables of scores that were made from the old one say so, and
``tests/simulation/test_same_everywhere.py`` holds numbers of some frames that change with it.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from napari_atomicity.progress import Progress, drain
from napari_atomicity.simulation import shipped
from napari_atomicity.simulation.structures import RECIPE, SPLITS, StructureLibrary

WHAT = {
    "gupta": "second-moment potential, Cleri & Rosato, Phys. Rev. B 48, 22 (1993), annealed on a support",
    "emt": "effective medium theory, Jacobsen, Stoltze & Nørskov, Surf. Sci. 366, 394 (1996), annealed on a support",
    "block": "cut from a close-packed block, relaxed as soft spheres",
}


def make(folder: Path, number: int, sizes: Sequence[int] = shipped.SIZES, count: int | None = None) -> None:
    """Anneal (or take from the cache) all sets and write them as version `number`; `count` of each size, if given."""
    made: dict[str, shipped.StoredStructures] = {}
    about: list[dict[str, Any]] = []
    for one in shipped.SETS:
        library = StructureLibrary(SPLITS[one.split], count or one.count, shipped.ELEMENT, one.families)
        drain(library.make_steps(sizes), lambda progress, one=one: say(one, progress))
        made |= {one.key(n): library.clusters(n) for n in sizes}
        about.append({"split": one.split, "seed": library.seed, "families": one.families, "per_size": library.per_size})
    described = {
        "what": "Simulated clusters on an attractive support, in the order of flatness; see docs/structures.md",
        "version": number,
        "element": shipped.ELEMENT,
        "sizes": list(sizes),
        "families": WHAT,
        "sets": about,
        "recipe": RECIPE,
        "made_with": {
            **{name: version(name) for name in ("napari-atomicity", "numpy", "scipy", "torch")},
            "python": platform.python_version(),
            "processor": f"{platform.system()} {platform.machine()}",
        },
        "license": "BSD-3-Clause",
    }
    shipped.write(folder, made, described)


def say(one: shipped.StructureSet, progress: Progress) -> None:
    """How far one set is."""
    print(f"\r{one.split}: {progress.what} {progress.done}/{progress.total}", end="   ", file=sys.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--version", type=int, required=True, help="number of the new version")
    parser.add_argument("--to", type=Path, default=shipped.FOLDER, help="folder for the two files (the package's own)")
    given = parser.parse_args()
    make(given.to, given.version)
    print(f"\n{given.to}: version {given.version}")
