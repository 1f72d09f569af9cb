"""What is in force after a step of the history: all that undo brings back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline import Settings
from napari_atomicity.pipeline.adaptation import AppliedAdaptation

#: fields of a state that belong to a count, as they are without one
UNCOUNTED: Final = {"bundle": None, "classified": None, "offered": None, "adaptation": None, "settings": None}


@dataclass(frozen=True, eq=False)
class State:
    """All that undo brings back. Immutable, and so cheap to keep: the states share what did not change."""

    micrograph: Micrograph
    table: ClusterTable
    #: the model that classified: as shipped, or adapted to this image
    bundle: Any = None
    #: result of the last classification (evidence, patches, calibration), None before it
    classified: Any = None
    #: the same before a person chose among the candidates of undecided frames
    offered: Any = None
    #: the adaptation that is in force, or the last one that was refused; None without either
    adaptation: AppliedAdaptation | None = None
    #: what the last classification was made with
    settings: Settings | None = None
    #: names of the images that calibrated each other in it
    session: tuple[str, ...] = ()
    #: what a person chose where a frame could not decide: frame and dominant class
    choices: Mapping[int, str] = field(default_factory=dict)
    #: when the step was made, in seconds since 1970
    when: float = field(default_factory=time.time)

    @property
    def adapted(self) -> AppliedAdaptation | None:
        """The adaptation that is in force."""
        return self.adaptation if self.adaptation is not None and self.adaptation.accepted else None
