"""From a table of contents and its parts to what a session holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline import Classified, Settings
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.session.encode import ARRAYS
from napari_atomicity.session.images import Found, micrograph_of
from napari_atomicity.session.models import bundle_of, card_of
from napari_atomicity.session.parts import Source
from napari_atomicity.session.patches import patches_again
from napari_atomicity.session.record import Session, Snapshot, Step, Tuned, Work
from napari_atomicity.session.tables import table_of

if TYPE_CHECKING:
    from napari_atomicity.counting.adapt import Adaptation
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.calibrate import Calibration
    from napari_atomicity.counting.classify import Evidence
    from napari_atomicity.counting.profile import InstrumentProfile

Value = TypeVar("Value")
_SETTINGS: Final = tuple(Settings.__dataclass_fields__)


class Decoder:
    """Brings back the things of one session, each once."""

    def __init__(self, contents: Mapping[str, Any], source: Source, found: Mapping[str, Found]) -> None:
        self.contents = contents
        self.source = source
        self.found = found
        self.remarks: list[str] = []
        self._made: dict[str, Any] = {}
        self._here: Found | None = None
        #: pixels that may stand for an image; others are only those of earlier steps
        self.wanted: frozenset[str] = frozenset()

    def session_steps(self) -> Steps[Session]:
        """The session, without the images that were left out."""
        works: list[Work] = []
        in_hand = 0
        images = self.contents["images"]
        for at, entry in enumerate(images):
            yield Progress(at, len(images), f"Opening {entry['name']}")
            work = self._work(entry)
            if work is not None:
                in_hand = len(works) if at == self.contents.get("in_hand") else in_hand
                works.append(work)
        return Session(
            tuple(works),
            in_hand,
            self.contents.get("view") or {},
            str(self.contents.get("saved", "")),
            str(self.contents.get("software", "")),
            remarks=tuple(dict.fromkeys(self.remarks)),
        )

    def state_in_force(self, entry: Mapping[str, Any]) -> Mapping[str, Any]:
        """The entry of the state that an image was in."""
        return self._entry("states", entry["history"][int(entry["now"])]["state"])

    def table_in_force(self, entry: Mapping[str, Any]) -> ClusterTable:
        """The clusters of an image as they were when it was saved."""
        return self._table(self.state_in_force(entry)["table"])

    def pixels_of(self, entry: Mapping[str, Any]) -> str:
        """Key of the pixels of the step in force."""
        return str(self._entry("micrographs", self.state_in_force(entry)["micrograph"])["pixels"])

    def _work(self, entry: Mapping[str, Any]) -> Work | None:
        key = self.pixels_of(entry)
        here = self.found.get(key) if key in self.wanted else None
        if here is None:
            return None
        # what an undo would go back to on pixels that are gone shows the present ones
        self._here = here
        steps = tuple(
            Step(str(step["name"]), self._state(step["state"]), str(step.get("when", ""))) for step in entry["history"]
        )
        now = int(entry["now"])
        if not 0 <= now < len(steps):
            raise ValueError(now)
        return Work(
            name=str(entry["name"]),
            steps=steps,
            now=now,
            settings=settings_of(entry["settings"]),
            selection=frozenset(int(i) for i in entry["selection"]),
            messages=tuple(entry["messages"]),
            detected=bool(entry["detected"]),
            profile=_profile(entry["profile"]),
            ticked=bool(entry["ticked"]),
            expected={int(size): float(share) for size, share in (entry.get("expected") or {}).items()},
            checked=bool(entry.get("checked", False)),
            view=entry.get("view") or {},
            changed=here.changed,
            match=here.match,
        )

    # ------------------------------------------------------------------ things

    def _entry(self, kind: str, key: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.contents[kind][key]
        return found

    def _once(self, kind: str, key: str, make: Callable[[Mapping[str, Any]], Value]) -> Value:
        name = f"{kind}/{key}"
        if name not in self._made:
            self._made[name] = make(self._entry(kind, key))
        value: Value = self._made[name]
        return value

    def _state(self, key: str) -> Snapshot:
        return self._once("states", key, self._make_state)

    def _make_state(self, entry: Mapping[str, Any]) -> Snapshot:
        plain = Snapshot(
            self._micrograph(entry["micrograph"]), self._table(entry["table"]), session=tuple(entry["session"])
        )
        try:
            micrograph = plain.micrograph
            bundle = None if entry["model"] is None else self._bundle(entry["model"])
            classified, offered = (
                None if entry[name] is None else self._classified(entry[name], micrograph)
                for name in ("classified", "offered")
            )
            tuned = None if entry["adaptation"] is None else self._tuned(entry["adaptation"], micrograph)
        except InputError as error:
            # the labels are in the table; what they rest on is lost
            self.remarks.append(f"{error} The table and the labels are here; count again to go on from them.")
            return plain
        return replace(
            plain,
            bundle=bundle,
            classified=classified,
            offered=offered,
            adaptation=tuned,
            settings=None if entry["settings"] is None else settings_of(entry["settings"]),
            choices={int(frame): str(label) for frame, label in entry["choices"].items()},
        )

    def _micrograph(self, key: str) -> Micrograph:
        def make(entry: Mapping[str, Any]) -> Micrograph:
            found = self.found.get(entry["pixels"]) or self._here
            if found is None:
                raise KeyError(key)
            return micrograph_of(entry, found)

        return self._once("micrographs", key, make)

    def _table(self, key: str) -> ClusterTable:
        def make(entry: Mapping[str, Any]) -> ClusterTable:
            base = None if entry["based_on"] is None else self._table(entry["based_on"])
            text = None if entry["rows"] is None else self.source.read(entry["rows"]).decode()
            return table_of(entry, text, base)

        return self._once("tables", key, make)

    def _bundle(self, key: str) -> Bundle:
        return self._once("models", key, lambda entry: bundle_of(entry, self.source, self.remarks))

    def _classified(self, key: str, micrograph: Micrograph) -> Classified:
        def make(entry: Mapping[str, Any]) -> Classified:
            table = self._table(entry["table"])
            evidence: Any = None if entry["evidence"] is None else self._evidence(entry["evidence"])
            fits = {int(frame): self._calibration(fit) for frame, fit in entry["calibrations"].items()}
            known = {int(frame): _known(one) for frame, one in entry["known"].items()}
            return Classified(table, evidence, patches_again(micrograph, table), fits, known)

        return self._once("counts", key, make)

    def _evidence(self, key: str) -> Evidence:
        from napari_atomicity.counting.classify import Evidence

        def make(entry: Mapping[str, Any]) -> Evidence:
            card = card_of(self.source.read(entry["card"]))
            arrays = {name: self._array(entry[name]) for name in ARRAYS}
            shipped = None if entry["shipped"] is None else self._evidence(entry["shipped"])
            scales = None
            if entry["with_scale_network"]:
                scales = next((one.scale_network for one in self._bundles() if one.card == card), None)
            return Evidence(card=card, scale_network=scales, shipped=shipped, **arrays)

        return self._once("evidence", key, make)

    def _bundles(self) -> list[Bundle]:
        return [self._bundle(key) for key in self.contents.get("models", {})]

    def _array(self, name: str) -> npt.NDArray[Any]:
        values: npt.NDArray[Any] = read_array(self.source.read(name))
        return values

    def _calibration(self, key: str) -> Calibration:
        return self._once("calibrations", key, lambda entry: _calibration(entry, self.source))

    def _tuned(self, key: str, micrograph: Micrograph) -> Tuned:
        def make(entry: Mapping[str, Any]) -> Tuned:
            return Tuned(
                adaptation=self._adaptation(entry["adaptation"]),
                base=self._bundle(entry["base"]),
                before=self._classified(entry["before"], micrograph),
                offered=self._classified(entry["offered"], micrograph),
                after=None if entry["after"] is None else self._classified(entry["after"], micrograph),
                anchors=_frame(entry["anchors"], self.source),
                images=tuple(entry["images"]),
            )

        return self._once("tuned", key, make)

    def _adaptation(self, key: str) -> Adaptation:
        from napari_atomicity.counting.adapt import Adaptation

        def make(entry: Mapping[str, Any]) -> Adaptation:
            return Adaptation(
                bundle=self._bundle(entry["model"]),
                accepted=bool(entry["accepted"]),
                reason=str(entry["reason"]),
                anchors=_frame(entry["anchors"], self.source),
                before=_numbers(entry["before"]),
                after=_numbers(entry["after"]),
                evidence=None if entry["evidence"] is None else self._evidence(entry["evidence"]),
            )

        return self._once("adaptations", key, make)


def read_array(content: bytes) -> npt.NDArray[Any]:
    """The array in a part."""
    values: npt.NDArray[Any] = np.lib.format.read_array(BytesIO(content), allow_pickle=False)
    return values


def settings_of(entry: Mapping[str, Any]) -> Settings:
    """Settings as they were; what a later version may add is left out."""
    return Settings(**_values({name: entry[name] for name in _SETTINGS if name in entry}))


def _values(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(one) if isinstance(one, list) else one for name, one in entry.items()}


def _known(entry: Mapping[str, Any]) -> Any:
    from napari_atomicity.counting.calibrate import Known

    return Known(**_values(entry))


def _profile(entry: Mapping[str, Any] | None) -> InstrumentProfile | None:
    from napari_atomicity.counting.profile import InstrumentProfile

    return None if entry is None else InstrumentProfile(**{**entry, "images": tuple(entry["images"])})


def _calibration(entry: Mapping[str, Any], source: Source) -> Calibration:
    from napari_atomicity.counting.calibrate import Calibration

    curves = _csv(source.read(entry["curves"]).decode())
    sizes = tuple(int(size) for size in entry["class_sizes"])
    shares = [_floats(curves[f"share_{name}"]) for name in (*sizes, "other")]
    return Calibration(
        class_sizes=sizes,
        scale=float(entry["scale"]),
        scale_sd=float(entry["scale_sd"]),
        fractions={str(name): float(share) for name, share in entry["fractions"].items()},
        ambiguous=bool(entry["ambiguous"]),
        candidates=tuple(dict(one) for one in entry["candidates"]),
        log_scale=_floats(curves["log_scale"]),
        weight=_floats(curves["weight"]),
        shares=np.column_stack(shares),
        log_evidence=_number(entry["log_evidence"]),
        clusters=int(entry["clusters"]),
        element=str(entry["element"]),
        intervals={str(name): (float(low), float(high)) for name, (low, high) in entry["intervals"].items()},
        misfit=str(entry["misfit"]),
    )


def _frame(entry: Mapping[str, Any], source: Source) -> pd.DataFrame:
    rows = _csv(source.read(entry["rows"]).decode())
    read: dict[str, Callable[[pd.Series[Any]], npt.NDArray[Any]]] = {
        "number": _floats,
        "integer": lambda column: np.array([int(value) for value in column], dtype=np.int64),
        "boolean": lambda column: np.array([value == "True" for value in column], dtype=bool),
        "text": lambda column: column.to_numpy(dtype=object),
    }
    values = {str(name): read[kind](rows[name]) for name, kind in entry["types"].items()}
    return pd.DataFrame({name: pd.Series(column, dtype=column.dtype) for name, column in values.items()})


def _csv(text: str) -> pd.DataFrame:
    return pd.read_csv(StringIO(text), dtype=str, keep_default_na=False)


def _floats(column: pd.Series[Any]) -> npt.NDArray[np.float64]:
    return np.array([_number(value if value != "" else None) for value in column], dtype=np.float64)


def _numbers(entry: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): _number(value) for name, value in entry.items()}


def _number(value: Any) -> float:
    return np.nan if value is None else float(value)


def parsed(source: Source) -> dict[str, Any]:
    """The table of contents; an `InputError` where it is none."""
    try:
        contents = json.loads(source.contents())
    except ValueError as error:
        raise InputError(f"{source.path.name} is damaged: its table of contents cannot be read.") from error
    if not isinstance(contents, dict):
        raise InputError(f"{source.path.name} is no session of napari-atomicity.")
    return contents
