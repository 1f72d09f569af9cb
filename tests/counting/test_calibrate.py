import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import trapezoid

from napari_atomicity.counting.calibrate import calibrate_frame, calibrate_frames
from napari_atomicity.counting.calibration import Calibration, calibration_of
from napari_atomicity.counting.joint_scale import intensity
from napari_atomicity.counting.mixture import expected_counts, fit_mixture, integral_terms
from napari_atomicity.counting.plausible import check_scale
from napari_atomicity.counting.predictions import posterior
from napari_atomicity.counting.prior import PriorKnowledge
from napari_atomicity.errors import InputError
from seeds import seeded

from .synthetic import SIZES, evidence_of, seen_log_n


def _labels(n_atoms):
    return np.array([f"Pt{n}" for n in n_atoms], dtype=object)


def test_integrals_of_exactly_n_times_the_scale_give_exactly_that_class():
    evidence = evidence_of(SIZES, scale=850.0, integral_sd=0.0, shape_sd=5.0)
    found = posterior(evidence, Calibration.at_scale(850.0, SIZES))
    assert (found.label == _labels(SIZES)).all()
    assert (found.confidence > 0.99).all()
    np.testing.assert_allclose(found.n_atoms, SIZES, atol=0.1)
    # the same integrals at another scale are other clusters
    assert posterior(evidence, Calibration.at_scale(850.0 * 30 / 19, SIZES)).label[1] == "Pt19"


def test_without_a_scale_the_integral_says_nothing():
    evidence = evidence_of(SIZES * 10, scale=850.0, shape_sd=0.2)
    louder = evidence_of(SIZES * 10, scale=85000.0, shape_sd=0.2)
    np.testing.assert_array_equal(posterior(evidence, None).probabilities, posterior(louder, None).probabilities)


def test_probabilities_and_the_chance_of_being_an_outsider_add_up_to_one():
    evidence = evidence_of(SIZES * 20, 850.0)
    for calibration in (None, calibrate_frame(evidence)):
        found = posterior(evidence, calibration)
        np.testing.assert_allclose(found.probabilities.sum(axis=1) + found.outside, 1.0)
        assert (found.n_atoms_sd > 0).all()


@pytest.mark.parametrize("bias", [-0.1, 0.0, 0.1])
def test_a_mixed_frame_gives_its_scale_away(bias):
    n_atoms = np.random.default_rng(seeded(2)).choice(SIZES, 250)
    evidence = evidence_of(n_atoms, scale=1234.0, bias=bias)
    found = calibrate_frame(evidence)
    assert found.intensity_per_atom == pytest.approx(1234.0, rel=0.02)
    assert not found.ambiguous
    for size in SIZES:
        assert found.fractions[f"Pt{size}"] == pytest.approx(np.mean(n_atoms == size), abs=0.05)
    assert (posterior(evidence, found).label == _labels(n_atoms)).mean() > 0.95


def test_outsiders_do_not_move_the_scale():
    n_atoms = np.concatenate([np.random.default_rng(seeded(3)).choice(SIZES, 150), [130] * 8, [8] * 12, [110] * 10])
    evidence = evidence_of(n_atoms, scale=500.0)
    evidence.outside[-30:] = 0.0
    found = calibrate_frame(evidence)
    assert found.intensity_per_atom == pytest.approx(500.0, rel=0.02)
    label = posterior(evidence, found).label
    assert (label[-30:] == "other").mean() > 0.9
    count = posterior(evidence, found).n_atoms
    np.testing.assert_allclose(count[-10:], 110, rtol=0.25)


def test_whether_a_cluster_is_none_of_the_classes_is_no_matter_of_how_many_others_are():
    members = np.random.default_rng(seeded(4)).choice(SIZES, 120)
    evidence = evidence_of(members, scale=500.0)
    evidence.outside[:] = 0.0
    exact = Calibration.at_scale(500.0, SIZES)
    few, most = (replace(exact, shares=np.append(np.full(5, (1 - other) / 5), other)[None]) for other in (0.01, 0.8))
    by_few, by_most = posterior(evidence, few), posterior(evidence, most)
    np.testing.assert_allclose(by_few.outside, by_most.outside, atol=1e-9)
    assert (by_most.label == by_few.label).all() and (by_most.label != "other").mean() > 0.95
    # of the classes among each other the frame's own shares are taken
    rare = replace(exact, shares=np.array([[0.001, 0.001, 0.001, 0.001, 0.496, 0.5]]))
    assert (posterior(evidence, rare).probabilities[:, 4] >= by_few.probabilities[:, 4]).all()


