"""What the commands for frames and models ask for: one class a command, its fields the options of that command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SimulateRequest:
    """The options of ``simulate``.

    Attributes
    ----------
    output
        Folder to write to.
    condition
        Name of the conditions that are simulated.
    sizes
        Of the clusters in atoms, in equal shares; those of the condition where empty.
    element
        Chemical symbol of the metal.
    class_set
        Name or file of a class set that gives metal and sizes; none where empty.
    alloy, exponent, second
        Second metal with its fraction and the spread of that, powers of the atomic number: of the detector, and of a
        second one, whose image is written as well.
    clusters
        How many.
    shape
        (y, x) in pixels.
    seed
        Of all that is random.
    samples
        Whether the sample micrographs of the plug-in are simulated instead.
    """

    output: Path
    condition: str
    sizes: tuple[int, ...]
    element: str
    class_set: str
    alloy: str
    exponent: float
    second: float | None
    clusters: int
    shape: tuple[int, int]
    seed: int
    samples: bool


@dataclass(frozen=True)
class TrainRequest:
    """The options of ``train``: the configuration, by file or name, and the folder for the model."""

    config: Path
    output: Path


@dataclass(frozen=True)
class EvaluateRequest:
    """The options of ``evaluate``.

    Attributes
    ----------
    model
        Name or path.
    frames
        Mixed frames a condition.
    pure
        Frames of one class, a condition and class.
    output
        Folder for the table; None where it is only printed.
    """

    model: str
    frames: int
    pure: int
    output: Path | None


@dataclass(frozen=True)
class ListModelsRequest:
    """``models list`` has no options."""


@dataclass(frozen=True)
class ListClassSetsRequest:
    """``models sets`` has no options."""


@dataclass(frozen=True)
class ShowModelRequest:
    """The options of ``models show``."""

    name: str


@dataclass(frozen=True)
class ImportModelRequest:
    """The options of ``models import``: a file of weights with its card beside it."""

    path: Path


@dataclass(frozen=True)
class ExportModelRequest:
    """The options of ``models export``."""

    name: str
    folder: Path
