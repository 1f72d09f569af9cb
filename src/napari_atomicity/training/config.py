"""The TOML file that describes a training: its keys, what they may hold, and clear words where they do not."""

from __future__ import annotations

import hashlib
import math
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from napari_atomicity.errors import InputError
from napari_atomicity.training.library import Recipe
from napari_atomicity.training.loop import TrainingConfig

#: configurations that come with the package
SHIPPED: Final = Path(__file__).parent / "configs"
#: a cluster smaller than this is not detected, one larger than this does not fit into a patch
_SIZES: Final = (4, 400)


@dataclass(frozen=True)
class Simulation:
    """How many frames to simulate for training; the recipe says which."""

    frames: int = 560


@dataclass(frozen=True)
class Laboratory:
    """Size-selected micrographs of a laboratory.

    Attributes
    ----------
    folder
        Holds a folder for each class, named by its number of atoms.
    pixel_size_nm
        For files that hold none.
    share
        Part of the training clusters that comes from the laboratory where simulation is mixed in.
    """

    folder: Path
    pixel_size_nm: float | None = None
    share: float = 0.5


@dataclass(frozen=True)
class RunConfig:
    """A whole training: where the clusters come from, how they are learned, and what the card will say.

    Attributes
    ----------
    training
        Network, optimisation and recipe.
    simulation, laboratory
        Where the clusters come from; at least one of them.
    file, text
        Name and content of the configuration.
    version, licence, citation
        For the card.
    """

    training: TrainingConfig
    simulation: Simulation | None
    laboratory: Laboratory | None
    file: str
    text: str
    version: str = "0.1.0"
    licence: str = "not stated"
    citation: str = ""

    @property
    def sha256(self) -> str:
        """Hash of the configuration's text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def read_config(path: str | Path) -> RunConfig:
    """Read a configuration.

    Parameters
    ----------
    path
        A TOML file, or the name of a configuration that comes with the package (``dual``, ``single``).

    Raises
    ------
    InputError
        Naming the file, the key and what it may hold.
    """
    path = Path(path)
    shipped = SHIPPED / f"{path.name}.toml"
    if len(path.parts) == 1 and not path.suffix and not path.exists() and shipped.exists():
        path = shipped
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except FileNotFoundError:
        names = ", ".join(sorted(known.stem for known in SHIPPED.glob("*.toml")))
        raise InputError(f"There is no configuration {path}; give a TOML file, or one of {names}.") from None
    except OSError as error:
        raise InputError(f"The configuration {path} cannot be read ({error.strerror}); give a TOML file.") from error
    except UnicodeDecodeError:
        raise InputError(f"The configuration {path} is not text in UTF-8; save it as TOML.") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"The configuration {path} is not valid TOML: {error}.") from None
    try:
        return _built(_checked(content), path, text)
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from None


# ---------------------------------------------------------------------- keys and what they may hold


@dataclass(frozen=True)
class Key:
    """What a key may hold: `allowed` in words, and a function that gives the value or raises `ValueError`."""

    allowed: str
    parse: Callable[[Any], Any]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number(low: float, high: float) -> Key:
    def parse(value: Any) -> float:
        if not _is_number(value) or not low <= value <= high:
            raise ValueError
        return float(value)

    return Key(f"a number from {low:g} to {high:g}", parse)


def _whole(low: int, high: int) -> Key:
    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError
        return value

    return Key(f"a whole number from {low} to {high}", parse)


def _text(allowed: str, pattern: str) -> Key:
    def parse(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise ValueError
        return value

    return Key(allowed, parse)


def _sizes(least: int) -> Key:
    one = _whole(*_SIZES)

    def parse(value: Any) -> tuple[int, ...]:
        if not isinstance(value, list) or len(value) < least:
            raise ValueError
        sizes = tuple(one.parse(size) for size in value)
        if len(set(sizes)) < len(sizes):
            raise ValueError
        return tuple(sorted(sizes))

    return Key(f"a list of {f'at least {least} ' if least else ''}different atom counts from 4 to 400", parse)


def _names(allowed: str, known: Callable[[], tuple[str, ...]]) -> Key:
    def parse(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not value or not set(map(str, value)) <= set(known()):
            raise ValueError
        return tuple(value)

    return Key(allowed, parse)


def _channels(value: Any) -> tuple[str, ...]:
    if value not in (["raw"], ["raw", "lcn"]):
        raise ValueError
    return tuple(value)


def _conditions() -> tuple[str, ...]:
    from napari_atomicity.simulation.frames import CONDITIONS

    return (*CONDITIONS, "random")


def _known_families() -> tuple[str, ...]:
    from napari_atomicity.simulation.structures import FAMILIES

    return FAMILIES


def _one_of(*choices: str) -> Key:
    return _text("one of " + ", ".join(f'"{choice}"' for choice in choices), "|".join(choices))


_SHARE: Final = _number(0.0, 0.5)
#: section, key, what it may hold; the documentation lists the same keys
KEYS: Final[Mapping[str, Mapping[str, Key]]] = {
    "": {
        "name": _text("a name of letters, digits, - and _", r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}"),
        "element": _text("a chemical symbol such as Pt", r"[A-Z][a-z]?"),
        "classes": _sizes(2),
        "channels": Key('["raw"] or ["raw", "lcn"]', _channels),
        "version": _text("a version such as 1.0", r"[0-9][0-9A-Za-z.+-]*"),
        "licence": _text("a text", r".+"),
        "citation": _text("a text", r".+"),
    },
    "simulation": {
        "frames": _whole(8, 100_000),
        "clusters": _whole(1, 1000),
        "conditions": _names("a list of the simulator's conditions", _conditions),
        "other_sizes": _sizes(0),
        "other_share": _SHARE,
        "dimers": _SHARE,
        "touching": _SHARE,
        "families": _names("a list of the simulator's families of structures", _known_families),
    },
    "laboratory": {
        "folder": _text("the path of a folder", r".+"),
        "pixel_size_nm": _number(0.002, 0.2),
        "share": _number(0.05, 0.95),
    },
    "training": {
        "epochs": _whole(1, 1000),
        "batch": _whole(8, 4096),
        "learning_rate": _number(1e-6, 1.0),
        "weight_decay": _number(0.0, 1.0),
        "lcn_window_nm": _number(0.1, 3.0),
        "seed": _whole(0, 2**31 - 1),
        "patience": _whole(0, 1000),
        "device": _one_of("auto", "cpu", "cuda", "mps"),
    },
}


def _checked(content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The values by section and key, each parsed."""
    sections = {"": {key: value for key, value in content.items() if key not in KEYS or not key}}
    for name in filter(None, KEYS):
        if name in content:
            if not isinstance(content[name], dict):
                raise InputError(f"{name} is {content[name]!r}; it must be a section [{name}] with keys of its own.")
            sections[name] = content[name]
    found: dict[str, dict[str, Any]] = {}
    for section, values in sections.items():
        found[section] = {}
        for key, value in values.items():
            found[section][key] = _parsed(section, key, value)
    return found


