"""First pass: each image by itself, and what it says of its own scale, written as a part."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_atomicity.dataset.folder import Folder
from napari_atomicity.dataset.notes import note, note_path
from napari_atomicity.dataset.opening import frame_hash, opened
from napari_atomicity.dataset.parts import TABLES, part_path, pyarrow, schema_of, write_tables
from napari_atomicity.dataset.plan import Piece, Recipe
from napari_atomicity.dataset.rows import cluster_rows, doubts, finest_detail, of_count, thumbnail
from napari_atomicity.dataset.sources import Item, image_id
from napari_atomicity.errors import InputError
from napari_atomicity.io.text import clean
from napari_atomicity.progress import drain
from napari_atomicity.threads import one_thread_each

if TYPE_CHECKING:
    from napari_atomicity.clusters import ClusterTable
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.micrograph import Micrograph
    from napari_atomicity.pipeline.state import ImageState

#: how often a file is read that the system does not give, and seconds between
_READ_TRIES: Final = 3
_PAUSE_S: Final = 0.5
COUNTED: Final = "counted"
#: an image that was read but cannot be counted; one that could not be read, or ended its process
REFUSED: Final = "refused"
FAILED: Final = "failed"


@dataclass(frozen=True)
class Outcome:
    """What came of a piece: numbers only, the tables are on disk.

    Attributes
    ----------
    images, refused, failed
        How many rows of the table of images there are, and how many of these hold no count.
    seconds
        That the analysis took, without starting, planning and writing.
    loading, writing
        Seconds until the model was there, and that the tables of the part took.
    """

    images: int
    refused: int = 0
    failed: int = 0
    seconds: float = 0.0
    loading: float = 0.0
    writing: float = 0.0


@dataclass
class Rows:
    """The rows of a piece, table by table."""

    images: list[dict[str, Any]] = field(default_factory=list)
    clusters: list[tuple[str, str, ClusterTable]] = field(default_factory=list)
    likelihoods: list[dict[str, Any]] = field(default_factory=list)
    looks: list[Any] = field(default_factory=list)
    thumbnails: list[dict[str, Any]] = field(default_factory=list)

    def write(self, folder: Folder, part: str, classes: Sequence[int]) -> None:
        """Write the part, all of its tables or none.

        Parameters
        ----------
        folder
            The dataset.
        part
            Its name.
        classes
            Atoms of each class of the model.
        """
        pa, _ = pyarrow()
        plain = {"images": self.images, "likelihoods": self.likelihoods, "thumbnails": self.thumbnails}
        tables = {name: pa.Table.from_pylist(rows, schema=schema_of(name, classes)) for name, rows in plain.items()}
        tables["clusters"] = cluster_rows(self.clusters, classes)
        tables["looks"] = pa.concat_tables([schema_of("looks", classes).empty_table(), *self.looks]).combine_chunks()
        write_tables({part_path(folder.measured, part, name): tables[name] for name in TABLES})


def measure_piece(folder: Folder, recipe: Recipe, piece: Piece) -> Outcome:
    """Measure the images of a piece one after the other and write them as a part; runs in a worker.

    Parameters
    ----------
    folder
        The dataset.
    recipe
        What decides the numbers.
    piece
        The images.

    Raises
    ------
    InputError
        Where the part cannot be written, or the model is not the one of the dataset.
    """
    begun = time.perf_counter()
    bundle = _model(recipe.settings.model, recipe.model_sha256)
    loading = time.perf_counter() - begun
    rows, seconds = Rows(), 0.0
    for done, item in enumerate(piece.items):
        note(folder, piece, done, item)
        start = time.perf_counter()
        measure_item(item, recipe, bundle, rows)
        seconds += time.perf_counter() - start
    measured = time.perf_counter()
    rows.write(folder, piece.name, recipe.classes)
    writing = time.perf_counter() - measured
    with contextlib.suppress(OSError):
        note_path(folder, piece).unlink()
    states = [row["status"] for row in rows.images]
    return Outcome(len(states), states.count(REFUSED), states.count(FAILED), seconds, loading, writing)


@lru_cache(maxsize=1)
def _model(name: str, sha256: str) -> Bundle:
    """The model, loaded once a worker."""
    from napari_atomicity.counting.bundle import load_bundle, weights_sha256

    bundle = load_bundle(name)
    if weights_sha256(bundle) != sha256:
        raise InputError(f"The model {Path(name).stem} of this worker is another one than that of the dataset.")
    return bundle


@one_thread_each()
def measure_item(item: Item, recipe: Recipe, bundle: Bundle, rows: Rows) -> None:
    """Measure one file, each of its frames by itself.

    Parameters
    ----------
    item
        The file.
    recipe, bundle
        What decides the numbers, and the model.
    rows
        Where the rows go.
    """
    try:
        micrograph = _read(item, recipe)
        frames = range(item.first, micrograph.n_frames if item.stop is None else item.stop)
        digest = frame_hash(micrograph, item.first)
    except Exception as error:
        rows.images.append(failed_row(item, item.first, FAILED, sentence(error)))
        return
    for frame in frames:
        facts = failed_row(item, frame, REFUSED, "") | _facts(micrograph, item)
        try:
            if micrograph.provenance.path is not None and micrograph.provenance.path.is_dir() and frame != item.first:
                digest = frame_hash(micrograph, frame)
            facts |= {"sha256": digest, "key": recipe.key(digest, item, micrograph.pixel_size_nm, frame)}
            _measure_frame(micrograph, frame, item, recipe, bundle, rows, facts)
        except InputError as error:
            rows.images.append(facts | {"refusal": sentence(error)})
        except Exception as error:
            rows.images.append(facts | {"status": FAILED, "refusal": sentence(error)})


def _read(item: Item, recipe: Recipe) -> Micrograph:
    for attempt in range(_READ_TRIES):
        try:
            micrograph = opened(item.path, recipe.image)
            break
        except OSError:
            if attempt + 1 == _READ_TRIES:
                raise
            time.sleep(_PAUSE_S * 2**attempt)
    return micrograph if item.pixel_size_nm is None else micrograph.with_pixel_size(item.pixel_size_nm)


def _measure_frame(
    micrograph: Micrograph,
    frame: int,
    item: Item,
    recipe: Recipe,
    bundle: Bundle,
    rows: Rows,
    facts: dict[str, Any],
) -> None:
    """Count one frame and add its rows; raises where it cannot be counted."""
    from napari_atomicity.dataset.statistics import add_statistics
    from napari_atomicity.pipeline.count import count_steps, search_steps
    from napari_atomicity.pipeline.state import ImageState

    pixels = micrograph.frame(frame)
    rows.thumbnails.append({"image": facts["image"], "jpeg": thumbnail(pixels)})
    searched = drain(search_steps(ImageState(micrograph, settings=recipe.of(item)), [frame]))
    state = drain(count_steps([searched], bundle))[0]
    table, fit = state.table, state.calibrations.get(frame)
    # what is odd about a scale may be otherwise with that of the session, so it is said in the second pass
    joint = bool(recipe.has_sessions and item.session and fit is not None)
    rows.clusters.append((facts["image"], item.session, table))
    rows.images.append(
        facts
        | of_count(table, fit, bundle.card)
        | {
            "status": COUNTED,
            "remarks": "\n".join(dict.fromkeys((*_odd(state), *([] if joint else _doubts(state, frame))))),
            "finest_detail_nm": finest_detail(pixels, micrograph.calibrated_pixel_size_nm),
        }
    )
    if joint and state.count is not None:
        add_statistics(facts["image"], state.count, frame, bundle, rows.likelihoods, rows.looks)


def _odd(state: ImageState) -> tuple[str, ...]:
    return (*state.micrograph.warnings, *state.search_messages)


def _doubts(state: ImageState, frame: int) -> tuple[str, ...]:
    reason = () if state.adaptation is None else (state.adaptation.reason,)
    return (*doubts(state.table, state.calibrations.get(frame), state.settings_in_force.known), *reason)


def _facts(micrograph: Micrograph, item: Item) -> dict[str, Any]:
    height, width = micrograph.shape_yx
    size = micrograph.pixel_size_nm
    return {
        "image_index": micrograph.provenance.image_index,
        "height_px": height,
        "width_px": width,
        "pixel_size_nm": size,
        "file": item.name,
    }


def failed_row(item: Item, frame: int, status: str, refusal: str) -> dict[str, Any]:
    """The row of an image that could not be counted.

    Parameters
    ----------
    item
        The file.
    frame
        Which frame of a stack.
    status
        ``failed`` or ``refused``.
    refusal
        One sentence.
    """
    return {
        "image": image_id(item.path, frame),
        "key": "",
        "path": clean(item.path, 4000),
        "file": clean(item.name),
        "session": item.session,
        "image_index": 0,
        "frame": frame,
        "sha256": "",
        "size_bytes": item.size,
        "modified_ns": item.modified_ns,
        "status": status,
        "refusal": refusal,
        "remarks": "",
        "pixel_size_given_nm": item.pixel_size_nm,
        "deposited": item.deposited,
        "alone_in_session": False,
    }


def sentence(error: Exception) -> str:
    """What a person reads of an error."""
    if isinstance(error, InputError):
        return " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return "There is not enough memory for this image."
    if isinstance(error, OSError):
        return f"The file cannot be read ({error.strerror or type(error).__name__})."
    return f"Unexpected fault, {type(error).__name__}: {' '.join(str(error).split())[:200]}"
