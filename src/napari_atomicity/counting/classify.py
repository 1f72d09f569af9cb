"""The evidence of the network about each cluster, before anything is known about the image's scale."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.patches import Patches, network_input
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.threads import in_order, steps_on_one_thread_each

if TYPE_CHECKING:
    import torch

    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.network import Network

_BATCH = 64


@steps_on_one_thread_each
def evidence_steps(bundle: Bundle, patches: Patches, shipped: Evidence | None = None) -> Steps[Evidence]:
    """Run the network over `patches`, a few dozen at a time.

    Parameters
    ----------
    bundle
        The model.
    patches
        Of n clusters.
    shipped
        Of an adapted model, the evidence about the same patches by the model that it was adapted from, where that is
        known already.

    Returns
    -------
    Evidence, a row a patch.
    """

    def look(start: int) -> Evidence:
        rows = np.arange(start, min(start + _BATCH, len(patches)))
        return _evidence(bundle, patches.take(rows), None if shipped is None else shipped.take(rows))

    parts: list[Evidence] = []
    starts = range(0, len(patches), _BATCH)
    batches = in_order(look, starts)
    for start in starts:
        yield Progress(start, len(patches), "Classifying clusters")
        parts.append(next(batches))
    return Evidence.join(parts) if parts else _evidence(bundle, patches, shipped)


def _evidence(bundle: Bundle, patches: Patches, shipped: Evidence | None) -> Evidence:
    """Evidence of the model and, of an adapted one, that of the model it was adapted from beside it."""
    import torch

    card = bundle.card
    x = network_input(patches, len(card.channels), card.lcn_window_nm).contiguous(memory_format=torch.channels_last)
    evidence = _evidence_by(bundle.network, x, bundle, patches)
    if bundle.shipped is None or bundle.scale_network is None:
        return evidence
    return replace(evidence, shipped=_evidence_by(bundle.shipped, x, bundle, patches) if shipped is None else shipped)


def _evidence_by(network: Network, x: torch.Tensor, bundle: Bundle, patches: Patches) -> Evidence:
    import torch

    card = bundle.card
    with torch.inference_mode():
        out = network(x)
        shape = torch.log_softmax(out.shape_logits / card.temperature, dim=1)
    blank = np.where(patches.valid, 0.0, np.nan)

    def column(values: torch.Tensor) -> npt.NDArray[np.float64]:
        return values.double().numpy() + blank.reshape(-1, *[1] * (values.ndim - 1))

    shift_sd = column(out.log_integral_sd)
    return Evidence(
        card=card,
        shape=column(shape),
        outside=column(out.outside_logit),
        log_integral=patches.log_integral + column(out.log_integral_shift),
        log_integral_sd=np.hypot(shift_sd, card.integral_tau),
        log_n=column(out.log_n),
        log_n_sd=column(out.log_n_sd),
        features=column(out.features).astype(np.float32),
        branch=column(out.branch_logits).astype(np.float32),
        noise=patches.noise.astype(np.float64),
        valid=patches.valid.copy(),
        scale_network=bundle.scale_network,
    )
