"""Which clusters of repeated frames are the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.clusters import SIZEABLE, ClusterTable, matched
from napari_atomicity.repeats.alignment import Alignment

#: nm; clusters on carbon stand at least twice as far apart
_SAME_NM: Final = 0.4
#: columns of a table that are compared
_COMPARED: Final = ("intensity", "diameter_nm", "n_atoms", "n_atoms_sd")


def same_clusters(frames: Sequence[ClusterTable], alignment: Alignment, pixel_size_nm: float) -> pd.DataFrame:
    """What was measured of each cluster in each frame.

    Parameters
    ----------
    frames
        Clusters of each frame; those that are cut off, touching or saturated are left out.
    alignment
        Where the frames lie; clusters of frames that do not belong are left out.
    pixel_size_nm
        Side of a pixel.

    Returns
    -------
    pandas.DataFrame
        A row each: cluster (a number that is the same in all frames), frame, id (in its table), y_px, x_px (in the
        first frame that belongs), intensity, diameter_nm, n_atoms, n_atoms_sd, label.
    """
    tolerance = _SAME_NM / pixel_size_nm
    middle: npt.NDArray[np.float64] = np.empty((0, 2))
    times: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)
    parts = []
    for number, table in enumerate(frames):
        shift = alignment.shifts_px[number]
        if not np.isfinite(shift).all():
            continue
        rows = table.rows[table.rows["flag"].isin(SIZEABLE).to_numpy()]
        places = rows[["y_px", "x_px"]].to_numpy(dtype=float) - shift
        pairs = matched(_flat(middle), _flat(places), tolerance)
        cluster = np.full(len(places), -1)
        for known, here in pairs:
            cluster[here] = known
            middle[known] += (places[here] - middle[known]) / (times[known] + 1)
            times[known] += 1
        new = np.flatnonzero(cluster < 0)
        cluster[new] = len(middle) + np.arange(len(new))
        middle, times = np.vstack([middle, places[new]]), np.append(times, np.ones(len(new), dtype=np.int64))
        part = rows[["id", *_COMPARED]].copy()
        part["label"] = table.take(table.rows_of(rows["id"])).final_labels
        parts.append(part.assign(cluster=cluster, frame=number, y_px=places[:, 0], x_px=places[:, 1]))
    columns = ["cluster", "frame", "id", "y_px", "x_px", *_COMPARED, "label"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _flat(places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.column_stack([np.zeros(len(places)), places])
