"""What an image looks like with a scale between two that it was looked at with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_atomicity.counting.bundle import load_bundle
from napari_atomicity.counting.classify import evidence_steps, look_steps
from napari_atomicity.dataset.parts import pyarrow
from napari_atomicity.dataset.statistics import LOOK_STEP, _look_rows, look_at
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline import Settings
from napari_atomicity.pipeline.count import search_steps
from napari_atomicity.pipeline.counting import patches_steps
from napari_atomicity.pipeline.state import ImageState
from napari_atomicity.progress import drain
from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.frames import simulate_frame


@pytest.fixture(scope="module")
def look() -> Any:
    """What the shipped model sees in a simulated frame, with a scale so far (in its logarithm) from the true one."""
    frame = simulate_frame(sample_spec("nominal", None, 24, shape=(448, 448), seed=3), 3)
    searched = drain(search_steps(ImageState(Micrograph(frame.image, frame.pixel_size_nm), settings=Settings())))
    patches = drain(patches_steps(searched.micrograph, searched.table))
    bundle = load_bundle("dual")
    free = drain(evidence_steps(bundle, patches))
    scale = np.full(len(patches), np.log(frame.scale_counts_nm2_per_atom))
    return lambda off: drain(look_steps(bundle, patches, free, scale + off, np.full(len(patches), 0.05)))


def rows_of(look: Any, offsets: list[float]) -> dict[str, Any]:
    pa, _ = pyarrow()
    parts = []
    for number, off in enumerate(offsets):
        seen = look(off)
        parts.append(_look_rows("a", number, seen, np.arange(len(seen)), seen.valid, seen.card.class_sizes))
    rows = pa.concat_tables(parts)
    return {name: rows[name].to_numpy(zero_copy_only=False) for name in rows.column_names}


def error(found: Any, true: Any) -> float:
    """Of the log-likelihoods of the classes that are not out of the question."""
    likely = true.shape > -4
    return float(np.sqrt(np.mean((found.shape - true.shape)[likely] ** 2)))


def test_between_two_looks_lies_what_a_look_there_shows(look):
    kept = rows_of(look, [0.0, -LOOK_STEP, LOOK_STEP])
    for off in (-0.07, 0.05):
        true = look(off)
        found, use = look_at(kept, float(true.log_scale[0]), true.card)
        assert use.tolist() == true.valid.tolist()
        assert found.log_scale == pytest.approx(true.log_scale)
        assert found.log_integral == pytest.approx(true.log_integral, abs=0.03)
        assert np.exp(found.shape).sum(axis=1) == pytest.approx(1)
        nearest, _ = look_at(rows_of(look, [LOOK_STEP * round(off / LOOK_STEP)]), float(true.log_scale[0]), true.card)
        assert error(found, true) < 0.6 * error(nearest, true)


@pytest.mark.parametrize("off", [-0.5, 0.5])
def test_beyond_all_looks_counts_the_last(look, off):
    kept = rows_of(look, [0.0, -LOOK_STEP])
    last = look(0.0 if off > 0 else -LOOK_STEP)
    found, _ = look_at(kept, float(last.log_scale[0]) + off, last.card)
    assert found.log_integral == pytest.approx(last.log_integral)


def test_one_look_is_enough(look):
    only = look(0.0)
    found, _ = look_at(rows_of(look, [0.0]), float(only.log_scale[0]) + 0.1, only.card)
    assert found.outside == pytest.approx(only.outside, abs=1e-5)
