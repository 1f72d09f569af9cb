"""Anchors: clusters whose class is nearly certain, on which a model can be tuned and checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.clusters import OTHER, ClusterTable
from napari_atomicity.counting.calibrate import calibrate_session
from napari_atomicity.counting.calibration import Calibration
from napari_atomicity.counting.card import ModelCard
from napari_atomicity.counting.diameter_only import log_likelihood
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.holdout import fraction, held_back, identities, mixed
from napari_atomicity.counting.predictions import Predictions, posterior
from napari_atomicity.counting.prior import PriorKnowledge
from napari_atomicity.errors import InputError

Source = Literal["calibrated", "diameter", "annotations"]
Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

#: a cluster is an anchor where its class is at least this probable, in the calibrated image or by diameter
CERTAIN: Final[Mapping[str, float]] = {"calibrated": 0.95, "diameter": 0.6}
LEAST_PER_CLASS: Final = 6
#: the tails of one size look like other sizes: by diameter a class counts only where it is no mere tail
_LEAST_SHARE: Final = 0.15
#: a diameter further from the class than this, in standard deviations, is of no class at all
_REACH: Final = 3.0
_HELD_BACK: Final = 1 / 3
_MOST_HELD_BACK: Final = 40
#: labels given by hand contradict the image where it finds them less probable than this and is sure of another class
_IMPOSSIBLE: Final = 0.02
_FEW_CONTRADICT: Final = 2
_MOST_CONTRADICT: Final = 1 / 3
_HOW: Final[Mapping[str, str]] = {
    "calibrated": "in the calibrated image",
    "diameter": "by diameter",
    "annotations": "by your labels",
}
_COLUMNS: Final[Mapping[str, Any]] = {
    "id": np.int64,
    "label": object,
    "diameter_nm": np.float64,
    "certainty": np.float64,
    "source": object,
    "held_back": bool,
    "low_nm": np.float64,
    "high_nm": np.float64,
    "frame": np.int64,
}


@dataclass(frozen=True, eq=False)
class Sample:
    """The clusters of one or several frames, pooled, and what their calibration makes of them.

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
        (n,) clusters that a person labelled and that are held back from every tuning, to judge it.
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
    ) -> Sample:
        """Calibrate the frames together; `identity` as by `holdout.identities`, of frame and id where None.

        Raises
        ------
        InputError
            Where no cluster can be sized, or `known` fits neither the model nor the frames.
        """
        sizeable = sizeable_rows(table, evidence)
        present = np.unique(frames[sizeable])
        facts = _by_frame(known, present)
        lots = [np.flatnonzero(frames == frame) for frame in present]
        found = calibrate_session(
            [evidence.take(rows) for rows in lots],
            [facts[int(frame)] for frame in present],
            [sizeable[rows] for rows in lots],
        )
        calibrations = {int(frame): one for frame, one in zip(present, found, strict=True)}
        if identity is None:
            identity = identities("", frames, table.ids)
        judges = held_back(table.rows["annotation"].to_numpy(dtype=object), identity)
        predictions = predictions_of(evidence, lots, found)
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
        return np.where(self.annotation != "", self.annotation, np.where(sure, self.predictions.label, ""))


def sizeable_rows(table: ClusterTable, evidence: Evidence) -> Mask:
    """(n,) clusters that are whole, alone and measured."""
    whole = table.rows["flag"].isin(["ok", "outside"]).to_numpy()
    return np.asarray(evidence.valid & np.isfinite(evidence.log_integral) & whole)


def no_anchors() -> pd.DataFrame:
    """A table of anchors without rows."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in _COLUMNS.items()})


def choose_anchors(sample: Sample, sources: Sequence[Source]) -> tuple[pd.DataFrame, str]:
    """The anchors of a sample, and the sentence that says why they do not do (empty where they do).

    A person's label wins over a computed one: a cluster that a person labelled otherwise is no anchor, whether or not
    the labels themselves are anchors. Where two computed sources disagree on a cluster, it is none either, and those
    whose label is held back to judge the result never are.

    Returns
    -------
    One row an anchor, see `Adaptation`; classes with too few anchors are left out.
    """
    label, certainty, source = _joined(sample, sources)
    chosen = np.flatnonzero(label >= 0)
    counts = np.bincount(label[chosen], minlength=len(sample.card.class_sizes))
    frequent = counts >= LEAST_PER_CLASS
    rows = chosen[frequent[label[chosen]]]
    anchors = pd.DataFrame(
        {
            "id": sample.table.ids[rows],
            "label": np.array(sample.card.labels, dtype=object)[label[rows]],
            "diameter_nm": sample.diameter_nm[rows],
            "certainty": certainty[rows],
            "source": source[rows],
            "held_back": _held_back(label[rows], sample.frames[rows], sample.table.ids[rows]),
        }
    )
    spans = anchors.groupby("label")["diameter_nm"]
    anchors["low_nm"], anchors["high_nm"] = spans.transform("min"), spans.transform("max")
    anchors["frame"] = sample.frames[rows]
    return anchors.astype(dict(_COLUMNS)), _problem(sample, sources, counts)


def contradictions(sample: Sample) -> tuple[int, int]:
    """How many of a person's labels the calibrated image holds for impossible, and how many it can judge."""
    given = _class_index(sample.annotation, sample.card)
    judged = np.flatnonzero(sample.sizeable & (given >= 0))
    chances = np.nan_to_num(sample.predictions.probabilities[judged])
    given_chance = chances[np.arange(len(judged)), given[judged]]
    wrong = (given_chance < _IMPOSSIBLE) & (chances.max(axis=1, initial=0.0) >= CERTAIN["calibrated"])
    return int(wrong.sum()), len(judged)


