"""From the measured parts to the finished tables: sessions calibrated, rows in order, checked, put in place at once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from napari_atomicity.dataset.calibrate import Chunk, Session, find_session, finish_chunk
from napari_atomicity.dataset.engine import Engine, Task
from napari_atomicity.dataset.folder import Folder
from napari_atomicity.dataset.measure import COUNTED, FAILED, REFUSED
from napari_atomicity.dataset.parts import part_path, parts_in, pyarrow, read_tables, write_tables
from napari_atomicity.dataset.plan import Recipe
from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import write_text
from napari_atomicity.progress import Progress, Steps

#: images of one file of the finished tables
_IMAGES_A_FILE: Final = 500
#: the finished tables
FINISHED: Final = ("images", "clusters")
#: of the rows of a million images these alone are held in memory
_NEEDED: Final = (
    "image", "path", "frame", "session", "status", "refusal", "size_bytes", "modified_ns", "sha256", "deposited",
    "pixel_size_nm", "pixel_size_given_nm", "clusters",
)  # fmt: skip
#: how often a file of them is tried
_TRIES: Final = 3

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Measured:
    """What is known of all images that were measured, in the order of their paths, and in which part each of them is.

    Of the columns of the table of images the rows hold those that planning and sessions need.
    """

    rows: tuple[Row, ...]
    parts: Mapping[str, str]

    @property
    def by_id(self) -> dict[str, Row]:
        """The rows by id of the image."""
        return {row["image"]: row for row in self.rows}


def read_measured(folder: Folder) -> Measured:
    """What the measured parts hold; of an image that is in several of them one row, counted where there is such a one.

    Parameters
    ----------
    folder
        The dataset.
    """
    best: dict[str, tuple[Row, str]] = {}
    for part in parts_in(folder.measured):
        for row in read_tables([part_path(folder.measured, part, "images")], list(_NEEDED)).to_pylist():
            before = best.get(row["image"])
            if before is None or (before[0]["status"] != COUNTED and row["status"] == COUNTED):
                best[row["image"]] = (row, part)
    rows = sorted((row for row, _ in best.values()), key=lambda row: (row["path"], row["frame"]))
    return Measured(tuple(rows), {image: part for image, (_, part) in best.items()})


def forget(folder: Folder, paths: frozenset[str], first: frozenset[str]) -> None:
    """Take rows out of the measured parts, whose images are measured anew.

    Parameters
    ----------
    folder
        The dataset.
    paths
        Files whose rows all go.
    first
        Ids of images that go.
    """
    pa, _ = pyarrow()
    for part in parts_in(folder.measured):
        path = part_path(folder.measured, part, "images")
        table = read_tables([path])
        keep = [
            name not in paths and image not in first
            for name, image in zip(table["path"].to_pylist(), table["image"].to_pylist(), strict=True)
        ]
        if not all(keep):
            write_tables({path: table.filter(pa.array(keep))})


def finish_steps(folder: Folder, recipe: Recipe, measured: Measured, engine: Engine) -> Steps[dict[str, Any]]:
    """Calibrate the sessions and write the finished tables with their manifest.

    Parameters
    ----------
    folder
        The dataset.
    recipe
        What decides the numbers.
    measured
        What `read_measured` gave.
    engine
        Who computes.

    Returns
    -------
    The manifest.

    Raises
    ------
    InputError
        Where something cannot be written, or does not add up.
    """
    sessions = (yield from _session_steps(folder, measured)) if recipe.has_sessions else {}
    target = folder.path / ".next"
    shutil.rmtree(target, ignore_errors=True)
    for name in FINISHED:
        (target / name).mkdir(parents=True)
    written = yield from _chunk_steps(folder, recipe, _chunks(measured, sessions), engine, target)
    manifest = _manifest(measured, sessions, written, target)
    _check(manifest, measured, target)
    _put_in_place(folder, target)
    write_text(folder.manifest, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    return manifest


def _session_steps(folder: Folder, measured: Measured) -> Steps[dict[str, Session]]:
    groups: dict[str, list[Row]] = {}
    for row in measured.rows:
        if row["session"]:
            groups.setdefault(row["session"], []).append(row)
    sessions = {}
    for done, (name, rows) in enumerate(groups.items()):
        yield Progress(done, len(groups), f"Calibrating sessions: {done:,} of {len(groups):,}")
        session = find_session(folder, rows, measured.parts)
        if session is not None:
            sessions[name] = session
    return sessions


def _chunks(measured: Measured, sessions: Mapping[str, Session]) -> Iterator[Chunk]:
    for number, start in enumerate(range(0, max(len(measured.rows), 1), _IMAGES_A_FILE)):
        rows = measured.rows[start : start + _IMAGES_A_FILE]
        ids = frozenset(row["image"] for row in rows)
        own = {row["session"] for row in rows} & sessions.keys()
        yield Chunk(
            number,
            tuple(row["image"] for row in rows),
            {image: measured.parts[image] for image in ids},
            {name: sessions[name].part(ids) for name in sorted(own)},
        )


def _chunk_steps(
    folder: Folder, recipe: Recipe, chunks: Iterator[Chunk], engine: Engine, target: Path
) -> Steps[dict[str, int]]:
    """All files, by the engine; gives how many rows each finished table has."""
    written = dict.fromkeys(FINISHED, 0)
    tries: dict[int, int] = {}
    waiting: list[Chunk] = []
    more, in_hand, done = True, 0, 0
    while more or waiting or in_hand:
        while engine.room > 0 and (waiting or more):
            chunk = waiting.pop() if waiting else next(chunks, None)
            if chunk is None:
                more = False
                break
            engine.submit(Task(finish_chunk, (folder, recipe, chunk, target)))
            in_hand += 1
        for ended in engine.wait(0.5):
            in_hand -= 1
            if ended.error is None:
                done += 1
                for name, rows in ended.result.items():
                    written[name] += rows
                continue
            failed: Chunk = ended.task.arguments[2]
            tries[failed.number] = tries.get(failed.number, 0) + 1
            if tries[failed.number] >= _TRIES:
                raise ended.error
            time.sleep(0.0 if isinstance(ended.error, ConnectionError) else 1.0)
            waiting.append(failed)
        yield Progress(done, done + in_hand, f"Writing the table: {written['images']:,} images")
    return written


def _manifest(
    measured: Measured, sessions: Mapping[str, Session], written: Mapping[str, int], target: Path
) -> dict[str, Any]:
    by_id = measured.by_id
    states = [row["status"] for row in measured.rows]
    odd = [
        {
            "path": by_id[image]["path"],
            "frame": by_id[image]["frame"],
            "sentence": f"Its pixel size of {by_id[image]['pixel_size_nm']:.5g} nm is another one than that of its "
            "session; it was calibrated by itself.",
        }
        for session in sessions.values()
        for image in session.odd
    ]
    return {
        "images": len(states),
        **{state: states.count(state) for state in (COUNTED, REFUSED, FAILED)},
        "clusters": written["clusters"],
        "sessions": len(sessions),
        "failures": [
            {"path": row["path"], "frame": row["frame"], "status": row["status"], "sentence": row["refusal"]}
            for row in measured.rows
            if row["status"] != COUNTED
        ],
        "other_pixel_sizes": odd,
        "files": {f"{path.parent.name}/{path.name}": _sha256(path) for path in _files(target)},
    }


def _files(target: Path) -> list[Path]:
    return sorted(path for name in FINISHED for path in (target / name).glob("*.parquet"))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(manifest: Mapping[str, Any], measured: Measured, target: Path) -> None:
    """Raise where the finished tables do not hold every image once, with all of its clusters."""
    images = read_tables(_files_of(target, "images"), ["image", "clusters", "status"])
    clusters = read_tables(_files_of(target, "clusters"), ["image"])
    ids = images["image"].to_pylist()
    n_clusters = sum(n or 0 for n in images["clusters"].to_pylist())
    if len(set(ids)) != len(measured.rows) or len(ids) != len(measured.rows) or clusters.num_rows != n_clusters:
        raise InputError(
            f"The finished tables hold {len(ids)} images and {clusters.num_rows} clusters where {len(measured.rows)} "
            f"and {n_clusters} were measured; please report it. What was measured is kept."
        )


def _files_of(target: Path, name: str) -> list[Path]:
    return sorted((target / name).glob("*.parquet"))


def _put_in_place(folder: Folder, target: Path) -> None:
    """The new tables in the place of the old ones, folder by folder."""
    for name in FINISHED:
        place, old = folder.path / name, folder.path / f".{name}-before"
        shutil.rmtree(old, ignore_errors=True)
        if place.exists():
            place.rename(old)
        (target / name).rename(place)
        shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(target, ignore_errors=True)


def mend(folder: Folder) -> None:
    """Put back tables that a call was about to replace when it was killed.

    Parameters
    ----------
    folder
        The dataset.
    """
    for name in FINISHED:
        place, old = folder.path / name, folder.path / f".{name}-before"
        if old.exists() and not place.exists():
            with contextlib.suppress(OSError):
                old.rename(place)
