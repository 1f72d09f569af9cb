import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_atomicity.counting import bundle as bundles
from napari_atomicity.counting.bundle import available, load_bundle, save_bundle, weights_sha256
from napari_atomicity.errors import InputError


def test_a_saved_model_comes_back_whole(trained, tmp_path):
    path = save_bundle(trained, tmp_path / "mine")
    again = load_bundle(path)
    assert replace(again.card, sha256="") == replace(trained.card, sha256="")
    assert weights_sha256(again) == weights_sha256(trained)
    np.testing.assert_array_equal(again.rehearsal["raw"], trained.rehearsal["raw"])
    x = torch.randn(3, 2, 64, 64)
    torch.testing.assert_close(again.network(x).shape_logits, trained.network(x).shape_logits)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.json", "mine.safetensors"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"class_sizes": [19, 30]}, "do not fit"),
        ({"class_sizes": [30, 19, 41, 55, 70]}, "ascending"),
        ({"class_sizes": "abcde"}, "wrong type"),
        ({"channels": ["raw", "magic"]}, "magic"),
        ({"channels": ["raw"]}, "do not fit"),
        ({"patch_px": 32}, "32 pixels"),
        ({"temperature": -1}, "temperature"),
        ({"sha256": "0" * 64}, "not those"),
        ({"format": 9}, "format"),
        ({"surprise": 1}, "surprise"),
        ({"lcn_window_nm": "wide"}, "wrong type"),
    ],
)
def test_a_card_that_does_not_fit_is_refused_in_a_sentence(trained, tmp_path, change, said):
    path = save_bundle(trained, tmp_path / "mine")
    card = path.with_suffix(".json")
    card.write_text(json.dumps({**json.loads(card.read_text()), **change}))
    with pytest.raises(InputError, match=said) as raised:
        load_bundle(path)
    assert "\n" not in str(raised.value)


def test_missing_and_broken_files_are_refused(trained, tmp_path):
    path = save_bundle(trained, tmp_path / "mine")
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    with pytest.raises(InputError, match="not those"):
        load_bundle(path)
    path.write_bytes(content)
    path.with_suffix(".json").write_text("{")
    with pytest.raises(InputError, match="JSON"):
        load_bundle(path)
    path.with_suffix(".json").unlink()
    with pytest.raises(InputError, match="missing"):
        load_bundle(path)
    with pytest.raises(InputError, match="no model"):
        load_bundle(tmp_path / "nowhere.safetensors")
    with pytest.raises(InputError, match="no model named"):
        load_bundle("nothing-like-this")


def test_weights_that_are_not_numbers_are_refused(trained, tmp_path):
    import copy

    network = copy.deepcopy(trained.network)
    network.measure.weight[0, 0] = float("nan")
    path = save_bundle(replace(trained, network=network), tmp_path / "nan")
    with pytest.raises(InputError, match="not numbers"):
        load_bundle(path)


def test_user_models_are_listed_after_those_that_come_along(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(bundles, "user_folder", lambda: tmp_path)
    save_bundle(trained, tmp_path / "my-lab")
    assert available()[-1] == "my-lab"
    assert load_bundle("my-lab").card.name == "blobs"


@pytest.mark.parametrize("name", ["dual", "single"])
def test_the_models_that_come_along_load_and_are_small(name):
    bundle = load_bundle(name)
    assert bundle.card.class_sizes == (19, 30, 41, 55, 70)
    assert sum(p.numel() for p in bundle.network.parameters()) <= 300_000
    assert (bundles._packaged() / f"{name}.safetensors").stat().st_size <= 1.5e6
    assert set(bundle.card.metrics) >= {"nominal", "low_dose", "pooled"}
    assert bundle.card.recipe_sha256 and bundle.card.limits and bundle.card.licence == "BSD-3-Clause"


class Killed(BaseException):
    """The process dies here: nothing after it runs."""


def _renamed(card, value):
    return replace(card, name=value)


@pytest.mark.parametrize("dies_at", range(8))
def test_a_save_that_dies_anywhere_leaves_a_whole_model(trained, tmp_path, monkeypatch, dies_at):
    """Die at each write, flush and rename in turn: what loads is the old model or the new one, never a mixture."""
    import copy

    path = save_bundle(trained, tmp_path / "mine")
    network = copy.deepcopy(trained.network)
    network.measure.bias.add_(1.0)
    new = replace(trained, network=network, card=_renamed(trained.card, "new"))
    count = 0

    def dying(function):
        def call(*arguments, **options):
            nonlocal count
            count += 1
            if count - 1 == dies_at:
                monkeypatch.undo()
                # a killed process does not tidy up behind itself either
                monkeypatch.setattr(Path, "unlink", lambda *a, **k: None)
                raise Killed
            return function(*arguments, **options)

        return call

    for name in ("write_bytes", "write_text", "replace"):
        monkeypatch.setattr(Path, name, dying(getattr(Path, name)))
    monkeypatch.setattr("os.fsync", dying(os.fsync))
    try:
        save_bundle(new, path)
        assert count <= dies_at
    except Killed:
        pass
    monkeypatch.undo()
    again = load_bundle(path)
    assert weights_sha256(again) == weights_sha256(new if again.card.name == "new" else trained)
    # the card's rename, the sixth of these steps, is the moment at which the new model stands
    assert again.card.name == (trained.card.name if dies_at <= 5 else "new")
    # the next save succeeds and tidies up
    assert load_bundle(save_bundle(new, path)).card.name == "new"


@pytest.mark.parametrize("full_at", ["write_bytes", "write_text"])
def test_a_full_disk_leaves_the_old_model_and_nothing_else(trained, tmp_path, monkeypatch, full_at):
    path = save_bundle(trained, tmp_path / "mine")
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def full(self, content, **options):
        with self.open("wb") as file:
            file.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, full_at, full)
    with pytest.raises(InputError, match="No space left"):
        save_bundle(replace(trained, card=_renamed(trained.card, "new")), path)
    monkeypatch.undo()
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_weights_that_wait_for_their_card_are_no_model_of_their_own(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(bundles, "user_folder", lambda: tmp_path)
    path = save_bundle(trained, tmp_path / "my-lab")
    path.with_name(f".my-lab-{'0' * 16}.safetensors").write_bytes(b"")
    assert not any(name.startswith(".") for name in available())


def test_limits_of_an_older_card_in_one_text_are_one_sentence(trained, tmp_path):
    path = save_bundle(trained, tmp_path / "mine")
    card = path.with_suffix(".json")
    card.write_text(json.dumps({**json.loads(card.read_text()), "limits": "Only for tests."}))
    assert load_bundle(path).card.limits == ("Only for tests.",)
