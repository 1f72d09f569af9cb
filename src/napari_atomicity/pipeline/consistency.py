"""Independent ways to what one atom is worth in an image, brought together and held against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from napari_atomicity.pipeline.detector import DetectorScan
from napari_atomicity.pipeline.scale_ways import (
    CountedFrame,
    alone,
    deposited,
    given,
    own_steps,
    single_atoms,
    undecided,
)
from napari_atomicity.progress import Progress, Steps

if TYPE_CHECKING:
    from napari_atomicity.counting.references import Consistency, ScaleReference
    from napari_atomicity.counting.single_atoms import SingleAtoms
    from napari_atomicity.pipeline.state import ImageState


@dataclass(frozen=True, eq=False)
class ScaleConsistency:
    """What an image is worth by every way that there is.

    Attributes
    ----------
    image, frame
        Name, and frame of a stack.
    found
        The ways, and how far they agree.
    shares
        A row a way: way, median_atoms (of a cluster), and the share of each class that it alone would give.
    atoms
        Single atoms in the image; None where they say nothing.
    remarks
        Sentences that a person must read.
    """

    image: str
    frame: int
    found: Consistency
    shares: pd.DataFrame
    atoms: SingleAtoms | None
    remarks: tuple[str, ...]

    def table(self) -> pd.DataFrame:
        """A row a way: its value and error, what it rests on, and what it alone would give."""
        ways = self.found.references
        facts = {
            "way": [one.words for one in ways],
            "intensity_per_atom": [one.value for one in ways],
            "relative_sd": [one.relative_sd for one in ways],
            "basis": [one.basis for one in ways],
        }
        return pd.DataFrame(facts).join(self.shares.drop(columns="way"))

    def as_dict(self) -> dict[str, Any]:
        """JSON-serialisable."""
        return {
            "image": self.image,
            "frame": self.frame,
            **self.found.as_dict(),
            "shares": self.shares.to_dict("records"),
            "single_atoms": None if self.atoms is None else self.atoms.sentence,
            "remarks": list(self.remarks),
        }


def consistency_steps(
    state: ImageState,
    frame: int | None = None,
    detector: DetectorScan | None = None,
    others: Sequence[ScaleReference] = (),
    derived: float | None = None,
) -> Steps[ScaleConsistency]:
    """Hold all ways to the intensity of one atom in an image against each other.

    Parameters
    ----------
    state
        The counted image; what its settings know of scale, profile and deposited sizes takes part.
    frame
        Of a stack; the first with clusters where None.
    detector
        A scan of the detector.
    others
        Further ways, such as standards.
    derived
        A given intensity of one atom that follows from these ways: it is no way of its own.

    Raises
    ------
    InputError
        Where nothing is counted.
    """
    from napari_atomicity.counting.references import compare_scales

    yield Progress(0, 3, "Reading the clusters")
    seen = CountedFrame.of(state, frame)
    remarks: list[str] = []
    own, fit = yield from own_steps(state, seen)
    references = [own, *deposited(state, seen, remarks)]
    if detector is not None:
        references.append(detector.reference(state.model_in_force.card.element, seen.outside))
        remarks += detector.seen.remarks
    yield Progress(1, 3, "Finding single atoms")
    atoms = single_atoms(state.micrograph, seen, remarks)
    references += [] if atoms is None else [atoms.reference]
    references += others
    references += given(state, derived)
    yield Progress(2, 3, "Comparing")
    remarks += undecided(fit, references)
    found = compare_scales(references)
    shares = pd.DataFrame([alone(seen, one) for one in references])
    return ScaleConsistency(state.micrograph.name, seen.frame, found, shares, atoms, tuple(remarks))