def test_a_small_pure_frame_whose_shapes_lie_between_two_classes_is_ambiguous_and_names_both():
    between = np.log(np.sqrt(41 * 55) / 41)
    evidence = evidence_of([41] * 15, scale=850.0, bias=between, seed=1)
    found = calibrate_frame(evidence)
    assert found.ambiguous
    assert {c["dominant"] for c in found.candidates[:2]} == {"Pt41", "Pt55"}
    assert sum(c["probability"] for c in found.candidates) == pytest.approx(1.0, abs=0.03)
    for name, scale in (("Pt41", 850.0), ("Pt55", 850.0 * 41 / 55)):
        chosen = found.chosen(name)
        assert chosen.intensity_per_atom == pytest.approx(scale, rel=0.05)
        assert not chosen.ambiguous
        assert (posterior(evidence, chosen).label == name).mean() > 0.9
    with pytest.raises(InputError, match="Pt41"):
        found.chosen("Pt19")


def test_what_is_known_settles_a_pure_frame():
    evidence = evidence_of([41] * 40, scale=850.0, bias=0.25, seed=2)
    assert calibrate_frame(evidence).candidates[0]["dominant"] == "Pt55"
    for known in (
        PriorKnowledge(deposited=(41,)),
        PriorKnowledge(intensity_per_atom=860.0),
        PriorKnowledge(deposited=(41, 19), fractions=(0.9, 0.1)),
    ):
        found = calibrate_frame(evidence, known)
        assert found.candidates[0]["dominant"] == "Pt41"
        assert found.intensity_per_atom == pytest.approx(850.0, rel=0.03)
        assert (posterior(evidence, found).label == "Pt41").mean() > 0.9


def test_a_session_settles_its_pure_frame_by_the_mixed_one():
    # they look larger by as much whatever the draw: how sure a frame may be of another scale is not looked at here
    drawn = seen_log_n(evidence_of([41] * 40, scale=850.0, seed=3)).mean() - np.log(41)
    pure = evidence_of([41] * 40, scale=850.0, bias=0.2 - drawn, seed=3)
    mixed = evidence_of(np.random.default_rng(seeded(4)).choice(SIZES, 150), scale=880.0, seed=4)
    assert calibrate_frame(pure).candidates[0]["dominant"] == "Pt55"
    first, second = calibrate_frames([pure, mixed])
    assert first.candidates[0]["dominant"] == "Pt41" and not first.ambiguous
    assert first.intensity_per_atom == pytest.approx(850.0, rel=0.03)
    assert second.intensity_per_atom == pytest.approx(880.0, rel=0.03)


def test_clusters_that_are_not_to_be_used_have_no_say_but_get_a_label():
    n_atoms = np.concatenate([np.random.default_rng(seeded(5)).choice(SIZES, 60), [55] * 300])
    evidence = evidence_of(n_atoms, scale=850.0)
    use = np.arange(len(n_atoms)) < 60
    found = calibrate_frame(evidence, use=use)
    assert found.clusters == 60
    assert found.fractions["Pt55"] < 0.4
    assert (posterior(evidence, found).label[60:] == "Pt55").mean() > 0.95


def test_a_row_without_a_patch_gets_no_label():
    evidence = evidence_of(SIZES * 4, scale=850.0)
    evidence.valid[3] = False
    evidence.shape[3] = np.nan
    evidence.log_integral[3] = np.nan
    found = posterior(evidence, calibrate_frame(evidence))
    columns = found.columns(np.array(["ok"] * 20, dtype=object), "base")
    assert found.label[3] == "" and np.isnan(found.probabilities[3]).all() and columns["source"][3] == ""
    assert np.isfinite(np.delete(found.probabilities, 3, axis=0)).all()


