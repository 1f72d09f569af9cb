"""From a micrograph to the places and measurements of its clusters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline.settings import Settings
from napari_atomicity.progress import Progress, Steps

if TYPE_CHECKING:
    from napari_atomicity.detection import Measurement

#: a cluster found again within this distance of its old centre is the same cluster
SAME_CLUSTER_NM: Final = 0.5


@dataclass(frozen=True, eq=False)
class Detected:
    """Clusters as found: positions and measurements, and sentences about what was odd."""

    table: ClusterTable
    messages: tuple[str, ...] = ()


def detect_steps(
    micrograph: Micrograph,
    settings: Settings,
    previous: ClusterTable | None = None,
    frames: Iterable[int] | None = None,
) -> Steps[Detected]:
    """Find and measure the clusters of a micrograph.

    Parameters
    ----------
    micrograph
        Must be calibrated.
    settings
        Of the search; only `sensitivity` and `all_the_same` count here.
    previous
        The table so far: identities, annotations, hand-placed centres and deletions carry over, predictions do not.
    frames
        Which frames of a stack; all where None.

    Returns
    -------
    The clusters, and what was odd.

    Raises
    ------
    InputError
        For a micrograph that cannot be counted or has no pixel size.
    """
    from napari_atomicity.detection import detect

    if micrograph.refusal:
        raise InputError(micrograph.refusal)
    pixel_size_nm = micrograph.calibrated_pixel_size_nm
    chosen = range(micrograph.n_frames) if frames is None else sorted(set(frames))
    tables: list[pd.DataFrame] = []
    messages: list[str] = []
    refused: list[str] = []
    for done, index in enumerate(chosen):
        yield Progress(done, len(chosen), "Finding clusters")
        image = micrograph.frame(index)
        where = f"Frame {index}: " if micrograph.n_frames > 1 else ""
        detection = detect(image, pixel_size_nm, settings.sensitivity, settings.all_the_same)
        blocking = [finding.message for finding in detection.findings if finding.blocking]
        if blocking:
            refused.append(f"{where}{blocking[0]}")
            continue
        messages += [f"{where}{sentence}" for sentence in detection.messages]
        measured = _measured(detection.clusters, pixel_size_nm)
        tables.append(pd.DataFrame({**measured, "frame": np.full(len(detection.clusters.y_px), index)}))
    if refused and not tables:
        raise InputError(refused[0])
    table = _numbered(tables)
    if previous is not None:
        others = previous.take(~previous.rows["frame"].isin(list(chosen)).to_numpy()).without_predictions()
        table = previous.redetected(_numbered([table.rows, others.rows]), SAME_CLUSTER_NM / pixel_size_nm)
    return Detected(table, (*refused, *dict.fromkeys(messages)))


def measure_steps(micrograph: Micrograph, table: ClusterTable, ids: Iterable[int]) -> Steps[ClusterTable]:
    """Measure some clusters anew where they are now, after a person placed or moved them.

    Their predictions are reset: they belonged to the old measurement. Everything a person entered stays.

    Parameters
    ----------
    micrograph
        The image; it must be calibrated.
    table
        Its clusters.
    ids
        Which clusters.

    Returns
    -------
    The table with the new measurements.

    Raises
    ------
    InputError
        For an image without a pixel size.
    """
    from napari_atomicity.detection import measure_at

    pixel_size_nm = micrograph.calibrated_pixel_size_nm
    mine = np.isin(table.ids, list(ids))
    frame = table.rows["frame"].to_numpy()
    frames = np.unique(frame[mine])
    measured = table
    for done, index in enumerate(frames):
        yield Progress(done, len(frames), "Measuring")
        here = table.take(mine & (frame == index))
        y, x = here.centres_px.T
        values = _measured(measure_at(micrograph.frame(int(index)), pixel_size_nm, y, x), pixel_size_nm)
        measured = measured.with_values(here.ids, values)
    predicted = {name: column.neutral for name, column in table.columns.items() if column.origin == "predicted"}
    return measured.with_values(table.ids[mine], predicted)


def _measured(clusters: Measurement, pixel_size_nm: float) -> dict[str, npt.NDArray[Any]]:
    """The columns of the table that a measurement fills."""
    return {
        "y_px": clusters.y_px,
        "x_px": clusters.x_px,
        "y_nm": clusters.y_px * pixel_size_nm,
        "x_nm": clusters.x_px * pixel_size_nm,
        "diameter_nm": clusters.diameter_nm,
        "intensity": clusters.intensity,
        "flag": np.asarray(clusters.flag, dtype=object),
    }


def _numbered(tables: Sequence[pd.DataFrame]) -> ClusterTable:
    """One table of the parts' clusters, with ids from 0."""
    filled = [table for table in tables if len(table)]
    if not filled:
        return ClusterTable.empty()
    rows = pd.concat(filled, ignore_index=True)
    return ClusterTable.from_columns({name: rows[name] for name in rows.columns if name != "id"})
