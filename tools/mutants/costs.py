"""A pytest plugin that writes what each test costs: its own processor time and that of the fixtures it needs."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

_FIXTURES: dict[str, float] = {}
_CALLS: dict[str, float] = {}
_NEEDS: dict[str, list[str]] = {}


@pytest.hookimpl(hookwrapper=True)
def pytest_fixture_setup(fixturedef: Any) -> Any:
    """A fixture that many tests share is paid for by each of them when it runs alone.

    What its first use imports is not paid for: that is in memory.
    """
    start = time.process_time()
    yield
    spent = time.process_time() - start
    _FIXTURES[fixturedef.argname] = min(spent, _FIXTURES.get(fixturedef.argname, spent))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: Any) -> Any:
    """The test itself."""
    start = time.process_time()
    yield
    _CALLS[item.nodeid] = time.process_time() - start
    _NEEDS[item.nodeid] = list(item.fixturenames)


def pytest_sessionfinish() -> None:
    """All of it into the file that the environment names."""
    costs = {test: _CALLS[test] + sum(_FIXTURES.get(name, 0.0) for name in _NEEDS[test]) for test in _CALLS}
    Path(os.environ["MUTANTS_COSTS"]).write_text(json.dumps(costs), encoding="utf-8")
