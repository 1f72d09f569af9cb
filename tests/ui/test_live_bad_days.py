"""The dock at the microscope on bad days: each is said in one sentence, nothing is lost, and the rest goes on."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_atomicity.live import apart
from napari_atomicity.live.order import LOCK
from napari_atomicity.live.send_frame import send_frame
from napari_atomicity.project.recovery import Lock
from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.frames import simulate_frame
from napari_atomicity.ui.live.service import live_watch_of
from seeds import seeded

PATIENT_MS = 120_000


@pytest.fixture(scope="module")
def field() -> Any:
    spec = sample_spec("clean", {19: 0.5, 55: 0.5}, 12, shape=(260, 260), seed=seeded(5), pixel_size_nm=0.05)
    return simulate_frame(spec, seed=seeded(60)).image.astype(np.float32)


@pytest.fixture
def counters(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The processes that were started to count."""
    started: list[subprocess.Popen[bytes]] = []
    real = apart._started

    def noted() -> subprocess.Popen[bytes]:
        started.append(real())
        return started[-1]

    monkeypatch.setattr(apart, "_started", noted)
    return started


def _write(path: Path, image: Any) -> Path:
    tifffile.imwrite(path, image, imagej=True, resolution=(20, 20), metadata={"unit": "nm"})
    return path


class Dock:
    """The dock, ready to watch quickly."""

    def __init__(self, app: Any, **settings: Any) -> None:
        self.app, self.panel = app, app.panel("Live")
        self.watch = live_watch_of(app.workspace)
        self.watch.choose(poll_s=0.05, patience_s=0.2, **settings)
        app.settle()

    def click(self) -> None:
        self.app.click_on(self.panel.run)

    def until(self, done: Callable[[], bool]) -> None:
        self.app.qtbot.waitUntil(done, timeout=PATIENT_MS)
        self.app.settle()

    def has(self, images: int, failed: int = 0) -> bool:
        look = self.watch.look
        return look is not None and (len(look.images), len(look.failed)) == (images, failed)

    @property
    def said(self) -> str:
        return " | ".join(self.watch.said)


