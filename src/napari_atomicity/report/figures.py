"""Pictures of a result, for print and for people without a viewer at hand."""

from __future__ import annotations

import contextlib
import os
import sys
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity import style
from napari_atomicity.clusters import OTHER, ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.style import colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    from napari_atomicity.counting.card import ModelCard
    from napari_atomicity.pipeline import Explained, ImageState

_DPI: Final = 150
#: inches across an overlay: two columns of a journal
_WIDTH: Final = 7.0
#: more pixels than this a side are averaged away: the figure could not show them
_MOST_PX: Final = 2048


#: pictures that can be written, by suffix
FORMATS: Final = (".png", ".svg", ".pdf")


def draw_clusters(analysis: ImageState, path: Path, frame: int = 0) -> None:
    """Write the micrograph with a ring in its class colour around each cluster, beside the class shares.

    Parameters
    ----------
    path
        PNG, SVG or PDF to write, by its suffix.
    frame
        Which frame of a stack.
    """
    figure = _figure(11.5, 7.5)
    picture = figure.add_axes((0.01, 0.06, 0.64, 0.89))
    _overlay(picture, analysis.micrograph, analysis.table, analysis.model_in_force.card, frame)
    picture.set_title(_title(analysis.micrograph, frame), fontsize=10, parse_math=False)
    _bars(figure.add_axes((0.74, 0.12, 0.24, 0.8)), analysis)
    save_figure(figure, path)


def draw_overlay(
    micrograph: Micrograph,
    table: ClusterTable,
    card: ModelCard | None,
    path: Path,
    frame: int = 0,
    title: str = "",
    dpi: int = 300,
) -> None:
    """Write the micrograph with its clusters as on the screen, a scale bar and a legend, ready for print.

    Parameters
    ----------
    card
        Of the model that counted; None where none did.
    path
        PNG, SVG or PDF to write, by its suffix: in the latter two rings are lines and words are words, which can be
        edited, and the micrograph keeps its pixels.
    title
        Over the picture; none where empty.
    dpi
        Dots per inch of a PNG 7 inches wide.
    """
    save_figure(overlay_figure(micrograph, table, card, frame, title), path, dpi)


def overlay_figure(
    micrograph: Micrograph, table: ClusterTable | None, card: ModelCard | None, frame: int = 0, title: str = ""
) -> Figure:
    """The figure that `draw_overlay` writes; without a table the micrograph alone."""
    height, width = micrograph.shape_yx
    tall = _WIDTH * height / width
    head, foot = (0.3 if title else 0.0), (0.0 if table is None else 0.42)
    figure = _figure(_WIDTH, tall + head + foot)
    whole = tall + head + foot
    picture = figure.add_axes((0.0, foot / whole, 1.0, tall / whole))
    _overlay(picture, micrograph, table, card, frame)
    picture.set_axis_off()
    if title:
        figure.text(0.5, 1 - 0.5 * head / whole, title, ha="center", va="center", fontsize=10, parse_math=False)
    return figure


def _title(micrograph: Micrograph, frame: int) -> str:
    # a name that is no UTF-8 holds characters that no font has
    name = micrograph.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return name + (f", frame {frame} of {micrograph.n_frames}" if micrograph.n_frames > 1 else "")


def _overlay(
    axes: Axes, micrograph: Micrograph, table: ClusterTable | None, card: ModelCard | None, frame: int
) -> None:
    """Micrograph, scale bar, rings and legend."""
    _show(axes, micrograph.frame(frame), micrograph.calibrated_pixel_size_nm)
    if table is not None:
        _rings(axes, table, card, frame)


def _bars(bars: Axes, analysis: ImageState) -> None:
    """Class shares with intervals, and by diameter alone."""
    from napari_atomicity.counting.ratios import class_ratios

    card = analysis.model_in_force.card
    palette = colours(card.class_sizes, card.element)
    shares = class_ratios(analysis.table, card, calibrations=analysis.calibrations)
    by_diameter = class_ratios(analysis.table, card, by="diameter").set_index("label")["fraction"]
    places = np.arange(len(shares))
    fraction = shares["fraction"].fillna(0).to_numpy()
    reach = np.nan_to_num(np.stack([fraction - shares["low"], shares["high"] - fraction]))
    fill = [palette.get(label, palette[OTHER]) for label in shares["label"]]
    bars.barh(places, 100 * fraction, color=fill, edgecolor="black", linewidth=0.6, height=0.65)
    bars.errorbar(100 * fraction, places, xerr=100 * np.abs(reach), fmt="none", ecolor="black", capsize=3, lw=1)
    dots = 100 * by_diameter.reindex(shares["label"]).to_numpy()
    bars.plot(dots, places, "D", mfc="white", mec="black", ms=5, clip_on=False, zorder=5, label="by diameter alone")
    bars.set_yticks(places, [f"{label} ({n})" for label, n in zip(shares["label"], shares["count"], strict=True)])
    bars.invert_yaxis()
    bars.set_xlim(0, 100)
    bars.set_xlabel("share of the counted clusters (%)")
    bars.set_title(f"{int(shares['count'].sum())} of {len(analysis.table)} clusters counted", fontsize=10)
    bars.legend(loc="lower right", fontsize=8, frameon=False)
    bars.spines[["top", "right"]].set_visible(False)
    if any(calibration.ambiguous for calibration in analysis.calibrations.values()):
        bars.text(0.5, -0.13, "ambiguous: see the report", transform=bars.transAxes, ha="center", color="#b00020")


