"""Adaptation: repeatable, refusable, and never touching the model it starts from."""

import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.counting import adapt, tuning
from napari_atomicity.counting import sample as samples
from napari_atomicity.counting.adapt import adapt_steps
from napari_atomicity.counting.anchors import LEAST_PER_CLASS, choose_anchors
from napari_atomicity.counting.bundle import Bundle, weights_sha256
from napari_atomicity.counting.calibrate import calibrate_frame
from napari_atomicity.counting.calibration import Calibration
from napari_atomicity.counting.classify import look_steps
from napari_atomicity.counting.holdout import held_back, identities
from napari_atomicity.counting.network import Network
from napari_atomicity.counting.patches import Patches, normalise
from napari_atomicity.counting.predictions import posterior
from napari_atomicity.counting.prior import PriorKnowledge
from napari_atomicity.counting.sample import Sample
from napari_atomicity.counting.silhouette import silhouette
from napari_atomicity.errors import InputError
from napari_atomicity.progress import Progress, drain
from seeds import seeded

from .synthetic import CARD, GAIN, blobs, evidence_of, looked

MIXED = np.random.default_rng(seeded(8)).choice([19, 41, 70], 120)
#: a detector whose signal grows with this power of the atoms less: large clusters look small, and small ones large
BENT = 0.15
#: so that no test hangs on whether a scale can be told from these clusters alone
DEPOSITED = PriorKnowledge(deposited=(19, 41, 70))
STAYS = "The model stays as it was"


