from dataclasses import replace

import numpy as np
import pytest
import torch

from counting.synthetic import SIZES, evidence_of, trained_bundle
from napari_atomicity.counting.calibrate import calibrate_frame
from napari_atomicity.progress import drain
from napari_atomicity.training import scales
from napari_atomicity.training.library import Library, Recipe, _sample
from seeds import seeded


def _library(n_frames, clusters=12):
    rng = np.random.default_rng(seeded(0))
    n = n_frames * clusters
    n_atoms = rng.choice(SIZES, n)
    scale = np.repeat(rng.uniform(3, 9, n_frames), clusters)
    return Library(
        raw=rng.normal(0, 0.1, (n, 64, 64)).astype(np.float16),
        noise=np.full(n, 0.1, np.float32),
        log_integral=np.log(n_atoms) + scale,
        diameter_nm=0.3 * n_atoms ** (1 / 3),
        flag=np.full(n, "ok"),
        n_atoms=n_atoms,
        whole=np.ones(n, dtype=bool),
        log_scale=scale,
        frame=np.repeat(np.arange(n_frames), clusters),
        condition=np.full(n, "nominal"),
    )


def test_too_few_frames_leave_the_model_as_it_was():
    bundle = trained_bundle()
    assert drain(scales.taught_scales_steps(bundle, _library(20))) is bundle


@pytest.mark.slow
def test_what_is_learnt_is_the_same_every_time_and_beats_not_having_learnt(monkeypatch):
    """Shapes that say twice what they should make the likelihood sure of a wrong scale; the network sees through it."""
    monkeypatch.setattr(scales, "_EPOCHS", 4)
    rng = np.random.default_rng(seeded(0))

    def frame(seed, scale):
        # every frame's shapes err alike, by up to a class
        n_atoms = rng.choice(SIZES, 40) if seed % 2 else np.full(40, rng.choice(SIZES))
        return evidence_of(n_atoms, scale, shape_sd=0.15, bias=0.1 + 0.25, seed=seed)

    samples = [scales._Frame(frame(i, 1000.0), np.log(1000.0)) for i in range(160)]
    networks = [drain(scales._trained_steps(samples, seed=1)) for _ in range(2)]
    for one, other in zip(*(network.state_dict().values() for network in networks), strict=True):
        torch.testing.assert_close(one, other)
    errors = {"taught": [], "not": []}
    for i in range(500, 530):
        evidence = frame(i, 1000.0)
        for name, network in (("taught", networks[0]), ("not", None)):
            found = calibrate_frame(replace(evidence, scale_network=network))
            errors[name].append(abs(np.log(found.intensity_per_atom / 1000.0)) > 0.12)
    assert np.mean(errors["taught"]) < 0.5 * np.mean(errors["not"])


def test_frames_are_held_back_by_their_number_alone():
    held = [frame for frame in range(500) if scales._is_held_back(frame)]
    assert held == [frame for frame in range(500) if scales._is_held_back(frame)]
    assert 0.05 < len(held) / 500 < 0.2


@pytest.mark.parametrize("seed", range(8))
def test_a_drawn_sample_is_some_of_the_frame(seed):
    rng = np.random.default_rng(seeded(seed))
    index = rng.integers(-1, 5, 60)
    rows = np.arange(100, 160)
    drawn = scales._other_sample(rows, index, 5, rng)
    assert set(drawn) <= set(rows) and len(set(drawn)) == len(drawn) > 0


def test_samples_of_every_kind_are_simulated():
    kinds = [_sample(Recipe(), np.random.default_rng(seeded(i))) for i in range(200)]
    members = [[share for size, share in kind.items() if size in SIZES] for kind in kinds]
    assert {len(shares) for shares in members} >= {1, 5}
    for kind in kinds:
        assert sum(kind.values()) == pytest.approx(1, abs=0.01)
