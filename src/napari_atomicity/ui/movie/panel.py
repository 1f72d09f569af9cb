"""A stack as a movie: follow its clusters, see their atoms over time, what happened, and set tracks right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.utils.notifications import show_info, show_warning
from qtpy.QtWidgets import QCheckBox, QFileDialog, QLabel, QSpinBox, QWidget

from napari_atomicity.errors import InputError
from napari_atomicity.movies import Exposure, Movie, MovieSettings, cut, exposure_of, joined
from napari_atomicity.movies.edits import MOST_TRACK
from napari_atomicity.pipeline.movie import outdated
from napari_atomicity.ui.actions import movie as actions
from napari_atomicity.ui.movie.chart import AtomsChart
from napari_atomicity.ui.movie.entries import NumberLine
from napari_atomicity.ui.movie.events import MOST, EventTable
from napari_atomicity.ui.widgets.controls import button, say
from napari_atomicity.ui.widgets.frame_shares import FrameShares
from napari_atomicity.ui.widgets.html import html_table
from napari_atomicity.ui.widgets.panel import Panel
from napari_atomicity.ui.widgets.theme import plot_colours

if TYPE_CHECKING:
    import napari

    from napari_atomicity.document.document import Document

#: frames named in a row at most
_NAMED: Final = 6
_HOW: Final = (
    "Open a stack of one field over time, find and count its clusters (steps 2 and 3), then follow them from frame to "
    "frame."
)


class MoviePanel(Panel):
    """Settings, what was found, the plot, the events, and what a person does to tracks."""

    title = "Movie"

    def __init__(self, viewer: napari.viewer.Viewer, inside: bool = False) -> None:
        super().__init__(viewer, inside)
        viewer.events.theme.connect(self._on_theme)

    def build(self) -> None:
        """From settings to files, from top to bottom."""
        self._shown: tuple[Any, ...] = ()
        self._settings()
        self.finding = self.note("Tracks and events")
        self.finding.setStyleSheet("font-weight: bold;")
        self.chart = AtomsChart()
        self.chart.chosen.connect(lambda frame: actions.go_to_frame(self.workspace, frame))
        self.page.addWidget(self.chart)
        self.shares = FrameShares()
        self.shares.chosen.connect(lambda frame: actions.go_to_frame(self.workspace, frame))
        self.page.addWidget(self.shares)
        self.events = EventTable()
        self.events.chosen.connect(lambda event: actions.look_at_event(self.workspace, event))
        self.page.addWidget(self.events)
        self._edits()
        self._files()
        self.numbers = self.note("Of all tracks together; in brackets the 95 % interval")
        self.remarks = self.note("What a person must know about this movie")

    def _settings(self) -> None:
        self.seconds = NumberLine("not known", "Seconds from the start of a frame to that of the next")
        self.dose = NumberLine("not known", "Electrons per nm² of one frame; losses per dose follow from it")
        self.reach = NumberLine("1", "The way in nm that a cluster goes at most from one frame to the next")
        form = self.form()
        for words, line, name in (
            ("Seconds per frame", self.seconds, "seconds_per_frame"),
            ("Electrons per nm² and frame", self.dose, "dose_per_frame"),
            ("Way per frame, at most (nm)", self.reach, "reach_nm"),
        ):
            label = QLabel(words)
            label.setBuddy(line)
            form.addRow(label, line)
            line.entered.connect(lambda value, name=name: self._set(**{name: value}))
        self.align = QCheckBox("Find shifts")
        self.align.setToolTip("Find out how the field drifts; without it the frames lie on one another as they are")
        self.align.clicked.connect(lambda checked: self._set(align=bool(checked)))
        self.tracks = QCheckBox("Show tracks")
        self.tracks.setToolTip("The layer of tracks over the image")
        self.tracks.clicked.connect(self._on_tracks)
        self.run = button(
            "Follow clusters", "Link the clusters from frame to frame; what you joined and cut stays", self._follow
        )
        self.row(self.align, self.tracks, self.run).setStretch(2, 1)

    def _edits(self) -> None:
        self.join = button("Join", "The tracks of two selected clusters are one", self._join)
        self.cut = button("Cut here", "The selected track ends before the frame that is shown", self._cut)
        self.renumber = QSpinBox()
        self.renumber.setRange(0, MOST_TRACK)
        self.renumber.setToolTip("Another number for the selected track")
        self.number = button("Renumber", "Give the selected track this number", self._number)
        self.row(self.join, self.cut, self.renumber, self.number)
        self.propose = button(
            "Propose labels",
            "Select the clusters whose track you labelled in another frame; nothing is labelled until you do it",
            self._propose,
        )
        self.proposal = self.note("Proposed labels")

    def _files(self) -> None:
        self.many = QSpinBox()
        self.many.setRange(2, 100_000)
        self.many.setValue(10)
        self.many.setToolTip("Frames of a mean")
        self.many.setSuffix(" frames")
        self.means = button("Means", "Aligned means of so many frames each, as a new image to count", self._means)
        self.save = button("Save tracks…", "Tracks and events as CSV, GEFF and a figure", self._save)
        self.row(self.propose, self.save)
        self.row(self.many, self.means)

    # ------------------------------------------------------------------ showing

    def show_document(self, document: Document | None) -> None:
        """Show the movie in hand; only what changed is drawn."""
        movie = None if document is None else document.state.movie
        ready = document is not None and self.can_act
        self.run.setEnabled(ready)
        self._show_settings(document)
        chosen = [] if document is None else actions.tracks_selected(document)
        self.join.setEnabled(ready and movie is not None and len(chosen) == 2)
        self.cut.setEnabled(ready and movie is not None and len(chosen) == 1)
        self.number.setEnabled(ready and movie is not None and len(chosen) == 1)
        self.renumber.setEnabled(ready and movie is not None and len(chosen) == 1)
        widgets: tuple[QWidget, ...] = (self.propose, self.means, self.save, self.many, self.tracks)
        for part in widgets:
            part.setEnabled(ready and movie is not None)
        for widget in (self.chart, self.shares, self.events):
            widget.setVisible(movie is not None)
        if document is None or movie is None:
            self._shown = ()
            self.shares.forget()
            for note in (self.finding, self.numbers, self.proposal):
                say(note, "")
            say(self.remarks, _HOW if document is None else self._why_not(document))
            return
        self._show_movie(document, movie, chosen)

    def status(self, document: Document) -> str:
        """The finding."""
        return "not followed yet" if document.state.movie is None else document.state.movie.sentence

    def _why_not(self, document: Document) -> str:
        if document.micrograph.n_frames == 1:
            return f"{document.micrograph.name} is one frame. {_HOW}"
        return "" if document.counted else _HOW

    def _show_settings(self, document: Document | None) -> None:
        settings = MovieSettings() if document is None else document.options.movie
        told = Exposure() if document is None else exposure_of(document.micrograph)
        for line in (self.seconds, self.dose, self.reach):
            line.setModified(self.is_typing(line) and line.isModified())
        self.seconds.show_value(settings.seconds_per_frame, told.seconds_per_frame)
        self.dose.show_value(settings.dose_per_frame, told.dose_per_frame)
        self.reach.show_value(settings.reach_nm)
        self.align.setChecked(settings.align)
        group = self.workspace.group
        self.tracks.setChecked(group is not None and group.tracks.wanted)

    def _show_movie(self, document: Document, movie: Movie, chosen: list[int]) -> None:
        settings, frame = actions.settings_of(document), self.workspace.frame
        theme = plot_colours(self.workspace.viewer)
        now = (movie, settings, tuple(chosen), tuple(theme.values()))
        if self._shown[:1] != (movie,):
            self.events.show_events(movie.events)
            say(self.proposal, "")
        if self._shown != now:
            self.chart.show_tracks(movie, settings, chosen, frame, theme)
            self.events.mark_tracks(set(chosen))
            if len(chosen) == 1:
                self.renumber.setValue(chosen[0])
        self._shown = now
        self.chart.show_frame(frame)
        self.shares.show_document(document, frame, theme)
        say(self.finding, movie.sentence)
        say(self.numbers, _numbers(movie, settings))
        say(self.remarks, "\n".join(self._remarks(document, movie)))

    def _remarks(self, document: Document, movie: Movie) -> list[str]:
        said = []
        if outdated(document.state):
            said.append("The clusters changed since then; follow them again.")
        asked, used = actions.settings_of(document), movie.settings
        if (asked.align, asked.reach_nm) != (used.align, used.reach_nm):
            said.append("These tracks were made with other settings; follow the clusters again.")
        if len(movie.events) > MOST:
            said.append(f"The first {MOST} of {len(movie.events)} events are shown; the files hold all.")
        known = (asked.dose_per_frame is None, asked.seconds_per_frame is None)
        given = [remark for remark in movie.remarks if "Give the" not in remark]
        wanted = [words for words, missing in zip(("electrons per nm²", "seconds"), known, strict=True) if missing]
        if wanted:
            given.append(f"Give the {' and the '.join(wanted)} of a frame to have losses per dose and a time axis.")
        return [*said, *given]

    def _on_theme(self, _: object = None) -> None:
        self._on_changed()

    # ------------------------------------------------------------------ doing

    def _set(self, **values: Any) -> None:
        """A setting that a person gave; an impossible one is said, and shown as it was."""
        document = self.document
        if document is None:
            return
        from dataclasses import replace

        if values.get("reach_nm", 1.0) is None:
            values["reach_nm"] = MovieSettings.reach_nm
        try:
            document.set_options(movie=replace(document.options.movie, **values))
        except InputError as error:
            show_warning(str(error))
        self.show_now()

    def _follow(self) -> None:
        actions.follow(self.workspace)

    def _on_tracks(self, checked: bool) -> None:
        if self.workspace.group is not None:
            self.workspace.group.tracks.show(bool(checked))

    def _chosen(self) -> list[int]:
        return [] if self.document is None else actions.tracks_selected(self.document)

    def _join(self) -> None:
        chosen = self._chosen()
        if len(chosen) == 2:
            one, other = chosen
            actions.edit(self.workspace, f"Join tracks {one} and {other}", lambda movie: joined(movie, one, other))

    def _cut(self) -> None:
        chosen, frame = self._chosen(), self.workspace.frame
        if len(chosen) == 1:
            actions.edit(self.workspace, f"Cut track {chosen[0]}", lambda movie: cut(movie, chosen[0], frame))

    def _number(self) -> None:
        chosen = self._chosen()
        if len(chosen) == 1 and chosen[0] != self.renumber.value():
            actions.number(self.workspace, chosen[0], self.renumber.value())

    def _propose(self) -> None:
        say(self.proposal, actions.propose(self.workspace))

    def _means(self) -> None:
        from napari.layers import Layer

        from napari_atomicity.io.napari_hooks import as_layer

        made = actions.means(self.workspace, self.many.value(), None)
        viewer = self.workspace.viewer
        if made is not None and viewer is not None:
            viewer.add_layer(Layer.create(*as_layer(made)))

    def _save(self) -> None:
        document = self.document
        folder = QFileDialog.getExistingDirectory(self, "Save tracks to a folder", str(Path.home()))
        if not (folder and self.is_still(document)):
            return
        try:
            paths = actions.save(self.workspace, Path(folder))
        except InputError as error:
            show_warning(str(error))
            return
        show_info(f"Saved {', '.join(path.name for path in paths)}.")


def _named(frames: tuple[int, ...]) -> str:
    more = f" and {len(frames) - _NAMED} more" if len(frames) > _NAMED else ""
    return ", ".join(map(str, frames[:_NAMED])) + more or "none"


def _numbers(movie: Movie, settings: MovieSettings) -> str:
    rates = movie.rates

    def interval(name: str, scale: float) -> str:
        value, low, high = (scale * rates.get(f"{name}{end}", np.nan) for end in ("", "_low", "_high"))
        return f"{value:.2g} ({low:.2g} to {high:.2g})" if np.isfinite(value) else "not known"

    rows = [("atoms lost by a cluster in a frame", interval("loss_per_frame", 1.0))]
    if settings.dose_per_frame is not None:
        rows.append(("share lost per 1000 e/nm² (%)", interval("loss_share_per_frame", 1e5 / settings.dose_per_frame)))
    shifts = movie.shifts_px[movie.kept]
    rows += [
        ("spread of a track over the stated one", f"{rates.get('spread', np.nan):.2f}"),
        ("drift over the movie (pixels)", f"{np.ptp(shifts[:, 0]):.0f} down, {np.ptp(shifts[:, 1]):.0f} across"),
        ("frames left out", _named(movie.rejected)),
    ]
    return html_table(rows)