@pytest.fixture(scope="module", autouse=True)
def _short():
    """The blobs are learnt in fewer steps than real clusters."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "STEPS", 24)
        yield


@pytest.fixture(scope="module")
def model(trained):
    """The network that has learnt the blobs, and knows that their integrals are exact to five percent."""
    network = copy.deepcopy(trained.network)
    with torch.no_grad():
        network.spread[-1].weight.zero_()
        network.spread[-1].bias.fill_(np.log(0.05))
    return replace(trained, network=network)


def _case(bundle, n_atoms, bent=0.0, seed=20, diameter_of=None, gain=GAIN, annotation=None):
    """A sample of `n_atoms` whose signal grows with that power of the atoms less than the model has learnt."""
    n_atoms = np.asarray(n_atoms)
    windows, diameter, intensity = blobs(n_atoms, seed=seed, gain=gain)
    factor = ((n_atoms / 41) ** -bent).astype(np.float32)
    windows, intensity = 400 + (windows - 400) * factor[:, None, None], intensity * factor
    measured = diameter if diameter_of is None else blobs(np.asarray(diameter_of), seed=seed)[1]
    columns = {"y_px": np.arange(len(n_atoms)), "x_px": np.zeros(len(n_atoms)), "diameter_nm": measured}
    if annotation is not None:
        columns["annotation"] = np.asarray(annotation, dtype=object)
    patches = normalise(windows, diameter, intensity)
    return patches, ClusterTable.from_columns(columns), looked(bundle, patches)


def _pooled(bundle, *cases):
    """Several frames one after the other, and the frame of each row."""
    patches = Patches.join([case[0] for case in cases])
    diameters = np.concatenate([case[1].rows["diameter_nm"] for case in cases])
    n = len(diameters)
    table = ClusterTable.from_columns({"y_px": np.arange(n), "x_px": np.zeros(n), "diameter_nm": diameters})
    frames = np.repeat(np.arange(len(cases)), [len(case[1]) for case in cases])
    return (patches, table, looked(bundle, patches)), frames


def _named(n_atoms):
    return np.array([f"Pt{n}" for n in n_atoms], dtype=object)


def _true_log_likelihood(evidence, truth=MIXED):
    place = np.searchsorted(evidence.card.class_sizes, truth)
    return float(np.mean(evidence.features[np.arange(len(truth)), place]))


@pytest.fixture(scope="module")
def shifted(model):
    """Clusters of which the model, as it is, takes the large ones for too small and the small ones for too large."""
    return _case(model, MIXED, bent=BENT)


@pytest.fixture(scope="module")
def adapted(model, shifted):
    return drain(adapt_steps(model, *shifted, mode="diameter", seed=3))


# ---------------------------------------------------------------------- what comes of it


@pytest.mark.few(1)
@pytest.mark.parametrize("mode", ["diameter", "auto"])
def test_a_model_that_is_off_is_set_right_on_clusters_it_was_not_tuned_on(model, shifted, adapted, mode):
    result = adapted if mode == "diameter" else drain(adapt_steps(model, *shifted, mode=mode, known=DEPOSITED))
    assert result.accepted, result.reason
    assert result.after["loss"] < result.before["loss"] and result.after["right"] >= result.before["right"]
    assert result.after["log_likelihood"] > result.before["log_likelihood"]
    # what the model thinks of the true classes
    before, after = (_true_log_likelihood(e) for e in (shifted[2], result.evidence))
    assert after > before + 0.003
    assert result.bundle.card.history[-1].startswith(f"{mode}:")


def test_the_evidence_of_the_tuned_model_comes_with_it(shifted, adapted):
    seen = shifted[2]
    again = drain(look_steps(adapted.bundle, shifted[0], seen.free, seen.log_scale, seen.shift))
    np.testing.assert_array_equal(again.shape, adapted.evidence.shape)
    np.testing.assert_array_equal(again.log_integral, adapted.evidence.log_integral)
    assert adapted.evidence.card == adapted.bundle.card and adapted.evidence.card.history


def test_scores_before_and_after_are_of_the_same_kind_and_finite(adapted):
    assert set(adapted.before) == set(adapted.after) == {"right", "loss", "anchors", "silhouette", "log_likelihood"}
    assert np.isfinite([*adapted.before.values(), *adapted.after.values()]).all()
    assert adapted.before["anchors"] == adapted.anchors["held_back"].sum()


def test_anchors_are_told_with_their_ranges_and_source(adapted, shifted):
    _, table, _ = shifted
    anchors = adapted.anchors
    assert set(anchors["id"]) <= set(table.ids)
    assert set(anchors["source"]) == {"diameter"} and anchors["certainty"].between(0.6, 1.0).all()
    assert ((anchors["low_nm"] <= anchors["diameter_nm"]) & (anchors["diameter_nm"] <= anchors["high_nm"])).all()
    spans = anchors.groupby("label")[["low_nm", "high_nm"]].first().sort_values("low_nm")
    assert (spans["low_nm"].to_numpy()[1:] > spans["high_nm"].to_numpy()[:-1]).all()
    held = anchors.groupby("label")["held_back"].agg(["sum", "count"])
    assert (held["sum"] >= 2).all() and (2 * held["sum"] <= held["count"]).all()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_model_and_the_same_clusters_are_held_back_for_any(model, shifted, adapted):
    again = drain(adapt_steps(model, *shifted, mode="diameter", seed=3))
    assert weights_sha256(again.bundle) == weights_sha256(adapted.bundle)
    assert weights_sha256(adapted.bundle) != weights_sha256(model)
    other = drain(adapt_steps(model, *shifted, mode="diameter", seed=4))
    assert list(other.anchors["held_back"]) == list(adapted.anchors["held_back"])


def test_a_cluster_is_held_back_whatever_order_and_company_it_comes_in(model, shifted):
    _, table, evidence = shifted
    rows = np.random.default_rng(seeded(1)).permutation(len(table))
    mixed = replace(table, rows=table.rows.iloc[rows].reset_index(drop=True)), evidence.take(rows)
    frames = np.zeros(len(table), dtype=np.int64)
    held = [
        choose_anchors(Sample.read(*each, frames, None), ("calibrated",))[0].set_index("id")["held_back"].sort_index()
        for each in ((table, evidence), mixed)
    ]
    assert held[0].equals(held[1])


def test_about_a_third_of_the_anchors_and_some_of_each_class_are_held_back_to_judge(adapted):
    anchors = adapted.anchors
    assert 0.2 < anchors["held_back"].mean() < 0.45  # each one by a draw of its own, so not exactly
    assert (anchors.groupby("label")["held_back"].sum() >= 2).all()
    assert (anchors["low_nm"] <= anchors["diameter_nm"]).all() and (anchors["diameter_nm"] <= anchors["high_nm"]).all()


def test_only_normalisation_and_class_heads_move(model, adapted):
    base, tuned = model.network.state_dict(), adapted.bundle.network.state_dict()
    moved = {name for name in base if not np.array_equal(base[name].numpy(), tuned[name].numpy())}
    assert moved
    assert all("norm" in name or ".maps.1." in name or ".shape.2." in name for name in moved), moved
    assert not any("running" in name or ".alone." in name for name in moved)


@pytest.mark.slow
def test_stopping_at_any_moment_leaves_everything_as_it_was(model, shifted):
    patches, table, _ = shifted
    before, rows, raw = weights_sha256(model), table.rows.copy(), patches.raw.copy()
    moments = list(_moments(adapt_steps(model, *shifted, mode="auto", known=DEPOSITED)))
    assert {progress.what for progress in moments} >= {"Choosing anchors", "Fine-tuning", "Weighing the result"}
    for last in (1, 2, 3, 8, len(moments) - 1, len(moments)):
        steps = adapt_steps(model, *shifted, mode="auto", known=DEPOSITED)
        for _ in range(last):
            assert isinstance(next(steps), Progress)
        steps.close()
        assert weights_sha256(model) == before
        assert not any(p.requires_grad for p in model.network.parameters())
        assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    assert table.rows.equals(rows)
    np.testing.assert_array_equal(patches.raw, raw)


def _moments(steps):
    while True:
        try:
            yield next(steps)
        except StopIteration:
            return


# ---------------------------------------------------------------------- do no harm


@pytest.mark.parametrize("sources", [("calibrated",), ("diameter",), ("calibrated", "diameter", "annotations")])
def test_a_pure_sample_teaches_nothing_and_that_is_said(model, sources):
    patches, table, evidence = _case(model, [41] * 80)
    # what was deposited is known, and measured so well that no spread passes for two classes
    diameter = np.median(table.rows["diameter_nm"]) * np.linspace(0.99, 1.01, 80)
    case = patches, table.with_columns(diameter_nm=diameter), evidence
    result = drain(adapt_steps(model, *case, sources=sources, known=PriorKnowledge(deposited=(41,))))
    assert not result.accepted and result.bundle is model and result.evidence is None
    assert result.reason.startswith(STAYS) and "one class alone has nothing to teach" in result.reason
    assert result.before == result.after == {}


@pytest.mark.slow
def test_a_pure_sample_whose_diameters_pass_for_two_classes_is_learnt_but_not_accepted(model):
    case = _case(model, [41] * 80, diameter_of=[41, 55] * 40)
    result = drain(adapt_steps(model, *case, sources=("diameter",)))
    assert len(set(result.anchors["label"])) > 1
    assert not result.accepted and result.bundle is model and result.evidence is None
    assert result.reason.startswith(STAYS) and "tuned on" in result.reason


def test_anchors_that_mislead_are_learnt_but_not_accepted(model):
    """Diameters that name small clusters large and large ones small: the intensities know better."""
    swapped = np.array([{19: 70, 41: 41, 70: 19}[n] for n in MIXED])
    case = _case(model, MIXED, diameter_of=swapped)
    result = drain(adapt_steps(model, *case, mode="diameter"))
    assert not result.accepted and result.bundle is model
    assert result.after["log_likelihood"] < result.before["log_likelihood"]
    assert result.reason.startswith(STAYS) and result.reason.endswith(".")


def test_a_model_that_is_right_already_is_not_made_worse(model):
    truth = np.random.default_rng(seeded(2)).choice([19, 41, 70], 90)
    case = _case(model, truth)
    result = drain(adapt_steps(model, *case, mode="auto"))
    seen = case[2] if result.evidence is None else result.evidence
    sizes = np.array(seen.card.class_sizes)
    before, after = (np.mean(sizes[e.features[:, :-1].argmax(axis=1)] == truth) for e in (case[2], seen))
    assert after >= before - 1 / 90


@pytest.mark.slow
def test_a_frame_that_cannot_decide_or_does_not_fit_gives_no_calibrated_anchors(model, shifted, monkeypatch):
    real = samples.calibrate_frames
    two = ({"dominant": "Pt19", "probability": 0.6, "scale": 1.0}, {"dominant": "Pt30", "probability": 0.4, "scale": 2})
    for change, words in (
        ({"ambiguous": True, "candidates": two}, "cannot decide between Pt19 (60%) and Pt30 (40%)"),
        ({"misfit": "The pixel size may be wrong."}, "the pixel size may be wrong."),
    ):
        monkeypatch.setattr(
            samples, "calibrate_frames", lambda *given, change=change: [replace(c, **change) for c in real(*given)]
        )
        result = drain(adapt_steps(model, *shifted, mode="auto"))
        assert not result.accepted and words in result.reason
        assert "anchors by diameter" in drain(adapt_steps(model, *shifted, mode="diameter", seed=3)).reason


# ---------------------------------------------------------------------- labels given by hand


def test_labels_given_by_hand_are_anchors_of_their_own(model):
    named = _named(MIXED)
    named[40:] = ""
    case = _case(model, MIXED, bent=BENT, annotation=named)
    result = drain(adapt_steps(model, *case, sources=("annotations",), known=DEPOSITED))
    kept = set(np.flatnonzero(held_back(named, identities("", np.zeros(120, int), np.arange(120)))))
    assert set(result.anchors["source"]) == {"annotations"} and set(result.anchors["id"]) == set(range(40)) - kept
    assert (result.anchors["label"].to_numpy() == named[result.anchors["id"]]).all()
    assert result.accepted, result.reason
    assert "labelled by hand" in result.reason


@pytest.mark.slow
def test_what_is_held_back_is_judged_by_the_labels_that_a_person_sees(model):
    named = _named(MIXED)
    case = _case(model, MIXED, bent=BENT, annotation=named)
    evidence = case[2]
    held = held_back(named, identities("", np.zeros(120, int), np.arange(120)))
    right = {}
    for name, scale in (("wrong", 0.84 * GAIN), ("right", GAIN)):
        in_force = {0: Calibration.at_scale(scale, evidence.card.class_sizes)}
        found = drain(adapt_steps(model, *case, mode="diameter", sources=("annotations",), calibrations=in_force))
        seen = posterior(evidence, in_force.get(0)).label
        right[name] = found.judgement.before
        assert found.judgement.before == (seen == named)[held & (seen != "")].sum()
    assert right["wrong"] < right["right"], "or the case cannot tell"


def test_a_label_given_by_hand_wins_over_a_computed_one(model):
    named = np.full(len(MIXED), "", dtype=object)
    nineteens = np.flatnonzero(MIXED == 19)
    named[nineteens[:2]], named[nineteens[2]], named[nineteens[3]], named[nineteens[4]] = (
        "Pt70",
        "other",
        "Pt100",
        "Pt19",
    )
    case = _case(model, MIXED, annotation=named)
    for sources in (("calibrated", "annotations"), ("calibrated",)):
        frames = np.zeros(len(MIXED), dtype=np.int64)
        nobody = np.full(len(MIXED), 2**64 - 1, dtype=np.uint64)  # an identity that is never held back
        anchors, problem = choose_anchors(Sample.read(case[1], case[2], frames, None, nobody), sources)
        assert problem == ""
        anchors = anchors.set_index("id")
        assert not set(nineteens[2:4]) & set(anchors.index)
        if "annotations" in sources:
            assert list(anchors.loc[nineteens[:2], "label"]) == ["Pt70", "Pt70"]
            assert (anchors.loc[nineteens[[0, 1, 4]], "source"] == "annotations").all()
        else:
            assert not set(nineteens[:2]) & set(anchors.index)
            assert anchors.loc[nineteens[4], "source"] == "calibrated"


@pytest.mark.slow
def test_many_labels_against_the_picture_are_refused_and_few_are_told(model):
    wrong = _named(np.array([{19: 70, 41: 19, 70: 41}[n] for n in MIXED]))
    case = _case(model, MIXED, annotation=wrong)
    result = drain(adapt_steps(model, *case, mode="auto"))
    assert not result.accepted and result.before == {}
    count = int(result.reason.split(":")[1].split()[0])
    assert f"{count} of your 120 labels contradict" in result.reason and count > 100
    assert (case[1].rows["annotation"] == wrong).all()
    few = _named(MIXED)
    few[np.flatnonzero(MIXED == 19)[:2]] = "Pt70"
    result = drain(adapt_steps(model, *_case(model, MIXED, annotation=few), mode="auto"))
    assert "2 of the 120 labels given by hand contradict" in result.reason


# ---------------------------------------------------------------------- sessions


@pytest.fixture(scope="module")
def session(model):
    """A mixed frame, a pure one and one of another intensity scale, all of a bent signal."""
    parts = ((MIXED[:60], 100.0), ([41] * 30, 100.0), (MIXED[60:], 104.0))
    return _pooled(model, *(_case(model, n, BENT, seed=20 + i, gain=g) for i, (n, g) in enumerate(parts)))


@pytest.mark.few(1)
@pytest.mark.parametrize("mode", ["auto", "diameter"])
def test_frames_of_a_session_are_adapted_to_together(model, session, mode):
    case, frames = session
    truth = np.concatenate([MIXED[:60], [41] * 30, MIXED[60:]])
    result = drain(adapt_steps(model, *case, mode=mode, frames=frames, known=DEPOSITED))
    assert result.accepted, result.reason
    rows = result.anchors["id"].to_numpy()
    assert {0, 2} <= set(result.anchors["frame"]) and (result.anchors["frame"] == frames[rows]).all()
    assert np.mean(result.anchors["label"].to_numpy() == _named(truth[rows])) > 0.95


def test_each_frame_may_have_knowledge_of_its_own(model, session):
    case, frames = session
    known = [PriorKnowledge(), PriorKnowledge(deposited=(41,)), PriorKnowledge()]
    sample = Sample.read(case[1], case[2], frames, known)
    anchors, problem = choose_anchors(sample, ("diameter",))
    assert problem == "" and set(anchors["label"][anchors["frame"] == 1]) == {"Pt41"}
    with pytest.raises(InputError, match="one entry a frame"):
        drain(adapt_steps(model, *case, frames=frames, known=known[:2]))


@pytest.mark.slow
def test_a_frame_without_usable_clusters_has_no_say(model, session):
    (patches, table, evidence), frames = session
    flags = np.where(frames == 1, "touching", "ok")
    result = drain(
        adapt_steps(model, patches, table.with_columns(flag=flags), evidence, frames=frames, known=DEPOSITED)
    )
    assert set(result.anchors["frame"]) == {0, 2} and result.accepted
    assert len(result.evidence) == len(table)


# ---------------------------------------------------------------------- bad input


def test_too_few_unusable_or_no_clusters_are_a_sentence_not_an_error(model):
    patches, table, evidence = _case(model, [19, 70] * 20)
    border = patches, table.with_columns(flag=["border"] * 40), evidence
    unmeasured = patches, table.with_columns(diameter_nm=[np.nan] * 40), evidence
    empty = patches.take(np.arange(0)), ClusterTable.empty(), evidence.take(np.arange(0))
    for mode, case, words in (
        ("auto", empty, "detect clusters first"),
        ("auto", border, "no cluster of this image can be sized"),
        ("auto", _case(model, [19]), STAYS),
        ("diameter", _case(model, [19, 70, 19]), f"it takes {LEAST_PER_CLASS} clusters"),
        ("diameter", unmeasured, "by diameter"),
    ):
        result = drain(adapt_steps(model, *case, mode=mode))
        assert not result.accepted and result.bundle is model and result.evidence is None
        assert words in result.reason and result.reason.startswith(STAYS) and result.reason.endswith(".")
        assert list(result.anchors.columns)[:8] == [
            "id", "label", "diameter_nm", "certainty", "source", "held_back", "low_nm", "high_nm",
        ]  # fmt: skip
        assert result.before == result.after == {}


@pytest.mark.parametrize("mode", ["auto", "diameter"])
def test_clusters_of_no_class_are_no_anchors(model, mode):
    result = drain(adapt_steps(model, *_case(model, [200] * 40), mode=mode))
    assert not result.accepted and result.reason.startswith(STAYS)


def test_a_model_without_the_parts_says_which(model, shifted):
    bare = replace(model, rehearsal={})
    result = drain(adapt_steps(bare, *shifted, mode="auto"))
    assert not result.accepted and result.bundle is bare and "patches of its training" in result.reason
    unmeasured = replace(model, card=replace(model.card, diameter_nm={}))
    result = drain(adapt_steps(unmeasured, *shifted, mode="diameter"))
    assert not result.accepted and "knows no diameters" in result.reason
    patches, table, evidence = shifted
    evidence = replace(evidence, card=unmeasured.card)
    result = drain(adapt_steps(unmeasured, patches, table, evidence, mode="auto", known=DEPOSITED))
    assert result.before, result.reason


def test_off_and_nonsense(model, shifted):
    assert not drain(adapt_steps(model, *shifted, mode="off")).accepted
    with pytest.raises(InputError, match="sideways"):
        drain(adapt_steps(model, *shifted, mode="sideways"))
    with pytest.raises(InputError, match="horoscope"):
        drain(adapt_steps(model, *shifted, sources=("horoscope",)))
    patches, table, evidence = shifted
    with pytest.raises(InputError, match="same clusters"):
        drain(adapt_steps(model, patches.take(np.arange(5)), table, evidence))
    with pytest.raises(InputError, match="same clusters"):
        drain(adapt_steps(model, *shifted, frames=np.zeros(5, dtype=np.int64)))
    with pytest.raises(InputError, match="does not know clusters of 13"):
        drain(adapt_steps(model, *shifted, known=PriorKnowledge(deposited=(13,))))


# ---------------------------------------------------------------------- silhouette


def test_silhouette_of_islands_of_a_cloud_and_of_nothing():
    rng = np.random.default_rng(seeded(0))
    labels = np.repeat(["a", "b", "c"], 300)
    cloud = rng.normal(size=(900, 4))
    islands = cloud + 50 * np.repeat(np.eye(4)[:3], 300, axis=0)
    assert silhouette(islands, labels) > 0.9
    assert abs(silhouette(cloud, labels)) < 0.05
    assert silhouette(islands, np.roll(labels, 150)) < 0.1
    # by hand: within 1, to the other island 9.5 and 10.5 on the mean
    line = np.array([[0.0], [1.0], [10.0], [11.0]])
    np.testing.assert_allclose(silhouette(line, np.array([0, 0, 1, 1])), (1 - 1 / 10.5 + 1 - 1 / 9.5) / 2)
    line[3] = np.nan
    np.testing.assert_allclose(silhouette(line, np.array([0, 0, 1, 1])), (0.9 + 8 / 9 + 0) / 3)
    assert np.isnan(silhouette(cloud, np.zeros(900)))
    assert np.isnan(silhouette(cloud[:0], labels[:0]))
    assert np.isnan(silhouette(cloud[:2], np.array([0, 1])))


# ---------------------------------------------------------------------- a step at a time, without a network


def _rehearsal(n):
    return {
        "raw": np.zeros((n, 64, 64), np.float32),
        "noise": np.ones(n, np.float32),
        "log_atoms": np.full(n, 3.7),
        "class_index": np.zeros(n, int),
    }


def _pooled_sample(n_atoms, diameter_of, known=None, **columns):
    """Clusters whose shape and integral leave no doubt, with the diameters that the library gives to others."""
    diameter = 0.31 * np.asarray(diameter_of, dtype=float) ** (1 / 3)
    n = len(diameter)
    table = ClusterTable.from_columns({"y_px": np.arange(n), "x_px": np.zeros(n), "diameter_nm": diameter, **columns})
    evidence = evidence_of(n_atoms, 100.0, shape_sd=0.05, integral_sd=0.01)
    return Sample.read(table, evidence, np.zeros(n, dtype=np.int64), known)


def test_what_calibration_and_diameter_agree_on_is_an_anchor_and_what_they_differ_on_is_none():
    n_atoms = [19] * 10 + [55] * 10
    anchors, problem = choose_anchors(
        _pooled_sample(n_atoms, [19] * 9 + [55] * 11, PriorKnowledge(deposited=(19, 55))),
        ("calibrated", "diameter"),
    )
    assert problem == "" and set(anchors["id"]) == set(range(20)) - {9}
    assert list(anchors.sort_values("id")["label"]) == ["Pt19"] * 9 + ["Pt55"] * 10


def test_a_diameter_between_two_classes_is_as_sure_as_their_bell_curves_say():
    """By hand: one standard deviation above the smaller one of two that were deposited."""
    sd = dict(CARD.diameter_nm)["19"][1]
    apart = np.log(30 / 19) / 3 / sd
    between = 19 * np.exp(3 * sd)
    sample = _pooled_sample([19] * 10 + [30] * 10, [19] * 9 + [between] + [30] * 10, PriorKnowledge(deposited=(19, 30)))
    anchors = choose_anchors(sample, ("diameter",))[0].set_index("id")
    assert anchors.loc[9, "label"] == "Pt19"
    odds = np.exp(-0.5 * (1.0 - (apart - 1.0) ** 2))
    assert anchors.loc[9, "certainty"] == pytest.approx(odds / (1 + odds), rel=1e-3)
    certain = 1 / (1 + np.exp(-0.5 * apart**2))
    assert anchors.loc[[0, 19], "certainty"].to_numpy() == pytest.approx(certain, rel=1e-3)


def test_only_whole_measured_clusters_are_sized():
    evidence = evidence_of([41] * 4, 100.0)
    evidence.valid[1] = False
    evidence.log_integral[2] = np.nan
    table = ClusterTable.from_columns({"y_px": np.arange(4), "x_px": np.zeros(4), "flag": ["ok", "ok", "ok", "border"]})
    assert samples.sizeable_rows(table, evidence).tolist() == [True, False, False, False]


def test_every_group_of_clusters_has_a_calibration_or_is_said_to_have_none():
    evidence, groups = evidence_of([41] * 4, 100.0), [np.arange(2), np.arange(2, 4)]
    calibration = calibrate_frame(evidence)
    labels = samples.predictions_of(evidence, groups, [calibration, None]).label
    assert (labels != "").all()
    with pytest.raises(ValueError, match="shorter"):
        samples.predictions_of(evidence, groups, [calibration])


def test_a_model_is_taken_that_fits_what_it_was_not_tuned_on_by_a_twentieth_better_and_no_sooner():
    anchors = pd.DataFrame({"source": ["diameter"] * 30, "held_back": [True, False, False] * 10})
    before = {"anchors": 10.0, "right": 0.7, "loss": 1.0, "log_likelihood": -3.0}
    for change, accepted in (
        ({"log_likelihood": -2.94}, True),
        ({"log_likelihood": -2.96}, False),
        ({"log_likelihood": -3.4}, False),
        ({"log_likelihood": -2.0, "loss": 1.0}, False),
        # one anchor of ten more or less is chance, two are not
        ({"log_likelihood": -2.9, "right": 0.6}, True),
        ({"log_likelihood": -2.9, "right": 0.5}, False),
    ):
        after = before | {"loss": 0.9} | change
        reason, taken = adapt._verdict(anchors, before, after)
        assert taken == accepted, change
        assert reason.startswith("Tuned on 20 anchors by diameter" if taken else STAYS)
    assert adapt._verdict(anchors, before, before | {"loss": 0.9, "log_likelihood": -2.5})[0].endswith("by +0.50")


def test_a_model_without_patches_to_rehearse_is_not_tuned_and_one_with_them_is_looked_at_further():
    evidence = evidence_of([41] * 8, 100.0)
    table = ClusterTable.from_columns({"y_px": np.arange(8), "x_px": np.zeros(8), "diameter_nm": np.ones(8)})
    patches = normalise(*blobs([41] * 8))
    network = Network(CARD.class_sizes, CARD.channels).eval().requires_grad_(False)
    for rehearsal, words in (({}, "carries no patches of its training"), (_rehearsal(4), "one class alone")):
        result = drain(adapt_steps(Bundle(CARD, network, rehearsal), patches, table, evidence, sources=("calibrated",),
                                   known=PriorKnowledge(deposited=(41,))))  # fmt: skip
        assert not result.accepted and words in result.reason
