"""Fine-tuning a copy of a model to one image in seconds, and refusing where that would not help."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.counting.bundle import Bundle, Card
from napari_atomicity.counting.calibrate import Calibration, Known, calibrate, posterior
from napari_atomicity.counting.classify import Evidence, evidence_steps
from napari_atomicity.counting.diameter_only import log_likelihood
from napari_atomicity.counting.patches import Patches, network_input
from napari_atomicity.errors import InputError
from napari_atomicity.progress import Progress, Steps

if TYPE_CHECKING:
    import torch

    from napari_atomicity.counting.network import Network, Outputs

Mode = Literal["auto", "diameter", "off"]

#: a cluster is an anchor where its class is at least this probable, by diameter or by the calibrated image
CERTAIN: Final[dict[str, float]] = {"diameter": 0.6, "auto": 0.95}
_LEAST_PER_CLASS: Final = 6
_LEAST_SHARE: Final = 0.15
_HELD_BACK: Final = 0.33
_STEPS: Final = 90
_CHECK_EVERY: Final = 6
_PATIENCE: Final = 5
_ANCHORS_A_STEP: Final = 24
_REHEARSED_A_STEP: Final = 8
_LEARNING_RATE: Final = 4e-3
#: accepted where the image and, weighed less because they are few and can be wrong, the held-back anchors become
#: likelier by this in all, in mean log-likelihood
_LEAST_GAIN: Final = 0.02
_WEIGHT_OF_ANCHORS: Final = 0.25


@dataclass(frozen=True, eq=False)
class Adaptation:
    """What came of adapting a model to an image.

    Attributes
    ----------
    bundle
        The adapted model, or the base where it was not accepted.
    accepted
        Whether the adapted model is better on anchors that it was not tuned on.
    reason
        One sentence: what was done, or why nothing was.
    anchors
        One row an anchor: id, label, diameter_nm, certainty (probability of the label), held_back; low_nm and
        high_nm, the range of diameters of the anchors of this label.
    before, after
        Scores on the held-back anchors: right (share with the anchor's label), loss (mean negative log-probability
        of that label), anchors (number). Empty where there was nothing to score.
    """

    bundle: Bundle
    accepted: bool
    reason: str
    anchors: pd.DataFrame
    before: dict[str, float]
    after: dict[str, float]


def adapt_steps(
    bundle: Bundle,
    patches: Patches,
    table: ClusterTable,
    evidence: Evidence,
    mode: Mode = "diameter",
    seed: int = 0,
    known: Known | None = None,
) -> Steps[Adaptation]:
    """Fine-tune a copy of `bundle` on clusters of this image whose class is nearly certain.

    Only the affine pairs of the normalisations and the class heads move. A few patches of the training library are
    rehearsed in every step, and what the model says about integral, count and outsiders is held where it was. A third
    of the anchors is held back and decides when to stop. The result is accepted where it is no worse on these and the
    whole image becomes likelier.

    Parameters
    ----------
    bundle
        Stays as it is, whatever happens.
    patches, table, evidence
        Of the same clusters, row by row.
    mode
        ``diameter``: anchors are clusters in the ranges of diameters that the library gives to one class, as in
        Tsukamoto et al., npj Comput. Mater. 12, 143 (2026). ``auto``: anchors are clusters of which the calibrated
        image is nearly certain. ``off``: nothing is done.
    seed
        Decides which anchors are held back and the order of the steps; the same seed gives the same model.
    known
        What is known about the sample beforehand; for ``auto``.

    Raises
    ------
    InputError
        For an unknown mode, or inputs that do not belong together.
    """
    if mode not in get_args(Mode):
        raise InputError(f"There is no adaptation {mode!r}; choose {', '.join(get_args(Mode))}.")
    if not len(patches) == len(table) == len(evidence):
        raise InputError("Patches, table and evidence are not of the same clusters; classify again.")
    yield Progress(0, _STEPS, "Choosing anchors")
    if mode == "off":
        return _unchanged(bundle, "Adaptation is switched off.", _no_anchors())
    anchors, problem = _anchors(bundle.card, table, evidence, mode, known, seed)
    if problem:
        return _unchanged(bundle, problem, anchors)
    rows = pd.Index(table.ids).get_indexer(pd.Index(anchors["id"]))
    tuning = _Tuning(bundle, patches.take(rows), anchors, seed)
    yield from tuning.steps()
    before, after = tuning.before, tuning.after
    tuned = replace(bundle, network=tuning.network)
    gain = yield from _gain_steps(tuned, patches, evidence, _sizeable(table, evidence), known)
    in_all = gain + _WEIGHT_OF_ANCHORS * (before["loss"] - after["loss"])
    if in_all < _LEAST_GAIN or after["right"] + 1.5 / after["anchors"] < before["right"]:
        reason = (
            f"The model stays as it was: tuned on {len(anchors)} anchors it would not be better (of "
            f"{before['anchors']:.0f} held back {before['right']:.0%} were right before, {after['right']:.0%} after; "
            f"the mean log-likelihood of all clusters changed by {gain:+.2f})."
        )
        return Adaptation(bundle, False, reason, anchors, before, after)
    reason = (
        f"Tuned on {int((~anchors['held_back']).sum())} anchors. Of the {before['anchors']:.0f} held back "
        f"{before['right']:.0%} were right by shape alone before, {after['right']:.0%} are now; the mean "
        f"log-likelihood of all clusters changed by {gain:+.2f}."
    )
    entry = f"{mode}: {len(anchors)} anchors, seed {seed}"
    card = replace(bundle.card, history=(*bundle.card.history, entry))
    return Adaptation(replace(tuned, card=card), True, reason, anchors, before, after)


def _gain_steps(
    tuned: Bundle, patches: Patches, evidence: Evidence, sizeable: npt.NDArray[np.bool_], known: Known | None
) -> Steps[float]:
    """How much likelier the tuned model finds the whole image, in mean log-likelihood of a cluster.

    Anchors can be wrong and still be learnt; a model that has learnt something wrong no longer fits the intensities.
    """
    again = yield from evidence_steps(tuned, patches)
    before, after = (calibrate(each, known, sizeable).log_evidence for each in (evidence, again))
    return float(after - before)


def _sizeable(table: ClusterTable, evidence: Evidence) -> npt.NDArray[np.bool_]:
    return np.asarray(evidence.valid & table.rows["flag"].isin(["ok", "outside"]).to_numpy())


def _unchanged(bundle: Bundle, reason: str, anchors: pd.DataFrame) -> Adaptation:
    return Adaptation(bundle, False, reason, anchors, {}, {})


# ---------------------------------------------------------------------- anchors


def _anchors(
    card: Card, table: ClusterTable, evidence: Evidence, mode: str, known: Known | None, seed: int
) -> tuple[pd.DataFrame, str]:
    """The anchors, and the sentence that says why they do not do (empty where they do)."""
    sizeable = _sizeable(table, evidence)
    if not sizeable.any():
        return _no_anchors(), "The model stays as it was: no cluster of this image can be sized."
    if mode == "diameter":
        chances = _by_diameter(table.rows["diameter_nm"].to_numpy(), sizeable, card)
    else:
        calibration = calibrate(evidence, known, sizeable)
        if calibration.ambiguous:
            return _no_anchors(), _undecided(calibration)
        chances = posterior(evidence, calibration).probabilities
    chances = np.where(sizeable[:, None], np.nan_to_num(chances), 0.0)
    chosen = np.flatnonzero(chances.max(axis=1) >= CERTAIN[mode])
    label = chances[chosen].argmax(axis=1)
    counts = np.bincount(label, minlength=len(card.class_sizes))
    # the tails of one size look like other sizes: by diameter a class counts only where it is no mere tail
    least = max(_LEAST_PER_CLASS, _LEAST_SHARE * counts.sum() if mode == "diameter" else 0)
    frequent = counts >= least
    keep = frequent[label]
    chosen, label = chosen[keep], label[keep]
    anchors = pd.DataFrame(
        {
            "id": table.ids[chosen],
            "label": np.array(card.labels, dtype=object)[label],
            "diameter_nm": table.rows["diameter_nm"].to_numpy()[chosen],
            "certainty": chances[chosen, label],
            "held_back": _held_back(label, np.random.default_rng([seed, 1])),
        }
    )
    spans = anchors.groupby("label")["diameter_nm"]
    anchors["low_nm"], anchors["high_nm"] = spans.transform("min"), spans.transform("max")
    if frequent.sum() < 2:
        known_by = "its diameter" if mode == "diameter" else "the calibrated image"
        return anchors, (
            f"The model stays as it was: it takes {_LEAST_PER_CLASS} clusters in each of two classes whose class "
            f"{known_by} makes nearly certain, and this image has {int(frequent.sum())} such class"
            f"{'' if frequent.sum() == 1 else 'es'}."
        )
    return anchors, ""


def _no_anchors() -> pd.DataFrame:
    kinds = {"id": int, "label": object, "diameter_nm": float, "certainty": float, "held_back": bool,
             "low_nm": float, "high_nm": float}  # fmt: skip
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


def _undecided(calibration: Calibration) -> str:
    first, second = calibration.candidates[:2]
    return (
        f"The model stays as it was: this image alone cannot decide between {first['dominant']} "
        f"({first['probability']:.0%}) and {second['dominant']} ({second['probability']:.0%})."
    )


def _by_diameter(
    diameter_nm: npt.NDArray[np.float64], sizeable: npt.NDArray[np.bool_], card: Card
) -> npt.NDArray[np.float64]:
    """(n, classes) probability of each class given the diameter and the library, all classes equally likely.

    Blur and flatness widen all clusters of an image alike: that common shift is the one that explains all diameters
    best.
    """
    usable = sizeable & ~np.isnan(log_likelihood(diameter_nm, card).sum(axis=1))
    chances = np.zeros((len(diameter_nm), len(card.class_sizes)))
    if not usable.any():
        return chances
    mean, sd = np.array([card.diameter_nm[str(n)] for n in card.class_sizes]).T
    within = np.sqrt(sd**2 - min(card.diameter_frame_sd, 0.95 * float(sd.min())) ** 2)
    steps = np.linspace(-2.5, 2.5, 21)
    shift = card.diameter_frame_sd * steps
    z = (np.log(diameter_nm[usable])[None, :, None] - mean - shift[:, None, None]) / within
    likelihood = np.exp(-0.5 * np.minimum(z**2, 1000.0)) / within + 1e-12
    fit = np.log(likelihood.mean(axis=2)).sum(axis=1) - 0.5 * steps**2
    best = likelihood[int(fit.argmax())]
    chances[usable] = best / best.sum(axis=1, keepdims=True)
    return chances


def _held_back(label: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """A third of each class, at least two."""
    held = np.zeros(len(label), dtype=bool)
    for value in np.unique(label):
        rows = np.flatnonzero(label == value)
        held[rng.choice(rows, max(2, round(_HELD_BACK * len(rows))), replace=False)] = True
    return held


# ---------------------------------------------------------------------- tuning


class _Tuning:
    """One run: a copy of the network, the anchors' patches, and the base model's word on all of them."""

    def __init__(self, bundle: Bundle, patches: Patches, anchors: pd.DataFrame, seed: int) -> None:
        import torch

        self.card = bundle.card
        self.network: Network = copy.deepcopy(bundle.network).eval()
        self.rng = np.random.default_rng([seed, 2])
        label = np.array([self.card.labels.index(one) for one in anchors["label"]])
        held = anchors["held_back"].to_numpy(copy=True)
        x = self._input(patches)
        self.x, self.label = x[~held], torch.as_tensor(label[~held])
        self.held_x, self.held_label = x[held], torch.as_tensor(label[held])
        # anchors of some classes say nothing about the others: only the logits of these compete
        self.anchored = torch.as_tensor(np.unique(label))
        self.label, self.held_label = (torch.searchsorted(self.anchored, one) for one in (self.label, self.held_label))
        # classes are drawn alike, however many anchors each has
        self.odds = (1 / np.bincount(label[~held])[label[~held]]).astype(np.float64)
        self.odds /= self.odds.sum()
        self.rehearsal = self._rehearsal(bundle)
        with torch.inference_mode():
            self.base = self.network(self.x)
            self.base_rehearsal = self.network(self.rehearsal) if len(self.rehearsal) else None
        self.before = self.after = self._score()

    def _input(self, patches: Patches) -> torch.Tensor:
        return network_input(patches, len(self.card.channels), self.card.lcn_window_nm)

    def _rehearsal(self, bundle: Bundle) -> torch.Tensor:
        import torch

        if "raw" not in bundle.rehearsal:
            return torch.empty(0, len(self.card.channels), 64, 64)
        raw = bundle.rehearsal["raw"].astype(np.float32)
        noise = bundle.rehearsal["noise"].astype(np.float32)
        return self._input(Patches(raw, np.zeros(len(raw)), noise, np.ones(len(raw), dtype=bool)))

    def _score(self) -> dict[str, float]:
        import torch

        with torch.inference_mode():
            logits = self.network(self.held_x).shape_logits[:, self.anchored] / self.card.temperature
            loss = torch.nn.functional.cross_entropy(logits, self.held_label)
            right = (logits.argmax(dim=1) == self.held_label).double().mean()
        return {"right": float(right), "loss": float(loss), "anchors": float(len(self.held_label))}

    def steps(self) -> Steps[None]:
        """Tune; in the end `network` holds the state that did best on the held-back anchors."""
        import torch

        parameters = self.network.tunable()
        for parameter in parameters:
            parameter.requires_grad_(True)
        optimiser = _Adam(parameters)
        best = [parameter.detach().clone() for parameter in parameters]
        waited = 0
        for step in range(1, _STEPS + 1):
            loss = self._loss()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            yield Progress(step, _STEPS, "Fine-tuning")
            if step % _CHECK_EVERY == 0:
                score = self._score()
                if score["loss"] < self.after["loss"]:
                    self.after, waited = score, 0
                    best = [parameter.detach().clone() for parameter in parameters]
                else:
                    waited += 1
                if waited >= _PATIENCE:
                    break
        with torch.no_grad():
            for parameter, value in zip(parameters, best, strict=True):
                parameter.copy_(value)
        self.network.requires_grad_(False)

    def _loss(self) -> torch.Tensor:
        import torch
        from torch.nn import functional

        rows = torch.as_tensor(self.rng.choice(len(self.x), min(_ANCHORS_A_STEP, len(self.x)), p=self.odds))
        turn, mirror = int(self.rng.integers(4)), bool(self.rng.integers(2))
        x = torch.rot90(self.x[rows], turn, dims=(2, 3))
        out = self.network(x.flip(3) if mirror else x)
        loss = functional.cross_entropy(out.shape_logits[:, self.anchored] / self.card.temperature, self.label[rows])
        loss = loss + _drift(out, self.base, rows)
        if self.base_rehearsal is not None:
            rows = torch.as_tensor(self.rng.choice(len(self.rehearsal), _REHEARSED_A_STEP))
            again = self.network(self.rehearsal[rows])
            wanted = (self.base_rehearsal.shape_logits[rows] / self.card.temperature).softmax(dim=1)
            said = (again.shape_logits / self.card.temperature).log_softmax(dim=1)
            loss = loss + functional.kl_div(said, wanted, reduction="batchmean")
            loss = loss + _drift(again, self.base_rehearsal, rows)
        return loss


class _Adam:
    """Adam (Kingma and Ba 2015). PyTorch's own costs more than a second at first use, which a person waits for."""

    def __init__(self, parameters: list[torch.nn.Parameter]) -> None:
        import torch

        self.parameters = parameters
        self.mean = [torch.zeros_like(parameter) for parameter in parameters]
        self.square = [torch.zeros_like(parameter) for parameter in parameters]
        self.count = 0

    def step(self) -> None:
        """Move every parameter against its gradient, and forget the gradients."""
        import torch

        self.count += 1
        with torch.no_grad():
            for parameter, mean, square in zip(self.parameters, self.mean, self.square, strict=True):
                gradient = parameter.grad
                if gradient is None:
                    continue
                mean.lerp_(gradient, 0.1)
                square.lerp_(gradient * gradient, 0.001)
                size = (square / (1 - 0.999**self.count)).sqrt_().add_(1e-8)
                parameter.addcdiv_(mean / (1 - 0.9**self.count), size, value=-_LEARNING_RATE)
                parameter.grad = None


def _drift(out: Outputs, base: Outputs, rows: torch.Tensor) -> torch.Tensor:
    """How far the words on integral, count and outsiders have moved, in units of their own error."""
    shift = (out.log_integral_shift - base.log_integral_shift[rows]) / base.log_integral_sd[rows]
    count = (out.log_n - base.log_n[rows]) / base.log_n_sd[rows]
    outside = out.outside_logit - base.outside_logit[rows]
    width = (out.log_integral_sd / base.log_integral_sd[rows]).log()
    return (shift**2 + count**2 + 0.1 * outside**2 + width**2).mean()
