"""What a call of the command line asks for: one class a command, its fields the options of that command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from napari_atomicity.dataset.plan import Shard
    from napari_atomicity.insight.question import Method
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
    all_the_same
        Whether to search where an image looks like one in which nothing can be counted.
    """

    images: Sequence[Path]
    output: Path
    pixel_size: float | None
    image: int | None
    frame: int | None
    sensitivity: float
    all_the_same: bool

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
        Sizes (atoms) that were deposited; where they are known, their shares, and their metal.
    scale, scale_sd
        Integrated intensity of one atom (counts·nm²) and its relative standard deviation; None where not given.
    profile
        File of the instrument profile to take the scale from.
    element, composition, exponent
        What the clusters are made of, and how the signal grows with the atomic number; as in `Settings`.
    """

    model: str
    adapt: Adapt
    deposited: tuple[tuple[int, ...], tuple[float, ...], str]
    scale: float | None
    scale_sd: float | None
    profile: Path | None
    element: str
    composition: str
    exponent: tuple[float, ...]


@dataclass(frozen=True)
class DetectorRequest(CountRequest):
    """The options of all commands that can take a scan of the detector.

    Attributes
    ----------
    detector_scan
        The file; None where there is none.
    kv, convergence, inner, outer, angle_sd
        Voltage and angles (mrad) of the images, as in `Annulus`.
    current_ratio
        Beam current of the images over that of the scan.
    """

    detector_scan: Path | None
    kv: float | None
    convergence: float | None
    inner: float | None
    outer: float | None
    angle_sd: float | None
    current_ratio: float | None


@dataclass(frozen=True)
class AnalyseRequest(DetectorRequest):
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
    report
        ``html`` for a report to read and print; None for none.
    """

    session: bool
    align: bool
    report: str | None


@dataclass(frozen=True)
class BatchRequest:
    """The options of ``batch``.

    Attributes
    ----------
    sources
        Folders, patterns, lists, images and stacks.
    output
        Folder of the dataset.
    pixel_size, image, sensitivity, all_the_same
        As in `ImagesRequest`.
    model, adapt, deposited, scale, scale_sd, profile, element, composition, exponent
        As in `CountRequest`.
    workers
        Processes of this machine; as many as there are cores for us where None.
    scheduler
        Address of a dask scheduler; None for processes of this machine.
    shard
        Which part of the images this call measures; None for all.
    resume, retry_failed
        Whether to go on with a dataset, and to try again what failed.
    session_by
        What images taken under the same settings have in common.
    """

    sources: Sequence[Path]
    output: Path
    pixel_size: float | None
    image: int | None
    sensitivity: float
    all_the_same: bool
    model: str
    adapt: Adapt
    deposited: tuple[tuple[int, ...], tuple[float, ...], str]
    scale: float | None
    scale_sd: float | None
    profile: Path | None
    element: str
    composition: str
    exponent: tuple[float, ...]
    workers: int | None
    scheduler: str | None
    shard: Shard | None
    resume: bool
    retry_failed: bool
    session_by: str


@dataclass(frozen=True)
class ConsistencyRequest(DetectorRequest):
    """The options of ``consistency``.

    Attributes
    ----------
    standard
        Files of standards, each with the sizes (atoms) that it is known to hold.
    save_profile, force
        File to save what the ways say together to as an instrument profile, also over another one.
    """

    standard: Sequence[Reference]
    save_profile: Path | None
    force: bool


@dataclass(frozen=True)
class WatchRequest(CountRequest):
    """The options of ``watch``; `images`, `frame` and `output` stay empty.

    Attributes
    ----------
    folder
        Folder to watch; None where images come from elsewhere.
    into
        Folder to write to; None for one named after the watched one.
    listen, host
        Port and address that a microscope computer sends to; no port without.
    replay
        Seconds between two images of the folder, which are shown as if they came now; None without.
    until
        Half width of the shares at which the watch ends; None where it goes on.
    expected
        Amount of each size (atoms) to compare with.
    once, new
        Whether to end once all that is there is counted, and whether to leave alone what is there at the start.
    settle
        Whether to count all images once more together in the end.
    """

    folder: Path | None
    into: Path | None
    listen: int | None
    host: str
    replay: float | None
    until: float | None
    expected: Mapping[int, float]
    once: bool
    new: bool
    settle: bool


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