def test_the_flag_outside_replaces_ok_alone_and_is_taken_back():
    evidence = evidence_of([200, 200, 41, 41], scale=850.0, integral_sd=0.01)
    found = posterior(evidence, Calibration.at_scale(850.0, SIZES))
    flags = found.columns(np.array(["ok", "touching", "outside", "border"], dtype=object), "base")["flag"]
    assert flags.tolist() == ["outside", "touching", "ok", "border"]


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"intensity_per_atom": -3.0}, "above 0"),
        ({"intensity_per_atom": float("inf")}, "above 0"),
        ({"deposited": (38,)}, "38"),
        ({"deposited": (19, 30), "fractions": (1.0,)}, "share"),
    ],
)
def test_impossible_knowledge_is_refused(known, said):
    with pytest.raises(InputError, match=said):
        calibrate_frame(evidence_of(SIZES, 1.0), PriorKnowledge(**known))


def test_nothing_to_calibrate_on_is_said():
    with pytest.raises(InputError, match="detect clusters"):
        calibrate_frame(evidence_of(SIZES, 1.0), use=np.zeros(5, dtype=bool))
    with pytest.raises(InputError, match="no frame"):
        calibrate_frames([])


def test_one_cluster_is_enough_for_an_answer_and_too_little_for_certainty():
    found = calibrate_frame(evidence_of([41], scale=850.0))
    assert found.intensity_per_atom_sd >= 0 and max(found.fractions.values()) < 0.9


@pytest.mark.parametrize("shift", [15_000.0, -15_000.0])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_an_untrained_model_that_says_impossible_integrals_gives_numbers_nevertheless(shift):
    usual = evidence_of(np.random.default_rng(seeded(2)).choice(SIZES, 60), scale=1234.0)
    wild = replace(usual, log_integral=usual.log_integral + shift, outside=usual.outside * 1000)
    found = calibrate_frame(wild)
    numbers = [found.intensity_per_atom, found.intensity_per_atom_sd, *(one["scale"] for one in found.candidates)]
    assert np.isfinite(numbers).all() and min(numbers) > 0
    said = posterior(wild, found)
    # only differences of logarithms count
    expected = posterior(usual, calibrate_frame(replace(usual, outside=wild.outside)))
    # the scales that are tried lie elsewhere, by a small part of their spread
    np.testing.assert_allclose(said.probabilities, expected.probabilities, atol=1e-2)
    np.testing.assert_allclose(said.n_atoms, expected.n_atoms, rtol=1e-3)


def test_the_scale_of_a_usual_model_is_the_exponential_of_its_logarithm():
    logarithms = np.log([1e-6, 0.3, 850.0, 1e12])
    np.testing.assert_allclose([intensity(one) for one in logarithms], np.exp(logarithms), rtol=1e-15)


@pytest.mark.parametrize("factor", [1e-300, 1e-4, 0.05, 30.0, 1e5, 1e300])
def test_a_scale_at_which_no_cluster_can_be_is_refused_with_the_likely_range(factor):
    evidence = evidence_of(SIZES * 10, scale=850.0)
    with pytest.raises(InputError, match="no cluster of this image") as refused:
        check_scale(evidence, 850.0 * factor)
    low, high = (float(found) for found in re.findall(r"between ([\d.e+]+) and ([\d.e+]+);", str(refused.value))[0])
    assert low < 850.0 < high and high / low == pytest.approx(1.35**2 * SIZES[-1] / SIZES[0], rel=2e-2)


def test_a_scale_that_fits_some_clusters_or_that_they_may_correct_is_taken():
    evidence = evidence_of([*SIZES * 10, 600], scale=850.0)
    check_scale(evidence, 850.0)
    check_scale(evidence, 850.0 * 30)  # the largest would still be a cluster
    with pytest.raises(InputError):
        check_scale(evidence, 850.0 * 30, use=np.arange(51) < 50)
    few = evidence_of(SIZES * 10, scale=850.0)
    check_scale(few, 850.0 * 30, intensity_per_atom_sd=1.0)
    with pytest.raises(InputError):
        check_scale(few, 850.0 * 30, intensity_per_atom_sd=0.02)
    # nothing to judge by
    check_scale(few, 1e-300, use=np.zeros(50, dtype=bool))


@pytest.mark.parametrize(
    ("factor", "said"),
    [(1e4, "less than one"), (1e-3, r"more than 4\d{4}\b"), (1e-9, "more than a million")],
)
def test_a_scale_is_refused_with_the_atoms_that_clusters_would_have(factor, said):
    with pytest.raises(InputError, match=f"half of them would have {said}"):
        check_scale(evidence_of([41] * 30, scale=850.0, integral_sd=0.01), 850.0 * factor)


