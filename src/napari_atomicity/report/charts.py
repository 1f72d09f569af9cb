"""The pictures of a report as pieces of HTML: drawings as SVG with words that stay words, micrographs as PNG."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_atomicity.clusters import OTHER
from napari_atomicity.report.drawing import bare_axes, draw_shares, new_figure
from napari_atomicity.report.overlay import overlay_figure
from napari_atomicity.report.shares import series_of_ratios
from napari_atomicity.style import colours

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from napari_atomicity.pipeline import ImageState, Ratios, Repeatability, ScaleConsistency

#: dots per inch of the micrographs, 7 inches wide
_DPI: Final = 170
_BINS: Final = 24


def overlay(analysis: ImageState, frame: int) -> str:
    """The micrograph with its rings, as a data URI.

    Parameters
    ----------
    analysis
        Of the image.
    frame
        Which frame of a stack.
    """
    return _png(overlay_figure(analysis.micrograph, analysis.table, analysis.model_in_force.card, frame))


def micrograph(analysis: ImageState, frame: int) -> str:
    """The micrograph alone, as a data URI.

    Parameters
    ----------
    analysis
        Of the image.
    frame
        Which frame of a stack.
    """
    return _png(overlay_figure(analysis.micrograph, None, analysis.model_in_force.card, frame))


def ratios(result: Ratios, analysis: ImageState) -> str:
    """Observed shares with intervals beside what is expected and what simple methods say, as SVG.

    Parameters
    ----------
    result
        The shares.
    analysis
        Of one of the images, for the colours of its model.
    """
    figure = new_figure(6.9, 0.42 * len(result.table) + 0.95)
    tall = float(figure.get_size_inches()[1])
    axes = figure.add_axes((0.1, 0.5 / tall, 0.87, 1 - 0.82 / tall))
    labels = result.table["label"].tolist()
    draw_shares(axes, labels, series_of_ratios(result.table), _palette(analysis), labels)
    axes.set_xlabel("share of the clusters of these sizes (%)")
    handles, words = axes.get_legend_handles_labels()
    # bars come last
    handles, words = [*handles[-1:], *handles[:-1]], [*words[-1:], *words[:-1]]
    figure.legend(handles, words, loc="upper center", ncols=len(words), frameon=False, fontsize=8, columnspacing=1.2)
    return _svg(figure)


def diameters(analysis: ImageState) -> str:
    """Histogram of the diameters of each class, stacked, as SVG."""
    table = analysis.table
    values, labels = table.rows["diameter_nm"].to_numpy(dtype=float), table.final_labels
    here = np.isfinite(values) & (labels != "")
    figure = new_figure(3.35, 2.1)
    axes = figure.add_axes((0.17, 0.22, 0.8, 0.74))
    palette = _palette(analysis)
    present = set(map(str, labels[here]))
    names = [label for label in palette if label in present]
    names += sorted(present - set(names))
    if names:
        edges = np.histogram_bin_edges(values[here], bins=_BINS)
        groups = [values[here & (labels == label)] for label in names]
        fill = [palette.get(label, palette[OTHER]) for label in names]
        axes.hist(groups, bins=edges.tolist(), stacked=True, color=fill, edgecolor="white", linewidth=0.4)
    axes.set_xlabel("diameter (nm)")
    axes.set_ylabel("clusters")
    bare_axes(axes)
    return _svg(figure)


def confidence(analysis: ImageState) -> str:
    """Histogram of the confidence of the labels, as SVG."""
    values = analysis.table.rows["confidence"].to_numpy(dtype=float)
    figure = new_figure(3.35, 2.1)
    axes = figure.add_axes((0.17, 0.22, 0.8, 0.74))
    axes.hist(
        values[np.isfinite(values)], bins=np.linspace(0, 1, 21).tolist(), color="#7a8ca3", edgecolor="white", lw=0.4
    )
    axes.set_xlim(0, 1)
    axes.set_xlabel("confidence of the label")
    axes.set_ylabel("clusters")
    bare_axes(axes)
    return _svg(figure)


def scales(found: ScaleConsistency) -> str:
    """What one atom is worth by every way, as SVG."""
    from napari_atomicity.report.consistency import consistency_figure

    return _svg(consistency_figure(found))


def repeats(found: Repeatability) -> str:
    """How far counts repeat, by frame and by cluster, as SVG."""
    from napari_atomicity.report.repeatability import repeatability_figure

    return _svg(repeatability_figure(found))


def _palette(analysis: ImageState) -> dict[str, str]:
    card = analysis.model_in_force.card
    return colours(card.class_sizes, card.element)


def _svg(figure: Figure) -> str:
    import matplotlib as mpl

    kept = io.StringIO()
    words: Any = {"svg.fonttype": "none", "svg.hashsalt": "napari-atomicity"}
    with mpl.rc_context(words):
        figure.savefig(kept, format="svg", metadata={"Date": None}, transparent=True)
    text = kept.getvalue()
    # without the head of a file of its own; ids are made unlike those of the other drawings of the page
    body = text[text.index("<svg") :]
    mark = f"d{hashlib.sha256(body.encode()).hexdigest()[:8]}-"
    body = re.sub(r'\bid="', f'id="{mark}', body)
    return re.sub(r'(url\(#|href="#)', rf"\g<1>{mark}", body)


def _png(figure: Figure) -> str:
    kept = io.BytesIO()
    figure.savefig(kept, format="png", dpi=_DPI)
    return "data:image/png;base64," + base64.b64encode(kept.getvalue()).decode()
