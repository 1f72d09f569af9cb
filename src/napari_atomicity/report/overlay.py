"""The micrograph for print: in nm, with a scale bar, with a ring in its class colour around each cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity import style
from napari_atomicity.clusters import ClusterTable
from napari_atomicity.micrograph import Micrograph, contrast_limits
from napari_atomicity.report.drawing import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    from napari_atomicity.counting.card import ModelCard

#: inches across an overlay: two columns of a journal
_WIDTH: Final = 7.0
#: more pixels than this a side are averaged away: the figure could not show them
_MOST_PX: Final = 2048


@dataclass(frozen=True, eq=False)
class HeatOverlay:
    """A map over a micrograph, as the window shows it.

    Attributes
    ----------
    name
        What it shows, for the legend.
    plane
        (y, x) values.
    colours
        (n, 4) RGBA from the lowest to the highest value that is shown.
    limits
        Those values.
    opacity
        0 to 1.
    additive
        Whether it adds to what lies below, in place of covering it.
    """

    name: str
    plane: npt.NDArray[np.float32]
    colours: npt.NDArray[np.float32]
    limits: tuple[float, float]
    opacity: float
    additive: bool


def overlay_figure(
    micrograph: Micrograph,
    table: ClusterTable | None,
    card: ModelCard | None,
    frame: int = 0,
    title: str = "",
    limits: tuple[float, float] | None = None,
    heat: Sequence[HeatOverlay] = (),
) -> Figure:
    """The figure that `figures.draw_overlay` writes.

    Parameters
    ----------
    micrograph, table, card
        What is drawn; without a table the micrograph alone, without a card no colours of classes.
    frame
        Which frame of a stack.
    title
        Over the picture; none where empty.
    limits, heat
        As in `show_image`.
    """
    height, width = micrograph.shape_yx
    tall = _WIDTH * height / width
    head, foot = (0.3 if title else 0.0), (0.0 if table is None else 0.42)
    figure = new_figure(_WIDTH, tall + head + foot)
    whole = tall + head + foot
    picture = figure.add_axes((0.0, foot / whole, 1.0, tall / whole))
    draw_micrograph(picture, micrograph, table, card, frame, limits, heat)
    for each in heat:
        if not each.additive:
            _colour_bar(picture, each)
    picture.set_axis_off()
    if title:
        figure.text(0.5, 1 - 0.5 * head / whole, title, ha="center", va="center", fontsize=10, parse_math=False)
    return figure


def draw_micrograph(
    axes: Axes,
    micrograph: Micrograph,
    table: ClusterTable | None,
    card: ModelCard | None,
    frame: int,
    limits: tuple[float, float] | None = None,
    heat: Sequence[HeatOverlay] = (),
) -> None:
    """Draw the micrograph with its scale bar, rings and legend.

    Parameters
    ----------
    axes
        To draw in.
    micrograph, table, card
        What is drawn; without a table the micrograph alone, without a card no colours of classes.
    frame
        Which frame of a stack.
    limits, heat
        As in `show_image`.
    """
    show_image(axes, micrograph.frame(frame), micrograph.calibrated_pixel_size_nm, limits, heat)
    if table is not None:
        _rings(axes, table, card, frame, heat)


def _colour_bar(axes: Axes, heat: HeatOverlay) -> None:
    """In the upper right corner, over the picture."""
    from matplotlib.colors import ListedColormap

    place = axes.inset_axes((0.72, 0.94, 0.25, 0.025))
    ramp = np.linspace(0, 1, 256)[None]
    place.imshow(ramp, cmap=ListedColormap(heat.colours[:, :3]), aspect="auto", extent=(*heat.limits, 0, 1))
    place.set_yticks([])
    place.tick_params(colors="white", labelsize=7, pad=1)
    place.set_xlabel(heat.name, color="white", fontsize=8, labelpad=1)


def shrunk(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Mean of square blocks, so that the longer side has at most `_MOST_PX` pixels."""
    step = -(-max(image.shape) // _MOST_PX)
    if step == 1:
        return image
    height, width = (side // step * step for side in image.shape)
    blocks = image[:height, :width].reshape(height // step, step, width // step, step)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float64), dtype=np.float32)


def show_image(
    axes: Axes,
    image: npt.NDArray[np.float32],
    pixel_size_nm: float,
    limits: tuple[float, float] | None = None,
    heat: Sequence[HeatOverlay] = (),
) -> None:
    """Draw an image in nm, with a scale bar.

    Parameters
    ----------
    axes
        To draw in.
    image
        (y, x) intensities.
    pixel_size_nm
        Side of a pixel.
    limits
        Intensities of black and white; where None the darkest and brightest pixels are cut.
    heat
        What lies over it.
    """
    height, width = image.shape
    small = shrunk(image)
    low, high = limits or contrast_limits(small) or (0.0, 1.0)
    half = 0.5 * pixel_size_nm
    extent = (-half, width * pixel_size_nm - half, height * pixel_size_nm - half, -half)
    if heat:
        grey = np.clip((small - low) / max(high - low, 1e-12), 0, 1)[..., None]
        axes.imshow(_over(np.repeat(np.nan_to_num(grey), 3, axis=-1), heat), extent=extent, interpolation="antialiased")
    else:
        high = max(high, low + 1e-12)
        axes.imshow(small, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="antialiased")
    axes.set_xticks([])
    axes.set_yticks([])
    _scale_bar(axes, width * pixel_size_nm, height * pixel_size_nm)


def _over(rgb: npt.NDArray[np.float32], heat: Sequence[HeatOverlay]) -> npt.NDArray[np.float32]:
    """(y, x, 3) colours with maps over them, as the window lays them."""
    for each in heat:
        low, high = each.limits
        at = np.clip((shrunk(each.plane) - low) / max(high - low, 1e-12), 0, 1)
        rgba = each.colours[np.rint(at * (len(each.colours) - 1)).astype(int)]
        opacity = rgba[..., 3:] * each.opacity
        rgb = rgba[..., :3] * opacity + rgb * (1.0 if each.additive else 1 - opacity)
    return np.clip(rgb, 0, 1)


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


def _rings(
    axes: Axes, table: ClusterTable, card: ModelCard | None, frame: int, heat: Sequence[HeatOverlay] = ()
) -> None:
    """Rings as on the screen: colour and opacity by label and confidence, form by who gave the label."""
    from matplotlib.collections import PatchCollection
    from matplotlib.colors import to_hex

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
    palette = {} if card is None else style.colours(card.class_sizes, card.element)
    marks = [(colour, label, "o") for label, colour in palette.items()]
    marks += [(to_hex(each.colours[-1, :3].tolist()), each.name, "_") for each in heat if each.additive]
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
    figure = axes.get_figure()
    assert figure is not None
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    box = axes.bbox
    return float(72 / figure.dpi * min(box.width / abs(right - left), box.height / abs(bottom - top)))


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
