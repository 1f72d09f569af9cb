"""Pictures of a result, for print and for people without a viewer at hand."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.report import drawing
from napari_atomicity.report.overlay import HeatOverlay, draw_micrograph, overlay_figure, show_image, shrunk
from napari_atomicity.report.shares import series_of_counts
from napari_atomicity.style import colours
from napari_atomicity.wording import method_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_atomicity.counting.card import ModelCard
    from napari_atomicity.pipeline import Explained, ImageState

_DPI: Final = 150

#: pictures that can be written, by suffix
FORMATS: Final = (".png", ".svg", ".pdf")


def draw_clusters(analysis: ImageState, path: Path, frame: int = 0) -> None:
    """Write the micrograph with a ring in its class colour around each cluster, beside the class shares.

    Parameters
    ----------
    analysis
        The counted image.
    path
        PNG, SVG or PDF to write, by its suffix.
    frame
        Which frame of a stack.
    """
    figure = drawing.new_figure(11.5, 7.5)
    picture = figure.add_axes((0.01, 0.06, 0.64, 0.89))
    draw_micrograph(picture, analysis.micrograph, analysis.table, analysis.model_in_force.card, frame)
    picture.set_title(_title(analysis.micrograph, frame), fontsize=10, parse_math=False)
    _shares(figure.add_axes((0.74, 0.12, 0.24, 0.8)), analysis)
    save_figure(figure, path)


def draw_overlay(
    micrograph: Micrograph,
    table: ClusterTable,
    card: ModelCard | None,
    path: Path,
    frame: int = 0,
    title: str = "",
    dpi: int = 300,
    limits: tuple[float, float] | None = None,
    heat: Sequence[HeatOverlay] = (),
) -> None:
    """Write the micrograph with its clusters as on the screen, a scale bar and a legend, ready for print.

    Parameters
    ----------
    micrograph, table
        The image and its clusters.
    card
        Of the model that counted; None where none did.
    path
        PNG, SVG or PDF to write, by its suffix: in the latter two rings are lines and words are words, which can be
        edited, and the micrograph keeps its pixels.
    frame
        Which frame of a stack.
    title
        Over the picture; none where empty.
    dpi
        Dots per inch of a PNG 7 inches wide.
    limits
        Intensities of black and white; where None the darkest and brightest pixels are cut.
    heat
        What lies over the micrograph.
    """
    save_figure(overlay_figure(micrograph, table, card, frame, title, limits, heat), path, dpi)


def _title(micrograph: Micrograph, frame: int) -> str:
    # a name that is no UTF-8 holds characters that no font has
    name = micrograph.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return name + (f", frame {frame} of {micrograph.n_frames}" if micrograph.n_frames > 1 else "")


def _shares(axes: Axes, analysis: ImageState) -> None:
    """Class shares with intervals, and by diameter alone."""
    from napari_atomicity.counting.ratios import class_ratios

    card = analysis.model_in_force.card
    shares = class_ratios(analysis.table, card, calibrations=analysis.calibrations)
    labels = shares["label"].tolist()
    series = [
        series_of_counts(shares, labels, "", "bar"),
        series_of_counts(class_ratios(analysis.table, card, by="diameter"), labels, "by diameter alone", "square"),
    ]
    names = [f"{label} ({n})" for label, n in zip(labels, shares["count"], strict=True)]
    drawing.draw_shares(axes, labels, series, colours(card.class_sizes, card.element), names)
    axes.set_xlabel("share of the counted clusters (%)")
    axes.set_title(f"{int(shares['count'].sum())} of {len(analysis.table)} clusters counted", fontsize=10)
    axes.legend(loc="lower right", fontsize=8, frameon=False)
    if any(calibration.ambiguous for calibration in analysis.calibrations.values()):
        axes.text(0.5, -0.13, "ambiguous: see the report", transform=axes.transAxes, ha="center", color="#b00020")


def draw_heat_map(micrograph: Micrograph, explained: Explained, channel: int, path: Path) -> None:
    """Write the micrograph with one channel's heat map over it as a PNG.

    Parameters
    ----------
    micrograph
        The image.
    explained
        Its heat maps.
    channel
        Index into the overlay's channels.
    path
        PNG, SVG or PDF to write, by its suffix.
    """
    figure = drawing.new_figure(8.5, 7.5)
    picture = figure.add_axes((0.01, 0.02, 0.83, 0.92))
    pixel_size_nm = micrograph.calibrated_pixel_size_nm
    show_image(picture, micrograph.frame(explained.frame), pixel_size_nm)
    heat = shrunk(explained.overlay[channel])
    density = explained.question.method == "density"
    top = max(float(heat.max(initial=0.0)), 1e-6) if density else 1.0
    extent = picture.get_images()[0].get_extent()
    shown = picture.imshow(
        heat, cmap="inferno", extent=extent, vmin=0, vmax=top, alpha=np.clip(1.5 * heat / top, 0, 0.8)
    )
    scale = figure.add_axes((0.86, 0.12, 0.025, 0.72))
    figure.colorbar(
        shown, cax=scale, label="atoms per nm²" if density else "evidence (1: the strongest place of each cluster)"
    )
    of_channel = "" if density else f", channel {explained.channel_names[channel]}"
    picture.set_title(f"{_asked(explained)}{of_channel}", fontsize=10)
    save_figure(figure, path)


def draw_profiles(explained: Explained, path: Path) -> None:
    """Write the radial profiles of the heat maps, by class and channel, as a PNG.

    Parameters
    ----------
    explained
        Heat maps with their profiles.
    path
        PNG, SVG or PDF to write, by its suffix.
    """
    profiles, card = explained.profiles, explained.bundle.card
    palette = colours(card.class_sizes, card.element)
    figure = drawing.new_figure(4.2 * len(explained.channel_names) + 0.8, 3.6)
    panels = figure.subplots(1, len(explained.channel_names), squeeze=False)[0]
    for axes, channel in zip(panels, explained.channel_names, strict=True):
        rows = profiles.table[(profiles.table["channel"] == channel) & (profiles.table["unit"] == "radii")]
        drawing.draw_profiles(axes, rows, palette)
        axes.set_title(channel)
    panels[-1].legend(fontsize=8)
    figure.suptitle(f"{_asked(explained)}; bands: 95 % interval of the mean", fontsize=10)
    figure.tight_layout()
    save_figure(figure, path)


def _asked(explained: Explained) -> str:
    question = explained.question
    method = method_words(question.method)
    against = f" against {question.against}" if question.against else ""
    if question.method == "density":
        return method
    return f"{method} for {question.target or 'the own class'}{against}"


def save_figure(figure: Figure, path: Path, dpi: int = _DPI) -> None:
    """Write a figure as PNG, SVG or PDF, by the suffix of `path`, whole or not at all.

    Parameters
    ----------
    figure
        Of `drawing.new_figure`.
    path
        File to write.
    dpi
        Dots per inch of a PNG.

    Raises
    ------
    InputError
        For another suffix, or where the file cannot be written.
    """
    import matplotlib as mpl

    from napari_atomicity.io.atomic import write_atomically

    kind = path.suffix.lower()
    if kind not in FORMATS:
        raise InputError(f"{path.name}: figures are PNG, SVG or PDF; end the file name in {', '.join(FORMATS)}.")
    # words stay words: in SVG as text, in PDF as TrueType, so that a journal can edit them
    words: Any = {"svg.fonttype": "none", "pdf.fonttype": 42, "svg.hashsalt": "napari-atomicity"}
    # little compression: packing the pixels tighter takes longer than the whole analysis
    extra: dict[str, Any] = {"pil_kwargs": {"compress_level": 1}} if kind == ".png" else {}

    if kind != ".png":
        for axes in figure.axes:
            for image in axes.get_images():
                image.set_interpolation("none")  # the pixels as they are: the reader of the file resamples

    drawn = BytesIO()  # on a full disk the writer of PDF would fail over itself and hide the reason
    with mpl.rc_context(words):
        figure.savefig(drawn, format=kind[1:], dpi=dpi, **extra)

    def write(beside: Path) -> None:
        beside.write_bytes(drawn.getbuffer())

    write_atomically(path, write)
