import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from comes_along import MODELS
from napari_atomicity.counting import bundle as bundles
from napari_atomicity.counting.bundle import Bundle, available, load_bundle, save_bundle, weights_sha256
from napari_atomicity.counting.card import FORMAT, card_of_json
from napari_atomicity.counting.library_patches import library_patches, packed
from napari_atomicity.counting.network import Network
from napari_atomicity.counting.patches import Patches, normalise
from napari_atomicity.errors import InputError
from napari_atomicity.metals import class_set_of

from .synthetic import CARD, blobs


def test_a_saved_model_comes_back_whole(trained, tmp_path):
    path = save_bundle(trained, tmp_path / "mine")
    again = load_bundle(path)
    assert replace(again.card, sha256="") == replace(trained.card, sha256="")
    assert weights_sha256(again) == weights_sha256(trained)
    np.testing.assert_array_equal(again.rehearsal["raw"], trained.rehearsal["raw"])
    x, noise = torch.randn(3, 3, 52, 52), torch.rand(3)
    torch.testing.assert_close(again.network(x, noise), trained.network(x, noise))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.json", "mine.safetensors"]


NAN, INF = float("nan"), float("inf")


def _changed(path, **change):
    card = path.with_suffix(".json")
    card.write_text(json.dumps({**json.loads(card.read_text()), **change}))
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"class_sizes": [19, 30]}, "do not fit"),
        ({"class_sizes": [30, 19, 41, 55, 70]}, "ascending"),
        ({"class_sizes": "abcde"}, "class_sizes is 'abcde'; it must be two or more atom counts"),
        ({"class_sizes": [19, 30.5]}, "class_sizes"),
        ({"class_sizes": [19, True]}, "class_sizes"),
        ({"class_sizes": list(range(1, 2000))}, "class_sizes"),
        ({"channels": ["raw", "magic"]}, "magic"),
        ({"channels": ["raw"]}, "do not fit"),
        ({"patch_px": 32}, "32 pixels"),
        ({"patch_px": 64.5}, "patch_px is 64.5; it must be a whole number"),
        ({"sha256": "0" * 64}, "not those"),
        ({"sha256": 5}, "sha256"),
        ({"format": 9}, "another format"),
        ({"format": 1}, "train the model again"),
        ({"surprise": 1}, "no key surprise"),
        ({"diameter_nm": {"19": [1.0]}}, "diameter_nm.19 is "),
        ({"diameter_nm": {"19": [NAN, 0.1]}}, "diameter_nm.19 is "),
        ({"diameter_nm": {"=1": [0.1, 0.1]}}, "diameter_nm"),
        ({"metrics": [1]}, r"metrics is \[1\]; it must be keys with values"),
        ({"metrics": None}, "metrics is None; it must be keys with values"),
        ({"recipe": {"seed": 10**30}}, "recipe is .*; it must be made of numbers below"),
        ({"limits": [1]}, "limits.0 is 1"),
        ({"citation": "a\x1b[2J"}, "citation is .*control characters"),
        ({"licence": None}, "licence is None"),
    ],
)
def test_a_card_that_does_not_fit_is_refused_in_a_sentence(trained, tmp_path, change, said):
    path = _changed(save_bundle(trained, tmp_path / "mine"), **change)
    with pytest.raises(InputError, match=said) as raised:
        load_bundle(path)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 400


def _read(trained, **change):
    from dataclasses import asdict

    content = json.dumps({"format": FORMAT, **asdict(trained.card), **change}).encode()
    return card_of_json(content, "The model card mine.json")


@pytest.mark.parametrize("value", [NAN, INF, -INF, -1, 1e300, 10**400, "1", "", None, [1], {}, True])
@pytest.mark.parametrize(
    "key", ["lcn_window_nm", "temperature", "integral_tau", "measured_sd", "outside_threshold", "effective_clusters"]
)
def test_no_number_of_a_card_changes_labels_silently(trained, key, value):
    with pytest.raises(InputError, match=f"{key} is .*; it must be "):
        _read(trained, **{key: value})


ODD_TEXTS = ["", "=cmd|' /C calc'!A0", "@x", "+1", "-1", "a\nb", "\x1b[31m", "a\u202eb", "x" * 500, "a/b", "c:\\d"]


