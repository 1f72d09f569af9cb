"""How the points of a layer look: what the table says of each cluster, written to napari with as little as possible."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from napari.layers import Points

from napari_atomicity import style

if TYPE_CHECKING:
    from napari_atomicity.clusters import ClusterTable
    from napari_atomicity.ui.layers.cluster_points import ClusterPoints

#: classes whose colours are known before any model is loaded
_USUAL_SIZES: Final = (19, 30, 41, 55, 70)
_UNMEASURED_NM, _UNMEASURED_PX = 1.2, 24.0
#: width of a ring on the screen, from the zoom on at which it would be wider
_LINE_PX: Final = 3.0
#: diameter on the screen up to which a person's labels are tinted; beyond it their form is seen well enough
_TINTED_PX: Final = 60.0
#: relative difference of widths that nobody sees
_SAME: Final = 0.05


def draw_all(points: Points, table: ClusterTable, pixel_size_nm: float | None, zoom: float) -> None:
    """Size, symbol and colours of all points.

    Parameters
    ----------
    points
        The layer.
    table
        What it shows.
    pixel_size_nm
        Side of a pixel of the image; None where it is not known.
    zoom
        Pixels of the screen for each pixel of the image.
    """
    for name, values in _looks(table, pixel_size_nm, zoom).items():
        setattr(points, name, values)


def follow_zoom(points: Points, table: ClusterTable, pixel_size_nm: float | None, zoom: float) -> None:
    """What depends on how large the rings are on the screen: their width, and whether they are tinted.

    Parameters
    ----------
    points, table, pixel_size_nm, zoom
        As in `draw_all`.
    """
    looks = _looks(table, pixel_size_nm, zoom)
    for name in ("border_width", "face_color"):
        if not np.allclose(getattr(points, name), looks[name], rtol=_SAME):
            setattr(points, name, looks[name])


def draw_changes(points: ClusterPoints, table: ClusterTable, pixel_size_nm: float | None, zoom: float) -> None:
    """What differs from the features of the layer, and the looks of these points alone.

    Every one of napari's setters draws all points anew, and that of the symbols looks each of them up. So what
    changed is written where it is, and one drawing shows all: a key at 5,000 clusters has a few milliseconds.

    Parameters
    ----------
    points, table, pixel_size_nm, zoom
        As in `draw_all`.
    """
    rows, features = table.rows, points.rows
    differs = differing(rows, features)
    if not differs:
        return
    for name in differs:
        features[name] = rows[name].to_numpy().copy()
    changed = np.flatnonzero(np.logical_or.reduce(list(differs.values())))
    points.events.features()
    looks = _looks(table.take(changed), pixel_size_nm, zoom)
    symbols = _symbols()
    looks["symbol"] = np.array([symbols[name] for name in looks["symbol"].tolist()], dtype=object)
    for name, values in looks.items():
        getattr(points, name)[changed] = values
    # the small picture in the list of layers shows no rings
    points.refresh(extent=False, thumbnail=False)


def differing(rows: pd.DataFrame, features: pd.DataFrame) -> dict[str, npt.NDArray[np.bool_]]:
    """Where the features of a layer say something else than the table.

    Parameters
    ----------
    rows
        (n,) rows of the table.
    features
        (n,) features with at least the same columns.

    Returns
    -------
    (n,) which clusters differ, by column; columns that are the same are left out.
    """
    found: dict[str, npt.NDArray[np.bool_]] = {}
    for name in rows.columns:
        new, drawn = rows[name].to_numpy(), features[name].to_numpy()
        other = np.asarray(new != drawn, dtype=bool)
        if new.dtype.kind == "f" and other.any():
            other &= ~(pd.isna(new) & pd.isna(drawn))
        if other.any():
            found[str(name)] = other
    return found


def diameters_px(table: ClusterTable, pixel_size_nm: float | None) -> npt.NDArray[np.float64]:
    """Outer diameter of the rings in pixels: the cluster's own diameter stays visible inside."""
    usual = _UNMEASURED_PX if pixel_size_nm is None else _UNMEASURED_NM / pixel_size_nm
    inner = table.rows["diameter_nm"].to_numpy(dtype=float) / (pixel_size_nm or np.nan)
    return np.where(np.isfinite(inner), inner, usual) / (1 - 2 * style.RING) * 1.1


def _looks(table: ClusterTable, pixel_size_nm: float | None, zoom: float) -> dict[str, npt.NDArray[Any]]:
    """Size, symbol, border and face of each point: the colour is that of the label that counts.

    Close up, where a cluster is judged, a ring is a thin line and nothing lies over the cluster.
    """
    ring, symbol = style.ring_colours(table, table.class_sizes or _USUAL_SIZES), style.symbols(table)
    size, width, face = diameters_px(table, pixel_size_nm), style.ring_widths(table), style.faces(ring, symbol)
    on_screen = size * zoom
    face[on_screen > _TINTED_PX, 3] = 0.0
    return {
        "border_color": ring,
        "face_color": face,
        "size": size,
        "border_width": np.minimum(width, _LINE_PX * width / style.RING / on_screen),
        "symbol": symbol,
    }


@cache
def _symbols() -> dict[str, Any]:
    """What napari keeps for each symbol that we draw, by its name."""
    names = ["disc", "square", "diamond"]
    return dict(zip(names, Points(np.zeros((len(names), 2)), symbol=names).symbol, strict=True))
