"""What the processes of a batch take while it runs: memory, seconds of the processor, open files."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import numpy as np
import psutil

#: seconds between two looks
_LOOK_S = 0.5


@dataclass(frozen=True)
class Look:
    """One look: memory in MiB of the process that plans, and of each process below it that has loaded its libraries."""

    at: float
    own: float
    workers: tuple[float, ...]
    files: int


class Watch(threading.Thread):
    """Looks at a process and all below it, this one where none is given, until it is told to end."""

    def __init__(self, pid: int | None = None) -> None:
        super().__init__(daemon=True)
        self.process = psutil.Process(pid)
        self.looks: list[Look] = []
        #: seconds that each process below has computed
        self.computed: dict[int, float] = {}
        self._end = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._end.wait(_LOOK_S):
            try:
                own, files = self.process.memory_info().rss / 2**20, self.process.num_fds()
                below = self.process.children(recursive=True)
            except (psutil.Error, AttributeError):
                continue
            sizes = []
            for child in below:
                try:
                    sizes.append(child.memory_info().rss / 2**20)
                    times = child.cpu_times()
                    self.computed[child.pid] = times.user + times.system
                except psutil.Error:
                    continue
            self.looks.append(Look(time.monotonic(), own, tuple(size for size in sizes if size > 50), files))

    def end(self) -> None:
        self._end.set()
        self.join()

    @property
    def memory(self) -> float:
        """Most memory of one worker, MiB."""
        return max((max(look.workers, default=0.0) for look in self.looks), default=0.0)

    def over_time(self, parts: int = 10) -> list[float]:
        """Of the largest worker, the median of each part of the time (MiB)."""
        sizes = [max(look.workers) for look in self.looks if look.workers]
        return [float(np.median(some)) for some in np.array_split(np.array(sizes), parts) if len(some)]
