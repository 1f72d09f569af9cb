"""The bundle for computers without the net: what it refuses, and that a newcomer counts the sample with it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tools import bundle, bundle_install


@pytest.fixture
def unpacked(tmp_path) -> Path:
    """A bundle of one wheel that is none, whole by its hashes."""
    folder = tmp_path / "unpacked"
    (folder / "wheels").mkdir(parents=True)
    (folder / "wheels" / "a.whl").write_bytes(b"wheel")
    listed = {
        "version": "0.1.0",
        "extras": "gui",
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "system": f"{platform.system().lower()}-{platform.machine().lower()}",
        "wheels": {"a.whl": hashlib.sha256(b"wheel").hexdigest()},
    }
    (folder / "bundle.json").write_text(json.dumps(listed), encoding="utf-8")
    return folder


def _changed(folder: Path, **entries: object) -> None:
    file = folder / "bundle.json"
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | entries), encoding="utf-8")


def test_a_whole_bundle_is_taken(unpacked):
    assert bundle_install.checked(unpacked)["version"] == "0.1.0"


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"python": "3.7"}, "needs Python 3.7"),
        ({"system": "windows-amd64x"}, "is for windows-amd64x"),
        ({"wheels": {"a.whl": "0" * 64}}, "a.whl is damaged"),
        ({"wheels": {"b.whl": "0" * 64}}, "b.whl is missing"),
        ({"wheels": None}, "not a whole bundle"),
        ({"version": None}, "not a whole bundle"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(unpacked, entries, said):
    _changed(unpacked, **entries)
    with pytest.raises(bundle_install.Refused, match=said):
        bundle_install.checked(unpacked)


def test_a_bundle_without_its_list_is_refused(unpacked):
    (unpacked / "bundle.json").write_text("{", encoding="utf-8")
    with pytest.raises(bundle_install.Refused, match="unpack the zip again"):
        bundle_install.checked(unpacked)


@pytest.fixture
def stick(unpacked, monkeypatch) -> Path:
    """The bundle that the installer lies in."""
    monkeypatch.setattr(bundle_install, "HERE", unpacked)
    return unpacked


def test_a_folder_with_something_else_is_left_alone(stick, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("words", encoding="utf-8")
    assert bundle_install.main(["--folder", str(tmp_path / "mine")]) == 2
    assert "holds something else" in capsys.readouterr().err
    assert bundle_install.main(["--remove", "--folder", str(tmp_path / "mine")]) == 2
    assert (tmp_path / "mine" / "thesis.txt").is_file()


@pytest.mark.slow
def test_an_installation_that_fails_leaves_the_earlier_one(stick, tmp_path, capfd):
    folder = tmp_path / "programs"
    earlier = folder / "0.1.0"
    earlier.mkdir(parents=True)
    (folder / bundle_install.MARK).touch()
    (earlier / "works").touch()
    (earlier / "pyvenv.cfg").touch()
    (folder / "mine").mkdir()
    assert bundle_install.main(["--folder", str(folder), "--no-entry"]) == 2  # the wheel is none
    assert "not installed" in capfd.readouterr().err
    assert {path.name for path in earlier.iterdir()} == {"works", "pyvenv.cfg"}
    assert (folder / "mine").is_dir()
    assert not list(folder.glob("*.old"))


def test_a_power_cut_in_the_middle_does_not_cost_the_earlier_one(stick, tmp_path, monkeypatch):
    folder = tmp_path / "programs"
    for name, content in (("0.1.0", "half"), ("0.1.0.old", "works")):
        (folder / name).mkdir(parents=True)
        (folder / name / content).touch()
    (folder / bundle_install.MARK).touch()

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(bundle_install, "fill", stopped)
    assert bundle_install.main(["--folder", str(folder), "--no-entry"]) == 130
    assert [path.name for path in (folder / "0.1.0").iterdir()] == ["works"]


def test_what_else_lies_in_the_folder_stays_when_the_program_goes(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for name in ("0.1.0", "mine"):
        (tmp_path / "programs" / name).mkdir(parents=True)
    (tmp_path / "programs" / "0.1.0" / "pyvenv.cfg").touch()
    (tmp_path / "programs" / bundle_install.MARK).touch()
    assert bundle_install.main(["--remove", "--folder", str(tmp_path / "programs")]) == 0
    assert [path.name for path in (tmp_path / "programs").iterdir()] == ["mine"]


def test_ctrl_c_leaves_nothing_half_made(stick, tmp_path, monkeypatch, capsys):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(bundle_install, "fill", stopped)
    assert bundle_install.main(["--folder", str(tmp_path / "programs")]) == 130
    assert not (tmp_path / "programs").exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="entries of other systems are made by their own means")
def test_the_entry_starts_the_window_and_goes_with_the_program(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folder = tmp_path / "pro grams"
    (folder / "0.1.0").mkdir(parents=True)
    (folder / "0.1.0" / "pyvenv.cfg").touch()
    (folder / bundle_install.MARK).touch()
    entry = bundle_install.make_entry(folder / "0.1.0")
    text = entry.read_text(encoding="utf-8")
    assert f'Exec="{folder}/0.1.0/bin/napari-atomicity" window %F' in text
    assert bundle_install.main(["--remove", "--folder", str(folder)]) == 0
    assert not entry.exists() and not folder.exists()


def test_a_folder_without_a_bundle_is_said(tmp_path, capsys):
    assert bundle.main(["try", str(tmp_path)]) == 1
    assert "holds 0 bundles" in capsys.readouterr().err


def test_the_installer_needs_nothing_but_python(repository):
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(repository / "tools" / "bundle_install.py"), "--help"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "--no-window" in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_newcomer_without_the_net_counts_the_sample(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)  # `make bundle` and the release name the folder from where they are
    links = [place for place in os.environ.get("PIP_FIND_LINKS", "").split() if Path(place).is_dir()]
    made = bundle.build(Path("made"), extras="formats", links=links)
    with zipfile.ZipFile(made) as archive:
        names = archive.namelist()
    assert "install.py" in names and any(name.startswith("wheels/torch-") for name in names)
    assert not any("nvidia" in name for name in names)
    assert bundle.attempt(Path("made")) == 0
    assert "Installed in" in capfd.readouterr().out
    assert [path.name for path in (tmp_path / "made").iterdir()] == [made.name]
