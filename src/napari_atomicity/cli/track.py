"""Clusters followed through a movie, as files and as a sentence."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_atomicity.cli import values
from napari_atomicity.cli.call_settings import CallSettings
from napari_atomicity.cli.console import Console
from napari_atomicity.cli.files import (
    Input,
    check_table,
    folder,
    inputs,
    open_image,
    read_when_asked,
    save_json,
    save_rows,
    save_table,
    save_tiff,
)
from napari_atomicity.cli.requests import TrackRequest
from napari_atomicity.errors import InputError

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.micrograph import Micrograph
    from napari_atomicity.movies import MovieSettings
    from napari_atomicity.pipeline import FollowedMovie, Settings

#: remarks about single frames that are said; all of them are in the report
_MOST_SAID: Final = 5

_REACH: Final = values.number(0, 100, "a number of nm above 0, up to 100", above=True)
_ABOVE_0: Final = values.number(0, 1e12, "a number above zero", above=True)
_FRAMES: Final = values.whole(1, 10_000, "a whole number from 1 to 10,000")


def track(request: TrackRequest, console: Console) -> None:
    """Follow the clusters of stacks, or of single images that make one movie, and write their tracks.

    Parameters
    ----------
    request
        The options.
    console
        Where messages go.

    Raises
    ------
    InputError
        For options that contradict each other, and where nothing can be written.
    """
    from napari_atomicity.movies import MovieSettings
    from napari_atomicity.pipeline.count import model_steps

    if request.frame is not None:
        raise InputError("A movie has several frames; leave --frame out.")
    settings = CallSettings.of(request)
    movie = MovieSettings(
        align=request.align, reach_nm=request.reach, seconds_per_frame=request.seconds, dose_per_frame=request.dose
    )
    if request.sum_frames is not None and request.sum_dose is not None:
        raise InputError("Both --sum and --sum-dose say how many frames make a mean; leave one of them out.")
    bundle = console.drain(settings.common.model, model_steps(settings.common.model))
    settings.check(bundle, console)
    target = folder(request.output)
    named = inputs(request, console)
    opened = []
    for each in named:
        micrograph = console.guard(each.stem, partial(_opened, each, len(named), request))
        opened += [] if micrograph is None else [(each, micrograph)]
    for stem, micrograph in _movies(opened, console):
        work = partial(_track_one, stem, micrograph, settings.common, movie, bundle, target, request, console)
        console.guard(stem, work)


def _opened(each: Input, n_together: int, request: TrackRequest) -> Micrograph:
    """A stack, or one image; one of several keeps no pixels."""
    micrograph = open_image(each.path, request)
    return read_when_asked(micrograph, each.path, request) if n_together > 1 else micrograph


def _movies(opened: Sequence[tuple[Input, Micrograph]], console: Console) -> list[tuple[str, Micrograph]]:
    """Each stack is a movie; single images are the frames of one, in the order of the call."""
    from napari_atomicity.pipeline import movie_of_frames

    movies = [(each.stem, micrograph) for each, micrograph in opened if micrograph.n_frames > 1]
    single = [(each, micrograph) for each, micrograph in opened if micrograph.n_frames == 1]
    if len(single) == 1:
        # it says itself that it is one frame
        movies.append((single[0][0].stem, single[0][1]))
    elif single:
        stem = single[0][0].stem
        joined = console.guard(stem, lambda: movie_of_frames([micrograph for _, micrograph in single]))
        if joined is not None:
            for sentence in joined[1]:
                console.remark(sentence)
            movies.append((stem, joined[0]))
    return movies


def _track_one(
    stem: str,
    micrograph: Micrograph,
    settings: Settings,
    movie: MovieSettings,
    bundle: Bundle,
    target: Path,
    request: TrackRequest,
    console: Console,
) -> None:
    from napari_atomicity.movies import exposure_of
    from napari_atomicity.pipeline import followed_movie_steps

    exposure = exposure_of(micrograph)
    _frames_of_a_sum(request, exposure.completed(movie))  # what is impossible is said before the long work
    check_table(target / f"{stem}.clusters.csv", counts=True)
    found = console.drain(stem, followed_movie_steps(micrograph, settings, movie, bundle))
    paths = _written(stem, found, movie, target, request, console)
    if from_file := exposure.sentence(movie):
        console.remark(f"{stem}: {from_file}")
    said = [*found.state.search_messages, *found.movie.remarks]
    for sentence in [*said[:_MOST_SAID], *found.movie.remarks]:
        if sentence in said:
            said.remove(sentence)
            console.remark(f"{stem}: {sentence}")
    if said:
        console.remark(f"{stem}: {len(said)} more remarks about single frames are in the report.")
    console.say(f"{stem}: {found.movie.sentence}")
    for line in (*_lines(found), *paths):
        console.say(f"  {line}")


def _written(
    stem: str, found: FollowedMovie, given: MovieSettings, target: Path, request: TrackRequest, console: Console
) -> list[Path]:
    from napari_atomicity.movies.export import track_table, write_geff
    from napari_atomicity.report.movie import draw_movie

    pixel_size_nm = found.state.micrograph.calibrated_pixel_size_nm
    facts = _facts(found)
    names = ("clusters.csv", "tracks.csv", "events.csv", "movie.json", "tracks.png", "tracks.geff")
    paths = [target / f"{stem}.{name}" for name in names]
    save_table(paths[0], found.state.table, facts, console)
    save_rows(paths[1], track_table(found.movie, pixel_size_nm), console)
    save_rows(paths[2], found.movie.events, console)
    save_json(paths[3], {**facts, "movie": _as_dict(found, given)})
    draw_movie(found.movie, paths[4])
    write_geff(found.movie, paths[5], pixel_size_nm)
    return [*paths, *_sums(stem, found, target, request, console)]


def _sums(stem: str, found: FollowedMovie, target: Path, request: TrackRequest, console: Console) -> list[Path]:
    """Aligned means at the chosen dose, and what is counted in them with the scale of the movie."""
    import numpy as np

    from napari_atomicity.pipeline.movie_counts import counted_frames_steps
    from napari_atomicity.pipeline.sums import summed

    frames = _frames_of_a_sum(request, found.movie.settings)
    if frames is None:
        return []
    means = summed(found.state.micrograph, found.movie.shifts_px, frames)
    steps = counted_frames_steps(means, found.state.settings_in_force, found.state.model_in_force)
    table, _ = console.drain(stem, steps)
    paths = [target / f"{stem}.means.tif", target / f"{stem}.means.clusters.csv"]
    save_tiff(paths[0], np.asarray(means.data, dtype=np.float32), means.calibrated_pixel_size_nm)
    check_table(paths[1], counts=True)
    save_table(paths[1], table, {**_facts(found), "frames_of_a_mean": frames}, console)
    return paths


def _frames_of_a_sum(request: TrackRequest, settings: MovieSettings) -> int | None:
    from napari_atomicity.pipeline.sums import frames_at_dose

    return request.sum_frames if request.sum_dose is None else frames_at_dose(settings, request.sum_dose)


def _facts(found: FollowedMovie) -> dict[str, Any]:
    from napari_atomicity.provenance import describe_image, versions

    return {
        **describe_image(found.state.micrograph),
        "versions": versions(),
        "scale_counts_nm2_per_atom": found.state.settings_in_force.intensity_per_atom,
        "scale_sd": None if found.scale is None else found.scale.intensity_per_atom_sd,
    }


def _as_dict(found: FollowedMovie, given: MovieSettings) -> dict[str, Any]:
    """All but the points and events, which have files of their own."""
    movie = found.movie
    settings = movie.settings
    return {
        "sentence": movie.sentence,
        "remarks": [*movie.remarks, *found.state.search_messages],
        "align": settings.align,
        "reach_nm": settings.reach_nm,
        "seconds_per_frame": settings.seconds_per_frame,
        "seconds_from": _origin(given.seconds_per_frame, settings.seconds_per_frame),
        "dose_per_frame": settings.dose_per_frame,
        "dose_from": _origin(given.dose_per_frame, settings.dose_per_frame),
        "shifts_px": [None if row[0] != row[0] else [float(part) for part in row] for row in movie.shifts_px],
        "rejected": list(movie.rejected),
        "rates": {name: value if value == value else None for name, value in movie.rates.items()},
        "graph": movie.graph.to_dict("records"),
        "timings": found.timings,
    }


def _origin(given: float | None, used: float | None) -> str | None:
    """Where a number comes from: the call, or the file."""
    return None if used is None else "file" if given is None else "call"


def _lines(found: FollowedMovie) -> list[str]:
    rates = found.movie.rates

    def interval(name: str, digits: str) -> str:
        value, low, high = (rates[f"{name}{end}"] for end in ("", "_low", "_high"))
        return f"{value:{digits}} ({low:{digits}} to {high:{digits}})"

    lines = [f"atoms lost by a cluster in a frame: {interval('loss_per_frame', '.3g')}"]
    if found.movie.settings.dose_per_frame is not None:
        lines.append(f"share of its atoms lost per e/nm²: {interval('loss_share_per_dose', '.3g')}")
    lines.append(f"spread of the counts of a track over the stated one: {rates['spread']:.2f}")
    return lines


def add_options(command: argparse.ArgumentParser) -> None:
    """Of ``track``, beside those of all that count."""
    command.add_argument(
        "--no-align", dest="align", action="store_false", help="the frames lie on one another; do not look for shifts"
    )
    command.add_argument(
        "--reach", type=_REACH, default=1.0, metavar="NM", help="way of a cluster in a frame, at most; 1"
    )
    command.add_argument("--seconds", type=_ABOVE_0, metavar="S", help="seconds per frame; else as the file tells them")
    command.add_argument(
        "--dose", type=_ABOVE_0, metavar="E_PER_NM2", help="electrons per nm² of a frame; else as the file tells them"
    )
    command.add_argument(
        "--sum", dest="sum_frames", type=_FRAMES, metavar="N", help="also aligned means of N frames, and their counts"
    )
    command.add_argument("--sum-dose", type=_ABOVE_0, metavar="E_PER_NM2", help="the same, at this dose")
