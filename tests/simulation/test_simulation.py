"""The simulated micrographs: known physics, exact truth, the same from run to run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from napari_atomicity.errors import InputError
from napari_atomicity.simulation.imaging import atom_weights, render_atoms
from napari_atomicity.simulation.structures import ELEMENTS, StructureLibrary, make_structure


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 90), flatness=st.floats(0, 1), seed=st.integers(0, 1000))
def test_a_cluster_has_exactly_its_atoms_none_on_top_of_another(n, flatness, seed):
    atoms = make_structure(n, np.random.default_rng(seed), flatness)
    assert atoms.shape == (n, 3)
    assert np.allclose(atoms[:, :2].mean(axis=0), 0, atol=1e-9)
    assert atoms[:, 2].min() >= 0
    if n > 1:
        assert pdist(atoms).min() > 0.8 * ELEMENTS["Pt"][0]


def test_flat_clusters_are_lower_and_wider_than_round_ones():
    def extent(flatness: float) -> tuple[float, float]:
        made = [make_structure(55, np.random.default_rng(seed), flatness) for seed in range(12)]
        return float(np.mean([np.ptp(a[:, 2]) for a in made])), float(np.mean([np.ptp(a[:, 0]) for a in made]))

    round_height, round_width = extent(0.1)
    flat_height, flat_width = extent(0.95)
    assert flat_height < 0.5 * round_height
    assert flat_width > 1.3 * round_width


def test_libraries_of_different_seeds_share_no_cluster():
    one, other = StructureLibrary(11), StructureLibrary(22)
    assert not np.allclose(one.get(19, 5), other.get(19, 5))
    assert np.array_equal(one.get(19, 5), StructureLibrary(11).get(19, 5))


def test_an_unknown_metal_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="Pt, Au"):
        make_structure(10, np.random.default_rng(0), element="Xx")


@settings(max_examples=20, deadline=None)
@given(pixel=st.floats(0.01, 0.12), fwhm=st.floats(0.12, 0.4), y=st.floats(2.3, 3.7), x=st.floats(2.3, 3.7))
def test_an_atom_keeps_its_signal_and_its_place_at_every_pixel_size(pixel, fwhm, y, x):
    size = int(6 / pixel)
    image = render_atoms((size, size), pixel, np.array([[y, x]]) / pixel, np.array([1.0]), np.array([fwhm]))
    assert image.sum() * pixel**2 == pytest.approx(1, rel=2e-3)
    rows, cols = np.indices(image.shape)
    assert (image * rows).sum() / image.sum() * pixel == pytest.approx(y, abs=2e-3)
    assert (image * cols).sum() / image.sum() * pixel == pytest.approx(x, abs=2e-3)


def test_two_aligned_atoms_scatter_more_than_two_apart():
    aligned = atom_weights(np.array([[0, 0, 0], [0, 0, 0.28]])).sum()
    apart = atom_weights(np.array([[0, 0, 0], [0.28, 0, 0]])).sum()
    assert apart == pytest.approx(2, abs=1e-6)
    assert aligned == pytest.approx(2.46, abs=0.01)  # two aligned Pt atoms in multislice tables


def test_integrated_signal_is_linear_in_the_number_of_atoms():
    rng = np.random.default_rng(0)
    sizes = np.array([13, 19, 30, 41, 55, 70, 100])
    signal = [np.mean([atom_weights(make_structure(n, rng, 0.4)).sum() for _ in range(25)]) for n in sizes]
    exponent = np.polyfit(np.log(sizes), np.log(signal), 1)[0]
    assert exponent == pytest.approx(1, abs=0.04)
