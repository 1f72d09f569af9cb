"""The Parquet parts of a dataset: their columns, written beside and renamed, read as one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import OTHER, TEXTS, WHOLE_NUMBERS, columns
from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import write_together

#: of one row an image; the columns of the classes come on top
IMAGE_COLUMNS: Final[Mapping[str, str]] = {
    "image": "string", "key": "string", "path": "string", "file": "string", "session": "string",
    "image_index": "int32", "frame": "int32", "sha256": "string", "size_bytes": "int64", "modified_ns": "int64",
    "status": "string", "refusal": "string", "remarks": "string", "height_px": "int32", "width_px": "int32",
    "pixel_size_nm": "double", "pixel_size_given_nm": "double", "deposited": "string", "finest_detail_nm": "double",
    "clusters": "int32", "counted": "int32", "ok": "int32", "border": "int32", "touching": "int32",
    "saturated": "int32", "outside": "int32", "scale": "double", "scale_sd": "double", "calibrated_on": "int32",
    "ambiguous": "bool", "alone_in_session": "bool",
}  # fmt: skip
#: columns of each class of an image: how many clusters, their share, and its 95 % interval
OF_A_CLASS: Final = {"count": "int32", "share": "double", "low": "double", "high": "double"}
#: what an image says of its own scale, for the second pass
LIKELIHOODS: Final = "likelihoods"
#: what the network sees in each cluster with scales that the image may have
LOOKS: Final = "looks"
#: tables of a measured part; that of the images is written last and says that the part is whole
TABLES: Final = ("thumbnails", LIKELIHOODS, LOOKS, "clusters", "images")


def pyarrow() -> tuple[Any, Any]:
    """The package and its part for Parquet.

    Raises
    ------
    InputError
        Where they are not installed, with how to install them.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise InputError(
            'A dataset of many images needs an extra; install it with  pip install "napari-atomicity[cluster]"  .'
        ) from error
    return pyarrow, parquet


def class_names(classes: Sequence[int]) -> list[str]:
    """The ends of the columns of the classes: their atoms, and ``other``."""
    return [*map(str, classes), OTHER]


def image_schema(classes: Sequence[int]) -> Any:
    """Schema of the table of images, for a model with `classes` (atoms)."""
    of_classes = {f"{kind}_{name}": dtype for kind, dtype in OF_A_CLASS.items() for name in class_names(classes)}
    return _schema({**IMAGE_COLUMNS, **of_classes})


def cluster_schema(classes: Sequence[int]) -> Any:
    """Schema of the table of clusters: that of one image, and which image it is."""
    kinds = {
        name: "string" if name in TEXTS else "int64" if name in WHOLE_NUMBERS else "double" for name in columns(classes)
    }
    return _schema({"image": "string", "session": "string", **kinds})


def likelihood_schema() -> Any:
    """Schema of what images say of their scale: (g,) logarithms of scales, and the log-likelihood at each."""
    pa, _ = pyarrow()
    numbers = pa.list_(pa.float64())
    kinds = [
        ("image", pa.string()),
        ("log_scale", numbers),
        ("log_likelihood", numbers),
        ("contradiction", pa.string()),
    ]
    return pa.schema(kinds)


def look_schema(classes: Sequence[int]) -> Any:
    """Schema of what the network sees: a row a cluster and scale, in the order of the clusters."""
    pa, _ = pyarrow()
    number = pa.float32()
    kinds = [("image", pa.string()), ("look", pa.int16()), ("log_scale", pa.float64()), ("id", pa.int64())]
    kinds += [(f"shape_{n}", number) for n in classes]
    kinds += [("outside_log_odds", number), ("log_integral", pa.float64()), ("log_integral_sd", number)]
    return pa.schema([*kinds, ("valid", pa.bool_()), ("use", pa.bool_())])


def thumbnail_schema() -> Any:
    """Schema of the small pictures."""
    pa, _ = pyarrow()
    return pa.schema([("image", pa.string()), ("jpeg", pa.binary())])