def draw_heat_map(micrograph: Micrograph, explained: Explained, channel: int, path: Path) -> None:
    """Write the micrograph with one channel's heat map over it as a PNG.

    Parameters
    ----------
    channel
        Index into the overlay's channels.
    """
    figure = _figure(8.5, 7.5)
    picture = figure.add_axes((0.01, 0.02, 0.83, 0.92))
    pixel_size_nm = micrograph.calibrated_pixel_size_nm
    _show(picture, micrograph.frame(explained.frame), pixel_size_nm)
    heat = _shrunk(explained.overlay[channel])
    extent = picture.get_images()[0].get_extent()
    shown = picture.imshow(heat, cmap="inferno", extent=extent, vmin=0, vmax=1, alpha=np.clip(1.5 * heat, 0, 0.8))
    scale = figure.add_axes((0.86, 0.12, 0.025, 0.72))
    figure.colorbar(shown, cax=scale, label="evidence (1: the strongest place of each cluster)")
    picture.set_title(f"{_asked(explained)}, channel {explained.channel_names[channel]}", fontsize=10)
    save_figure(figure, path)


def draw_profiles(explained: Explained, path: Path) -> None:
    """Write the radial profiles of the heat maps, by class and channel, as a PNG."""
    from napari_atomicity.style import colours

    profiles, card = explained.profiles, explained.bundle.card
    palette = colours(card.class_sizes, card.element)
    figure = _figure(4.2 * len(explained.channel_names) + 0.8, 3.6)
    panels = figure.subplots(1, len(explained.channel_names), squeeze=False)[0]
    for axes, channel in zip(panels, explained.channel_names, strict=True):
        rows = profiles.table[(profiles.table["channel"] == channel) & (profiles.table["unit"] == "radii")]
        for label, part in rows.groupby("label", sort=False):
            colour = palette.get(str(label), palette[OTHER])
            axes.fill_between(part["radius"], part["low"], part["high"], color=colour, alpha=0.2, lw=0)
            axes.plot(part["radius"], part["mean"], color=colour, label=f"{label} ({part['clusters'].iloc[0]})")
        axes.axhline(1, color="0.6", lw=0.8, ls="--")
        axes.axvline(1, color="0.6", lw=0.8, ls=":")
        axes.set(xlabel="radii of the cluster", ylabel="density of the evidence", xlim=(0, 2), title=channel)
        axes.set_ylim(bottom=0)
    panels[-1].legend(fontsize=8)
    figure.suptitle(f"{_asked(explained)}; bands: 95 % interval of the mean", fontsize=10)
    figure.tight_layout()
    save_figure(figure, path)


def _asked(explained: Explained) -> str:
    question = explained.question
    method = "Grad-CAM" if question.method == "grad-cam" else "Integrated gradients"
    against = f" against {question.against}" if question.against else ""
    return f"{method} for {question.target or 'the own class'}{against}"


def load_matplotlib() -> None:
    """Import matplotlib whatever window the environment names for its drawings: those made here need none."""
    if "matplotlib" in sys.modules:
        return
    named = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib as mpl
    finally:
        if named is not None:
            os.environ["MPLBACKEND"] = named
    if named is not None:
        with contextlib.suppress(ValueError):  # none that it knows
            mpl.rcParams["backend"] = named


def _figure(width: float, height: float) -> Figure:
    # without pyplot: no global state, no display, safe in any thread
    load_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI)
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path, dpi: int = _DPI) -> None:
    """Write a figure as PNG, SVG or PDF, by the suffix of `path`, whole or not at all."""
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


