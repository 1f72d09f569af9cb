"""What a person must read before using the labels of a count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from napari_atomicity.clusters import ClusterTable, atoms_of

if TYPE_CHECKING:
    from napari_atomicity.counting.calibration import Calibration
    from napari_atomicity.pipeline.counting import Count

#: so few clusters outside the classes say nothing about the image
_FEW: Final = 5


def remarks(classified: Count) -> tuple[str, ...]:
    """Sentences that a person must read before using the labels: what is undecided, and what does not fit."""
    sentences = []
    for frame, calibration in classified.calibrations.items():
        where = f"Frame {frame}: " if len(classified.calibrations) > 1 else ""
        if calibration.ambiguous:
            sentences.append(f"{where}{_undecided(calibration)}")
        if calibration.misfit:
            sentences.append(f"{where}{calibration.misfit}")
    if not any(calibration.misfit for calibration in classified.calibrations.values()):
        scaled = any(known.intensity_per_atom is not None for known in classified.known.values())
        sentences += _strange(classified.table, "the scale and the pixel size" if scaled else "the pixel size")
    return tuple(sentences)


def open_labels(calibrations: Mapping[int, Calibration]) -> tuple[str, ...]:
    """Labels between which some frame cannot decide, smallest first; empty where all can, or a person has chosen."""
    open_frames = (fit for fit in calibrations.values() if fit.ambiguous)
    labels = {str(candidate["dominant"]) for fit in open_frames for candidate in fit.candidates}
    return tuple(sorted(labels, key=lambda label: (atoms_of(label) or 0, label)))


def _strange(table: ClusterTable, doubtful: str) -> list[str]:
    """A sentence where most clusters are none of the classes."""
    n_sized = int(table.sizeable.sum())
    n_strange = int((table.rows["flag"] == "outside").sum())
    if n_strange <= max(_FEW, n_sized / 2):
        return []
    classes = ", ".join(str(size) for size in table.class_sizes)
    return [
        f"{n_strange} of {n_sized} clusters look like none of the sizes that the model knows ({classes} atoms); "
        f"check {doubtful}, or use a model of other sizes."
    ]


def _undecided(calibration: Calibration) -> str:
    chances = [f"{candidate['dominant']} ({candidate['probability']:.0%})" for candidate in calibration.candidates]
    return (
        f"The image cannot decide whether most clusters are {', '.join(chances[:-1])} or {chances[-1]}. To settle it, "
        "say which sizes were deposited, or count it in one session with a reference or with images of other sizes."
    )
