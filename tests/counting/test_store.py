"""Models of this machine: listed, taken in, given out, set aside; nothing is overwritten or lost."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from comes_along import MODELS
from napari_atomicity.counting import card_text, store
from napari_atomicity.counting.bundle import Bundle, available, load_bundle, save_bundle, weights_sha256
from napari_atomicity.counting.card import ModelCard
from napari_atomicity.counting.network import Network
from napari_atomicity.errors import InputError

SIZES = (20, 38, 55)


def gold(seed: int = 0, **values: object) -> Bundle:
    torch.manual_seed(seed)
    network = Network(SIZES, ("raw",)).eval().requires_grad_(False)
    diameters = {str(n): (float(np.log(0.31 * n ** (1 / 3))), 0.1) for n in SIZES}
    card = ModelCard("golden", SIZES, ("raw",), lcn_window_nm=1.0, element="Au", diameter_nm=diameters)
    return Bundle(replace(card, **values), network)


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder, which does not exist before the first import."""
    folder = tmp_path / "user" / "models"
    monkeypatch.setenv("NAPARI_ATOMICITY_MODELS", str(folder))
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return save_bundle(gold(), tmp_path / "elsewhere" / "golden.safetensors")


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_without_own_models_there_are_those_that_come_along(mine: Path) -> None:
    assert [(model.name, model.bundled, model.problem) for model in store.models()] == [
        (name, True, "") for name in MODELS
    ]
    assert {"dual", "single"} <= set(MODELS)
    assert not mine.exists()


@pytest.mark.parametrize("part", ["golden.safetensors", "golden.json", "."])
def test_an_imported_model_is_chosen_by_name_and_is_the_same(mine: Path, file: Path, part: str) -> None:
    model = store.import_model(file.parent / part)
    assert (model.name, model.bundled, model.problem) == ("golden", False, "")
    assert available() == [*MODELS, "golden"]
    loaded = load_bundle("golden")
    assert loaded.card == load_bundle(file).card
    assert weights_sha256(loaded) == weights_sha256(gold())
    assert files(mine) == ["golden.json", "golden.safetensors"]


def test_a_taken_name_gets_a_number_and_nothing_is_overwritten(mine: Path, file: Path) -> None:
    store.import_model(file)
    before = {name: (mine / name).read_bytes() for name in files(mine)}
    # case makes no difference on Windows and macOS
    other = store.import_model(save_bundle(gold(1), file.parent / "GOLDEN.safetensors"))
    bundled = store.import_model(save_bundle(gold(2), file.parent / "dual.safetensors"))
    assert (other.name, bundled.name) == ("GOLDEN-2", "dual-2")
    assert load_bundle("GOLDEN-2").card.name == "GOLDEN-2"
    assert weights_sha256(load_bundle("GOLDEN-2")) == weights_sha256(gold(1))
    assert {name: (mine / name).read_bytes() for name in before} == before
    assert load_bundle("dual").card.element == "Pt"


def test_the_same_model_is_not_taken_in_twice(mine: Path, file: Path) -> None:
    store.import_model(file)
    with pytest.raises(InputError, match="here already, under the name 'golden'"):
        store.import_model(save_bundle(gold(), file.parent / "another-name.safetensors"))
    assert files(mine) == ["golden.json", "golden.safetensors"]


def _change(file: Path, **values: object) -> Path:
    card = file.with_suffix(".json")
    card.write_text(json.dumps({**json.loads(card.read_text()), **values}))
    return file


def _pickled(file: Path) -> Path:
    path = file.with_name("model.pt")
    path.write_bytes(pickle.dumps({"weights": [1]}))
    return path


def _written(file: Path, name: str, content: bytes) -> Path:
    path = file.with_name(name)
    path.write_bytes(content)
    return path


