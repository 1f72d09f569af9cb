"""What the network looked at, laid over the micrograph."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline.counting import fix_torch_threads, patches_steps
from napari_atomicity.progress import Steps

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.insight.attribution import Attribution


@dataclass(frozen=True, eq=False)
class Explained:
    """Heat maps of one frame, in register with it.

    Attributes
    ----------
    frame
        Which frame of the stack.
    ids
        (n,) ids of the explained clusters; row i of `attribution` is cluster ``ids[i]``.
    overlay
        (channels, y, x) float32 on the pixels of the image, 0 where nothing is attributed.
    """

    frame: int
    ids: npt.NDArray[np.int64]
    attribution: Attribution
    overlay: npt.NDArray[np.float32]

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Name of each channel of `overlay`."""
        return tuple(self.attribution.channel_names)


def explain_steps(
    micrograph: Micrograph,
    table: ClusterTable,
    bundle: Bundle,
    frame: int = 0,
    ids: Iterable[int] | None = None,
    target: int | None = None,
) -> Steps[Explained]:
    """Grad-CAM of the clusters of one frame, laid over the micrograph.

    Parameters
    ----------
    frame
        Which frame of the stack.
    ids
        Which clusters; all of the frame where None.
    target
        Index of the class to explain; where None the most probable class of each cluster in the table.
    """
    from napari_atomicity.insight.attribution import attribution_steps
    from napari_atomicity.insight.overlay import compose

    chosen = (table.rows["frame"] == frame).to_numpy()
    if ids is not None:
        chosen = chosen & table.rows["id"].isin(list(ids)).to_numpy()
    part = replace(table, rows=table.rows[chosen].reset_index(drop=True))
    patches = yield from patches_steps(micrograph, part)
    fix_torch_threads()
    wanted = _likeliest(part, bundle) if target is None else target
    attribution = yield from attribution_steps(bundle, patches, wanted)
    overlay = compose(attribution, part.centres_px, micrograph.shape_yx, micrograph.calibrated_pixel_size_nm)
    return Explained(frame, part.ids, attribution, overlay)


def _likeliest(table: ClusterTable, bundle: Bundle) -> npt.NDArray[np.int64] | None:
    """Index of each cluster's most probable class; None for a table that this model has not classified."""
    if table.class_sizes != bundle.card.class_sizes:
        return None
    return np.asarray(np.nan_to_num(table.probabilities, nan=-1.0).argmax(axis=1))
