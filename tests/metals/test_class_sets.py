"""Class sets: what may stand in one, and who uses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from napari_atomicity.cli import main
from napari_atomicity.errors import InputError
from napari_atomicity.metals import class_set, class_set_of, class_sets
from napari_atomicity.training.config import read_config

WHOLE = """element = "Ag"
sizes = [55, 25, 44]
support = "graphene"
source = "our own mass spectra"
licence = "CC0-1.0"
"""


def written(folder: Path, text: str, name: str = "silver") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_those_that_come_along_say_all_that_is_asked_of_one() -> None:
    assert {one.name: one.classes for one in class_sets()} == {
        "gold": "Au 25, 38, 55",
        "platinum": "Pt 19, 30, 41, 55, 70",
    }
    assert all(one.support and one.source and one.licence for one in class_sets())
    assert class_set_of("Au", (38, 25, 55)) == class_set("gold") and class_set_of("Au", (25, 38)) is None


def test_a_file_is_a_class_set_named_like_it(tmp_path: Path) -> None:
    silver = class_set(written(tmp_path, WHOLE))
    assert (silver.name, silver.classes) == ("silver", "Ag 25, 44, 55")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("[55, 25, 44]", "[55]"), "at least two atom counts"),
        (("[55, 25, 44]", "[55, 25, 55]"), "each named once"),
        (("[55, 25, 44]", "[55, 1]"), "from 4 to 400"),
        (('"Ag"', '"Qq"'), "a chemical symbol"),
        (('source = "our own mass spectra"\n', ""), "source is missing"),
        (("licence", "license"), "licence is missing"),
        (("[55, 25, 44]", "[55, 25"), "not valid TOML"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    path = written(tmp_path, WHOLE.replace(*change))
    with pytest.raises(InputError, match=says) as refused:
        class_set(path)
    assert str(refused.value).startswith("silver.toml") and "\n" not in str(refused.value)


def test_one_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(InputError, match="one of gold, platinum"):
        class_set("copper")


def test_a_training_takes_metal_and_sizes_from_one(tmp_path: Path) -> None:
    config = written(tmp_path, 'class_set = "gold"\n[simulation]\nframes = 8\n', "mine")
    recipe = read_config(config).training.recipe
    assert (recipe.element, recipe.class_sizes) == ("Au", (25, 38, 55))
    written(tmp_path, WHOLE)
    own = written(tmp_path, 'class_set = "silver.toml"\n[simulation]\nframes = 8\n', "mine")
    assert read_config(own).training.recipe.class_sizes == (25, 44, 55)
    both = written(tmp_path, 'class_set = "gold"\nclasses = [20, 30]\n[simulation]\nframes = 8\n', "both")
    with pytest.raises(InputError, match="leave element and classes out"):
        read_config(both)


def test_a_simulation_takes_them_too_and_a_bad_one_changes_nothing(tmp_path: Path, capsys: Any) -> None:
    platinum = ["simulate", "-o", str(tmp_path / "out"), "--shape", "128,128", "--clusters", "2"]
    assert main([*platinum, "--class-set", "platinum"]) == 0
    assert (tmp_path / "out" / "nominal_19-30-41-55-70_0.tif").is_file()
    for text in (WHOLE.replace("[55, 25, 44]", "[55]"), WHOLE.replace("44", "55")):
        bad = written(tmp_path, text, "bad")
        capsys.readouterr()
        assert main([*platinum[:2], str(tmp_path / "none"), "--class-set", str(bad)]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and "bad.toml: sizes" in said
    assert not (tmp_path / "none").exists()
    assert main([*platinum, "--class-set", "gold", "--sizes", "19"]) == 2


def test_they_are_listed_and_stand_on_the_card_of_a_model(capsys: Any) -> None:
    assert main(["models", "sets"]) == 0
    said = capsys.readouterr().out
    assert "gold: Au 25, 38, 55 atoms" in said and "Sizes from" in said
    assert main(["models", "show", "dual"]) == 0
    assert "platinum: Pt 19, 30, 41, 55, 70 atoms" in capsys.readouterr().out
