"""The TOML file that describes a training: its keys, what they may hold, and clear words where they do not."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, Field

from napari_atomicity.errors import InputError
from napari_atomicity.kinds import Line, Section, Symbol, Within, unwanted, wanted
from napari_atomicity.metals import class_set
from napari_atomicity.schema import Door, read_bytes, toml_of
from napari_atomicity.training.library import Recipe
from napari_atomicity.training.settings import TrainingConfig

#: configurations that come with the package
SHIPPED: Final = Path(__file__).parent / "configs"
#: a cluster smaller than this is not detected, one larger than this does not fit into a patch
_SIZES: Final = (4, 400)


def read_config(path: str | Path) -> RunConfig:
    """Read a configuration.

    Parameters
    ----------
    path
        A TOML file, or the name of a configuration that comes with the package (``dual``, ``single``, ``gold``).

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
        content = read_bytes(path)
    except FileNotFoundError:
        names = ", ".join(sorted(known.stem for known in SHIPPED.glob("*.toml")))
        raise InputError(f"There is no configuration {path}; give a TOML file, or one of {names}.") from None
    entries = {"name": path.stem, **toml_of(content, path.name)}
    try:
        return _built(_DOOR.check(entries, path.name, _near), path, content.decode("utf-8-sig"))
    except InputError as error:
        text = str(error)
        raise InputError(text if text.startswith(path.name) else f"{path.name}: {text}") from None


# ---------------------------------------------------------------------- keys and what they may hold


def _different(sizes: list[int]) -> list[int]:
    if len(set(sizes)) < len(sizes):
        raise ValueError(sizes)
    return sorted(sizes)


def _conditions(names: list[str]) -> list[str]:
    from napari_atomicity.simulation.conditions import CONDITIONS, MIXED

    return _among(names, (*CONDITIONS, *MIXED), "the simulator's conditions")


def _families(names: list[str]) -> list[str]:
    from napari_atomicity.simulation.structures import FAMILIES

    return _among(names, FAMILIES, "the simulator's families of structures")


def _channels(names: list[str]) -> list[str]:
    if names not in (["raw"], ["raw", "lcn"]):
        raise ValueError(names)
    return names


def _among(names: list[str], known: Sequence[str], what: str) -> list[str]:
    if not names or not set(names) <= set(known):
        raise unwanted(f"a list of {what} ({', '.join(known)})")
    return names


def _sizes(least: int) -> Any:
    """Metadata of a list of atom counts."""
    return wanted(f"a list of {f'at least {least} ' if least else ''}different atom counts from 4 to 400")


_Sizes: TypeAlias = Annotated[list[Annotated[int, Within(*_SIZES)]], Field(max_length=100), AfterValidator(_different)]
_Part: TypeAlias = Annotated[float, Within(0, 0.5)]
_Some: TypeAlias = Annotated[Line, Field(min_length=1)]


class Simulation(Section):
    """The section ``[simulation]``: which frames are simulated for training."""

    frames: Annotated[int, Within(8, 100_000)] = 560
    clusters: Annotated[int, Within(1, 1000)] = Recipe.clusters
    conditions: Annotated[list[str], AfterValidator(_conditions)] = Field(default_factory=list)
    other_sizes: Annotated[_Sizes, _sizes(0)] = Field(default_factory=list)
    other_share: _Part = Recipe.other_share
    dimers: _Part = Recipe.dimers
    touching: _Part = Recipe.touching
    families: Annotated[list[str], AfterValidator(_families)] = Field(default_factory=list)


class Laboratory(Section):
    """The section ``[laboratory]``: size-selected micrographs of a laboratory.

    Attributes
    ----------
    folder
        Holds a folder for each class, named by its number of atoms; in a `RunConfig` its full path.
    pixel_size_nm
        For files that hold none.
    share
        Part of the training clusters that comes from the laboratory where simulation is mixed in.
    """

    folder: _Some = ""
    pixel_size_nm: Annotated[float, Within(0.002, 0.2)] | None = None
    share: Annotated[float, Within(0.05, 0.95)] = 0.5


class _Training(Section):
    epochs: Annotated[int, Within(1, 1000)] = TrainingConfig.epochs
    batch: Annotated[int, Within(8, 4096)] = TrainingConfig.batch
    learning_rate: Annotated[float, Within(1e-6, 1)] = TrainingConfig.learning_rate
    weight_decay: Annotated[float, Within(0, 1)] = TrainingConfig.weight_decay
    lcn_window_nm: Annotated[float, Within(0.1, 3)] = TrainingConfig.lcn_window_nm
    seed: Annotated[int, Within(0, 2**31 - 1)] = TrainingConfig.seed
    patience: Annotated[int, Within(0, 1000)] = 5
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], wanted('one of "auto", "cpu", "cuda", "mps"')] = "auto"


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


