"""A large set counted undisturbed, and counted again by a command that is killed twice: is it the same dataset?

Started by itself it is the undisturbed call: `python _ten_thousand.py IMAGES DATASET REPORT`.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq

from _many_frames import many_frames
from _tables import markdown
from _watched import Watch

_WORKERS = 2
_SESSIONS = 20
_BASES = 200
#: on 512 x 512 pixels: about twelve in 256 x 256
_CLUSTERS = 48
#: parts of the undisturbed time within which a call is killed
_FIRST, _SECOND = (0.15, 0.45), (0.1, 0.35)


def run(images: int, size: int, seed: int, kept: Path | None) -> None:
    """Make the frames, count them both ways, compare, and print what it took."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = kept or Path(temporary)
        frames = folder / "images"
        if not frames.is_dir():
            start = time.monotonic()
            many_frames(frames, images, size, _CLUSTERS, seed, _BASES, min(_SESSIONS, images), faults=True)
            print(f"{images} frames of {size} x {size} made in {time.monotonic() - start:.0f} s", flush=True)
        # the same name in two places: it stands in the overview
        one, two = folder / "undisturbed" / "night", folder / "killed" / "night"
        for place in (one, two):  # of an earlier run
            shutil.rmtree(place, ignore_errors=True)
        report, watch, passed = _undisturbed(frames, one, folder / "report.json")
        _print(report, watch, passed, one)
        whole = _killed(frames, two, passed, random.Random(seed))
        found = differences(one, two)
        print("\n".join(found) if found else f"\nEqual to the byte: {', '.join(_names(one))}.")
        if found or not whole:
            raise SystemExit(1)


def _undisturbed(frames: Path, output: Path, report: Path) -> tuple[dict[str, Any], Watch, float]:
    output.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    call = subprocess.Popen([sys.executable, __file__, str(frames), str(output), str(report)])
    watch = Watch(call.pid)
    code = call.wait()
    watch.end()
    if code:
        raise SystemExit(f"The undisturbed call ended with {code}.")
    return json.loads(report.read_text()), watch, time.monotonic() - start


def _print(report: dict[str, Any], watch: Watch, passed: float, output: Path) -> None:
    n, analysis = report["images"], report["analysis"]
    stages = [f"{report[name]:.1f}" for name in ("planning", "measuring", "tables", "overview")]
    sizes = {"tables": 0, "all": 0}
    for path in output.rglob("*"):
        if path.is_file():
            sizes["all"] += path.stat().st_size
            sizes["tables"] += path.stat().st_size if path.parent.name in ("images", "clusters") else 0
    memory = watch.over_time()
    lines = {
        "images, of them refused, failed": [f"{n:,}, {report['refused']}, {report['failed']}"],
        "images a second, two workers": [f"{n / passed:.2f}"],
        "analysis (s an image)": [f"{analysis / n:.3f}"],
        "processor (s an image)": [f"{sum(watch.computed.values()) / n:.3f}"],
        "whole call (s)": [f"{passed:.1f}"],
        "planning, first pass, tables, overview (s)": [", ".join(stages)],
        "overhead (worker seconds, part of all)": [
            f"{_WORKERS * passed - analysis:.1f}, {100 * (1 - analysis / (_WORKERS * passed)):.1f} %"
        ],
        "of it loading models, writing parts (s)": [f"{report['loading']:.1f}, {report['writing']:.1f}"],
        "memory of a worker: start, middle, end, most (MiB)": [
            ", ".join(f"{size:.0f}" for size in (memory[1], memory[5], memory[-1], watch.memory))
        ],
        "memory of the call that plans, most (MiB)": [f"{max(look.own for look in watch.looks):.0f}"],
        "open files of that call, most": [f"{max(look.files for look in watch.looks)}"],
        "tables, all of the dataset (kB an image)": [f"{sizes['tables'] / n / 1e3:.1f}, {sizes['all'] / n / 1e3:.1f}"],
        "overview.html (MB)": [f"{(output / 'overview.html').stat().st_size / 1e6:.1f}"],
    }
    print(markdown(["undisturbed"], lines, ""), flush=True)


def _killed(frames: Path, output: Path, passed: float, rng: random.Random) -> bool:
    """The command, killed twice with everything below it and then left to end; gives whether all went as it should."""
    output.parent.mkdir(parents=True, exist_ok=True)
    call = [sys.executable, "-m", "napari_atomicity.cli", "batch", str(frames), "-o", str(output)]
    call += ["--session-by", "folder", "--workers", str(_WORKERS)]
    whole = True
    for number, (low, high) in enumerate((_FIRST, _SECOND), start=1):
        after = passed * rng.uniform(low, high)
        process = subprocess.Popen([*call, *(["--resume"] if number > 1 else [])], stdout=subprocess.DEVNULL)
        with suppress(subprocess.TimeoutExpired):
            process.wait(after)
            print(f"\nThe call ended by itself before it was killed, with {process.returncode}.")
            whole = False
        _kill_all(process)
        print(f"\nKilled after {after:.0f} s; {_rows(output / 'measured'):,} images are measured.", flush=True)
    ended = subprocess.run([*call, "--resume"], capture_output=True, text=True, check=False)
    print(ended.stdout.partition("\n")[0])
    if ended.returncode:
        print(ended.stderr.strip())
    return whole and ended.returncode == 0


def _kill_all(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL for a process and all below it, as when the power goes."""
    tree = []
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(process.pid)
        root.suspend()  # it starts no more of them
        tree = [root, *root.children(recursive=True)]
    for one in tree:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(tree, timeout=10)
    process.wait()


def _rows(measured: Path) -> int:
    return sum(pq.read_metadata(path).num_rows for path in measured.glob("part-*.images.parquet"))


def _names(folder: Path) -> list[str]:
    tables = [path for name in ("images", "clusters") for path in sorted((folder / name).glob("*.parquet"))]
    files = [folder / name for name in ("manifest.json", "dataset.json", "overview.html")]
    return [str(path.relative_to(folder)) for path in (*tables, *files)]


def differences(one: Path, two: Path) -> list[str]:
    """A line for each file of two datasets that is not the same; of a table with the number of rows that differ."""
    lines = []
    for name in sorted({*_names(one), *_names(two)}):
        here, there = one / name, two / name
        if not (here.exists() and there.exists()):
            lines.append(f"{name}: only in one of them")
        elif here.read_bytes() != there.read_bytes():
            lines.append(f"{name}: {_rows_that_differ(here, there)}")
    return lines


def _rows_that_differ(one: Path, two: Path) -> str:
    if one.suffix != ".parquet":
        return "differs"
    rows, others = (pq.read_table(path).to_pylist() for path in (one, two))
    n = sum(repr(row) != repr(other) for row, other in zip(rows, others, strict=False))
    return f"{len(rows)} and {len(others)} rows, {n} of them differ"


def _undisturbed_call(frames: str, output: str, report: str) -> None:
    """What the command does, with the seconds of each stage written to `report`."""
    from napari_atomicity.dataset.batch import Batch, batch_steps
    from napari_atomicity.pipeline import Settings
    from napari_atomicity.progress import drain
    from napari_atomicity.threads import settle

    settle()
    batch = Batch([frames], Path(output), Settings(adapt="off"), workers=_WORKERS, session_by="folder")
    result = drain(batch_steps(batch))
    tally = result.tally
    facts = {name: getattr(tally, name) for name in ("images", "refused", "failed", "loading", "writing")}
    Path(report).write_text(json.dumps({**facts, "analysis": tally.seconds, **result.seconds}))


if __name__ == "__main__":
    _undisturbed_call(*sys.argv[1:])
