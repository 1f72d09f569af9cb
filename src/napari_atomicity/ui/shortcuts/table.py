"""The one table of keys: bindings, the table on the screen, tool tips and the page of keys all come from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app_model.types import KeyBinding
from napari.utils.key_bindings import coerce_keybinding

from napari_atomicity.errors import InputError

#: as many classes of a model have a key of their own
CLASS_KEYS: Final = ("Q", "W", "E", "R", "T", "6", "7", "8", "9", "0")
_ORDINALS: Final = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


@dataclass(frozen=True)
class Shortcut:
    """One key: `name` as in the preferences and commands, `key` as it comes, what it `does`, and its `group`."""

    name: str
    key: str
    does: str
    group: str


SHORTCUTS: Final = (
    *(
        Shortcut(f"class_{i}", key, f"Label the selected clusters as the {word} class of the model", "Label")
        for i, (key, word) in enumerate(zip(CLASS_KEYS, _ORDINALS, strict=True), start=1)
    ),
    Shortcut("other", "D", "Label the selected clusters as other (different from all classes)", "Label"),
    Shortcut("accept", "F", "Fine: label the selected clusters as the model does", "Label"),
    Shortcut("clear", "G", "Take your labels of the selected clusters back", "Label"),
    Shortcut("next", "N", "Go to the next cluster of the review", "Go"),
    Shortcut("previous", "B", "Go back to the previous cluster of the review", "Go"),
    Shortcut("uncertain", "U", "Go to the least certain cluster without a label of yours", "Go"),
    Shortcut("undo", "Ctrl+Z", "Take the last step back", "History"),
    Shortcut("redo", "Ctrl+Shift+Z", "Bring the step back that was taken back", "History"),
    Shortcut("keys", "K", "Show or hide the table of keys", "Window"),
)
BY_NAME: Final = {shortcut.name: shortcut for shortcut in SHORTCUTS}
#: keys of napari's own on points layers that do harm when meant for a label, and what happens instead
GUARDED: Final = {
    "1": "1 would delete the selected clusters in napari; here only Delete and Backspace do. Labels are on {class_1}.",
    "5": "5 would let the clusters be dragged off the image in napari; here it does nothing.",
}
#: what these keys do is known too well for anything else
_RESERVED: Final = ("Delete", "Backspace", "Space", "Escape", "Tab")
_MODIFIERS: Final = ("Ctrl", "Shift", "Alt", "Meta", "unknown")


def read_key(text: str) -> KeyBinding:
    """A key as a person writes it, for example ``Q``, ``6`` or ``Ctrl+Shift+Z``.

    Raises
    ------
    InputError
        For what is no key, several keys in a row, and keys that people expect something else of.
    """
    try:
        binding = coerce_keybinding(text.strip())
    except (IndexError, ValueError, KeyError):
        binding = None
    name = str(binding.parts[0].key) if binding is not None and len(binding.parts) == 1 else "unknown"
    if binding is None or name in _MODIFIERS:
        raise InputError(f"{text!r} is no key; write one such as Q, 6, F5 or Ctrl+Shift+Z.")
    if name in _RESERVED:
        raise InputError(f"{name} cannot be given to anything else; choose another key, such as Q or F5.")
    return binding


def chosen_keys(wanted: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Key of each shortcut, as a person wants it or as it comes, and a sentence for each wish that cannot be met.

    A wish that is no key, or that another shortcut has, leaves the shortcut its own key.

    Parameters
    ----------
    wanted
        Name of a shortcut to the key that a person typed.
    """
    problems: list[str] = []
    keys: dict[str, str] = {}
    for shortcut in SHORTCUTS:
        text = wanted.get(shortcut.name, shortcut.key)
        try:
            keys[shortcut.name] = str(read_key(text))
        except InputError as error:
            keys[shortcut.name] = shortcut.key
            problems.append(f"{error} “{shortcut.does}” stays on {shortcut.key}.")
    # a wish may take a default's key only where that shortcut has moved away; with every round fewer wishes are left
    while clash := _clash(keys):
        loser, holder = clash
        key, keys[loser] = keys[loser], BY_NAME[loser].key
        problems.append(
            f"{key} is taken by “{BY_NAME[holder].does}”, so “{BY_NAME[loser].does}” stays on {BY_NAME[loser].key}."
        )
    return keys, problems


def _clash(keys: Mapping[str, str]) -> tuple[str, str] | None:
    """A shortcut that shares its key, not its own, with another one; None where every key is there once."""
    holders: dict[str, str] = {}
    for name in sorted(keys, key=lambda name: keys[name] != BY_NAME[name].key):
        if keys[name] in holders:
            return name, holders[keys[name]]
        holders[keys[name]] = name
    return None


def rows(keys: Mapping[str, str], labels: tuple[str, ...] = ()) -> list[tuple[str, str, str]]:
    """Group, key and what it does, for tables; the classes by name where the model's `labels` are known."""
    shown = []
    for shortcut in SHORTCUTS:
        does = shortcut.does.replace(" of the selected clusters", "").replace(" the selected clusters", "")
        if shortcut.name.startswith("class_") and labels:
            number = int(shortcut.name.split("_")[1])
            if number > len(labels):
                continue
            does = f"Label as {labels[number - 1]}"
        shown.append((shortcut.group, keys.get(shortcut.name, shortcut.key), does))
    return shown
