"""What the network of a model sees in clusters: without a scale, and looked at with one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.patches import Patches, in_atoms, network_input
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.threads import in_order, steps_on_one_thread_each

if TYPE_CHECKING:
    import torch

    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.card import ModelCard
    from napari_atomicity.counting.network import Network, Outputs

Floats = npt.NDArray[np.float64]

_BATCH = 64
#: log-odds among the features that decide say no more than that a class is out of the question
_OUT_OF_THE_QUESTION: Final = -5.0


def evidence_steps(bundle: Bundle, patches: Patches) -> Steps[Evidence]:
    """Look at clusters without a scale, each divided by its own integral, by the network as shipped.

    Parameters
    ----------
    bundle
        The model, adapted or not.
    patches
        Of n clusters.

    Returns
    -------
    Evidence, a row a patch.
    """
    return (yield from _batched_steps(len(patches), lambda rows: _without_scale(bundle, patches.take(rows))))


def look_steps(
    bundle: Bundle, patches: Patches, scale_free: Evidence, log_scale: Floats, shift: Floats
) -> Steps[Evidence]:
    """Look at clusters with a scale, and count.

    Parameters
    ----------
    bundle
        The model; of an adapted one the network that was tuned.
    patches
        Of n clusters.
    scale_free
        The evidence of `evidence_steps` about them.
    log_scale
        (n,) logarithm of the intensity of one atom as it is measured, counts·nm².
    shift
        (n,) by how much the whole intensity of an atom is larger, in its logarithm: see `Evidence`.

    Returns
    -------
    Evidence, a row a patch. Its features are the log-odds of the classes and of none of them at that scale, no lower
    than -5: the numbers that decide.
    """

    def look(rows: npt.NDArray[np.int64]) -> Evidence:
        return _with_scale(bundle, patches.take(rows), scale_free.take(rows), log_scale[rows], shift[rows])

    return (yield from _batched_steps(len(patches), look))


@steps_on_one_thread_each
def _batched_steps(n: int, look: Callable[[npt.NDArray[np.int64]], Evidence]) -> Steps[Evidence]:
    """A few dozen clusters at a time."""
    parts: list[Evidence] = []
    starts = range(0, max(n, 1), _BATCH)
    batches = in_order(lambda start: look(np.arange(start, min(start + _BATCH, n))), starts)
    for start in starts:
        yield Progress(start, n, "Classifying clusters")
        parts.append(next(batches))
    return parts[0] if len(parts) == 1 else Evidence.join(parts)


def _without_scale(bundle: Bundle, patches: Patches) -> Evidence:
    card = bundle.card
    network = bundle.network if bundle.shipped is None else bundle.shipped
    out = outputs_of(network, card, patches, patches.log_integral - middle_log_n(card))
    blank = np.where(patches.valid, 0.0, np.nan)
    shape, outside = _shape_and_outside(out.alone, card.temperature)
    return Evidence(
        card=card,
        shape=_column(shape, blank),
        outside=_column(outside, blank),
        log_integral=patches.log_integral + blank,
        log_integral_sd=np.full(len(patches), card.measured_sd) + blank,
        features=_column(out.features, blank).astype(np.float32),
        branch=_column(out.alone, blank).astype(np.float32),
        noise=patches.noise.astype(np.float64),
        valid=patches.valid.copy(),
        scale_network=bundle.scale_network,
    )


def _with_scale(bundle: Bundle, patches: Patches, scale_free: Evidence, log_scale: Floats, shift: Floats) -> Evidence:
    import torch

    from napari_atomicity.counting.network import decision

    card = bundle.card
    out = outputs_of(bundle.network, card, patches, log_scale + shift)
    blank = np.where(patches.valid, 0.0, np.nan)
    shape, outside = _shape_and_outside(out.shape, card.temperature_scaled)
    with torch.inference_mode():
        sd = torch.hypot(out.log_n_sd, torch.tensor(card.integral_tau))
        log_odds = decision(out, bundle.network.log_sizes, card.integral_tau, card.temperature_scaled)
        deciding = torch.log_softmax(log_odds, dim=1).clamp(min=_OUT_OF_THE_QUESTION)
    return replace(
        scale_free,
        card=card,
        shape=_column(shape, blank),
        outside=_column(outside, blank),
        log_integral=_column(out.log_n, blank) + log_scale,
        log_integral_sd=_column(sd, blank),
        features=_column(deciding, blank).astype(np.float32),
        branch=_column(out.shape, blank).astype(np.float32),
        log_scale=log_scale,
        shift=shift,
        scale_free=scale_free.free,
    )


def outputs_of(network: Network, card: ModelCard, patches: Patches, log_scale: Floats) -> Outputs:
    """What a network says of patches at the whole intensity of an atom (n,), in its logarithm.

    Parameters
    ----------
    network, card
        Of the model.
    patches
        Of n clusters.
    log_scale
        (n,) logarithm of the intensity of one atom, all of it, counts·nm².
    """
    import torch

    from napari_atomicity.counting.folded import folded

    picture, noise = in_atoms(patches, log_scale)
    with torch.inference_mode():
        x = network_input(picture, noise, len(card.channels), card.lcn_window_nm)
        out: Outputs = folded(network)(x, torch.from_numpy(noise))
    return out


def middle_log_n(card: ModelCard) -> float:
    """Logarithm of the atoms that a cluster is taken to have while nothing is known of the scale."""
    return float(np.log(card.class_sizes).mean())


def _shape_and_outside(logits: torch.Tensor, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """(n, classes) normalised log-likelihood of the classes; (n,) log-odds of none against an average one of them."""
    from napari_atomicity.counting.network import tempered

    terms = tempered(logits.sum(dim=1), temperature)
    return terms[:, :-1] - np.log(terms.shape[1] - 1), terms[:, -1]


def _column(values: torch.Tensor, blank: Floats) -> Floats:
    return np.asarray(values.double().numpy() + blank.reshape(-1, *[1] * (values.ndim - 1)))
