"""Links, events, counts and time of simulated movies whose truth is known.

    python benchmarks/movies.py [--frames 60] [--size 512] [--clusters 60] [--movies 3] [--long 200] [--seed 0]
                                [--reshape 0.3] [--isomers 0]

Clusters walk 0.3 nm a frame, change shape in every third (--reshape), as flat or round as before unless --isomers says
how often they become flatter or rounder, merge, split, lose a quarter to a half of their atoms, vanish
and arrive, while the field drifts; one frame in the middle is blank. The whole chain runs as in the command: search,
scale from some of the frames, count, registration, tracks. A link is right where it joins the same simulated cluster
of two successive frames; an event is found where one of its kind lies within 4 frames and 2 nm. Takes about five
minutes.
"""

from __future__ import annotations

import argparse
import time
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

import _machine
from _options import parsed, parser_for
from _tables import markdown
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.movies import Movie, MovieSettings
from napari_atomicity.pipeline import Settings
from napari_atomicity.pipeline.movie import followed_movie
from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.movies import SimulatedMovie, Story, simulate_movie

#: a cluster that was found is the simulated one this near, nm
_SAME_NM: Final = 0.6
#: an event is the simulated one this near in time (frames) and place (nm)
_SAME_FRAMES: Final = 4
_SAME_PLACE_NM: Final = 2.0
_RUN: Final = 10


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--clusters", type=int, default=60)
    parser.add_argument("--movies", type=int, default=3)
    parser.add_argument("--long", type=int, default=200, help="frames of the movie that is timed; 0 for none")
    parser.add_argument("--reshape", type=float, default=0.3, help="chance of another shape in the next frame")
    parser.add_argument("--isomers", type=float, default=0.0, help="chance of a flatter or rounder one")
    parser.add_argument("--model", default="dual")
    parser.add_argument("--seed", type=int, default=0)
    options = parsed(parser, frames=12, size=256, clusters=14, movies=1, long=0)
    print(_machine.describe())
    print(f"{options.frames} frames of {options.size}² simulated pixels a movie\n")
    scores: list[dict[str, Any]] = [_scored(options, options.seed + at, options.frames) for at in range(options.movies)]
    lines = {f"movie {at}": _line(score) for at, score in enumerate(scores)}
    if scores:
        lines["all"] = _line(_together(scores))
        print(markdown(list(_COLUMNS), lines))
    if options.long:
        print("\n" + _timed(options))


_COLUMNS: Final = (
    "link F1", "merges found", "false", "losses found", "false", "other events found", "false",
    "error of a frame", "of a track", "ratio",
    "ratio of what scatters",
)  # fmt: skip


