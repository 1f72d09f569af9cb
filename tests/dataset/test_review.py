"""Labels of a person lie beside the computed tables, and come back wherever their clusters are found again."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from napari_atomicity.dataset.review import labels_path, open_dataset_steps, review_steps, save_labels, with_labels
from napari_atomicity.errors import InputError
from napari_atomicity.progress import drain

PIXEL_NM = 0.05


@pytest.fixture
def opened(night, run, tmp_path):
    folder = tmp_path / "images"
    shutil.copytree(night / "grid0", folder)
    done = run(folder, session_by="folder")
    return drain(open_dataset_steps(done.folder.path))


def test_an_image_comes_with_the_labels_and_the_scale_of_the_dataset(opened):
    row = opened.rows[1]
    state = drain(review_steps(opened, row))
    assert len(state.table) == row["clusters"]
    assert state.calibrations[0].intensity_per_atom == pytest.approx(row["scale"], rel=1e-3)
    assert list(state.count.table.rows["label"]) == list(state.table.rows["label"])
    assert len(state.count.evidence) == len(state.count.patches) == len(state.table)


def test_labels_new_clusters_and_deletions_survive_another_count(opened):
    row = opened.rows[0]
    folder, image = opened.folder, row["image"]
    counted = drain(review_steps(opened, row)).table
    save_labels(folder, image, counted)
    assert not labels_path(folder, image).exists()  # nothing was done, nothing is kept
    first, second = counted.ids[:2].tolist()
    done = counted.annotate([first], "Pt41").drop([second]).add({"y_px": [7.0], "x_px": [9.0], "annotation": ["Pt19"]})
    save_labels(folder, image, done)
    again = with_labels(folder, image, counted, PIXEL_NM)
    assert again.values_of("annotation", [first])[0] == "Pt41"
    assert second not in again.ids
    added = again.rows[again.rows["annotation"] == "Pt19"]
    assert len(added) == 1 and added["y_px"].iloc[0] == 7.0
    # the next count numbers them otherwise, and finds them a little elsewhere
    moved = counted.take(np.arange(len(counted))[::-1])
    moved = moved.with_columns(id=np.arange(len(moved)), y_px=moved.rows["y_px"].to_numpy() + 1.0)
    later = with_labels(folder, image, moved, PIXEL_NM)
    assert sorted(later.rows["annotation"].unique()) == ["", "Pt19", "Pt41"]
    assert len(later) == len(again)


def test_what_cannot_be_reviewed_is_said(opened, tmp_path):
    row = opened.rows[0]
    with pytest.raises(InputError, match="was not counted: no reason"):
        drain(review_steps(opened, {**row, "status": "failed", "refusal": "no reason"}))
    shutil.copy(opened.rows[1]["path"], row["path"])
    with pytest.raises(InputError, match="has changed since it was counted"):
        drain(review_steps(opened, row))
    with pytest.raises(InputError, match="holds no dataset"):
        drain(open_dataset_steps(tmp_path))
