"""What a person wants explained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_atomicity.insight.question import Question


@dataclass(frozen=True)
class MapRequest:
    """What a person wants explained: which clusters (all of the frame shown where None), and what about them."""

    question: Question
    ids: frozenset[int] | None = None
