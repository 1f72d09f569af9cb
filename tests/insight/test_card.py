"""The card of a cluster without a window: ranks, chances, sentences, contours, likeness."""

from dataclasses import replace

import numpy as np
import pytest

from counting.synthetic import GAIN, SIZES, sized_blobs, trained_bundle
from napari_atomicity.clusters import ClusterTable
from napari_atomicity.counting.bundle import Bundle
from napari_atomicity.counting.classify import evidence_steps, look_steps
from napari_atomicity.counting.patches import NM_PER_PX
from napari_atomicity.errors import InputError
from napari_atomicity.insight import cluster_card as cards
from napari_atomicity.insight.attribution import Attribution
from napari_atomicity.insight.standing import standings
from napari_atomicity.progress import drain


def _table(**columns):
    n = len(next(iter(columns.values())))
    values = {"y_px": np.arange(n), "x_px": np.arange(n), "label": np.full(n, "Pt19", dtype=object), **columns}
    return ClusterTable.from_columns(values, SIZES)


def _words(table, row):
    return {standing.quantity.column: standing.words for standing in standings(table, row)}


# ---------------------------------------------------------------------- among the others


def test_a_cluster_is_ranked_among_the_others_of_its_own_frame():
    # the second frame holds larger ones, which do not count
    table = _table(diameter_nm=np.array([1.0, 1.1, 1.2, 1.3, 1.4, 9.0]), frame=np.array([0, 0, 0, 0, 0, 1]))
    assert [_words(table, row)["diameter_nm"] for row in range(6)] == [
        "the smallest",
        "larger than 25 %",
        "larger than 50 %",
        "larger than 75 %",
        "the largest",
        "the only one",
    ]


def test_equals_share_a_rank_and_nobody_is_called_an_extreme_by_rounding():
    table = _table(intensity=np.full(5, 7.0))
    assert _words(table, 0)["intensity"] == "brighter than 50 %"
    table = _table(n_atoms=np.arange(1000.0))
    assert _words(table, 998)["n_atoms"] == "more atoms than 99 %"
    assert _words(table, 1)["n_atoms"] == "more atoms than 1 %"
    assert _words(table, 999)["n_atoms"] == "the most atoms"


def test_what_nobody_has_is_left_out_and_what_this_one_lacks_is_said():
    table = _table(diameter_nm=np.array([1.0, np.nan, 1.2]))
    (standing,) = standings(table, 1)
    assert standing.quantity.column == "diameter_nm"
    assert (standing.text, standing.words, len(standing.values)) == ("not known", "", 2)


def test_fellows_follow_the_label_of_a_person():
    table = _table(
        diameter_nm=np.array([1.0, 1.1, 1.2]),
        label=np.array(["Pt19", "Pt55", ""], dtype=object),
        annotation=np.array(["Pt55", "", ""], dtype=object),
    )
    (standing,) = standings(table, 1)
    np.testing.assert_array_equal(standing.fellows, [1.0, 1.1])
    (unlabelled,) = standings(table, 2)
    assert not len(unlabelled.fellows)


# ---------------------------------------------------------------------- chances and sentences


def test_chances_with_other_add_up_in_the_words_of_any_element():
    probabilities = {f"p_{n}": np.array([0.1, np.nan]) for n in SIZES}
    table = _table(**probabilities, label=np.array(["Au19", ""], dtype=object))
    labels = cards.class_labels(table, None)
    assert labels == ("Au19", "Au30", "Au41", "Au55", "Au70")
    found = cards.chances(table, 0, labels)
    assert [label for label, _ in found] == [*labels, "other"]
    assert sum(chance for _, chance in found) == pytest.approx(1.0)
    assert cards.chances(table, 1, labels) == []
    assert cards.chances(ClusterTable.from_columns({"y_px": [1.0]}), 0, ()) == []
    assert cards.target_of(table, 1, trained_bundle().card) is None


def test_notes_say_what_is_missing_or_odd_in_one_sentence_each():
    table = ClusterTable.from_columns(
        {
            "y_px": np.arange(4.0),
            "flag": np.array(["border", "ok", "ok", "outside"], dtype=object),
            "label": np.array(["Pt19", "", "", "other"], dtype=object),
            "confidence": np.array([0.9, np.nan, np.nan, 0.3]),
            "p_19": np.array([0.9, np.nan, np.nan, 0.6]),
            "p_30": np.array([0.1, np.nan, np.nan, 0.1]),
        },
        (19, 30),
    )
    assert "border" in " ".join(cards.notes(table, 0, counted=True, unseen=False))
    assert "count again" in cards.notes(table, 1, counted=True, unseen=False)[0]
    assert cards.notes(table, 1, counted=True, unseen=True) == []
    assert "Not counted yet" in cards.notes(table, 2, counted=False, unseen=False)[0]
    other = cards.notes(table, 3, counted=True, unseen=False)
    assert len(other) == 2 and "30 %" in other[1]


