"""Every benchmark can be started: its module is imported and asked for its help."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("[a-z]*.py"))
#: libraries that only some installations have
OPTIONAL = ("h5py", "rsciio")


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
