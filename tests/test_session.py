"""Images taken under the same settings, what is known of them, and what a person must be told."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.counting import adapt
from napari_atomicity.counting.bundle import load_bundle
from napari_atomicity.counting.calibration import Calibration
from napari_atomicity.counting.prior import PriorKnowledge
from napari_atomicity.errors import InputError
from napari_atomicity.io import read
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline import (
    Count,
    Settings,
    adapt_steps,
    adapted,
    analyse,
    analyse_steps,
    choose,
    classify_session_steps,
    classify_steps,
    detect,
    remarks,
)
from napari_atomicity.progress import drain
from napari_atomicity.report.summary import describe
from seeds import seeded

SIZES = (19, 30, 41, 55, 70)


@pytest.fixture(scope="module")
def dual():
    return load_bundle("dual")


@pytest.fixture(scope="module")
def samples(repository):
    """Sample micrographs of one session, with their tables."""
    names = ("sample_pt30", "sample_mixed", "sample_pt55")
    images = [read(repository / "sample_data" / f"{name}.tif") for name in names]
    return images, [detect(image).table for image in images]


@pytest.fixture(scope="module")
def together(samples, dual):
    images, tables = samples
    return drain(classify_session_steps(images, tables, dual, [Settings(deposited=(30,)), Settings(), Settings()]))


def _share(classified: Count, label: str) -> float:
    rows = classified.table.rows
    return float((rows.loc[rows["flag"].isin(["ok", "outside"]), "label"] == label).mean())


# ---------------------------------------------------------------------- one scale for all


def test_a_session_shares_its_scale_and_a_reference_settles_the_rest(together):
    scales = [one.calibration.intensity_per_atom for one in together]
    assert np.ptp(np.log(scales)) < 0.1
    assert _share(together[0], "Pt30") > 0.95 and _share(together[2], "Pt55") > 0.8
    assert not any(remarks(one) for one in together)
    assert [one.known[0].deposited for one in together] == [(30,), (), ()]


def test_an_image_that_does_not_fit_its_session_is_flagged_and_spoils_nothing(samples, together, dual):
    images, tables = samples
    brighter = Micrograph(images[1].data * 3.0, images[1].pixel_size_nm, name="other gain")
    settings = [Settings(deposited=(30,)), Settings(), Settings(), Settings()]
    done = drain(classify_session_steps([*images, brighter], [*tables, detect(brighter).table], dual, settings))
    (sentence,) = remarks(done[3])
    assert sentence == done[3].calibration.misfit != ""
    assert not any(one.calibration.misfit for one in done[:3])
    for one, before in zip(done[:3], together, strict=True):
        assert one.calibration.intensity_per_atom == pytest.approx(before.calibration.intensity_per_atom, rel=0.05)


def test_an_image_without_clusters_changes_nothing_for_its_session(samples, together, dual):
    images, tables = samples
    settings = [Settings(deposited=(30,)), Settings(), Settings(), Settings()]
    done = drain(classify_session_steps([*images, images[0]], [*tables, ClusterTable.empty()], dual, settings))
    assert len(done[3].table) == 0 and done[3].calibrations == {} and remarks(done[3]) == ()
    for one, before in zip(done[:3], together, strict=True):
        np.testing.assert_array_equal(one.table.rows["label"], before.table.rows["label"])


def test_a_session_of_nothing_and_settings_that_do_not_match(samples, dual):
    images, tables = samples
    assert drain(classify_session_steps([], [], dual, Settings())) == []
    assert drain(analyse_steps([], Settings(), session=True)) == []
    with pytest.raises(InputError, match="one entry an image"):
        drain(classify_session_steps(images, tables, dual, [Settings()]))
    with pytest.raises(InputError, match="at least one"):
        drain(adapt_steps([], dual, Settings()))


def test_deposited_sizes_that_the_model_does_not_know_are_said(samples, dual):
    images, tables = samples
    with pytest.raises(InputError, match="does not know clusters of 13"):
        drain(classify_steps(images[0], tables[0], dual, Settings(deposited=(13, 30))))


# ---------------------------------------------------------------------- with and without calibration


@pytest.mark.parametrize("mode", ["off", "diameter"])
def test_without_fine_tuning_an_image_is_calibrated_all_the_same_and_a_known_scale_is_taken_as_it_is(
    micrograph, model_path, mode
):
    bundle, table = load_bundle(str(model_path)), detect(micrograph).table
    settings = Settings(adapt=mode)

    def calibrations(**known):
        return drain(classify_steps(micrograph, table, bundle, replace(settings, **known))).calibrations

    assert calibrations()[0].clusters > 0
    assert calibrations(intensity_per_atom=50.0)[0].intensity_per_atom == pytest.approx(50.0)
    assert calibrations(deposited=(19, 55))[0].clusters > 0


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("mode", ["auto", "diameter", "off"])
def test_hardly_any_clusters_are_a_result_with_a_reason(micrograph, model_path, n, mode):
    y, x = np.indices((256, 256)) - 128
    image = np.random.default_rng(seeded(0)).normal(1000, 30, (256, 256))
    image += n * 1500 * np.exp(-0.5 * (y**2 + x**2) / 8.0**2)
    done = analyse(Micrograph(image.astype(np.float32), 0.05, name="few"), Settings(model=str(model_path), adapt=mode))
    assert len(done.table) == n
    assert (done.adaptation is None) == (n == 0 or mode == "off")
    if done.adaptation is not None:
        assert not done.adaptation.accepted and done.adaptation.reason in done.messages
    report = json.loads(json.dumps(describe(done), allow_nan=False))
    assert report["counts"]["found"] == n and report["session"] is None and report["profile"] is None


# ---------------------------------------------------------------------- adapting once


@pytest.fixture
def tuned(monkeypatch):
    """Fine-tuning that takes no time: it is accepted, and the model it gives has turned the classes round."""
    calls = []

    def fake(bundle, patches, table, evidence, **how):
        yield from ()
        calls.append(SimpleNamespace(patches=patches, table=table, evidence=evidence, **how))
        card = replace(bundle.card, history=("tuned",))
        seen = replace(evidence, card=card, shape=evidence.shape[:, ::-1].copy())
        anchors = adapt.no_anchors()
        scores = {"right": 0.5, "silhouette": float("nan")}
        return adapt.Adaptation(replace(bundle, card=card), True, "Tuned.", anchors, scores, scores, seen)

    monkeypatch.setattr(adapt, "adapt_steps", fake)
    return calls


def test_a_session_is_adapted_once_and_looked_at_once(micrograph, model_path, tuned, monkeypatch):
    from napari_atomicity.counting import classify

    looked = []
    look = classify.evidence_steps
    monkeypatch.setattr(classify, "evidence_steps", lambda *a: looked.append(1) or (yield from look(*a)))
    turned = Micrograph(np.ascontiguousarray(micrograph.data[:, ::-1]), micrograph.pixel_size_nm, name="turned")
    flat = Micrograph(np.zeros((64, 64), dtype=np.float32), 0.05, name="flat")
    common = Settings(model=str(model_path), seed=7, anchors=("calibrated", "diameter"))
    settings = [replace(common, deposited=(19, 55)), common, common]
    refused = []
    steps = analyse_steps([micrograph, flat, turned], settings, True, refused=lambda m, e: refused.append(m.name))
    first, second = drain(steps)
    assert refused == ["flat"] and len(looked) == 2
    (call,) = tuned
    assert (call.mode, call.seed, call.sources) == ("auto", 7, ("calibrated", "diameter"))
    n, m = len(first.table), len(second.table)
    assert len(call.table) == len(call.patches) == len(call.evidence) == n + m
    np.testing.assert_array_equal(call.table.ids, np.arange(n + m))
    np.testing.assert_array_equal(call.frames, np.repeat([0, 1], [n, m]))
    assert call.known == [PriorKnowledge(deposited=(19, 55)), PriorKnowledge()]
    for done in (first, second):
        assert set(done.table.rows["source"]) == {"adapted"} and done.bundle.card.history == ("tuned",)
        assert set(done.before.table.rows["source"]) == {"base"}
        assert done.messages[-1] == "Tuned."
        report = json.loads(json.dumps(describe(done), allow_nan=False))
        assert report["session"]["images"] == ["simulated", "turned"]
        assert report["adaptation"]["accepted"] is True and report["adaptation"]["after"]["silhouette"] is None
        changed = done.table.rows["label"] != done.before.table.rows["label"]
        assert report["adaptation"]["labels_changed"] == changed.sum()
        assert sum(row["count"] for row in report["adaptation"]["ratios_before"]) > 0


def test_rows_of_a_stack_keep_their_frame_and_their_evidence(micrograph, model_path, tuned):
    stack = Micrograph(np.stack([micrograph.data, micrograph.data[::-1]]), micrograph.pixel_size_nm)
    bundle, table = load_bundle(str(model_path)), detect(stack).table
    order = np.random.default_rng(seeded(1)).permutation(len(table))
    mixed = replace(table, rows=table.rows.iloc[order].reset_index(drop=True))
    before = drain(classify_steps(stack, mixed, bundle, Settings()))
    adaptation = drain(adapt_steps(before, bundle, Settings()))
    np.testing.assert_array_equal(tuned[0].frames, mixed.rows["frame"])
    np.testing.assert_array_equal(tuned[0].table.ids, mixed.ids)
    (after,) = adapted([before], adaptation)
    np.testing.assert_array_equal(after.table.ids, mixed.ids)
    np.testing.assert_array_equal(after.evidence.shape, before.evidence.shape[:, ::-1])
    assert after.patches is before.patches


def test_what_was_not_accepted_leaves_everything_as_it_was(micrograph, model_path):
    done = analyse(micrograph, Settings(model=str(model_path)))
    assert not done.adaptation.accepted and done.before is None  # the model carries nothing to rehearse
    report = describe(done)["adaptation"]
    assert report["accepted"] is False and report["labels_changed"] == 0 and report["ratios_before"] is None
    before = drain(classify_steps(micrograph, done.table, done.bundle, Settings()))
    with pytest.raises(InputError, match="not accepted"):
        adapted([before], done.adaptation.adaptation)


# ---------------------------------------------------------------------- what a person must decide


@pytest.fixture
def undecided(micrograph, model_path):
    """An image that may be mostly Pt30 at one scale, or mostly Pt41 at another."""
    bundle = load_bundle(str(model_path))
    done = drain(classify_steps(micrograph, detect(micrograph).table, bundle, Settings()))
    shares = np.full((4, 6), 0.01)
    shares[:2, 2] = shares[2:, 1] = 0.95
    candidates = (
        {"dominant": "Pt30", "probability": 0.6, "scale": 100.0},
        {"dominant": "Pt41", "probability": 0.4, "scale": 73.0},
    )
    fit = replace(
        Calibration.at_scale(100.0, SIZES),
        ambiguous=True,
        candidates=candidates,
        log_scale=np.log([73.0, 85.0, 100.0, 110.0]),
        weight=np.array([0.4, 0.0, 0.6, 0.0]),
        shares=shares,
        misfit="It does not fit.",
    )
    return bundle, replace(done, calibrations={0: fit})


def test_undecided_and_unfit_images_are_told_with_a_way_out(undecided):
    _, done = undecided
    doubt, misfit = remarks(done)
    assert "Pt30 (60%) or Pt41 (40%)" in doubt and "deposited" in doubt and "reference" in doubt
    assert misfit == "It does not fit."
    stack = replace(done, calibrations={2: done.calibrations[0], 5: done.calibrations[0]})
    assert [sentence[:8] for sentence in remarks(stack)] == ["Frame 2:", "Frame 2:", "Frame 5:", "Frame 5:"]


def test_a_person_can_choose_among_the_candidates(undecided):
    bundle, done = undecided
    before = done.table.rows.copy()
    chosen = choose(done, 0, "Pt41", bundle)
    fit = chosen.calibrations[0]
    assert not fit.ambiguous and fit.intensity_per_atom == pytest.approx(73.0)
    ratio = chosen.table.rows["n_atoms"].median() / choose(done, 0, "Pt30", bundle).table.rows["n_atoms"].median()
    # the clusters are looked at again with the scale that was chosen
    assert np.isfinite(ratio) and np.allclose(chosen.evidence.log_scale, np.log(73.0))
    assert chosen.known[0].intensity_per_atom == pytest.approx(73.0)
    assert done.calibrations[0].ambiguous and done.table.rows.equals(before)
    with pytest.raises(InputError, match="Pt70 is not among"):
        choose(done, 0, "Pt70", bundle)
    with pytest.raises(InputError, match="Frame 3 is not calibrated"):
        choose(done, 3, "Pt30", bundle)


def test_clusters_of_none_of_the_sizes_are_told(undecided):
    _, done = undecided
    strange = done.table.with_columns(flag=["outside"] * len(done.table), label=["other"] * len(done.table))
    (sentence,) = remarks(replace(done, table=strange, calibrations={}))
    assert sentence.startswith(f"{len(strange)} of {len(strange)} clusters look like none of the sizes")
    # what does not fit explains that already
    assert remarks(replace(done, table=strange))[1:] == ("It does not fit.",)


def test_the_report_tells_a_calibration_in_full(undecided, micrograph):
    from napari_atomicity.pipeline import ImageState

    bundle, done = undecided
    state = ImageState(micrograph, done.table, settings=Settings(), bundle=bundle, count=done)
    report = describe(state)
    assert report["ambiguous"] is True
    assert report["candidates"] == [
        {"dominant": "Pt30", "probability": 0.6},
        {"dominant": "Pt41", "probability": 0.4},
    ]
    told = report["calibration"]["0"]
    assert {"scale", "scale_sd", "fractions", "intervals", "misfit", "confidence", "clusters"} <= set(told)
    assert told["confidence"] == 0.6 and told["misfit"] == "It does not fit."
