"""One image of a dataset opened for review, and a person's labels as their own part of the dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_atomicity.clusters import ClusterTable, columns
from napari_atomicity.clusters.matching import matched, near
from napari_atomicity.dataset.finish import FINISHED
from napari_atomicity.dataset.folder import DatasetFacts, Folder, facts_of
from napari_atomicity.dataset.measure import COUNTED
from napari_atomicity.dataset.opening import frame_hash, opened
from napari_atomicity.dataset.parts import pyarrow, read_tables
from napari_atomicity.errors import InputError
from napari_atomicity.pipeline.finding import SAME_CLUSTER_NM
from napari_atomicity.pipeline.settings import Settings, read_deposited
from napari_atomicity.progress import Progress, Steps

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.calibration import Calibration
    from napari_atomicity.counting.evidence import Evidence
    from napari_atomicity.micrograph import Micrograph
    from napari_atomicity.pipeline.state import ImageState

#: standard deviations of the scale to either side that labels rest on, in so many steps
_REACH: Final = np.linspace(-3.0, 3.0, 25)

Row = Mapping[str, Any]


@dataclass(frozen=True)
class OpenDataset:
    """A finished dataset as a list of its images.

    Attributes
    ----------
    folder
        Where it lies.
    facts
        What it was counted with.
    rows
        A row an image, in order; ``file_number`` says which file of the tables holds it.
    """

    folder: Folder
    facts: DatasetFacts
    rows: tuple[Row, ...]


def open_dataset_steps(path: Path) -> Steps[OpenDataset]:
    """Open a finished dataset.

    Parameters
    ----------
    path
        Its folder.

    Raises
    ------
    InputError
        Where there is none, or it is not finished or damaged.
    """
    folder = Folder(path)
    facts = facts_of(folder)
    paths = sorted((path / FINISHED[0]).glob("*.parquet"))
    if not paths:
        raise InputError(f"{path} is not finished; the same batch with --resume writes its tables.")
    rows: list[Row] = []
    for number, file in enumerate(paths):
        yield Progress(number, len(paths), "Reading the list of images")
        rows += [row | {"file_number": number} for row in read_tables([file]).to_pylist()]
    return OpenDataset(folder, facts, tuple(rows))


def review_steps(dataset: OpenDataset, row: Row) -> Steps[ImageState]:
    """One image with its clusters as the dataset has them, ready for review.

    Parameters
    ----------
    dataset
        The dataset.
    row
        The image.

    Returns
    -------
    The image with the labels of the dataset; `with_labels` adds those that persons gave.

    Raises
    ------
    InputError
        Where the image has no count, its file or the model is not there, or the file has changed.
    """
    from napari_atomicity.counting.classify import evidence_steps
    from napari_atomicity.pipeline.counting import Count, image_key, patches_steps
    from napari_atomicity.pipeline.state import ImageState

    if row["status"] != COUNTED:
        raise InputError(f"{row['file']} was not counted: {row['refusal']}")
    yield Progress(0, 4, "Reading the image")
    micrograph = _micrograph(dataset, row)
    yield Progress(1, 4, "Loading the model")
    bundle = _model(dataset.facts)
    yield Progress(2, 4, "Reading the clusters")
    table = _clusters(dataset, row)
    patches = yield from patches_steps(micrograph, table)
    evidence = yield from evidence_steps(bundle, patches)
    settings = _settings(dataset.facts, row)
    fits = {}
    if row["scale"]:
        evidence, fits[0] = yield from _looked_steps(bundle, table, patches, evidence, row, settings)
    count = Count(table, evidence, patches, fits, {0: settings.known}, image_key(micrograph))
    remarks = tuple(text for text in str(row["remarks"]).split("\n") if text)
    return ImageState(micrograph, table, True, remarks, bundle=bundle, count=count, offered=count, settings=settings)


def _micrograph(dataset: OpenDataset, row: Row) -> Micrograph:
    """The image; of a stack the one frame."""
    micrograph = opened(row["path"], dataset.facts.image)
    frame = int(row["frame"])
    if row["sha256"] and frame_hash(micrograph, frame) != row["sha256"]:
        raise InputError(
            f"{row['file']} has changed since it was counted; go on with the batch (--resume), which counts it again."
        )
    if micrograph.n_frames > 1:
        name = f"{micrograph.name} frame {frame}"
        micrograph = replace(micrograph, data=np.asarray(micrograph.data[frame]), name=name)
    return micrograph.with_pixel_size(float(row["pixel_size_nm"]))


def _model(facts: DatasetFacts) -> Bundle:
    from napari_atomicity.counting.bundle import load_bundle, weights_sha256

    name = str(facts.settings.get("model", ""))
    bundle = load_bundle(name)
    if weights_sha256(bundle) != facts.model_sha256:
        raise InputError(f"The model {name} here is another one than that of the dataset; import that one first.")
    return bundle


def _settings(facts: DatasetFacts, row: Row) -> Settings:
    own = facts.settings
    sizes, shares = read_deposited(row["deposited"] or "")
    return Settings(
        sensitivity=float(own["sensitivity"]),
        model=str(own["model"]),
        adapt="off",
        deposited=sizes or tuple(own["deposited"]),
        fractions=shares or tuple(own["fractions"]),
        **{name: own[name] for name in ("element", "composition", "all_the_same") if name in own},
    )


def _clusters(dataset: OpenDataset, row: Row) -> ClusterTable:
    pa, parquet = pyarrow()
    classes = dataset.facts.classes
    paths = sorted((dataset.folder.path / FINISHED[1]).glob("*.parquet"))
    try:
        found = parquet.read_table(paths[row["file_number"]], filters=[("image", "=", row["image"])])
    except (OSError, IndexError, ValueError, pa.ArrowException) as error:
        raise InputError(f"The clusters of {row['file']} cannot be read; go on with the batch (--resume).") from error
    values = {name: found[name].to_numpy(zero_copy_only=False) for name in columns(classes)}
    # of a stack one frame is shown
    return ClusterTable.from_columns(values | {"frame": np.zeros(found.num_rows, dtype=np.int64)}, classes)


def _looked_steps(
    bundle: Bundle, table: ClusterTable, patches: Any, free: Evidence, row: Row, settings: Settings
) -> Steps[tuple[Evidence, Calibration]]:
    """What the network sees with the scale of the dataset, and that scale with its shares."""
    from napari_atomicity.counting.calibrate import calibration_at
    from napari_atomicity.counting.looking import looked_steps
    from napari_atomicity.counting.scale_likelihood import usable_rows

    sizeable = table.sizeable & free.valid
    use = sizeable if sizeable.any() else free.valid
    log_scale = float(np.log(row["scale"]))
    evidence = yield from looked_steps(bundle, patches, free, log_scale, use)
    spread = max(float(row["scale_sd"] or 0.0) / float(row["scale"]), 1e-3)
    weight = np.exp(-0.5 * _REACH**2)
    some, n = usable_rows(evidence, use)
    grid = log_scale + spread * _REACH
    return evidence, calibration_at(evidence.take(some), grid, weight / weight.sum(), n, settings.known)


# ---------------------------------------------------------------------- labels of persons


def labels_path(folder: Folder, image: str) -> Path:
    """Where the labels of an image lie.

    Parameters
    ----------
    folder
        The dataset.
    image
        Id of the image.
    """
    return folder.labels / f"{image}.parquet"


def save_labels(folder: Folder, image: str, table: ClusterTable) -> None:
    """Keep what a person did with the clusters of an image; what was computed stays as it is.

    Parameters
    ----------
    folder
        The dataset.
    image
        Id of the image.
    table
        Its clusters as they are now.

    Raises
    ------
    InputError
        Where it cannot be written.
    """
    from napari_atomicity.io.parquet import write_parquet
    from napari_atomicity.io.table_metadata import facts_of as table_facts

    path = labels_path(folder, image)
    touched = bool(table.labelled.any() or len(table.hand_placed) or len(table.removed))
    if not touched and not path.exists():
        return
    try:
        path.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{path.parent} cannot be made ({error.strerror}); the labels are not in the dataset."
        ) from error
    write_parquet(table, path, table_facts(table, {"image": image}))


def with_labels(folder: Folder, image: str, table: ClusterTable, pixel_size_nm: float) -> ClusterTable:
    """Clusters of a dataset with what persons did with them before, wherever they are found again.

    Parameters
    ----------
    folder
        The dataset.
    image
        Id of the image.
    table
        Its clusters as they were counted.
    pixel_size_nm
        Side of a pixel.

    Raises
    ------
    InputError
        Where the labels are damaged.
    """
    from napari_atomicity.io.tables import read_table

    path = labels_path(folder, image)
    if not path.exists():
        return table
    before = read_table(path)
    tolerance = SAME_CLUSTER_NM / pixel_size_nm
    pairs = np.array(matched(before.places, table.places, tolerance), dtype=np.int64).reshape(-1, 2)
    labels = before.rows["annotation"].to_numpy(dtype=object)
    labelled = table.annotate(table.ids[pairs[:, 1]], labels[pairs[:, 0]].tolist())
    if len(before.removed):
        gone = near(labelled.places, before.removed, tolerance) & ~labelled.labelled
        labelled = labelled.drop(labelled.ids[gone])
    lost = (before.placed | before.labelled) & ~np.isin(np.arange(len(before)), pairs[:, 0])
    if lost.any():
        rows = before.rows[lost]
        kept = {name: rows[name].to_numpy() for name in labelled.columns if name in rows and name != "id"}
        labelled = labelled.add(kept)
    return labelled
