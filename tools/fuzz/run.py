"""The command: meets the inputs one by one, keeps what went wrong, says in the end how much that is."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from tools.fuzz import corpus
from tools.fuzz.cases import FILES, GOOD, OTHERS, case
from tools.fuzz.kinds import OUTCOME
from tools.fuzz.watch import Outcome, Worker

#: inputs that one worker meets before a fresh one takes over
_RECYCLE_AFTER: Final = 400
#: or that has kept so many bytes of what it met
_RECYCLE_OVER: Final = 6 * 10**8


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives 0 where nothing went wrong, 1 where something did."""
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="fuzz-", ignore_cleanup_errors=True) as folder:
        place = Path(folder)
        if options.again:
            return _again(options.again, place)
        began = time.monotonic()
        corpus.build(place / "corpus")
        print(f"{len(corpus.load(place / 'corpus'))} good inputs in {time.monotonic() - began:.0f} s", flush=True)
        if options.replay:
            return _replay(options, place)
        bench = Bench(place, options.seed, options.keep)
        for group, number in (*((GOOD, k) for k in range(len(bench.goods))), *_numbers(options)):
            if not options.only or re.search(options.only, bench.origin(group, number)):
                bench.meet(group, number)
            if options.minutes and time.monotonic() - began > 60 * options.minutes:
                print(f"stopped after {options.minutes:g} minutes", flush=True)
                break
        bench.end()
        return bench.report()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--files", type=int, default=3000, metavar="N", help="images of all formats; 3000")
    parser.add_argument("--others", type=int, default=2000, metavar="N", help="sessions, models, tables, lists; 2000")
    parser.add_argument("--start", type=int, default=0, metavar="N", help="number of the first input; 0")
    parser.add_argument("--only", metavar="WORDS", help="a pattern: only inputs whose door and origin it is found in")
    parser.add_argument("--minutes", type=float, metavar="N", help="stop after so long, wherever it is")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", default=Path("out/fuzz"), help="where faults are kept; out/fuzz"
    )
    parser.add_argument("--again", nargs="+", type=Path, metavar="DIR", help="meet inputs that were kept, once more")
    parser.add_argument(
        "--replay", metavar="SEED/GROUP/NUMBER[:STEP,...]", help="meet one input again, and show how it ends"
    )
    return parser


def _numbers(options: argparse.Namespace) -> Iterator[tuple[str, int]]:
    """The two groups in turns, in the proportion that is wanted, so that a run that is stopped has seen both."""
    whole = options.files + options.others
    files = others = 0
    for k in range(whole):
        if (k + 1) * options.files // whole > files:
            yield FILES, options.start + files
            files += 1
        else:
            yield OTHERS, options.start + others
            others += 1


class Bench:
    """Where inputs are met, by one worker after the other."""

    def __init__(self, folder: Path, seed: int, keep: Path) -> None:
        self.folder, self.seed, self.keep = folder, seed, keep
        self.goods = corpus.load(folder / "corpus")
        self.outcomes: list[Outcome] = []
        #: what went wrong once and not a second time
        self.unsure: list[Outcome] = []
        #: one that only opens images, and so has loaded no more than that takes, and one for the others
        self._workers: dict[bool, Worker] = {}
        self._seen: set[str] = set()

    def origin(self, group: str, number: int) -> str:
        """Door and origin of an input, without its changes."""
        one = case(self.seed, group, number, self.goods, keep=())
        return f"{one.door} {one.story[0]}"

    def meet(self, group: str, number: int) -> None:
        """Meet one input, and once more where it ended badly: a busy machine is no fault of the input."""
        outcome = self._once(group, number)
        if outcome.doubtful:
            again = self._once(group, number, fresh=True)
            if again.kind == "ok":
                self.unsure.append(outcome)
            outcome = again
        if outcome.kind != "ok":
            if outcome.signature not in self._seen:
                outcome = self._smaller(outcome)
            self._seen.add(outcome.signature)
            self._note(outcome)
        self.outcomes.append(outcome)
        if len(self.outcomes) % 100 == 0:
            bad = sum(one.kind != "ok" for one in self.outcomes)
            print(f"{len(self.outcomes)} met, {bad} of them not answered well", flush=True)

    def _once(self, group: str, number: int, keep: Sequence[int] | None = None, fresh: bool = False) -> Outcome:
        for_images = group == FILES or (group == GOOD and list(self.goods.values())[number].door == "image")
        worker = self._workers.get(for_images)
        if worker is not None and (
            fresh or not worker.alive or worker.met >= _RECYCLE_AFTER or worker.base > _RECYCLE_OVER
        ):
            worker.end()
            worker = None
        self._workers[for_images] = worker = worker or Worker(self.folder, self.seed)
        return worker.meet(group, number, keep)

    def _smaller(self, outcome: Outcome) -> Outcome:
        """The same with fewer changes, where it ends in the same way."""
        changes = len(outcome.story) - 1
        for left in ([*range(k), *range(k + 1, changes)] for k in range(changes)) if changes > 1 else ():
            other = self._once(outcome.group, outcome.number, left)
            if other.kind == outcome.kind and other.signature == outcome.signature:
                return other
        return outcome

    def _note(self, outcome: Outcome) -> None:
        name = f"{self.seed}-{outcome.group}-{outcome.number}"
        place = self.keep / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        made = case(self.seed, outcome.group, outcome.number, self.goods, outcome.keep)
        for file, content in made.files.items():
            (place / file).write_bytes(content)
        facts = {**asdict(outcome), "files": list(made.files), "labels": made.labels, "good": made.good}
        (place / OUTCOME).write_text(json.dumps(facts) + "\n", encoding="utf-8")
        print(f"  {replay_of(self.seed, outcome)}  {outcome.signature}", flush=True)

    def end(self) -> None:
        """No more inputs."""
        for worker in self._workers.values():
            worker.end()

    def report(self) -> int:
        """Say how it went; 0 where all went well."""
        for line in summary(self.seed, self.outcomes, self.unsure):
            print(line)
        return int(any(one.kind != "ok" for one in self.outcomes))


