"""The structures that come with the package: physical, unchanged by how they are kept, and the ones drawn from."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from napari_atomicity.errors import InputError
from napari_atomicity.simulation import structures
from napari_atomicity.simulation.annealing import is_one_cluster, resting
from napari_atomicity.simulation.blocks import covered_nm2, make_structure
from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.frames import simulate_frame
from napari_atomicity.simulation.imaging import Probe, atom_weights
from napari_atomicity.simulation.metals import ELEMENTS
from napari_atomicity.simulation.shipped import FOLDER, SETS, SIZES, STEP_NM, StoredStructures, set_of, shipped, write
from napari_atomicity.simulation.structures import RECIPE, SPLITS, StructureLibrary, library
from napari_atomicity.training.library import Recipe
from seeds import seeded

SPACING = ELEMENTS["Pt"][0]


@pytest.fixture
def never_annealed(monkeypatch):
    """Whoever anneals is found out."""

    def refused(*wanted):
        raise AssertionError(f"annealed {wanted}")

    monkeypatch.setattr(structures, "_family_steps", refused)


@pytest.mark.parametrize("one", SETS, ids=lambda one: one.key(0))
def test_every_set_holds_whole_clusters_on_the_support_from_compact_to_flat(one):
    for n in SIZES:
        held = shipped().clusters(one, one.families, n)
        assert held.positions_nm.shape == (one.count, n, 3)
        assert [(held.family == name).sum() for name in one.families] == [one.count // len(one.families)] * len(
            one.families
        )
        assert all(is_one_cluster(atoms, SPACING) for atoms in held.positions_nm[::12])
        assert np.allclose(held.positions_nm[..., :2].mean(axis=1), 0, atol=1e-6)
        assert (held.positions_nm[..., 2].min(axis=1) == 0).all()
        covered = np.array([covered_nm2(atoms, SPACING) for atoms in held.positions_nm[:: one.count // 8]])
        assert np.diff(covered).min() > -0.01 and covered[-1] > 1.15 * covered[0]


def test_no_cluster_of_a_class_is_in_two_splits():
    # pair distances tell structures apart, however they are turned
    alike = {one.key(0): np.sort([pdist(a) for a in shipped().clusters(one, one.families, 55)[0]]) for one in SETS}
    sets = list(alike)
    for place, name in enumerate(sets):
        for other in sets[place + 1 :]:
            apart = np.abs(alike[name][:, None, ::20] - alike[other][None, :, ::20]).max(axis=-1)
            assert apart.min() > 2 * STEP_NM, (name, other)


def test_what_recipes_samples_and_scores_draw_from_is_not_annealed(never_annealed):
    recipe = Recipe()
    for split in SPLITS:
        made = StructureLibrary(**{**vars(library(split)), "_made": {}})
        for n in (*recipe.class_sizes, *recipe.other_sizes):
            assert made.clusters(n).positions_nm.shape == (made.per_size, n, 3)
        assert made.per_size == 240


def test_a_family_alone_is_drawn_from_its_share_in_the_same_order(never_annealed):
    both, alone = library("train"), library("train", families=("gupta",))
    assert (both.per_size, alone.per_size) == (240, 120)
    of_it = both.clusters(30).family == "gupta"
    assert np.array_equal(both.clusters(30).positions_nm[of_it], alone.clusters(30).positions_nm)
    assert set_of("train", "Pt", ("emt",)) is None and set_of("train", "Au", ("gupta",)) is None


def test_steps_are_too_small_to_matter_for_the_intensity(tmp_path):
    """Clusters before and after they were kept: integrated intensity, and what is seen of them."""
    rng = np.random.default_rng(seeded(1))
    # cut out of crystals, so that many atoms nearly lie in a column, where the smallest shift counts most
    exact = resting(np.array([make_structure(30, rng, flatness) for flatness in np.linspace(0, 1, 24)]))
    write(tmp_path, {SETS[0].key(30): StoredStructures(exact, np.repeat("block", 24))}, {"version": 0})
    kept = shipped(tmp_path).clusters(SETS[0], ("block",), 30).positions_nm.astype(np.float64)
    # half a step, and what centring moves
    assert 0 < np.abs(kept - exact).max() < 0.75 * STEP_NM
    probe = Probe(0.13)  # the sharpest of the simulator
    for before, after in zip(exact, kept, strict=True):
        assert atom_weights(after).sum() == pytest.approx(atom_weights(before).sum(), rel=1e-4)
        seen, again = (
            probe.render((96, 96), 0.03, np.column_stack([48 + a[:, 1::-1] / 0.03, a[:, 2]]), atom_weights(a))
            for a in (before, after)
        )
        assert again.sum() == pytest.approx(seen.sum(), rel=1e-4)
        assert np.abs(again - seen).max() < 1e-3 * seen.max()


@pytest.mark.parametrize("damage", ["cut", "swapped", "no file", "no description", "another version's description"])
def test_damaged_structures_are_refused(tmp_path, damage):
    for name in ("platinum.npz", "platinum.json"):
        shutil.copy(FOLDER / name, tmp_path / name)
    path = tmp_path / "platinum.npz"
    about = json.loads((tmp_path / "platinum.json").read_text(encoding="utf-8"))
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "swapped":
        arrays = dict(shipped().arrays)
        arrays["test-emt-19"] = arrays["test-emt-19"][::-1]
        np.savez(path, **arrays)
    elif damage == "no file":
        path.unlink()
    elif damage == "no description":
        (tmp_path / "platinum.json").unlink()
    else:
        (tmp_path / "platinum.json").write_text(json.dumps(about | {"sha256": "0" * 64}), encoding="utf-8")
    with pytest.raises(InputError, match="install napari-atomicity again"):
        shipped(tmp_path)


def test_a_cluster_too_wide_for_the_steps_is_refused(tmp_path):
    with pytest.raises(InputError, match="wider"):
        write(tmp_path, {"x": StoredStructures(np.full((1, 1, 3), 4.0, np.float32), np.array(["emt"]))}, {})
    assert not list(tmp_path.iterdir())


def test_a_frame_says_which_structures_it_shows():
    about = json.loads((FOLDER / "platinum.json").read_text(encoding="utf-8"))
    assert about["recipe"] == RECIPE and tuple(about["sizes"]) == SIZES
    frame = simulate_frame(sample_spec("clean", {8: 1.0}, 2, (96, 96), split="sample"), 0)
    stamp = {"version": about["version"], "sha256": about["sha256"]}
    assert frame.describe()["structures"] == {"shipped": stamp}
    assert library("train").origin([19, 13]) == {"shipped": stamp, "annealed_here": [13], "recipe": RECIPE}
    assert library("train", "Au").origin([19]) == {"annealed_here": [19], "recipe": RECIPE}


@pytest.mark.slow
def test_a_new_version_is_made_of_physical_clusters(tmp_path, repository, monkeypatch):
    """Not the numbers of the shipped ones: annealing is chaotic, and another processor makes others."""
    monkeypatch.syspath_prepend(repository / "tools")
    monkeypatch.setenv("NAPARI_ATOMICITY_CACHE", str(tmp_path / "cache"))
    import make_structures

    make_structures.make(tmp_path, 7, sizes=(12, 19), count=24)
    new = shipped(tmp_path)
    assert new.stamp["version"] == 7
    for one in SETS:
        for n in (12, 19):
            held, ours = (s.clusters(one, one.families, n).positions_nm for s in (new, shipped()))
            assert all(is_one_cluster(atoms, SPACING) for atoms in held)
            # heights and widths are spread like those that were shipped
            for axis in (0, 2):
                a, b = (np.ptp(positions[..., axis], axis=1) for positions in (held, ours))
                assert np.median(a) == pytest.approx(np.median(b), abs=0.12)


@pytest.mark.slow
def test_the_command_that_makes_a_version_explains_itself(repository):
    tool = repository / "tools" / "make_structures.py"
    done = subprocess.run([sys.executable, tool, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "--version" in done.stdout
