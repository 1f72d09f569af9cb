"""One mutant against its tests, in a child of a process that has the heavy libraries in memory already.

The program itself is imported by the child alone, the file with the fault from memory; nothing is written to `src`.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import resource
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any, Final, Literal

Outcome = Literal["killed", "survived", "time ran out", "no test"]

_LIBRARIES: Final = ("numpy", "pandas", "scipy.ndimage", "scipy.optimize", "scipy.spatial", "scipy.stats", "torch",
                     "skimage.measure", "skimage.morphology", "skimage.filters", "tifffile", "matplotlib.pyplot",
                     "hypothesis", "pydantic", "safetensors.torch", "psygnal", "napari", "qtpy.QtWidgets", "pytest",
                     "pytestqt.plugin", "xdist.plugin", "pytest_timeout")  # fmt: skip
_FAILED: Final = re.compile(r"^(?:FAILED|ERROR) (\S+\.py::.*?)(?: - |$)", re.MULTILINE)
#: how pytest ends: all passed, some failed, not even collected
_PASSED, _REFUSED = 0, (3, 4, 5)


def load_libraries() -> None:
    """What every child needs and no mutant changes."""
    for name in _LIBRARIES:
        importlib.import_module(name)
    assert not any(name.startswith("napari_atomicity") for name in sys.modules)


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant, and the test that noticed it."""

    outcome: Outcome
    by: str
    seconds: float


class Trial:
    """A child that runs tests on the program with `source` in the place of the file `path`."""

    def __init__(self, path: Path | None, source: str, tests: list[str], cost_s: float) -> None:
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._began = time.monotonic()
        self._limit_s = 120 + 20 * cost_s
        self._process = os.fork()
        if not self._process:
            _be_the_child(path, source, tests, round(30 + 5 * cost_s), self._said.fileno())

    def ended(self) -> Verdict | None:
        """What came of it; None while it runs."""
        process, status = os.waitpid(self._process, os.WNOHANG)
        spent = time.monotonic() - self._began
        if not process:
            if spent < self._limit_s:
                return None
            self._end_group()
            os.waitpid(self._process, 0)
            return Verdict("time ran out", "", spent)
        self._end_group()
        self._said.seek(0)
        said = self._said.read()
        if os.WIFSIGNALED(status):
            return Verdict("time ran out" if os.WTERMSIG(status) == signal.SIGXCPU else "killed", "a crash", spent)
        code = os.WEXITSTATUS(status)
        if code in _REFUSED:
            raise SystemExit(f"pytest could not run:\n{said}")
        if code == _PASSED:
            return Verdict("survived", "", spent)
        first = _FAILED.search(said)
        return Verdict("killed", first.group(1) if first else "the import", spent)

    def _end_group(self) -> None:
        """End what the trial started, too: its virtual screen outlives it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process, signal.SIGKILL)


def _be_the_child(path: Path | None, source: str, tests: list[str], seconds: int, said: int) -> None:
    code = 3
    try:
        os.setsid()
        os.dup2(said, 1)
        os.dup2(said, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = tempfile.mkdtemp(prefix="mutants-")
        if path is not None:
            sys.meta_path.insert(0, _Finder(path, source))
        import pytest

        code = int(pytest.main(["-x", "-q", "--no-header", "--tb=line", "-p", "no:cacheprovider", *tests]))
    finally:
        sys.stdout.flush()
        os._exit(code)


class _Finder(MetaPathFinder):
    """Finds one module, with other source than its file holds."""

    def __init__(self, path: Path, source: str) -> None:
        parts = path.with_suffix("").parts
        self._module = ".".join(parts[parts.index("src") + 1 :]).removesuffix(".__init__")
        self._path, self._source = path, source

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != self._module:
            return None
        loader = _Loader(name, str(self._path))
        loader.source = self._source
        return spec_from_file_location(name, self._path, loader=loader)


class _Loader(SourceFileLoader):
    source = ""

    def get_data(self, path: str) -> bytes:
        return self.source.encode()

    def path_stats(self, path: str) -> Any:
        # so that no compiled file is read or written
        raise OSError
