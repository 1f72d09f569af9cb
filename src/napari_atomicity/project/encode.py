"""From what a session holds to parts and a table of contents."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from napari_atomicity import __version__
from napari_atomicity.clusters import UNITS
from napari_atomicity.io.tables import csv_text
from napari_atomicity.kinds import printable
from napari_atomicity.pipeline import Classified
from napari_atomicity.project.blobs import BlobWriter
from napari_atomicity.project.models import ModelIndex
from napari_atomicity.project.pixels import PixelIndex, micrograph_thing
from napari_atomicity.project.project import Project, SavedImage
from napari_atomicity.project.records import Record, RecordStore, key_of, plain, reached
from napari_atomicity.project.tables import TableIndex

if TYPE_CHECKING:
    from napari_atomicity.counting.adapt import Adaptation
    from napari_atomicity.counting.calibrate import Calibration
    from napari_atomicity.counting.evidence import Evidence
    from napari_atomicity.micrograph import Micrograph

FORMAT: Final = 1
KIND: Final = "napari-atomicity session"
#: arrays of an `Evidence`, in the order of its fields
ARRAYS: Final = (
    "shape", "outside", "log_integral", "log_integral_sd", "log_n", "log_n_sd", "features", "branch", "noise", "valid",
)  # fmt: skip


class Encoder:
    """Stores sessions in one sink, again and again; what was stored by an earlier one is not looked at again."""

    def __init__(self, sink: BlobWriter, home: Path | None = None) -> None:
        self.shelf = RecordStore(sink, home)
        self._models = ModelIndex()
        self._pixels = PixelIndex()
        self._table = TableIndex()

    def contents(self, session: Project) -> tuple[dict[str, Any], set[str]]:
        """Store the parts of `session`; gives its table of contents and the names of its parts."""
        images = [self._work(work) for work in session.works]
        things = reached(thing for _, used in images for thing in used)
        parts = {part for thing in things for part in thing.parts}
        self.shelf.forget_all_but(things)
        self._models.forget_all_but(parts)
        self._pixels.forget_all_but(set(things))
        lists: dict[str, dict[str, Any]] = {}
        for thing in sorted(things, key=lambda thing: (thing.kind, len(thing.key), thing.key)):
            lists.setdefault(thing.kind, {})[thing.key] = thing.content
        content = {
            "kind": KIND,
            "format": FORMAT,
            "software": f"napari-atomicity {__version__}",
            "saved": datetime.now().astimezone().isoformat(timespec="seconds"),
            "in_hand": session.in_hand,
            "view": plain(session.view),
            "units": dict(UNITS),
            "images": [content for content, _ in images],
            **lists,
        }
        return content, parts

    # ------------------------------------------------------------------ images and their steps

    def _work(self, work: SavedImage) -> tuple[dict[str, Any], list[Record]]:
        self._table = TableIndex()
        states = [self._state(step.state) for step in work.steps]
        content = {
            "name": work.name,
            "now": work.now,
            "history": [
                {"name": step.name, "when": step.when, "state": state.key}
                for step, state in zip(work.steps, states, strict=True)
            ],
            "settings": asdict(work.settings),
            "selection": sorted(work.selection),
            "messages": work.messages,
            "detected": work.detected,
            "profile": None if work.profile is None else printable(asdict(work.profile)),
            "ticked": work.ticked,
            "expected": work.expected,
            "checked": work.checked,
            "view": work.view,
            "frames_sha256": self._frames(work.state),
        }
        return plain(content), states

    def _frames(self, state: Any) -> dict[str, str]:
        """Hash of each frame of a stack that has clusters, by which it is known whether they are the same later."""
        frames = np.unique(state.table.rows["frame"].to_numpy(dtype=np.int64))
        return self._pixels.frames(state.micrograph, frames.tolist())

    def _state(self, state: Any) -> Record:
        known = self.shelf.known(state)
        if known is not None:
            self._table.store(self.shelf, state.table)  # what the next table may be based on
            return known
        return self.shelf.store(state, self._make_state)

    def _make_state(self, shelf: RecordStore, state: Any) -> Record:
        micrograph = self._micrograph(state.micrograph)
        table = self._table.store(self.shelf, state.table)
        bundle = None if state.bundle is None else self._models.store(self.shelf, state.bundle)
        tuned = None if state.adaptation is None else self.shelf.store(state.adaptation, self._tuned)
        counts = [None if one is None else self._classified(one) for one in (state.classified, state.offered)]
        content = {
            "micrograph": micrograph.key,
            "table": table.key,
            "model": key_of(bundle),
            "classified": key_of(counts[0]),
            "offered": key_of(counts[1]),
            "adaptation": key_of(tuned),
            "settings": None if state.settings is None else plain(asdict(state.settings)),
            "session": list(state.session),
            "choices": plain(state.choices),
        }
        return shelf.thing("states", content, (), (micrograph, table, bundle, *counts, tuned))

    def _micrograph(self, micrograph: Micrograph) -> Record:
        pixels = self._pixels.store(self.shelf, micrograph)
        return self.shelf.store(micrograph, lambda shelf, value: micrograph_thing(shelf, value, pixels))

    # ------------------------------------------------------------------ counts

    def _classified(self, done: Classified) -> Record:
        return self.shelf.store(done, self._make_classified)

    def _make_classified(self, shelf: RecordStore, done: Classified) -> Record:
        table = self._table.store(shelf, done.table)
        evidence = None if done.evidence is None else shelf.store(done.evidence, self._evidence)
        calibrations = {frame: shelf.store(fit, _calibration) for frame, fit in done.calibrations.items()}
        content = {
            "table": table.key,
            "evidence": key_of(evidence),
            "calibrations": plain({frame: thing.key for frame, thing in calibrations.items()}),
            "known": plain({frame: asdict(known) for frame, known in done.known.items()}),
        }
        return shelf.thing("counts", content, (), (table, evidence, *calibrations.values()))

    def _evidence(self, shelf: RecordStore, evidence: Evidence) -> Record:
        arrays = {name: shelf.array("evidence", getattr(evidence, name)) for name in ARRAYS}
        card = shelf.json("cards", printable(asdict(evidence.card)))
        shipped = None if evidence.shipped is None else shelf.store(evidence.shipped, self._evidence)
        content = {
            "card": card,
            "with_scale_network": evidence.scale_network is not None,
            "shipped": key_of(shipped),
            **arrays,
        }
        return shelf.thing("evidence", content, (card, *arrays.values()), (shipped,))

    # ------------------------------------------------------------------ adaptations

    def _tuned(self, shelf: RecordStore, tuned: Any) -> Record:
        base = self._models.store(shelf, tuned.base)
        adaptation = shelf.store(tuned.adaptation, self._adaptation)
        before, offered = self._classified(tuned.before), self._classified(tuned.offered)
        after = None if tuned.after is None else self._classified(tuned.after)
        anchors = _frame(shelf, tuned.anchors)
        content = {
            "adaptation": adaptation.key,
            "base": base.key,
            "before": before.key,
            "offered": offered.key,
            "after": key_of(after),
            "anchors": anchors,
            "images": list(tuned.images),
        }
        return shelf.thing("tuned", content, (anchors["rows"],), (adaptation, base, before, offered, after))

    def _adaptation(self, shelf: RecordStore, adaptation: Adaptation) -> Record:
        bundle = self._models.store(shelf, adaptation.bundle)
        evidence = None if adaptation.evidence is None else shelf.store(adaptation.evidence, self._evidence)
        anchors = _frame(shelf, adaptation.anchors)
        content = {
            "model": bundle.key,
            "accepted": adaptation.accepted,
            "reason": adaptation.reason,
            "anchors": anchors,
            "before": plain(adaptation.before),
            "after": plain(adaptation.after),
            "evidence": key_of(evidence),
        }
        return shelf.thing("adaptations", content, (anchors["rows"],), (bundle, evidence))


def _calibration(shelf: RecordStore, fit: Calibration) -> Record:
    """One calibration of a frame; its curves are a table of their own."""
    curves: dict[str, Any] = {"log_scale": fit.log_scale, "weight": fit.weight}
    curves |= {f"share_{name}": fit.shares[:, k] for k, name in enumerate((*fit.class_sizes, "other"))}
    part = shelf.text("calibrations", csv_text(pd.DataFrame(curves)), ".csv")
    names = (
        "class_sizes", "scale", "scale_sd", "fractions", "ambiguous", "candidates", "log_evidence", "clusters",
        "element", "intervals", "misfit",
    )  # fmt: skip
    return shelf.thing("calibrations", {**plain({name: getattr(fit, name) for name in names}), "curves": part}, (part,))


def _frame(shelf: RecordStore, frame: pd.DataFrame) -> dict[str, Any]:
    """A small table with the types of its columns."""
    kinds = {str(name): _kind(frame[name].to_numpy()) for name in frame.columns}
    return {"types": kinds, "rows": shelf.text("anchors", csv_text(frame), ".csv")}


def _kind(values: np.ndarray[Any, Any]) -> str:
    return {"f": "number", "i": "integer", "b": "boolean"}.get(values.dtype.kind, "text")