@pytest.mark.parametrize("size", SIZES)
def test_a_known_scale_names_the_class_of_a_pure_frame_also_the_largest_and_the_smallest(size):
    found = calibrate_frame(evidence_of([size] * 60, scale=850.0), PriorKnowledge(intensity_per_atom=850.0))
    assert found.candidates[0]["dominant"] == f"Pt{size}"
    assert max(found.fractions, key=found.fractions.get) == f"Pt{size}" and found.fractions[f"Pt{size}"] > 0.8
    assert found.intensity_per_atom == pytest.approx(850.0, rel=0.03)


def test_neither_the_order_of_clusters_nor_the_unit_of_intensity_changes_what_a_frame_says():
    n_atoms = np.random.default_rng(seeded(4)).choice(SIZES, 80)
    evidence = evidence_of(n_atoms, scale=850.0)
    first, order = calibrate_frame(evidence), np.random.default_rng(1).permutation(80)
    turned, other = (
        calibrate_frame(evidence.take(order)),
        calibrate_frame(replace(evidence, log_integral=evidence.log_integral + np.log(1000.0))),
    )
    for again, scale in ((turned, first.intensity_per_atom), (other, 1000.0 * first.intensity_per_atom)):
        assert again.intensity_per_atom == pytest.approx(scale, rel=1e-4)
        assert again.intensity_per_atom_sd / again.intensity_per_atom == pytest.approx(
            first.intensity_per_atom_sd / first.intensity_per_atom, rel=1e-2
        )
        assert again.fractions == pytest.approx(first.fractions, abs=1e-3)
    labels = posterior(evidence, first).label
    assert (posterior(evidence.take(order), turned).label == labels[order]).all()


def test_the_scale_is_not_rounded_to_the_grid():
    """Scales that lie between one another's grid points come out apart, by as much as they are."""
    n_atoms = np.random.default_rng(seeded(6)).choice(SIZES, 200)
    scales = 850.0 * np.exp(np.linspace(0, 0.02, 5))
    found = [calibrate_frame(evidence_of(n_atoms, scale, integral_sd=0.02)).intensity_per_atom for scale in scales]
    np.testing.assert_allclose(np.array(found) / found[0], scales / scales[0], rtol=2e-3)


def test_numbers_beyond_the_range_can_still_be_multiplied_and_divided():
    largest, smallest = intensity(1e5), intensity(-1e5)
    with np.errstate(all="raise"):
        assert 0 < smallest * np.float64(smallest) < largest * np.float64(largest) < np.inf


def test_deposited_sizes_and_their_fractions_are_taken_where_they_belong_together():
    PriorKnowledge(deposited=(19, 30), fractions=(0.7, 0.3)).check(SIZES)
    PriorKnowledge(deposited=(19, 30), fractions=(1.0, 0.0)).check(SIZES)
    for fractions in ((1.1, -0.1), (1.0,), (0.5, 0.3, 0.2)):
        with pytest.raises(InputError, match=r"fraction|share"):
            PriorKnowledge(deposited=(19, 30), fractions=fractions).check(SIZES)


def test_one_in_a_hundred_may_be_of_a_size_that_was_not_deposited():
    known = PriorKnowledge(deposited=(41, 70), fractions=(0.75, 0.25))
    found = calibrate_frame(evidence_of([41] * 6 + [70] * 2, scale=850.0), known).fractions
    of_classes = 0.95
    assert found["Pt41"] == pytest.approx(of_classes * 0.99 * 0.75, rel=1e-3)
    assert found["Pt70"] == pytest.approx(of_classes * 0.99 * 0.25, rel=1e-3)
    for name in ("Pt19", "Pt30", "Pt55"):
        assert found[name] == pytest.approx(of_classes * 0.01 / 3, rel=1e-3)


def test_a_scale_known_to_half_a_percent_is_not_rounded():
    evidence = evidence_of([41] * 2, scale=850.0, integral_sd=0.3, shape_sd=2.0)
    for scale in 850.0 * np.exp(np.linspace(0, 0.02, 6)):
        known = PriorKnowledge(intensity_per_atom=scale, intensity_per_atom_sd=0.005)
        found = calibrate_frame(evidence, known)
        assert found.intensity_per_atom == pytest.approx(scale, rel=2e-3)
        assert found.intensity_per_atom_sd / scale == pytest.approx(0.005, rel=0.15)


