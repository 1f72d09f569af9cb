"""The chain as a whole: what carries over, what agrees to the bit, what the report says."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from napari_atomicity.counting.bundle import load_bundle
from napari_atomicity.errors import InputError
from napari_atomicity.insight.question import Question
from napari_atomicity.io import image_hash, micrograph_hash
from napari_atomicity.micrograph import FileState, Micrograph, Provenance
from napari_atomicity.pipeline import (
    Settings,
    analyse,
    analyse_steps,
    classify_steps,
    detect,
    detect_steps,
    explain_steps,
    measure_steps,
)
from napari_atomicity.progress import drain
from napari_atomicity.report.summary import describe
from seeds import seeded


@pytest.fixture(scope="module")
def settings(model_path) -> Settings:
    return Settings(model=str(model_path))


@pytest.fixture(scope="module")
def analysis(micrograph, settings):
    return analyse(micrograph, settings)


@pytest.fixture(scope="module")
def stack(micrograph) -> Micrograph:
    """The frame, nothing at all, and the frame turned over."""
    image = micrograph.data
    return Micrograph(np.stack([image, np.zeros_like(image), image[::-1]]), micrograph.pixel_size_nm, name="stack")


def test_detection_finds_the_simulated_clusters_and_fills_both_units(micrograph, simulated):
    table = detect(micrograph).table
    truth = simulated.truth[simulated.truth["kind"] == "cluster"]
    distance = np.linalg.norm(table.centres_px[:, None] - truth[["y_px", "x_px"]].to_numpy()[None], axis=2)
    assert (distance.min(axis=0) * micrograph.pixel_size_nm < 0.5).mean() > 0.9
    np.testing.assert_allclose(
        table.rows[["y_nm", "x_nm"]].to_numpy(), table.centres_px * micrograph.pixel_size_nm, rtol=0, atol=0
    )
    assert (table.rows["label"] == "").all()


def test_an_uncalibrated_or_refused_micrograph_is_not_counted(micrograph):
    with pytest.raises(InputError, match="pixel size"):
        detect(Micrograph(micrograph.data))
    with pytest.raises(InputError, match="a photograph"):
        detect(Micrograph(micrograph.data, 0.05, refusal="This is a photograph."))
    with pytest.raises(InputError):
        detect(Micrograph(np.full((64, 64), 7.0, dtype=np.float32), 0.05, name="flat"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"sensitivity": 1.5},
        {"adapt": "always"},
        {"intensity_per_atom": -1.0},
        {"intensity_per_atom": float("nan")},
        {"intensity_per_atom_sd": 0.0},
        {"intensity_per_atom_sd": float("nan")},
        {"deposited": (0,)},
        {"deposited": (19, 19)},
        {"fractions": (1.0,)},
        {"deposited": (19, 55), "fractions": (1.0,)},
        {"deposited": (19, 55), "fractions": (0.5, 0.3)},
        {"deposited": (19, 55), "fractions": (1.5, -0.5)},
        {"deposited": (19, 55), "fractions": (float("nan"), 0.5)},
        {"anchors": ("horoscope",)},
    ],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(InputError):
        Settings(**wrong)


def test_shares_may_be_parts_of_one_or_per_cent():
    for shares in ((0.7, 0.3), (70.0, 30.0), (0.667, 0.333)):
        assert Settings(deposited=(19, 55), fractions=shares).known.fractions == shares


def test_a_new_detection_keeps_what_a_person_did(micrograph, settings):
    first = detect(micrograph).table
    kept, deleted = int(first.ids[0]), int(first.ids[1])
    edited = first.annotate([kept], "Pt55").drop([deleted])
    edited = edited.add({"y_px": [250.5], "x_px": [10.5], "frame": [0]})
    again = drain(detect_steps(micrograph, Settings(sensitivity=0.6), edited)).table
    assert again.rows.set_index("id").loc[kept, "annotation"] == "Pt55"
    assert deleted not in again.ids
    assert edited.next_id - 1 in again.ids
    gone = first.rows.set_index("id").loc[deleted, ["y_px", "x_px"]].to_numpy(dtype=float)
    assert np.linalg.norm(again.centres_px - gone, axis=1).min() > 5


def test_a_point_placed_by_hand_is_measured_where_it_is_and_loses_its_old_label(micrograph, analysis):
    table = analysis.table
    row = table.rows.iloc[3]
    moved = table.with_columns(
        y_px=table.rows["y_px"].where(table.rows["id"] != row["id"], row["y_px"] + 1.5),
        annotation=table.rows["annotation"].where(table.rows["id"] != row["id"], "Pt30"),
    )
    measured = drain(measure_steps(micrograph, moved, [int(row["id"])])).rows
    new = measured.iloc[3]
    assert new["y_px"] == row["y_px"] + 1.5
    assert new["y_nm"] == new["y_px"] * micrograph.pixel_size_nm
    assert new["diameter_nm"] > 0 and new["intensity"] > 0
    assert new["label"] == "" and np.isnan(new["confidence"]) and np.isnan(new["p_19"])
    assert new["annotation"] == "Pt30"
    others = measured["id"] != row["id"]
    pd.testing.assert_frame_equal(measured[others], moved.rows[others])


def test_every_row_is_labelled_and_says_by_which_model_state(analysis):
    rows = analysis.table.rows
    assert analysis.table.class_sizes == (19, 30, 41, 55, 70)
    labelled = rows["label"] != ""
    assert labelled.mean() > 0.9
    assert set(rows.loc[labelled, "source"]) == {"base"}
    assert rows.loc[labelled, "confidence"].between(0, 1).all()


@pytest.mark.parametrize("adapt", ["auto", "off"])
def test_the_same_input_gives_the_same_table_to_the_bit(micrograph, settings, adapt):
    chosen = Settings(model=settings.model, adapt=adapt)
    first, second = (analyse(micrograph, chosen).table.rows for _ in range(2))
    pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_step_by_step_as_the_window_does_gives_the_table_of_the_whole_chain(micrograph, settings, analysis):
    import torch

    torch.set_num_threads(1)  # whatever the caller had set
    bundle = load_bundle(settings.model)
    found = drain(detect_steps(micrograph, settings))
    again = drain(detect_steps(micrograph, settings, found.table))  # a second click
    classified = drain(classify_steps(micrograph, again.table, bundle, settings))
    pd.testing.assert_frame_equal(classified.table.rows, analysis.table.rows, check_exact=True)
    twice = drain(classify_steps(micrograph, classified.table, bundle, settings))
    pd.testing.assert_frame_equal(twice.table.rows, analysis.table.rows, check_exact=True)


def test_stopping_at_any_step_changes_nothing(micrograph, settings, analysis):
    table = detect(micrograph).table
    before = table.rows.copy()
    steps = classify_steps(micrograph, table, load_bundle(settings.model), settings)
    next(steps)
    next(steps)
    steps.close()
    pd.testing.assert_frame_equal(table.rows, before, check_exact=True)


def test_every_frame_of_a_stack_is_counted_and_an_empty_one_said(stack, settings, analysis):
    done = analyse(stack, settings)
    assert sorted(done.table.rows["frame"].unique()) == [0, 2]
    assert any(message.startswith("Frame 1:") for message in done.messages)
    first = done.table.rows[done.table.rows["frame"] == 0]
    np.testing.assert_array_equal(first["intensity"], analysis.table.rows["intensity"])
    assert set(done.calibrations) == {0, 2}


def test_one_frame_of_a_stack_can_be_chosen(stack, settings):
    only = drain(detect_steps(stack, settings, frames=[2])).table
    assert set(only.rows["frame"]) == {2}
    with pytest.raises(InputError, match="no frame 9"):
        drain(detect_steps(stack, settings, frames=[9]))
    whole = drain(detect_steps(stack, settings)).table.annotate([0], "Pt19")
    again = drain(detect_steps(stack, settings, whole, frames=[2])).table
    pd.testing.assert_frame_equal(again.rows, whole.rows, check_exact=True)


def test_patches_follow_the_order_of_the_table(stack, settings):
    table = drain(detect_steps(stack, settings)).table
    bundle = load_bundle(settings.model)
    straight = drain(classify_steps(stack, table, bundle, Settings(adapt="off"))).table.rows
    order = np.random.default_rng(seeded(0)).permutation(len(table))
    mixed = type(table)(table.rows.iloc[order].reset_index(drop=True), (), table.next_id)
    shuffled = drain(classify_steps(stack, mixed, bundle, Settings(adapt="off"))).table.rows
    merged = shuffled.sort_values("id", ignore_index=True)
    np.testing.assert_array_equal(merged["label"], straight["label"])
    np.testing.assert_allclose(merged["n_atoms"], straight["n_atoms"], rtol=1e-4)


def test_no_clusters_is_an_empty_table_with_the_columns_of_the_model(settings):
    noise = np.random.default_rng(seeded(0)).normal(1000, 30, (256, 256)).astype(np.float32)
    done = analyse(Micrograph(noise, 0.05, name="support"), settings)
    assert len(done.table) == 0
    assert done.table.class_sizes == (19, 30, 41, 55, 70)
    assert any("No cluster" in message for message in done.messages)
    assert json.dumps(describe(done), allow_nan=False)


def test_images_of_a_session_calibrate_each_other(micrograph, settings):
    turned = Micrograph(np.ascontiguousarray(micrograph.data.T), micrograph.pixel_size_nm, name="turned")
    flat = Micrograph(np.zeros((64, 64), dtype=np.float32), 0.05, name="flat")
    refused = []
    steps = analyse_steps(
        [micrograph, flat, turned], settings, session=True, refused=lambda image, error: refused.append(image.name)
    )
    first, second = drain(steps)
    assert refused == ["flat"]
    assert first.counted_with == second.counted_with == ("simulated", "turned")
    alone = drain(analyse_steps([micrograph], settings))[0]
    assert alone.counted_with == ()
    assert not np.array_equal(alone.calibrations[0].weight, first.calibrations[0].weight)


def test_a_known_scale_is_used_even_without_adaptation(micrograph, settings, simulated):
    scale = simulated.scale_counts_nm2_per_atom
    done = analyse(micrograph, Settings(model=settings.model, adapt="off", intensity_per_atom=scale))
    assert done.calibrations[0].intensity_per_atom == pytest.approx(scale)
    found = analyse(micrograph, Settings(model=settings.model, adapt="off"))
    assert found.calibrations[0].clusters > 0 and found.adaptation is None


def test_an_image_that_was_replaced_meanwhile_does_not_lend_its_hash(analysis, tmp_path):
    path = tmp_path / "image.tif"
    path.write_bytes(b"another image")
    read_before = Provenance(path, file=FileState(size=1, modified_ns=1))
    report = describe(replace(analysis, micrograph=replace(analysis.micrograph, provenance=read_before)))
    assert report["image"]["sha256"] == micrograph_hash(analysis.micrograph) != image_hash(path)
    assert report["image"]["sha256_of"] == "pixels"
    assert "The file changed after its pixels were read" in report["messages"][-1]


def test_the_report_holds_everything_the_numbers_depend_on(analysis):
    report = json.loads(json.dumps(describe(analysis), allow_nan=False))
    assert report["image"]["pixel_size_nm"] == 0.05
    assert len(report["image"]["sha256"]) == len(report["model"]["sha256"]) == 64
    assert report["parameters"]["adapt"] == "auto"
    assert {"napari-atomicity", "numpy", "torch", "python"} <= set(report["versions"])
    counts = report["counts"]
    assert counts["found"] == len(analysis.table) == counts["analysed"] + sum(counts["rejected"].values())
    assert counts["analysed"] == sum(row["count"] for row in report["ratios"])
    for row in report["ratios"]:
        assert row["low"] <= row["fraction"] <= row["high"]
    assert isinstance(report["ambiguous"], bool)
    chances = [candidate["probability"] for candidate in report["candidates"]]
    assert chances == sorted(chances, reverse=True) and report["candidates"][0]["dominant"].startswith("Pt")
    assert {"detect", "classify", "calibrate"} <= set(report["timings"])


def test_rejected_clusters_are_counted_by_reason(analysis):

    flags = analysis.table.rows["flag"].map(lambda _: "ok")
    flags.iloc[:3] = ["border", "border", "saturated"]
    table = analysis.table.with_columns(flag=flags)
    report = describe(replace(analysis, table=table))
    assert report["counts"]["rejected"] == {"border": 2, "saturated": 1}
    assert report["counts"]["analysed"] == sum(row["count"] for row in report["ratios"])


def test_heat_maps_lie_over_their_clusters(micrograph, settings, analysis):
    chosen = [int(i) for i in analysis.table.ids[:2]]
    explained = drain(explain_steps(micrograph, analysis.table, analysis.bundle, ids=chosen, count=analysis.count))
    assert list(explained.ids) == chosen
    assert explained.overlay.shape == (len(explained.channel_names), *micrograph.shape_yx)
    assert np.isfinite(explained.overlay).all()
    far = (
        np.linalg.norm(
            np.indices(micrograph.shape_yx).transpose(1, 2, 0)[:, :, None] - analysis.table.centres_px[:2], axis=-1
        ).min(axis=-1)
        * micrograph.pixel_size_nm
        > 2.5
    )
    assert not explained.overlay[:, far].any()


def test_only_clusters_about_which_something_changed_are_explained_anew(micrograph, analysis):
    table, bundle, count = analysis.table, analysis.bundle, analysis.count

    def again(table, before, **options):
        return drain(explain_steps(micrograph, table, bundle, before=before, count=count, **options))

    first = again(table, None)
    assert first.reused == 0
    same = again(table.annotate([int(table.ids[0])], "Pt70"), first)
    assert same.reused == len(table) and same.overlay is first.overlay
    moved = table.rows.copy()
    moved.loc[2, "x_px"] += 6.0
    shifted = replace(table, rows=moved).drop([int(table.ids[5])])
    now, fresh = again(shifted, first), again(shifted, None)
    assert now.reused == len(table) - 2 and len(now.ids) == len(table) - 1
    np.testing.assert_array_equal(now.ids, fresh.ids)
    np.testing.assert_allclose(now.attribution.maps, fresh.attribution.maps, atol=1e-4)
    np.testing.assert_allclose(now.overlay, fresh.overlay, atol=1e-3)
    # another question, method or model is another explanation
    assert again(table, first, question=Question(method="integrated-gradients"), ids=[int(table.ids[1])]).reused == 0
    assert drain(explain_steps(micrograph, table, replace(bundle), before=first, ids=[1], count=count)).reused == 0
    other = Question("Pt55")
    assert again(table, first, question=other).reused == int((first.asked == 3).sum())


def test_clusters_of_an_explanation_as_a_table(micrograph, analysis):
    question = Question("Pt55", "Pt41", "hires-cam")
    explained = drain(
        explain_steps(micrograph, analysis.table, analysis.bundle, question=question, count=analysis.count)
    )
    rows = explained.clusters()
    assert rows["id"].tolist() == analysis.table.ids.tolist()
    there = rows["target"] == "Pt55"
    parts = rows.loc[there, ["log_odds_brightness", "log_odds_shape_raw", "log_odds_shape_lcn"]]
    assert np.isfinite(parts.to_numpy()).all() and there.any()
    assert (rows.loc[rows["silent_raw"], "strongest_raw"] == 0).all()
    assert set(rows["against"]) == {"Pt41"}


def test_the_density_over_the_image_sums_to_the_atoms_of_each_cluster(micrograph, simulated):
    done = analyse(micrograph)
    explained = drain(explain_steps(micrograph, done.table, done.bundle, count=done.count))
    assert explained.channel_names == ("density",)
    y, x = np.indices(micrograph.shape_yx)
    alone = (done.table.rows["flag"] == "ok").to_numpy()
    for row in np.flatnonzero(alone)[:5]:
        cy, cx = done.table.centres_px[row]
        near = np.hypot(y - cy, x - cx) * micrograph.pixel_size_nm < 1.1
        atoms = explained.overlay[0][near].sum() * micrograph.pixel_size_nm**2
        assert atoms == pytest.approx(done.table.rows["n_atoms"].iloc[row], rel=0.12)


def test_what_is_not_counted_is_not_explained(micrograph, analysis):
    explained = drain(explain_steps(micrograph, analysis.table, analysis.bundle))
    assert (explained.attribution.target == -1).all() and not explained.overlay.any()


def test_fine_tuning_says_what_came_of_it_and_repeats_to_the_bit(micrograph, settings):
    chosen = Settings(model=settings.model, adapt="diameter")
    first, second = analyse(micrograph, chosen), analyse(micrograph, chosen)
    pd.testing.assert_frame_equal(first.table.rows, second.table.rows, check_exact=True)
    assert first.adaptation.reason in first.messages
    source = "adapted" if first.adaptation.accepted else "base"
    rows = first.table.rows
    # a cluster that cannot be looked at has no label, and none that gave it
    labelled = rows["label"] != ""
    assert labelled.mean() > 0.8
    assert set(rows.loc[labelled, "source"]) == {source}
    assert (rows.loc[~labelled, "source"] == "").all()
    assert describe(first)["adaptation"]["accepted"] is first.adaptation.accepted


@pytest.mark.parametrize("adapt", ["auto", "off", "diameter"])
@pytest.mark.parametrize("scale", [1e-300, 1e5])
def test_a_scale_that_makes_no_cluster_plausible_is_refused_with_the_range_that_would(
    micrograph, simulated, settings, adapt, scale
):
    with pytest.raises(InputError, match="no cluster of this image") as refused:
        analyse(micrograph, replace(settings, adapt=adapt, intensity_per_atom=scale))
    low, high = (float(found) for found in re.findall(r"between (\S+) and (\S+);", str(refused.value))[0])
    assert low < simulated.scale_counts_nm2_per_atom < high


def test_the_scale_of_an_image_is_taken_and_one_far_off_is_said_beside_other_labels(micrograph, simulated):
    scale = simulated.scale_counts_nm2_per_atom
    near, far = (analyse(micrograph, Settings(adapt="off", intensity_per_atom=scale / by)) for by in (1, 6))
    truth = simulated.truth[simulated.truth["kind"] == "cluster"]
    places = truth[["y_px", "x_px"]].to_numpy()
    apart = np.linalg.norm(near.table.centres_px[:, None] - places[None], axis=2) * micrograph.pixel_size_nm
    labels, right = near.table.rows["label"].to_numpy(), "Pt" + truth["n_atoms"].astype(str).to_numpy()
    whole = (near.table.rows["flag"] == "ok").to_numpy() & (apart.min(axis=1) < 0.3)
    assert whole.sum() >= 10
    assert np.mean(labels[whole] == right[apart.argmin(axis=1)][whole]) >= 0.9
    assert not any("check the scale" in message for message in near.messages)
    assert any("check the scale and the pixel size" in message for message in far.messages)


def test_of_a_session_with_one_scale_an_image_may_hold_nothing_that_fits(micrograph, simulated, settings):
    brighter = replace(micrograph, data=micrograph.data * 50.0, name="brighter")
    known = replace(settings, adapt="off", intensity_per_atom=simulated.scale_counts_nm2_per_atom)
    assert len(drain(analyse_steps([micrograph, brighter], known, True))) == 2
    with pytest.raises(InputError, match="no cluster of this image"):
        drain(analyse_steps([brighter], known, True))