# ---------------------------------------------------------------------- reading a sample


def _by_frame(known: PriorKnowledge | Sequence[PriorKnowledge] | None, present: Rows) -> dict[int, PriorKnowledge]:
    if known is None or isinstance(known, PriorKnowledge):
        return {int(frame): known or PriorKnowledge() for frame in present}
    if len(present) and not 0 <= present.min() <= present.max() < len(known):
        raise InputError(
            f"What is known is told for {len(known)} frames, but there is a frame {present.max()}; "
            "give one entry a frame, or one for all."
        )
    return {int(frame): known[frame] for frame in present}


def predictions_of(evidence: Evidence, lots: Sequence[Rows], found: Sequence[Calibration | None]) -> Predictions:
    """Of all rows in `lots`, each with its calibration, or by shape alone where that is None; the others stay empty."""
    blank = posterior(evidence.take(np.zeros(0, dtype=np.int64)), None)
    whole = {name: np.full((len(evidence), *getattr(blank, name).shape[1:]), np.nan) for name in _NUMBERS}
    label = np.full(len(evidence), "", dtype=object)
    for rows, calibration in zip(lots, found, strict=True):
        part = posterior(evidence.take(rows), calibration)
        label[rows] = part.label
        for name, values in whole.items():
            values[rows] = getattr(part, name)
    return Predictions(class_sizes=evidence.card.class_sizes, label=label, **whole)


_NUMBERS: Final = ("probabilities", "outside", "confidence", "n_atoms", "n_atoms_sd")


# ---------------------------------------------------------------------- choosing


def _joined(sample: Sample, sources: Sequence[Source]) -> tuple[Rows, npt.NDArray[np.float64], npt.NDArray[np.object_]]:
    """(n,) class index of each anchor, -1 where there is none; its probability; its source."""
    n = len(sample.table)
    label, certainty, source = np.full(n, -1), np.zeros(n), np.full(n, "", dtype=object)
    torn = np.zeros(n, dtype=bool)
    for name in get_args(Source):
        if name not in sources or name == "annotations":
            continue
        own, chance = _calibrated(sample) if name == "calibrated" else _by_diameter(sample)
        torn |= (label >= 0) & (own >= 0) & (label != own)
        fresh = (label < 0) & (own >= 0)
        label[fresh], certainty[fresh], source[fresh] = own[fresh], chance[fresh], name
    label[torn] = -1
    by_hand = sample.annotation != ""
    given = _class_index(sample.annotation, sample.card)
    label[by_hand & (label != given)] = -1
    if "annotations" in sources:
        mine = sample.sizeable & (given >= 0)
        label[mine], certainty[mine], source[mine] = given[mine], 1.0, "annotations"
    label[sample.judges] = -1
    return label, certainty, source


def _class_index(labels: npt.NDArray[np.object_], card: ModelCard) -> Rows:
    """(n,) class of each label; -1 for those that are no class of the model."""
    return pd.Index(card.labels).get_indexer(pd.Index(labels, dtype=object))


def _calibrated(sample: Sample) -> tuple[Rows, npt.NDArray[np.float64]]:
    """Class and probability where the calibrated image is nearly certain.

    Frames that cannot decide, or contradict what they were calibrated with, have no say.
    """
    speaks = np.zeros(len(sample.table), dtype=bool)
    for frame, rows in sample.rows_by_frame():
        calibration = sample.calibrations[frame]
        speaks[rows] = not (calibration.ambiguous or calibration.misfit)
    inside = sample.predictions.label != OTHER
    return _certain(sample.predictions.probabilities, sample.sizeable & speaks & inside, CERTAIN["calibrated"])


def _certain(
    probabilities: npt.NDArray[np.float64], eligible: Mask, least: float
) -> tuple[Rows, npt.NDArray[np.float64]]:
    chances = np.where(eligible[:, None], np.nan_to_num(probabilities), 0.0)
    best = chances.max(axis=1)
    return np.where(best >= least, chances.argmax(axis=1), -1), best


