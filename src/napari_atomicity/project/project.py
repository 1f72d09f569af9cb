"""What a project file holds: images with their histories, and how the window showed them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_atomicity.document.options import ImageOptions
from napari_atomicity.document.review import ReviewRound
from napari_atomicity.pipeline import ImageState

if TYPE_CHECKING:
    from napari_atomicity.project.images import UnclearImage


@dataclass(frozen=True, eq=False)
class HistoryStep:
    """A step of the history: its name, and what was in force after it."""

    name: str
    state: ImageState


@dataclass(frozen=True, eq=False)
class SavedImage:
    """All that belongs to one image.

    Attributes
    ----------
    name
        Of the image, as the person sees it.
    steps, now
        The history, oldest first, and which of them is in force.
    options
        What the person set for it.
    selection
        Ids of the selected clusters.
    view
        How it is shown; JSON-serialisable.
    review
        Where the person stood in the review.
    changed
        Only of an opened project: the image's pixels are no longer those that the steps were made on.
    match
        Only of an opened project: which of the images that were open already it is.
    """

    name: str
    steps: tuple[HistoryStep, ...]
    now: int
    options: ImageOptions = field(default_factory=ImageOptions)
    selection: frozenset[int] = frozenset()
    view: Mapping[str, Any] = field(default_factory=dict)
    review: ReviewRound = field(default_factory=ReviewRound)
    changed: bool = False
    match: int | None = None

    @property
    def state(self) -> ImageState:
        """What is in force."""
        return self.steps[self.now].state


@dataclass(frozen=True, eq=False)
class Project:
    """The images of a project, and how the window showed them.

    Attributes
    ----------
    images
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

    images: tuple[SavedImage, ...]
    in_hand: int = 0
    view: Mapping[str, Any] = field(default_factory=dict)
    saved: str = ""
    version: str = ""
    unclear: tuple[UnclearImage, ...] = ()
    remarks: tuple[str, ...] = ()
