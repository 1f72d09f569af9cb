"""Class sets: the sizes that a model tells apart, of which metal, on which support, and where the sizes come from.

Each is a TOML file. Those that come along lie in the folder ``sets``; anybody can write another.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, Field

from napari_atomicity.errors import InputError
from napari_atomicity.kinds import Line, Section, Symbol, Within, wanted
from napari_atomicity.schema import Door, read_bytes, toml_of

#: class sets that come with the package
SHIPPED: Final = Path(__file__).parent / "sets"
#: a cluster smaller than this is not detected, one larger than this does not fit into a patch
SMALLEST, LARGEST = 4, 400


def _ascending_once(sizes: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(sizes)) < len(sizes):
        raise ValueError(sizes)
    return tuple(sorted(sizes))


_Sizes: TypeAlias = Annotated[
    list[Annotated[int, Within(SMALLEST, LARGEST)]],
    Field(min_length=2, max_length=100),
    AfterValidator(lambda sizes: _ascending_once(tuple(sizes))),
    wanted(f"a list of at least two atom counts from {SMALLEST} to {LARGEST}, each named once"),
]
_Some: TypeAlias = Annotated[Line, Field(min_length=1), wanted("a line of text that is not empty")]


class ClassSet(Section):
    """Sizes of clusters that belong together.

    Attributes
    ----------
    name
        By which the set is chosen.
    element
        Chemical symbol of the metal.
    sizes
        Atoms of each class, ascending.
    support
        What the clusters lie on.
    source
        Where the sizes come from.
    licence
        Under which the numbers may be used.
    """

    name: Annotated[
        str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,60}$"), wanted("a name of letters, digits, - and _")
    ]
    element: Symbol
    sizes: _Sizes
    support: _Some
    source: _Some
    licence: _Some

    @property
    def classes(self) -> str:
        """Metal and sizes in a few words: ``Au 25, 38, 55``."""
        return f"{self.element} {', '.join(map(str, self.sizes))}"

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Heading and text of all that the set states."""
        return [
            ("Class set", f"{self.name}: {self.classes} atoms"),
            ("Support", self.support),
            ("Sizes from", f"{self.source} ({self.licence})"),
        ]


_DOOR: Final = Door(ClassSet)


def class_set(name_or_path: str | Path) -> ClassSet:
    """The class set of that name, or in that TOML file.

    Parameters
    ----------
    name_or_path
        The name of one that comes along (``platinum``, ``gold``), or a file.

    Raises
    ------
    InputError
        Where there is none, naming those that come along; for a file that is none, naming key and what it may hold.
    """
    path = Path(name_or_path)
    shipped = SHIPPED / f"{path.name}.toml"
    if len(path.parts) == 1 and not path.suffix and not path.exists() and shipped.exists():
        path = shipped
    try:
        content = read_bytes(path)
    except FileNotFoundError:
        names = ", ".join(known.name for known in class_sets())
        raise InputError(f"There is no class set {path}; give a TOML file, or one of {names}.") from None
    return _DOOR.check({"name": path.stem, **toml_of(content, path.name)}, path.name)


def class_sets() -> list[ClassSet]:
    """The class sets that come along, by name."""
    return [
        _DOOR.check({"name": path.stem, **toml_of(read_bytes(path), path.name)}, path.name)
        for path in sorted(SHIPPED.glob("*.toml"))
    ]


def class_set_of(element: str, sizes: Sequence[int]) -> ClassSet | None:
    """The class set that comes along and holds exactly these classes.

    Parameters
    ----------
    element
        Chemical symbol.
    sizes
        Atoms of each class.

    Returns
    -------
    The set; None where it is none of ours.
    """
    wanted_sizes = tuple(sorted(sizes))
    same = (known for known in class_sets() if (known.element, tuple(known.sizes)) == (element, wanted_sizes))
    return next(same, None)