class _Keys(Section):
    name: Annotated[
        str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,60}$"), wanted("a name of letters, digits, - and _")
    ]
    element: Symbol = Recipe.element
    classes: Annotated[_Sizes, Field(min_length=2), _sizes(2)] = Field(default_factory=list)
    class_set: Line = ""
    channels: Annotated[list[str], AfterValidator(_channels), wanted('["raw"] or ["raw", "lcn"]')] = Field(
        default_factory=lambda: list(TrainingConfig.channels)
    )
    version: Annotated[str, Field(pattern="^[0-9][0-9A-Za-z.+-]{0,60}$"), wanted("a version such as 1.0")] = "0.1.0"
    licence: _Some = RunConfig.licence
    citation: _Some = RunConfig.citation
    simulation: Simulation | None = None
    laboratory: Laboratory | None = None
    training: _Training = Field(default_factory=_Training)


_DOOR: Final = Door(_Keys)
#: keys by section; the documentation lists the same ones
KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "": tuple(name for name in _Keys.model_fields if name not in ("simulation", "laboratory", "training")),
    "simulation": tuple(Simulation.model_fields),
    "laboratory": tuple(Laboratory.model_fields),
    "training": tuple(_Training.model_fields),
}


def _near(key: str, section: str) -> str:
    """What may have been meant by a key that is unknown in that section."""
    everywhere = {k: f"{s}.{k}" if s else k for s, keys in KEYS.items() for k in keys} | {s: s for s in KEYS if s}
    keys_of_section = KEYS.get(section, ())
    near = get_close_matches(key[:60], keys_of_section, 1, 0.6)
    if near:
        return f"did you mean {section + '.' if section else ''}{near[0]}?"
    near = get_close_matches(key[:60], everywhere, 1, 0.6)
    return (
        f"did you mean {everywhere[near[0]]}?"
        if near
        else f"{f'[{section}]' if section else 'the top'} has {', '.join(keys_of_section)}."
    )


# ---------------------------------------------------------------------- from keys to settings


def _built(keys: _Keys, path: Path, text: str) -> RunConfig:
    if keys.simulation is None and keys.laboratory is None:
        raise InputError("there is nothing to train on; add a section [simulation] or [laboratory].")
    element, classes = _classes(keys, path.parent)
    recipe = _recipe(classes, element, keys.simulation)
    if keys.simulation is not None:
        _check_element(element, recipe.families)
    training = TrainingConfig(
        name=keys.name, channels=tuple(keys.channels), recipe=recipe, **keys.training.model_dump()
    )
    return RunConfig(
        training=training,
        simulation=keys.simulation,
        laboratory=None if keys.laboratory is None else _laboratory(keys.laboratory, path.parent),
        file=path.name,
        text=text,
        version=keys.version,
        licence=keys.licence,
        citation=keys.citation,
    )


def _classes(keys: _Keys, base: Path) -> tuple[str, tuple[int, ...]]:
    """Metal and sizes, from the keys themselves or from the class set that they name."""
    if keys.class_set:
        if {"element", "classes"} & keys.model_fields_set:
            raise InputError("class_set gives the metal and its sizes; leave element and classes out, or class_set.")
        beside = base / keys.class_set
        chosen = class_set(beside if beside.suffix == ".toml" else keys.class_set)
        return chosen.element, tuple(chosen.sizes)
    if not keys.classes:
        raise InputError("the key classes is missing; give the atom counts to tell apart, such as [19, 30, 41].")
    return keys.element, tuple(keys.classes)


def _check_element(element: str, families: tuple[str, ...] | None) -> None:
    from napari_atomicity.simulation.structures import ELEMENTS, families_of

    if element not in ELEMENTS:
        raise InputError(
            f"element is {element!r}; the simulator knows {', '.join(ELEMENTS)}, so remove the section [simulation] "
            "and train on the laboratory's micrographs alone."
        )
    families_of_metal = families_of(element)
    if families is not None and not set(families) <= set(families_of_metal):
        raise InputError(
            f"simulation.families is {list(families)}; for {element} choose from {', '.join(families_of_metal)}."
        )


def _recipe(classes: tuple[int, ...], element: str, simulation: Simulation | None) -> Recipe:
    entries = {} if simulation is None else simulation.model_dump(exclude_unset=True, exclude={"frames"})
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entries.items()}
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


def _laboratory(keys: Laboratory, base: Path) -> Laboratory:
    if not keys.folder:
        raise InputError("the key laboratory.folder is missing; name the folder that holds a folder for each class.")
    return keys.model_copy(update={"folder": str(base / Path(keys.folder).expanduser())})
