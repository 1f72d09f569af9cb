"""What the review says in words: the cluster at hand, agreement, confusion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_atomicity.counting.opinions import ORDERS, opinion_words
from napari_atomicity.counting.review import LabelAgreement, agreement
from napari_atomicity.ui.widgets.html import Bold, html_table
from napari_atomicity.wording import channel_words, interval, percent

if TYPE_CHECKING:
    import pandas as pd

    from napari_atomicity.document.document import Document
    from napari_atomicity.document.review import Review

_OPINIONS: Final = {"model": "model", "diameter": "diameter", "intensity": "intensity", "base": "before adapting"}


def here_words(document: Document, review: Review) -> str:
    """The cluster at hand, and who says what of it."""
    chosen = sorted(document.selection)
    if len(chosen) != 1:
        return f"{len(chosen)} clusters selected." if chosen else "No cluster selected: Start, or click one."
    cluster = chosen[0]
    mine = document.table.values_of("annotation", [cluster])[0]
    card = document.state.bundle.card if document.state.bundle is not None else None
    channels = [channel_words(name) for name in card.channels] if card is not None else []
    opinions = opinion_words(review.opinions, cluster, channels)
    yours = f", your label {mine}" if mine else ""
    lines = [f"Cluster {cluster}{_place(cluster, document, review)}{yours}"]
    if opinions:
        sure_words = [f"{_OPINIONS.get(name, name)} {label} ({percent(sure, 0)})" for name, label, sure in opinions]
        lines.append(", ".join(sure_words))
    return "\n".join(lines)


def _place(cluster: int, document: Document, review: Review) -> str:
    queue = review.queue
    if queue is None:
        return ""
    present = queue.present(document.table)
    if cluster not in present:
        return " (not in the queue)"
    return f", {present.index(cluster) + 1} of {len(present)} in the queue, {ORDERS[queue.order]}"


def agreement_words(document: Document, review: Review) -> str:
    """Agreement on all labelled clusters, the fair one beside it, and what the queue does not hold."""
    lines = []
    everything = agreement(document.table)
    if everything.total:
        lines.append(f"You and the model agree on {_right(everything)} labelled clusters, however they were chosen.")
    queue = review.queue
    if queue is not None:
        if queue.order == "random":
            fair = queue.fair(document.table, review.reached, review.at)
            passed = f"; {fair.passed} passed over without a label" if fair.passed else ""
            lines.append(
                f"Fair check, of clusters drawn at random: {_right(fair)}{passed}."
                if fair.total
                else "Fair check: label the clusters in this order, and leave none out."
            )
            if fair.tuned:
                lines.append(f"Not in it: {fair.tuned} that you labelled, but the model was tuned on.")
        if added := queue.added(document.table):
            lines.append(f"{added} came after the queue was started and are not in it; start again to include them.")
    return "\n".join(lines)


def _right(agreed: LabelAgreement) -> str:
    share, low, high = agreed.interval
    return f"{agreed.right} of {agreed.total} ({percent(share, 0)}, {interval(low, high, 0)})"


def confusion_words(counts: pd.DataFrame) -> str:
    """The table in Qt's own HTML; what agrees is bold."""
    rows = [
        [Bold(yours), *(Bold(n) if label == yours else str(n or "·") for label, n in row.items())]
        for yours, row in counts.iterrows()
    ]
    return html_table(rows, ["you \\ model", *map(str, counts.columns)])
