"""What decided between two classes: parts that add up to how much likelier the first is."""

from dataclasses import replace

import numpy as np
import pytest

from counting.synthetic import GAIN, SIZES, looked, sized_blobs, trained_bundle
from napari_atomicity.counting.calibrate import calibrate_frame
from napari_atomicity.counting.calibration import Calibration
from napari_atomicity.counting.mixture import integral_terms
from napari_atomicity.counting.predictions import posterior
from napari_atomicity.insight.decision import Decision, decision_of


@pytest.fixture(scope="module")
def seen():
    """Clusters whose counts are so uncertain that shape has a say too."""
    bundle = trained_bundle()
    doubtful = replace(bundle, card=replace(bundle.card, integral_tau=0.3, temperature_scaled=2.0))
    return looked(doubtful, sized_blobs()[1].take(np.arange(60)))


def _chances(evidence, calibration, row):
    return dict(zip(evidence.card.labels, posterior(evidence, calibration).probabilities[row].tolist(), strict=True))


def test_the_parts_add_up_to_how_much_likelier_the_first_class_is(seen):
    calibration = calibrate_frame(seen)
    for row in range(0, 60, 7):
        chances = _chances(seen, calibration, row)
        found = decision_of(seen, calibration, row, chances)
        (first, p1), (second, p2) = sorted(chances.items(), key=lambda item: -item[1])[:2]
        assert (found.label, found.against) == (first, second)
        assert found.total == pytest.approx(np.log(p1 / p2)) and found.total >= 0
        assert found.brightness + sum(found.shape.values()) + found.shares == pytest.approx(found.total)
        assert tuple(found.shape) == ("raw", "lcn")
        expected = np.log(calibration.fractions[first] / calibration.fractions[second])
        assert found.shares == pytest.approx(expected)


def test_at_a_scale_known_exactly_brightness_is_what_the_count_says(seen):
    calibration = Calibration.at_scale(GAIN, SIZES)
    terms = integral_terms(seen, np.array([np.log(GAIN)]), "count")[0]
    for row in range(0, 60, 7):
        found = decision_of(seen, calibration, row, _chances(seen, calibration, row))
        first, second = (seen.card.labels.index(label) for label in (found.label, found.against))
        assert found.brightness == pytest.approx(terms[row, first] - terms[row, second], abs=1e-3)
        assert found.shares == pytest.approx(0.0)


def test_where_there_is_nothing_to_take_apart_nothing_is_said(seen):
    calibration = Calibration.at_scale(GAIN, SIZES)
    chances = _chances(seen, calibration, 0)
    labels = seen.card.labels
    assert decision_of(seen, calibration, 0, chances) is not None
    # without a scale, without a patch, without a count, and where one class alone has a chance
    assert decision_of(seen.free, calibration, 0, chances) is None
    invalid = replace(seen, valid=np.arange(60) > 0)
    assert decision_of(invalid, calibration, 0, chances) is None
    assert decision_of(seen, calibration, 0, {}) is None
    assert decision_of(seen, calibration, 0, dict.fromkeys(labels, np.nan)) is None
    assert decision_of(seen, calibration, 0, dict.fromkeys(labels, 0.0) | {"Pt41": 1.0}) is None


def test_a_class_that_the_image_lacks_leaves_the_numbers_finite(seen):
    calibration = Calibration.at_scale(GAIN, SIZES)
    chances = _chances(seen, calibration, 0)
    second = sorted(chances, key=chances.get)[-2]
    lacking = replace(calibration, fractions=calibration.fractions | {second: 0.0})
    found = decision_of(seen, lacking, 0, chances)
    assert np.isfinite([found.brightness, found.shares]).all() and found.shares > 0


def test_words_name_every_part_as_a_factor():
    decision = Decision("Pt55", "Pt41", 2.34, 3.0, {"raw": -0.5, "lcn": 0.04}, -0.2)
    assert decision.words.replace("\N{NO-BREAK SPACE}", " ") == (
        "Pt55 rather than Pt41, 10 times likelier: brightness × 20, shape in raw intensity ÷ 1.6, "
        "shape in local contrast × 1.0, class shares ÷ 1.2."
    )
    sure = Decision("Pt55", "Pt41", 12.0, 6.2, {"raw": -0.01}, -30.0).words.replace("\N{NO-BREAK SPACE}", " ")
    assert "more than 10,000 times likelier" in sure and "brightness × 490," in sure
    assert "raw intensity × 1.0," in sure and "shares ÷ more than 10,000." in sure
