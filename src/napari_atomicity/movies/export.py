"""Tracks as tables for people and as a graph that other tracking programs read (GEFF)."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.errors import InputError
from napari_atomicity.movies.movie import Movie

_EXTRA: Final = "GEFF needs a library that is not installed; install it with: pip install 'napari-atomicity[movies]'"
#: properties of a node besides its place
_NODES: Final = (
    ("track", "track", None), ("atoms", "atoms", "atoms"), ("atoms_sd", "atoms_sd", "atoms"),
    ("n_atoms", "n_atoms", "atoms"), ("change", "change", None),
)  # fmt: skip


def track_table(movie: Movie, pixel_size_nm: float) -> pd.DataFrame:
    """All clusters in the order of their tracks.

    Parameters
    ----------
    movie
        The movie.
    pixel_size_nm
        Side of a pixel.

    Returns
    -------
    pandas.DataFrame
        A row a cluster and frame: track, frame, time_s and dose_e_per_nm2 (nan where not known), id, y_px, x_px, y_nm,
        x_nm (in the field as the first frame shows it), n_atoms, atoms, atoms_sd, level, change.
    """
    points = movie.points.sort_values(["track", "frame"], ignore_index=True)
    frame = points["frame"].to_numpy(dtype=float)
    shift = movie.shifts_px[points["frame"].to_numpy(dtype=np.int64)]
    time, dose = (
        frame * (np.nan if each is None else each)
        for each in (movie.settings.seconds_per_frame, movie.settings.dose_per_frame)
    )
    return pd.DataFrame(
        {
            "track": points["track"], "frame": points["frame"], "time_s": time, "dose_e_per_nm2": dose,
            "id": points["id"], "y_px": points["y_px"], "x_px": points["x_px"],
            "y_nm": (points["y_px"] - shift[:, 0]) * pixel_size_nm,
            "x_nm": (points["x_px"] - shift[:, 1]) * pixel_size_nm,
            **{name: points[name] for name in ("n_atoms", "atoms", "atoms_sd", "level", "change")},
        }
    )  # fmt: skip


def edges_of(movie: Movie) -> npt.NDArray[np.int64]:
    """(e, 2) ids of clusters that follow one another, those that merge and split too."""
    points = movie.points.sort_values(["track", "frame"])
    ids, track = points["id"].to_numpy(dtype=np.int64), points["track"].to_numpy()
    same = (track[1:] == track[:-1]) & (track[1:] >= 0)
    edges = np.column_stack([ids[:-1][same], ids[1:][same]])
    ends = points.groupby("track")["id"].agg(["first", "last"])
    links = [
        (int(ends.loc[parent, "last"]), int(ends.loc[child, "first"]))
        for child, parent in zip(movie.graph["child"], movie.graph["parent"], strict=True)
        if child in ends.index and parent in ends.index
    ]
    return np.vstack([edges, np.array(links, dtype=np.int64).reshape(-1, 2)]).astype(np.int64)


def write_geff(movie: Movie, path: Path, pixel_size_nm: float) -> None:
    """Write the tracks as a GEFF folder; an earlier one is replaced only by a whole new one.

    Parameters
    ----------
    movie
        The movie.
    path
        The folder to write.
    pixel_size_nm
        Side of a pixel.

    Raises
    ------
    InputError
        Where the library is missing, something else is in the way, or the system does not let us write there.
    """
    try:
        import geff  # noqa: F401
    except ImportError as error:
        raise InputError(_EXTRA) from error
    if path.exists() and not _is_geff(path):
        raise InputError(f"{path} is there already and no GEFF folder; choose another name.")
    draft, old = (path.with_name(f".{path.name}.{what}") for what in ("draft", "old"))
    try:
        shutil.rmtree(draft, ignore_errors=True)
        _write(movie, draft, pixel_size_nm)
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
            path.rename(old)
        draft.rename(path)
    except OSError as error:
        if old.exists() and not path.exists():
            old.rename(path)
        raise InputError(f"{path} could not be written ({error.strerror or error}); choose another folder.") from error
    finally:
        for left in (draft, old):
            with contextlib.suppress(OSError):
                shutil.rmtree(left, ignore_errors=True)


def _is_geff(path: Path) -> bool:
    return path.is_dir() and ((path / ".zattrs").is_file() or (path / "zarr.json").is_file())


def _write(movie: Movie, path: Path, pixel_size_nm: float) -> None:
    from geff.core_io import write_arrays
    from geff_spec import Axis, GeffMetadata, PropMetadata

    table = track_table(movie, pixel_size_nm)
    props: dict[str, Any] = {
        "t": table["frame"].to_numpy(dtype=np.int64), "y": table["y_nm"].to_numpy(), "x": table["x_nm"].to_numpy(),
        **{name: table[column].to_numpy() for name, column, _ in _NODES},
    }  # fmt: skip
    said = {name: PropMetadata(identifier=name, dtype=str(props[name].dtype), unit=unit) for name, _, unit in _NODES}
    for name, unit in (("t", "frame"), ("y", "nanometer"), ("x", "nanometer")):
        said[name] = PropMetadata(identifier=name, dtype=str(props[name].dtype), unit=unit)
    metadata = GeffMetadata(
        directed=True,
        axes=[
            Axis(name="t", type="time", unit="frame"),
            Axis(name="y", type="space", unit="nanometer"),
            Axis(name="x", type="space", unit="nanometer"),
        ],
        node_props_metadata=said,
        edge_props_metadata={},
        track_node_props={"tracklet": "track"},
    )
    write_arrays(
        path,
        table["id"].to_numpy(dtype=np.uint64),
        {name: {"values": values, "missing": None} for name, values in props.items()},
        edges_of(movie).astype(np.uint64),
        None,
        metadata,
        # the linker promises whole tracklets; a graph of one cluster has none to check
        structure_validation=len(table) > 1,
        overwrite=True,
    )
