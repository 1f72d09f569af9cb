"""One document per image layer: the table and everything that belongs to it. Layers and widgets only show it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

from psygnal import Signal

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.document import edits
from napari_atomicity.document.explanation import MapRequest
from napari_atomicity.document.options import ImageOptions
from napari_atomicity.io.units import recalibrated
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline import ImageState, Settings

if TYPE_CHECKING:
    import pandas as pd

    from napari_atomicity.counting.profile import InstrumentProfile
    from napari_atomicity.pipeline import Explained

_HISTORY: Final = 500
#: settings that decide the labels
_COUNTING: Final = ("model", "adapt", "intensity_per_atom", "intensity_per_atom_sd", "deposited", "fractions")
#: settings that say what the counts mean
_OF_METAL: Final = ("element", "composition", "exponent")


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
        self._states = [("Open", ImageState(micrograph))]
        self._now = 0
        self.options = ImageOptions()
        self.selection: frozenset[int] = frozenset()
        #: the heat maps that are shown; belong to no step of the history
        self.attribution: Explained | None = None
        #: what a person wants explained; the maps follow the table as long as it stands
        self.asked: MapRequest | None = None

    # ------------------------------------------------------------------ reading it

    @property
    def state(self) -> ImageState:
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
    def settings(self) -> Settings:
        """Settings of the steps to come."""
        return self.options.settings

    @property
    def messages(self) -> tuple[str, ...]:
        """What was odd about the image and about the search for its clusters."""
        return (*self.micrograph.warnings, *self.state.search_messages)

    @property
    def counted(self) -> bool:
        """Whether any cluster carries a prediction."""
        return bool((self.table.rows["label"] != "").any())

    def ratios(self, by: Literal["final", "diameter"] = "final") -> pd.DataFrame:
        """Share of each class with its interval; only for a document that is counted."""
        from napari_atomicity.counting.ratios import class_ratios

        return class_ratios(self.table, self.state.model_in_force.card, by, self.state.calibrations)

    def request(self) -> ImageState:
        """The image as it is now, with the settings of the steps to come: where work begins."""
        return replace(self.state, settings=self.options.settings, profile=self.options.profile)

    @property
    def as_said(self) -> ImageState:
        """The image as it is now, its metal as the person says it since: that changes no count."""
        said = {name: getattr(self.settings, name) for name in _OF_METAL}
        return replace(self.state, settings=replace(self.state.settings_in_force, **said))

    @property
    def steps(self) -> tuple[list[tuple[str, ImageState]], int]:
        """The whole history with its names, oldest first, also what was undone; and which of it is in force."""
        return list(self._states), self._now

    @property
    def outdated(self) -> bool:
        """Whether other settings were chosen since the labels were given."""
        used = self.state.settings if self.state.bundle is not None else None
        return used is not None and any(getattr(used, name) != getattr(self.settings, name) for name in _COUNTING)

    # ------------------------------------------------------------------ changing it

    def commit(self, name: str, table: ClusterTable | None = None, **changes: Any) -> None:
        """One step of the history: a new table, and new values for other fields of `ImageState`.

        Parameters
        ----------
        name
            Of the step, as a person reads it.
        table
            The clusters; as they are where None.
        changes
            Fields by name. They take the heat maps away.
        """
        state = replace(self.state, table=self.table if table is None else table, when=time.time(), **changes)
        self._push(name, state, bool(changes))

    def apply(self, name: str, result: ImageState, started: ImageState, over: ImageState | None = None) -> ImageState:
        """Make the result of work the newest step; what a person did since the work began goes on top of it.

        Parameters
        ----------
        name
            Of the step, as a person reads it.
        result
            The image after the work.
        started
            The image as it was when the work began.
        over
            What the same work made before and was shown already: it is replaced, unless a person went on from there.

        Returns
        -------
        The state that is in force then.
        """
        table = self._kept(result.table, started.table)
        if over is not None and self.state is over:
            self._now -= 1
        self._push(name, replace(result, table=table, when=time.time()), True)
        return self.state

    def _push(self, name: str, state: ImageState, maps_go: bool) -> None:
        self._states = [*self._states[: self._now + 1], (name, state)][-_HISTORY:]
        self._now = len(self._states) - 1
        if maps_go:
            self.attribution = None
        self._arrive()

    def amend(self, table: ClusterTable | None = None, **changes: Any) -> None:
        """What completes the last step (a measurement that came later) without a step of its own.

        Parameters
        ----------
        table
            The clusters; as they are where None.
        changes
            Fields of `ImageState` by name.
        """
        name, state = self._states[self._now]
        state = replace(state, table=self.table if table is None else table, **changes)
        self._states[self._now] = (name, state)
        self._arrive()

    def calibrate(self, pixel_size_nm: float) -> None:
        """Another pixel size in nm: lengths follow, predictions go; nothing happens where it is the same."""
        old = self.micrograph.pixel_size_nm
        micrograph = recalibrated(self.micrograph, pixel_size_nm)
        if old == micrograph.pixel_size_nm:
            return
        table = edits.rescale(self.table, old, pixel_size_nm)
        self._push("Set the pixel size", self.state.uncounted(table=table, micrograph=micrograph, settings=None), True)
        self.state_changed.emit()
        unmeasured = self.table.ids[self.table.rows["diameter_nm"].isna().to_numpy()]
        if len(unmeasured):
            self.measuring_wanted.emit(unmeasured.tolist())

    def edit(self, name: str, table: ClusterTable, fresh: list[int]) -> None:
        """A person's edit of positions.

        Parameters
        ----------
        name
            Of the step, as a person reads it.
        table
            The clusters after it.
        fresh
            Ids of those that are to be measured.
        """
        self.commit(name, table)
        if fresh:
            self.measuring_wanted.emit(fresh)

    def replace_pixels(self, micrograph: Micrograph) -> None:
        """Other pixels under the same table: positions and annotations stay, predictions go.

        So do clusters of frames that are no longer there.
        """
        table = self.table.without_predictions()
        table = table.take((table.rows["frame"] < micrograph.n_frames).to_numpy())
        gone = {name: self.table.columns[name].neutral for name in ("diameter_nm", "intensity", "flag")}
        table = table.with_values(table.ids, gone)
        changed: dict[str, Any] = {"table": table, "micrograph": micrograph, "choices": {}, "settings": None}
        changed |= {"search_messages": (), "movie": None}
        self._push("Other pixels", self.state.uncounted(**changed), True)
        self.state_changed.emit()
        if len(table):
            self.measuring_wanted.emit(table.ids.tolist())

    def resume(self, steps: Iterable[tuple[str, ImageState]], now: int) -> None:
        """A history that was saved takes the place of the one so far.

        Parameters
        ----------
        steps
            Names and states, oldest first.
        now
            Which of them is in force.
        """
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
        """Give clusters a person's label, or take it back.

        Parameters
        ----------
        ids
            Which clusters.
        label
            For example ``Pt55``; empty takes the label back.
        """
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
        self.set_options(settings=replace(self.settings, **values))

    def set_options(self, **values: Any) -> None:
        """New values for fields of `ImageOptions`."""
        options = replace(self.options, **values)
        if options != self.options:
            self.options = options
            self.state_changed.emit()

    def know_intensity_per_atom(
        self,
        intensity: float | None,
        intensity_sd: float = Settings.intensity_per_atom_sd,
        profile: InstrumentProfile | None = None,
    ) -> None:
        """Set what is known beforehand of the intensity of one atom.

        Parameters
        ----------
        intensity
            Integrated intensity in counts·nm²; None where it is not known.
        intensity_sd
            Its relative standard deviation.
        profile
            The instrument profile that it comes from; None where it comes from none.
        """
        settings = replace(self.settings, intensity_per_atom=intensity, intensity_per_atom_sd=intensity_sd)
        self.set_options(settings=settings, profile=profile)

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
        adapted = self.state.applied
        if adapted is None or adapted.after is None:
            return
        table = self._kept(adapted.before.table, adapted.after.table)
        base = {"bundle": adapted.base, "count": adapted.before, "offered": adapted.offered}
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