def _by_diameter(sample: Sample) -> tuple[Rows, npt.NDArray[np.float64]]:
    """Class and probability where the library gives a diameter to one class, all deposited ones equally likely.

    Blur and flatness widen all clusters alike: that shift is the one that explains all diameters best. Frames taken
    under the same settings share it, for a frame with a shift of its own could be taken whole for its neighbour.
    """
    card, n = sample.card, len(sample.table)
    usable = sample.sizeable & ~np.isnan(log_likelihood(sample.diameter_nm, card).sum(axis=1))
    if not usable.any():
        return np.full(n, -1), np.zeros(n)
    mean, sd = np.array([card.diameter_nm[str(size)] for size in card.class_sizes]).T
    within = np.sqrt(sd**2 - min(card.diameter_frame_sd, 0.95 * float(sd.min())) ** 2)
    expected = np.array([_deposited(sample.known[frame], card) for frame in sample.frames[usable]])
    steps = np.linspace(-2.5, 2.5, 21)
    shift = card.diameter_frame_sd * steps
    z = (np.log(sample.diameter_nm[usable])[None, :, None] - mean - shift[:, None, None]) / within
    likelihood = expected * (np.exp(-0.5 * np.minimum(z**2, 1000.0)) / within + 1e-12)
    fit = np.log(likelihood.sum(axis=2)).sum(axis=1) - 0.5 * steps**2
    best = int(fit.argmax())
    chances = np.zeros((n, len(mean)))
    reached = np.abs(z[best]) < _REACH
    chances[usable] = np.where(reached, likelihood[best] / likelihood[best].sum(axis=1, keepdims=True), 0.0)
    label, chance = _certain(chances, usable, CERTAIN["diameter"])
    counts = np.bincount(label[label >= 0], minlength=len(mean))
    mere_tail = counts < _LEAST_SHARE * counts.sum()
    return np.where((label >= 0) & ~mere_tail[label], label, -1), chance


def _deposited(known: PriorKnowledge, card: ModelCard) -> npt.NDArray[np.float64]:
    """(classes,) share of each class beforehand: those deposited alike, all alike where that is not known."""
    present = np.isin(card.class_sizes, known.deposited) if known.deposited else np.ones(len(card.class_sizes))
    return np.asarray(present / present.sum())


def _held_back(label: Rows, frame: Rows, identity: Rows) -> Mask:
    """A third of each class, at least two, to check on: a cluster is always held back or never, whatever the seed."""
    place = fraction(mixed(frame.astype(np.uint64), identity))
    held = np.zeros(len(label), dtype=bool)
    for value in np.unique(label):
        rows = np.flatnonzero(label == value)
        ordered = rows[np.argsort(place[rows])]
        count = np.clip((place[rows] < _HELD_BACK).sum(), 2, min(len(rows) // 2, _MOST_HELD_BACK))
        held[ordered[:count]] = True
    return held


# ---------------------------------------------------------------------- why not


def _problem(sample: Sample, sources: Sequence[Source], counts: Rows) -> str:
    wrong, judged = contradictions(sample)
    if "annotations" in sources and wrong > max(_FEW_CONTRADICT, _MOST_CONTRADICT * judged):
        return (
            f"{wrong} of your {judged} labels contradict what shape and intensity say of these clusters; check the "
            "labels and the pixel size, or say which sizes were deposited."
        )
    frequent = counts >= LEAST_PER_CLASS
    if frequent.sum() >= 2:
        return ""
    if "calibrated" in sources and (reason := _all_silent(sample)):
        return reason
    given = bool((sample.annotation != "").any())
    spoken = [name for name in sources if given or name != "annotations"] or ["annotations"]
    how = " or ".join(_HOW[name] for name in spoken)
    kept = int(sample.judges.sum())
    aside = f" ({kept} of your labels are held back to judge the result)" if kept and "annotations" in sources else ""
    if not frequent.any():
        return (
            f"it takes {LEAST_PER_CLASS} clusters in each of two classes that are nearly certain {how}, and no class "
            f"has as many{aside}."
        )
    name, most = sample.card.labels[int(counts.argmax())], int(counts.max())
    of = "all" if most == counts.sum() else f"{most} of the"
    return (
        f"{of} {counts.sum()} clusters whose class is nearly certain {how} are {name}, and one class alone has nothing "
        f"to teach about the differences between classes{aside}."
    )


def _all_silent(sample: Sample) -> str:
    """Why no frame has calibrated anchors; empty where one may have."""
    found = list(sample.calibrations.values())
    if not all(one.ambiguous or one.misfit for one in found):
        return ""
    misfit = next((one.misfit for one in found if one.misfit), "")
    if misfit:
        return misfit[0].lower() + misfit[1:]
    first, second = found[0].candidates[:2]
    who = "this image alone cannot" if len(found) == 1 else "not even together these images can"
    return (
        f"{who} decide between {first['dominant']} ({first['probability']:.0%}) and {second['dominant']} "
        f"({second['probability']:.0%}); say which sizes were deposited, or add other images of the session."
    )
