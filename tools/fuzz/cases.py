"""Which input has which number: the same for a seed and a number, wherever and whenever it is made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import PurePath
from random import Random
from typing import Final

from tools.fuzz import mutations, parcels, tables
from tools.fuzz.formats import dm, hdf5, mrc, pictures, tia, tiff
from tools.fuzz.kinds import Case, Files, Good, Step, first, with_first
from tools.fuzz.trees import spoiled

#: images of all formats; and what the program itself writes, and lists that people write
FILES: Final = "files"
OTHERS: Final = "others"
#: the good inputs as they are
GOOD: Final = "good"
_CRAFTED: Final[tuple[Callable[[Random], Files], ...]] = (
    tiff.crafted, tiff.crafted, hdf5.crafted, hdf5.crafted, hdf5.crafted, dm.crafted, mrc.crafted,
    tia.crafted, pictures.crafted,
)  # fmt: skip
_TEXT: Final = ("config", "profile", "expected", "typed", "table")
#: how often each door of `OTHERS` is tried
_SHARES: Final = {"session": 32, "model": 22, "table": 18, "config": 10, "profile": 8, "expected": 7, "typed": 3}


def case(seed: int, group: str, number: int, corpus: Mapping[str, Good], keep: Collection[int] | None = None) -> Case:
    """Input `number` of a group; `keep` leaves out all changes but these (for a smaller one with the same fault)."""
    if group == GOOD:
        name, good = list(corpus.items())[number]
        labels = tables.labels_of(first(good.files)[1]) if name.endswith("clusters.csv") else {}
        return Case(good.door, good.files, (name,), labels, good=not name.endswith(".mat"))
    rng = Random(f"{seed}/{group}/{number}")
    door, story, files, steps = (_image if group == FILES else _other)(rng, corpus)
    labels = {}
    for k, step in enumerate(steps):
        if keep is None or k in keep:
            files = step.change(Random(f"{seed}/{group}/{number}/{k}"), files)
            story = f"{story}, {step.name}"
    if door == "table" and steps and all(step.change is tables.resaved for step in steps):
        labels = tables.labels_of(first(corpus["a.clusters.csv"].files)[1])
    return Case(door, files, tuple(story.split(", ")), labels)


def _image(rng: Random, corpus: Mapping[str, Good]) -> tuple[str, str, Files, list[Step]]:
    images = {name: good for name, good in corpus.items() if good.door == "image"}
    if rng.random() < 0.5:
        make = rng.choice(_CRAFTED)
        files = make(rng)
        steps = mutations.steps_for(rng, files, (), (), text=False)[:1] if rng.random() < 0.25 else []
        return "image", f"crafted {make.__module__.rsplit('.', 1)[1]}", files, steps
    by_suffix: dict[str, list[str]] = {}
    for name in images:
        by_suffix.setdefault(PurePath(name).suffix, []).append(name)
    alike = by_suffix[rng.choice(list(by_suffix))]
    if rng.random() < 0.4:
        alike = by_suffix[".tif"]
    name = rng.choice(alike)
    others = [first(images[other].files)[1] for other in alike]
    steps = mutations.steps_for(rng, images[name].files, images[name].fields, others, text=False)
    return "image", name, dict(images[name].files), steps


def _other(rng: Random, corpus: Mapping[str, Good]) -> tuple[str, str, Files, list[Step]]:
    door = rng.choices(list(_SHARES), list(_SHARES.values()))[0]
    name = rng.choice([name for name, good in corpus.items() if good.door == door])
    files = dict(corpus[name].files)
    return door, name, files, _STEPS[door](rng, name, files)


def _bytes(rng: Random, files: Files, text: bool) -> list[Step]:
    return mutations.steps_for(rng, files, (), (), text)


def _session(rng: Random, _: str, files: Files) -> list[Step]:
    changes = (parcels.contents, parcels.aimed, parcels.part, parcels.bomb, parcels.parcel)
    change = rng.choices(changes, (30, 25, 30, 3, 6))[0]
    return _bytes(rng, files, False) if rng.random() < 0.15 else [Step(change.__name__, change)]


def _model(rng: Random, _: str, files: Files) -> list[Step]:
    changes = (parcels.card, parcels.weights, parcels.card_as_text)
    change = rng.choices(changes, (60, 25, 15))[0]
    return _bytes(rng, files, False) if rng.random() < 0.1 else [Step(change.__name__, change)]


def _table(rng: Random, name: str, files: Files) -> list[Step]:
    if rng.random() < 0.2:
        return _bytes(rng, files, name.endswith(".csv"))
    if name.endswith(".parquet"):
        return [Step("other columns", tables.parquet)]
    change = rng.choices((tables.resaved, tables.hostile, tables.beside), (40, 35, 25))[0]
    return [Step(change.__name__, change)]


def _tree(rng: Random, files: Files) -> Files:
    import json

    text = spoiled(rng, json.loads(first(files)[1]), rng.choice((1, 1, 2)))
    return with_first(files, text.encode("utf-8", "surrogatepass"))


def _profile(rng: Random, _: str, files: Files) -> list[Step]:
    return [Step("other values", _tree)] if rng.random() < 0.75 else _bytes(rng, files, True)


def _expected(rng: Random, _: str, files: Files) -> list[Step]:
    return [tables.list_steps(rng)] if rng.random() < 0.6 else _bytes(rng, files, True)


def _config(rng: Random, _: str, files: Files) -> list[Step]:
    return _bytes(rng, files, True)


def _typed(rng: Random, _: str, files: Files) -> list[Step]:
    def hang(rng: Random, files: Files) -> Files:
        """What a pattern with two ways to match the same may take for ever."""
        piece = rng.choice(("1", "19,", "19:", "19:0.", " ", ";", "Pt", "19:7%", "9" * 50, ". ", "0.1.", "::", "19 :"))
        return with_first(files, (piece * rng.choice((10, 5000, 30_000)) + rng.choice(("", "x", "!"))).encode())

    return [Step("long", hang)] if rng.random() < 0.5 else _bytes(rng, files, True)


_STEPS: Final = {
    "session": _session, "model": _model, "table": _table, "profile": _profile, "expected": _expected,
    "config": _config, "typed": _typed,
}  # fmt: skip