def _simulated(options: argparse.Namespace, seed: int, frames: int) -> SimulatedMovie:
    spec = sample_spec("nominal", None, options.clusters, shape=(options.size,) * 2, seed=seed)
    story = Story(blank=(frames // 2,), reshape=options.reshape, isomers=options.isomers)
    return simulate_movie(spec, frames, story, seed)


def _scored(options: argparse.Namespace, seed: int, frames: int) -> dict[str, Any]:
    simulated = _simulated(options, seed, frames)
    micrograph = Micrograph(simulated.images, simulated.pixel_size_nm, name="movie")
    followed = followed_movie(micrograph, Settings(model=options.model, adapt="off"), MovieSettings())
    return score(followed.movie, simulated)


def score(movie: Movie, simulated: SimulatedMovie) -> dict[str, Any]:
    """How well a movie was followed.

    Parameters
    ----------
    movie
        What was found.
    simulated
        What is true.

    Returns
    -------
    Numbers of links, events and errors, to be added up.
    """
    points = _identified(movie.points, simulated)
    return {
        **_links(points, simulated, movie),
        **_events(movie, simulated),
        **_errors(points, simulated),
    }


def _identified(points: pd.DataFrame, simulated: SimulatedMovie) -> pd.DataFrame:
    """The simulated cluster of each one that was found, -1 for none."""
    objects = np.full(len(points), -1)
    atoms = np.full(len(points), np.nan)
    limit = _SAME_NM / simulated.pixel_size_nm
    for frame, truth in simulated.truth.groupby("frame"):
        rows = np.flatnonzero(points["frame"] == frame)
        if not len(rows):
            continue
        away = cdist(points.iloc[rows][["y_px", "x_px"]], truth[["y_px", "x_px"]])
        found, true = linear_sum_assignment(np.minimum(away, 10 * limit))
        near = away[found, true] <= limit
        objects[rows[found[near]]] = truth["object"].to_numpy()[true[near]]
        atoms[rows[found[near]]] = truth["n_atoms"].to_numpy()[true[near]]
    return points.assign(object=objects, true=atoms)


def _links(points: pd.DataFrame, simulated: SimulatedMovie, movie: Movie) -> dict[str, int]:
    """Links between successive frames that belong: right ones, those that were made, those that are to be made."""
    step = {int(frame): at for at, frame in enumerate(movie.kept)}

    def pairs(name: str) -> set[tuple[int, int]]:
        rows = points[points[name] >= 0].sort_values([name, "frame"])
        steps = rows["frame"].map(step).to_numpy()
        same = (np.diff(rows[name]) == 0) & (np.diff(steps) <= 4)
        ids = rows["id"].to_numpy()
        return {(int(a), int(b)) for a, b in zip(ids[:-1][same], ids[1:][same], strict=True)}

    known = set(points["id"][points["object"] >= 0].tolist())
    # what merges and splits ends a track on either side, for the simulated ones have other numbers then too
    found = {pair for pair in pairs("track") if pair[0] in known and pair[1] in known}
    true = pairs("object")
    return {"right": len(found & true), "found": len(found), "true": len(true)}


def _events(movie: Movie, simulated: SimulatedMovie) -> dict[str, int]:
    result = {}
    where = _true_places(simulated)
    for kind in ("merge", "loss", "other"):
        kinds = ("arrival", "split") if kind == "other" else (kind,)
        told = movie.events[movie.events["kind"].isin(kinds)]
        true = where[where["kind"].isin(kinds)]
        pairs = _matched(told, true, simulated.pixel_size_nm)
        # an event at the rim of the field need not be seen, and is no false alarm where it is
        counts = true["inside"].to_numpy(dtype=bool)
        result[f"{kind}_true"] = int(counts.sum())
        result[f"{kind}_hit"] = int(sum(counts[j] for _, j in pairs))
        result[f"{kind}_told"] = len(told)
        result[f"{kind}_false"] = len(told) - len(pairs)
    return result


def _true_places(simulated: SimulatedMovie) -> pd.DataFrame:
    """The simulated events with a place."""
    truth = simulated.truth.set_index(["object", "frame"])
    rows = []
    for event in simulated.events.itertuples():
        names, frame = (event.partners, event.frame) if event.partners else (event.objects, event.frame - 1)
        seen = truth.loc[[(name, frame) for name in names]]
        rows.append([event.kind, frame, seen["y_px"].mean(), seen["x_px"].mean(), bool(seen["inside"].all())])
    return pd.DataFrame(rows, columns=["kind", "frame", "y_px", "x_px", "inside"])


def _matched(told: pd.DataFrame, true: pd.DataFrame, pixel_size_nm: float) -> list[tuple[int, int]]:
    if not len(told) or not len(true):
        return []
    late = cdist(told[["frame"]], true[["frame"]]) / _SAME_FRAMES
    away = cdist(told[["y_px", "x_px"]], true[["y_px", "x_px"]]) * pixel_size_nm / _SAME_PLACE_NM
    cost = np.where((late <= 1) & (away <= 1), late + away, 100.0)
    pairs = zip(*linear_sum_assignment(cost), strict=True)
    return [(int(i), int(j)) for i, j in pairs if cost[i, j] < 100]


def _errors(points: pd.DataFrame, simulated: SimulatedMovie) -> dict[str, Any]:
    """Relative errors of single frames and of the track, of clusters whole in the field that stay ten frames the same.

    What scatters is the error beside the mean error of a cluster: that mean, from its shape, what lies beside it and
    the scale of the movie, is in all of its frames, and no track averages it.
    """
    known = points[(points["object"] >= 0) & np.isfinite(points["n_atoms"])]
    inside = simulated.truth.set_index(["object", "frame"])["inside"]
    known = known[[bool(inside[(o, f)]) for o, f in zip(known["object"], known["frame"], strict=True)]]
    one = known.groupby(["object", "true"])
    known = known[one["id"].transform("size") >= _RUN]
    result: dict[str, Any] = {}
    for name, column in (("single", "n_atoms"), ("track", "atoms")):
        error = known[column] / known["true"] - 1
        own = error.groupby([known["object"], known["true"]]).transform("mean")
        result[name] = error.tolist()
        result[f"{name}_scatter"] = (error - own).tolist()
    return result


def _together(scores: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        name: [value for score in scores for value in score[name]] if isinstance(scores[0][name], list)
        else sum(score[name] for score in scores)
        for name in scores[0]
    }  # fmt: skip


def _rms(values: list[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if values else float("nan")


def _line(score: dict[str, Any]) -> list[str]:
    f1 = 2 * score["right"] / max(score["found"] + score["true"], 1)
    events = [
        text
        for kind in ("merge", "loss", "other")
        for text in (f"{score[f'{kind}_hit']} of {score[f'{kind}_true']}", f"{score[f'{kind}_false']}")
    ]
    single, track = (_rms(score[name]) for name in ("single", "track"))
    narrow = _rms(score["track_scatter"]) / max(_rms(score["single_scatter"]), 1e-9)
    return [
        f"{f1:.4f}", *events, f"{100 * single:.1f} %", f"{100 * track:.1f} %", f"{track / max(single, 1e-9):.2f}",
        f"{narrow:.2f}",
    ]  # fmt: skip


def _timed(options: argparse.Namespace) -> str:
    simulated = _simulated(options, options.seed + 100, options.long)
    micrograph = Micrograph(simulated.images, simulated.pixel_size_nm, name="movie")
    start, before = time.perf_counter(), time.process_time()
    followed = followed_movie(micrograph, Settings(model=options.model, adapt="off"), MovieSettings())
    took, computed = time.perf_counter() - start, time.process_time() - before
    parts = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in followed.timings.items())
    return f"{options.long} frames of {options.size}²: {took:.0f} s ({parts}); {computed:.0f} s of one core."


if __name__ == "__main__":
    main()
