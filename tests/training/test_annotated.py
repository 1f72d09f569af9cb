"""Labels by hand as a training set that comes back as it was saved, and trains."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_atomicity.errors import InputError
from napari_atomicity.pipeline import Settings, detect_steps, training_set_steps
from napari_atomicity.progress import drain
from napari_atomicity.training.annotated import ARRAYS, CARD, load_set, save_set, sets_in
from napari_atomicity.training.laboratory import laboratory_steps


@pytest.fixture(scope="module")
def labelled(micrograph):
    """A detected table in which a person labelled all clusters of two sizes by how bright they are."""
    table = drain(detect_steps(micrograph, Settings())).table
    bright = table.rows["intensity"] > table.rows["intensity"].median()
    ids = table.ids
    table = table.annotate(ids[bright.to_numpy()].tolist(), "Pt55").annotate(ids[~bright.to_numpy()].tolist(), "Pt19")
    return table.annotate(ids[:1].tolist(), "other")


def test_what_is_saved_comes_back(micrograph, labelled, tmp_path):
    folder = drain(training_set_steps(micrograph, labelled, tmp_path / "mine.training-set"))
    made = load_set(folder)
    rows = labelled.rows.set_index("id").loc[made.arrays["id"]]
    assert list(made.labels) == rows["annotation"].tolist() and "other" in made.labels
    np.testing.assert_array_equal(made.arrays["y_px"], rows["y_px"])
    assert set(made.arrays["n_atoms"]) == {0, 19, 55}
    assert made.facts["image"]["name"] == micrograph.name and len(made.facts["image"]["sha256"]) == 64
    again = load_set(save_set(made, tmp_path / "again"))
    assert again.labels == made.labels and again.facts["pixel_size_nm"] == micrograph.pixel_size_nm
    for name, values in made.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], values)
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert all(f"| {name}" in readme or f", {name}" in readme for name in made.arrays)
    assert not list(tmp_path.glob(".*"))


def test_nothing_is_overwritten_and_nothing_unlabelled_saved(micrograph, labelled, tmp_path):
    drain(training_set_steps(micrograph, labelled, tmp_path / "mine"))
    with pytest.raises(InputError, match="there already"):
        drain(training_set_steps(micrograph, labelled, tmp_path / "mine"))
    with pytest.raises(InputError, match="label some"):
        drain(training_set_steps(micrograph, labelled.annotate(labelled.ids.tolist(), ""), tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_damage_is_one_sentence(micrograph, labelled, tmp_path):
    folder = drain(training_set_steps(micrograph, labelled, tmp_path / "mine"))
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    for change, said in (({"kind": "x"}, "no training set"), ({"format": 9}, "another version")):
        (folder / CARD).write_text(json.dumps(card | change), encoding="utf-8")
        with pytest.raises(InputError, match=said):
            load_set(folder)
    for change in ({"labels": 5}, {"labels": ["=1"]}, {"element": "Xx"}, {"pixel_size_nm": -1}, {"image": []}):
        (folder / CARD).write_text(json.dumps(card | change), encoding="utf-8")
        with pytest.raises(InputError, match=f"{next(iter(change))}.* is .*; it must be"):
            load_set(folder)
    (folder / CARD).write_bytes(b"[" * 100_000)
    with pytest.raises(InputError, match="nested too deeply"):
        load_set(folder)
    (folder / CARD).write_text(json.dumps(card | {"labels": card["labels"][1:]}), encoding="utf-8")
    with pytest.raises(InputError, match="do not go together"):
        load_set(folder)
    (folder / CARD).write_text(json.dumps(card), encoding="utf-8")
    (folder / ARRAYS).write_bytes((folder / ARRAYS).read_bytes()[:-8])
    with pytest.raises(InputError, match="damaged"):
        load_set(folder)
    with pytest.raises(InputError, match="no training set"):
        load_set(tmp_path)


def test_the_trainer_takes_sets_for_micrographs(micrograph, labelled, tmp_path, monkeypatch):
    from napari_atomicity.training import laboratory

    monkeypatch.setattr(laboratory, "LEAST_OF_A_CLASS", 5)
    drain(training_set_steps(micrograph, labelled, tmp_path / "one"))
    drain(training_set_steps(micrograph, labelled, tmp_path / "two"))
    assert [path.name for path in sets_in(tmp_path)] == ["one", "two"] and sets_in(tmp_path / "one") == [
        tmp_path / "one"
    ]
    data = drain(laboratory_steps(tmp_path, (19, 55), "Pt"))
    total = len(data.training) + len(data.validation)
    wanted = sum(label in ("Pt19", "Pt55") for label in load_set(tmp_path / "one").labels)
    assert total == 2 * wanted and set(data.training.n_atoms) == {19, 55}
    assert np.isfinite(data.training.log_scale).all()
    assert set(data.training.frame).isdisjoint(set(data.validation.frame)) or any("too few" in m for m in data.messages)
    with pytest.raises(InputError, match="30 atoms has no folder"):
        drain(laboratory_steps(tmp_path, (19, 30, 55), "Pt"))
    with pytest.raises(InputError, match="not of Au"):
        drain(laboratory_steps(tmp_path, (19, 55), "Au"))
