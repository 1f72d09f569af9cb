"""Labels held back from tuning: always the same ones, and honest about what they say."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_atomicity.counting.holdout import HELD_BACK, Judgement, held_back, identities


@given(st.integers(1, 200), st.randoms(use_true_random=False), st.text(max_size=20))
def test_who_is_held_back_does_not_depend_on_the_others(n, random, name):
    ids = np.arange(n)
    labels = np.full(n, "Pt19", dtype=object)
    frames = ids % 3
    all_of_them = held_back(labels, identities(name, frames, ids))
    some = np.array(sorted(random.sample(range(n), random.randint(1, n))))
    order = np.array(random.sample(list(some), len(some)))
    again = held_back(labels[order], identities(name, frames[order], ids[order]))
    assert (again == all_of_them[order]).all()
    assert not held_back(np.full(n, "", dtype=object), identities(name, frames, ids)).any()


def test_a_quarter_is_held_back_and_another_one_in_another_image():
    ids, labels = np.arange(4000), np.full(4000, "Pt19", dtype=object)
    first, second = (held_back(labels, identities(name, 0 * ids, ids)) for name in ("a#0", "b#0"))
    assert abs(first.mean() - HELD_BACK) < 0.03 and abs(second.mean() - HELD_BACK) < 0.03
    assert abs((first & second).mean() - HELD_BACK**2) < 0.02
    frames = held_back(labels, identities("a#0", 0 * ids + 1, ids))
    assert abs((first & frames).mean() - HELD_BACK**2) < 0.02


def test_the_choice_is_the_same_in_every_version():
    labels, ids = np.full(20, "Pt19", dtype=object), np.arange(20)
    # labels of earlier sessions must not slip from the judges to the taught
    assert np.flatnonzero(held_back(labels, identities("frame#0", 0 * ids, ids))).tolist() == [6, 7, 8, 11, 16, 17]


def test_the_sentence_tells_labels_before_and_after():
    annotation = np.array(["Pt19"] * 34 + [""] * 6, dtype=object)
    held = np.arange(40) < 8
    before, after = (np.array(["Pt19"] * k + ["Pt30"] * (40 - k), dtype=object) for k in (5, 7))
    judged = Judgement.of(annotation, held, before, after)
    assert (judged.labels, judged.held, judged.before, judged.after) == (34, 8, 5, 7)
    assert judged.sentence.startswith("Of your 34 labels, 8 held back: 5 right before, 7 after")
    assert "may be chance" in judged.sentence
    sure = Judgement(60, 20, 5, 17, 12, 0)
    assert sure.sentence == "Of your 60 labels, 20 held back: 5 right before, 17 after."
    assert "none is held back" in Judgement(2, 0, 0, 0, 0, 0).sentence and Judgement(0, 0, 0, 0, 0, 0).sentence == ""
