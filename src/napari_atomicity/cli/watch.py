"""Images counted while a microscope writes them, with lines that a person at the column can read."""

from __future__ import annotations

import argparse
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_atomicity import wording
from napari_atomicity.cli import values
from napari_atomicity.cli.call_settings import CallSettings
from napari_atomicity.cli.console import Console
from napari_atomicity.cli.files import folder
from napari_atomicity.cli.requests import WatchRequest
from napari_atomicity.errors import InputError
from napari_atomicity.progress import Milestone, Progress, drain

if TYPE_CHECKING:
    from napari_atomicity.live.session import LiveSession
    from napari_atomicity.live.sources import FrameSource
    from napari_atomicity.live.watching import Look

_PORT: Final = values.whole(0, 65_535, "a port, a whole number from 0 (any that is free) to 65535")
_PACE: Final = values.number(0, 3600, "a number of seconds from 0 to 3600")
#: environment variable with the token of senders; without it a new one is made at each start
_TOKEN: Final = "NAPARI_ATOMICITY_TOKEN"


def watch(request: WatchRequest, console: Console) -> None:
    """Count images as they come, until there is enough or Ctrl-C.

    Parameters
    ----------
    request
        The options.
    console
        Where messages go.

    Raises
    ------
    InputError
        For options that contradict each other, and where nothing can be written.
    """
    from napari_atomicity.live.images import Reading
    from napari_atomicity.live.order import LOCK
    from napari_atomicity.live.session import LiveSession
    from napari_atomicity.pipeline.count import model_steps
    from napari_atomicity.project.recovery import Lock

    _check(request)
    settings = CallSettings.of(request)
    target = folder(_target(request))
    lock = Lock(target / LOCK)
    if not lock.take():
        raise InputError(f"Another watch writes to {target}; end that one, or choose another folder with -o.")
    try:
        bundle = console.drain(settings.common.model, model_steps(settings.common.model))
        settings.check(bundle, console)
        reading = Reading(request.pixel_size, request.image)
        session = LiveSession(target, settings.common, bundle, reading, settings.profile)
        _say_start(session, console)
        _watch(request, session, console)
    finally:
        lock.release()


def _check(request: WatchRequest) -> None:
    if request.listen is None and request.folder is None:
        raise InputError("Name the folder to watch, or a port with --listen.")
    if request.listen is not None and (request.folder is not None or request.replay is not None):
        raise InputError("A folder and --listen exclude each other; leave one of them out.")
    if request.once and request.folder is not None and not request.folder.exists():
        raise InputError(f"{request.folder} does not exist; without --once it is waited for.")
    if request.folder is not None and request.folder.is_file() and request.replay is None:
        raise InputError(f"{request.folder} is a file; name the folder that the microscope writes to.")


def _target(request: WatchRequest) -> Path:
    if request.into is not None:
        target = request.into
    else:
        name = "received" if request.folder is None else request.folder.absolute().name or "folder"
        target = Path(f"{name}-watch")
    if request.folder is not None and target.absolute() == request.folder.absolute():
        raise InputError("The watched folder cannot be the one that is written to; choose another one with -o.")
    return target


def _say_start(session: LiveSession, console: Console) -> None:
    if session.ledger.damaged:
        console.remark(
            f"{session.ledger.damaged} entries of {session.ledger.path.name} were cut off or damaged; their images are "
            "counted again."
        )
    known = len(session.ledger.counted)
    if known:
        console.say(f"Going on where it was: {wording.counted(known, 'image')} counted already.")


def _source(request: WatchRequest, session: LiveSession, console: Console) -> FrameSource:
    from napari_atomicity.live import send_frame
    from napari_atomicity.live.order import IMAGES
    from napari_atomicity.live.sources import FolderSource, Receiver, replay_of

    if request.listen is not None:
        token = os.environ.get(_TOKEN, "") or secrets.token_urlsafe(12)
        receiver = Receiver(token, request.listen, request.host, session.folder / IMAGES)
        console.say(f"Receiving at {receiver.host}, port {receiver.port}; the token is {token}")
        console.say(f"  Copy {Path(send_frame.__file__)} to the microscope computer.")
        return receiver
    assert request.folder is not None
    if request.replay is not None:
        return replay_of(request.folder, request.replay)
    return FolderSource(request.folder, session.ledger.knows, only_new=request.new)


def _watch(request: WatchRequest, session: LiveSession, console: Console) -> None:
    from napari_atomicity.live.advice import GOAL
    from napari_atomicity.live.order import IMAGES
    from napari_atomicity.live.sources import FolderSource
    from napari_atomicity.live.watching import look_at, watch_steps, write_summary

    goal, said = request.until or GOAL, set[str]()

    def show(progress: Progress) -> None:
        if isinstance(progress, Milestone):
            _say(progress.result, said, console)

    if request.listen is not None and (session.folder / IMAGES).is_dir():
        # what was received and not counted when an earlier watch ended
        drain(watch_steps(FolderSource(session.folder / IMAGES, session.ledger.knows), session, once=True), show)
    source = _source(request, session, console)
    if request.folder is not None and not request.once:
        console.say(f"Watching {request.folder}; end with Ctrl-C.")
    try:
        drain(watch_steps(source, session, goal, request.until is not None, request.once), show)
    except KeyboardInterrupt:
        console.say("Ended.")
    try:
        if request.settle:
            _settle(request, session, console)
    except KeyboardInterrupt:
        console.say("Not all images were counted once more; the other tables are those of the watch.")
    except InputError as error:
        console.refuse("", error)
    look = look_at(session, goal)
    try:
        write_summary(session, look)
    except InputError as error:
        console.refuse("", error)
    _say_end(look, session, console)


