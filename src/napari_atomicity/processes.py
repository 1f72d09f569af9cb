"""Processes of our own beside this one: which Python they run in."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def python() -> str:
    """The interpreter of this environment; the process may have been started through a program of its own."""
    interpreter = Path(sys.executable or "python")
    if interpreter.stem.lower().startswith("python") and interpreter.stem.lower() != "pythonw":
        return str(interpreter)
    # pythonw has no output to read from
    names = ("python.exe", "Scripts/python.exe") if os.name == "nt" else ("bin/python3", "bin/python")
    beside = [interpreter.with_name("python.exe")] if interpreter.stem.lower() == "pythonw" else []
    for path in [*beside, *(Path(sys.prefix) / name for name in names)]:
        if path.is_file():
            return str(path)
    return str(interpreter)
