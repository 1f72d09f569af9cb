"""What a person does to tracks by hand: join two, cut one, give one another number, carry a label along."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd

from napari_atomicity.clusters import NO_TRACK, ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.movies.movie import Movie

#: highest number of a track that a person may give
MOST_TRACK: Final = 10**6


def joined(movie: Movie, one: int, other: int) -> pd.DataFrame:
    """The edits of a movie, and that two of its tracks are one cluster.

    Parameters
    ----------
    movie
        The movie.
    one, other
        Numbers of tracks, in any order.

    Raises
    ------
    InputError
        Where both were seen at the same time, or there is no such track.
    """
    if one == other:
        raise InputError("That is one track already; choose two.")
    first, second = sorted((_rows(movie, one), _rows(movie, other)), key=lambda rows: int(rows["frame"].iloc[0]))
    if int(first["frame"].iloc[-1]) >= int(second["frame"].iloc[0]):
        raise InputError(f"Tracks {one} and {other} were seen in the same frame; cut one of them first.")
    return _with(movie.edits, "join", int(first["id"].iloc[-1]), int(second["id"].iloc[0]))


def cut(movie: Movie, track: int, frame: int) -> pd.DataFrame:
    """The edits of a movie, and that what follows in a track from a frame on is another cluster.

    Parameters
    ----------
    movie
        The movie.
    track
        Number of the track.
    frame
        The first of the new track.

    Raises
    ------
    InputError
        Where the track does not go on before and after.
    """
    rows = _rows(movie, track)
    before, after = rows[rows["frame"] < frame], rows[rows["frame"] >= frame]
    if not len(before) or not len(after):
        raise InputError(f"Track {track} does not go on before and after frame {frame}; choose a frame in its middle.")
    return _with(movie.edits, "cut", int(before["id"].iloc[-1]), int(after["id"].iloc[0]))


def relabelled(movie: Movie, track: int, number: int) -> Movie:
    """The movie with another number for a track, which it keeps when it is followed again.

    Parameters
    ----------
    movie
        The movie.
    track
        The number so far.
    number
        The new one.

    Raises
    ------
    InputError
        For a number that is taken or impossible, or a track that is not there.
    """
    _rows(movie, track)
    if not 0 <= number <= MOST_TRACK:
        raise InputError(f"A track cannot have the number {number}; give one from 0 to {MOST_TRACK:,}.")
    if number != track and number in movie.tracks:
        raise InputError(f"Track {number} is there already; choose a number that is free.")

    def named(text: str) -> str:
        return " ".join(str(number) if name == str(track) else name for name in text.split())

    events = movie.events.assign(**{side: [named(text) for text in movie.events[side]] for side in ("before", "after")})
    return replace(
        movie,
        points=movie.points.assign(track=movie.points["track"].replace(track, number)),
        graph=movie.graph.replace(track, number),
        events=events.astype({"before": object, "after": object}),
    )


def proposals(movie: Movie, table: ClusterTable) -> dict[int, str]:
    """Labels that a person gave in some frames, for clusters of the same tracks in others; never labels themselves.

    A track with two different labels proposes none.

    Parameters
    ----------
    movie
        The movie.
    table
        The clusters.

    Returns
    -------
    Label by id of a cluster without one.
    """
    track = table.rows["track"].to_numpy(dtype=np.int64)
    annotation = table.rows["annotation"].to_numpy(dtype=object)
    # a cluster is another one after it lost atoms, merged or split
    level = dict(zip(movie.points["id"], movie.points["level"], strict=True))
    found: dict[int, str] = {}
    for number in set(track[table.labelled].tolist()) - {NO_TRACK}:
        rows = np.flatnonzero(track == number)
        given = {str(label) for label in annotation[rows] if label}
        if len(given) != 1:
            continue
        levels = {level.get(int(table.ids[row])) for row in rows if annotation[row]}
        same = [row for row in rows if not annotation[row] and level.get(int(table.ids[row])) in levels]
        found |= dict.fromkeys(table.ids[same].tolist(), given.pop())
    return found


def _rows(movie: Movie, track: int) -> pd.DataFrame:
    rows = movie.of_track(track)
    if not len(rows) or track == NO_TRACK:
        raise InputError(f"There is no track {track}.")
    return rows


def _with(edits: pd.DataFrame, kind: str, first: int, second: int) -> pd.DataFrame:
    """One more edit, which takes the place of others about the same two clusters."""
    same = (edits["first"] == first) & (edits["second"] == second)
    new = pd.DataFrame({"kind": np.array([kind], dtype=object), "first": [first], "second": [second]})
    kept = edits[~same]
    return (pd.concat([kept, new], ignore_index=True) if len(kept) else new).astype({"kind": object})
