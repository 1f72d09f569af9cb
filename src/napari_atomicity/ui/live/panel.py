"""At the microscope: what is known so far, whether it is enough, and what to do next."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from qtpy.compat import isalive
from qtpy.QtCore import Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QListWidget, QListWidgetItem

from napari_atomicity.live.seen import Seen
from napari_atomicity.live.shares import LiveShares
from napari_atomicity.live.watching import Look
from napari_atomicity.pipeline import Settings
from napari_atomicity.report.shares import ShareSeries
from napari_atomicity.ui.live.picture import PictureView
from napari_atomicity.ui.live.service import LiveWatch, live_watch_of
from napari_atomicity.ui.live.source import SourceChoice
from napari_atomicity.ui.live.strips import GOOD, OUT, QualityStrips, is_light
from napari_atomicity.ui.widgets.controls import button, line_height, say
from napari_atomicity.ui.widgets.panel import Panel
from napari_atomicity.ui.widgets.share_chart import ShareChart
from napari_atomicity.ui.widgets.theme import plot_colours
from napari_atomicity.wording import counted

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document

_HOW: Final = (
    "Choose the folder that the microscope writes to, and watch: each image is counted as it comes. The shares may be "
    "looked at after every image. Images can also come from another computer, or one by one from a folder, to try it."
)
_SHA: Final = Qt.ItemDataRole.UserRole
#: letters of the large mode beside those of its small print, for the sentence and for the shares
_LARGE: Final = (1.4, 2.8)
#: letters that have to fit side by side in the large mode, lines of small print that fit below one another beside those
#: of the shares, and height of a line in its letters
_ACROSS: Final = 15.5
_LINES_BELOW: Final = 10.0
_LINE: Final = 1.35
#: lines of the list of images
_LINES: Final = 5


class LivePanel(Panel):
    """Watch a folder: shares, quality, what to do next, the newest image."""

    title = "Live"

    def build(self) -> None:
        """What to watch, the finding, shares, strips, the images."""
        self.watch: LiveWatch = live_watch_of(self.workspace)
        self._build_settings()
        self.large_shares = self.note("Share of each class, and plus or minus what it may be off at all looks together")
        self.large_shares.setTextFormat(Qt.TextFormat.RichText)
        self.advice = self.note("What to do next, and why")
        self.advice.setTextFormat(Qt.TextFormat.RichText)
        self.state = self.note("How many images are counted, wait, or have to be taken again")
        self.warnings = self.note("What has changed for the worse since the first images")
        self.chart = ShareChart(
            "Share of each class with what it may be off: the whiskers hold at all looks together, however often one "
            "looks; a usual interval, for one look, is narrower",
            "",
        )
        self.page.addWidget(self.chart)
        self.strips = QualityStrips()
        self.page.addWidget(self.strips)
        self.picture = PictureView()
        self.page.addWidget(self.picture, 1)
        self._build_images()
        self.said = self.note("What was said meanwhile")
        self.watch.changed.connect(self._on_changed)
        self._shown: tuple[tuple[str, str, float], ...] = ()
        self._newest = ""

    def _build_settings(self) -> None:
        self.source = SourceChoice(self.watch)
        self.page.addWidget(self.source)
        self.goal = QDoubleSpinBox()
        self.goal.setRange(0.5, 50.0)
        self.goal.setDecimals(1)
        self.goal.setPrefix("± ")
        self.goal.setSuffix(" points")
        self.goal.setToolTip("Half width of the shares that is enough")
        self.goal.setValue(100 * self.watch.settings.goal)
        self.goal.valueChanged.connect(lambda value: self.watch.choose(goal=value / 100))
        self.run = button("Watch", "Count what is there and what comes, until you stop", self._run)
        self.large = QCheckBox("Large")
        self.large.setToolTip("Only what matters, in letters that can be read from two metres")
        self.large.setChecked(self.watch.settings.large)
        self.large.toggled.connect(lambda on: self.watch.choose(large=on))
        self.page.addWidget(self.run)
        self.row(self.goal, self.large).setStretch(0, 1)

    def _build_images(self) -> None:
        self.images = QListWidget()
        self.images.setToolTip("The images, the newest first; click one to see it, double-click to open it")
        self.images.setAccessibleName("Images of the session")
        self.images.currentItemChanged.connect(lambda *_: self._show_picture())
        self.images.itemDoubleClicked.connect(lambda _: self._open())
        self.page.addWidget(self.images)
        self.open = button("Open image", "Open the chosen image in the viewer, to correct and review it", self._open)
        self.settle = button(
            "Count together",
            "Count all images once more together: tables and reports as of one session of analyse",
            self.watch.settle,
        )
        self.row(self.open, self.settle)

    # ------------------------------------------------------------------ what is shown

    def show_document(self, document: Document | None) -> None:
        """Show how far the watch has come; the document in hand does not matter."""
        watch, look, busy = self.watch, self.watch.look, self.watch.busy
        self.source.show_settings()
        self.goal.setEnabled(not busy)
        self.run.setText(("Stop at once" if watch.is_closing else "Stop") if busy else "Watch")
        self.run.setEnabled(busy or bool(self.source.folder.text().strip()))
        self.settle.setEnabled(not busy and look is not None and bool(look.images))
        large = watch.settings.large and look is not None
        self.source.setVisible(not (large and busy))
        for widget in (self.chart, self.strips, self.images, self.open, self.settle):
            widget.setVisible(look is not None and not large)
        self.picture.setVisible(look is not None and not large)
        if look is None:
            for label in (self.advice, self.large_shares, self.warnings):
                say(label, "")
            say(self.state, "Starting…" if busy else "")
            say(self.said, "" if busy else _HOW)
            return
        theme = plot_colours(self.workspace.viewer)
        usual = self.state.font().pointSizeF()
        usual = usual if usual > 0 else 10.0
        unit = self._room_in_points(len(look.shares.labels)) if large else 0.0
        sentence = max(usual * (1.0 if large else 1.2), unit * _LARGE[0])
        say(self.advice, _advice(look, sentence, GOOD[is_light(theme)]))
        shares = _large_shares(look.shares, max(usual, unit * _LARGE[1]), watch.colours) if large else ""
        say(self.large_shares, shares)
        say(self.state, _sized(_state(look, busy), max(usual, unit)))
        say(self.warnings, _sized("\n".join(look.warnings), max(usual, unit * _LARGE[0]), OUT[is_light(theme)]))
        say(self.said, "" if large else "\n".join(watch.said[-4:]))
        if not large:
            self._show_details(look)

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """The letters of the large mode grow with the dock."""
        super().resizeEvent(event)
        if self.watch.settings.large:
            self._on_changed()

    def _room_in_points(self, classes: int) -> float:
        """Size of the small print with which shares fill the width, and all fits the height."""
        dots = self.logicalDpiX() or 96
        across = (self.width() - 40) / _ACROSS / 0.62 / _LARGE[1]
        down = (self.height() - 3 * self.run.height()) / _LINE / (classes * _LARGE[1] + _LINES_BELOW)
        return min(across, down) * 72 / dots

    def status(self, document: Document) -> str:
        """How many images are counted."""
        return "not watching" if self.watch.look is None else _state(self.watch.look, self.watch.busy)

    def _show_details(self, look: Look) -> None:
        theme = plot_colours(self.workspace.viewer)
        shares = look.shares
        series = ShareSeries(
            "share of clusters, with ends that hold at all looks", "bar", shares.share, shares.low, shares.high
        )
        self.chart.show_shares(shares.labels, [series], self.watch.colours, theme)
        self.strips.show_qualities([seen.quality for seen in sorted(look.images, key=lambda one: one.taken)], theme)
        self._show_images(look)
        self._show_picture()

    def _show_images(self, look: Look) -> None:
        """The list, the newest first; what is chosen stays chosen."""
        shown = tuple((seen.sha256, seen.outcome, seen.when) for seen in (*look.images, *look.failed))
        if shown == self._shown:
            return
        item = self.images.currentItem()
        chosen = "" if item is None else str(item.data(_SHA))
        follows = item is None or chosen == self._newest
        self._shown, self._newest = shown, self.watch.newest
        self.images.blockSignals(True)
        self.images.clear()
        for seen in sorted((*look.images, *look.failed), key=lambda one: one.taken, reverse=True)[:500]:
            self.images.addItem(_item(seen))
        items = [self.images.item(row) for row in range(self.images.count())]
        wanted = self.watch.newest if follows else chosen
        rows = [row for row, one in enumerate(items) if one is not None and one.data(_SHA) == wanted]
        self.images.setCurrentRow(rows[0] if rows else 0)
        self.images.blockSignals(False)
        self.images.setFixedHeight(line_height(self.images, _LINES) + _LINES * 4)

    def _show_picture(self) -> None:
        item = self.images.currentItem()
        sha256 = self.watch.newest if item is None else str(item.data(_SHA))
        picture = self.watch.pictures.get(sha256)
        self.picture.show_picture(picture, self.watch.colours)
        look = self.watch.look
        known = look is not None and any(seen.sha256 == sha256 for seen in look.images)
        self.open.setEnabled(known and not self.watch.opening.busy)

    # ------------------------------------------------------------------ what a person does

    def _run(self) -> None:
        if self.watch.busy:
            self.watch.stop()
            return
        self.source.keep()
        settings = Settings() if self.document is None else self.document.settings
        self.watch.start(settings.model, settings.sensitivity)

    def _open(self) -> None:
        item = self.images.currentItem()
        if item is not None:
            self.watch.open(str(item.data(_SHA)))
            self._show_picture()

    def _on_changed(self) -> None:
        if isalive(self):
            super()._on_changed()


def _item(seen: Seen) -> QListWidgetItem:
    if seen.outcome == "failed":
        item = QListWidgetItem(f"✗ {seen.name}: take it again")
        item.setToolTip(seen.why)
    else:
        item = QListWidgetItem(f"{seen.name}: {seen.analysed} of {seen.found} clusters counted")
        item.setToolTip("\n".join((seen.path, *seen.messages)))
    item.setData(_SHA, seen.sha256)
    return item


def _state(look: Look, busy: bool) -> str:
    parts = [f"{counted(len(look.images), 'image')}, {counted(look.shares.clusters, 'cluster')} counted"]
    parts += [f"{look.waiting} waiting"] if look.waiting else []
    parts += [f"{len(look.failed)} to take again"] if look.failed else []
    return f"{'Watching' if busy else 'Stopped'}: {', '.join(parts)}."


def _advice(look: Look, points: float, good: str) -> str:
    tint = f"; color:{good}" if look.enough else ""
    sentence = look.advice.sentence
    counts_more = look.advice.what in ("more", "magnification")
    if counts_more and look.sentence not in sentence and look.shares.clusters:
        sentence = f"{sentence} {look.sentence[:1].upper()}{look.sentence[1:]}"
    return f"<div style='font-size:{points:.0f}pt; font-weight:bold{tint}'>{escape(sentence)}</div>"


def _sized(text: str, points: float, colour: str = "") -> str:
    if not text:
        return ""
    tint = f"; color:{colour}" if colour else ""
    return f"<div style='font-size:{points:.0f}pt{tint}'>{escape(text).replace(chr(10), '<br>')}</div>"


def _large_shares(shares: LiveShares, points: float, colours: Any) -> str:
    if not shares.clusters:
        return ""
    half = np.maximum(shares.high - shares.share, shares.share - shares.low)
    rows = [
        f"<tr><td style='color:{colours.get(label, '#808080')}'>■</td><td>{escape(label)}&nbsp;</td>"
        f"<td align='right'><b>{100 * share:.0f}</b> %</td><td>&nbsp;± {100 * off:.0f}</td></tr>"
        for label, share, off in zip(shares.labels, shares.share, half, strict=True)
    ]
    return f"<table style='font-size:{points:.0f}pt'>{''.join(rows)}</table>"
