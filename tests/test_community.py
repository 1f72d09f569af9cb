"""What people who join are told holds: paths exist, linters agree, actions are pinned, a release is consistent."""

from __future__ import annotations

import re
import tomllib

import pytest
import yaml
from tools import release

#: files that people read before they know the house
TEXTS = ("CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "docs/offline.md", "docs/tutorials.md")


@pytest.mark.parametrize("name", TEXTS)
def test_paths_that_are_named_exist(name, repository):
    text = (repository / name).read_text(encoding="utf-8")
    named = re.findall(r"`((?:src|tests|docs|tools|benchmarks)/[\w/.]+|[\w]+\.(?:py|md|toml|yaml))`", text)
    linked = [link for link in re.findall(r"\]\(([^)#]+)", text) if not link.startswith("http")]
    made = (
        "index.md",
        "install.py",
        "notebooks/image_to_ratios.md",
        "notebooks/your_metal.md",
        "notebooks/many_images.md",
    )
    folder = (repository / name).parent
    for path in [*named, *linked]:
        assert path in made or (repository / path).exists() or (folder / path).exists(), path


def test_the_hooks_of_a_commit_are_the_linters_of_make_lint(repository):
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", makefile, flags=re.MULTILINE)[1]
    linters = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe.splitlines()]
    hooks = yaml.safe_load((repository / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    assert [hook["entry"] for hook in hooks][: len(linters)] == linters


def test_actions_are_pinned_by_hash_with_their_version_beside_it(repository):
    workflows = sorted((repository / ".github" / "workflows").glob("*.yml"))
    used = [line for path in workflows for line in path.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert len(used) > 10
    for line in used:
        assert re.search(r"uses: [\w./-]+@[0-9a-f]{40} # v[\d.]+$", line), line


def test_no_workflow_may_write_but_where_a_job_says_so(repository):
    for path in (repository / ".github" / "workflows").glob("*.yml"):
        workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert workflow["permissions"] == {"contents": "read"}, path.name


def test_version_changelog_and_citation_agree(repository):
    version = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert release.check(repository, f"v{version}") == []
    assert "network" in release.notes(repository, version)


def test_a_tag_that_fits_nothing_is_told(repository):
    complaints = release.check(repository, "v9.9.9")
    assert any("v9.9.9" in complaint for complaint in complaints)
    assert any("CHANGELOG.md" in complaint for complaint in complaints)


def test_no_dependency_has_an_upper_bound(repository):
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    assert not [each for each in wanted if re.search(r"<|==|~=", each)]
    assert all(">=" in each for each in wanted if not each.startswith("napari-atomicity"))
