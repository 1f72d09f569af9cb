"""Classes of clusters: how they are written in labels and in the names of columns."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

#: label of a cluster that is none of the model's classes
OTHER: Final = "other"
#: name of the column that holds the probability of being none of them
OTHER_PROBABILITY: Final = "p_other"
_PROBABILITY: Final = re.compile(r"p_([0-9]{1,7})")
_LABEL: Final = re.compile(r"[A-Z][a-z]?[1-9][0-9]{0,8}")


def probability_column(n_atoms: int) -> str:
    """Name of the column that holds the probabilities of a class.

    Parameters
    ----------
    n_atoms
        Atoms of a cluster of that class.

    Returns
    -------
    For example ``p_19``.
    """
    return f"p_{n_atoms}"


def class_size(name: str) -> int | None:
    """The class whose probabilities a column holds.

    Parameters
    ----------
    name
        Of a column.

    Returns
    -------
    Atoms of a cluster of that class, for example 19 for ``p_19``; None for the name of any other column.
    """
    probability = _PROBABILITY.fullmatch(name)
    return int(probability[1]) if probability is not None else None


def class_sizes_of(names: Iterable[object]) -> tuple[int, ...]:
    """The classes whose probabilities stand in a table.

    Parameters
    ----------
    names
        Of its columns.

    Returns
    -------
    Atoms of each class, in the order of the columns.
    """
    return tuple(size for size in (class_size(str(name)) for name in names) if size is not None)


def class_label(n_atoms: int, element: str = "Pt") -> str:
    """Label of a class.

    Parameters
    ----------
    n_atoms
        Atoms of a cluster of that class.
    element
        Chemical symbol of what the clusters are made of.

    Returns
    -------
    For example ``Pt19``.
    """
    return f"{element}{n_atoms}"


def is_label(text: str) -> bool:
    """Whether a person can give a cluster that label: a class, be it of another model, or that it is none of them.

    Parameters
    ----------
    text
        For example ``Pt55`` or ``other``.
    """
    return text == OTHER or _LABEL.fullmatch(text) is not None


def atoms_of(label: str) -> int | None:
    """The class that a label names.

    Parameters
    ----------
    label
        Any text, however long.

    Returns
    -------
    Atoms of a cluster of that class, for example 19 for ``Pt19``; None for a text that names no class.
    """
    digits = label[len(label.rstrip("0123456789")) :]
    return int(digits) if 0 < len(digits) <= 9 else None
