"""The project holds together: imports, contracts, manifest, package."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

import pytest


def _python(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], check=False, capture_output=True, text=True, **options)


def _installed_manifest_folder() -> Path:
    spec = find_spec("napari_atomicity_manifest")
    assert spec is not None and spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations)))


@pytest.mark.parametrize("module", ["napari_atomicity", "napari_atomicity.cli", "napari_atomicity.io.napari_hooks"])
def test_import_leaves_the_heavy_libraries_alone(module):
    heavy = ["torch", "napari", "qtpy", "PyQt6", "PySide6", "matplotlib", "captum", "sklearn"]
    code = f"import sys, {module}; print(*[name for name in {heavy} if name in sys.modules])"
    done = _python("-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_public_names_are_there():
    import napari_atomicity

    for name in napari_atomicity.__all__:
        assert getattr(napari_atomicity, name) is not None
    with pytest.raises(AttributeError):
        napari_atomicity.no_such_name  # noqa: B018


def test_imports_keep_to_the_contracts(repository):
    done = _python("-c", "from importlinter.cli import lint_imports_command as run; run()", cwd=repository)
    assert done.returncode == 0, done.stdout + done.stderr


def test_installed_manifest_and_samples_are_those_of_the_source_tree(repository):
    folder = _installed_manifest_folder()
    again = "install the package again: python -m pip install -e ."
    assert (folder / "napari.yaml").read_bytes() == (repository / "napari.yaml").read_bytes(), again
    ours = {path.name: path.read_bytes() for path in (repository / "sample_data").iterdir() if path.is_file()}
    installed = {path.name: path.read_bytes() for path in (folder / "sample_data").iterdir() if path.is_file()}
    assert installed == ours, again


def test_manifest_is_valid_and_every_command_can_be_imported(repository):
    from npe2 import PluginManifest
    from npe2._inspection._compile import find_packages  # noqa: F401  (npe2 is whole)

    manifest = PluginManifest.from_file(repository / "napari.yaml")
    assert manifest.name == distribution("napari-atomicity").metadata["Name"]
    manifest.validate_imports()
    assert manifest.contributions.commands


def test_versions_agree(repository):
    import napari_atomicity

    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (repository / "CITATION.cff").read_text(encoding="utf-8")
    assert project["version"] == napari_atomicity.__version__
    assert f"version: {napari_atomicity.__version__}\n" in citation


def test_no_qt_binding_and_no_copyleft_library_is_required(repository):
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = " ".join(project["dependencies"]).lower()
    for name in ("pyqt", "pyside", "napari", "rosettasciio"):
        assert name not in required


def test_constraints_pin_what_the_project_asks_for(repository):
    lines = (repository / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert pins["torch"] == "2.13.0"
    assert not any("+" in version for version in pins.values())


@pytest.fixture(scope="session")
def built(repository, tmp_path_factory) -> Path:
    """Folder with the wheel, made from the source archive, and that archive."""
    folder = tmp_path_factory.mktemp("dist")
    done = _python("-m", "build", "--no-isolation", "--outdir", str(folder), str(repository))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_wheel_from_the_source_archive_carries_everything(built, repository):
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "napari_atomicity_manifest/napari.yaml" in names
    for folder, inside in (
        (repository / "sample_data", "napari_atomicity_manifest/sample_data"),
        (repository / "docs", "napari_atomicity_manifest/docs"),  # Help shows them without the net
        (repository / "src/napari_atomicity/weights", "napari_atomicity/weights"),
        (repository / "src/napari_atomicity/report/templates", "napari_atomicity/report/templates"),
    ):
        wanted = {f"{inside}/{path.name}" for path in folder.iterdir() if path.is_file()}
        assert wanted and wanted <= names
    assert {f"napari_atomicity/simulation/platinum.{suffix}" for suffix in ("npz", "json")} <= names
    assert "napari_atomicity/counting/cross_sections.csv" in names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]


@pytest.mark.slow
def test_installed_wheel_shows_its_manifest_to_napari(built, tmp_path):
    (wheel,) = built.glob("*.whl")
    target = tmp_path / "site"
    done = _python("-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(target), str(wheel))
    assert done.returncode == 0, done.stderr
    # -P and the path in front: what is found is the wheel, not the source tree
    code = f"""
import sys; sys.path.insert(0, {str(target)!r})
from importlib.metadata import distribution
from npe2 import PluginManifest
import napari_atomicity
assert napari_atomicity.__file__.startswith({str(target)!r}), napari_atomicity.__file__
manifest = PluginManifest.from_distribution("napari-atomicity")
print(manifest.name, manifest.package_version, len(manifest.contributions.commands))
"""
    done = _python("-P", "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    name, _, commands = done.stdout.split()
    assert name == "napari-atomicity" and int(commands) > 0
