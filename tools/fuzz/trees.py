"""Changes to JSON and TOML: other values, other kinds, other keys, in one place or several."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from random import Random
from typing import Any

from tools.fuzz import odd


def spoiled(rng: Random, tree: Any, times: int) -> str:
    """`tree` as JSON, changed at `times` places, with what JSON does not allow where the changes call for it."""
    tree = copy.deepcopy(tree)
    for _ in range(times):
        tree = changed(rng, tree)
    text = json.dumps(tree, ensure_ascii=rng.random() < 0.5, indent=rng.choice((None, 1)))
    return odd.spelled_out(text, rng)


def changed(rng: Random, tree: Any) -> Any:
    """`tree` with one change, made in place where it has places."""
    places = list(_places(tree))
    if not places:
        return odd.value(rng)
    holder, key = rng.choice(places)
    what = rng.randrange(10)
    if what < 6:
        holder[key] = _near(rng, holder[key]) if rng.random() < 0.4 else odd.value(rng)
    elif what == 6:
        del holder[key]
    elif what == 7:
        other, at = rng.choice(places)
        holder[key], other[at] = other.get(at) if isinstance(other, dict) else _item(other, at), holder[key]
    elif what == 8 and isinstance(holder, dict):
        holder[odd.name(rng)] = holder.pop(key) if rng.random() < 0.5 else odd.value(rng)
    else:
        holder[key] = rng.choice(([holder[key]], {"a": holder[key]}, str(holder[key])[:1000]))
    return tree


def _item(holder: Any, at: int) -> Any:
    return holder[at] if at < len(holder) else None


def _near(rng: Random, value: Any) -> Any:
    """A value of the same kind, but hardly a right one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice((value + 1, -value, value * 1000, float(value), str(value), odd.whole(rng)))
    if isinstance(value, float):
        return rng.choice((-value, value * 1e30, value * 1e-30, odd.real(rng), str(value)))
    if isinstance(value, str):
        return rng.choice((value + odd.name(rng)[:99], value[:-1], value.upper(), odd.name(rng)))
    if isinstance(value, list):
        return rng.choice((value[1:], value * 2, value[::-1], [*value, odd.value(rng)], [value], []))
    if isinstance(value, dict):
        return rng.choice(({}, list(value), {**value, odd.name(rng): odd.value(rng)}, list(value.values())))
    return odd.value(rng)


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every holder with each of its keys; the deep ones as often as the shallow ones."""
    waiting = [tree]
    while waiting:
        holder = waiting.pop()
        keys = holder.keys() if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
        for key in list(keys):
            yield holder, key
            if isinstance(holder[key], dict | list):
                waiting.append(holder[key])
