"""Every benchmark can be started, as it is called in the documentation."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("[a-z]*.py"))
#: libraries that only some installations have
OPTIONAL = ("h5py", "rsciio")
PAGES = (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("paper/*.md"), *ROOT.glob("packaging/**/*.md"))
#: programs of the project that the pages name, with what is written after them
CALLS = [
    (path.name, *call)
    for path in PAGES
    for call in re.findall(
        r"((?:benchmarks|tools|paper)/[\w/-]+\.(?:py|sh))([^`#\n|]*)", path.read_text(encoding="utf-8")
    )
]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_benchmark_says_what_it_measures_and_has_a_quick_selection(name, monkeypatch, capsys):
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in OPTIONAL:
            raise
        pytest.skip(f"there is no {error.name} here")
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "--quick" in text
    assert f"python benchmarks/{name}.py" in module.__doc__
    assert module.__doc__.splitlines()[0] in text
    called = " ".join(rest for _, script, rest in CALLS if script == f"benchmarks/{name}.py")
    unknown = set(re.findall(r"--[a-z][a-z-]*", called)) - set(re.findall(r"--[a-z][a-z-]*", text))
    assert not unknown, f"the pages call {name}.py with {unknown}"


def test_programs_that_the_pages_name_are_there():
    assert len(CALLS) > 40
    assert not [f"{page} names {script}" for page, script, _ in CALLS if not (ROOT / script).is_file()]
