"""What a call of the command line asks for: one class a command, its fields the options of that command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from napari_atomicity.insight.attribution import Method
    from napari_atomicity.pipeline import Adapt

#: an image of the call as it was named, and the sizes (atoms) that it is known to hold
Reference = tuple[str, tuple[int, ...]]


@dataclass(frozen=True)
class ImagesRequest:
    """The options of all commands that look at micrographs.

    Attributes
    ----------
    images
        The files.
    output
        Folder to write to.
    pixel_size
        nm per pixel, instead of what the files say; None where they are believed.
    image
        Which image of files with several; the likeliest to count where None.
    frame
        Which frame of stacks; all where None.
    sensitivity
        Of the search, from 0 (few) to 1 (many).
    """

    images: Sequence[Path]
    output: Path
    pixel_size: float | None
    image: int | None
    frame: int | None
    sensitivity: float

    @property
    def frames(self) -> list[int] | None:
        """The frame that was asked for; None for all."""
        return None if self.frame is None else [self.frame]


@dataclass(frozen=True)
class CountRequest(ImagesRequest):
    """The options of all commands that count atoms.

    Attributes
    ----------
    model
        Name or path.
    adapt
        As in `Settings`.
    deposited
        Sizes (atoms) that were deposited and, where they are known, their shares.
    scale, scale_sd
        Integrated intensity of one atom (counts·nm²) and its relative standard deviation; None where not given.
    profile
        File of the instrument profile to take the scale from.
    """

    model: str
    adapt: Adapt
    deposited: tuple[tuple[int, ...], tuple[float, ...]]
    scale: float | None
    scale_sd: float | None
    profile: Path | None


@dataclass(frozen=True)
class AnalyseRequest(CountRequest):
    """The options of ``analyse``.

    Attributes
    ----------
    session
        All images were taken under the same settings of the microscope.
    reference
        Images of the call that are standards of known size.
    save_profile, force
        File to save the scale to as an instrument profile, also over another one.
    explain
        Whether to explain each image, too.
    report, figure
        What else is written of each image.
    expected
        Amount of each size (atoms) that the report compares with.
    """

    session: bool
    reference: Sequence[Reference]
    save_profile: Path | None
    force: bool
    explain: bool
    report: Literal["html"] | None
    figure: Sequence[Literal["png", "svg", "pdf"]]
    expected: Mapping[int, float]


@dataclass(frozen=True)
class DetectRequest(ImagesRequest):
    """The options of ``detect``."""


@dataclass(frozen=True)
class ExplainRequest(CountRequest):
    """The options of ``explain``; `target`, `against` and `method` are those of `Question`."""

    target: str
    against: str
    method: Method


@dataclass(frozen=True)
class RepeatabilityRequest(CountRequest):
    """The options of ``repeatability``.

    Attributes
    ----------
    session
        The images calibrate each other, in place of each standing alone.
    align
        Whether to find out how the frames lie to each other.
    """

    session: bool
    align: bool


@dataclass(frozen=True)
class TrackRequest(CountRequest):
    """The options of ``track``.

    Attributes
    ----------
    align
        Whether to find out how the frames lie to each other.
    reach
        The way in nm that a cluster goes at most from one frame to the next.
    seconds, dose
        Of one frame: seconds, and electrons per nm²; None where not known.
    sum_frames, sum_dose
        How many frames make a mean, or the electrons per nm² that it is to have; None where none is wanted.
    """

    align: bool
    reach: float
    seconds: float | None
    dose: float | None
    sum_frames: int | None
    sum_dose: float | None


@dataclass(frozen=True)
class InfoRequest:
    """The options of ``info``."""

    files: Sequence[Path]


@dataclass(frozen=True)
class WindowRequest:
    """The options of ``window``."""

    images: Sequence[Path]


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
