"""A model card in words, for the window and the terminal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from napari_atomicity.counting.card import ModelCard
from napari_atomicity.metals import class_set_of
from napari_atomicity.wording import channel_words

#: what a card without scores says
NO_SCORES: Final = (
    "Nobody has measured how well this model counts: test it on a sample you know before you trust it on another."
)
#: headings of the table of scores, in its order, and what they mean
HEADINGS: Final = ("condition", "scale given", "self-calibrated", "shape alone", "ECE")
SCORES_NOTE: Final = (
    "Balanced accuracy (mean share of each class that is labelled right) on clusters never trained on: with "
    "the image's scale given, with the image calibrating itself, and from shape alone. ECE: by how much the stated "
    "confidence of the self-calibrated labels is off on average."
)
_METHODS: Final = ("scale known", "auto", "no scale")
_DASH: Final = "–"
#: entries of a recipe in words, in their order
_RECIPE: Final = {
    "training_clusters": "{:,} clusters",
    "laboratory": "{}",
    "frames": "{:,} simulated frames",
    "clusters": "{} clusters a frame",
    "conditions": "conditions {}",
    "families": "structures {}",
    "other_sizes": "besides the classes also {} atoms",
    "other_share": "{:.0%} of such sizes",
    "dimers": "{:.0%} merged pairs",
    "touching": "{:.0%} touching pairs",
    "epochs": "{} epochs",
    "best_epoch": "best one {}",
    "seed": "seed {}",
}


def classes(card: ModelCard) -> str:
    """The classes in a few words: ``Au 20, 38, 55``."""
    return f"{card.element} {', '.join(map(str, card.class_sizes))}"


def facts(card: ModelCard) -> list[tuple[str, str]]:
    """Heading and text of what the card states before its scores."""
    side = card.patch_px * card.patch_nm_per_px
    channels = " and ".join(channel_words(name) for name in card.channels)
    window = f" (window {card.lcn_window_nm:g} nm)" if "lcn" in card.channels else ""
    adapted = [("Adapted", "; ".join(card.history))] if card.history else []
    known = class_set_of(card.element, card.class_sizes)
    return [
        ("Classes", ", ".join(card.labels)),
        ("Element", card.element),
        *([] if known is None else known.facts),
        ("Sees", f"{channels}{window} of {side:g} × {side:g} nm around a cluster, {card.patch_nm_per_px:g} nm a pixel"),
        ("Trained on", _training(card)),
        *adapted,
    ]


def fine_print(card: ModelCard) -> list[tuple[str, str]]:
    """Heading and text of what the card states after its scores."""
    limits = " ".join(card.limits) if card.limits else "None stated; take it that there are some."
    return [
        ("Limits", limits),
        ("Version", card.version),
        ("Licence", card.licence or "not stated"),
        ("Cite", card.citation or "not stated"),
        ("Weights", f"SHA-256 {card.sha256[:16]}…"),
    ]


def scores(card: ModelCard) -> list[tuple[str, ...]]:
    """Rows of the table of scores under `HEADINGS`, one a condition; none where the card has no scores."""
    rows = []
    for condition, by_method in card.metrics.items():
        if not isinstance(by_method, Mapping):
            continue
        entries = [by_method.get(name) for name in _METHODS]
        results: list[Mapping[str, Any]] = [entry if isinstance(entry, Mapping) else {} for entry in entries]
        cells = [_number(result.get("balanced_accuracy"), percent=True) for result in results]
        row = (str(condition).replace("_", " "), *cells, _number(results[1].get("ece")))
        if set(row[1:]) != {_DASH}:
            rows.append(row)
    return rows


def as_text(card: ModelCard, name: str = "") -> str:
    """The whole card for a terminal.

    Parameters
    ----------
    card
        Of the model.
    name
        What to call it; as the card does where empty.
    """
    lines = [name or card.name, *_lines(facts(card)), ""]
    table = scores(card)
    if table:
        widths = [max(map(len, column)) for column in zip(HEADINGS, *table, strict=True)]
        for row in (HEADINGS, *table):
            numbers = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            lines.append("  " + "   ".join([row[0].ljust(widths[0]), *numbers]))
        lines.append(f"  {SCORES_NOTE}")
    else:
        lines.append(f"  {NO_SCORES}")
    return "\n".join([*lines, "", *_lines(fine_print(card))])


def _lines(pairs: list[tuple[str, str]]) -> list[str]:
    return [f"  {heading + ':':<12}{text}" for heading, text in pairs]


def _number(value: object, percent: bool = False) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return _DASH
    return f"{100 * value:.1f} %" if percent else f"{value:.3f}"


def _training(card: ModelCard) -> str:
    recipe = {key: value for key, value in card.recipe.items() if key not in ("class_sizes", "element")}
    known = [key for key in _RECIPE if key in recipe]
    order = [*known, *(key for key in recipe if key not in known)]
    entries = [_recipe_entry(key, recipe[key]) for key in order if recipe[key] not in ("", None, (), [])]
    if file := card.config.get("file"):
        entries.append(f"configuration {file}")
    return "; ".join(entries) or "not stated"


def _recipe_entry(key: str, value: object) -> str:
    """One entry of the recipe in words; an unknown one as it is."""
    if key == "laboratory" and isinstance(value, Mapping) and isinstance(images := value.get("images"), list):
        return f"{len(images)} micrographs of a laboratory"
    if isinstance(value, list | tuple):
        value = _plain(value).replace("_", " ")
    try:
        return _RECIPE[key].format(value)
    except (KeyError, ValueError, TypeError):
        return f"{key.replace('_', ' ')} {_plain(value)}"


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        times = Counter(map(_plain, value))
        return ", ".join(text if n == 1 else f"{text} ({n} times)" for text, n in times.items())
    return f"{value:g}" if isinstance(value, float) else str(value)
