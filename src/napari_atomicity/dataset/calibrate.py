"""Second pass: the scale of each session from what its images say, and the tables that follow from it.

Images are not read again and no network is asked: the parts of the first pass hold all that is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import ClusterTable, columns
from napari_atomicity.counting.bundle import load_card
from napari_atomicity.counting.calibrate import calibration_at
from napari_atomicity.counting.predictions import posterior
from napari_atomicity.counting.scale_likelihood import ScaleLikelihood, usable_rows
from napari_atomicity.counting.session_scale import SessionScale, session_scale
from napari_atomicity.dataset.folder import Folder
from napari_atomicity.dataset.measure import COUNTED
from napari_atomicity.dataset.parts import (
    LIKELIHOODS,
    LOOKS,
    by_image,
    cluster_schema,
    image_schema,
    pyarrow,
    rows_of,
    write_tables,
)
from napari_atomicity.dataset.plan import Recipe
from napari_atomicity.dataset.rows import cluster_rows, doubts, of_count
from napari_atomicity.dataset.sources import Item
from napari_atomicity.dataset.statistics import look_at
from napari_atomicity.threads import one_thread_each

if TYPE_CHECKING:
    from napari_atomicity.counting.calibration import Calibration
    from napari_atomicity.counting.card import ModelCard
    from napari_atomicity.counting.evidence import Evidence

#: of the grid of ln(scale) of a session
_STEP: Final = 0.01
#: images of a session have the same pixel size up to this part
SAME_PIXEL_SIZE: Final = 0.01


@dataclass(frozen=True, eq=False)
class Session:
    """The scale of a session.

    Attributes
    ----------
    scale
        What its images say together.
    images
        Ids of all of them, in order; `scale.members` goes with it.
    odd
        Images that take no part: their pixel size is another one.
    """

    scale: SessionScale
    images: tuple[str, ...]
    odd: tuple[str, ...] = ()

    def part(self, wanted: frozenset[str]) -> Session:
        """The same for some of its images alone."""
        kept = [i for i, image in enumerate(self.images) if image in wanted]
        scale = replace(self.scale, members=self.scale.members[kept])
        return Session(scale, tuple(self.images[i] for i in kept))


@dataclass(frozen=True)
class Chunk:
    """Neighbouring images that become one file of the finished table.

    Attributes
    ----------
    number
        Of the file.
    images
        Their ids, in order.
    parts
        In which part each of them is, by id.
    sessions
        Scale of each session that they belong to.
    """

    number: int
    images: tuple[str, ...]
    parts: Mapping[str, str]
    sessions: Mapping[str, Session]


@one_thread_each()
def find_session(folder: Folder, rows: Sequence[Mapping[str, Any]], parts: Mapping[str, str]) -> Session | None:
    """The scale of one session; None where no image of it says anything.

    Parameters
    ----------
    folder
        The dataset.
    rows
        The rows of its images, in order.
    parts
        In which part each of them is, by id.
    """
    counted = [row for row in rows if row["status"] == COUNTED and row["pixel_size_nm"]]
    if not counted:
        return None
    sizes = np.array([row["pixel_size_nm"] for row in counted])
    alike = np.abs(sizes[None, :] / _usual(sizes) - 1)[0] < SAME_PIXEL_SIZE
    odd = tuple(row["image"] for row, same in zip(counted, alike, strict=True) if not same)
    wanted = [row["image"] for row, same in zip(counted, alike, strict=True) if same]
    found = _likelihoods(folder, wanted, parts)
    images = tuple(image for image in wanted if image in found)
    if not images:
        return None
    grid = _grid([found[image] for image in images])
    own = np.stack([found[image].on(grid) for image in images])
    return Session(session_scale(grid, own), images, odd)


def _usual(sizes: npt.NDArray[np.float64]) -> float:
    """The pixel size that most images have; of several as frequent the smallest."""
    values, numbers = np.unique(sizes.round(6), return_counts=True)
    return float(values[numbers.argmax()])


def _grid(likelihoods: Sequence[ScaleLikelihood]) -> npt.NDArray[np.float64]:
    low = min(float(one.log_scale[0]) for one in likelihoods)
    high = max(float(one.log_scale[-1]) for one in likelihoods)
    return np.linspace(low, high, max(int(np.ceil((high - low) / _STEP)), 8) + 1)


def _likelihoods(folder: Folder, images: Sequence[str], parts: Mapping[str, str]) -> dict[str, ScaleLikelihood]:
    found: dict[str, ScaleLikelihood] = {}
    for row in rows_of(folder.measured, LIKELIHOODS, images, parts).to_pylist():
        if row["log_scale"]:
            grid, says = np.array(row["log_scale"]), np.array(row["log_likelihood"])
            found[row["image"]] = ScaleLikelihood(grid, says, row["contradiction"])
    return found


# ---------------------------------------------------------------------- the finished tables


@one_thread_each()
def finish_chunk(folder: Folder, recipe: Recipe, chunk: Chunk, target: Path) -> dict[str, int]:
    """Write one file of each finished table; runs in a worker.

    Parameters
    ----------
    folder
        The dataset.
    recipe
        What decides the numbers.
    chunk
        The images.
    target
        Folder that the finished tables are gathered in.

    Returns
    -------
    How many rows each table got.
    """
    pa, _ = pyarrow()
    rows = {row["image"]: row for row in rows_of(folder.measured, "images", chunk.images, chunk.parts).to_pylist()}
    counted = [image for image in chunk.images if rows[image]["status"] == COUNTED]
    if chunk.sessions:
        images, clusters = _by_sessions(folder, recipe, chunk, rows, counted)
    else:  # as the first pass wrote them
        images = [rows[image] for image in chunk.images]
        clusters = _in_order(rows_of(folder.measured, "clusters", counted, chunk.parts), counted, recipe.classes)
    tables = {"clusters": clusters, "images": pa.Table.from_pylist(images, schema=image_schema(recipe.classes))}
    write_tables({target / name / f"{name}-{chunk.number:05d}.parquet": table for name, table in tables.items()})
    return {name: table.num_rows for name, table in tables.items()}


def _in_order(clusters: Any, images: Sequence[str], classes: Sequence[int]) -> Any:
    """Rows of clusters in the order of their images."""
    pa, _ = pyarrow()
    if not clusters.num_rows:
        return cluster_schema(classes).empty_table()
    places = pa.compute.index_in(clusters["image"], value_set=pa.array(images, pa.string()))
    order = np.argsort(places.to_numpy(), kind="stable")
    return clusters.take(pa.array(order)).combine_chunks()


def _by_sessions(
    folder: Folder, recipe: Recipe, chunk: Chunk, rows: Mapping[str, dict[str, Any]], counted: Sequence[str]
) -> tuple[list[dict[str, Any]], Any]:
    """Rows of images and of clusters with the scales of their sessions."""
    card = load_card(recipe.settings.model)
    tables = _tables(folder, counted, chunk.parts, card)
    joint = sorted({image for session in chunk.sessions.values() for image in session.images})
    looks = by_image(rows_of(folder.measured, LOOKS, joint, chunk.parts))
    says = _likelihoods(folder, joint, chunk.parts)
    images, clusters = [], []
    for image in chunk.images:
        final, table = dict(rows[image]), tables.get(image)
        session = chunk.sessions.get(final["session"])
        if table is not None and session is not None and image in session.images and image in looks:
            final, table = _calibrated(final, table, looks[image], says[image], session, recipe, card)
        images.append(final)
        if table is not None:
            clusters.append((image, final["session"], table))
    return images, cluster_rows(clusters, recipe.classes)


def _tables(
    folder: Folder, images: Sequence[str], parts: Mapping[str, str], card: ModelCard
) -> dict[str, ClusterTable]:
    """The clusters of each image as the first pass counted them."""
    if not images:
        return {}
    names = columns(card.class_sizes)
    tables = {image: ClusterTable.empty(card.class_sizes) for image in images}
    for image, values in by_image(rows_of(folder.measured, "clusters", images, parts)).items():
        tables[image] = ClusterTable.from_columns({name: values[name] for name in names}, card.class_sizes)
    return tables


def _calibrated(
    row: dict[str, Any],
    table: ClusterTable,
    looks: dict[str, npt.NDArray[Any]],
    says: ScaleLikelihood,
    session: Session,
    recipe: Recipe,
    card: ModelCard,
) -> tuple[dict[str, Any], ClusterTable]:
    """One image with the scale of its session."""
    scale = session.scale
    own = says.on(scale.grid)[None]
    place = session.images.index(row["image"])
    weights, misfits = scale.weights(own, scale.members[place : place + 1])
    evidence, use = look_at(looks, float(scale.grid[int(weights[0].argmax())]), card)
    known = recipe.of(Item(row["path"], deposited=row["deposited"])).known
    some, n = usable_rows(evidence, use)
    fit = calibration_at(evidence.take(some), scale.grid, weights[0], n, known)
    fit = replace(fit, misfit=misfits[0] or says.contradiction)
    counted = _labelled(table, evidence, fit)
    remarks = [*row["remarks"].split("\n"), *doubts(counted, fit, known)]
    facts = of_count(counted, fit, card) | {
        "alone_in_session": bool(misfits[0]),
        "remarks": "\n".join(dict.fromkeys(text for text in remarks if text)),
    }
    return row | facts, counted


def _labelled(table: ClusterTable, evidence: Evidence, fit: Calibration) -> ClusterTable:
    flags = table.rows["flag"].to_numpy(dtype=object)
    values = posterior(evidence, fit).columns(flags, "base")
    return table.with_predictions(evidence.card.class_sizes, values)
