"""The simulated micrographs: known physics, exact truth, the same from run to run."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from napari_atomicity.errors import InputError
from napari_atomicity.io import read
from napari_atomicity.simulation.acquisition import Detector, Support, acquire, support_signal
from napari_atomicity.simulation.files import write_frame
from napari_atomicity.simulation.frames import CONDITIONS, sample_spec, simulate_frame
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


def test_noise_has_the_standard_deviation_and_correlation_it_was_given():
    flat = np.full((400, 400), 6.0, dtype=np.float32)
    detector = Detector(noise=0.2, correlation=0.3, line_offset=0, jitter_nm=0, gain=50, black=300)
    image = acquire(flat, 6.0, 0.05, detector, np.random.default_rng(1))
    noise = image - image.mean()
    assert image.mean() == pytest.approx(300 + 50 * 6, rel=0.01)
    assert noise.std() == pytest.approx(0.2 * 6 * 50, rel=0.02)
    assert (noise[:, 1:] * noise[:, :-1]).mean() / noise.var() == pytest.approx(0.3, abs=0.02)
    assert (noise[1:] * noise[:-1]).mean() / noise.var() == pytest.approx(0, abs=0.02)


def test_vacuum_has_no_support_and_covers_the_share_it_was_given():
    film, covered = support_signal((256, 256), 0.1, Support(vacuum=0.3), np.random.default_rng(2))
    assert 1 - covered.mean() == pytest.approx(0.3, abs=0.02)
    assert film[~covered].max() == 0


@pytest.mark.parametrize("condition", [*CONDITIONS, "random"])
def test_every_condition_makes_a_frame_with_its_truth(condition):
    spec = sample_spec(condition, {19: 0.5, 70: 0.5}, n_clusters=12, shape=(384, 384), seed=4, touching=0.3)
    frame = simulate_frame(spec, 4)
    clusters = frame.truth[frame.truth.kind.isin(["cluster", "touching"])]
    assert np.isfinite(frame.image).all()
    assert set(clusters.n_atoms) <= {19, 70}
    assert len(clusters) >= 6
    again = simulate_frame(spec, 4)
    assert np.array_equal(frame.image, again.image)
    pd.testing.assert_frame_equal(frame.truth, again.truth)


def test_the_scale_is_the_integrated_intensity_of_an_atom():
    quiet = Detector(noise=0, line_offset=0, jitter_nm=0, gain=700, black=90)
    bare = Support(thickness_nm=0, speckle=0, roughness=0)
    spec = sample_spec(
        "clean", {30: 1.0}, 5, (512, 512), seed=1, detector=quiet, support=bare, satellites=0, pixel_size_nm=0.05
    )
    frame = simulate_frame(spec, 1)
    if frame.truth.on_edge.any():
        pytest.skip("a cluster is cut by the border")
    counts = (frame.image - 90).sum() * 0.05**2 / frame.scale_counts_nm2_per_atom
    assert counts == pytest.approx(30 * len(frame.truth), rel=0.08)  # aligned atoms add a little


def test_an_unknown_condition_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="nominal"):
        sample_spec("perfect")


def test_a_frame_on_disk_opens_calibrated_and_carries_its_truth(tmp_path):
    frame = simulate_frame(sample_spec("nominal", n_clusters=5, shape=(256, 256), seed=2), 2)
    image, table, recipe = write_frame(frame, tmp_path, "one")
    micrograph = read(image)
    assert micrograph.pixel_size_nm == pytest.approx(frame.pixel_size_nm, rel=1e-4)
    assert np.allclose(micrograph.data, frame.image, atol=0.5 if micrograph.data.dtype == np.uint16 else 0)
    assert len(pd.read_csv(table)) == len(frame.truth)
    assert json.loads(recipe.read_text(encoding="utf-8"))["simulated"] is True
