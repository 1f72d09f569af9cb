"""What heat maps are asked: which class, held against which, by which method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, get_args

from napari_atomicity.errors import InputError

if TYPE_CHECKING:
    from napari_atomicity.counting.card import ModelCard

Method = Literal["density", "hires-cam", "grad-cam", "integrated-gradients"]
METHODS: Final[tuple[Method, ...]] = get_args(Method)
#: the one channel of a map of the density
DENSITY: Final = "density"


@dataclass(frozen=True)
class Question:
    """What the maps are to explain.

    Attributes
    ----------
    target
        Label of the class, for example ``Pt55``; each cluster's own class where empty.
    against
        "Why `target` and not this one?"; where empty the next smaller class in brightness, the mean of all others in
        shape.
    method
        ``density``: atoms per nm², whose sum is the count that decides; ``hires-cam``: what each channel's last maps
        contribute, cell by cell; ``grad-cam``: the same with one weight a map, as in the paper;
        ``integrated-gradients``: pixel by pixel, against an empty support, slower. See `methods`, and docs/heat_maps.md
        for how far each can be trusted.
    """

    target: str = ""
    against: str = ""
    method: Method = "density"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(f"There is no attribution {self.method!r}; choose {', '.join(METHODS)}.")
        if self.target and self.target == self.against:
            raise InputError(f"{self.target} cannot be told from itself; choose two different classes.")

    def target_index(self, card: ModelCard) -> int | None:
        """Index of the target class; None for each cluster's own."""
        return _index(self.target, card)

    def against_index(self, card: ModelCard) -> int | None:
        """Index of the class that it is held against; None for the mean of the others."""
        return _index(self.against, card)


def _index(label: str, card: ModelCard) -> int | None:
    if label and label not in card.labels:
        raise InputError(f"The model {card.name!r} has no class {label}; it has {', '.join(card.labels)}.")
    return card.labels.index(label) if label else None
