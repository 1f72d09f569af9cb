"""Time and dose of a frame: from the file where it tells them, and as a person says where one does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_atomicity.micrograph import Micrograph
from napari_atomicity.movies import MovieSettings, exposure_of
from napari_atomicity.pipeline import movie_of_frames
from napari_atomicity.pipeline.sums import summed

_SCAN = {"frame_time_s": 0.7, "dwell_time_s": 2e-6, "beam_current_a": 3.2e-11}


def _stack(**metadata: object) -> Micrograph:
    return Micrograph(np.random.default_rng(0).random((6, 50, 40), np.float32), 0.02, metadata=metadata)


def test_dose_is_current_times_time_over_area() -> None:
    told = exposure_of(_stack(**_SCAN))
    # 200 electrons in a microsecond of 32 pA, two of them in a pixel of 4e-4 nm²
    assert told.dose_per_frame == pytest.approx(3.2e-11 / 1.602e-19 * 2e-6 / 4e-4, rel=1e-3)
    assert told.seconds_per_frame == 0.7
    assert exposure_of(_stack(dwell_time_s=2e-6)).seconds_per_frame == pytest.approx(2e-6 * 2000)
    assert exposure_of(_stack(frame_time_s=0.7, beam_current_a=1e-11)).dose_per_frame == pytest.approx(
        1e-11 * 0.7 / 1.602176634e-19 / (2000 * 4e-4)
    )


def test_what_cannot_be_known_is_not_told() -> None:
    assert exposure_of(_stack()) == exposure_of(_stack(frame_time_s=-1, beam_current_a="strong"))
    assert exposure_of(_stack(beam_current_a=1e-11)).dose_per_frame is None
    assert exposure_of(replace(_stack(**_SCAN), pixel_size_nm=None)).dose_per_frame is None
    assert exposure_of(_stack(frame_time_s=1e9, beam_current_a=3.0)).seconds_per_frame is None
    wild = exposure_of(replace(_stack(dwell_time_s=5e5, beam_current_a=9e-4), pixel_size_nm=1e-300))
    assert wild == exposure_of(_stack()) and wild.completed(MovieSettings()) == MovieSettings()


def test_what_a_person_says_comes_first() -> None:
    told = exposure_of(_stack(**_SCAN))
    used = told.completed(MovieSettings(seconds_per_frame=5.0))
    assert used.seconds_per_frame == 5.0 and used.dose_per_frame == told.dose_per_frame
    assert told.sentence(MovieSettings(dose_per_frame=1.0)) == "From the file: 0.7 seconds per frame."
    assert not told.sentence(used)


def test_single_images_have_a_dose_and_no_time_between_them() -> None:
    one = replace(_stack(**_SCAN), data=_stack().frame(0))
    movie, _ = movie_of_frames([one, one])
    told = exposure_of(movie)
    assert told.seconds_per_frame is None and told.dose_per_frame == exposure_of(one).dose_per_frame


def test_means_have_the_time_and_the_dose_of_all_their_frames() -> None:
    movie = _stack(**_SCAN)
    means = exposure_of(summed(movie, np.zeros((6, 2)), 3))
    assert means.seconds_per_frame == pytest.approx(2.1)
    assert means.dose_per_frame == pytest.approx(3 * (exposure_of(movie).dose_per_frame or 0))
