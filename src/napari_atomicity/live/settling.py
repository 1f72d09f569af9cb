"""The end of a session: all its images counted once more together, exactly as one call of ``analyse --session``.

Of more images than can be held at once, each is counted once more by itself with the scale that all of them agree on:
what an image says of its scale is a few numbers, which are kept of each, so that their sum needs no second look.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import write_text
from napari_atomicity.live.counting import live_count_steps
from napari_atomicity.live.images import counts_in
from napari_atomicity.live.seen import Seen
from napari_atomicity.live.session import LiveSession
from napari_atomicity.live.tables import is_labelled, save_counted, table_path
from napari_atomicity.pipeline.count import count_steps
from napari_atomicity.pipeline.doubts import open_labels
from napari_atomicity.progress import Steps, part
from napari_atomicity.wording import counted

if TYPE_CHECKING:
    from napari_atomicity.pipeline import ImageState

#: images that are held together at most; of more each is counted by itself
MOST: Final = 400


def settle_steps(session: LiveSession) -> Steps[tuple[list[ImageState], list[str]]]:
    """Count all images of a session together, and write their tables and reports.

    While images come, each is counted with the scale that the images before it gave, and the model is not adapted.
    Here all calibrate each other and share one fine-tuning where the settings want it.

    Parameters
    ----------
    session
        The session; its tables are replaced.

    Returns
    -------
    The images with their counts, none of more than `MOST`; and sentences for a person.

    Raises
    ------
    InputError
        Where the disk does not take them.
    """
    images = sorted(session.ledger.counted, key=lambda seen: seen.name)
    if not images:
        return [], []
    if len(images) > MOST:
        return [], (yield from _one_by_one_steps(session, images))
    states: list[ImageState] = []
    there: list[Seen] = []
    for seen in images:
        state = session.state_of(seen)
        if state is not None:
            there.append(seen)
            states.append(state)
    gone = len(images) - len(there)
    counted = yield from count_steps(states, session.bundle)
    kept = 0
    for seen, state in zip(there, counted, strict=True):
        if is_labelled(table_path(session.folder, seen.stem)):
            kept += 1
            continue
        _write(session, seen, state)
    sentences = _left(kept, gone)
    adaptation = next((state.adaptation for state in counted if state.adaptation is not None), None)
    return counted, [*sentences, *([adaptation.reason] if adaptation is not None else [])]


def _one_by_one_steps(session: LiveSession, images: list[Seen]) -> Steps[list[str]]:
    """Count each of very many images once more, with the scale of all; one is held at a time."""
    kept = gone = 0
    for done, seen in enumerate(images):
        if is_labelled(table_path(session.folder, seen.stem)):
            kept += 1
            continue
        state = session.state_of(seen)
        if state is None:
            gone += 1
            continue
        counting = live_count_steps(state, session.bundle, session.scale, seen.sha256)
        live = yield from part(counting, done / len(images), (done + 1) / len(images))
        _write(session, seen, live.state)
    return [
        f"Each of the {len(images)} images was counted once more with the scale of all; of more than {MOST} the model "
        "is not adapted.",
        *_left(kept, gone),
    ]


def _left(kept: int, gone: int) -> list[str]:
    sentences = [f"{kept} tables hold labels that a person gave; they stay as they are."] if kept else []
    moved = f"Moved or deleted since: {counted(gone, 'image')}; of each the table of the watch stays."
    return [*sentences, *([moved] if gone else [])]


def _write(session: LiveSession, seen: Seen, state: ImageState) -> None:
    from napari_atomicity.report.summary import describe

    report = describe(state)
    facts = {name: report[name] for name in ("image", "parameters", "versions", "model")}
    save_counted(state, table_path(session.folder, seen.stem), facts)
    text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(session.folder / f"{seen.stem}.report.json", text + "\n")
    parts = [
        replace(part, labelled_at=float(np.log(state.calibrations[part.frame].intensity_per_atom)))
        for part in seen.parts
        if part.frame in state.calibrations
    ]
    counts, analysed = counts_in(state, session.labels)
    try:
        session.ledger.note(
            replace(
                seen,
                labels=[float(value) for value in counts.labels],
                confusion=[[round(float(value), 4) for value in row] for row in counts.confusion],
                parts=parts,
                analysed=analysed,
                messages=list(state.messages),
                undecided=list(open_labels(state.calibrations)),
            )
        )
    except InputError as error:
        raise InputError(f"The tables are complete, but {error}") from error