def _say(look: Look, said: set[str], console: Console) -> None:
    for sentence in look.said:
        console.remark(sentence)
    if look.newest is None:
        return
    seen, shares = look.newest.seen, look.shares
    waiting = f", {look.waiting} waiting" if look.waiting else ""
    counted = "counted again, with the scale of all so far" if look.newest.again else "counted"
    console.say(f"{seen.name}: {seen.found} clusters, {seen.analysed} {counted}, {look.newest.seconds:.2f} s{waiting}")
    console.say(f"  {_shares(look)}")
    there = f"{wording.counted(shares.clusters, 'cluster')}, {wording.counted(shares.images, 'image')}"
    console.say(f"  {there}: {look.sentence}")
    for warning in look.warnings:
        if warning.split(":")[0].split(" times")[0] not in said:
            console.remark(warning)
    said.clear()
    said.update(warning.split(":")[0].split(" times")[0] for warning in look.warnings)


def _shares(look: Look) -> str:
    shares = look.shares
    parts = [
        f"{label} {100 * share:.0f} % ({100 * low:.0f} to {100 * high:.0f})"
        for label, share, low, high in zip(shares.labels, shares.share, shares.low, shares.high, strict=True)
    ]
    between = look.images[-1].undecided if look.images else []
    doubt = f" (undecided: {' or '.join(between)})" if between else ""
    return ", ".join(parts) + doubt if shares.clusters else "no cluster is counted yet"


def _settle(request: WatchRequest, session: LiveSession, console: Console) -> None:
    from napari_atomicity.live.settling import settle_steps
    from napari_atomicity.pipeline import ratios_steps, seen

    states, sentences = console.drain("session", settle_steps(session))
    for sentence in sentences:
        console.say(f"  {sentence}")
    if request.expected and not states and session.ledger.counted:
        console.remark("Of so many images the ratio is not compared with the expected one.")
    if request.expected and states:
        named = [(state.micrograph.name, seen(state.table, session.bundle.card, state.count)) for state in states]
        ratios = console.drain("session", ratios_steps(named, request.expected))
        console.say(f"  {ratios.verdict}")


def _say_end(look: Look, session: LiveSession, console: Console) -> None:
    counted = wording.counted(look.shares.clusters, "cluster")
    console.say(f"{wording.counted(len(look.images), 'image')}, {counted}: {_shares(look)}")
    console.say(f"  {look.advice.sentence}")
    for failed in look.failed:
        console.remark(f"{failed.name}: {failed.why}")
    if look.failed:
        console.code = console.code or 2
    console.say(f"  {session.folder}")


def add_options(
    command: argparse.ArgumentParser,
    reading_options: Callable[[argparse.ArgumentParser], None],
    model_options: Callable[[argparse.ArgumentParser], None],
) -> None:
    """Add the options of ``watch``.

    Parameters
    ----------
    command
        Parser of the command.
    reading_options, model_options
        Add the options of all commands that read images, and that count.
    """
    command.set_defaults(images=[], frame=None, output=Path())
    command.add_argument("folder", nargs="?", type=values.place, metavar="FOLDER", help="that the microscope writes to")
    command.add_argument(
        "-o",
        "--output",
        dest="into",
        type=values.place,
        metavar="DIR",
        help="folder to write to; FOLDER-watch in the present one",
    )
    command.add_argument(
        "--until", type=values.half_width, metavar="P%", help="end once every share is known to ± P %%"
    )
    command.add_argument(
        "--expected",
        type=values.expected,
        default={},
        metavar="N:SHARE,...|FILE",
        help="the ratio to compare with in the end",
    )
    command.add_argument("--once", action="store_true", help="count what is there, then end")
    command.add_argument("--new", action="store_true", help="only images that come from now on")
    command.add_argument("--listen", type=_PORT, metavar="PORT", help="receive images from send_frame.py instead")
    command.add_argument(
        "--host", type=values.name, default="127.0.0.1", metavar="ADDRESS", help="to receive at; this computer alone"
    )
    command.add_argument(
        "--replay",
        type=_PACE,
        metavar="S",
        help="the images of FOLDER one by one, S seconds apart, as if they came now",
    )
    command.add_argument(
        "--no-settle",
        dest="settle",
        action="store_false",
        help="do not count all images once more together in the end, as analyse --session does",
    )
    reading_options(command)
    model_options(command)
