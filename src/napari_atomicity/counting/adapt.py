"""Fine-tuning a copy of a model to one image or session in seconds, and refusing where that would not help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.clusters import OTHER, ClusterTable
from napari_atomicity.counting.anchors import Source, choose_anchors, contradictions, no_anchors
from napari_atomicity.counting.bundle import Bundle
from napari_atomicity.counting.calibrate import calibrate_frame, calibration_at
from napari_atomicity.counting.calibration import Calibration
from napari_atomicity.counting.classify import look_steps
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.holdout import Judgement
from napari_atomicity.counting.patches import Patches
from napari_atomicity.counting.prior import PriorKnowledge
from napari_atomicity.counting.sample import Mask, Rows, Sample, predictions_of, sizeable_rows
from napari_atomicity.counting.silhouette import silhouette
from napari_atomicity.counting.tuning import STEPS, Tuning
from napari_atomicity.errors import InputError
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.threads import steps_on_one_thread_each

Mode = Literal["auto", "diameter", "off"]

#: where the anchors of a mode come from, unless that is chosen
SOURCES: Final[dict[str, tuple[Source, ...]]] = {
    "auto": ("calibrated", "annotations"),
    "diameter": ("diameter",),
    "off": (),
}
#: accepted where the clusters that were not tuned on become likelier by this, in mean log-likelihood: with a hundred
#: clusters a smaller gain is chance, and on simulated frames it left the labels no better
_LEAST_GAIN: Final = 0.05
_ANCHOR_WORDS: Final = {
    "calibrated": "anchors from the calibration",
    "diameter": "anchors by diameter",
    "annotations": "anchors labelled by hand",
}
_STAYS: Final = "The model stays as it was: "
_NO_SCALE: Final = "these clusters were counted by an earlier version, which knew no scale; count them again."


@dataclass(frozen=True, eq=False)
class Adaptation:
    """The result of adapting a model.

    Attributes
    ----------
    bundle
        The adapted model, or the base where it was not accepted.
    accepted
        Whether the adapted model is better on clusters that it was not tuned on.
    reason
        One sentence: what was done, or why nothing was.
    anchors
        One row an anchor: id, label, diameter_nm, certainty (probability of the label), source (calibrated, diameter
        or annotations), held_back; low_nm and high_nm, the range of diameters of the anchors of this label; frame.
    before, after
        How the base and the tuned model do on clusters that were not tuned on: right (share of the held-back
        anchors with the anchor's label), loss (mean negative log-probability of that label), anchors
        (their number), log_likelihood (mean of a cluster, shape and integral, at the same scale); and the silhouette
        of the features over the labels of all certain clusters (nan where there is one label). Empty where nothing
        was tuned.
    evidence
        Of the adapted model, of all clusters; None where it was not accepted.
    judgement
        How many labels of a person are right before and after, of those held back from tuning, from stopping it and
        from accepting it; None where nothing was tuned.
    """

    bundle: Bundle
    accepted: bool
    reason: str
    anchors: pd.DataFrame
    before: dict[str, float]
    after: dict[str, float]
    evidence: Evidence | None = None
    judgement: Judgement | None = None


@steps_on_one_thread_each
def adapt_steps(
    bundle: Bundle,
    patches: Patches,
    table: ClusterTable,
    evidence: Evidence,
    mode: Mode = "auto",
    seed: int = 0,
    known: PriorKnowledge | Sequence[PriorKnowledge] | None = None,
    sources: Sequence[Source] = (),
    frames: Rows | None = None,
    identity: npt.NDArray[np.uint64] | None = None,
    calibrations: Mapping[int, Calibration] | None = None,
) -> Steps[Adaptation]:
    """Fine-tune a copy of `bundle` on clusters whose class is nearly certain.

    Only the affine pairs of the normalisations and the class heads move. A few patches of the training library are
    rehearsed in every step, so that counts and classes of these stay where they were. A third
    of the anchors is held back and decides when to stop. The result is accepted where it is better on these, and the
    clusters that it was not tuned on become likelier. A quarter of the labels that a person gave takes part in none of
    this: they tell whether it helped.

    Parameters
    ----------
    bundle
        Stays as it is, whatever happens.
    patches, table, evidence
        Of the same clusters, row by row; those of several frames one after the other. The evidence was looked at with
        the scale of each frame.
    mode
        ``auto``: anchors are clusters of which the calibrated image is nearly certain, and those that a person
        labelled. ``diameter``: clusters in the ranges of diameters that the library gives to one class, as in
        Tsukamoto et al., npj Comput. Mater. 12, 143 (2026). ``off``: nothing is done.
    seed
        Decides the order of the steps; the same seed gives the same model.
    known
        What is known beforehand, of all frames alike or one entry a frame, by its number in `frames`.
    sources
        Where the anchors come from, any mix; those of the mode where empty.
    frames
        (n,) frame of each row, of frames taken under the same settings; one frame where None.
    identity
        (n,) as by `holdout.identities`: decides which of a person's labels are held back; of frame and id where None.
    calibrations
        That the labels in force rest on, by number of the frame; anchors are chosen by them. Found here where None.

    Raises
    ------
    InputError
        For an unknown mode or source, or inputs that do not belong together.
    """
    _check(patches, table, evidence, mode, sources, frames)
    yield Progress(0, STEPS, "Choosing anchors")
    chosen = tuple(sources) or SOURCES[mode]
    refusal = _refusal(bundle, table, sizeable_rows(table, evidence), mode, chosen)
    if refusal:
        return Adaptation(bundle, False, refusal, no_anchors(), {}, {})
    frame = np.zeros(len(table), dtype=np.int64) if frames is None else np.asarray(frames)
    sample = Sample.read(table, evidence, frame, known, identity, calibrations, chosen == ("diameter",))
    anchors, problem = choose_anchors(sample, chosen)
    if problem:
        return Adaptation(bundle, False, _STAYS + problem, anchors, {}, {})
    if evidence.log_scale is None or evidence.shift is None:
        return Adaptation(bundle, False, _STAYS + _NO_SCALE, anchors, {}, {})
    yield Progress(0, STEPS, "Fine-tuning")
    rows = sample.table.rows_of(anchors["id"])
    tuning = Tuning(bundle, patches, evidence.log_scale + evidence.shift, rows, anchors, seed)
    yield from tuning.steps()
    tuned = replace(bundle, network=tuning.network, shipped=bundle.shipped or bundle.network)
    again = evidence
    if tuning.moved:
        again = yield from look_steps(tuned, patches, evidence.free, evidence.log_scale, evidence.shift)
    yield Progress(STEPS, STEPS, "Weighing the result")
    untuned = sample.sizeable.copy()
    untuned[rows[~anchors["held_back"].to_numpy()]] = False
    before = tuning.before | _scores(evidence, sample, untuned)
    after = tuning.after | _scores(again, sample, untuned)
    reason, accepted = _verdict(anchors, before, after)
    if "annotations" in chosen:
        reason += _contradiction_words(*contradictions(sample))
    judgement = _judgement(sample, again)
    if not accepted:
        return Adaptation(bundle, False, f"{reason}.", anchors, before, after, judgement=judgement)
    entry = f"{mode}: {_anchor_words(anchors)}, seed {seed}"
    card = replace(bundle.card, history=(*bundle.card.history, entry))
    again = replace(again, card=card)
    return Adaptation(replace(tuned, card=card), True, f"{reason}.", anchors, before, after, again, judgement)


def _check(
    patches: Patches,
    table: ClusterTable,
    evidence: Evidence,
    mode: str,
    sources: Sequence[str],
    frames: Rows | None,
) -> None:
    if mode not in get_args(Mode):
        raise InputError(f"There is no adaptation {mode!r}; choose {', '.join(get_args(Mode))}.")
    unknown = set(sources) - set(get_args(Source))
    if unknown:
        raise InputError(f"There are no anchors {unknown.pop()!r}; choose among {', '.join(get_args(Source))}.")
    if not len(patches) == len(table) == len(evidence) or (frames is not None and len(frames) != len(table)):
        raise InputError("Patches, table, evidence and frames are not of the same clusters; classify again.")


def _refusal(bundle: Bundle, table: ClusterTable, sizeable: Mask, mode: str, sources: Sequence[Source]) -> str:
    """Why no model can be tuned here, in a sentence; empty where one can."""
    card = bundle.card
    if mode == "off":
        return "Adaptation is switched off."
    if not len(table):
        return _STAYS + "there is no cluster to tune it on; detect clusters first."
    if not sizeable.any():
        return _STAYS + "no cluster of this image can be sized (all are cut off, touching or saturated)."
    if not len(bundle.rehearsal.get("raw", ())):
        return _STAYS + (
            f"{card.name!r} carries no patches of its training to rehearse, without which it would forget the classes "
            "that this image lacks; use another model or train it again."
        )
    if "diameter" in sources and set(card.diameter_nm) != {str(n) for n in card.class_sizes}:
        return _STAYS + f"{card.name!r} knows no diameters of its classes; choose other anchors or another model."
    return ""


# ---------------------------------------------------------------------- whether it is better


def _scores(evidence: Evidence, sample: Sample, untuned: Mask) -> dict[str, float]:
    """How well a model separates the labels, and how well it fits the clusters that were not tuned on."""
    labels = sample.certain_labels()
    named = ~np.isin(labels, ["", OTHER])
    return {
        "silhouette": silhouette(evidence.features[named], labels[named]),
        "log_likelihood": _log_likelihood(evidence, sample, untuned),
    }


def _log_likelihood(evidence: Evidence, sample: Sample, untuned: Mask) -> float:
    """Mean log-likelihood of the `untuned` clusters, shape and integral together.

    Anchors can be wrong and still be learnt; a model that has learnt something wrong no longer fits the intensities at
    the scale found before.
    """
    # here the tuned model itself is judged, and the scale network knows only the features of the one as shipped
    plain = replace(evidence, scale_network=None, scale_free=None)
    total, count = 0.0, 0
    for frame, rows in sample.rows_by_frame():
        if not untuned[rows].any():
            continue
        before, known = sample.calibrations[frame], sample.known[frame]
        if before.ambiguous:
            fit = calibrate_frame(plain.take(rows), known, untuned[rows])
        else:
            judged = rows[untuned[rows]]
            fit = calibration_at(plain.take(judged), before.log_scale, before.weight, len(judged), known)
        total += fit.log_evidence * fit.clusters
        count += fit.clusters
    return total / count


def _judgement(sample: Sample, after: Evidence) -> Judgement:
    """The labels that were held back, beside those that both models give at the calibrations in force."""
    frames = np.unique(sample.frames)
    groups = [np.flatnonzero(sample.frames == frame) for frame in frames]
    calibrations = [sample.calibrations.get(int(frame)) for frame in frames]
    labels = [predictions_of(evidence, groups, calibrations).label for evidence in (sample.evidence, after)]
    return Judgement.of(sample.annotation, sample.judges, *labels)


def _verdict(anchors: pd.DataFrame, before: dict[str, float], after: dict[str, float]) -> tuple[str, bool]:
    """The sentence, without its full stop, and whether the tuned model is better."""
    gain = after["log_likelihood"] - before["log_likelihood"]
    held = f"the {before['anchors']:.0f} held back"
    right = f"{before['right']:.0%} were right before, {after['right']:.0%} after"
    likelier = f"the mean log-likelihood of the clusters not tuned on changed by {gain:+.2f}"
    # one anchor more or less is chance
    if after["loss"] >= before["loss"] or (before["right"] - after["right"]) * after["anchors"] > 1.5:
        return f"{_STAYS}tuned on {_anchor_words(anchors)} it does no better on {held} ({right})", False
    if gain < _LEAST_GAIN:
        doubt = f"{likelier}; of {held} {right}"
        return f"{_STAYS}tuned on {_anchor_words(anchors)} it does not fit the image better ({doubt})", False
    return f"Tuned on {_anchor_words(anchors)}: of {held} {right}; {likelier}", True


def _anchor_words(anchors: pd.DataFrame) -> str:
    """How many anchors were tuned on, by their source."""
    source = anchors["source"][~anchors["held_back"]]
    return " and ".join(
        f"{(source == name).sum()} {kind}" for name, kind in _ANCHOR_WORDS.items() if (source == name).any()
    )


def _contradiction_words(wrong: int, judged: int) -> str:
    if not wrong:
        return ""
    return f"; {wrong} of the {judged} labels given by hand contradict shape and intensity"
