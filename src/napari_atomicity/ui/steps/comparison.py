"""Before and after an adaptation: labels, shares, anchors and scores."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QToolButton, QVBoxLayout, QWidget

from napari_atomicity.pipeline.adaptation import AppliedAdaptation
from napari_atomicity.pipeline.doubts import open_labels
from napari_atomicity.report.shares import series_of_counts
from napari_atomicity.ui.steps.adaptation_wording import anchor_groups, judged, score_lines
from napari_atomicity.ui.widgets.controls import say
from napari_atomicity.ui.widgets.html import html_table
from napari_atomicity.ui.widgets.share_chart import ShareChart
from napari_atomicity.wording import share_or_doubt

_SHARES: Final = ("class", "before (95 %)", "after (95 %)")
_SCORES: Final = ("", "before", "after")
_SCORES_TIP: Final = (
    "On clusters that the model was not tuned on. Silhouette: how far apart the classes lie in the model's features, "
    "from -1 (mixed) to 1 (apart)."
)
_JUDGED_TIP: Final = (
    "A quarter of your labels is never learnt from, always the same ones, whatever is adapted: they tell whether it "
    "helped"
)
_ANCHORS: Final = ("learnt from", "class", "tuned + held", "diameter in nm")


class Comparison(QWidget):
    """What an adaptation changed and why, or why there is none."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: tuple[AppliedAdaptation, dict[str, str]] | None = None
        page = QVBoxLayout(self)
        page.setContentsMargins(0, 0, 0, 0)
        page.setSpacing(6)
        self.headline = _text()
        self.headline.setStyleSheet("font-weight: bold;")
        self.reason = _text()
        self.judged = _text(_JUDGED_TIP)
        self.chart = ShareChart()
        self.shares = _text("Share of each class with its 95 % interval")
        self.scores = _text(_SCORES_TIP)
        self.anchors = _text(
            "Clusters that the model was tuned on, those held back to judge it, and their range of diameters"
        )
        self.more = QToolButton()
        self.more.setText("Details")
        self.more.setToolTip("Why it was accepted or not, shares, scores, and the clusters that the model learnt from")
        self.more.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.more.setCheckable(True)
        self.more.setStyleSheet("QToolButton { border: none; padding: 2px; }")
        self.more.toggled.connect(self._unfold)
        self.details = QWidget()
        inside = QVBoxLayout(self.details)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(6)
        for widget in (self.headline, self.judged, self.chart, self.more, self.details):
            page.addWidget(widget)
        for widget in (self.reason, self.shares, self.scores, self.anchors):
            inside.addWidget(widget)
        self._unfold(False)

    def _unfold(self, wanted: bool) -> None:
        self.more.setArrowType(Qt.ArrowType.DownArrow if wanted else Qt.ArrowType.RightArrow)
        self.details.setVisible(wanted)

    def show_adapted(self, adapted: AppliedAdaptation | None, colours: dict[str, str], theme: dict[str, str]) -> None:
        """Show an adaptation, accepted or not; nothing where there is none."""
        self.setVisible(adapted is not None)
        if adapted is None or self._shown == (adapted, theme):
            return
        self._shown = adapted, theme
        say(self.headline, adapted.headline)
        # where nothing was tuned the reason is all there is to say
        say(self.reason, adapted.reason if adapted.reason != adapted.headline else "")
        say(self.judged, judged(adapted.adaptation))
        self.chart.setVisible(adapted.after is not None)
        say(self.shares, "")
        if adapted.after is not None:
            before, after = (_ratios(adapted, each) for each in (adapted.before, adapted.after))
            labels = after["label"].tolist()
            series = [
                series_of_counts(before, labels, "before", "hollow"),
                series_of_counts(after, labels, "after", "bar"),
            ]
            self.chart.show_shares(labels, series, colours, theme)
            say(self.shares, html_table(_share_rows(adapted, before, after), _SHARES))
        say(self.scores, html_table(score_lines(adapted.adaptation), _SCORES))
        say(self.anchors, html_table(_anchor_rows(adapted), _ANCHORS))
        self.more.setVisible(any(part.text() for part in (self.reason, self.shares, self.scores, self.anchors)))


def _ratios(adapted: AppliedAdaptation, classified: Any) -> pd.DataFrame:
    from napari_atomicity.counting.ratios import class_ratios

    return class_ratios(classified.table, adapted.base.card, calibrations=classified.calibrations)


def _share_rows(adapted: AppliedAdaptation, before: pd.DataFrame, after: pd.DataFrame) -> list[tuple[str, str, str]]:
    counts = (adapted.before, adapted.after)
    doubts = [() if count is None else open_labels(count.calibrations) for count in counts]
    was = before.set_index("label").reindex(after["label"]).reset_index()
    pairs = zip(was.to_dict("records"), after.to_dict("records"), strict=True)
    return [
        (str(new["label"]), _share(old, doubts[0]), _share(new, doubts[1]))
        for old, new in pairs
        if _seen(old) or _seen(new)
    ]


def _seen(share: dict[Any, Any]) -> bool:
    return bool(share["fraction"] > 0)


def _share(share: dict[Any, Any], doubt: tuple[str, ...]) -> str:
    return share_or_doubt(str(share["label"]), share["fraction"], share["low"], share["high"], doubt)


def _anchor_rows(adapted: AppliedAdaptation) -> list[tuple[str, ...]]:
    """By source and class; of all images where the adaptation rests on several."""
    return [
        (
            group["source"],
            group["label"],
            f"{group['tuned']} + {group['held']}",
            f"{group['low_nm']:.2f} to {group['high_nm']:.2f}",
        )
        for group in anchor_groups(adapted.adaptation.anchors)
    ]


def _text(tip: str = "") -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setToolTip(tip)
    return label
