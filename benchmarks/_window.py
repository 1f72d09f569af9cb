"""A real window for benchmarks: a screen, waiting, and how long the interface thread stalls."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable


class Heartbeat:
    """Gaps between the beats of a timer in the interface thread."""

    def __init__(self) -> None:
        from qtpy.QtCore import Qt, QTimer

        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(5)
        self._timer.timeout.connect(self._beat)
        self._gaps: list[tuple[float, float]] = []
        self._last = (0.0, 0.0)

    def start(self) -> None:
        self._gaps, self._last = [], (time.perf_counter(), time.thread_time())
        self._timer.start()

    def stop(self) -> list[tuple[float, float]]:
        """Gaps in s, longest last, each with what the window's own thread worked in it."""
        self._beat()
        self._timer.stop()
        return sorted(self._gaps)

    def _beat(self) -> None:
        now = (time.perf_counter(), time.thread_time())
        self._gaps.append((now[0] - self._last[0], now[1] - self._last[1]))
        self._last = now


def until(done: Callable[[], bool] = lambda: True, quiet_ms: int = 300) -> None:
    """Let the window live until `done`, and a little longer, so that what follows is counted too."""
    from qtpy.QtTest import QTest

    QTest.qWait(20)
    while not done():
        QTest.qWait(10)
    QTest.qWait(quiet_ms)


def need_screen() -> None:
    """On Linux without a screen: run the script again on a virtual one, and end."""
    if sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return
    runner = shutil.which("xvfb-run")
    if runner is None:
        print("No screen and no xvfb-run: nothing can be measured in a window here.")
        sys.exit(0)
    screen = "-screen 0 1400x900x24 +extension GLX"
    sys.exit(subprocess.call([runner, "-a", "-s", screen, sys.executable, *sys.argv]))
