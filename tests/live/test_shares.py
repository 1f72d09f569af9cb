"""Shares that may be looked at after every image."""

from __future__ import annotations

import numpy as np
import pytest

from napari_atomicity.errors import InputError
from napari_atomicity.live.shares import (
    ImageCounts,
    SessionCounts,
    always_valid,
    class_weights,
    clusters_needed,
    counts_of,
    live_shares,
    overdispersion,
    usual,
)
from seeds import seeded

LABELS = ("Pt19", "Pt30", "Pt55")
TRUTH = np.array([0.2, 0.3, 0.5])
CONFUSED = np.array([[0.9, 0.1, 0.0], [0.1, 0.8, 0.1], [0.0, 0.1, 0.9]])


def _image(rng: np.random.Generator, n: int, confused: np.ndarray = CONFUSED) -> ImageCounts:
    """Labels of clusters that are confused as often as `confused` says."""
    true = rng.choice(3, n, p=TRUTH)
    label = np.array([rng.choice(3, p=confused[k]) for k in true])
    chances = TRUTH[:, None] * confused
    chances /= np.maximum(chances.sum(axis=0), 1e-12)
    confusion = np.zeros((4, 4))
    for one in label:
        confusion[:3, one] += chances[:, one]
    return ImageCounts(np.append(np.bincount(label, minlength=3), 0).astype(float), confusion)


def test_shares_are_corrected_for_what_is_confused():
    rng = np.random.default_rng(seeded(1))
    shares = live_shares(SessionCounts([_image(rng, 400) for _ in range(20)]), LABELS)
    assert np.abs(shares.share - TRUTH).max() < 0.03
    assert (shares.low < TRUTH).all() and (shares.high > TRUTH).all()
    assert (shares.low <= shares.usual_low).all() and (shares.high >= shares.usual_high).all()


def test_looking_all_the_time_seldom_misses_the_truth_and_the_usual_interval_often_does():
    rng = np.random.default_rng(seeded(2))
    weights, share = np.array([1.0, 0.0]), 0.3
    missed = {always_valid: 0, usual: 0}
    runs = 60
    for _ in range(runs):
        labels = np.cumsum(rng.random(600) < share)
        for ends in missed:
            seen = [
                ends(np.array([labels[n - 1], n - labels[n - 1]], dtype=float), weights) for n in range(10, 600, 20)
            ]
            missed[ends] += any(not low <= share <= high for low, high in seen)
    assert missed[always_valid] <= 0.05 * runs + 3
    assert missed[usual] > 0.12 * runs


def test_more_clusters_make_it_narrower_and_how_many_are_needed_is_foreseen():
    rng = np.random.default_rng(seeded(3))
    images = [_image(rng, 40) for _ in range(10)]
    few = SessionCounts(images)
    needed = clusters_needed(few, live_shares(few, LABELS), 0.05)
    assert needed is not None and 300 < needed < 6000
    more = SessionCounts([*images, *[_image(rng, 40) for _ in range(int(np.ceil(1.3 * needed / 40)))]])
    assert live_shares(more, LABELS).half_width < 0.05 < live_shares(few, LABELS).half_width
    assert clusters_needed(more, live_shares(more, LABELS), 0.05) == 0


def test_images_that_come_again_or_are_taken_out_leave_what_all_at_once_would():
    rng = np.random.default_rng(seeded(4))
    images = [_image(rng, 40) for _ in range(150)]
    grown = SessionCounts()
    for number, image in enumerate(images):
        grown.put(str(number), images[0])
        grown.put(str(number), image)
    for number in range(0, 150, 3):
        grown.drop(str(number))
        grown.drop("never there")
    left = SessionCounts([image for number, image in enumerate(images) if number % 3])
    now, expected = live_shares(grown, LABELS), live_shares(left, LABELS)
    assert len(grown) == len(left) == now.images == 100
    assert np.allclose([now.share, now.low, now.high], [expected.share, expected.low, expected.high])
    assert now.worth == pytest.approx(expected.worth)
    with pytest.raises(InputError, match="other classes"):
        grown.put("of another model", ImageCounts(np.ones(3), np.eye(3)))


def test_nothing_counted_says_nothing():
    nothing = live_shares(SessionCounts(), LABELS)
    assert nothing.clusters == 0 and np.isnan(nothing.share).all()
    assert (nothing.low == 0).all() and (nothing.high == 1).all()
    assert clusters_needed(SessionCounts(), nothing, 0.05) is None


def test_images_that_differ_by_more_than_chance_count_as_fewer_clusters():
    alike = [ImageCounts(np.array([10.0, 10, 20, 0]), np.eye(4) * 10) for _ in range(6)]
    unlike = [ImageCounts(np.array([20.0, 0, 20, 0] if i % 2 else [0.0, 20, 20, 0]), np.eye(4) * 10) for i in range(6)]
    assert live_shares(SessionCounts(alike), LABELS).worth == pytest.approx(240)
    assert live_shares(SessionCounts(unlike), LABELS).worth < 80
    assert overdispersion(np.zeros((3, 2))) == 1.0


def test_labels_that_no_share_explains_do_not_stop_it():
    low, high = always_valid(np.array([0.0, 5000.0]), np.array([0.6, 0.5]))
    assert 0 <= low <= high <= 1


def test_a_class_that_is_never_seen_keeps_its_label():
    weights = class_weights(np.diag([50.0, 0.0, 70.0]))
    assert np.allclose(weights, np.eye(3))


def test_labels_that_are_no_class_are_none_of_them():
    label = np.array(["Pt19", "other", "dirt"], dtype=object)
    counts = counts_of(label, np.array([[0.8, 0.1, 0.0], [0.1, 0.0, 0.1], [np.nan] * 3]), LABELS)
    assert counts.labels.tolist() == [1, 0, 0, 2]
    assert counts.confusion[:, 0] == pytest.approx([0.8, 0.1, 0.0, 0.1])
