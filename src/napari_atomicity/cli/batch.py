"""Very many images into one table that any program opens."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from napari_atomicity.cli import values
from napari_atomicity.cli.call_settings import CallSettings
from napari_atomicity.cli.console import Console
from napari_atomicity.cli.requests import BatchRequest
from napari_atomicity.errors import InputError

if TYPE_CHECKING:
    from napari_atomicity.dataset.engine import Engine
    from napari_atomicity.dataset.plan import Shard

_PIXEL_SIZE: Final = values.number(0, 1e6, "a number of nm above zero", above=True)
_WORKERS: Final = values.whole(1, 1024, "a whole number from 1 to 1024")
_SENSITIVITY: Final = values.number(0, 1, "a number from 0 (few) to 1 (many)")
_PLACE: Final = values.whole(0, 10**9, "a number counted from 0")
#: failures that are said one by one; all are in the manifest
_SAID: Final = 5


def batch(request: BatchRequest, console: Console) -> None:
    """Measure images into a dataset, and say what came of it.

    Parameters
    ----------
    request
        The options.
    console
        Where messages go.

    Raises
    ------
    InputError
        For options that contradict each other, anything that cannot be before the work begins, and where nothing can
        be written.
    """
    from napari_atomicity.dataset.batch import Batch, batch_steps

    if request.scheduler and request.workers:
        raise InputError(
            "--workers are processes of this machine; a cluster of --scheduler has its own. Leave one out."
        )
    settings = CallSettings.of(request).common
    asked = Batch(
        sources=[str(source) for source in request.sources],
        output=request.output,
        settings=settings,
        workers=request.workers,
        scheduler=request.scheduler or "",
        shard=request.shard,
        resume=request.resume or request.retry_failed,
        retry_failed=request.retry_failed,
        session_by=request.session_by,
        image=request.image,
        pixel_size_nm=request.pixel_size,
    )

    def started(engine: Engine) -> None:
        if engine.dashboard:
            console.remark(f"the work can be watched at {engine.dashboard}")

    done = console.drain_slowly("batch", batch_steps(asked, started), lambda progress: progress.what)
    if done.manifest is None:
        part = request.shard
        assert part is not None
        console.say(
            f"part {part.number}/{part.of}: {done.tally.images:,} images measured, {done.tally.refused} refused, "
            f"{done.tally.failed} failed. When all parts are done, the same call with --resume and without --shard "
            "writes the tables."
        )
        return
    _say(done.manifest, request, console)


def _say(manifest: dict[str, Any], request: BatchRequest, console: Console) -> None:
    failures = manifest["failures"]
    for failure in failures[:_SAID]:
        path, sentence = failure["path"], failure["sentence"]
        console.remark(sentence if sentence.startswith(path) else f"{path}: {sentence}")
    if len(failures) > _SAID:
        console.remark(f"{len(failures) - _SAID:,} more images without a count are named in manifest.json.")
    if n := len(manifest["other_pixel_sizes"]):
        some = f"{n:,} images have another pixel size than their session and were"
        some = "1 image has another pixel size than its session and was" if n == 1 else some
        console.remark(f"{some} calibrated alone; manifest.json says which.")
    console.say(
        f"{manifest['images']:,} image{'' if manifest['images'] == 1 else 's'}: {manifest['counted']:,} counted, "
        f"{manifest['refused']:,} refused, {manifest['failed']:,} failed; {manifest['clusters']:,} clusters"
    )
    for name in ("clusters", "images", "manifest.json", "overview.html"):
        console.say(f"  {request.output / name}")


def add_options(command: argparse.ArgumentParser, model_options: Callable[[argparse.ArgumentParser], None]) -> None:
    """The options of ``batch``.

    Parameters
    ----------
    command
        Where they go.
    model_options
        Adds those of all commands that count.
    """
    command.add_argument(
        "sources", nargs="+", type=values.place, metavar="SOURCE", help="folder, pattern, list (CSV, Parquet), image"
    )
    command.add_argument("-o", "--output", type=values.place, required=True, metavar="DATASET", help="folder to write")
    command.add_argument("--workers", type=_WORKERS, metavar="N", help="processes of this machine; one a core")
    command.add_argument("--scheduler", type=values.name, metavar="tcp://HOST:8786", help="a dask cluster instead")
    command.add_argument("--shard", type=_shard, metavar="I/N", help="measure only this part of the images")
    command.add_argument("--resume", action="store_true", help="go on with a dataset that is there")
    command.add_argument("--retry-failed", action="store_true", help="go on, and try again what failed or was refused")
    command.add_argument(
        "--session-by",
        type=values.name,
        default="none",
        metavar="folder|file|none|COLUMN",
        help="images with the same one were taken under the same settings and calibrate each other; none",
    )
    command.add_argument("--pixel-size", type=_PIXEL_SIZE, metavar="NM", help="nm per pixel, instead of the files' own")
    command.add_argument("--image", type=_PLACE, metavar="N", help="which image of files with several (see info)")
    command.add_argument("--sensitivity", type=_SENSITIVITY, default=0.5, metavar="S", help="0 few to 1 many; 0.5")
    command.add_argument(
        "--all-the-same",
        action="store_true",
        help="also where an image looks like bright field, a crystal, or saturated",
    )
    model_options(command)
    # to fine-tune takes many times longer than to count
    command.set_defaults(adapt="off")


def _shard(text: str) -> Shard:
    from napari_atomicity.dataset.plan import Shard

    try:
        return Shard.read(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