@pytest.mark.slow
def test_a_folder_that_comes_goes_holds_rubbish_and_a_process_that_is_killed(
    app: Any, field: Any, tmp_path: Path, counters: list[subprocess.Popen[bytes]]
) -> None:
    share = tmp_path / "share"
    dock = Dock(app, folder=str(share))
    dock.click()
    dock.until(lambda: "waiting for it" in dock.said)
    share.mkdir()
    whole = _write(share / "whole.tif", field).read_bytes()
    (share / "text.tif").write_text("these are notes, not an image")
    (share / "half.tif").write_bytes(whole[: len(whole) // 2])
    dock.until(lambda: dock.has(1, failed=2) and "is there again" in dock.said)
    assert "2 to take again" in dock.panel.state.text() and "text: " in dock.said and "half: " in dock.said
    share.rename(tmp_path / "away")
    dock.until(lambda: dock.said.count("waiting for it") == 2)
    counters[0].kill()
    app.idle()
    assert app.notes[-1].startswith("The process that counts has ended by itself") and dock.panel.run.text() == "Watch"
    assert "1 image, " in dock.panel.state.text()  # what was known is still there
    (tmp_path / "away").rename(share)
    _write(share / "more.tif", field[::-1])
    dock.click()
    dock.until(lambda: dock.has(2, failed=2))
    dock.click()
    app.idle()
    assert len(list((tmp_path / "share-watch").glob("*.clusters.csv"))) == 2
    assert all(process.poll() is not None for process in counters)


@pytest.mark.slow
def test_images_from_another_computer_and_what_is_wrong_with_some(app: Any, field: Any, tmp_path: Path) -> None:
    dock = Dock(app, source="receive", into=str(tmp_path / "received"), port=_free_port())
    source, token = dock.panel.source, dock.watch.settings.token
    assert source.receiver.isVisible() and source.token.text() == token and "send_frame.py" in source.where.text()
    app.click_on(source.copy)
    from qtpy.QtWidgets import QApplication

    assert QApplication.clipboard().text() == token
    dock.click()
    dock.until(lambda: "Receiving at 127.0.0.1" in source.where.text())
    port = dock.watch.settings.port
    for wrong, words in (({"token": "some other token"}, "wrong token"), ({"array": np.zeros((1, 40_000))}, "height")):
        sent = {"array": field, "pixel_size_nm": 0.05, "name": "a", "token": token, "port": port} | wrong
        with pytest.raises(ValueError, match=words):
            send_frame(**sent)
        dock.until(lambda words=words: words in dock.said)
    for name, image, size in (("a", field, 0.05), ("b", field[::-1, :220], 0.04)):
        send_frame(image, size, name, token, port=port)
        dock.until(
            lambda name=name: dock.watch.look is not None and any(s.name == name for s in dock.watch.look.images)
        )
    assert "a pixel is 0.04 nm wide instead of 0.05" in dock.panel.warnings.text()
    assert token not in dock.said and dock.has(2)
    dock.click()
    app.idle()
    assert not dock.watch.address and sorted(p.name for p in (tmp_path / "received/images").iterdir()) == [
        "a.tif",
        "b.tif",
    ]
    with pytest.raises(OSError):
        send_frame(field, 0.05, "late", token, port=port)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files of another process")
def test_a_disk_that_is_full_for_a_while_costs_nothing(
    app: Any, field: Any, tmp_path: Path, counters: list[subprocess.Popen[bytes]]
) -> None:
    import resource

    folder = tmp_path / "fields"
    folder.mkdir()
    dock = Dock(app, folder=str(folder))
    dock.click()
    dock.until(lambda: dock.has(0))
    unlimited = resource.RLIM_INFINITY
    resource.prlimit(counters[0].pid, resource.RLIMIT_FSIZE, (500, unlimited))
    _write(folder / "field.tif", field)
    dock.until(lambda: "make room" in dock.said)
    assert dock.has(0)
    resource.prlimit(counters[0].pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
    dock.until(lambda: dock.has(1))
    dock.click()
    app.idle()
    assert (tmp_path / "fields-watch/field.clusters.csv").is_file()


@pytest.mark.slow
def test_a_second_watch_and_places_that_cannot_be_are_one_sentence(app: Any, tmp_path: Path) -> None:
    folder, target = tmp_path / "fields", tmp_path / "fields-watch"
    folder.mkdir()
    target.mkdir()
    lock = Lock(target / LOCK)
    assert lock.take()
    dock = Dock(app, folder=str(folder))
    app.click(dock.panel.run)
    assert app.notes[-1].startswith(f"Another watch writes to {target}")
    lock.release()
    (tmp_path / "file").touch()
    for settings, words in (
        ({"folder": str(tmp_path / "file")}, "is a file"),
        ({"source": "replay", "folder": str(folder)}, "holds no image"),
        ({"source": "receive", "into": str(tmp_path / "file" / "in")}, "cannot be made"),
    ):
        dock.watch.choose(**settings)
        app.settle()
        app.click(dock.panel.run)
        assert words in app.notes[-1] and not dock.watch.busy
    dock.watch.choose(into="  ")
    app.settle()
    assert not dock.panel.run.isEnabled()


@pytest.mark.slow
def test_a_replay_ends_by_itself_and_the_sources_are_there(app: Any, field: Any, tmp_path: Path) -> None:
    folder = tmp_path / "fields"
    folder.mkdir()
    _write(folder / "a.tif", field)
    dock = Dock(app, folder=str(folder))
    source = dock.panel.source
    assert not source.pace.isVisible() and not source.receiver.isVisible()
    source.source.setCurrentIndex(source.source.findData("replay"))
    app.settle()
    assert source.pace.isVisible() and source.folder.text() == str(folder)
    source.pace.setValue(0)
    app.click(dock.panel.run)
    assert dock.has(1) and dock.panel.run.text() == "Watch"
    from importlib.util import find_spec

    assert (source.source.findData("scans") >= 0) == (find_spec("nion") is not None)


def test_scans_need_an_instrument_in_this_process(app: Any, tmp_path: Path) -> None:
    pytest.importorskip("nion.instrumentation")
    dock = Dock(app, source="scans", into=str(tmp_path / "scans"))
    app.click(dock.panel.run)
    assert "run within Swift" in app.notes[-1]


@pytest.mark.slow
def test_when_the_window_is_gone_so_is_the_process(field: Any, tmp_path: Path) -> None:
    """Whoever reads what it says ends without a word: what was counted is on the disk, and it ends too."""
    script = (
        "import sys, os\n"
        "from pathlib import Path\n"
        "from napari_atomicity.live.apart import apart_steps\n"
        "from napari_atomicity.live.order import Order\n"
        "from napari_atomicity.pipeline import Settings\n"
        "from napari_atomicity.progress import Milestone\n"
        "order = Order(Path(sys.argv[1]) / 'out', Settings(adapt='off'), folder=Path(sys.argv[1]))\n"
        "steps = apart_steps(order, lambda: False, list)\n"
        "for progress in steps:\n"
        "    if isinstance(progress, Milestone):\n"
        "        print(os.getpid(), flush=True)\n"
        "        os._exit(0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], check=False, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    lock = Lock(tmp_path / "out" / LOCK)
    while not lock.take():  # the process holds it until it ends
        time.sleep(0.05)
    lock.release()


def _free_port() -> int:
    import socket

    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])
