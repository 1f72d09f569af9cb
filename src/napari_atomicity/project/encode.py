"""From what a project holds to parts and a table of contents."""

from __future__ import annotations

from dataclasses import Field, asdict, is_dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from napari_atomicity import __version__
from napari_atomicity.clusters import UNITS, ClusterTable
from napari_atomicity.counting.adapt import Adaptation
from napari_atomicity.counting.bundle import Bundle
from napari_atomicity.counting.calibration import Calibration
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.prior import as_in_file, file_key
from napari_atomicity.io.csv_tables import csv_text
from napari_atomicity.kinds import printable
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.movies import Movie
from napari_atomicity.pipeline import AppliedAdaptation, Count, ImageState
from napari_atomicity.project.blobs import BlobWriter
from napari_atomicity.project.layout import STORED, annotation, is_array, kept_fields
from napari_atomicity.project.models import ModelIndex
from napari_atomicity.project.pixels import PixelIndex, micrograph_record
from napari_atomicity.project.project import Project, SavedImage
from napari_atomicity.project.records import Record, RecordStore, plain, reached
from napari_atomicity.project.tables import TableIndex

FORMAT: Final = 3
KIND: Final = "napari-atomicity session"
#: lists in which the objects of a class stand, by the class
_LISTS: Final[dict[type, str]] = {
    ImageState: "states",
    Count: "counts",
    AppliedAdaptation: "tuned",
    Adaptation: "adaptations",
    Evidence: "evidence",
    Calibration: "calibrations",
    Movie: "movies",
}


class Encoder:
    """Stores projects with one writer, again and again; what was stored with an earlier one is not looked at again.

    Parameters
    ----------
    writer
        Where the parts go.
    home
        Folder of the project file, where it is known: images beside it are found again when both move.
    """

    def __init__(self, writer: BlobWriter, home: Path | None = None) -> None:
        self.records = RecordStore(writer, home)
        self._models = ModelIndex()
        self._pixels = PixelIndex()
        self._table = TableIndex()

    def contents(self, project: Project) -> tuple[dict[str, Any], set[str]]:
        """Store the parts of `project`; gives its table of contents and the names of its parts."""
        images = [self._image(image) for image in project.images]
        records = reached(record for _, used in images for record in used)
        parts = {part for record in records for part in record.parts}
        self.records.forget_all_but(records)
        self._models.forget_all_but(parts)
        self._pixels.forget_all_but(set(records))
        lists: dict[str, dict[str, Any]] = {}
        for record in sorted(records, key=lambda record: (record.kind, len(record.key), record.key)):
            lists.setdefault(record.kind, {})[record.key] = record.content
        content = {
            "kind": KIND,
            "format": FORMAT,
            "software": f"napari-atomicity {__version__}",
            "saved": datetime.now().astimezone().isoformat(timespec="seconds"),
            "in_hand": project.in_hand,
            "view": plain(project.view),
            "units": dict(UNITS),
            "images": [content for content, _ in images],
            **lists,
        }
        return content, parts

    # ------------------------------------------------------------------ images and their steps

    def _image(self, image: SavedImage) -> tuple[dict[str, Any], list[Record]]:
        self._table = TableIndex()
        states = [self._state(step.state) for step in image.steps]
        content = {
            "name": image.name,
            "now": image.now,
            "history": [
                {"name": step.name, "state": state.key} for step, state in zip(image.steps, states, strict=True)
            ],
            "options": _Fields(self, image.options).content,
            "review": _Fields(self, image.review).content,
            "selection": sorted(image.selection),
            "view": image.view,
            "frames_sha256": self._frames(image.state),
        }
        return plain(content), states

    def _frames(self, state: ImageState) -> dict[str, str]:
        """Hash of each frame of a stack that has clusters, by which it is known whether they are the same later."""
        frames = np.unique(state.table.rows["frame"].to_numpy(dtype=np.int64))
        return self._pixels.frames(state.micrograph, frames.tolist())

    def _state(self, state: ImageState) -> Record:
        known = self.records.known(state)
        if known is not None:
            self._table.record_of(self.records, state.table)  # what the next table may be based on
            return known
        return self.record_of(state)

    def record_of(self, value: Any) -> Record:
        """The record of a micrograph, table, model, count, adaptation or calibration."""
        if isinstance(value, Micrograph):
            pixels = self._pixels.record_of(self.records, value)
            return self.records.record_of(value, partial(micrograph_record, pixels=pixels))
        if isinstance(value, ClusterTable):
            return self._table.record_of(self.records, value)
        if isinstance(value, Bundle):
            return self._models.record_of(self.records, value)
        return self.records.record_of(value, self._make)

    def _make(self, records: RecordStore, value: Any) -> Record:
        """Record of an object whose fields are stored one by one."""
        fields = _Fields(self, value)
        if isinstance(value, Calibration):
            fields.put_part("curves", records.text("calibrations", csv_text(curves_of(value)), ".csv"))
        return records.add(_LISTS[type(value)], fields.content, fields.parts, fields.uses)


class _Fields:
    """The fields of an object as JSON, with the parts and the records that they refer to."""

    def __init__(self, encoder: Encoder, value: Any) -> None:
        self._encoder = encoder
        self.parts: list[str] = []
        self.uses: list[Record] = []
        self.content = {file_key(field.name): self._field(value, field) for field in kept_fields(type(value))}

    def put_part(self, name: str, part: str) -> None:
        """A part that `name` in the content refers to."""
        self.content[name] = part
        self.parts.append(part)

    def _field(self, owner: Any, field: Field[Any]) -> Any:
        text, _ = annotation(field)
        value, records = getattr(owner, field.name), self._encoder.records
        if text == "ScaleNetwork":
            return value is not None
        if value is None:
            return None
        if text in STORED:
            return self._key(value)
        if text == "Calibrations":
            return plain({frame: self._key(fit) for frame, fit in value.items()})
        if text == "ModelCard":
            return self._part(records.json("cards", printable(asdict(value))))
        if is_array(text):
            return self._part(records.array("evidence", value))
        if text == "pd.DataFrame":
            return {"types": _types(value), "rows": self._part(records.text("anchors", csv_text(value), ".csv"))}
        if text == "dict[int, PriorKnowledge]":
            return plain({frame: as_in_file(known) for frame, known in value.items()})
        return plain(printable(as_in_file(value)) if is_dataclass(value) and not isinstance(value, type) else value)

    def _key(self, value: Any) -> str:
        record = self._encoder.record_of(value)
        self.uses.append(record)
        return record.key

    def _part(self, name: str) -> str:
        self.parts.append(name)
        return name


def curves_of(fit: Calibration) -> pd.DataFrame:
    """The curves of a calibration: weight and class shares at each intensity of an atom."""
    curves: dict[str, Any] = {"log_scale": fit.log_scale, "weight": fit.weight}
    curves |= {f"share_{name}": fit.shares[:, k] for k, name in enumerate((*fit.class_sizes, "other"))}
    return pd.DataFrame(curves)


def _types(frame: pd.DataFrame) -> dict[str, str]:
    """The types of the columns of a small table."""
    kinds = {"f": "number", "i": "integer", "b": "boolean"}
    return {str(name): kinds.get(frame[name].to_numpy().dtype.kind, "text") for name in frame.columns}
