"""The recipes say what pyproject.toml says, and have what conda-forge asks of a recipe."""

from __future__ import annotations

import re
import tomllib

import pytest
import yaml

#: what conda-forge calls them
NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base", "dask": "dask-core"}


@pytest.fixture
def project(repository):
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture
def recipe(repository):
    return yaml.safe_load((repository / "packaging" / "conda" / "recipe.yaml").read_text(encoding="utf-8"))


def test_the_recipe_has_the_same_dependencies_with_the_same_lower_bounds(project, recipe):
    pairs = [re.fullmatch(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)", each).groups() for each in project["dependencies"]]
    wanted = {f"{NAMES.get(name, name)} >={least}" for name, least in pairs}
    assert {each for each in recipe["requirements"]["run"] if not each.startswith("python ")} == wanted


def test_the_recipe_is_of_this_version_and_this_python(project, recipe):
    assert recipe["context"]["version"] == project["version"]
    assert project["requires-python"] == f">={recipe['context']['python_min']}"


def test_the_recipe_has_what_conda_forge_asks_for(recipe, project):
    assert recipe["schema_version"] == 1
    assert recipe["build"]["noarch"] == "python" and recipe["build"]["number"] == 0
    assert recipe["build"]["python"]["entry_points"] == ["napari-atomicity = napari_atomicity.cli:main"]
    assert re.fullmatch(r"[0-9a-f]{64}", recipe["source"]["sha256"])
    assert recipe["about"]["license"] == project["license"] and recipe["about"]["license_file"] == "LICENSE"
    assert recipe["about"]["summary"] == project["description"]
    assert recipe["extra"]["recipe-maintainers"]
    assert recipe["tests"][0]["python"]["pip_check"] is True
    assert "python ${{ python_min }}.*" in recipe["requirements"]["host"]


def test_the_installer_is_of_this_version_and_without_cuda(repository, project):
    text = (repository / "packaging" / "constructor" / "construct.yaml").read_text(encoding="utf-8")
    installer = yaml.safe_load(text)
    assert installer["version"] == project["version"]
    assert f"napari-atomicity {project['version']}" in installer["specs"]
    assert "pytorch * cpu*" in installer["specs"]
    assert (repository / "packaging" / "constructor" / installer["license_file"]).resolve().is_file()