def _alone(file: Path, suffix: str) -> Path:
    file.with_suffix(".json" if suffix == ".safetensors" else ".safetensors").unlink()
    return file.with_suffix(suffix)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda file: file.with_name("nowhere.safetensors"), "no file"),
        (_pickled, "run programs"),
        (lambda file: _written(file, "note.txt", b"hello"), "no model"),
        (lambda file: _written(file, "golden.safetensors", b"not a model"), "not those"),
        (lambda file: _change(file, class_sizes=[20, 38]), "do not fit"),
        (lambda file: _change(file, format=99), "version"),
        (lambda file: _change(file, diameter_nm={}), "lacks the diameters"),
        (lambda file: _alone(file, ".json"), "missing beside the card"),
        (lambda file: _alone(file, ".safetensors"), "missing beside its weights"),
        (lambda file: file.parent.parent, "holds no models"),
    ],
)
def test_what_is_no_whole_model_is_refused_in_one_sentence(mine: Path, file: Path, make, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=said) as raised:
        store.import_model(make(file))
    assert "\n" not in str(raised.value)
    assert not mine.exists()


def test_a_folder_that_cannot_be_made_is_said(mine: Path, file: Path) -> None:
    mine.parent.mkdir()
    mine.write_text("in the way")
    with pytest.raises(InputError, match="cannot be made"):
        store.import_model(file)


