"""What a person does with a movie: follow its clusters, join, cut and number tracks, look at events, save."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from napari.utils.notifications import show_info, show_warning

from napari_atomicity import movies
from napari_atomicity.errors import InputError
from napari_atomicity.pipeline.movie import edited_steps, movie_steps, with_tracks
from napari_atomicity.pipeline.sums import frames_at_dose, summed
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.ui.actions.single import busy, in_hand
from napari_atomicity.ui.workspace.camera import centre_on, show_frame

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document
    from napari_atomicity.micrograph import Micrograph
    from napari_atomicity.movies import Movie, MovieSettings
    from napari_atomicity.pipeline import ImageState
    from napari_atomicity.ui.workspace.workspace import Workspace


def settings_of(document: Document) -> MovieSettings:
    """What a person gave, and of the rest what the file tells."""
    return movies.exposure_of(document.micrograph).completed(document.options.movie)


def follow(workspace: Workspace) -> bool:
    """Follow the clusters of the stack in hand; what a person joined and cut stays."""
    document = in_hand(workspace)
    if document is None:
        return False
    settings = document.options.movie
    return _start(workspace, document, "Follow clusters", lambda state: movie_steps(state, settings))


def edit(workspace: Workspace, name: str, change: Callable[[Movie], pd.DataFrame]) -> bool:
    """Join or cut tracks as one step of the history.

    Parameters
    ----------
    workspace
        With the document in hand.
    name
        Of the step.
    change
        Gives the edits after it.

    Returns
    -------
    Whether it was begun; what is impossible is said.
    """
    document = in_hand(workspace)
    if document is None or document.state.movie is None:
        show_warning("Follow the clusters of a movie first.")
        return False
    try:
        edits = change(document.state.movie)
    except InputError as error:
        show_warning(str(error))
        return False
    return _start(workspace, document, name, lambda state: edited_steps(state, edits))


def number(workspace: Workspace, track: int, new: int) -> None:
    """Give a track another number."""
    document = in_hand(workspace)
    if document is None or document.state.movie is None or busy(workspace):
        return
    try:
        movie = movies.relabelled(document.state.movie, track, new)
    except InputError as error:
        show_warning(str(error))
        return
    document.commit(f"Track {track} becomes {new}", with_tracks(document.table, movie), movie=movie)


def tracks_selected(document: Document) -> list[int]:
    """Tracks of the clusters that are selected, in their order."""
    rows = document.table.rows
    chosen = rows["id"].isin(document.selection) & (rows["track"] >= 0)
    return sorted(set(rows["track"][chosen].tolist()))


def look_at_event(workspace: Workspace, event: int) -> None:
    """Show the frame and the place of an event, and select its clusters."""
    document, viewer, image = workspace.document, workspace.viewer, workspace.image
    movie = None if document is None else document.state.movie
    if document is None or movie is None or viewer is None or image is None or event not in movie.events.index:
        return
    row: dict[Any, Any] = movie.events.loc[event].to_dict()
    frame = int(row["frame"])
    centre_on(viewer, image, (frame, float(row["y_px"]), float(row["x_px"])))
    rows = document.table.rows
    wanted = {int(name) for side in ("before", "after") for name in str(row[side]).split()}
    mine = rows[rows["track"].isin(wanted)]
    # of each track the cluster that is nearest in time
    late = (mine["frame"] - frame).abs()
    document.select(mine.loc[late.groupby(mine["track"]).idxmin(), "id"].tolist() if len(mine) else [])


def go_to_frame(workspace: Workspace, frame: int) -> None:
    """Move the slider of the stack in hand."""
    show_frame(workspace, frame)


def propose(workspace: Workspace) -> str:
    """Select the clusters that labels of other frames propose a label for; gives what to say of them."""
    document = in_hand(workspace)
    movie = None if document is None else document.state.movie
    if document is None or movie is None:
        return "Follow the clusters of a movie first."
    found = movies.proposals(movie, document.table)
    here = set(tracks_selected(document))
    if here:
        track = dict(zip(document.table.ids.tolist(), document.table.rows["track"].tolist(), strict=True))
        found = {cluster: label for cluster, label in found.items() if track[cluster] in here}
    if not found:
        return "No track has a label in one frame and clusters without one in others."
    labels = sorted(set(found.values()))
    first = labels[0]
    chosen = [cluster for cluster, label in found.items() if label == first]
    document.select(chosen)
    more = f" Then ask again for {', '.join(labels[1:])}." if len(labels) > 1 else ""
    return f"{len(chosen)} clusters of tracks labelled {first} are selected. Label them {first} to accept.{more}"


def save(workspace: Workspace, folder: Path) -> list[Path]:
    """Write tracks and events of the movie in hand: CSV, GEFF and a figure.

    Parameters
    ----------
    workspace
        With the document in hand.
    folder
        Where to write to.

    Raises
    ------
    InputError
        Where there is no movie, or the system does not let us write there.
    """
    from napari_atomicity.io.keeping import write_rows
    from napari_atomicity.movies.export import track_table, write_geff
    from napari_atomicity.report.movie import draw_movie

    document = workspace.document
    movie = None if document is None else document.state.movie
    if document is None or movie is None:
        raise InputError("Follow the clusters of a movie first.")
    stem, size = _file_name(document.micrograph.name), document.micrograph.calibrated_pixel_size_nm
    paths = [folder / f"{stem}.{name}" for name in ("tracks.csv", "events.csv", "tracks.geff", "tracks.png")]
    kept = [write_rows(track_table(movie, size), paths[0]), write_rows(movie.events, paths[1])]
    write_geff(movie, paths[2], size)
    draw_movie(movie, paths[3])
    return [*paths, *(path for path in kept if path is not None)]


def means(workspace: Workspace, frames: int | None, dose: float | None) -> Micrograph | None:
    """A stack of aligned means of the movie in hand; none where that is impossible, which is said.

    Parameters
    ----------
    workspace
        With the document in hand.
    frames, dose
        How many frames make one, or the electrons per nm² that one is to have.
    """
    document = in_hand(workspace)
    movie = None if document is None else document.state.movie
    if document is None or movie is None:
        show_warning("Follow the clusters of a movie first.")
        return None
    try:
        many = frames if dose is None else frames_at_dose(settings_of(document), dose)
        return summed(document.micrograph, movie.shifts_px, many or 0)
    except InputError as error:
        show_warning(str(error))
        return None


def _start(
    workspace: Workspace, document: Document, title: str, steps: Callable[[ImageState], Steps[ImageState]]
) -> bool:
    started = document.state

    def run() -> Steps[ImageState]:
        yield Progress(0, 0, title)
        return (yield from steps(started))

    def land(result: ImageState) -> None:
        if document.micrograph is not started.micrograph:
            raise InputError(f"The image or its pixel size changed while this ran ({title}); do it again.")
        document.apply(title, result, started)

    layers: Any = workspace.group.layers_in_use if workspace.group is not None else ()
    if workspace.work.busy:
        show_info(f"{workspace.work.title} is still running; wait for it or stop it first.")
        return False
    return workspace.work.start(title, run, land, document, layers)


def _file_name(name: str) -> str:
    kept = "".join(letter if letter.isalnum() or letter in " ._-" else "_" for letter in name).strip(" .")
    return kept[:100] or "movie"
