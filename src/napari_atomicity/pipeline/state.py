"""One image as far as its analysis has come: the one shape that pipeline, window, project file and report share."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline.doubts import remarks
from napari_atomicity.pipeline.metals import metal_remarks
from napari_atomicity.pipeline.settings import Settings

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.calibration import Calibration
    from napari_atomicity.counting.profile import InstrumentProfile
    from napari_atomicity.movies import Movie
    from napari_atomicity.pipeline.adaptation import AppliedAdaptation
    from napari_atomicity.pipeline.counting import Count


@dataclass(frozen=True, eq=False)
class ImageState:
    """One image after a step of its analysis. Immutable, and so cheap to keep: states share what did not change.

    What is saved in a project is this, field by field (`project.layout`); docs/projects.md tells the form.

    Attributes
    ----------
    micrograph
        The image with its calibration.
    table
        The clusters.
    searched
        Whether clusters were searched.
    search_messages
        What was odd in the search, a sentence each.
    bundle
        The model that counted: as shipped, or adapted to this image; None before the count.
    count
        What the labels rest on: the last count with a person's choices among its candidates; None before it.
    offered
        The same before a person chose among the candidates of undecided frames.
    adaptation
        The adaptation that is in force, or the last one that was refused; None without either.
    settings
        What the last search or count was made with; of a state that is about to be counted, what it is to be made with.
    profile
        Instrument profile that the known intensity of one atom came from.
    counted_with
        Names of the images that calibrated each other, this one among them; empty where it stood alone.
    choices
        What a person chose where a frame could not decide: frame and dominant class.
    movie
        Its clusters followed through the frames; it belongs to the table that it was made of. None where they were not.
    timings
        Seconds that each stage took.
    when
        When the step was made, in seconds since 1970; nan where that is not known.
    """

    micrograph: Micrograph
    table: ClusterTable = field(default_factory=ClusterTable.empty)
    searched: bool = False
    search_messages: tuple[str, ...] = ()
    bundle: Bundle | None = None
    count: Count | None = None
    offered: Count | None = None
    adaptation: AppliedAdaptation | None = None
    settings: Settings | None = None
    profile: InstrumentProfile | None = None
    counted_with: tuple[str, ...] = ()
    choices: Mapping[int, str] = field(default_factory=dict)
    movie: Movie | None = None
    timings: Mapping[str, float] = field(default_factory=dict)
    when: float = field(default_factory=time.time)

    def uncounted(self, **changes: Any) -> ImageState:
        """The same without a count, and with `changes` of other fields."""
        return replace(
            self,
            **{
                "bundle": None,
                "count": None,
                "offered": None,
                "adaptation": None,
                "profile": None,
                "counted_with": (),
                "timings": {},
                "when": time.time(),
                **changes,
            },
        )

    @property
    def settings_in_force(self) -> Settings:
        """`settings`, or the usual ones where none were said."""
        return self.settings or Settings()

    @property
    def applied(self) -> AppliedAdaptation | None:
        """The adaptation that is in force."""
        return self.adaptation if self.adaptation is not None and self.adaptation.accepted else None

    @property
    def calibrations(self) -> Mapping[int, Calibration]:
        """Calibration of each frame; empty where no cluster can be looked at."""
        return {} if self.count is None else self.count.calibrations

    @property
    def before(self) -> Count | None:
        """The count before the model was adapted; None where it is not adapted."""
        return None if self.applied is None else self.applied.before

    @property
    def model_in_force(self) -> Bundle:
        """The model that counted.

        Raises
        ------
        ValueError
            For an image that is not counted.
        """
        if self.bundle is None:
            raise ValueError(f"{self.micrograph.name} is not counted")
        return self.bundle

    @property
    def messages(self) -> tuple[str, ...]:
        """Everything that a person must read before using the table, each sentence once."""
        counted = () if self.count is None else (*metal_remarks(self), *remarks(self.count))
        outcome = () if self.adaptation is None else (self.adaptation.reason,)
        return tuple(dict.fromkeys((*self.micrograph.warnings, *self.search_messages, *counted, *outcome)))
