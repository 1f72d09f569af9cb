"""A walk at the microscope: fields written slowly, one damaged, the folder away for a while, the watch killed."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from napari_atomicity.counting.bundle import load_bundle
from napari_atomicity.io.tables import read_table
from napari_atomicity.live import settling
from napari_atomicity.live.session import LiveSession
from napari_atomicity.live.sources import write_slowly
from napari_atomicity.pipeline import Settings
from napari_atomicity.progress import drain
from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.files import write_frame
from napari_atomicity.simulation.frames import simulate_frame

#: seconds that a writer takes for a field, and after which a walk that stands still is given up
WRITING_S = 0.3
PATIENCE_S = 900.0


def walk(options: argparse.Namespace, shares: dict[int, float]) -> dict[str, list[str]]:
    """A line of the table: how many fields, and how their tables compare with those of one call."""
    with tempfile.TemporaryDirectory() as base:
        work = Path(base)
        fields = _fields(work / "source", options.walk, options.seed, shares)
        folder, out = work / "in", work / "out"
        folder.mkdir()
        watch = _watch(folder, out)
        half = fields[0].read_bytes()
        (folder / "damaged.tif").write_bytes(half[: len(half) // 2])
        killed, away = len(fields) // 3, 2 * len(fields) // 3
        for i, field in enumerate(fields):
            write_slowly(field, folder / field.name, WRITING_S)
            if i == killed:
                _until(out, i // 2, 0)
                watch.kill()
                watch.wait()
                watch = _watch(folder, out)
            if i == away:
                elsewhere = folder.rename(work / "elsewhere")
                time.sleep(options.rename)
                elsewhere.rename(folder)
        _until(out, len(fields), 1)
        watch.send_signal(signal.SIGINT)
        code = watch.wait(PATIENCE_S)
        files = sorted(str(folder / field.name) for field in fields)
        _call(["analyse", *files, "--session", "-o", str(work / "batch")])
        same = [
            (work / "batch" / path.name).read_bytes() == path.read_bytes()
            for path in sorted(out.glob("*.clusters.csv"))
        ]
        cells = [str(len(fields)), f"{options.rename:.0f}", f"{sum(same)} of {len(same)}", _named(out), str(code)]
        return {"walk": [*cells, _one_by_one(out)]}


COLUMNS = [
    "fields",
    "folder away (s)",
    "tables equal to the byte",
    "named to take again",
    "exit code",
    "each by itself: labels that differ",
]


def _fields(folder: Path, n: int, seed: int, shares: dict[int, float]) -> list[Path]:
    folder.mkdir()
    spec = sample_spec("nominal", shares, 25, shape=(400, 400), seed=seed)
    return [Path(write_frame(simulate_frame(spec, seed + i), folder, f"field_{i:03d}")[0]) for i in range(n)]


def _command(arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", "napari_atomicity.cli", *arguments]


def _watch(folder: Path, out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(_command(["watch", str(folder), "-o", str(out)]), stdout=subprocess.DEVNULL)


def _call(arguments: list[str]) -> None:
    subprocess.run(_command(arguments), check=True, stdout=subprocess.DEVNULL)


def _ledger(out: Path) -> list[dict[str, str]]:
    try:
        lines = (out / "watch.jsonl").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    images = {}
    for line in lines:
        try:
            seen = json.loads(line)
        except ValueError:  # being written, or cut off
            continue
        images[seen["sha256"]] = seen
    return list(images.values())


def _until(out: Path, counted: int, failed: int) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        outcomes = [seen["outcome"] for seen in _ledger(out)]
        if outcomes.count("counted") >= counted and outcomes.count("failed") >= failed:
            return
        time.sleep(0.2)
    raise SystemExit("The watch stands still.")


def _named(out: Path) -> str:
    summary = json.loads((out / "session.json").read_text(encoding="utf-8"))
    return ", ".join(seen["name"] for seen in summary["failed"]) or "none"


def _one_by_one(out: Path) -> str:
    """Labels that differ where images are too many to be held together, and each is counted by itself."""
    together = {path: read_table(path) for path in out.glob("*.clusters.csv")}
    session = LiveSession(out, Settings(adapt="off"), load_bundle("dual"))
    drain(settling.settle_steps(session))
    tables = [{path: read_table(path) for path in together}]
    settling.MOST = 0
    drain(settling.settle_steps(session))
    tables.append({path: read_table(path) for path in together})
    other = np.concatenate([tables[0][path].final_labels != tables[1][path].final_labels for path in together])
    return f"{other.sum()} of {len(other)}"