def replay_of(seed: int, outcome: Outcome) -> str:
    """What to give to ``--replay``."""
    kept = "" if outcome.keep is None else ":" + ",".join(map(str, outcome.keep))
    return f"{seed}/{outcome.group}/{outcome.number}{kept}"


def summary(seed: int, outcomes: Sequence[Outcome], unsure: Sequence[Outcome]) -> Iterator[str]:
    """Counts and lists, a line each."""
    counted = {group: sum(one.group == group for one in outcomes) for group in (FILES, OTHERS)}
    yield f"seed {seed}: {counted[FILES]} image files, {counted[OTHERS]} sessions, models, profiles, tables and lists"
    for title, kinds in (
        ("unexpected faults", ("fault", "died")),
        ("answers over 10 s", ("late",)),
        ("processes over 1 GB", ("heavy",)),
    ):
        chosen = [one for one in outcomes if one.kind in kinds]
        yield f"{title}: {len(chosen)}"
        groups: dict[str, list[Outcome]] = {}
        for one in chosen:
            groups.setdefault(one.signature, []).append(one)
        for signature, alike in sorted(groups.items(), key=lambda item: -len(item[1])):
            yield f"  {len(alike):4d}  {signature}  e.g. {replay_of(seed, min(alike, key=lambda one: len(one.story)))}"
            if alike[0].fault:
                yield f"        {' '.join(alike[0].fault['text'].split())[:160]}"
    yield f"ended badly once and not again (a busy machine): {len(unsure)}"
    slow = sorted(((s, name, one) for one in outcomes for name, s in one.seconds.items()), key=lambda t: -t[0])[:5]
    for seconds, name, one in slow:
        yield f"slowest: {seconds:6.2f} s  {one.door} {name}  {replay_of(seed, one)}  {', '.join(one.story)}"
    for one in sorted(outcomes, key=lambda one: -one.peak)[:5]:
        yield f"largest: {one.peak / 1e6:6.0f} MB {one.door}  {replay_of(seed, one)}  {', '.join(one.story)}"


def _again(folders: Sequence[Path], place: Path) -> int:
    worker, bad = Worker(place, 0), 0
    for folder in folders:
        if not worker.alive:
            worker = Worker(place, 0)
        outcome = worker.meet("kept", 0, folder=folder.resolve(strict=True))
        bad += outcome.kind != "ok"
        what = "well" if outcome.kind == "ok" else outcome.signature
        words = " ".join(outcome.fault.get("text", "").split())[:160]
        print(f"{folder.name}: {what}  {outcome.seconds} {outcome.peak // 10**6} MB {words}", flush=True)
    worker.end()
    return int(bad > 0)


def _replay(options: argparse.Namespace, place: Path) -> int:
    where, _, steps = options.replay.partition(":")
    seed, group, number = where.split("/")
    bench = Bench(place, int(seed), options.keep)
    keep = [int(step) for step in steps.split(",")] if steps else None
    outcome = bench._once(group, int(number), keep)
    bench._note(outcome)
    bench.end()
    print(
        json.dumps(
            {"kind": outcome.kind, "seconds": outcome.seconds, "MB": outcome.peak // 10**6, "story": outcome.story}
        )
    )
    print(outcome.fault.get("traceback", ""))
    return int(outcome.kind != "ok")


if __name__ == "__main__":
    sys.exit(main())
