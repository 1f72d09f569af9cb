"""What a legend says of each class of one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_atomicity.pipeline.doubts import open_labels
from napari_atomicity.style import OTHER_COLOUR, colours
from napari_atomicity.wording import share_or_doubt

if TYPE_CHECKING:
    import pandas as pd

    from napari_atomicity.document.document import Document


@dataclass(frozen=True)
class Entry:
    """One class: its label and colour, how many clusters enter its share, and the share in words."""

    label: str
    colour: str
    count: int
    share: str


def entries_of(document: Document, shares: pd.DataFrame) -> list[Entry]:
    """An entry for each class of a counted document.

    Parameters
    ----------
    document
        Counted.
    shares
        Of its `ratios`.
    """
    card, doubt = document.state.model_in_force.card, open_labels(document.state.calibrations)
    known = colours(card.class_sizes, card.element)
    rows = [(str(row["label"]), row) for row in shares.to_dict("records")]
    return [
        Entry(
            label,
            known.get(label, OTHER_COLOUR),
            int(row["count"]),
            share_or_doubt(label, row["fraction"], row["low"], row["high"], doubt),
        )
        for label, row in rows
    ]
