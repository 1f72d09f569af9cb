"""Anchors: clusters whose class is nearly certain, on which a model can be tuned and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.clusters import OTHER
from napari_atomicity.counting.card import ModelCard
from napari_atomicity.counting.diameter_only import log_likelihood
from napari_atomicity.counting.holdout import fraction, mixed
from napari_atomicity.counting.prior import PriorKnowledge
from napari_atomicity.counting.sample import CERTAIN, Mask, Rows, Sample

Source = Literal["calibrated", "diameter", "annotations"]

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


def no_anchors() -> pd.DataFrame:
    """A table of anchors without rows."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in _COLUMNS.items()})


def choose_anchors(sample: Sample, sources: Sequence[Source]) -> tuple[pd.DataFrame, str]:
    """Choose the clusters of a sample whose class is nearly certain.

    A person's label wins over a computed one: a cluster that a person labelled otherwise is no anchor, whether or not
    the labels themselves are anchors. Where two computed sources disagree on a cluster, it is none either, and those
    whose label is held back to judge the result never are.

    Parameters
    ----------
    sample
        The clusters to choose among.
    sources
        What may make a class certain.

    Returns
    -------
    One row an anchor, see `Adaptation`, without the classes that have too few; and the sentence that says why these
    are not enough to tune on, empty where they are.
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
    """How many of a person's labels the calibrated image finds impossible, and how many it can judge."""
    given = _class_index(sample.annotation, sample.card)
    judged = np.flatnonzero(sample.sizeable & (given >= 0))
    chances = np.nan_to_num(sample.predictions.probabilities[judged])
    given_chance = chances[np.arange(len(judged)), given[judged]]
    wrong = (given_chance < _IMPOSSIBLE) & (chances.max(axis=1, initial=0.0) >= CERTAIN["calibrated"])
    return int(wrong.sum()), len(judged)


# ---------------------------------------------------------------------- choosing


def _joined(sample: Sample, sources: Sequence[Source]) -> tuple[Rows, npt.NDArray[np.float64], npt.NDArray[np.object_]]:
    """(n,) class index of each anchor, -1 where there is none; its probability; its source."""
    n = len(sample.table)
    label, certainty, source = np.full(n, -1), np.zeros(n), np.full(n, "", dtype=object)
    disputed = np.zeros(n, dtype=bool)
    for name in get_args(Source):
        if name not in sources or name == "annotations":
            continue
        own, chance = _calibrated(sample) if name == "calibrated" else _by_diameter(sample)
        disputed |= (label >= 0) & (own >= 0) & (label != own)
        new = (label < 0) & (own >= 0)
        label[new], certainty[new], source[new] = own[new], chance[new], name
    label[disputed] = -1
    by_hand = sample.annotation != ""
    given = _class_index(sample.annotation, sample.card)
    label[by_hand & (label != given)] = -1
    if "annotations" in sources:
        labelled = sample.sizeable & (given >= 0)
        label[labelled], certainty[labelled], source[labelled] = given[labelled], 1.0, "annotations"
    label[sample.judges] = -1
    return label, certainty, source


def _class_index(labels: npt.NDArray[np.object_], card: ModelCard) -> Rows:
    """(n,) class of each label; -1 for those that are no class of the model."""
    return pd.Index(card.labels).get_indexer(pd.Index(labels, dtype=object))


def _calibrated(sample: Sample) -> tuple[Rows, npt.NDArray[np.float64]]:
    """Class and probability where the calibrated image is nearly certain.

    Frames that cannot decide, or contradict what they were calibrated with, give no anchors.
    """
    trusted = np.zeros(len(sample.table), dtype=bool)
    for frame, rows in sample.rows_by_frame():
        calibration = sample.calibrations[frame]
        trusted[rows] = not (calibration.ambiguous or calibration.misfit)
    inside = sample.predictions.label != OTHER
    return _certain(sample.predictions.probabilities, sample.sizeable & trusted & inside, CERTAIN["calibrated"])


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
    draw = fraction(mixed(frame.astype(np.uint64), identity))
    held = np.zeros(len(label), dtype=bool)
    for index in np.unique(label):
        rows = np.flatnonzero(label == index)
        ordered = rows[np.argsort(draw[rows])]
        count = np.clip((draw[rows] < _HELD_BACK).sum(), 2, min(len(rows) // 2, _MOST_HELD_BACK))
        held[ordered[:count]] = True
    return held


# ---------------------------------------------------------------------- why not


def _problem(sample: Sample, sources: Sequence[Source], counts: Rows) -> str:
    """Why these anchors are not enough to tune on, as the rest of a sentence; empty where they are."""
    wrong, judged = contradictions(sample)
    if "annotations" in sources and wrong > max(_FEW_CONTRADICT, _MOST_CONTRADICT * judged):
        return (
            f"{wrong} of your {judged} labels contradict what shape and intensity say of these clusters; check the "
            "labels and the pixel size, or say which sizes were deposited."
        )
    frequent = counts >= LEAST_PER_CLASS
    if frequent.sum() >= 2:
        return ""
    if "calibrated" in sources and (reason := _no_calibrated_anchors(sample)):
        return reason
    given = bool((sample.annotation != "").any())
    used = [name for name in sources if given or name != "annotations"] or ["annotations"]
    how = " or ".join(_HOW[name] for name in used)
    judges = int(sample.judges.sum())
    aside = (
        f" ({judges} of your labels are held back to judge the result)" if judges and "annotations" in sources else ""
    )
    if not frequent.any():
        return (
            f"it takes {LEAST_PER_CLASS} clusters in each of two classes that are nearly certain {how}, and no class "
            f"has as many{aside}."
        )
    name, most = sample.card.labels[int(counts.argmax())], int(counts.max())
    alone = most == counts.sum()
    of = "all" if alone else f"{most} of the"
    rest = "" if alone else f", no other class has {LEAST_PER_CLASS} of them"
    return (
        f"{of} {counts.sum()} clusters whose class is nearly certain {how} are {name}{rest}, and one class alone has "
        f"nothing to teach about the differences between classes{aside}."
    )


def _no_calibrated_anchors(sample: Sample) -> str:
    """Why no frame has calibrated anchors; empty where one may have."""
    calibrations = list(sample.calibrations.values())
    if not all(fit.ambiguous or fit.misfit for fit in calibrations):
        return ""
    misfit = next((fit.misfit for fit in calibrations if fit.misfit), "")
    if misfit:
        return misfit[0].lower() + misfit[1:]
    first, second = calibrations[0].candidates[:2]
    who = "this image alone cannot" if len(calibrations) == 1 else "not even together these images can"
    return (
        f"{who} decide between {first['dominant']} ({first['probability']:.0%}) and {second['dominant']} "
        f"({second['probability']:.0%}); say which sizes were deposited, or add other images of the session."
    )