def _parsed(section: str, key: str, value: Any) -> Any:
    full = f"{section}.{key}" if section else key
    if key not in KEYS[section]:
        everywhere = {k: f"{s}.{k}" if s else k for s, keys in KEYS.items() for k in keys} | {s: s for s in KEYS if s}
        near = get_close_matches(key, KEYS[section], 1, 0.6) or get_close_matches(key, everywhere, 1, 0.6)
        here = ", ".join(KEYS[section])
        where = f"[{section}] has" if section else "the top has"
        hint = f"did you mean {everywhere[near[0]]}?" if near else f"{where} {here}."
        if near and near[0] in KEYS[section]:
            hint = f"did you mean {section + '.' if section else ''}{near[0]}?"
        raise InputError(f"there is no key {full}; {hint}")
    try:
        return KEYS[section][key].parse(value)
    except ValueError:
        known = {"conditions": _conditions, "families": _known_families}
        extra = f" ({', '.join(known[key]())})" if key in known else ""
        raise InputError(f"{full} is {value!r}; it must be {KEYS[section][key].allowed}{extra}.") from None


# ---------------------------------------------------------------------- from keys to settings


def _built(found: dict[str, dict[str, Any]], path: Path, text: str) -> RunConfig:
    top, simulation, laboratory = found[""], found.get("simulation"), found.get("laboratory")
    if simulation is None and laboratory is None:
        raise InputError("there is nothing to train on; add a section [simulation] or [laboratory].")
    if "classes" not in top:
        raise InputError("the key classes is missing; give the atom counts to tell apart, such as [19, 30, 41].")
    element = top.get("element", "Pt")
    recipe = _recipe(top["classes"], element, simulation or {})
    if simulation is not None:
        _check_element(element, recipe.families)
    name = top["name"] if "name" in top else _parsed("", "name", path.stem)
    defaults: dict[str, Any] = {"patience": 5, "device": "auto"}
    training = TrainingConfig(
        name=name,
        channels=top.get("channels", ("raw", "lcn")),
        recipe=recipe,
        **(defaults | found.get("training", {})),
    )
    return RunConfig(
        training=training,
        simulation=None if simulation is None else Simulation(simulation.get("frames", Simulation.frames)),
        laboratory=None if laboratory is None else _laboratory(laboratory, path.parent),
        file=path.name,
        text=text,
        **{key: top[key] for key in ("version", "licence", "citation") if key in top},
    )


def _check_element(element: str, families: tuple[str, ...] | None) -> None:
    from napari_atomicity.simulation.structures import ELEMENTS, families_of

    if element not in ELEMENTS:
        raise InputError(
            f"element is {element!r}; the simulator knows {', '.join(ELEMENTS)}, so remove the section [simulation] "
            "and train on the laboratory's micrographs alone."
        )
    known = families_of(element)
    if families is not None and not set(families) <= set(known):
        raise InputError(f"simulation.families is {list(families)}; for {element} choose from {', '.join(known)}.")


def _recipe(classes: tuple[int, ...], element: str, simulation: Mapping[str, Any]) -> Recipe:
    values = {key: value for key, value in simulation.items() if key != "frames"}
    values.setdefault("other_sizes", sizes_beside(classes))
    both = sorted(set(values["other_sizes"]) & set(classes))
    if both:
        raise InputError(f"simulation.other_sizes names {both[0]}, which is a class; leave it out there.")
    return Recipe(class_sizes=classes, element=element, **values)


def sizes_beside(classes: tuple[int, ...]) -> tuple[int, ...]:
    """Sizes that are no class: one between neighbours, for the continuous count, and some far from all."""
    first, last = classes[0], classes[-1]
    sizes = {round(first * 0.43), round(first * 0.64), round(last * 1.36), round(last * 1.72)}
    sizes |= {round(math.sqrt(a * b)) for a, b in pairwise(classes)}
    return tuple(sorted(size for size in sizes - set(classes) if _SIZES[0] <= size <= _SIZES[1]))


def _laboratory(values: Mapping[str, Any], base: Path) -> Laboratory:
    if "folder" not in values:
        raise InputError("the key laboratory.folder is missing; name the folder that holds a folder for each class.")
    return Laboratory(**{**values, "folder": base / Path(values["folder"]).expanduser()})
