"""What the table of images says of one counted image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.clusters.columns import FLAGS
from napari_atomicity.counting.ratios import class_ratios, counted
from napari_atomicity.dataset.parts import cluster_schema, pyarrow

if TYPE_CHECKING:
    from napari_atomicity.counting.calibration import Calibration
    from napari_atomicity.counting.card import ModelCard
    from napari_atomicity.counting.prior import PriorKnowledge

#: pixels along the longer side of a small picture
_THUMBNAIL_PX: Final = 96
#: pixels along a side of the part of an image whose finest detail is looked for
_LOOKED_AT: Final = 512
#: detail counts where its power is this much above that of the noise
_ABOVE_NOISE: Final = 2.0


def of_count(table: ClusterTable, calibration: Calibration | None, card: ModelCard) -> dict[str, Any]:
    """Numbers of clusters, scale and shares of one image, by column.

    Parameters
    ----------
    table
        Its counted clusters, all of one frame.
    calibration
        Of the frame; None where no cluster can be looked at.
    card
        Of the model.
    """
    flags = table.rows["flag"].to_numpy(dtype=object)
    frames = table.rows["frame"].to_numpy()
    of_frame = {} if calibration is None or not len(frames) else {int(frames[0]): calibration}
    ratios = class_ratios(table, card, by="label", calibrations=of_frame)
    names = [*map(str, card.class_sizes), "other"]
    values: dict[str, Any] = {
        "clusters": len(table),
        "counted": int(counted(table).sum()),
        **{flag: int((flags == flag).sum()) for flag in FLAGS},
    }
    for name, line in zip(names, ratios.to_dict("records"), strict=True):
        values |= {
            f"count_{name}": int(line["count"]),
            f"share_{name}": number(line["fraction"]),
            f"low_{name}": number(line["low"]),
            f"high_{name}": number(line["high"]),
        }
    if calibration is not None:
        values |= {
            "scale": number(calibration.intensity_per_atom),
            "scale_sd": number(calibration.intensity_per_atom_sd),
            "calibrated_on": calibration.clusters,
            "ambiguous": calibration.ambiguous,
        }
    return values


def doubts(table: ClusterTable, calibration: Calibration | None, known: PriorKnowledge) -> tuple[str, ...]:
    """Sentences that a person must read before using the labels of one image.

    Parameters
    ----------
    table
        Its counted clusters.
    calibration
        Of the image; None where no cluster can be looked at.
    known
        What was known beforehand.
    """
    from napari_atomicity.pipeline.counting import Count
    from napari_atomicity.pipeline.doubts import remarks

    nothing: Any = None  # the sentences rest on table and calibration alone
    fits = {} if calibration is None else {0: calibration}
    return remarks(Count(table, nothing, nothing, fits, {0: known}))


def number(value: float) -> float | None:
    """The number; None where there is none."""
    return float(value) if np.isfinite(value) else None


def cluster_rows(tables: Iterable[tuple[str, str, ClusterTable]], classes: Sequence[int]) -> Any:
    """Clusters of several images as one table of pyarrow.

    Parameters
    ----------
    tables
        Id of the image, its session, and its clusters.
    classes
        Atoms of each class of the model.
    """
    pa, _ = pyarrow()
    schema = cluster_schema(classes)
    parts = [schema.empty_table()]
    for image, session, table in tables:
        n = len(table)
        values: Mapping[str, Any] = {"image": [image] * n, "session": [session] * n}
        arrays = [
            pa.array(values[name] if name in values else table.rows[name].to_numpy(), type=schema.field(name).type)
            for name in schema.names
        ]
        parts.append(pa.Table.from_arrays(arrays, schema=schema))
    return pa.concat_tables(parts).combine_chunks()


def thumbnail(image: npt.NDArray[np.float32]) -> bytes:
    """A small picture of an image, JPEG, in the contrast in which it is shown."""
    import imageio.v3 as imageio

    from napari_atomicity.micrograph import contrast_limits

    step = max(1, -(-max(image.shape) // _THUMBNAIL_PX))
    height, width = (n - n % step or n for n in image.shape)
    step_y, step_x = min(step, height), min(step, width)
    whole = image[: height - height % step_y, : width - width % step_x]
    small = whole.reshape(whole.shape[0] // step_y, step_y, whole.shape[1] // step_x, step_x).mean(axis=(1, 3))
    low, high = contrast_limits(small) or (0.0, 1.0)
    grey = np.clip(np.nan_to_num((small - low) / (high - low)), 0.0, 1.0)
    return bytes(imageio.imwrite("<bytes>", (255 * grey).astype(np.uint8), extension=".jpg", quality=70))


def finest_detail(image: npt.NDArray[np.float32], pixel_size_nm: float) -> float | None:
    """Size of the finest detail that stands out of the noise, in nm: it grows when an image is out of focus.

    Parameters
    ----------
    image
        (y, x) counts.
    pixel_size_nm
        Side of a pixel.

    Returns
    -------
    Half the period of the highest spatial frequency, averaged over directions, whose power is above that of the
    noise; None for an image of noise alone.
    """
    top, left = ((n - min(n, _LOOKED_AT)) // 2 for n in image.shape)
    part = np.nan_to_num(image[top : top + _LOOKED_AT, left : left + _LOOKED_AT])
    n = min(part.shape)
    if n < 32:
        return None
    window = np.hanning(n)
    part = (part[:n, :n] - part[:n, :n].mean()) * window[:, None] * window
    power = np.abs(np.fft.rfft2(part)) ** 2
    frequency = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)[None, :])
    rings = np.minimum((frequency * n).astype(int), n // 2)
    mean = np.bincount(rings.ravel(), power.ravel()) / np.maximum(np.bincount(rings.ravel()), 1)
    smooth = np.convolve(mean[: n // 2], np.ones(5) / 5, mode="same")
    noise = float(np.median(smooth[int(0.4 * n) : n // 2 - 3]))
    above = np.flatnonzero(smooth[2 : int(0.4 * n)] > _ABOVE_NOISE * noise)
    # the first ring that is lost in the noise ends the detail: a line of interference further out is none
    lost = np.flatnonzero(smooth[2 : int(0.4 * n)] <= _ABOVE_NOISE * noise)
    if not len(above) or (len(lost) and lost[0] == 0):
        return None
    last = 2 + (int(lost[0]) if len(lost) else int(above[-1]))
    return float(pixel_size_nm * n / (2 * last))
