"""The simulated micrographs: known physics, exact truth, the same from run to run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from napari_atomicity.errors import InputError
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
