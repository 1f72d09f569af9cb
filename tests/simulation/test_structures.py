"""The structures: known bulk properties, true forces, whole clusters, libraries that are the same for everybody."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.spatial.distance import pdist

from napari_atomicity.errors import InputError
from napari_atomicity.progress import drain
from napari_atomicity.simulation import structures
from napari_atomicity.simulation.annealing import anneal, is_one_cluster
from napari_atomicity.simulation.metals import ELEMENTS, EMT, GUPTA
from napari_atomicity.simulation.potentials import potential, surface_energy
from napari_atomicity.simulation.structures import StructureLibrary, library, make_structure
from seeds import examples, seeded

ALL = [("gupta", element) for element in GUPTA] + [("emt", element) for element in EMT]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small tensors gain nothing from more, and lose much on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def fcc_ball(lattice_nm: float, reach: float = 3.0) -> torch.Tensor:
    """Atoms of an fcc crystal around one in the middle, which comes first."""
    grid = np.stack(np.meshgrid(*[np.arange(-6, 7)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    length = np.sqrt((grid**2).sum(axis=1)) / 2
    inside = (grid.sum(axis=1) % 2 == 0) & (length <= reach)
    grid, length = grid[inside], length[inside]
    return torch.tensor(grid[np.argsort(length, kind="stable")] * lattice_nm / 2)[None]


@pytest.mark.parametrize(("family", "element"), ALL)
def test_the_perfect_crystal_has_its_lattice_constant_and_cohesive_energy(family, element):
    metal = potential(family, element)
    best = minimize_scalar(lambda a: float(metal.evaluate(fcc_ball(a))[0][0, 0]), bounds=(0.33, 0.44), method="bounded")
    # effective medium theory was rounded to 1 %
    assert best.x == pytest.approx(ELEMENTS[element][0] * 2**0.5, rel=0.003 if family == "gupta" else 0.012)
    assert -best.fun == pytest.approx(GUPTA[element].cohesive_ev, rel=0.001 if family == "gupta" else 0.015)


@pytest.mark.parametrize(("family", "element"), ALL)
def test_forces_are_the_slope_of_the_energy_and_sum_to_nothing(family, element):
    generator = torch.Generator().manual_seed(seeded(1))
    metal, spacing = potential(family, element), ELEMENTS[element][0]
    shake = 0.1 * spacing * torch.randn(3, 43, 3, generator=generator, dtype=torch.float64)
    atoms = fcc_ball(spacing * 2**0.5)[:, :43] + shake
    direction = torch.randn(atoms.shape, generator=generator, dtype=torch.float64)
    _, force = metal.evaluate(atoms)
    step = 1e-6
    up, down = (metal.evaluate(atoms + s * step * direction)[0].sum(1) for s in (1, -1))
    assert torch.allclose((up - down) / (2 * step), -(force * direction).sum((1, 2)), rtol=1e-5, atol=1e-4)
    assert force.sum(1).abs().max() < 1e-9 * force.abs().max()


@pytest.mark.parametrize(("family", "element"), [("gupta", "Pt"), ("emt", "Au")])
def test_clusters_of_a_batch_do_not_feel_one_another_and_free_atoms_have_no_energy(family, element):
    metal, spacing = potential(family, element), ELEMENTS[element][0]
    atoms = fcc_ball(spacing * 2**0.5)[:, :20] + 0.02 * torch.randn(4, 20, 3, dtype=torch.float64)
    together, alone = metal.evaluate(atoms)[0], metal.evaluate(atoms[2:3])[0]
    assert torch.allclose(together[2:3], alone, rtol=1e-12)
    energy, force = metal.evaluate(torch.tensor([[[0.0, 0, 0], [5.0, 0, 0]]]))
    assert energy.abs().max() < 1e-4
    assert force.abs().max() < 1e-4


@pytest.mark.parametrize("element", list(EMT))
def test_effective_medium_theory_agrees_with_ase(element):
    emt = pytest.importorskip("ase.calculators.emt")
    from ase import Atoms

    rng = np.random.default_rng(seeded(3))
    atoms = fcc_ball(ELEMENTS[element][0] * 2**0.5)[:, :55] + torch.tensor(rng.normal(0, 0.02, (2, 55, 3)))
    energy, force = potential("emt", element).evaluate(atoms)
    for i in range(2):
        theirs = Atoms(f"{element}55", atoms[i].numpy() * 10, calculator=emt.EMT())
        assert float(energy[i].sum() - 55 * EMT[element].e0) == pytest.approx(theirs.get_potential_energy(), abs=1e-6)
        assert np.allclose(force[i].numpy(), theirs.get_forces() * 10, atol=1e-5)


def test_the_gupta_surface_of_platinum_is_as_cheap_as_it_is_known_to_be():
    # second-moment potentials put Pt(111) near 0.06 eV/Å² unrelaxed, half of what is measured
    area = 3**0.5 / 2 * (ELEMENTS["Pt"][0] * 10) ** 2
    assert surface_energy(potential("gupta", "Pt"), "Pt") / area == pytest.approx(0.06, abs=0.005)


@pytest.mark.few(1)
@pytest.mark.parametrize(("family", "element", "n"), [("gupta", "Pt", 30), ("emt", "Au", 19), ("gupta", "Ni", 13)])
def test_annealed_clusters_are_whole_and_lie_lower_on_a_support_that_attracts(family, element, n):
    attraction = np.repeat([0.02, 0.95], 6)
    atoms = anneal(n, attraction, family, element, np.random.default_rng(seeded(5)))
    assert atoms.shape == (12, n, 3)
    assert atoms[..., 2].min() == 0
    assert all(is_one_cluster(a, ELEMENTS[element][0]) for a in atoms)
    height = np.ptp(atoms[..., 2], axis=1)
    assert np.median(height[6:]) < 0.7 * np.median(height[:6])


def test_annealed_clusters_lie_in_a_minimum():
    atoms = torch.as_tensor(anneal(19, np.zeros(6), "gupta", "Pt", np.random.default_rng(seeded(2))))
    force = potential("gupta", "Pt").evaluate(atoms)[1].norm(dim=-1).amax(1)
    assert force.median() < 0.5  # eV/nm; a tenth of an atom's width out of its place it is 100


@pytest.mark.few(4)
@pytest.mark.parametrize("family", structures.FAMILIES)
@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_the_smallest_clusters_can_be_made(family, n, fresh_cache):
    atoms = StructureLibrary(1, per_size=4, families=(family,)).get(n, 0)
    assert atoms.shape == (n, 3)
    assert is_one_cluster(atoms, ELEMENTS["Pt"][0])


@settings(max_examples=examples(25), deadline=None)
@given(n=st.integers(1, 90), flatness=st.floats(0, 1), seed=st.integers(0, 1000))
def test_a_cut_cluster_has_exactly_its_atoms_none_on_top_of_another(n, flatness, seed):
    atoms = make_structure(n, np.random.default_rng(seeded(seed)), flatness)
    assert atoms.shape == (n, 3)
    assert np.allclose(atoms[:, :2].mean(axis=0), 0, atol=1e-9)
    assert atoms[:, 2].min() >= 0
    if n > 1:
        # the library draws anew what has atoms nearer than 0.8; a large raft comes near that
        assert pdist(atoms).min() > 0.75 * ELEMENTS["Pt"][0]


def test_flat_cut_clusters_are_lower_and_wider_than_round_ones():
    def extent(flatness: float) -> tuple[float, float]:
        made = [make_structure(55, np.random.default_rng(seeded(seed)), flatness) for seed in range(12)]
        return float(np.mean([np.ptp(a[:, 2]) for a in made])), float(np.mean([np.ptp(a[:, 0]) for a in made]))

    round_height, round_width = extent(0.1)
    flat_height, flat_width = extent(0.95)
    assert flat_height < 0.5 * round_height
    assert flat_width > 1.3 * round_width


@pytest.fixture
def fresh_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_ATOMICITY_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def pt30() -> StructureLibrary:
    return StructureLibrary(5, per_size=24)


def test_the_order_of_a_library_is_how_much_a_cluster_covers(pt30):
    covered = [structures.covered_nm2(pt30.get(30, i), ELEMENTS["Pt"][0]) for i in range(24)]
    assert covered == sorted(covered)
    assert covered[-1] > 1.5 * covered[0]


@settings(max_examples=examples(30), deadline=None)
@given(flatness=st.floats(0, 1), seed=st.integers(0, 1000))
def test_every_drawn_cluster_is_whole_and_on_the_support(pt30, flatness, seed):
    atoms = pt30.draw(30, flatness, np.random.default_rng(seeded(seed)))
    assert atoms.shape == (30, 3)
    assert np.allclose(atoms[:, :2].mean(axis=0), 0, atol=1e-9)
    assert atoms[:, 2].min() >= -1e-9
    # a tilt leans it by a few degrees, which changes distances a little
    assert pdist(atoms).min() > 0.7 * ELEMENTS["Pt"][0]


def test_drawing_leaves_the_library_as_it_is(pt30):
    before = pt30.get(30, 3)
    pt30.get(30, 3)[:] = 0
    pt30.draw(30, 0.1, np.random.default_rng(seeded(0)))
    assert np.array_equal(before, pt30.get(30, 3))


def test_libraries_of_different_seeds_share_no_cluster(pt30):
    other = StructureLibrary(6, per_size=24)
    one, two = (np.array([np.sort(pdist(made.get(30, i))) for i in range(24)]) for made in (pt30, other))
    within = np.abs(one[:, None] - one[None]).max(-1) + np.eye(24)
    assert within.min() > 0.003  # nm: another isomer, not the same one vibrating
    assert np.abs(one[:, None] - two[None]).max(-1).min() > 0.003


def test_a_library_is_the_same_from_the_cache_without_it_and_whatever_else_was_made(fresh_cache, monkeypatch):
    first = StructureLibrary(9, per_size=6)
    made = first.get(12, 4)
    assert len(list(fresh_cache.rglob("*.npz"))) == 2  # one a family
    assert np.array_equal(StructureLibrary(9, per_size=6).get(12, 4), made)
    monkeypatch.setenv("NAPARI_ATOMICITY_CACHE", str(fresh_cache / "other"))
    other = StructureLibrary(9, per_size=6)
    drain(other.make_steps([5, 12]))
    assert np.array_equal(other.get(12, 4), made)


@pytest.mark.parametrize("damage", [b"", b"not a zip", "cut"])
def test_a_damaged_cache_is_made_anew(fresh_cache, damage):
    made = StructureLibrary(9, per_size=4, families=("gupta",)).get(8, 2)
    (path,) = fresh_cache.rglob("*.npz")
    path.write_bytes(path.read_bytes()[:100] if damage == "cut" else damage)
    assert np.array_equal(StructureLibrary(9, per_size=4, families=("gupta",)).get(8, 2), made)
    with np.load(path) as stored:
        assert stored["positions_nm"].shape == (4, 8, 3)


def test_a_cache_that_cannot_be_written_does_not_matter(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("NAPARI_ATOMICITY_CACHE", str(tmp_path / "file"))
    assert StructureLibrary(9, per_size=4, families=("gupta",)).get(5, 0).shape == (5, 3)


@pytest.mark.slow
def test_progress_grows_to_its_total_and_stopping_leaves_nothing_half_made(fresh_cache):
    made = StructureLibrary(3, per_size=60, families=("gupta", "block"))
    first = next(made.make_steps([4]))
    assert (first.done, first.total) == (1, 4)
    assert not list(fresh_cache.rglob("*.npz"))
    steps = list(made.make_steps([4, 5]))
    assert [p.done for p in steps] == list(range(1, 9))
    assert {p.total for p in steps} == {8}
    assert not list(made.make_steps([4, 5]))


def test_the_test_potential_is_never_trained_on():
    assert set(library("train").families) == set(library("validation").families) == {"gupta", "block"}
    assert library("test").families == library("sample").families == ("emt",)
    assert library("test", "Ir").families == ("gupta",)
    assert library("test", "Ir").seed != library("train", "Ir").seed


def test_what_is_unknown_is_refused_with_what_is_known():
    with pytest.raises(InputError, match="Pt, Au"):
        make_structure(10, np.random.default_rng(seeded(0)), element="Xx")
    with pytest.raises(InputError, match="Pt, Au"):
        library("train", "Xx")
    with pytest.raises(InputError, match="gupta, block"):
        library("train", "Rh", ("emt",))
    with pytest.raises(InputError, match="train, validation"):
        library("exam")
    with pytest.raises(InputError, match="0 atoms"):
        StructureLibrary(1).get(0, 0)
