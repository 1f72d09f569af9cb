"""Pictures of a result for people without a viewer at hand: what the command line writes beside the table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import OTHER, ClusterTable
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.palette import colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_atomicity.pipeline import Analysis, Explained

_DPI: Final = 150
#: more pixels than this a side are averaged away: the figure could not show them
_MOST_PX: Final = 2048


def draw_clusters(analysis: Analysis, path: Path, frame: int = 0) -> None:
    """Write the micrograph with a ring in its class colour around each cluster, beside the class shares.

    Parameters
    ----------
    path
        PNG to write.
    frame
        Which frame of a stack.
    """
    from napari_atomicity.counting.ratios import class_ratios

    micrograph, card = analysis.micrograph, analysis.bundle.card
    figure = _figure(11.5, 7.5)
    picture = figure.add_axes((0.01, 0.06, 0.64, 0.89))
    bars = figure.add_axes((0.74, 0.12, 0.24, 0.8))
    pixel_size_nm = micrograph.calibrated_pixel_size_nm
    _show(picture, micrograph.frame(frame), pixel_size_nm)
    palette = colours(card.class_sizes, card.element)
    _rings(picture, analysis.table, frame, palette)
    of_frames = f", frame {frame} of {micrograph.n_frames}" if micrograph.n_frames > 1 else ""
    picture.set_title(f"{micrograph.name}{of_frames}", fontsize=10, parse_math=False)

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
    _save(figure, path)


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
    _save(figure, path)


def draw_profiles(explained: Explained, path: Path) -> None:
    """Write the radial profiles of the heat maps, by class and channel, as a PNG."""
    from napari_atomicity.palette import colours

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
    _save(figure, path)


def _asked(explained: Explained) -> str:
    question = explained.question
    method = "Grad-CAM" if question.method == "grad-cam" else "Integrated gradients"
    against = f" against {question.against}" if question.against else ""
    return f"{method} for {question.target or 'the own class'}{against}"


def _figure(width: float, height: float) -> Figure:
    # without pyplot: no global state, no display, safe in any thread
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI)
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: Path) -> None:
    from napari_atomicity.io.atomic import write_atomically

    # little compression: packing the pixels tighter takes longer than the whole analysis
    write_atomically(path, lambda beside: figure.savefig(beside, format="png", pil_kwargs={"compress_level": 1}))


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


def _rings(axes: Axes, table: ClusterTable, frame: int, palette: dict[str, str]) -> None:
    """A ring 1.6 diameters wide around each cluster; dashed where it is not counted."""
    from matplotlib.collections import EllipseCollection
    from matplotlib.lines import Line2D

    here = (table.rows["frame"] == frame).to_numpy()
    rows, labels = table.rows[here], table.final_labels[here]
    size = 1.6 * rows["diameter_nm"].fillna(1.2).to_numpy()
    counted = rows["flag"].isin(["ok", "outside"]).to_numpy()
    for style, chosen in (("solid", counted), ("dotted", ~counted)):
        edge = [palette.get(label, palette[OTHER]) for label in labels[chosen]]
        places = rows.loc[chosen, ["x_nm", "y_nm"]].to_numpy()
        axes.add_collection(
            EllipseCollection(
                size[chosen], size[chosen], np.zeros(chosen.sum()), units="x", offsets=places,
                offset_transform=axes.transData, facecolors="none", edgecolors=edge, linestyles=style, linewidths=1.3,
            )
        )  # fmt: skip
    marks = [
        Line2D([], [], marker="o", ls="", mfc="none", mec=colour, mew=1.6, ms=8, label=label)
        for label, colour in palette.items()
    ]
    if not counted.all():
        marks.append(Line2D([], [], color="white", ls="dotted", label="not counted"))
    axes.legend(
        handles=marks, loc="upper center", bbox_to_anchor=(0.5, -0.005), ncols=len(marks), fontsize=8.5,
        facecolor="black", edgecolor="none", framealpha=1, labelcolor="white", columnspacing=1.2, handletextpad=0.3,
    )  # fmt: skip