@pytest.mark.parametrize("middle", [-6.0, 7.0])
def test_peaks_are_two_solutions_where_they_lie_as_far_apart_as_classes_and_name_another_class(middle):
    """In any unit of intensity: the logarithm of a scale may be below 0."""
    grid = middle + np.linspace(-0.5, 0.5, 101)

    def solutions(apart, second):
        weight = np.exp(-0.5 * ((grid - middle) / 0.02) ** 2) + 0.5 * np.exp(
            -0.5 * ((grid - middle - apart) / 0.02) ** 2
        )
        dominant = np.where(grid < middle + apart / 2, 1, second)
        shares = 0.1 + 0.5 * (np.arange(6) == dominant[:, None])
        found = calibration_of(SIZES, grid, weight / weight.sum(), shares / shares.sum(axis=1)[:, None], 0.0, 9, "Pt")
        return [(one["dominant"], round(one["probability"], 2)) for one in found.candidates]

    assert solutions(0.3, 2) == [("Pt30", 0.67), ("Pt41", 0.33)]
    assert solutions(0.3, 1) == [("Pt30", 1.0)]
    assert solutions(0.08, 2) == [("Pt30", 1.0)]


# ---------------------------------------------------------------------- the mixture, by hand


def test_the_integral_of_a_class_is_a_bell_curve_and_of_other_sizes_level_with_soft_ends():
    evidence = evidence_of([41], scale=1.0, integral_sd=0.0)
    evidence = replace(evidence, log_integral=np.log([41.0]), log_integral_sd=np.array([0.05]))
    log_scale = np.linspace(-3, 5, 8001)
    density = np.exp(integral_terms(evidence, log_scale, "logarithm")[:, 0])
    # a two hundredth of the height and three times the width: integrals that are wrong
    assert trapezoid(density, log_scale, axis=0)[:-1] == pytest.approx(np.full(5, 1.0 + 0.005 * 3), rel=1e-3)
    assert density[:, 2].max() == pytest.approx(1.005 / (0.05 * np.sqrt(2 * np.pi)), rel=1e-3)
    atoms = np.array([2.0, 4.0, 100.0, 300.0, 300.0 * np.exp(0.2), 300.0 * np.exp(0.6)])
    other = integral_terms(evidence, np.log(41.0 / atoms), "logarithm")[:, 0, -1]
    level = -np.log(np.log(300.0 / 4.0))
    assert other[1:] - level == pytest.approx([0, 0, 0, -0.5, -4.5], abs=1e-9)
    assert other[0] - level == pytest.approx(-0.5 * (np.log(2) / 0.2) ** 2)


@pytest.mark.parametrize(("error_of", "border"), [("logarithm", np.sqrt(41 * 55)), ("count", 48.0), ("class", 46.98)])
def test_between_two_classes_an_error_in_atoms_puts_the_border_in_the_middle(error_of, border):
    atoms = np.linspace(41, 55, 14_001)
    evidence = replace(evidence_of([41], scale=1.0), log_integral=np.zeros(1), log_integral_sd=np.array([0.1]))
    terms = integral_terms(evidence, -np.log(atoms), error_of)[:, 0]
    assert atoms[np.abs(terms[:, 2] - terms[:, 3]).argmin()] == pytest.approx(border, abs=0.01)
    # at its own count a class is likeliest, as likely as any other at its own, whatever the error is a part of
    own = integral_terms(evidence, -np.log(np.array(SIZES, dtype=float)), error_of)[:, 0, :-1]
    assert (own.argmax(axis=1) == np.arange(5)).all() and np.ptp(np.diagonal(own)) < 1e-9


def test_no_class_vanishes_and_the_numbers_of_clusters_are_those_that_were_seen():
    """What is seen of none counts as three tenths of a cluster, other sizes as well."""
    evidence = evidence_of([19] * 6 + [70] * 4, scale=850.0, integral_sd=0.0, shape_sd=0.05)
    mixture = fit_mixture(replace(evidence, outside=np.full(10, -12.0)), np.log([850.0]))
    assert mixture.shares[0] == pytest.approx(np.array([6.3, 0.3, 0.3, 0.3, 4.3, 0.3]) / 11.8, abs=1e-3)
    assert expected_counts(mixture.shares, 10)[0] == pytest.approx([6, 0, 0, 0, 4, 0], abs=0.02)
