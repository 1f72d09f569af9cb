"""A whole batch: what is to be measured, the first pass, the second, and what is seen of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from napari_atomicity.dataset.engine import DaskCluster, Engine, LocalProcesses
from napari_atomicity.dataset.finish import finish_steps, forget, mend, read_measured
from napari_atomicity.dataset.folder import Folder, alone, prepare, unmake
from napari_atomicity.dataset.measure import FAILED, REFUSED
from napari_atomicity.dataset.parts import pyarrow
from napari_atomicity.dataset.plan import MOST_AT_A_TIME, Recipe, Shard, to_measure
from napari_atomicity.dataset.running import Tally, measure_steps
from napari_atomicity.dataset.sources import Item, items_of
from napari_atomicity.dataset.workers import get_ready
from napari_atomicity.errors import InputError
from napari_atomicity.pipeline.settings import Settings
from napari_atomicity.progress import Progress, Steps


@dataclass(frozen=True)
class Batch:
    """What a call asks for.

    Attributes
    ----------
    sources
        As in `sources.items_of`.
    output
        Folder of the dataset.
    settings
        Of search and count.
    workers
        Processes of this machine; None for as many as there are cores for us.
    scheduler
        Address of a dask scheduler, in place of processes here; empty for none.
    shard
        Which part of the images this call measures; all, and then finishes the tables, where None.
    resume, retry_failed
        Whether a dataset that is there is gone on with, and whether what failed is tried again.
    session_by
        As in `sources.items_of`.
    image
        Which image of files with several; the likeliest where None.
    pixel_size_nm
        Of images whose list gives none; that of the file where None.
    most
        Images of a piece of work at most.
    """

    sources: Sequence[str | Path]
    output: Path
    settings: Settings
    workers: int | None = None
    scheduler: str = ""
    shard: Shard | None = None
    resume: bool = False
    retry_failed: bool = False
    session_by: str = "none"
    image: int | None = None
    pixel_size_nm: float | None = None
    most: int = MOST_AT_A_TIME


@dataclass(frozen=True)
class Result:
    """What came of a call.

    Attributes
    ----------
    folder
        The dataset.
    tally
        What this call measured.
    manifest
        Of the finished tables; None where this call did a part alone.
    seconds
        That each stage took by the clock: ``planning``, ``measuring``, ``tables``, ``overview``.
    """

    folder: Folder
    tally: Tally
    manifest: dict[str, Any] | None
    seconds: Mapping[str, float] = field(default_factory=dict)


class _Clock:
    """How long each stage takes; one ends where the next begins."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def ends(self, stage: str) -> None:
        now = time.monotonic()
        self.seconds[stage], self._last = now - self._last, now


def batch_steps(
    batch: Batch, started: Callable[[Engine], None] | None = None, engine: Engine | None = None
) -> Steps[Result]:
    """Measure all images of a batch that have no row yet, and write the tables.

    Parameters
    ----------
    batch
        What is asked for.
    started
        Called with the engine once it computes.
    engine
        Who computes; made from what is asked for where None.

    Raises
    ------
    InputError
        For anything that cannot be, before the work begins; and where nothing can be written any more.
    """
    pyarrow()
    clock = _Clock()
    if engine is None and not batch.scheduler:
        get_ready(_workers(batch))  # they load their libraries while the images are listed
    yield Progress(0, 0, "Listing images")
    items = items_of(batch.sources, batch.session_by)
    if batch.pixel_size_nm is not None:
        items = [item if item.pixel_size_nm else replace(item, pixel_size_nm=batch.pixel_size_nm) for item in items]
    yield Progress(0, 0, "Loading the model")
    recipe = recipe_of(batch)
    for item in {item.deposited: item for item in items}.values():
        recipe.of(item).known.check(recipe.classes)
    folder = Folder(batch.output.absolute())
    made = prepare(folder, recipe, batch.resume or batch.shard is not None)
    try:
        with nullcontext() if batch.shard is not None else alone(folder):
            return (yield from _work_steps(batch, folder, recipe, items, started, engine, clock))
    except InputError:
        if made and batch.shard is None:
            unmake(folder)
        raise


def _work_steps(
    batch: Batch,
    folder: Folder,
    recipe: Recipe,
    items: Sequence[Item],
    started: Callable[[Engine], None] | None,
    engine: Engine | None,
    clock: _Clock,
) -> Steps[Result]:
    """Both passes, once it is clear what is asked for."""
    from napari_atomicity.dataset.overview import write_overview

    mend(folder)
    yield Progress(0, 0, "Looking at what is there")
    known = read_measured(folder).by_id
    own = items if batch.shard is None else batch.shard.take(items)
    todo = to_measure(own, known, (FAILED, REFUSED) if batch.retry_failed else ())
    again = [item for item in todo if item.id in known]
    if again:
        whole = frozenset(item.path for item in again if item.stop is None)
        forget(folder, whole, frozenset(item.id for item in again))
    engine = _engine(batch, folder, len(todo)) if engine is None else engine
    try:
        if started is not None:
            started(engine)
        clock.ends("planning")
        tally = yield from measure_steps(folder, recipe, todo, engine, batch.most)
        clock.ends("measuring")
        if batch.shard is not None:
            return Result(folder, tally, None, clock.seconds)
        manifest = yield from finish_steps(folder, recipe, read_measured(folder), engine)
    finally:
        engine.close()
    clock.ends("tables")
    yield Progress(0, 0, "Drawing the overview")
    write_overview(folder)
    clock.ends("overview")
    return Result(folder, tally, manifest, clock.seconds)


def recipe_of(batch: Batch) -> Recipe:
    """What decides the numbers of a batch.

    Parameters
    ----------
    batch
        What is asked for.

    Raises
    ------
    InputError
        For settings that contradict each other or do not fit the model.
    """
    from napari_atomicity.counting.bundle import load_bundle, weights_sha256

    settings = batch.settings
    bundle = load_bundle(settings.model)
    settings.known.check(bundle.card.class_sizes)
    recipe = Recipe(settings, weights_sha256(bundle), bundle.card.class_sizes, batch.session_by, batch.image)
    if recipe.has_sessions and settings.adapt != "off":
        raise InputError("Images that calibrate each other are counted without fine-tuning; use --adapt off.")
    return recipe


def _engine(batch: Batch, folder: Folder, n: int) -> Engine:
    if batch.scheduler:
        return DaskCluster(batch.scheduler, str(folder.facts))
    return LocalProcesses(max(1, min(_workers(batch), n or 1)))


def _workers(batch: Batch) -> int:
    from napari_atomicity.threads import usable_cores

    return usable_cores() if batch.workers is None else batch.workers
