"""The clusters of the frames that a model is adapted to: their calibration, their labels, and which of them count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.counting.calibrate import calibrate_frames
from napari_atomicity.counting.calibration import Calibration
from napari_atomicity.counting.card import ModelCard
from napari_atomicity.counting.diameter_only import relative_log_likelihood
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.holdout import held_back, identities
from napari_atomicity.counting.predictions import Predictions, posterior
from napari_atomicity.counting.prior import PriorKnowledge
from napari_atomicity.errors import InputError

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

#: a cluster is an anchor where its class is at least this probable, in the calibrated image or by diameter
CERTAIN: Final[Mapping[str, float]] = {"calibrated": 0.95, "diameter": 0.6}
_NUMBERS: Final = ("probabilities", "outside", "confidence", "n_atoms", "n_atoms_sd")


@dataclass(frozen=True, eq=False)
class Sample:
    """The clusters of one or several frames, pooled, with their calibration and labels.

    Attributes
    ----------
    table, evidence
        Row by row of the same clusters.
    frames
        (n,) frame of each row.
    sizeable
        (n,) whether shape and integral are those of one whole cluster.
    known, calibrations
        By frame; calibrations only of frames with a sizeable cluster.
    predictions
        Of the calibrated frames.
    judges
        (n,) clusters whose label by a person is held back from every tuning, to judge its result.
    """

    table: ClusterTable
    evidence: Evidence
    frames: Rows
    sizeable: Mask
    known: Mapping[int, PriorKnowledge]
    calibrations: Mapping[int, Calibration]
    predictions: Predictions
    judges: Mask

    @classmethod
    def read(
        cls,
        table: ClusterTable,
        evidence: Evidence,
        frames: Rows,
        known: PriorKnowledge | Sequence[PriorKnowledge] | None,
        identity: npt.NDArray[np.uint64] | None = None,
        in_force: Mapping[int, Calibration] | None = None,
        by_diameter: bool = False,
    ) -> Sample:
        """Calibrate the frames together and label their clusters.

        Parameters
        ----------
        table, evidence
            Row by row of the same n clusters.
        frames
            (n,) frame of each row.
        known
            What is known beforehand, of all frames alike or one entry a frame, by its number.
        identity
            (n,) as by `holdout.identities`; of frame and id where None.
        in_force
            Calibrations that the labels rest on, by number of the frame; frames are calibrated here where None.
        by_diameter
            Whether the diameters tell the scale then, and not what the model has learnt.

        Raises
        ------
        InputError
            Where no cluster can be sized, or `known` fits neither the model nor the frames.
        """
        sizeable = sizeable_rows(table, evidence)
        present = np.unique(frames[sizeable])
        facts = _by_frame(known, present)
        groups = [np.flatnonzero(frames == frame) for frame in present]
        if in_force is not None and all(int(frame) in in_force for frame in present):
            fits = [in_force[int(frame)] for frame in present]
        else:
            diameter = table.rows["diameter_nm"].to_numpy(dtype=np.float64)
            fits = calibrate_frames(
                [evidence.take(rows) for rows in groups],
                [facts[int(frame)] for frame in present],
                [sizeable[rows] for rows in groups],
                [relative_log_likelihood(diameter[rows], evidence.card) for rows in groups] if by_diameter else None,
            )
        calibrations = {int(frame): fit for frame, fit in zip(present, fits, strict=True)}
        if identity is None:
            identity = identities("", frames, table.ids)
        judges = held_back(table.rows["annotation"].to_numpy(dtype=object), identity)
        predictions = predictions_of(evidence, groups, fits)
        return cls(table, evidence, frames, sizeable, facts, calibrations, predictions, judges)

    @property
    def card(self) -> ModelCard:
        """Of the model that is to be tuned."""
        return self.evidence.card

    @property
    def annotation(self) -> npt.NDArray[np.object_]:
        """(n,) labels that a person gave, empty where none."""
        return self.table.rows["annotation"].to_numpy(dtype=object)

    @property
    def diameter_nm(self) -> npt.NDArray[np.float64]:
        """(n,) as the detector measured them."""
        return self.table.rows["diameter_nm"].to_numpy(dtype=np.float64)

    def rows_by_frame(self) -> Iterator[tuple[int, Rows]]:
        """Each calibrated frame with its rows."""
        for frame in self.calibrations:
            yield frame, np.flatnonzero(self.frames == frame)

    def certain_labels(self) -> npt.NDArray[np.object_]:
        """(n,) a person's label, else that of the calibrated image where it is nearly certain, else empty."""
        sure = self.sizeable & (np.nan_to_num(self.predictions.confidence) >= CERTAIN["calibrated"])
        return np.where(self.table.labelled, self.annotation, np.where(sure, self.predictions.label, ""))


def sizeable_rows(table: ClusterTable, evidence: Evidence) -> Mask:
    """Find the clusters whose shape and integral are those of one whole cluster.

    Parameters
    ----------
    table, evidence
        Row by row of the same n clusters.

    Returns
    -------
    (n,) whether a cluster is whole, alone and measured.
    """
    return np.asarray(evidence.valid & np.isfinite(evidence.log_integral) & table.sizeable)


def predictions_of(
    evidence: Evidence, groups: Sequence[Rows], calibrations: Sequence[Calibration | None]
) -> Predictions:
    """Label groups of clusters, each at its own calibration.

    Parameters
    ----------
    evidence
        Of n clusters.
    groups
        Rows of each group; rows that are in none stay empty.
    calibrations
        Of each group; shape alone labels one that has None.

    Returns
    -------
    Of all n clusters.
    """
    blank = posterior(evidence.take(np.zeros(0, dtype=np.int64)), None)
    whole = {name: np.full((len(evidence), *getattr(blank, name).shape[1:]), np.nan) for name in _NUMBERS}
    label = np.full(len(evidence), "", dtype=object)
    for rows, calibration in zip(groups, calibrations, strict=True):
        predictions = posterior(evidence.take(rows), calibration)
        label[rows] = predictions.label
        for name, values in whole.items():
            values[rows] = getattr(predictions, name)
    return Predictions(class_sizes=evidence.card.class_sizes, label=label, **whole)


def _by_frame(known: PriorKnowledge | Sequence[PriorKnowledge] | None, present: Rows) -> dict[int, PriorKnowledge]:
    if known is None or isinstance(known, PriorKnowledge):
        return {int(frame): known or PriorKnowledge() for frame in present}
    if len(present) and not 0 <= present.min() <= present.max() < len(known):
        raise InputError(
            f"What is known is told for {len(known)} frames, but there is a frame {present.max()}; "
            "give one entry a frame, or one for all."
        )
    return {int(frame): known[frame] for frame in present}