def test_damaged_models_are_listed_with_the_reason(mine: Path, file: Path) -> None:
    store.import_model(file)
    (mine / "broken.safetensors").write_bytes(b"?")
    (mine / "dual.safetensors").write_bytes(file.read_bytes())
    (mine / "dual.json").write_text(file.with_suffix(".json").read_text())
    (mine / ".golden-0123456789abcdef.safetensors").write_bytes(b"unfinished")
    problems = {model.name: model.problem for model in store.models() if not model.bundled}
    assert list(problems) == ["broken", "dual", "golden"]
    assert "missing" in problems["broken"] and "rename" in problems["dual"] and not problems["golden"]
    # without a card it cannot be chosen, but it can be cleared away
    assert available() == [*MODELS, "golden"]
    store.remove_model("broken")
    store.remove_model("dual")
    assert [model.name for model in store.models()] == [*MODELS, "golden"]


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"a":' * 9_000, b"{}", b"9" * 5_000, b"\xff", b"null"])
def test_one_unreadable_card_does_not_take_the_others_away(
    mine: Path, file: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    from napari_atomicity import cli

    store.import_model(file)
    (mine / "bad.safetensors").write_bytes(b"?")
    (mine / "bad.json").write_bytes(content)
    assert [(model.name, bool(model.problem)) for model in store.models()][len(MODELS) :] == [
        ("bad", True),
        ("golden", False),
    ]
    assert cli.main(["models"]) == 0
    said = capsys.readouterr()
    assert "golden" in said.out and "bad.json" in said.err and said.err.count("\n") == 1


def test_an_exported_model_can_be_imported_elsewhere(mine: Path, file: Path, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    store.import_model(file)
    out = tmp_path / "out"
    first, second = store.export_model("golden", out), store.export_model("golden", out)
    assert files(out) == ["golden-2.json", "golden-2.safetensors", "golden.json", "golden.safetensors"]
    assert load_bundle(second).card.name == "golden-2"
    monkeypatch.setenv("NAPARI_ATOMICITY_MODELS", str(tmp_path / "other machine"))
    store.import_model(first)
    assert weights_sha256(load_bundle("golden")) == weights_sha256(gold())
    assert load_bundle(store.export_model("dual", out)).card.sha256 == load_bundle("dual").card.sha256


def test_a_damaged_model_is_not_exported(mine: Path, file: Path, tmp_path: Path) -> None:
    store.import_model(file)
    (mine / "golden.safetensors").write_bytes(b"?")
    with pytest.raises(InputError, match="not those"):
        store.export_model("golden", tmp_path / "out")
    assert not files(tmp_path / "out") if (tmp_path / "out").exists() else True


def test_a_removed_model_leaves_the_list_and_can_come_back(mine: Path, file: Path) -> None:
    for _ in range(2):
        store.import_model(file)
        aside = store.remove_model("golden")
        assert available() == MODELS
    assert files(mine / store.REMOVED) == ["golden-2.json", "golden-2.safetensors", "golden.json", "golden.safetensors"]
    with pytest.raises(InputError, match="no model named 'golden'"):
        load_bundle("golden")
    assert store.import_model(aside).name == "golden-2"


@pytest.mark.parametrize("name", ["dual", "never-heard-of"])
def test_only_own_models_can_be_removed(mine: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"only your own|no model named"):
        store.remove_model(name)
    assert available() == MODELS


@given(st.text(max_size=200))
def test_any_name_becomes_one_that_every_system_can_write(name: str) -> None:
    safe = store.safe_name(name)
    assert 0 < len(safe) <= 90 and not set(safe) & set('<>:"/\\|?* \n\0')
    assert safe[0] not in ".-" and safe[-1] not in ".-"
    assert safe.split(".")[0].lower() not in ("con", "nul", "com1", "aux", "prn")
    assert store.safe_name(safe) == safe


def test_the_card_in_words() -> None:
    text = card_text.as_text(load_bundle("dual").card)
    assert "Pt19, Pt30, Pt41, Pt55, Pt70" in text and "3.2 × 3.2 nm" in text and "low dose" in text
    rows = {row[0]: row[1:] for row in card_text.scores(load_bundle("dual").card)}
    stated = load_bundle("dual").card.metrics["nominal"]
    assert rows["nominal"] == (
        f"{100 * stated['scale known']['balanced_accuracy']:.1f} %",
        f"{100 * stated['auto']['balanced_accuracy']:.1f} %",
        f"{100 * stated['no scale']['balanced_accuracy']:.1f} %",
        f"{stated['auto']['ece']:.3f}",
    )


def test_a_card_names_the_window_of_the_local_contrast_where_the_model_sees_that() -> None:
    raw, both = (dict(card_text.facts(gold(channels=seen).card))["Sees"] for seen in (("raw",), ("raw", "lcn")))
    assert "window" not in raw and "(window 1 nm) of 3.2 × 3.2 nm" in both


def test_a_card_without_scores_says_so_and_odd_ones_do_no_harm() -> None:
    assert card_text.NO_SCORES in card_text.as_text(gold().card)
    odd = {"nominal": {"auto": {"balanced_accuracy": 0.5}}, "x": 3, "y": {"auto": {"ece": "high"}}, "z": {"auto": 1}}
    assert card_text.scores(gold(metrics=odd).card) == [("nominal", "–", "50.0 %", "–", "–")]
    assert "not stated" in card_text.as_text(gold().card)
    recipe = {"conditions": ["low_dose"], "training_clusters": 5, "dimers": "many", "odd": {"a": [1, 2.5]}, "no": None}
    said = dict(card_text.facts(gold(recipe=recipe).card))["Trained on"]
    assert said == "5 clusters; conditions low dose; dimers many; odd a 1, 2.5"
    own = {"laboratory": {"share": 1.0, "images": [{"file": "a"}, {"file": "b"}]}, "training_clusters": 1234}
    assert dict(card_text.facts(gold(recipe=own).card))["Trained on"] == "1,234 clusters; 2 micrographs of a laboratory"


def test_the_same_by_the_command_line(
    mine: Path, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from napari_atomicity import cli

    def run(*arguments: object) -> str:
        assert cli.main(["models", *map(str, arguments)]) == 0
        return capsys.readouterr().out

    assert run("import", file).startswith("golden\n")
    assert [line.split()[0] for line in run().splitlines()] == [*MODELS, "golden"]
    assert run("list") == run()
    assert "Au20, Au38, Au55" in run("show", "golden")
    run("export", "golden", tmp_path / "out")
    assert files(tmp_path / "out") == ["golden.json", "golden.safetensors"]
    assert "Au20, Au38, Au55" in run("show", tmp_path / "out" / "golden.safetensors")
    assert cli.main(["models", "show", "nothing"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
