"""Tries a sample of mutants and says which of them no test noticed."""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any, Final

from tools.mutants.changes import Mutant, mutants_of
from tools.mutants.covering import Covering
from tools.mutants.trial import Trial, Verdict, load_libraries

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = "src/napari_atomicity"
ROOMS: Final = ("counting", "detection", "document")
TESTS: Final = (
    *("tests/counting", "tests/detection", "tests/document", "tests/test_pipeline.py", "tests/test_session.py"),
    *("tests/test_expected.py", "tests/ui/test_edits.py", "tests/ui/test_history.py", "tests/ui/test_review.py"),
)

Result = dict[str, Any]


def main() -> int:
    """Entry point."""
    words = _words()
    folder = ROOT / ".mutants"
    folder.mkdir(exist_ok=True)
    sample = _sample(words.paths, words.seed, words.number)
    covering = Covering(ROOT, folder)
    covering.read([f"{PACKAGE}/{room}" for room in ROOMS], words.tests or TESTS)
    results = _results(folder / "results.jsonl")
    again = {key for key, result in results.items() if words.again and not _noticed(result)}
    todo = [mutant for mutant in sample if mutant.key not in results or mutant.key in again]
    print(f"{len(sample)} mutants, {len(todo)} of them to try", flush=True)
    if todo:
        load_libraries()
        with (folder / "results.jsonl").open("a", encoding="utf-8") as file:
            for mutant, verdict in _tried(todo, covering, words):
                results[mutant.key] = {"key": mutant.key, "path": mutant.path, "diff": mutant.diff, **vars(verdict)}
                file.write(json.dumps(results[mutant.key]) + "\n")
                file.flush()
    _tell([results[mutant.key] for mutant in sample])
    return 0


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    parser.add_argument(
        "paths", nargs="*", type=Path, help="files of the program (default: counting, detection, document)"
    )
    parser.add_argument("-n", "--number", type=int, default=200, help="how many mutants (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="draws other mutants; fewer of one seed are part of more")
    parser.add_argument("--jobs", type=int, default=1, help="how many at a time (default: 1)")
    parser.add_argument("--most", type=int, default=15, help="how many tests a mutant meets (default: 15)")
    parser.add_argument("--most-s", type=float, default=20, help="... and their seconds of a processor (default: 20)")
    parser.add_argument("--tests", nargs="+", help="files or folders of tests in the place of the usual ones")
    parser.add_argument("--again", action="store_true", help="try those once more that no test noticed")
    return parser.parse_args()


def _sample(paths: list[Path], seed: int, number: int) -> list[Mutant]:
    """The same ones for a seed, as long as the files stay as they are."""
    files = [path.resolve() for path in paths] or [
        path for room in ROOMS for path in sorted((ROOT / PACKAGE / room).rglob("*.py"))
    ]
    found = [mutant for path in files for mutant in mutants_of(ROOT, path)]
    order = sorted(found, key=lambda mutant: hashlib.sha256(f"{seed} {mutant.key}".encode()).digest())
    print(f"{len(found)} faults can be put into {len(files)} files", flush=True)
    return list(islice((mutant for mutant in order if mutant.means_something_else()), number))


def _results(path: Path) -> dict[str, Result]:
    """What became of mutants that were tried before."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {result["key"]: result for result in map(json.loads, lines)}


def _tried(todo: list[Mutant], covering: Covering, words: argparse.Namespace) -> Iterable[tuple[Mutant, Verdict]]:
    waiting, running = list(reversed(todo)), {}
    ended = 0
    while waiting or running:
        while waiting and len(running) < words.jobs:
            mutant = waiting.pop()
            tests = covering.tests_of(mutant, words.most, words.most_s)
            if not tests:
                yield mutant, Verdict("no test", "", 0.0)
                continue
            cost_s = sum(covering.costs[test] for test in tests)
            running[mutant.key] = mutant, Trial(ROOT / mutant.path, mutant.source, tests, cost_s)
        for mutant, trial in list(running.values()):
            verdict = trial.ended()
            if verdict is not None:
                ended += 1
                del running[mutant.key]
                print(
                    f"{ended:4} {verdict.outcome:13} {verdict.seconds:5.0f} s  {mutant.path}  {verdict.by}", flush=True
                )
                yield mutant, verdict
        time.sleep(0.05)


def _noticed(result: Result) -> bool:
    return result["outcome"] in ("killed", "time ran out")


def _tell(results: list[Result]) -> None:
    files: dict[str, Counter[str]] = defaultdict(Counter)
    for result in results:
        files[result["path"]][result["outcome"]] += 1
    for result in results:
        if not _noticed(result):
            print(f"\n# {result['outcome']}, {result['key']}\n{result['diff']}")
    print(f"\n{'':48}killed  out of time  survived  no test")
    for path, of in sorted(files.items()):
        name = path.removeprefix(PACKAGE + "/")
        print(f"{name:48}{of['killed']:6}{of['time ran out']:13}{of['survived']:10}{of['no test']:9}")
    noticed = sum(map(_noticed, results))
    print(f"\n{noticed} of {len(results)} mutants were noticed: {100 * noticed / max(len(results), 1):.0f} %")
