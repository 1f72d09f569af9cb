"""The faults that `make mutants` puts into the program: small, one at a time, and nothing but behaviour."""

from __future__ import annotations

import pytest
from tools.mutants.changes import lines_that_use, mutants_of

PROGRAM = '''"""A sentence with 1 < 2."""
LIMIT: float = 0.5


def near(values: list[float], at: float = 0.0, *, signed: bool = False) -> list[float] | None:
    """Those within the limit."""
    if not values:
        raise InputError(f"none of {1 + 1}")
    kept = [v for v in values if -LIMIT <= v - at and v < at + LIMIT]
    print(len(kept))
    return kept[1:] if signed else kept
'''


@pytest.fixture
def faults(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM, encoding="utf-8")
    return mutants_of(tmp_path, path)


def test_faults_are_those_of_behaviour_and_each_is_one_line(faults):
    changed = {}
    for fault in faults:
        lines = [line for line in fault.diff.splitlines() if line[:2] in ("- ", "+ ", "+L", "+d", "-L", "-d")]
        assert len(lines) == 2 and fault.means_something_else(), fault.diff
        changed[lines[1][1:].strip()] = fault
    assert len(changed) == len(faults) == len({fault.key for fault in faults})
    for expected in (
        "LIMIT: float = 1.0",
        "def near(values: list[float], at: float = 0.0, *, signed: bool = True) -> list[float] | None:",
        "if not (not values):",
        "kept = [v for v in values if -LIMIT < v - at and v < at + LIMIT]",
        "kept = [v for v in values if -LIMIT <= v + at and v < at + LIMIT]",
        "kept = [v for v in values if -LIMIT <= v - at or v < at + LIMIT]",
        "kept = [v for v in values if  LIMIT <= v - at and v < at + LIMIT]",
        "pass",
        "return kept[2:] if signed else kept",
        "return None",
    ):
        assert expected in changed, sorted(changed)
    assert not any("sentence" in text or "none of" in text for text in changed)
    # a default and a constant are met by the tests that run what uses them
    assert changed["LIMIT: float = 1.0"].constant == "LIMIT" and lines_that_use(PROGRAM, "LIMIT") == {9}
    assert changed["return None"].first_line == 11
