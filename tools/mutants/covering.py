"""Which tests come by which line, and what they cost."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tools.mutants.changes import Mutant, lines_that_use

#: cases of one parametrised test among them, which would crowd out the others
_MOST_CASES: Final = 2


class Covering:
    """For every line of the program the tests that come by; kept in a folder, a file for each file of tests."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._root = root
        self._folder = folder / "covering"
        self.costs: dict[str, float] = {}
        self._tests: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))

    def read(self, targets: Iterable[str], tests: Iterable[str]) -> None:
        """Run once, watched, the files of tests that are new or changed, or all after a change of the program."""
        self._folder.mkdir(parents=True, exist_ok=True)
        program = _hash(sorted((self._root / "src").rglob("*.py")))
        kept = {file: self._folder / f"{program}-{_hash([file])}.json" for file in self._files(tests)}
        missing = [file for file, store in kept.items() if not store.exists()]
        if missing:
            self._watch(targets, missing, kept)
        for store in kept.values():
            content = json.loads(store.read_text(encoding="utf-8"))
            self.costs |= content["costs"]
            for path, lines in content["lines"].items():
                for line, who in lines.items():
                    self._tests[path][int(line)] |= set(who)

    def tests_of(self, mutant: Mutant, most: int, most_s: float) -> list[str]:
        """The cheapest tests that come by a fault, the cheapest first: together `most_s` seconds of a processor."""
        lines = set(range(mutant.first_line, mutant.last_line + 1))
        if mutant.constant:
            lines = lines_that_use((self._root / mutant.path).read_text(encoding="utf-8"), mutant.constant)
        known = self._tests.get(mutant.path, {})
        able = set().union(*(known.get(line, ()) for line in lines)) & set(self.costs)
        chosen: list[str] = []
        cases: Counter[str] = Counter()
        seconds = 0.0
        for test in sorted(able, key=lambda name: (self.costs[name], name)):
            cases[test.partition("[")[0]] += 1
            if cases[test.partition("[")[0]] > _MOST_CASES:
                continue
            seconds += self.costs[test]
            if len(chosen) == most or (chosen and seconds > most_s):
                break
            chosen.append(test)
        return chosen

    def _files(self, tests: Iterable[str]) -> list[Path]:
        found = []
        for name in tests:
            path = self._root / name
            found += sorted(path.rglob("test_*.py")) if path.is_dir() else [path] if path.exists() else []
        return found

    def _watch(self, targets: Iterable[str], files: list[Path], kept: dict[Path, Path]) -> None:
        from coverage import CoverageData

        print(f"Watching which lines the tests of {len(files)} files come by", flush=True)
        costs, data = self._folder / "costs.json", self._folder / "coverage"
        data.unlink(missing_ok=True)
        environment = os.environ | {"MUTANTS_COSTS": str(costs), "COVERAGE_FILE": str(data)}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "tools.mutants.costs", "-p", "no:cacheprovider"]
        command += [f"--cov={self._root / name}" for name in targets]
        command += ["--cov-context=test", "--cov-report=", *(str(file) for file in files)]
        if subprocess.run(command, cwd=self._root, env=environment, check=False).returncode not in (0, 1):
            raise SystemExit("The tests could not be run; see above.")
        spent = json.loads(costs.read_text(encoding="utf-8"))
        coverage = CoverageData(str(data))
        coverage.read()
        lines: dict[str, dict[str, dict[int, list[str]]]] = defaultdict(lambda: defaultdict(dict))
        for measured in coverage.measured_files():
            path = Path(measured).relative_to(self._root).as_posix()
            for line, contexts in coverage.contexts_by_lineno(measured).items():
                for test in {context.rpartition("|")[0] for context in contexts} - {""}:
                    lines[test.partition("::")[0]][path].setdefault(line, []).append(test)
        for file in files:
            name = file.relative_to(self._root).as_posix()
            own = {test: cost for test, cost in spent.items() if test.startswith(name + "::")}
            kept[file].write_text(json.dumps({"costs": own, "lines": lines[name]}), encoding="utf-8")


def _hash(files: Iterable[Path]) -> str:
    whole = hashlib.sha256()
    for file in files:
        whole.update(str(file).encode() + file.read_bytes())
    return whole.hexdigest()[:16]
