"""Watches a worker from outside: how long each answer takes, how much memory it and its children have, how it ends."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

#: no answer may take longer, and no process grow larger
SECONDS: Final = 10.0
BYTES: Final = 10**9
#: a worker that has grown this far is ended at once
_KILL_BYTES: Final = 2 * 10**9
_LOOK_EVERY_S: Final = 0.03
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
    seconds: dict[str, float] = field(default_factory=dict)
    peak: int = 0
    keep: list[int] | None = None

    @property
    def signature(self) -> str:
        """Outcomes with the same one are most likely of the same cause."""
        if self.kind == "fault":
            what = self.fault["text"].split(":")[0] if self.fault["kind"] == "UnsoundError" else ""
            return f"{self.door}: {self.fault['kind']} in {self.fault['where']} {what[:60]}".strip()
        return f"{self.door}: {self.kind} at {self.answer} ({self.story[0] if self.story else '?'})"

    def as_json(self) -> str:
        """One line, for a list of faults."""
        return json.dumps(asdict(self))


class Worker:
    """A worker and what it says."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.log = folder / "worker.log"
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

    def meet(self, group: str, number: int, keep: Sequence[int] | None = None) -> Outcome:
        """Put one input before it; it is no more where the outcome is ``late``, ``heavy`` or ``died``."""
        self.met += 1
        outcome = Outcome(group, number, keep=None if keep is None else list(keep))
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"group": group, "number": number, "keep": keep}) + "\n")
        self._process.stdin.flush()
        since, asked = time.monotonic(), ""
        while outcome.kind == "ok":
            said = self._next(_LOOK_EVERY_S)
            now = time.monotonic()
            if said is not None:
                if asked:
                    outcome.seconds[asked] = round(now - since, 3)
                    if now - since > SECONDS:
                        outcome.kind = "late"
                        break
                since, asked = now, said.get("answer", "")
                outcome.answer = asked or outcome.answer
                outcome.peak = max(outcome.peak, said.get("peak", 0))
                if said["state"] == "begins":
                    outcome.door, outcome.story = said["door"], tuple(said["story"])
                elif said["state"] == "done":
                    if said["fault"]:
                        outcome.kind, outcome.fault = "fault", said["fault"]
                    if outcome.peak > BYTES:
                        outcome.kind = "heavy"
                    break
                continue
            outcome.peak = max(outcome.peak, self._memory())
            if self._process.poll() is not None and self._said.empty():
                outcome.kind = "died"
                outcome.fault = {
                    "kind": "died",
                    "text": str(self._process.returncode),
                    "where": "",
                    "traceback": self._last_words(),
                }
            elif outcome.peak > _KILL_BYTES:
                outcome.kind = "heavy"
            elif now - since > (SECONDS if asked else _MAKE_S):
                outcome.kind = "late"
                outcome.seconds[asked] = round(now - since, 3)
        if outcome.kind in ("late", "heavy", "died"):
            outcome.answer = asked or outcome.answer
            self.end()
        return outcome

    def _last_words(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-4000:]

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
