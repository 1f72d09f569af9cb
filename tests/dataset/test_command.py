"""``batch`` on the command line: what is wrong is said in one sentence before any work."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time

import psutil
import pytest

from napari_atomicity import cli

from .conftest import Here


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--shard", "5/4"], "is no part of a batch"),
        (["--workers", "0"], "a whole number from 1"),
        (["--workers", "2", "--scheduler", "tcp://host:8786"], "Leave one out"),
        (["--session-by", "evening"], "is not a list"),
        (["--session-by", "folder", "--adapt", "auto"], "without fine-tuning"),
        (["--deposited", "12"], "does not know clusters of 12 atoms"),
        (["--model", "nobody"], "no model named 'nobody'"),
    ],
)
def test_impossible_calls_are_refused_and_leave_nothing(night, tmp_path, capsys, more, words):
    assert cli.main(["batch", str(night), "-o", str(tmp_path / "out"), *more]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.fixture
def call(tmp_path, capsys, monkeypatch):
    """The command, computing here; gives its exit code and what it said on stderr and stdout."""
    monkeypatch.setattr("napari_atomicity.dataset.batch.LocalProcesses", lambda _: Here())
    monkeypatch.setattr("napari_atomicity.dataset.batch.get_ready", lambda _: None)

    def run(*arguments, output="out"):
        code = cli.main(["batch", *map(str, arguments), "-o", str(tmp_path / output)])
        said = capsys.readouterr()
        return code, said.err, said.out

    return run


def test_a_folder_that_holds_something_else_is_refused_and_left_as_it_is(call, night, tmp_path):
    image = night / "grid0" / "frame0.tif"
    assert call(image)[0] == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper" / "thesis.tex").write_text("")
    (tmp_path / "file").write_text("")
    for more, output, words in [
        ([], "out", "add --resume"),
        (["--resume", "--model", "single"], "out", "counted with another model (dual)"),
        (["--resume", "--session-by", "folder"], "out", "session by none, now it is folder"),
        (["--resume", "--deposited", "19"], "out", "deposited [], now it is [19]"),
        ([], "paper", "holds other things"),
        ([], "file", "holds other things"),
        ([], "file/deep", "cannot be made"),
    ]:
        code, said, _ = call(image, *more, output=output)
        assert (code, said.count("\n")) == (2, 1) and words in said
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


def test_missing_files_and_mixed_pixel_sizes_are_named_and_the_others_are_counted(call, night, tmp_path):
    listed = tmp_path / "list.csv"
    rows = [f"{night / 'grid0' / f'frame{i}.tif'},{size},one" for i, size in enumerate((0.05, 0.05, 0.08))]
    rows.append(f"{tmp_path / 'gone.tif'},,one")
    listed.write_text("\n".join(["path,pixel_size_nm,day", *rows]) + "\n")
    code, said, printed = call(listed, "--session-by", "day")
    assert code == 0
    assert f"{tmp_path / 'gone.tif'} does not exist" in said and said.count("gone.tif") == 1
    assert "1 image has another pixel size than its session" in said
    assert "4 images: 3 counted, 0 refused, 1 failed" in printed


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("list.csv", b"path,pixel_size_nm\nx.tif,wide\n", "a pixel size of 'wide'"),
        ("list.csv", b"", "cannot be read as a list"),
        ("list.csv", bytes(range(256)), "has no column path"),
        ("list.csv", b"path\na\0b.tif\n", "is no name of a file"),
        ("list.parquet", b"PAR1 cut short", "cannot be read as a list"),
    ],
)
def test_a_list_that_cannot_be_used_is_one_sentence_and_leaves_nothing(call, tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    code, said, _ = call(tmp_path / name)
    assert (code, said.count("\n")) == (2, 1) and words in said
    assert not (tmp_path / "out").exists()


def test_a_scheduler_that_does_not_answer_is_one_sentence_and_leaves_nothing(call, night, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_atomicity.dataset.engine._ANSWERS_WITHIN_S", 0.5)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    code, said, _ = call(night, "--scheduler", address)
    assert (code, said.count("\n")) == (2, 1) and "is silent; start it with" in said
    code, said, _ = call(night, "--scheduler", "here")
    assert (code, said.count("\n")) == (2, 1) and "is no address of a scheduler" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_batch_in_a_process_of_its_own_is_stopped_and_goes_on(night, tmp_path):
    call = [sys.executable, "-m", "napari_atomicity.cli", "batch", str(night), "-o", str(tmp_path / "out")]
    first = subprocess.run([*call, "--workers", "2", "--shard", "1/2"], capture_output=True, text=True, check=False)
    assert first.returncode == 0
    assert "part 1/2: 3 images measured" in first.stdout
    second = subprocess.run([*call, "--workers", "2"], capture_output=True, text=True, check=False)
    assert second.returncode == 2
    assert "add --resume" in second.stderr
    third = subprocess.run([*call, "--resume"], capture_output=True, text=True, check=False)
    assert third.returncode == 0, third.stderr
    assert "6 images: 6 counted, 0 refused, 0 failed" in third.stdout
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["images"] == 6
    assert (tmp_path / "out" / "overview.html").stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="workers are told of the end of their parent in another way")
def test_no_worker_outlives_a_call_that_was_killed(night, tmp_path):
    call = [sys.executable, "-m", "napari_atomicity.cli", "batch", str(night), "-o", str(tmp_path / "out")]
    process = subprocess.Popen([*call, "--workers", "2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not list((tmp_path / "out" / "measured").glob("running/*.txt")):
        time.sleep(0.05)
    below = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    assert len(below) >= 2
    _, alive = psutil.wait_procs(below, timeout=20)
    assert not alive
