"""What a session holds, as plain immutable values: the window turns its documents into them and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline import Classified, Settings

if TYPE_CHECKING:
    from napari_atomicity.counting.adapt import Adaptation
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.profile import InstrumentProfile
    from napari_atomicity.project.images import UnclearImage


@dataclass(frozen=True, eq=False)
class Tuned:
    """One image before and after an adaptation of the model; `after` is None where it was not accepted.

    `anchors` are those of the adaptation's anchors that lie in this image, `images` the names of all images that it
    was made on, `offered` is `before` without a person's choices among candidates.
    """

    adaptation: Adaptation
    base: Bundle
    before: Classified
    offered: Classified
    after: Classified | None
    anchors: pd.DataFrame
    images: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One image at one step of its history."""

    micrograph: Micrograph
    table: ClusterTable
    #: the model that classified
    bundle: Bundle | None = None
    classified: Classified | None = None
    #: the same before a person chose among the candidates of undecided frames
    offered: Classified | None = None
    adaptation: Tuned | None = None
    #: what the last classification was made with
    settings: Settings | None = None
    #: names of the images that calibrated each other in it
    session: tuple[str, ...] = ()
    #: frame and dominant class, where a person chose
    choices: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class HistoryStep:
    """A step of the history: its name, what was in force after it, and when it was made (ISO 8601; empty: unknown).

    To be saved, `state` may be anything with the fields of `Snapshot`; what is opened is a `Snapshot`.
    """

    name: str
    state: Any
    when: str = ""


@dataclass(frozen=True, eq=False)
class SavedImage:
    """All that belongs to one image.

    Attributes
    ----------
    name
        Of the image, as the person sees it.
    steps, now
        The history, oldest first, and which of them is in force.
    settings
        For the steps to come.
    selection
        Ids of the selected clusters.
    messages
        What was found odd.
    detected
        Whether clusters were searched.
    profile
        Instrument profile that the known scale comes from.
    ticked
        Whether it belongs to the images that calibrate each other.
    expected, checked
        Shares that were deposited, by size, to compare with; whether the person's labels are a random sample.
    view
        How it is shown; JSON-serialisable.
    changed
        Only of an opened session: the image's pixels are no longer those that the steps were made on.
    match
        Only of an opened session: which of the images that were open already it is.
    """

    name: str
    steps: tuple[HistoryStep, ...]
    now: int
    settings: Settings = field(default_factory=Settings)
    selection: frozenset[int] = frozenset()
    messages: tuple[str, ...] = ()
    detected: bool = False
    profile: InstrumentProfile | None = None
    ticked: bool = False
    expected: Mapping[int, float] = field(default_factory=dict)
    checked: bool = False
    view: Mapping[str, Any] = field(default_factory=dict)
    changed: bool = False
    match: int | None = None

    @property
    def state(self) -> Any:
        """What is in force."""
        return self.steps[self.now].state


@dataclass(frozen=True, eq=False)
class Project:
    """The images of a session, and how the window showed them.

    Attributes
    ----------
    works
        One entry an image.
    in_hand
        Which of them a person worked on last.
    view
        Camera and the like; JSON-serialisable.
    saved, version
        When it was written (ISO 8601) and by which version of this program.
    unclear
        Images that were not found, or changed: a person has to say what to do, and nothing was opened.
    remarks
        Sentences about what could not be brought back.
    """

    works: tuple[SavedImage, ...]
    in_hand: int = 0
    view: Mapping[str, Any] = field(default_factory=dict)
    saved: str = ""
    version: str = ""
    unclear: tuple[UnclearImage, ...] = ()
    remarks: tuple[str, ...] = ()