@pytest.mark.parametrize("value", [*ODD_TEXTS, 3, None, ["Pt"], NAN])
@pytest.mark.parametrize("key", ["element", "name"])
def test_names_and_elements_of_a_card_cannot_act_as_anything_else(trained, key, value):
    with pytest.raises(InputError, match=f"{key} is .*; it must be a") as raised:
        _read(trained, **{key: value})
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("element", ["pt", "Xx", "PT", "Pt19", "Platinum"])
def test_only_elements_are_elements(trained, element):
    with pytest.raises(InputError, match="a chemical symbol such as Pt"):
        _read(trained, element=element)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"recipe": {"a": ' + b"[" * 60 + b"]" * 60 + b"}}", "no key a|missing|format"),
        (b'{"format": 1, "temperature": ' + b"9" * 5000 + b"}", "a number in it has no end"),
        (b"", "not readable JSON"),
        (b"\xff\xfe\x00", "not readable JSON"),
        (b'{"format": 1, "name": "\\ud800"}', "not readable JSON"),
        (b"null", "another format"),
        (b"[1, 2]", "another format"),
        (b"[" + b"1," * 4_000_000 + b"1]", "far more than it could need"),
    ],
)
def test_json_that_would_not_end_is_one_sentence(content, said):
    with pytest.raises(InputError, match=said) as raised:
        card_of_json(content, "The model card mine.json")
    assert "\n" not in str(raised.value)


def test_a_card_of_a_later_evaluation_without_numbers_is_the_same_card_twice(trained, tmp_path):
    path = _changed(save_bundle(trained, tmp_path / "mine"), metrics={"clean": {"auto": {"ece": NAN, "mae": INF}}})
    assert load_bundle(path).card == load_bundle(path).card
    assert load_bundle(path).card.metrics == {"clean": {"auto": {"ece": None, "mae": None}}}


def test_what_is_saved_passes_its_own_door(trained, tmp_path):
    card = replace(trained.card, limits=("Adapted to a\x1b[31m\tb.",), recipe={"images": ["a\x07", "\udcff"]})
    again = load_bundle(save_bundle(replace(trained, card=card), tmp_path / "mine")).card
    assert again.limits == ("Adapted to a [31m\tb.",) and again.recipe == {"images": ["a ", "?"]}


def _resaved(path, change):
    """The weights with other tensors, and a card that names their hash."""
    import hashlib

    from safetensors.numpy import load, save

    tensors = load(path.read_bytes())
    change(tensors)
    content = save(tensors)
    path.write_bytes(content)
    return _changed(path, sha256=hashlib.sha256(content).hexdigest())


