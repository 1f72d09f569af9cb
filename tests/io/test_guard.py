from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from napari_atomicity.errors import InputError
from napari_atomicity.io.formats import _guard

Look = Callable[[str], None]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "frame.dm3"
    path.write_bytes(b"anything")
    return path


@pytest.fixture
def look(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> Look:
    """Checks the file with a child that runs the lines given."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(_guard, "_SECONDS", 0.3)

    def check(lines: str) -> None:
        body = textwrap.indent(lines, "    ")
        head = "import sys\nfrom pathlib import Path\nfrom napari_atomicity.io.formats._guard import in_child\n"
        (tmp_path / "looker.py").write_text(f"{head}def look():\n{body}\nin_child(Path(sys.argv[1]), look)\n")
        _guard.check(file, "looker", [], meanwhile=lambda: None)

    return check


def test_a_file_that_is_all_right_is_looked_through_once(look: Look, file: Path) -> None:
    look("pass")
    look("import time; time.sleep(60)")  # not run any more
    file.write_bytes(b"another file of this name")
    with pytest.raises(InputError):
        look("import time; time.sleep(60)")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("import time; time.sleep(60)", "do not suffice"),
        ("print(1 / 0)", "damaged, cut short or of an unknown variant of .dm3"),
        ("raise MemoryError", "do not suffice"),
        ("import os; os._exit(3)", "do not suffice"),
    ],
    ids=["takes for ever", "gives up", "takes all memory", "falls"],
)
def test_what_does_not_get_through(look: Look, lines: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        look(lines)


def test_memory_is_bounded_where_the_system_can(look: Look) -> None:
    pytest.importorskip("resource")
    if not Path("/proc/self/statm").exists():
        pytest.skip("only where the size of a process can be asked for")
    with pytest.raises(InputError, match="of memory"):
        look("bytearray(2_000_000_000)")


def test_without_an_interpreter_the_file_is_read_here(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/opt/napari/napari.app")
    look("import time; time.sleep(60)")


@pytest.mark.parametrize("how", ["no module", "no process", "too slow"])
def test_where_the_reader_does_not_start_the_file_is_not_read(
    look: Look, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def refused(*_: object, **__: object) -> object:
        raise OSError(11, "Resource temporarily unavailable")

    (tmp_path / "sleeper.py").write_text("import time\ntime.sleep(60)\n")
    module = {"no module": "no_such_module_anywhere", "too slow": "sleeper", "no process": "looker"}[how]
    said = {"no module": "ended at once", "too slow": "not within 0 seconds", "no process": "unavailable"}[how]
    with monkeypatch.context() as patch:
        if how == "no process":
            patch.setattr("subprocess.Popen", refused)
        if how == "too slow":
            patch.setattr(_guard, "_TO_START_S", 0.2)
        with pytest.raises(InputError, match=f"could not be started .*{said}.* try again"):
            _guard.check(file, module, [], meanwhile=lambda: None)
        # where a person trusts the file
        patch.setenv("NAPARI_ATOMICITY_UNGUARDED", "1")
        _guard.check(file, module, [], meanwhile=lambda: None)
    look("pass")  # nothing is held against the file
    with pytest.raises(InputError, match="damaged"):
        file.write_bytes(b"another")
        look("print(1 / 0)")


def test_python_code_beside_the_images_does_not_run(
    look: Look, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for name in ("numpy", "h5py", "queue"):
        (images / f"{name}.py").write_text(f"open({str(images / 'ran')!r}, 'w').close()")
    monkeypatch.chdir(images)
    monkeypatch.syspath_prepend("")
    look("import numpy")
    assert not (images / "ran").exists()
