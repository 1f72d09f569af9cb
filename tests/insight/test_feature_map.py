"""The map of features: placing is exact, the same every time, and honest about strangers."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from counting.synthetic import GAIN, sized_blobs, trained_bundle
from napari_atomicity.clusters import ClusterTable
from napari_atomicity.counting.bundle import load_bundle, save_bundle, weights_sha256
from napari_atomicity.counting.classify import evidence_steps, look_steps
from napari_atomicity.counting.library_patches import library_patches, packed
from napari_atomicity.errors import InputError
from napari_atomicity.insight import feature_map, fitting
from napari_atomicity.insight.feature_map import feature_map_steps, purity
from napari_atomicity.insight.islands import HELD, islands
from napari_atomicity.insight.library import library_of
from napari_atomicity.pipeline import Count, map_table_steps
from napari_atomicity.processes import python as interpreter
from napari_atomicity.progress import drain
from seeds import seeded


@pytest.fixture(scope="module")
def bundle():
    """A trained model with a library and a map of its first two principal features."""
    # in doubt about its counts: to one that is sure all clusters of a class are the same
    trained = replace(trained_bundle(), card=replace(trained_bundle().card, integral_tau=0.2))
    n_atoms, patches, _ = sized_blobs()
    index = np.array([trained.card.class_sizes.index(n) for n in n_atoms])
    some = patches.take(np.arange(20, 100))
    kept = packed(some.raw, some.noise, some.log_integral - np.log(GAIN), index[20:100])
    with_clusters = replace(trained, library=kept)
    library = library_of(with_clusters)
    points = library.standardised(library.features)
    axes = np.linalg.svd(points, full_matrices=False)[2][:2]
    return replace(with_clusters, library=kept | {"map": (points @ axes.T).astype(np.float32)})


@pytest.fixture(scope="module")
def found(bundle):
    return drain(feature_map_steps(bundle))


@pytest.fixture(scope="module")
def evidence(bundle):
    """Of clusters that are not in the library."""
    _, patches, _ = sized_blobs()
    some, scale = patches.take(np.arange(100, 300)), np.full(200, np.log(GAIN))
    return drain(look_steps(bundle, some, drain(evidence_steps(bundle, some)), scale, np.zeros(200)))


def test_patches_come_back_from_their_bytes():
    _, patches, _ = sized_blobs()
    log_atoms = patches.log_integral[:9] - np.log(GAIN)
    kept = packed(patches.raw[:9], patches.noise[:9], log_atoms, np.arange(9) % 5)
    again, index = library_patches(replace(trained_bundle(), rehearsal={}, library=kept))
    step = np.ptp(patches.raw[:9], axis=(1, 2)) / 255
    assert (np.abs(again.raw - patches.raw[:9]).max(axis=(1, 2)) <= 0.51 * step).all()
    assert index.tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3]
    # one atom is one count in them
    np.testing.assert_allclose(again.log_integral, log_atoms, rtol=1e-6)


def test_the_library_travels_with_the_model_and_leaves_its_weights(bundle, tmp_path):
    again = load_bundle(save_bundle(bundle, tmp_path / "mine"))
    for name, value in bundle.library.items():
        np.testing.assert_array_equal(again.library[name], value)
    assert weights_sha256(again) == weights_sha256(trained_bundle())
    assert len(library_of(again)) == 100


def test_a_model_without_one_loads_as_before(tmp_path):
    again = load_bundle(save_bundle(trained_bundle(), tmp_path / "old"))
    assert again.library == {} and len(library_of(again)) == 20
    with pytest.raises(InputError, match="no library clusters"):
        library_of(replace(again, rehearsal={}))


@pytest.mark.parametrize("broken", [{"scale": np.ones(3, np.float32)}, {"map": np.zeros((7, 2), np.float32)}])
def test_library_parts_that_do_not_fit_are_refused(bundle, tmp_path, broken):
    path = save_bundle(replace(bundle, library={**bundle.library, **broken}), tmp_path / "broken")
    with pytest.raises(InputError, match="do not belong together"):
        load_bundle(path)


def test_the_library_lands_on_itself(bundle, found):
    placed = found.place(found.library.features)
    np.testing.assert_allclose(placed.xy, found.xy, atol=1e-4)
    assert placed.nearest.tolist() == list(range(len(found.xy))) and not placed.outlier.any()
    # looked at anew, in another company
    rows = np.array([70, 3, 41])
    part, nothing = found.library.patches.take(rows), np.zeros(3)
    seen = drain(look_steps(bundle, part, drain(evidence_steps(bundle, part)), nothing, nothing))
    np.testing.assert_allclose(found.place(seen.features).xy, found.xy[rows], atol=1e-2)


def test_order_and_company_do_not_matter(found, evidence, monkeypatch):
    features = evidence.features
    whole = found.place(features)
    order = np.random.default_rng(seeded(0)).permutation(len(features))
    np.testing.assert_array_equal(found.place(features[order]).xy, whole.xy[order])
    np.testing.assert_array_equal(found.place(features[7:8]).xy[0], whole.xy[7])
    monkeypatch.setattr(feature_map, "_ROWS_AT_ONCE", 3)
    np.testing.assert_array_equal(found.place(features).xy, whole.xy)


def test_memberships_are_those_of_umap():
    distance = np.sort(np.random.default_rng(seeded(1)).uniform(1, 5, (6, 15)), axis=1)
    total = np.exp(-distance / feature_map._bandwidth(distance)[:, None]).sum(axis=1)
    np.testing.assert_allclose(total, np.log2(15), rtol=1e-6)


def test_clusters_of_a_class_lie_on_its_island(found, evidence):
    n_atoms = sized_blobs()[0][100:]
    placed = found.place(evidence.features)
    labels = np.array(found.library.labels)[placed.nearest]
    assert np.mean(labels == np.array([f"Pt{n}" for n in n_atoms])) > 0.7
    assert placed.outlier.mean() < 0.2
    chance = np.random.default_rng(seeded(0)).normal(size=(200, 4))
    assert purity(evidence.features, n_atoms) > 0.7 > purity(chance, n_atoms)


def test_strangers_are_marked_and_nothing_is_said_of_the_unseen(found):
    strange = np.vstack([found.library.features[0] * 5 + 9, np.full(found.library.features.shape[1], np.nan)])
    placed = found.place(strange.astype(np.float32))
    assert placed.outlier.tolist() == [True, False]
    assert np.isfinite(placed.xy[0]).all() and np.isnan(placed.xy[1]).all()
    assert placed.nearest[1] == -1 and np.isnan(placed.distance[1])


def test_each_island_holds_its_part_of_its_class(found):
    from skimage.measure import points_in_poly

    for index, island in enumerate(islands(found)):
        members = found.xy[found.library.class_index == index].astype(float)
        for held, outlines in zip(HELD, island.outlines, strict=True):
            within = np.zeros(len(members), dtype=bool)
            for outline in outlines:
                within ^= points_in_poly(members, outline)
            assert within.mean() >= held - 0.2  # of some twenty clusters


def test_a_class_on_one_point_has_an_island_round_it(found):
    from skimage.measure import points_in_poly

    collapsed = found.xy.copy()
    collapsed[found.library.class_index == 2] = collapsed[found.library.class_index == 2][0]
    island = islands(replace(found, xy=collapsed))[2]
    point = collapsed[found.library.class_index == 2][:1].astype(float)
    assert all(any(points_in_poly(point, line)[0] for line in outlines) for outlines in island.outlines)


def test_the_table_for_headless_use(bundle, evidence):
    table = ClusterTable.from_columns({"y_px": np.zeros(200), "x_px": np.zeros(200), "frame": np.arange(200) // 100})
    classified = Count(table, evidence, sized_blobs()[1].take(np.arange(100, 300)), {})
    rows = drain(map_table_steps(classified, bundle))
    assert list(rows) == ["id", "frame", "map_x", "map_y", "nearest_class", "distance", "outlier"]
    assert rows["id"].tolist() == list(range(200)) and set(rows["nearest_class"]) <= set(bundle.card.labels)


def test_an_old_model_gets_its_map_once(bundle, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_ATOMICITY_CACHE", str(tmp_path))
    old = replace(bundle, library={name: value for name, value in bundle.library.items() if name != "map"})
    calls = []

    def fitted(points, seed=0):
        calls.append(len(points))
        yield from ()
        return points[:, :2].astype(np.float64)

    monkeypatch.setattr(feature_map, "fitted_steps", fitted)
    first = drain(feature_map_steps(old))
    # a copy that was adapted has the same places
    tuned = replace(old, network=trained_copy(old.network), shipped=old.network)
    second = drain(feature_map_steps(tuned))
    assert calls == [100]
    np.testing.assert_array_equal(first.xy, second.xy)
    assert not np.array_equal(first.library.features, second.library.features)
    # atoms grow along x
    assert np.corrcoef(first.xy[:, 0], first.library.class_index)[0, 1] > 0
    (kept,) = (tmp_path / "maps").iterdir()
    kept.write_bytes(b"damaged")
    drain(feature_map_steps(old))
    assert calls == [100, 100]


def trained_copy(network):
    import copy

    moved = copy.deepcopy(network)
    for values in moved.state_dict().values():
        if values.dtype.is_floating_point:
            values.mul_(1.2)
    return moved


def test_without_umap_one_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(fitting, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install") as raised:
        drain(fitting.fitted_steps(np.zeros((20, 3))))
    assert "\n" not in str(raised.value)


def test_closing_the_work_kills_its_process(monkeypatch):
    pytest.importorskip("umap")
    started = []
    popen = subprocess.Popen

    def noted(*arguments, **options):
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(fitting.subprocess, "Popen", noted)
    steps = fitting.fitted_steps(np.random.default_rng(seeded(0)).normal(size=(400, 96)))
    next(steps)
    (process,) = started
    assert process.poll() is None
    steps.close()
    assert process.returncode is not None and process.returncode != 0
    assert process.stdout.closed and process.stdin.closed


def test_a_process_that_fails_says_why(monkeypatch):
    pytest.importorskip("umap")
    monkeypatch.setattr(fitting, "_MODULE", "napari_atomicity.no_such_module")
    with pytest.raises(InputError, match="no_such_module"):
        drain(fitting.fitted_steps(np.zeros((20, 3))))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_map_in_a_fresh_process():
    pytest.importorskip("umap")
    points = np.random.default_rng(seeded(0)).normal(size=(30, 5)) + np.repeat([[0], [9], [18]], 10, axis=0)
    first, second = (drain(fitting.fitted_steps(points, seed=3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    group = np.repeat([0, 1, 2], 10)
    assert purity(first, group) > 0.85


def test_a_window_of_napari_is_no_interpreter(monkeypatch, tmp_path):
    python = tmp_path / ("python.exe" if os.name == "nt" else "bin/python3")
    python.parent.mkdir(exist_ok=True)
    python.touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "napari"))
    assert interpreter() == str(python)
