"""Watches a worker from outside: how long each answer takes, how much memory it and its children have, how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

#: no answer may take longer, and no process grow larger
SECONDS: Final = 10.0
#: nor on a machine that is so busy with other things that the processor's time does not add up to that
_AT_MOST_S: Final = 60.0
#: who has used less of the processor than this since `SECONDS` / 2 ago waits for something that may never come
_IDLE_S: Final = 0.3
BYTES: Final = 10**9
#: a worker that has grown this far is ended at once
_KILL_BYTES: Final = 2 * 10**9
_LOOK_EVERY_S: Final = 0.2
#: to make an input, which is none of the program's business
_MAKE_S: Final = 120.0


@dataclass
class Outcome:
    """How one input was answered.

    Attributes
    ----------
    kind
        ``ok``, ``fault`` (an unexpected exception or an answer without sense), ``late``, ``heavy`` or ``died``.
    """

    group: str
    number: int
    kind: str = "ok"
    door: str = ""
    story: tuple[str, ...] = ()
    answer: str = ""
    fault: dict[str, Any] = field(default_factory=dict)
    #: of the processor, or where it waited, of the clock
    seconds: dict[str, float] = field(default_factory=dict)
    peak: int = 0
    keep: list[int] | None = None
    #: the clock alone says so, which may be for other work on this machine
    doubtful: bool = False

    @property
    def signature(self) -> str:
        """Outcomes with the same one are most likely of the same cause."""
        if self.kind == "fault":
            what = self.fault["text"].split(":")[0] if self.fault["kind"] == "UnsoundError" else ""
            return f"{self.door}: {self.fault['kind']} in {self.fault['where']} {what[:60]}".strip()
        return f"{self.door}: {self.kind} at {self.answer} ({self.story[0] if self.story else '?'})"


class _Clock:
    """How long an answer takes, as on a machine that does nothing else."""

    def __init__(self, busy: Callable[[], float]) -> None:
        self._busy, self._began, self._first = busy, time.monotonic(), busy()
        self._looked, self._last = self._began, self._first

    @property
    def used(self) -> float:
        """Seconds of the processor so far."""
        return max(0.0, self._busy() - self._first)

    def passed(self) -> float:
        """Seconds so far: of the processor, of the clock where the processor has not been used for long."""
        now, used = time.monotonic(), self.used
        if used - self._last + self._first > _IDLE_S:
            self._looked, self._last = now, used + self._first
        waits = now - self._looked > SECONDS / 2
        return now - self._began if waits or now - self._began > _AT_MOST_S else used


class Worker:
    """A worker and what it says."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / f"worker{len(list(folder.glob('worker*.log')))}.log"
        home = folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        names = (
            "HOME",
            "USERPROFILE",
            "XDG_DATA_HOME",
            "XDG_CACHE_HOME",
            "XDG_STATE_HOME",
            "XDG_CONFIG_HOME",
            "LOCALAPPDATA",
        )
        quiet = {
            "OMP_NUM_THREADS": "1",
            "OMP_WAIT_POLICY": "PASSIVE",
            "PYTHONWARNINGS": "ignore",
            "PYTHONUNBUFFERED": "1",
        }
        own = {"NAPARI_ATOMICITY_MODELS": str(home / "models"), "NAPARI_ATOMICITY_CACHE": str(home / "cache")}
        path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tools.fuzz.worker", str(folder.absolute()), str(seed)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, encoding="utf-8",
                env={**os.environ, **dict.fromkeys(names, str(home)), **quiet, **own, "PYTHONPATH": path},
            )  # fmt: skip
        self._said: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        self.met = 0
        #: bytes that it has before it meets an input
        self.base = 0
        started = self._next(_MAKE_S)
        if started is None:
            self.end()
            raise RuntimeError(f"the worker does not start: {self.log.read_text(errors='replace')[-2000:]}")

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(json.loads(line))
        self._said.put(None)

    def _next(self, seconds: float) -> dict[str, Any] | None:
        try:
            return self._said.get(timeout=seconds)
        except queue.Empty:
            return None

    def meet(self, group: str, number: int, keep: Sequence[int] | None = None, folder: Path | None = None) -> Outcome:
        """Put one input before it, or the one in a folder; it is no more after ``late``, ``heavy`` or ``died``."""
        self.met += 1
        outcome = Outcome(group, number, keep=None if keep is None else list(keep))
        wanted = {"group": group, "number": number, "keep": keep, "folder": None if folder is None else str(folder)}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(wanted) + "\n")
        self._process.stdin.flush()
        clock, asked = _Clock(self._busy), ""
        while outcome.kind == "ok":
            said = self._next(_LOOK_EVERY_S)
            if said is not None:
                self._heard(said, outcome)
                if asked:
                    outcome.seconds[asked] = round(clock.used, 2)
                if outcome.kind != "ok" or said["state"] == "done":
                    break
                clock, asked = _Clock(self._busy), said.get("answer", "")
                continue
            outcome.peak = max(outcome.peak, self._memory())
            if not self.alive and self._said.empty():
                outcome.kind, outcome.fault, outcome.doubtful = "died", self._last_words(), True
            elif outcome.peak > _KILL_BYTES:
                outcome.kind = "heavy"
            elif clock.passed() > (SECONDS if asked else _MAKE_S):
                outcome.kind, outcome.seconds[asked] = "late", round(clock.passed(), 2)
                outcome.doubtful = clock.used < SECONDS
        if outcome.kind in ("late", "heavy", "died"):
            outcome.answer = asked or outcome.answer
            self.end()
        return outcome

    def _heard(self, said: dict[str, Any], outcome: Outcome) -> None:
        outcome.answer = said.get("answer") or outcome.answer
        outcome.peak = max(outcome.peak, said.get("peak", 0))
        self.base = said.get("base", self.base)
        if said["state"] == "begins":
            outcome.door, outcome.story = said["door"], tuple(said["story"])
        if said["state"] == "done" and said["fault"]:
            outcome.kind, outcome.fault = "fault", said["fault"]
        if outcome.peak > BYTES:
            outcome.kind = "heavy"

    def _last_words(self) -> dict[str, Any]:
        words = self.log.read_text(encoding="utf-8", errors="replace")[-4000:]
        return {"kind": "died", "text": f"exit code {self._process.returncode}", "where": "", "traceback": words}

    def _busy(self) -> float:
        """Seconds of the processor, those of children included."""
        total = 0.0
        with contextlib.suppress(psutil.Error):
            worker = psutil.Process(self._process.pid)
            total += sum(worker.cpu_times()[:4])
            for one in worker.children(recursive=True):
                total += sum(one.cpu_times()[:2])
        return total

    def _memory(self) -> int:
        """Of the largest process, the worker or a child of it."""
        try:
            worker = psutil.Process(self._process.pid)
            return max(one.memory_info().rss for one in (worker, *worker.children(recursive=True)))
        except psutil.Error:
            return 0

    @property
    def alive(self) -> bool:
        """Whether it can meet another input."""
        return self._process.poll() is None

    def end(self) -> None:
        """End it, and all that it started."""
        try:
            worker = psutil.Process(self._process.pid)
            for one in (*worker.children(recursive=True), worker):
                one.kill()
        except psutil.Error:
            pass
        self._process.wait(30)