def _attribution(parts, empty, target=3):
    return Attribution(
        np.ones((1, 2, 64, 64), np.float32),
        ("raw", "lcn"),
        np.array([target]),
        np.array([parts]),
        np.array([empty]),
        0.1,
        2.25,
        "hires-cam",
        np.ones((1, 2)),
    )


@pytest.mark.parametrize(("empty", "words"), [(True, "nothing in this channel speaks for Pt55"), (False, "")])
def test_a_channel_without_evidence_is_named(empty, words):
    assert cards.channel_words(_attribution([9.0, 7.0, 0.4], [False, empty]), 1, "Pt55") == words
    assert cards.channel_words(_attribution([9.0, 7.0, 0.4], [False, empty], target=-1), 1, "Pt55") == ""


def test_contours_are_explained_where_there_are_any():
    parts = [9.0, 1.0, 0.5]
    assert "Pt55" in cards.contour_words(_attribution(parts, [True, False]), "Pt55")
    assert cards.contour_words(_attribution(parts, [True, True]), "Pt55").startswith("No contours: nothing")
    assert cards.contour_words(_attribution(parts, [True, True], target=-1), "Pt55") == ""


# ---------------------------------------------------------------------- pictures


def test_contours_run_round_the_evidence_and_close_at_the_rim():
    y, x = np.indices((64, 64))
    spot = np.exp(-0.5 * ((y - 20) ** 2 + (x - 47) ** 2) / 6**2).astype(np.float32)
    for lines in cards.contours(spot, 0.2):
        (line,) = lines
        np.testing.assert_allclose(line.mean(axis=0), (20, 47), atol=0.5)
    outer, inner = (np.ptp(lines[0][:, 0]) for lines in cards.contours(spot, 0.2))
    assert outer > inner > 4
    everywhere = cards.contours(np.ones((64, 64), np.float32), 0.2)
    np.testing.assert_array_equal(everywhere[0][0][0], everywhere[0][0][-1])
    assert cards.contours(np.zeros((64, 64), np.float32), 0.2) == ((), ())


def test_a_bright_neighbour_does_not_darken_the_cluster():
    picture = np.zeros((64, 64), np.float32)
    picture[28:36, 28:36] = 1.0
    alone = cards.as_grey(picture)
    picture[:6, :6] = 50.0
    assert cards.as_grey(picture)[32, 32] == alone[32, 32] == 255


def test_the_channels_are_those_of_the_model_in_atoms_per_nm2():
    n_atoms, patches, _ = sized_blobs()
    some, card = patches.take(np.arange(2)), trained_bundle().card
    seen = cards.channels_of(some, card, np.log(GAIN))
    assert seen.shape == (2, 2, 64, 64)
    np.testing.assert_allclose(seen[:, 0].sum(axis=(1, 2)) * NM_PER_PX**2, n_atoms[:2], rtol=0.1)
    # of a model that sees one channel it is the same picture; of none there are no atoms yet
    alone = cards.channels_of(some, replace(card, channels=("raw",)), np.log(GAIN))
    np.testing.assert_array_equal(alone, seen[:, :1])
    np.testing.assert_array_equal(cards.channels_of(some, None)[:, 0], some.raw)


def test_without_a_scale_every_cluster_is_drawn_as_if_of_middle_size():
    _, patches, _ = sized_blobs()
    drawn = cards.channels_of(patches.take(np.arange(9)), trained_bundle().card)[:, 0]
    middle = np.exp(np.log(SIZES).mean())
    np.testing.assert_allclose(drawn.sum(axis=(1, 2)) * NM_PER_PX**2, middle, rtol=0.1)


# ---------------------------------------------------------------------- likeness


def test_a_library_cluster_is_most_like_itself_and_distances_are_put_into_words():
    bundle = trained_bundle()
    alike = cards.alike_of(bundle)
    _, patches, _ = sized_blobs()
    some, scale = patches.take(np.arange(20)), np.full(20, np.log(GAIN))
    free = drain(evidence_steps(bundle, some))
    features = drain(look_steps(bundle, some, free, scale, np.zeros(20))).features
    row, distance = alike.nearest(features[7])[0]
    assert distance < 0.1 * alike.usual.max()
    assert alike.library.class_index[row] == alike.library.class_index[7]
    assert alike.words(0.0).startswith("More alike than")
    assert alike.words(float(np.median(alike.usual))).startswith("As alike as")
    assert alike.words(2 * float(alike.usual.max())).startswith("Less alike than any")
    assert alike.nearest(np.full_like(features[0], np.nan)) == []


def test_a_model_without_library_says_so():
    bundle = trained_bundle()
    with pytest.raises(InputError, match="no library clusters"):
        cards.alike_of(Bundle(bundle.card, bundle.network))
