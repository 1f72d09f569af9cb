"""The command line where things are odd: streams that are closed or full, signals, names, what is in the way."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_atomicity import cli
from napari_atomicity.cli import console
from napari_atomicity.cli.values import files
from napari_atomicity.io.atomic import sweep, write_atomically
from napari_atomicity.io.keeping import write_rows
from napari_atomicity.io.tables import read_table

POSIX = pytest.mark.skipif(os.name == "nt", reason="of POSIX")


@pytest.fixture(scope="module")
def image(simulated, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("images") / "good.tif"
    tifffile.imwrite(
        path, simulated.image, imagej=True, resolution=(20, 20), metadata={"unit": "nm"}
    )  # fmt: skip
    return path


@pytest.fixture
def run(capsys):
    def call(*arguments: object) -> tuple[int, str, list[str]]:
        code = cli.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err.splitlines()

    return call


def start(*arguments: object, **options) -> subprocess.Popen:
    """The command line in a process of its own."""
    environment = {**os.environ, **options.pop("env", {})}
    command = [sys.executable, "-m", "napari_atomicity.cli", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, env=environment, text=True, errors="replace",
        **{"stdin": subprocess.DEVNULL, "stdout": pipe, "stderr": pipe, **options},
    )  # fmt: skip


def process(*arguments: object, **options) -> tuple[int, str, list[str]]:
    """The same, to its end; how far the work is, which is said only where it is slow, is left out."""
    with start(*arguments, **options) as one:
        out, err = one.communicate(timeout=120)
    assert "Traceback" not in (out or "") + (err or "")
    lines = [line for line in (err or "").splitlines() if not re.search(r": [A-Z][^:]* [0-9]+/[0-9]+$", line)]
    return one.returncode, out or "", lines


# ---------------------------------------------------------------------- labels and tables that are in the way


def _labelled(path: Path) -> bytes:
    """As Excel saves it in Germany, five clusters labelled."""
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    at = rows[0].index("annotation")
    for row in rows[1:6]:
        row[at] = "Pt55"
    cells = [[cell.replace(".", ",") if cell[:1].isdigit() else cell for cell in row] for row in rows]
    content = "\r\n".join(";".join(row) for row in [["Größe"] + [""] * 16, *cells]).encode("cp1252")
    path.write_bytes(content)
    return content


@pytest.mark.parametrize("command", ["detect", "analyse"])
def test_labels_given_in_a_spreadsheet_outlive_the_next_call(run, image, model_path, tmp_path, command):
    run("detect", image, "-o", tmp_path)
    path = tmp_path / "good.clusters.csv"
    person = _labelled(path)
    model = ["--model", model_path, "--adapt", "off"] if command == "analyse" else []
    code, out, (line,) = run(command, image, "-o", tmp_path, *model)
    assert (code, out) == (2, "") and "5 labels that a person gave" in line
    assert path.read_bytes() == person and len(list(tmp_path.iterdir())) == 2


def test_a_table_that_cannot_be_read_is_set_aside_and_said(run, image, tmp_path):
    path = tmp_path / "good.clusters.csv"
    path.write_bytes(b"my notes: Pt55, Pt55\n")
    code, out, (line,) = run("detect", image, "-o", tmp_path)
    assert code == 0 and "good.clusters.kept.csv" in line and "good: " in out
    assert (tmp_path / "good.clusters.kept.csv").read_bytes() == b"my notes: Pt55, Pt55\n"
    assert len(read_table(path)) > 5


@pytest.mark.slow
def test_positions_do_not_replace_atoms_counted(run, image, model_path, tmp_path):
    assert run("analyse", image, "-o", tmp_path, "--model", model_path, "--adapt", "off")[0] == 0
    before = (tmp_path / "good.clusters.csv").read_bytes()
    code, _, (line,) = run("detect", image, "-o", tmp_path)
    assert code == 2 and "atoms counted" in line
    assert (tmp_path / "good.clusters.csv").read_bytes() == before
    assert run("analyse", image, "-o", tmp_path, "--model", model_path, "--adapt", "off")[0] == 0
    assert not list(tmp_path.glob("*.kept*"))


def test_rows_that_a_person_changed_are_kept(tmp_path):
    """As explain, feature map and scores write them."""
    path, rows = tmp_path / "good.explained.csv", pd.DataFrame({"id": [0, 1], "share": [0.5, np.nan], "x": ["=1", "b"]})
    assert write_rows(rows, path) is None and write_rows(rows, path) is None
    assert path.read_text(encoding="utf-8") == "id,share,x\n0,0.5,'=1\n1,,b\n"
    for change in (
        lambda text: text.replace(",", ";"),
        lambda text: text.replace("\n", ",seen\n"),
        lambda text: f"\ufeff{text}",
    ):
        noted = change(path.read_text(encoding="utf-8"))
        path.write_text(noted, encoding="utf-8")
        kept = write_rows(rows, path)
        assert kept is not None and kept.read_text(encoding="utf-8") == noted
    assert len(list(tmp_path.glob("*.csv"))) == 4


@pytest.mark.parametrize(("ours", "spreadsheet"), [("0.30000000000000004", "0.3"), ("\n", "\r\n"), ("", "")])
def test_rows_that_a_spreadsheet_saved_in_our_own_dialect_are_kept(tmp_path, ours, spreadsheet):
    path = tmp_path / "good.explained.csv"
    rows = pd.DataFrame({"id": [0, 1], "share": [0.1 + 0.2, 2.0], "label": ["Pt19", "Pt55"], "seen": [True, False]})
    assert write_rows(rows, path) is None and write_rows(rows.assign(share=[1 / 3, 1e-9]), path) is None
    write_rows(rows, path)
    text = path.read_bytes().decode().replace(ours, spreadsheet) if ours else path.read_bytes().decode()
    path.write_bytes(text.encode())
    kept = write_rows(rows, path)
    assert (kept is None) == (ours == "")
    assert kept is None or kept.read_bytes().decode() == text


@pytest.mark.few(1)
@pytest.mark.parametrize("error", [ValueError("a fault"), MemoryError(), OSError(28, "No space left on device", "x")])
def test_heat_maps_that_fail_cost_nothing_else(run, image, model_path, tmp_path, monkeypatch, error):
    import platformdirs

    def broken(*_, **__):
        raise error

    monkeypatch.setattr(platformdirs, "user_log_path", lambda *_, **__: tmp_path)
    monkeypatch.setattr("napari_atomicity.report.figures.draw_heat_map", broken)
    out = tmp_path / "out"
    code, said, err = run("analyse", image, "-o", out, "--model", model_path, "--adapt", "off", "--explain")
    (line,) = [line for line in err if "heat maps" in line]
    assert code == (1 if isinstance(error, ValueError) else 2), line
    assert len(read_table(out / "good.clusters.csv")) > 5 and "good: " in said
    assert json.loads((out / "good.report.json").read_text(encoding="utf-8"))["counts"]["found"] > 5
    assert (out / "good.clusters.png").stat().st_size > 1000


def test_a_figure_that_fails_costs_no_table(run, image, model_path, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise MemoryError

    monkeypatch.setattr("napari_atomicity.report.figures.draw_clusters", broken)
    code, said, (line,) = run("analyse", image, "-o", tmp_path, "--model", model_path, "--adapt", "off")
    assert code == 2 and "figure" in line and "not enough memory" in line
    assert (tmp_path / "good.report.json").exists() and "good.clusters.png" not in said


# ---------------------------------------------------------------------- patterns and names


def test_patterns_that_the_shell_left_are_replaced(run, image, tmp_path, monkeypatch):
    for name in ("b.tif", "a.tif", "scan[1].tif", "scan1.tif", "c.png"):
        (tmp_path / name).write_bytes(image.read_bytes())
    (tmp_path / "x.tif").mkdir()

    def names(*patterns: str) -> list[str]:
        return [path.name for path in files([tmp_path / pattern for pattern in patterns])]

    assert names("*.tif") == ["a.tif", "b.tif", "scan1.tif", "scan[1].tif"]
    assert names("scan[1].tif") == ["scan[1].tif"], "a file of that very name"
    assert names("scan[1]*") == ["scan1.tif"], "a pattern as everywhere"
    assert names("b.tif", "a.*") == ["b.tif", "a.tif"]
    assert names("?.tif", "a.tif") == ["a.tif", "b.tif"], "each once"
    assert names("*.dm4") == ["*.dm4"], "said where it is read"
    (tmp_path / "scan1.tif").unlink()
    assert names("scan[1]*") == ["scan[1].tif"], "brackets of a name"
    folder = tmp_path / "day [2]"
    folder.mkdir()
    (folder / "d.tif").touch()
    assert files([folder / "*.tif"]) == [folder / "d.tif"]
    monkeypatch.chdir(tmp_path)
    assert files([Path("?.tif")]) == [Path("a.tif"), Path("b.tif")]
    code, out, err = run("detect", "[ab].tif", "-o", "out")
    assert (code, err) == (0, []) and "a: " in out and "b: " in out
    code, out, (line,) = run("info", "none*.tif")
    assert code == 2 and "none*.tif does not exist" in line


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize("env", [{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONUTF8": "1"}])
def test_names_that_are_no_text_and_that_would_command_the_terminal(image, model_path, tmp_path, env):
    name = b"\xff a\x1b[31m$x^$\xc2\xb5.tif"
    odd = os.path.join(os.fsencode(tmp_path), name)  # noqa: PTH118
    try:
        Path(os.fsdecode(odd)).write_bytes(image.read_bytes())
    except OSError:
        pytest.skip("this file system takes no such name")
    call = ("analyse", os.fsdecode(odd), "-o", tmp_path / "out", "--model", model_path, "--adapt", "off")
    code, out, err = process(*call, "--report", "html", "--figure", "svg", env=env)
    assert (code, err) == (0, [])
    assert "\x1b" not in out
    written = [os.fsencode(each.name) for each in (tmp_path / "out").iterdir()]
    assert len(written) == 6 and all(each.startswith(b"\xff a_[31m$x^$\xc2\xb5.") for each in written)
    (report,) = (tmp_path / "out").glob("*.report.json")
    assert os.fsencode(json.loads(report.read_text(encoding="utf-8"))["image"]["path"]) == odd


def test_what_a_terminal_would_obey_is_shown():
    assert console.clean("a\x1b[2J\x07\x9b\u202etif\x7f\tb\nc") == "a\\x1b[2J\\x07\\x9b\\u202etif\\x7f\tb\nc"


def test_a_name_as_long_as_a_name_can_be(run, image, tmp_path):
    long = tmp_path / f"{'long' * 62}.tif"
    long.write_bytes(image.read_bytes())
    other = tmp_path / f"{'long' * 61}other.tif"
    other.write_bytes(image.read_bytes())
    code, _, err = run("detect", long, other, "-o", tmp_path / "out")
    assert (code, err) == (0, [])
    assert len(list((tmp_path / "out").iterdir())) == 4
    code, _, (line,) = run("detect", tmp_path / ("9" * 5000), "-o", tmp_path / "out")
    assert code == 2 and len(line) < 1100


@pytest.mark.parametrize(("name", "then"), [("nonsense", "agg"), ("svg", "svg")])
def test_an_unusual_backend_for_drawings_is_none_of_ours(tmp_path, name, then):
    script = (
        "import sys; from pathlib import Path; from napari_atomicity.report import drawing, figures\n"
        "drawn = drawing.new_figure(2, 2); drawn.subplots(); figures.save_figure(drawn, Path(sys.argv[1]))\n"
        "import os, matplotlib; print(os.environ['MPLBACKEND'], matplotlib.get_backend())\n"
    )
    command = [sys.executable, "-c", script, tmp_path / "a.png"]
    # where there is a display matplotlib would choose a window
    without = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run(
        command, env={**without, "MPLBACKEND": name}, check=True, capture_output=True, text=True, timeout=60
    )
    assert (tmp_path / "a.png").stat().st_size > 500
    assert done.stdout.lower().split() == [name, then]


# ---------------------------------------------------------------------- options


NUMBER = "9" * 5000


@pytest.mark.parametrize(
    "arguments",
    [
        ["detect", "x.tif", "-o", ""],
        ["detect", "x.tif", "-o", "  "],
        ["detect", "", "-o", "out"],
        ["detect", "x\0.tif", "-o", "out"],
        *(["detect", "x.tif", "-o", "out", "--pixel-size", each] for each in ("nan", "inf", "-1", "0", NUMBER)),
        *(["detect", "x.tif", "-o", "out", "--frame", each] for each in ("-1", "1.5", "nan", NUMBER)),
        *(["detect", "x.tif", "-o", "out", "--image", each] for each in ("-1", "inf", NUMBER)),
        *(["detect", "x.tif", "-o", "out", "--sensitivity", each] for each in ("nan", "-inf", "1.01", NUMBER)),
        *(["analyse", "x.tif", "-o", "out", "--scale", each] for each in ("nan", "inf", "0", NUMBER)),
        *(["analyse", "x.tif", "-o", "out", "--scale", "3", "--scale-sd", each] for each in ("nan", "inf", "0", "2")),
        *(["analyse", "x.tif", "-o", "out", "--deposited", each] for each in ("", " ", "19:nan", "0", NUMBER)),
        *(["analyse", "x.tif", "-o", "out", "--deposited", each] for each in ("19" + " " * 10**6 + "x", "1" * 10**6)),
        *(["analyse", "x.tif", "-o", "out", "--expected", each] for each in ("", "/dev/zero", ".", NUMBER)),
        *(["analyse", "x.tif", "-o", "out", "--reference", each] for each in ("x=19,19", "x=-3", f"x={NUMBER}")),
        ["analyse", "x.tif", "-o", "out", "--model", ""],
        ["analyse", "x.tif", "-o", "out", "--profile", "."],
        ["analyse", "x.tif", "-o", "out", "--save-profile", ""],
        *(["simulate", "-o", "out", "--shape", each] for each in ("0,0", "-1,9", "64", "1000000,1000000", NUMBER)),
        *(["simulate", "-o", "out", "--shape", each] for each in ("31,64", "16384,16384", "nan,nan", "64,64,64")),
        *(["simulate", "-o", "out", "--seed", each] for each in ("-1", "1.5", "nan", NUMBER)),
        *(["simulate", "-o", "out", "--clusters", each] for each in ("-1", "10000000", "nan", NUMBER)),
        *(["simulate", "-o", "out", "--sizes", each] for each in ("", "0", "-19", "19,19", "1e3", NUMBER)),
        ["simulate", "-o", "out", "--condition", NUMBER],
        ["simulate", "-o", "", "--seed", "1"],
        *(["evaluate", "--pure", each] for each in ("-1", "nan", NUMBER)),
        *(["evaluate", "--frames", each] for each in ("0", "1000000000", NUMBER)),
        ["train", ""],
        ["train", "none.toml"],
        *(["models", "show", each] for each in ("", "../x", NUMBER)),
        ["models", "import", ""],
        ["models", "export", "dual", ""],
        ["info", ""],
        ["info", "."],
        ["window", ""],
        [NUMBER],
    ],
)  # fmt: skip
def test_an_option_that_cannot_be_is_one_line_at_once(run, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*arguments)
    assert (code, out, len(err)) == (2, "", 1)
    assert len(err[0]) < 1100
    assert not list(tmp_path.iterdir())


@POSIX
@pytest.mark.parametrize(
    "arguments",
    [["train", "/dev/zero"], ["info", "/dev/zero"], ["info", "pipe"], ["detect", "pipe", "-o", "out"],
     ["analyse", "x", "-o", "out", "--expected", "pipe"], ["analyse", "x", "-o", "out", "--profile", "pipe"],
     ["train", "pipe"], ["models", "import", "pipe"], ["analyse", "x", "-o", "out", "--model", "pipe"]],
)  # fmt: skip
def test_devices_and_pipes_are_no_files(run, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    code, out, err = run(*arguments)
    assert (code, out, len(err)) == (2, "", 1)


@POSIX
def test_a_folder_below_a_file_is_said(run, image, tmp_path):
    code, _, (line,) = run("detect", image / "in", "-o", tmp_path / "out")
    assert code == 2 and "does not exist" in line
    code, _, (line,) = run("detect", image, "-o", image / "out")
    assert code == 2 and "cannot be made" in line


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied", "/secret"), "/secret cannot be used (Permission denied)"),
        (OSError(36, "File name too long", "x"), "File name too long"),
        (MemoryError(), "not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "not enough memory"),
    ],
)
@POSIX
def test_what_the_system_refuses_is_no_fault_of_ours(run, image, tmp_path, monkeypatch, error, said):
    def refused(*_, **__):
        raise error

    monkeypatch.setattr("napari_atomicity.pipeline.detect_steps", refused)
    code, _, (line,) = run("detect", image, "-o", tmp_path)
    assert code == 2 and said in line and "fault" not in line


# ---------------------------------------------------------------------- streams


@pytest.mark.few(1)
@POSIX
@pytest.mark.parametrize("closed", [(1,), (2,), (1, 2), (0, 1, 2)])
def test_closed_streams_cost_nothing(image, tmp_path, closed):
    nobody = f'exec {" ".join(f"{number}>&-" for number in closed)}; exec "$@"'
    command = ["sh", "-c", nobody, "sh", sys.executable, "-m", "napari_atomicity.cli", "detect", image, "none.tif"]
    done = subprocess.run([*command, "-o", tmp_path], check=False, timeout=120, capture_output=True, text=True)
    assert done.returncode == 2
    assert len(read_table(tmp_path / "good.clusters.csv")) > 5
    assert ("good: " in done.stdout) == (1 not in closed)
    # how far slow work is may be said as well
    said = [line for line in done.stderr.splitlines() if not re.search(r"\d+/\d+$", line)]
    assert len(said) == (2 not in closed)


@pytest.mark.few(1)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device here")
@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_full_streams_cost_nothing(image, tmp_path, name):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        code, out, err = process("detect", image, image, "-o", tmp_path, **{name: full})
    assert len(list(tmp_path.glob("*.clusters.csv"))) == 2
    if name == "stdout":
        assert code == 2 and len(err) == 2 and "cannot be written (No space left on device)" in err[1]
    else:
        assert code == 0 and "good: " in out


@POSIX
def test_a_reader_that_has_seen_enough_is_no_fault(image):
    with start("info", *[image] * 50) as one:
        one.stdout.readline()
        one.stdout.close()
        assert one.stderr.read() == ""


# ---------------------------------------------------------------------- signals, and what a kill leaves


@POSIX
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (getattr(signal, "SIGTERM", 0), 143), (getattr(signal, "SIGHUP", 0), 129)],
)
def test_a_signal_is_said_in_one_line(tmp_path, number, code):
    """Where a table is being written."""
    script = (
        "import sys, os, signal\n"
        # a shell's background jobs, as these tests may be, are born deaf to Ctrl-C; under nohup, to a closed terminal
        f"signal.signal({int(number)}, signal.SIG_DFL)\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from napari_atomicity import cli, simulation\n"
        "from napari_atomicity.io import atomic\n"
        "def slow(path):\n"
        "    path.write_text('half'); print('written', flush=True)\n"
        "    import time; time.sleep(60)\n"
        "import napari_atomicity.cli.running as running\n"
        "def run(arguments):\n"
        "    atomic.write_atomically(sys.argv[1] + '/a.csv', slow)\n"
        "running.run = run\n"
        "sys.exit(cli.main(['info', 'x']))\n"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=pipe, stderr=pipe, text=True) as one:
        assert one.stdout.readline() == "written\n"
        one.send_signal(number)
        _, err = one.communicate(timeout=60)
    assert one.returncode == code
    (line,) = err.splitlines()
    assert line.startswith("napari-atomicity: ") and line.endswith("what was written so far is complete.")
    assert not list(tmp_path.iterdir())


def test_signals_of_the_caller_stay(run, image):
    before = signal.getsignal(signal.SIGTERM)
    run("info", image)
    assert signal.getsignal(signal.SIGTERM) == before


@POSIX
def test_what_a_kill_leaves_is_swept_by_the_next_call(run, image, tmp_path):
    script = (
        "import os, signal, sys\n"
        "from napari_atomicity.io.atomic import write_atomically\n"
        "write_atomically(sys.argv[1] + '/a.csv', lambda p: (p.write_text('half'), os.kill(os.getpid(), 9)))\n"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path], check=False, timeout=60)
    (left,) = tmp_path.iterdir()
    others = [tmp_path / name for name in (".git", ".a.csv", ".atomicity-notes.txt", ".a.atomicity-x-1-y-2.csv")]
    for other in others:
        other.touch()
    # of a living process, here and elsewhere; and of one elsewhere that ended long ago
    mine = left.name.split("-")
    living = tmp_path / "-".join([mine[0], mine[1], str(os.getppid()), *mine[3:]])
    elsewhere = tmp_path / "-".join([mine[0], "abcdef", *mine[2:]])
    old = tmp_path / "-".join([mine[0], "fedcba", *mine[2:]])
    for path in (living, elsewhere, old):
        path.touch()
    os.utime(old, (0, 0))
    run("detect", image, "-o", tmp_path)
    there = set(tmp_path.iterdir())
    assert {left, old}.isdisjoint(there) and {living, elsewhere, *others} <= there


def test_a_file_that_is_being_written_is_not_swept(tmp_path):
    def write(path: Path) -> None:
        path.write_text("new")
        sweep(tmp_path)

    write_atomically(tmp_path / "a.csv", write)
    assert (tmp_path / "a.csv").read_text() == "new"


# ---------------------------------------------------------------------- the window


@pytest.mark.few(1)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is a display")
@pytest.mark.parametrize("env", [{"DISPLAY": ""}, {"DISPLAY": ":987"}])
def test_the_window_without_a_display_is_one_line(env):
    pytest.importorskip("napari")
    code, out, (line,) = process("window", env={"WAYLAND_DISPLAY": "", "QT_QPA_PLATFORM": "", **env})
    assert (code, out) == (2, "") and "display" in line


def test_the_window_without_napari_names_it(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "napari", None)
    monkeypatch.setattr("napari_atomicity.ui.launch._trial", lambda: None)
    code, _, (line,) = run("window")
    assert code == 2 and "napari-atomicity[gui]" in line
