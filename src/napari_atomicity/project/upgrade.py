"""Tables of contents of earlier formats, brought to the present one; what they say is checked only after that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

#: names that fields of a state had in format 1
_STATE_1: Final = {"model": "bundle", "classified": "count", "session": "counted_with"}
#: fields of an image that became its options, with the names that they had in format 1
_OPTIONS_1: Final = {
    "settings": "settings",
    "profile": "profile",
    "ticked": "in_joint",
    "expected": "expected",
    "checked": "random_sample",
}


def from_1(contents: dict[str, Any]) -> dict[str, Any]:
    """Format 1: an image knew once for all steps whether it was searched, and what was odd; a step knew its time."""
    states = dict(contents.get("states", {}))
    micrographs, tables = contents.get("micrographs", {}), contents.get("tables", {})
    for key, state in states.items():
        renamed = {_STATE_1.get(name, name): value for name, value in state.items()}
        # a table that was never added to belongs to an image that was not searched
        searched = bool(tables.get(state["table"], {}).get("next_id"))
        states[key] = {**renamed, "searched": searched, "search_messages": [], "when": None}
    images = [_image_1(image, states, micrographs) for image in contents.get("images", [])]
    counts = {key: {**count, "image": ""} for key, count in contents.get("counts", {}).items()}
    adaptations = {
        key: {**_renamed(record, {"model": "bundle"}), "judgement": None}
        for key, record in contents.get("adaptations", {}).items()
    }
    evidence = {
        key: _renamed(record, {"with_scale_network": "scale_network"})
        for key, record in contents.get("evidence", {}).items()
    }
    return {
        **contents,
        "format": 2,
        "images": images,
        "states": states,
        "counts": counts,
        "adaptations": adaptations,
        "evidence": evidence,
    }


def from_2(contents: dict[str, Any]) -> dict[str, Any]:
    """Format 2: models saw clusters without a scale alone, and what was adapted kept that of the model as shipped."""
    evidence = {
        key: _renamed(record, {"shipped": "scale_free"}) for key, record in contents.get("evidence", {}).items()
    }
    return {**contents, "format": 3, "evidence": evidence}


def _image_1(image: dict[str, Any], states: dict[str, Any], micrographs: dict[str, Any]) -> dict[str, Any]:
    history = [{"name": step["name"], "state": step["state"]} for step in image["history"]]
    for step in image["history"]:
        states[step["state"]]["when"] = _seconds(step.get("when", ""))
    now = states[image["history"][image["now"]]["state"]]
    own = micrographs[now["micrograph"]]["warnings"]
    now["searched"] = image.get("detected", False)
    now["search_messages"] = [message for message in image.get("messages", []) if message not in own]
    rest = {name: value for name, value in image.items() if name not in (*_OPTIONS_1, "detected", "messages")}
    options = {new: image[old] for old, new in _OPTIONS_1.items() if image.get(old) is not None}
    return {**rest, "history": history, "options": options}


def _renamed(record: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in record.items()}


def _seconds(when: str) -> float | None:
    """Seconds since 1970 of a time in ISO 8601; None where it is not known."""
    try:
        return datetime.fromisoformat(when).timestamp()
    except (ValueError, OverflowError):
        return None


#: from each earlier format to the next one
UPGRADES: Final[dict[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {1: from_1, 2: from_2}