def schema_of(table: str, classes: Sequence[int]) -> Any:
    """Schema of one of `TABLES`.

    Parameters
    ----------
    table
        Its name.
    classes
        Atoms of each class of the model.
    """
    return {
        "images": lambda: image_schema(classes),
        "clusters": lambda: cluster_schema(classes),
        LIKELIHOODS: likelihood_schema,
        LOOKS: lambda: look_schema(classes),
        "thumbnails": thumbnail_schema,
    }[table]()


def _schema(kinds: Mapping[str, str]) -> Any:
    pa, _ = pyarrow()
    types = {
        "string": pa.string(),
        "int32": pa.int32(),
        "int64": pa.int64(),
        "double": pa.float64(),
        "bool": pa.bool_(),
    }
    return pa.schema([(name, types[kind]) for name, kind in kinds.items()])


# ---------------------------------------------------------------------- files


def write_tables(tables: Mapping[Path, Any]) -> None:
    """Write tables, all of them or none, the last one last.

    Parameters
    ----------
    tables
        Tables of pyarrow by the file that each becomes.

    Raises
    ------
    InputError
        Where the system does not let us write there.
    """
    _, parquet = pyarrow()

    def writer(table: Any) -> Any:
        # the same rows give the same bytes
        return lambda draft: parquet.write_table(table, draft, compression="zstd", row_group_size=65_536)

    write_together([(path, writer(table)) for path, table in tables.items()])


def part_path(folder: Path, part: str, table: str) -> Path:
    """File of a table of a measured part.

    Parameters
    ----------
    folder
        Where measured parts lie.
    part, table
        Names of the part and of the table.
    """
    return folder / f"{part}.{table}.parquet"


def parts_in(folder: Path) -> list[str]:
    """Names of the parts that are whole, in order."""
    end = ".images.parquet"
    return sorted(path.name[: -len(end)] for path in folder.glob(f"part-*{end}"))


def read_tables(paths: Iterable[Path], wanted: Sequence[str] | None = None) -> Any:
    """Several files of one schema as one table.

    Parameters
    ----------
    paths
        The files, in the order of the rows.
    wanted
        Columns; all where None.

    Raises
    ------
    InputError
        Where a file is damaged.
    """
    pa, parquet = pyarrow()
    tables = []
    for path in paths:
        try:
            tables.append(parquet.read_table(path, columns=wanted))
        except (OSError, ValueError, pa.ArrowException) as error:
            raise InputError(
                f"{path} is damaged ({type(error).__name__}); delete it and go on with --resume, "
                "which measures its images again."
            ) from error
    return pa.concat_tables(tables) if tables else None


def rows_of(measured: Path, table: str, images: Sequence[str], parts: Mapping[str, str]) -> Any:
    """Rows of some images out of the parts that they are in.

    Parameters
    ----------
    measured
        Where measured parts lie.
    table
        Name of the table.
    images
        Ids of the images.
    parts
        In which part each of them is, by id.
    """
    pa, parquet = pyarrow()
    wanted: dict[str, list[str]] = {}
    for image in images:
        wanted.setdefault(parts[image], []).append(image)
    tables = []
    for part, ids in sorted(wanted.items()):
        path = part_path(measured, part, table)
        # sessions of one image each ask for the same part again and again
        rows = _kept(path, path.stat().st_mtime_ns) if table == LIKELIHOODS else parquet.read_table(path)
        tables.append(rows.filter(pa.compute.is_in(rows["image"], value_set=pa.array(ids))))
    return pa.concat_tables(tables) if tables else schema_of(table, ()).empty_table()


@lru_cache(maxsize=2)
def _kept(path: Path, changed_ns: int) -> Any:
    return pyarrow()[1].read_table(path)


def by_image(rows: Any) -> dict[str, dict[str, npt.NDArray[Any]]]:
    """Columns of each image, its rows in their order."""
    names = rows["image"].to_numpy(zero_copy_only=False)
    if not len(names):
        return {}
    values = {name: rows[name].to_numpy(zero_copy_only=False) for name in rows.column_names if name != "session"}
    starts = [0, *(np.flatnonzero(names[1:] != names[:-1]) + 1).tolist(), len(names)]
    return {
        str(names[start]): {name: column[start:stop] for name, column in values.items()}
        for start, stop in pairwise(starts)
    }
