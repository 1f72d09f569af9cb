"""A watch as a window orders it: where images come from, where tables go, and what is told of it on the way."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

from napari_atomicity.errors import InputError
from napari_atomicity.live.advice import GOAL
from napari_atomicity.live.images import Reading
from napari_atomicity.live.pictures import Picture, picture_of
from napari_atomicity.live.seen import Seen
from napari_atomicity.live.session import LiveSession
from napari_atomicity.live.settling import settle_steps
from napari_atomicity.live.sources import FolderSource, FrameSource, Receiver, replay_of
from napari_atomicity.live.sources.folder import PATIENCE_S, POLL_S
from napari_atomicity.live.tables import make_folder
from napari_atomicity.live.watching import Look, look_at, watch_steps, write_summary
from napari_atomicity.pipeline import Settings
from napari_atomicity.pipeline.count import model_steps
from napari_atomicity.progress import Milestone, Progress, Steps
from napari_atomicity.project.recovery import Lock

LOCK: Final = "watch.lock"
#: folder, beside the tables, of images that came without a file
IMAGES: Final = "images"
#: images that are told at once
_AT_A_TIME: Final = 500


@dataclass(frozen=True)
class Order:
    """What is to be done.

    Attributes
    ----------
    target
        Where tables go.
    settings
        Of the search and the count.
    source
        ``folder``; ``replay`` of its images; ``receive`` over the network; ``scans`` that another program puts into
        the folder of images beside the tables; ``none`` where all images are only counted once more together.
    folder
        That is watched or replayed.
    pace_s
        Seconds between two images of a replay.
    token, host, port
        Of the receiver.
    goal
        Half width of the shares that is wanted.
    reading
        How files are read.
    poll_s, patience_s
        As for `FolderSource`.
    """

    target: Path
    settings: Settings
    source: Literal["folder", "replay", "receive", "scans", "none"] = "folder"
    folder: Path = field(default_factory=Path)
    pace_s: float = 2.0
    token: str = ""
    host: str = "127.0.0.1"
    port: int = 5757
    goal: float = GOAL
    reading: Reading = field(default_factory=Reading)
    poll_s: float = POLL_S
    patience_s: float = PATIENCE_S


@dataclass(frozen=True, eq=False)
class Update:
    """What is new; small enough to be sent to another process.

    Attributes
    ----------
    look
        How far it has come, without the images; None where only something else is told.
    noted
        Images that are new, or are counted again, without what only a count needs.
    picture
        Of the image that was counted just now, with its hash.
    address
        Where images are received.
    said
        Sentences beside those of the look.
    """

    look: Look | None = None
    noted: Sequence[Seen] = ()
    picture: tuple[str, Picture] | None = None
    address: tuple[str, int] | None = None
    said: Sequence[str] = ()


def order_steps(order: Order, is_closing: Callable[[], bool]) -> Steps[Update]:
    """Do what is ordered; each `Milestone` holds an `Update`.

    Parameters
    ----------
    order
        What is to be done.
    is_closing
        Whether it is to end once the image in hand is counted.

    Returns
    -------
    The last one.

    Raises
    ------
    InputError
        Where it cannot be done; what was counted before is on the disk.
    """
    lock = _held(order)
    try:
        bundle = yield from model_steps(order.settings.model)
        session = LiveSession(order.target, order.settings, bundle, order.reading)
        noted = [_light(seen) for seen in session.ledger.images.values()]
        while len(noted) > _AT_A_TIME:  # of thousands at once, a window would stand still
            yield Milestone(0, 0, "Watching", Update(noted=tuple(noted[:_AT_A_TIME])))
            del noted[:_AT_A_TIME]
        session.ledger.on_note = lambda seen: noted.append(_light(seen))
        yield Milestone(0, 0, "Watching", _update(look_at(session, order.goal), noted))
        if order.source == "none":
            _, sentences = yield from settle_steps(session)
            look = look_at(session, order.goal, said=sentences)
        else:
            look = yield from _watched_steps(order, session, noted, is_closing)
        write_summary(session, look)
        return _update(look, noted)
    finally:
        lock.release()


def _held(order: Order) -> Lock:
    """The folder of tables, made, and held against a second watch."""
    target = order.target
    if order.source in ("folder", "replay") and target.absolute() == order.folder.absolute():
        raise InputError("The watched folder cannot be the one that is written to; choose another one.")
    if order.source == "folder" and order.folder.is_file():
        raise InputError(f"{order.folder} is a file; choose the folder that the microscope writes to.")
    make_folder(target)
    lock = Lock(target / LOCK)
    if not lock.take():
        if not os.access(target, os.W_OK):
            raise InputError(f"Nothing can be written to {target}; choose another folder, or check its access rights.")
        raise InputError(f"Another watch writes to {target}; end that one, or choose another folder.")
    return lock


def _watched_steps(
    order: Order, session: LiveSession, noted: list[Seen], is_closing: Callable[[], bool]
) -> Steps[Look]:
    images = order.target / IMAGES
    source = _source(order, session)
    try:
        if isinstance(source, Receiver):
            yield Milestone(0, 0, "Receiving", Update(address=(source.host, source.port)))
            if images.is_dir():  # what was received and not counted when an earlier watch ended
                left = FolderSource(images, session.ledger.knows, order.poll_s, order.patience_s)
                yield from _told_steps(watch_steps(left, session, order.goal, once=True), left, noted, is_closing)
        watching = watch_steps(source, session, order.goal)
        return (yield from _told_steps(watching, source, noted, is_closing))
    finally:
        source.close()


def _source(order: Order, session: LiveSession) -> FrameSource:
    if order.source == "receive":
        return Receiver(order.token, order.port, order.host, order.target / IMAGES)
    if order.source == "replay":
        return replay_of(order.folder, order.pace_s)
    folder = order.folder
    if order.source == "scans":
        folder = order.target / IMAGES
        folder.mkdir(exist_ok=True)
    return FolderSource(folder, session.ledger.knows, order.poll_s, order.patience_s)


def _told_steps(
    watching: Steps[Look], source: FrameSource, noted: list[Seen], is_closing: Callable[[], bool]
) -> Steps[Look]:
    """The same work, with what is new told in an `Update`."""
    try:
        while True:
            if is_closing() and not source.ended:
                source.close()
            try:
                progress: Progress = next(watching)
            except StopIteration as end:
                look: Look = end.value
                return look
            if isinstance(progress, Milestone):
                progress = Milestone(progress.done, progress.total, progress.what, _update(progress.result, noted))
            yield progress
    finally:
        watching.close()


def _update(look: Look, noted: list[Seen]) -> Update:
    picture = None
    if look.newest is not None and look.newest.state is not None:
        picture = look.newest.seen.sha256, picture_of(look.newest.state)
    update = Update(replace(look, images=(), failed=(), newest=None), tuple(noted), picture)
    noted.clear()
    return update


def _light(seen: Seen) -> Seen:
    nothing: dict[str, Any] = {"parts": [], "confusion": [], "search_messages": []}
    return replace(seen, **nothing)