def _shrunk(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Mean of square blocks, so that the longer side has at most `_MOST_PX` pixels."""
    step = -(-max(image.shape) // _MOST_PX)
    if step == 1:
        return image
    height, width = (side // step * step for side in image.shape)
    blocks = image[:height, :width].reshape(height // step, step, width // step, step)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float64), dtype=np.float32)


def _show(axes: Axes, image: npt.NDArray[np.float32], pixel_size_nm: float) -> None:
    """The micrograph in nm, its brightest and darkest half per cent cut, with a scale bar."""
    height, width = image.shape
    small = _shrunk(image)
    finite = small[np.isfinite(small)]
    low, high = np.percentile(finite, [0.5, 99.7]) if finite.size else (0.0, 1.0)
    half = 0.5 * pixel_size_nm
    extent = (-half, width * pixel_size_nm - half, height * pixel_size_nm - half, -half)
    axes.imshow(small, cmap="gray", vmin=low, vmax=max(high, low + 1e-12), extent=extent, interpolation="antialiased")
    axes.set_xticks([])
    axes.set_yticks([])
    _scale_bar(axes, width * pixel_size_nm, height * pixel_size_nm)


def _scale_bar(axes: Axes, width_nm: float, height_nm: float) -> None:
    """About a fifth of the width, a round number of nm."""
    decade = 10.0 ** np.floor(np.log10(width_nm / 5))
    length = max(step * decade for step in (1, 2, 5) if step * decade <= width_nm / 5)
    left, bottom = 0.04 * width_nm, 0.96 * height_nm
    box = {"facecolor": "black", "alpha": 0.6, "edgecolor": "none", "pad": 2}
    axes.plot([left, left + length], [bottom, bottom], color="white", lw=4, solid_capstyle="butt")
    axes.text(left, 0.945 * height_nm, f"{length:g} nm", color="white", va="bottom", fontsize=10, bbox=box)
    axes.set_xlim(axes.get_images()[0].get_extent()[:2])
    axes.set_ylim(axes.get_images()[0].get_extent()[2:])


def _rings(axes: Axes, table: ClusterTable, card: ModelCard | None, frame: int) -> None:
    """Rings as on the screen: colour and opacity by label and confidence, form by who gave the label."""
    from matplotlib.collections import PatchCollection

    here = (table.rows["frame"] == frame).to_numpy()
    ring = style.ring_colours(table, () if card is None else card.class_sizes)[here]
    symbol, size = style.symbols(table)[here], style.ring_diameters_nm(table)[here]
    rows = table.rows[here]
    thin = (rows["flag"] != "ok").to_numpy()
    face = style.faces(ring, symbol)
    # the line lies inside the outer diameter, as in the window
    wide = size * style.ring_widths(table)[here]
    points = wide * _points_per_nm(axes)
    places = rows[["x_nm", "y_nm"]].to_numpy(dtype=float)
    shapes: list[Patch] = [
        _outline(kind, x, y, side) for (x, y), side, kind in zip(places, size - wide, symbol, strict=True)
    ]
    axes.add_collection(
        PatchCollection(
            shapes, facecolors=face, edgecolors=ring, linewidths=np.maximum(points, 0.4), match_original=False
        )
    )
    palette = {} if card is None else colours(card.class_sizes, card.element)
    marks = [(colour, label, "o") for label, colour in palette.items()]
    marks += [("#606060", "labelled by hand", "s")] if (symbol != "disc").any() else []
    marks += [("#606060", "against the model", "D")] if (symbol == "diamond").any() else []
    _legend(axes, marks, bool(thin.any()))


def _outline(kind: str, x: float, y: float, side: float) -> Patch:
    """A ring, or a square or diamond of the same width."""
    from matplotlib.patches import Circle, Polygon, Rectangle

    half = side / 2
    if kind == "square":
        return Rectangle((x - half, y - half), side, side)
    if kind == "diamond":
        return Polygon([(x, y - half), (x + half, y), (x, y + half), (x - half, y)])
    return Circle((x, y), half)


def _points_per_nm(axes: Axes) -> float:
    """Points of the page for each nm across the picture."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    box = axes.get_position()
    width, height = (float(side) for side in figure.get_size_inches())
    return 72 * min(box.width * width / abs(right - left), box.height * height / abs(bottom - top))


def _legend(axes: Axes, marks: list[tuple[str, str, str]], thin: bool) -> None:
    """Under the picture."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], marker=shape, ls="", mfc="none", mec=colour, mew=2.0, ms=7, label=label)
        for colour, label, shape in marks
    ]
    if thin:
        handles.append(Line2D([], [], marker="o", ls="", mfc="none", mec="#606060", mew=0.8, ms=7, label="flagged"))
    if not handles:
        return
    axes.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.005), ncols=len(handles), fontsize=8.5,
        frameon=False, columnspacing=1.2, handletextpad=0.1, borderaxespad=0.2,
    )  # fmt: skip
