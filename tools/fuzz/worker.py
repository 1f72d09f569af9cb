"""The process that meets the inputs: told over stdin which one is next, it says over a pipe what it does.

It may hang, grow or die; who watches it from outside sees that, see `watch`.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import json
import os
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any

from tools.fuzz import corpus, doors
from tools.fuzz.cases import case
from tools.fuzz.formats.hdf5 import PIPE, SECRET
from tools.fuzz.kinds import Case, kept

#: what an earlier input left behind is cleared away above this
_MUCH = 6 * 10**8


class _Told:
    """Lines of JSON to the one who watches."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        # what libraries print belongs to nobody
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)

    def __call__(self, **facts: Any) -> None:
        print(json.dumps(facts), file=self._out, flush=True)


def main() -> None:
    """Answer until stdin ends. Arguments: folder of the run, seed."""
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    faulthandler.enable()
    tell = _Told()
    goods = corpus.load(folder / "corpus") if (folder / "corpus").is_dir() else {}
    tell(state="ready")
    for line in sys.stdin:
        wanted = json.loads(line)
        place = folder / "case"
        _empty(place)
        if wanted["folder"]:
            one = kept(Path(wanted["folder"]))
        else:
            one = case(seed, wanted["group"], wanted["number"], goods, wanted.get("keep"))
        path = _lay_out(one, place)
        doors.warm_up(one.door)
        if _peak() > _MUCH:
            gc.collect()
        _forget_peak()
        base = _peak()
        tell(state="begins", door=one.door, story=one.story)
        fault = _met(one, path, lambda answer: tell(state="asks", answer=answer, peak=_peak()))
        tell(state="done", fault=fault, peak=_peak(), base=base)
        os.chdir(folder)  # the case is not held


def _empty(place: Path) -> None:
    os.chdir(place.parent)
    shutil.rmtree(place, ignore_errors=True)
    shutil.rmtree(os.environ["NAPARI_ATOMICITY_MODELS"], ignore_errors=True)
    place.mkdir()
    os.chdir(place)


def _lay_out(one: Case, place: Path) -> Path:
    """The files of the case, and beside them what no input may lead to."""
    (place / SECRET).write_bytes(doors.SECRET)
    if hasattr(os, "mkfifo"):
        os.mkfifo(place / PIPE)
    for name, content in one.files.items():
        (place / name).write_bytes(content)
    return place / next(iter(one.files))


def _met(one: Case, path: Path, ask: doors.Ask) -> dict[str, Any] | None:
    """What went wrong; None where nothing did."""
    try:
        doors.knock(one, path, ask)
    except BaseException as error:  # also what is no Exception, as a panic of a compiled library
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if "napari_atomicity" in frame.filename]
        last = (ours or list(frames))[-1]
        text = "".join(traceback.format_exception(error))
        return {
            "kind": type(error).__name__,
            "text": str(error)[:300],
            "where": f"{Path(last.filename).name}:{last.name}",
            "traceback": f"{text[:6000]}\n...\n{text[-6000:]}" if len(text) > 12_000 else text,
        }
    return None


def _peak() -> int:
    """Most bytes of memory since `_forget_peak`; 0 where the system does not tell."""
    with contextlib.suppress(OSError), open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123
        for line in status:
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    return 0


def _forget_peak() -> None:
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w", encoding="ascii") as file:  # noqa: PTH123
        file.write("5")


if __name__ == "__main__":
    main()
