"""The recipes say what pyproject.toml says, and have what conda-forge asks of a recipe."""

from __future__ import annotations

import re
import sys
import tomllib

import pytest
import yaml

#: what conda-forge calls them
NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}


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


def test_the_recipe_is_rendered_by_the_tool_that_builds_it(repository):
    rattler_build = pytest.importorskip("rattler_build")
    recipe = rattler_build.Stage0Recipe.from_file(repository / "packaging" / "conda" / "recipe.yaml")
    (rendered,) = recipe.render(rattler_build.VariantConfig(), rattler_build.RenderConfig())
    assert rendered.recipe.package.name == "napari-atomicity"
    assert "python >=3.11" in [str(requirement) for requirement in rendered.recipe.requirements.run]


def test_the_installer_is_of_this_version_and_without_cuda(repository, project):
    text = (repository / "packaging" / "constructor" / "construct.yaml").read_text(encoding="utf-8")
    installer = yaml.safe_load(text)
    assert installer["version"] == project["version"]
    assert f"napari-atomicity {project['version']}" in installer["specs"]
    assert "pytorch * cpu*" in installer["specs"]
    assert (repository / "packaging" / "constructor" / installer["license_file"]).resolve().is_file()


def test_constructor_takes_only_systems_for_choices_of_lines(repository):
    """It reads what stands in brackets at the end of a line as Python, of which systems are names."""
    text = (repository / "packaging" / "constructor" / "construct.yaml").read_text(encoding="utf-8")
    chosen = re.findall(r"\[(.+)\][^()]*$", text, flags=re.MULTILINE)
    assert chosen and all(re.fullmatch(r"(not )?(win|linux|osx)", system) for system in chosen)


def test_the_readme_of_the_package_leads_somewhere_from_anywhere(repository):
    sys.path.insert(0, str(repository))
    from hatch_build import readme

    made = readme((repository / "README.md").read_text(encoding="utf-8"), "v1.2.3")
    links = re.findall(r"\]\(([^)]+)\)", made)
    assert len(links) > 20 and all(link.startswith(("https://", "#")) for link in links)
    assert (
        "https://raw.githubusercontent.com/napari-atomicity/napari-atomicity/v1.2.3/docs/images/workbench.png" in made
    )


def test_the_paper_says_the_numbers_of_the_readme(repository):
    rows = re.findall(r"^\|.*\|$", (repository / "paper" / "paper.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    readme = (repository / "README.md").read_text(encoding="utf-8")
    assert len(rows) == 8 and all(row in readme for row in rows)


def test_every_work_that_the_paper_cites_is_in_its_list(repository):
    cited = re.findall(r"@(\w+)", (repository / "paper" / "paper.md").read_text(encoding="utf-8"))
    listed = re.findall(r"^@\w+\{(\w+),", (repository / "paper" / "paper.bib").read_text(encoding="utf-8"), flags=re.M)
    assert set(cited) == set(listed)


def test_the_programs_of_the_paper_exist(repository):
    sys.path.insert(0, str(repository / "paper"))
    import numbers_of_paper

    for call, _ in numbers_of_paper.RUNS:
        assert call[0] == "-m" or (repository / call[0]).is_file()
