"""What a benchmark ran on, for the line above its table."""

from __future__ import annotations

import atexit
import os
import platform
import shutil
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# windows that a benchmark opens leave no unsaved work for the person's next start
if not os.environ.get("NAPARI_ATOMICITY_RECOVERY"):
    os.environ["NAPARI_ATOMICITY_RECOVERY"] = tempfile.mkdtemp(prefix="napari-atomicity-recovery-")
    atexit.register(shutil.rmtree, os.environ["NAPARI_ATOMICITY_RECOVERY"], ignore_errors=True)


def describe(*libraries: str) -> str:
    """One line: processor, cores, memory, system and versions, those of `libraries` included."""
    parts = [f"{_processor()}, {os.cpu_count()} cores"]
    if memory := _memory_gib():
        parts[0] += f", {memory:.0f} GiB"
    parts.append(f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}")
    for name in ("napari-atomicity", "numpy", "torch", *libraries):
        try:
            parts.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            parts.append(f"{name} missing")
    return f"Machine: {'; '.join(parts)}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory_gib() -> float | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, ValueError, OSError):
        return None


if __name__ == "__main__":
    print(describe())
