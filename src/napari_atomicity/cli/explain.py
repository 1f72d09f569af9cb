"""Why each cluster was counted as it was: heat maps, profiles and feature map as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_atomicity.cli.console import Console
from napari_atomicity.cli.files import save_rows, save_tiff
from napari_atomicity.cli.requests import ExplainRequest

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.insight.question import Question
    from napari_atomicity.pipeline import Explained, ImageState


def question(request: ExplainRequest, bundle: Bundle) -> Question:
    """What is to be explained.

    Parameters
    ----------
    request
        The options.
    bundle
        The model.

    Raises
    ------
    InputError
        For a class that the model lacks.
    """
    from napari_atomicity.insight.question import Question

    asked = Question(request.target, request.against, request.method)
    asked.target_index(bundle.card)
    asked.against_index(bundle.card)
    return asked


def explain_analysis(
    analysis: ImageState, asked: Question | None, stem: Path, frames: Sequence[int] | None, console: Console
) -> tuple[list[Explained], list[Path]]:
    """Explain the clusters of an image and write all about it.

    Parameters
    ----------
    analysis
        The counted image.
    asked
        What to explain; each cluster's own class where None.
    stem
        Path of the files to write, without what tells them apart.
    frames
        Which frames of a stack; all where None.
    console
        Where progress goes.

    Returns
    -------
    What was found of each frame, and the paths that were written.
    """
    from napari_atomicity.insight.question import Question

    asked = asked or Question(method="grad-cam")
    explained = _explained(analysis, asked, stem, frames, console)
    written = [*_write_tables(explained, stem, console), *_write_heat_maps(explained, stem)]
    if asked.method != "density":  # where atoms were counted belongs to every explanation
        counted = _explained(analysis, Question(method="density"), stem, frames, console)
        written += _write_heat_maps(counted, stem)
    return explained, [*written, *_write_feature_map(analysis, stem, console)]


def _explained(
    analysis: ImageState, asked: Question, stem: Path, frames: Sequence[int] | None, console: Console
) -> list[Explained]:
    from napari_atomicity.pipeline import explain_steps

    micrograph, model = analysis.micrograph, analysis.model_in_force
    return [
        console.drain(
            stem.name,
            explain_steps(micrograph, analysis.table, model, frame, question=asked, count=analysis.count),
        )
        for frame in frames or range(micrograph.n_frames)
    ]


def summary(explained: Sequence[Explained]) -> dict[str, Any]:
    """The explanation in a report: what was asked, medians over the clusters, and the profiles; JSON-serialisable."""
    import pandas as pd

    clusters = pd.concat([of_frame.clusters() for of_frame in explained], ignore_index=True)
    first = explained[0]
    medians = clusters.filter(regex="^(log_odds|agreement)_").median(numeric_only=True)
    silent = clusters.filter(regex="^silent_").mean()
    attribution = first.attribution
    numbers = {name: None if pd.isna(value) else float(value) for name, value in {**medians, **silent}.items()}
    profiles = first.profiles.summary
    return {
        "method": attribution.method,
        "target": first.question.target or "own class",
        "against": first.question.against or "next smaller",
        "clusters": len(clusters),
        "resolution_nm": attribution.resolution_nm,
        "field_nm": attribution.field_nm,
        **numbers,
        "profiles": profiles.astype(object).where(profiles.notna(), None).to_dict("records"),
    }


def _write_heat_maps(explained: Sequence[Explained], stem: Path) -> list[Path]:
    """A TIFF and a PNG a channel; gives their paths."""
    import numpy as np

    from napari_atomicity.report.figures import draw_heat_map

    written = []
    micrograph = explained[0].micrograph
    for channel, name in enumerate(explained[0].channel_names):
        path = stem.with_name(f"{stem.name}.{name}.heatmap.tif")
        heat = np.stack([of_frame.overlay[channel] for of_frame in explained])
        save_tiff(path, heat if len(heat) > 1 else heat[0], micrograph.calibrated_pixel_size_nm)
        draw_heat_map(micrograph, explained[0], channel, path.with_suffix(".png"))
        written += [path, path.with_suffix(".png")]
    return written


def _write_tables(explained: Sequence[Explained], stem: Path, console: Console) -> list[Path]:
    """The clusters' shares and agreement, and the radial profiles of each frame, as CSV and PNG."""
    import pandas as pd

    from napari_atomicity.report.figures import draw_profiles

    paths = [stem.with_name(f"{stem.name}.{name}") for name in ("explained.csv", "profiles.csv", "profiles.png")]
    save_rows(paths[0], pd.concat([of_frame.clusters() for of_frame in explained]), console)
    profiles = pd.concat([of_frame.profiles.table.assign(frame=of_frame.frame) for of_frame in explained])
    save_rows(paths[1], profiles, console)
    draw_profiles(explained[0], paths[2])
    return paths


def _write_feature_map(analysis: ImageState, stem: Path, console: Console) -> list[Path]:
    """Where each cluster lies on the map of the model's features; a remark where there is none."""
    from napari_atomicity.errors import InputError
    from napari_atomicity.pipeline import map_table_steps

    if analysis.count is None:
        return []
    try:
        table = console.drain(stem.name, map_table_steps(analysis.count, analysis.model_in_force))
    except InputError as error:
        console.remark(f"{stem.name}: no feature map. {error}")
        return []
    path = stem.with_name(f"{stem.name}.feature_map.csv")
    save_rows(path, table, console)
    return [path]
