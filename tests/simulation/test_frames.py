"""Whole simulated micrographs: exact truth, the same from run to run."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from napari_atomicity.errors import InputError
from napari_atomicity.io import read
from napari_atomicity.simulation.detector import Detector
from napari_atomicity.simulation.files import write_frame
from napari_atomicity.simulation.frames import CONDITIONS, sample_spec, simulate_frame
from napari_atomicity.simulation.support import Support


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
    bare = Support(thickness_nm=0, speckle=0, structure=0, gradient=0)
    spec = sample_spec(
        "clean",
        {30: 1.0},
        5,
        (512, 512),
        seed=1,
        detector=quiet,
        support=bare,
        satellites=0,
        collar=0,
        pixel_size_nm=0.05,
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