def _put(name, value):
    return lambda tensors: tensors.update({name: value})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_put("spread.0.bias", np.zeros((5, 1), np.float32)), r"spread.0.bias has the shape \(5, 1\), not \(24,\)"),
        (_put("spread.0.bias", np.zeros(24, np.int64)), "spread.0.bias holds int64"),
        (_put("spread.0.bias", np.full(24, np.inf, np.float32)), "not numbers"),
        (_put("spread.0.bias", np.full(24, 1e30, np.float32)), "beyond 1e"),
        (_put("branches.0.maps.1.running_var", np.full(16, -1, np.float32)), "variance below 0"),
        (_put("more", np.zeros(5, np.float32)), "'more' is unknown"),
        (lambda tensors: tensors.pop("spread.0.bias"), "'spread.0.bias' is missing"),
        (_put("rehearsal.class_index", np.array(3)), "rehearse .* do not belong together"),
        (_put("rehearsal.class_index", np.full(20, 99)), "class that the model does not know"),
        (_put("rehearsal.noise", np.zeros(3, np.float32)), "noise has the shape"),
        (_put("library.pixels", np.zeros((1, 64, 64), np.uint8)), "library clusters .* do not belong together"),
        (_put("library.class_index", np.zeros((), np.int64)), "library clusters .* do not belong together"),
        (_put("scale.x", np.zeros(3, np.float32)), "scale network"),
        (_put("shipped.x", np.zeros(3, np.float32)), "do not fit its card"),
    ],
)
def test_weights_of_another_shape_or_kind_are_refused(trained, tmp_path, change, said):
    path = _resaved(save_bundle(trained, tmp_path / "mine"), change)
    with pytest.raises(InputError, match=said) as raised:
        load_bundle(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("size", [0, 1, 2**20 + 1, 2**40, 2**64 - 1])
def test_a_header_that_claims_more_than_there_is(trained, tmp_path, size):
    import hashlib

    path = save_bundle(trained, tmp_path / "mine")
    content = size.to_bytes(8, "little") + path.read_bytes()[8:]
    path.write_bytes(content)
    _changed(path, sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(InputError, match="no safetensors file"):
        load_bundle(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes of that kind")
@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(trained, tmp_path, suffix):
    path = save_bundle(trained, tmp_path / "mine")
    path.with_suffix(suffix).unlink()
    os.mkfifo(path.with_suffix(suffix))
    with pytest.raises(InputError):
        load_bundle(path)


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
    network.spread[0].weight[0, 0] = float("nan")
    path = save_bundle(replace(trained, network=network), tmp_path / "nan")
    with pytest.raises(InputError, match="not numbers"):
        load_bundle(path)


def test_user_models_are_listed_after_those_that_come_along(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(bundles, "user_folder", lambda: tmp_path)
    save_bundle(trained, tmp_path / "my-lab")
    assert available()[-1] == "my-lab"
    assert load_bundle("my-lab").card.name == "blobs"


@pytest.mark.parametrize("name", MODELS)
def test_the_models_that_come_along_load_and_are_small(name):
    bundle = load_bundle(name)
    known = class_set_of(bundle.card.element, bundle.card.class_sizes)
    assert known is not None and known.source and known.licence
    assert sum(p.numel() for p in bundle.network.parameters()) <= 300_000
    assert (bundles.packaged_folder() / f"{name}.safetensors").stat().st_size <= 1.5e6
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
    network.spread[0].bias.add_(1.0)
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


def test_library_clusters_come_back_to_one_part_in_two_hundred_and_fifty_six(trained):
    """Packed as bytes, a scale and an offset each; what is rehearsed comes first."""
    rng = np.random.default_rng(0)
    raw = rng.normal(0, 1, (7, 64, 64)) * np.geomspace(0.1, 30, 7)[:, None, None] - 2
    noise, index, log_atoms = rng.uniform(0.01, 0.1, 7), np.arange(7) % 5, np.linspace(3, 4.2, 7)
    patches, classes = library_patches(replace(trained, library=packed(raw, noise, log_atoms, index)))
    assert len(patches) == 27 and classes[20:].tolist() == index.tolist()
    np.testing.assert_allclose(patches.raw[:20], trained.rehearsal["raw"])
    step = np.ptp(raw, axis=(1, 2)) / 255
    assert (np.abs(patches.raw[20:] - raw).max(axis=(1, 2)) < 0.51 * step).all()
    np.testing.assert_allclose(patches.noise[20:], noise, rtol=1e-6)
    np.testing.assert_allclose(patches.log_integral[20:], log_atoms, rtol=1e-6)
    assert patches.valid.all() and len(library_patches(replace(trained, library={}, rehearsal={}))[1]) == 0


def test_the_patches_of_a_model_that_carries_none_join_those_of_another():
    own, index = library_patches(Bundle(CARD, Network(CARD.class_sizes, CARD.channels)))
    assert len(own) == len(index) == 0
    joined = Patches.join([own, normalise(*blobs([19, 70]))])
    assert joined.raw.shape == (2, 64, 64) and joined.valid.all()


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("rehearsal", "raw", np.zeros((20, 64, 63), np.float16)),
        ("rehearsal", "noise", np.ones(19, np.float32)),
        ("rehearsal", "class_index", np.zeros(20, np.float32)),
        ("rehearsal", "class_index", np.full(20, 5)),
        ("library", "pixels", np.zeros((7, 63, 64), np.uint8)),
        ("library", "scale", np.ones(6, np.float32)),
    ],
)
def test_patches_that_do_not_fit_are_refused(trained, tmp_path, part, name, value):
    library = packed(np.random.default_rng(0).normal(0, 1, (7, 64, 64)), np.ones(7), np.full(7, 3.7), np.arange(7) % 5)
    whole = replace(trained, library=library)
    path = save_bundle(replace(whole, **{part: getattr(whole, part) | {name: value}}), tmp_path / "a.safetensors")
    with pytest.raises(InputError):
        load_bundle(path)
