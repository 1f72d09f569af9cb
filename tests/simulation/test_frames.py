"""Whole simulated micrographs: exact truth, the same from run to run."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from scipy.spatial.distance import pdist

from napari_atomicity.errors import InputError
from napari_atomicity.io import read
from napari_atomicity.simulation.conditions import CONDITIONS, MIXED, sample_spec
from napari_atomicity.simulation.detector import Detector
from napari_atomicity.simulation.files import write_frame
from napari_atomicity.simulation.frames import simulate_frame
from napari_atomicity.simulation.placing import Placing
from napari_atomicity.simulation.support import Support, support_signal
from seeds import seeded


def test_fringes_of_a_crystalline_support_have_their_spacing_and_are_faint():
    crystalline = Support(thickness_nm=10, structure=0.0, speckle=0.0, gradient=0.0, lattice=0.2, lattice_nm=0.3)
    signal, _ = support_signal((512, 512), 0.03, crystalline, 0.12, np.random.default_rng(seeded(4)))
    power = np.abs(np.fft.rfft2(signal - signal.mean())) ** 2
    q = np.hypot(np.fft.fftfreq(512, 0.03)[:, None], np.fft.rfftfreq(512, 0.03)[None])
    assert (power * q).sum() / power.sum() == pytest.approx(1 / 0.3, rel=0.06)
    assert 0 < signal.std() < 0.2 * crystalline.level


def test_some_wide_frames_have_a_lopsided_probe_or_a_crystalline_support_and_say_so():
    specs = [sample_spec("wide", None, 4, shape=(96, 96), seed=seed) for seed in range(40)]
    lopsided = [spec for spec in specs if spec.probe.optics is not None]
    crystalline = [spec for spec in specs if spec.support.lattice]
    assert 2 <= len(lopsided) <= 20
    assert 2 <= len(crystalline) <= 16
    said = simulate_frame(lopsided[0], 1).describe()["spec"]["probe"]["optics"]
    assert json.loads(json.dumps(said))["astigmatism_nm"] == list(lopsided[0].probe.optics.astigmatism_nm)
    assert "optics" not in simulate_frame(sample_spec("clean", None, 2, shape=(96, 96)), 1).describe()["spec"]["probe"]


@pytest.mark.parametrize("condition", [*CONDITIONS, *MIXED])
def test_every_condition_makes_a_frame_with_its_truth(condition):
    spec = sample_spec(condition, {19: 0.5, 70: 0.5}, n_clusters=12, shape=(384, 384), seed=seeded(4), touching=0.3)
    frame = simulate_frame(spec, seeded(4))
    clusters = frame.truth[frame.truth.kind.isin(["cluster", "touching"])]
    assert np.isfinite(frame.image).all()
    assert set(clusters.n_atoms) <= {19, 70}
    assert len(clusters) >= 6
    again = simulate_frame(spec, seeded(4))
    assert np.array_equal(frame.image, again.image)
    pd.testing.assert_frame_equal(frame.truth, again.truth)


def test_the_scale_is_the_integrated_intensity_of_an_atom():
    quiet = Detector(dose=1e9, line_offset=0, jitter_nm=0, gain=700, black=90)
    bare = Support(thickness_nm=0, speckle=0, structure=0, gradient=0)
    spec = sample_spec(
        "clean",
        {30: 1.0},
        5,
        (640, 640),
        seed=seeded(1),
        detector=quiet,
        support=bare,
        satellites=0,
        collar=0,
        pixel_size_nm=0.05,
    )
    frame = simulate_frame(spec, seeded(1))
    assert not frame.truth.on_edge.any()
    counts = (frame.image - 90).sum() * 0.05**2 / frame.scale_counts_nm2_per_atom
    assert counts == pytest.approx(30 * len(frame.truth), rel=0.08)  # aligned atoms add a little


def test_random_frames_combine_ingredients_that_no_named_condition_does():
    specs = [sample_spec("random", seed=seeded(seed)) for seed in range(400)]
    doses = np.array([spec.detector.dose for spec in specs])
    thick = np.array([spec.support.thickness_nm for spec in specs])
    assert doses.min() < 80 and doses.max() > 2000
    assert thick.min() < 5 and thick.max() > 25
    assert any(d < 120 and t > 20 for d, t in zip(doses, thick, strict=True))
    flatness = np.array([spec.flatness for spec in specs])
    assert flatness.std() > 0.15 and flatness.min() >= 0 and flatness.max() <= 1
    # what the models that come along have learnt: a world with more in it is a condition of its own
    assert not any(spec.probe.optics or spec.support.lattice for spec in specs)


@pytest.mark.parametrize("condition", ["nominal", "scan_noise"])
def test_truth_is_where_the_clusters_are_seen_though_they_and_the_scan_move(condition):
    bare = Support(thickness_nm=0, speckle=0, structure=0, gradient=0)
    spec = sample_spec(condition, {55: 1.0}, 6, (400, 400), 3, support=bare, satellites=0, collar=0, pixel_size_nm=0.05)
    spec = replace(spec, detector=replace(spec.detector, dose=1e9, drift=(0.02, -0.02), line_offset=0, hum=0))
    frame = simulate_frame(spec, seeded(3))
    image = frame.image - spec.detector.black
    rows, cols = np.indices(image.shape)
    for y, x in frame.truth.loc[~frame.truth.on_edge, ["y_px", "x_px"]].to_numpy():
        near = image * (np.hypot(rows - y, cols - x) < 1.4 / 0.05)
        seen = np.array([(near * rows).sum(), (near * cols).sum()]) / near.sum()
        assert np.hypot(*(seen - [y, x])) * 0.05 < 0.15


def test_a_vacuum_holds_no_atom():
    spec = sample_spec("nominal", n_clusters=30, seed=seeded(5), shape=(512, 512), satellites=6.0)
    spec = replace(spec, support=replace(spec.support, vacuum=0.4))
    frame = simulate_frame(spec, seeded(5))
    empty = simulate_frame(replace(spec, n_clusters=0), seeded(5)).image
    smooth = ndimage.gaussian_filter(empty, 10)
    at = smooth[tuple(np.round(frame.truth[["y_px", "x_px"]].to_numpy()).astype(int).T)]
    assert len(frame.truth) > 60
    assert np.mean(at > np.quantile(smooth, 0.3)) > 0.95


def test_merged_clusters_keep_all_their_atoms_and_none_sits_in_another():
    spec = sample_spec("clean", {19: 0.5, 30: 0.5}, 20, (768, 768), seed=seeded(6), dimers=1.0)
    placed = Placing(spec, np.ones((768, 768), dtype=bool), np.random.default_rng(seeded(6))).run()
    dimers = [thing for thing in placed if thing.kind == "dimer"]
    assert len(dimers) >= 10
    assert {len(thing.atoms) for thing in dimers} <= {38, 49, 60}
    assert min(pdist(thing.atoms).min() for thing in dimers) > 0.17
    # some lie side by side, some on top of one another
    heights = np.array([np.ptp(thing.atoms[:, 2]) for thing in dimers])
    assert heights.max() > heights.min() + 0.2


def test_an_unknown_condition_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="nominal"):
        sample_spec("perfect")


def test_a_frame_on_disk_opens_calibrated_and_carries_its_truth(tmp_path):
    frame = simulate_frame(sample_spec("nominal", n_clusters=5, shape=(256, 256), seed=seeded(2)), seeded(2))
    image, table, recipe = write_frame(frame, tmp_path, "one")
    micrograph = read(image)
    assert micrograph.pixel_size_nm == pytest.approx(frame.pixel_size_nm, rel=1e-4)
    assert np.allclose(micrograph.data, frame.image, atol=0.5 if micrograph.data.dtype == np.uint16 else 0)
    assert len(pd.read_csv(table)) == len(frame.truth)
    assert json.loads(recipe.read_text(encoding="utf-8"))["simulated"] is True
