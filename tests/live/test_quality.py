"""Qualities of images over a session, and what is said when one leaves its band; what to do next."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from napari_atomicity.live import quality
from napari_atomicity.live.advice import advice, needed_sentence
from napari_atomicity.live.quality import STRIPS, shift_px, warnings_of
from napari_atomicity.live.seen import Seen
from napari_atomicity.live.shares import ImageCounts, SessionCounts, live_shares
from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.frames import simulate_frame
from napari_atomicity.simulation.repeats import simulate_repeats
from seeds import seeded

GOOD = {"scale": 900.0, "blur": 0.4, "noise": 3.0, "drift": None, "support": 10.0, "saturated": 0.0, "left_out": 15.0}


def _session(**bad: float) -> tuple[list[str], list[dict[str, float | None]]]:
    """Eight good images, then two with other values."""
    rng = np.random.default_rng(seeded(6))
    images: list[dict[str, float | None]] = []
    for i in range(10):
        scatter = {name: None if value is None else value * rng.normal(1, 0.01) for name, value in GOOD.items()}
        images.append(scatter | (bad if i >= 8 else {}))
    return [f"frame {i}" for i in range(10)], images


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"blur": 0.5}, r"Since frame 8 images are blurred by 0\.(29|30|31) nm more than at first: refocus"),
        ({"scale": 500.0}, r"Since frame 8 the intensity of an atom has fallen to 0\.5\d times"),
        ({"scale": 1500.0}, r"has risen to 1\.6\d times"),
        ({"noise": 9.0}, r"noise is (2\.9|3\.0) times"),
        ({"support": 30.0}, "the support is brighter by 20 atoms/nm²: contamination"),
        ({"saturated": 1.5}, "1.50 % of the pixels are saturated"),
        ({"left_out": 60.0}, "60 % of the clusters cannot be counted"),
    ],
)
def test_what_leaves_its_band_is_said_since_when_and_what_to_do(bad, words):
    (sentence,) = warnings_of(*_session(**bad))
    assert re.search(words, sentence)


def test_nothing_is_said_of_what_is_usual_of_few_images_and_of_what_is_better():
    assert warnings_of(*_session()) == []
    assert warnings_of(["a", "b"], [GOOD, {**GOOD, "blur": 5.0}]) == []
    assert warnings_of(*_session(blur=0.2, noise=1.0, left_out=0.0)) == []
    assert warnings_of([], []) == []


def test_one_image_that_is_a_little_off_is_not_yet_said():
    names, images = _session()
    images[-1] = {**images[-1], "blur": 0.44}
    assert warnings_of(names, images) == []
    assert len(warnings_of([*names, "frame 10"], [*images, {**images[-1], "blur": 0.44}])) == 1


def test_what_is_good_again_is_no_longer_said():
    names, images = _session(blur=0.8)
    assert warnings_of([*names, "good"], [*images, GOOD]) == []


def test_drift_is_told_where_two_images_show_one_field_and_only_there():
    spec = sample_spec("nominal", None, 30, shape=(384, 384), seed=seeded(1))
    repeats = simulate_repeats(spec, 2, seeded(1), shift_px=40)
    other = simulate_repeats(spec, 2, seeded(2), shift_px=40).images[0]
    truth = np.hypot(*(repeats.shifts_px[1] - repeats.shifts_px[0])) * repeats.pixel_size_nm
    first, second = repeats.images
    assert shift_px(second, first) * repeats.pixel_size_nm == pytest.approx(truth, abs=0.2)
    for one, another in ((other, first), (first[:100], first), (first, None)):
        assert shift_px(one, another) is None


def test_a_probe_twice_as_wide_is_seen_as_blur():
    spec = sample_spec("nominal", None, 30, shape=(512, 512), seed=seeded(0))
    wide = replace(spec, probe=replace(spec.probe, fwhm_nm=2 * spec.probe.fwhm_nm))
    sharp = [quality._blur_nm(simulate_frame(spec, i).image, spec.pixel_size_nm) for i in range(5)]
    blurred = quality._blur_nm(simulate_frame(wide, 9).image, spec.pixel_size_nm)
    assert warnings_of(list("abcdef"), [{"blur": value} for value in (*sharp, sharp[0])]) == []
    (sentence,) = warnings_of(list("abcdefg"), [{"blur": value} for value in (*sharp, blurred, blurred)])
    assert sentence.startswith("Since f images are blurred")
    noise = np.random.default_rng(0).normal(size=(256, 256)).astype(np.float32)
    assert np.isnan(quality._blur_nm(noise, 0.05))


def test_every_strip_has_words():
    assert set(GOOD) == set(STRIPS) and all(strip.name and strip.unit and strip.more for strip in STRIPS.values())


# ---------------------------------------------------------------------- what to do next


def _images(n: int, pixel: float = 0.05, left_out: float = 10.0, analysed: int = 30) -> list[Seen]:
    quality = {"left_out": left_out}
    seen = Seen("counted", "x", "x", "x", analysed=analysed, quality=quality, pixel_size_nm=pixel)
    return [seen] * n


def _shares(clusters: int):
    image = ImageCounts(np.array([clusters * 0.4, clusters * 0.6, 0.0]), np.diag([clusters * 0.4, clusters * 0.6, 0.0]))
    return live_shares(SessionCounts([image]), ("Pt19", "Pt55"))


def test_enough_more_or_another_magnification_with_the_reason():
    few = _shares(60)
    assert advice([], _shares(0), None).what == "more"
    assert advice(_images(3), few, 900).sentence.startswith(
        "More fields like these: about 900 more clusters (15 fields)"
    )
    assert advice(_images(3), _shares(6000), 0).what == "enough"
    open_still = [*_images(2), replace(_images(1)[0], undecided=["Pt19", "Pt30"])]
    said = advice(open_still, _shares(6000), 0)  # however narrow the ends are: they hold for one scale alone
    assert said.what == "other" and "Undecided between Pt19 and Pt30" in said.sentence
    assert advice([*open_still, *_images(1)], _shares(6000), 0).what == "enough"
    for odd, words in (
        ({"pixel": 0.2}, "higher magnification"),
        ({"left_out": 60.0}, "cannot be counted"),
        ({"analysed": 2}, "lower magnification"),
    ):
        said = advice(_images(3, **odd), few, 900)
        assert said.what == "magnification" and words in said.sentence


def test_how_many_more_is_said_with_two_digits():
    assert needed_sentence(_shares(100), 1234) == "about 1,200 more clusters (12 fields) for ± 5 points."
    assert needed_sentence(_shares(100), 7, 0.025) == "about 7 more clusters (1 field) for ± 2.5 points."
    assert "out of reach" in needed_sentence(_shares(100), None)
