import json
from dataclasses import replace

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
