"""Where in its patch the network saw a cluster's class: heat maps, one a channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.patches import CELL_NM, NM_PER_PX, Patches
from napari_atomicity.errors import InputError
from napari_atomicity.insight import methods
from napari_atomicity.insight.asked import Asked, channel_agreement
from napari_atomicity.insight.methods import FIELD_PX
from napari_atomicity.insight.question import DENSITY, Method
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.threads import in_order, steps_on_one_thread_each

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle

#: integrated gradients look at every patch many times: fewer at once, so that it can be stopped soon
_BATCH: Final[dict[Method, int]] = {"density": 64, "hires-cam": 32, "grad-cam": 32, "integrated-gradients": 8}
#: clusters of a map of gradients that are looked at another way too
_COMPARED: Final = 24


@dataclass(frozen=True, eq=False)
class Attribution:
    """Maps of n clusters.

    Attributes
    ----------
    maps
        (n, channels, 64, 64) float32, 0 or above, in register with the patch: of the density atoms per nm², else the
        contribution of each place to the lead of the target class. 0 everywhere where `empty`.
    channel_names
        ``raw``, ``lcn``; of the density the one channel ``density``.
    target
        (n,) index of the class that is explained, -1 for a cluster without a patch, a scale or a question (its own
        class is the one that it should be held against).
    parts
        (n, 1 + channels of the model) what the target's lead is made of, in log-odds: brightness, then the shape in
        each channel. See `methods.lead_parts`.
    empty
        (n, channels) nothing in this channel speaks for the class: the map would be negative everywhere.
    resolution_nm
        Side of one cell of the maps: finer detail in `maps` is interpolation.
    field_nm
        How wide the field is from which a cell can draw what it shows: for maps of the last layers their receptive
        field, so that evidence may lie that far beside the place that lights up; else the cell.
    method
        How they were made; see `question.Question`.
    agreement
        (n, channels) correlation of the map with integrated gradients, of these with HiResCAM, cell by cell, signs kept
        (`asked.agreement_of`); nan for clusters that were not looked at both ways: of most maps only a sample is.
    """

    maps: npt.NDArray[np.float32]
    channel_names: tuple[str, ...]
    target: npt.NDArray[np.int64]
    parts: npt.NDArray[np.float64]
    empty: npt.NDArray[np.bool_]
    resolution_nm: float
    field_nm: float
    method: Method
    agreement: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: npt.NDArray[Any]) -> Attribution:
        """The heat maps of some `rows` (indices or mask)."""
        taken: dict[str, Any] = {name: getattr(self, name)[rows] for name in _ARRAYS}
        return replace(self, **taken)

    @classmethod
    def join(cls, first: Attribution, second: Attribution) -> Attribution:
        """The heat maps of two sets of clusters from one model and one method, one after the other.

        Parameters
        ----------
        first, second
            Heat maps of n and of m clusters.

        Returns
        -------
        Attribution
            Of n + m clusters.
        """
        return replace(first, **_joined([first, second]))


_ARRAYS: Final = ("maps", "target", "parts", "empty", "agreement")


@steps_on_one_thread_each
def attribution_steps(
    bundle: Bundle,
    patches: Patches,
    log_scale: npt.NDArray[np.float64],
    target: int | npt.NDArray[np.int64] | None = None,
    against: int | None = None,
    method: Method = "density",
) -> Steps[Attribution]:
    """Maps of every patch.

    The density that the network counts, HiResCAM (Draelos & Carin 2020), Grad-CAM (Selvaraju et al. 2017) or integrated
    gradients (Sundararajan et al. 2017); see `methods`.

    Parameters
    ----------
    bundle
        The model.
    patches
        Patches of n clusters.
    log_scale
        (n,) logarithm of the whole intensity of one atom in each, counts·nm²; nan where it is not known.
    target
        Index of the class to explain, for all or one a cluster; the class that is decided for where None or -1.
    against
        Index of the class that it is held against. A cluster whose own class this is has no question, and no map.
    method
        See `question.Question`. Maps of gradients come with their agreement with another way, most for a sample.

    Returns
    -------
    Attribution
        One row a patch.

    Raises
    ------
    InputError
        For a target that is no class of the model, and for a model without a branch a channel.
    """
    classes = len(bundle.card.class_sizes)
    _check_branches(bundle)
    targets = np.broadcast_to(np.asarray(-1 if target is None else target), (len(patches),))
    if not ((targets >= -1) & (targets < classes)).all() or not 0 <= (against or 0) < classes:
        raise InputError(f"The class to explain must be one of the {classes} classes of the model.")

    def explain(start: int) -> Attribution:
        rows = np.arange(start, min(start + _BATCH[method], len(patches)))
        return _explain(bundle, patches.take(rows), log_scale[rows], targets[rows], against, method)

    batches = []
    starts = range(0, max(len(patches), 1), _BATCH[method])
    explained = in_order(explain, starts)
    for start in starts:
        yield Progress(start, len(patches), "Computing heat maps")
        batches.append(next(explained))
    attribution = batches[0] if len(batches) == 1 else replace(batches[0], **_joined(batches))
    if method in ("hires-cam", "grad-cam"):
        yield from _compare_steps(bundle, patches, log_scale, attribution, against)
    return attribution


def _joined(attributions: Sequence[Attribution]) -> dict[str, Any]:
    return {name: np.concatenate([getattr(attribution, name) for attribution in attributions]) for name in _ARRAYS}


def _compare_steps(
    bundle: Bundle,
    patches: Patches,
    log_scale: npt.NDArray[np.float64],
    attribution: Attribution,
    against: int | None,
) -> Steps[None]:
    """Fill in the agreement for a sample of the clusters, evenly over the rows."""
    rows_with_map = np.flatnonzero(attribution.target >= 0)
    sample = rows_with_map[
        np.unique(np.linspace(0, len(rows_with_map) - 1, min(len(rows_with_map), _COMPARED)).astype(np.int64))
    ]
    batch = _BATCH["integrated-gradients"]
    batches = [sample[start : start + batch] for start in range(0, len(sample), batch)]

    def compare(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        asked = Asked.of(bundle, patches.take(rows), log_scale[rows], attribution.target[rows], against)
        return channel_agreement(asked.maps(attribution.method), asked.maps("integrated-gradients"))

    compared = in_order(compare, batches)
    for i, rows in enumerate(batches):
        yield Progress(i * batch, len(sample), "Comparing with a second method")
        attribution.agreement[rows] = next(compared)


def _check_branches(bundle: Bundle) -> None:
    if len(getattr(bundle.network, "branches", ())) != len(bundle.card.channels):
        raise InputError(
            f"The model {bundle.card.name!r} has no branch of its own for each channel, so there is no heat map a "
            "channel; train it with this version."
        )


def _explain(
    bundle: Bundle,
    patches: Patches,
    log_scale: npt.NDArray[np.float64],
    targets: npt.NDArray[np.int64],
    against: int | None,
    method: Method,
) -> Attribution:
    """Maps of one batch."""
    asked = Asked.of(bundle, patches, log_scale, targets, against)
    maps, parts, chosen = asked.maps(method), asked.parts(), asked.chosen.numpy()
    names = (DENSITY,) if method == "density" else bundle.card.channels
    maps = np.broadcast_to(maps, (len(maps), len(names), *maps.shape[2:])).copy()
    agreement = np.full(maps.shape[:2], np.nan)
    if method == "integrated-gradients" and len(patches):
        agreement = channel_agreement(asked.maps("hires-cam"), maps)
    # where atoms are counted does not depend on the question
    itself = (chosen == against) if method != "density" else np.zeros(len(chosen), dtype=bool)
    has_question = patches.valid & np.isfinite(log_scale) & ~itself
    maps[~has_question], parts[~has_question], agreement[~has_question] = 0.0, np.nan, np.nan
    return Attribution(
        maps=_upsampled(np.maximum(maps, 0.0)),
        channel_names=names,
        target=np.where(has_question, chosen, -1),
        parts=parts,
        empty=maps.max(axis=(2, 3), initial=0.0) <= 0,
        resolution_nm=CELL_NM,
        field_nm=FIELD_PX * NM_PER_PX if method in ("grad-cam", "hires-cam") else CELL_NM,
        method=method,
        agreement=agreement,
    )


def _upsampled(maps: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(n, channels, 64, 64) from the coarse maps (n, channels, 26, 26), in register with the patch."""
    weights = methods.cell_weights()
    return np.asarray(weights @ maps @ weights.T, dtype=np.float32)
