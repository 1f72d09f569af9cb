"""One document per image layer: the table and everything that belongs to it. Layers and widgets only show it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, Literal

import pandas as pd
from psygnal import Signal

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.document import edits
from napari_atomicity.document.state import UNCOUNTED, State
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline import Detected, Settings

_HISTORY: Final = 500
#: settings that decide the labels
_COUNTING: Final = ("model", "adapt", "scale", "scale_sd", "deposited", "fractions")


class Document:
    """Micrograph, table, model and results of one image layer, with one history and one selection.

    Signals: `table_changed` after every new table, `selection_changed` with the ids,
    `state_changed` for everything else (settings, messages, heat maps, pixel size),
    `measuring_wanted` with the ids of clusters that a person placed or moved.
    """

    table_changed = Signal()
    selection_changed = Signal(frozenset)
    state_changed = Signal()
    measuring_wanted = Signal(list)

    def __init__(self, micrograph: Micrograph) -> None:
        self._states = [("Open", State(micrograph, ClusterTable.empty()))]
        self._now = 0
        self.settings = Settings()
        self.selection: frozenset[int] = frozenset()
        #: the heat maps that are shown (`pipeline.Explained`); belong to no step of the history
        self.attribution: Any = None
        #: what a person wants explained (`ui.explaining.Asked`); the maps follow the table as long as it stands
        self.asked: Any = None
        self.messages: tuple[str, ...] = micrograph.warnings
        self.detected = False
        #: instrument profile that the known scale comes from
        self.profile: Any = None
        #: whether it belongs to the session of images taken under the same settings
        self.ticked = False
        #: amount of each size (atoms) that the ratios are held against; does not change how the image is counted
        self.expected: dict[int, float] = {}
        #: whether what a person labelled was drawn at random
        self.checked = False

    # ------------------------------------------------------------------ reading it

    @property
    def state(self) -> State:
        """What is in force now."""
        return self._states[self._now][1]

    @property
    def table(self) -> ClusterTable:
        """The clusters."""
        return self.state.table

    @property
    def micrograph(self) -> Micrograph:
        """The image with its calibration."""
        return self.state.micrograph

    @property
    def classified(self) -> bool:
        """Whether any cluster carries a prediction."""
        return bool((self.table.rows["label"] != "").any())

    def ratios(self, by: Literal["final", "diameter"] = "final") -> pd.DataFrame:
        """Share of each class with its interval; only for a document that is classified."""
        from napari_atomicity.counting.ratios import class_ratios

        calibrations = self.state.classified.calibrations if self.state.classified is not None else {}
        return class_ratios(self.table, self.state.bundle.card, by, calibrations)

    @property
    def steps(self) -> tuple[list[tuple[str, State]], int]:
        """The whole history with its names, oldest first, also what was undone; and which of it is in force."""
        return list(self._states), self._now

    @property
    def outdated(self) -> bool:
        """Whether other settings were chosen since the labels were given."""
        used = self.state.settings
        return used is not None and any(getattr(used, name) != getattr(self.settings, name) for name in _COUNTING)

    # ------------------------------------------------------------------ changing it

    def searched(self, found: Detected) -> None:
        """Clusters were searched; what was odd is to be told."""
        self.messages, self.detected = (*self.micrograph.warnings, *found.messages), True

    def commit(self, name: str, table: ClusterTable | None = None, **changes: Any) -> None:
        """One step of the history called `name`: a new table, and new values for other fields of `State`."""
        state = replace(self.state, table=self.table if table is None else table, when=time.time(), **changes)
        self._states = [*self._states[: self._now + 1], (name, state)][-_HISTORY:]
        self._now = len(self._states) - 1
        if changes:
            self.attribution = None
        self._arrive()

    def land(self, name: str, table: ClusterTable, before: ClusterTable, **changes: Any) -> None:
        """`commit` a table that was computed from `before`; what a person did meanwhile goes on top of it."""
        self.commit(name, self._kept(table, before), **changes)

    def amend(self, table: ClusterTable | None = None, **changes: Any) -> None:
        """What completes the last step (a measurement that came later) without a step of its own."""
        name, state = self._states[self._now]
        state = replace(state, table=self.table if table is None else table, **changes)
        self._states[self._now] = (name, state)
        self._arrive()

    def calibrate(self, pixel_size_nm: float) -> None:
        """Another pixel size in nm: lengths follow, predictions go; nothing happens where it is the same."""
        old = self.micrograph.pixel_size_nm
        micrograph = self.micrograph.with_pixel_size(pixel_size_nm)
        if old == micrograph.pixel_size_nm:
            return
        table = edits.rescale(self.table, old, pixel_size_nm)
        self.commit("Set the pixel size", table, micrograph=micrograph, **UNCOUNTED)
        self.state_changed.emit()
        unmeasured = self.table.ids[self.table.rows["diameter_nm"].isna().to_numpy()]
        if len(unmeasured):
            self.measuring_wanted.emit(unmeasured.tolist())

    def edit(self, name: str, table: ClusterTable, fresh: list[int]) -> None:
        """A person's edit of positions; the clusters `fresh` are to be measured."""
        self.commit(name, table)
        if fresh:
            self.measuring_wanted.emit(fresh)

    def replace_pixels(self, micrograph: Micrograph) -> None:
        """Other pixels under the same table: positions and annotations stay, predictions go."""
        table = self.table.without_predictions()
        self.commit("Other pixels", table, micrograph=micrograph, choices={}, **UNCOUNTED)
        self.state_changed.emit()

    def resume(self, steps: Iterable[tuple[str, State]], now: int) -> None:
        """A history that was saved takes the place of the one so far."""
        self._states, self._now = list(steps), now
        self.attribution = None
        self._arrive()
        self.state_changed.emit()

    def drop(self) -> None:
        """The image is gone: nobody is told anything any more."""
        for signal in (self.table_changed, self.selection_changed, self.state_changed, self.measuring_wanted):
            signal.disconnect()

    def explain(self, explained: Any) -> None:
        """Heat maps of the table as it is now."""
        self.attribution = explained
        self.state_changed.emit()

    def annotate(self, ids: Iterable[int], label: str) -> None:
        """A person's label for clusters; empty takes it back."""
        chosen = sorted(set(ids))
        if chosen:
            name = f"Label {len(chosen)} as {label}" if label else "Take labels back"
            self.commit(name, self.table.annotate(chosen, label))

    def select(self, ids: Iterable[int]) -> None:
        """The one selection, shared by the layer, the table and the plots."""
        chosen = frozenset(int(i) for i in ids) & frozenset(self.table.ids.tolist())
        if chosen != self.selection:
            self.selection = chosen
            self.selection_changed.emit(chosen)

    def choose(self, **values: Any) -> None:
        """New settings for the steps to come."""
        settings = replace(self.settings, **values)
        if settings != self.settings:
            self.settings = settings
            self.state_changed.emit()

    def know_scale(self, scale: float | None, scale_sd: float = Settings.scale_sd, profile: Any = None) -> None:
        """Integrated intensity of one atom that is known beforehand, and the instrument profile it comes from."""
        self.choose(scale=scale, scale_sd=scale_sd)
        self.profile = profile
        self.state_changed.emit()

    def expect(self, expected: Mapping[int, float], checked: bool) -> None:
        """What the ratios are held against, and whether the labels by hand are a random sample."""
        if (dict(expected), checked) != (self.expected, self.checked):
            self.expected, self.checked = dict(expected), checked
            self.state_changed.emit()

    def tick(self, ticked: bool) -> None:
        """Whether it belongs to the session."""
        if ticked != self.ticked:
            self.ticked = ticked
            self.state_changed.emit()

    # ------------------------------------------------------------------ history

    @property
    def undo_name(self) -> str:
        """What undo would take back; empty where there is nothing."""
        return self._states[self._now][0] if self._now else ""

    @property
    def redo_name(self) -> str:
        """What redo would bring back; empty where there is nothing."""
        return self._states[self._now + 1][0] if self._now + 1 < len(self._states) else ""

    @property
    def history(self) -> list[str]:
        """Names of all steps, oldest first, up to the one in force."""
        return [name for name, _ in self._states[1 : self._now + 1]]

    @property
    def step(self) -> int:
        """Which step of the history is in force."""
        return self._now

    def go_to(self, step: int) -> None:
        """Put another of `steps` in force; what was undone that way can be brought back."""
        if step != self._now:
            self._go(step)

    def undo(self) -> None:
        """One step back."""
        self._go(self._now - 1)

    def redo(self) -> None:
        """One step forward."""
        self._go(self._now + 1)

    def undo_adaptation(self) -> None:
        """Back to the labels of the model before the adaptation in force, keeping what a person did since then."""
        adapted = self.state.adapted
        if adapted is None or adapted.after is None:
            return
        table = self._kept(adapted.before.table, adapted.after.table)
        base = {"bundle": adapted.base, "classified": adapted.before, "offered": adapted.offered}
        self.commit("Undo the adaptation", table, adaptation=None, **base)

    def _kept(self, result: ClusterTable, before: ClusterTable) -> ClusterTable:
        return edits.rebase(result, before, self.table, self.micrograph.pixel_size_nm)

    def _go(self, step: int) -> None:
        if 0 <= step < len(self._states):
            self._now = step
            self.attribution = None
            self._arrive()
            self.state_changed.emit()

    def _arrive(self) -> None:
        self.selection &= frozenset(self.table.ids.tolist())
        self.table_changed.emit()
