"""A simulated movie through the whole chain, in the pipeline and on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.movies import MovieSettings
from napari_atomicity.pipeline import ImageState, Settings, followed_movie_steps, movie_of_frames, movie_steps
from napari_atomicity.pipeline.movie import outdated
from napari_atomicity.pipeline.sums import frames_at_dose, summed
from napari_atomicity.progress import drain
from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.movies import SimulatedMovie, Story, simulate_movie
from seeds import seeded

FRAMES = 8


@pytest.fixture(scope="module")
def simulated() -> SimulatedMovie:
    spec = sample_spec("nominal", None, 14, shape=(256, 256), seed=seeded(3))
    story = Story(merges=0, splits=0, losses=0, vanishings=0, arrivals=0, blank=(3,), half=(6,))
    return simulate_movie(spec, FRAMES, story, seeded(3))


@pytest.fixture(scope="module")
def settings(simulated: SimulatedMovie, model_path: Path) -> Settings:
    return Settings(
        model=str(model_path), adapt="off", intensity_per_atom=simulated.scale_counts_nm2_per_atom
    )  # fmt: skip


@pytest.fixture(scope="module")
def followed(simulated: SimulatedMovie, settings: Settings) -> Any:
    micrograph = Micrograph(simulated.images, simulated.pixel_size_nm, name="movie")
    return drain(followed_movie_steps(micrograph, settings, MovieSettings()))


def test_the_truth_lies_where_the_clusters_are(simulated: SimulatedMovie) -> None:
    for frame in (0, 1, 7):
        rows = simulated.truth[(simulated.truth["frame"] == frame) & simulated.truth["inside"]]
        y, x = np.rint(rows[["y_px", "x_px"]].to_numpy()).astype(int).T
        image = simulated.images[frame]
        assert np.median(image[y, x]) > np.quantile(image, 0.85)


def test_events_of_a_story_keep_their_atoms() -> None:
    spec = sample_spec("nominal", None, 20, shape=(256, 256), seed=seeded(4))
    told = simulate_movie(spec, 30, Story(step_nm=0.5), seeded(4)).events
    for kind in ("merge", "split"):
        some = told[told["kind"] == kind]
        assert (some["atoms_before"] == some["atoms_after"]).all()
    losses = told[(told["kind"] == "loss") & (told["atoms_after"] > 0)]
    assert (losses["atoms_after"] < losses["atoms_before"]).all() and len(told) > 5


def test_clusters_are_followed_past_a_blank_frame_and_a_half_one(simulated: SimulatedMovie, followed: Any) -> None:
    movie = followed.movie
    assert movie.rejected == (3,) and any("Frame 3 left out" in remark for remark in movie.remarks)
    drift = movie.shifts_px[7] - movie.shifts_px[0]
    assert np.allclose(drift, simulated.shifts_px[7] - simulated.shifts_px[0], atol=6)
    truth = simulated.truth
    whole = truth.groupby("object")["inside"].all()
    upper = truth[truth["frame"] == 6].set_index("object")["y_px"] < 110
    for name in whole.index[whole & upper]:
        tracks = set()
        for _, row in truth[(truth["object"] == name) & ~truth["frame"].isin([3])].iterrows():
            here = movie.points[movie.points["frame"] == row["frame"]]
            away = np.hypot(here["y_px"] - row["y_px"], here["x_px"] - row["x_px"])
            if len(away) and away.min() < 8:
                tracks.add(int(here["track"].to_numpy()[away.argmin()]))
        assert len(tracks) == 1
    table = followed.state.table
    assert (table.rows["track"][~table.rows["frame"].isin([3])] >= 0).all()


def test_frames_are_read_one_at_a_time(simulated: SimulatedMovie, settings: Settings) -> None:
    from napari_atomicity.io.stack import FrameStack

    asked: list[int] = []

    def frame(t: int) -> Any:
        asked.append(t)
        return simulated.images[t]

    lazy = FrameStack(simulated.images.shape, np.float32, frame)
    steps = followed_movie_steps(Micrograph(lazy, simulated.pixel_size_nm, name="lazy"), settings, MovieSettings())
    next(steps)
    steps.close()
    assert len(asked) <= 4
    kept = drain(movie_steps_of(lazy, simulated, settings))
    assert kept.state.count is None  # no patches of all frames


def movie_steps_of(lazy: Any, simulated: SimulatedMovie, settings: Settings) -> Any:
    micrograph = Micrograph(lazy, simulated.pixel_size_nm, name="lazy")
    return followed_movie_steps(micrograph, settings, MovieSettings(align=False))


def test_tracks_keep_their_numbers_when_followed_again(followed: Any) -> None:
    state: ImageState = followed.state
    assert not outdated(state)
    again = drain(movie_steps(state, MovieSettings()))
    assert again.table.rows["track"].equals(state.table.rows["track"])
    gone = int(state.table.ids[0])
    edited = ImageState(state.micrograph, table=state.table.drop([gone]), movie=state.movie)
    assert outdated(edited)
    third = drain(movie_steps(edited, MovieSettings()))
    before = state.table.take(state.table.rows_of(third.table.ids)).rows["track"].to_numpy()
    assert (before == third.table.rows["track"].to_numpy()).mean() > 0.97


def test_bad_input_gets_a_sentence(simulated: SimulatedMovie, settings: Settings, followed: Any) -> None:
    px = simulated.pixel_size_nm
    one = Micrograph(simulated.images[0], px, name="still")
    with pytest.raises(InputError, match="still is one frame"):
        drain(followed_movie_steps(one, settings, MovieSettings()))
    blank = Micrograph(np.zeros((4, 64, 64), dtype=np.float32), px, name="dark")
    with pytest.raises(InputError, match="nothing was recorded"):
        drain(followed_movie_steps(blank, settings, MovieSettings()))
    with pytest.raises(InputError, match="count the clusters"):
        drain(movie_steps(ImageState(followed.state.micrograph), MovieSettings()))


def test_single_images_make_a_movie_and_those_that_do_not_fit_are_named(simulated: SimulatedMovie) -> None:
    px = simulated.pixel_size_nm
    frames = [Micrograph(image, px, name=f"f{at}") for at, image in enumerate(simulated.images[:3])]
    small = Micrograph(simulated.images[0][:100], px, name="small")
    coarse = Micrograph(simulated.images[0], 2 * px, name="coarse")
    movie, said = movie_of_frames([*frames, small, coarse])
    assert movie.n_frames == 3 and np.array_equal(movie.frame(1), simulated.images[1])
    assert "small is left out: it has 100 × 256" in said[0] and "coarse is left out: its pixels" in said[1]
    with pytest.raises(InputError, match="one frame only"):
        movie_of_frames([frames[0], small])


def test_means_lie_on_the_first_of_their_frames(simulated: SimulatedMovie) -> None:
    micrograph = Micrograph(simulated.images, simulated.pixel_size_nm, name="movie")
    shifts = simulated.shifts_px.copy()
    shifts[3] = np.nan
    means = summed(micrograph, shifts, 3)
    assert means.n_frames == 2 and means.data.dtype == np.float32
    first = means.frame(0)
    assert np.corrcoef(first[10:-10, 10:-10].ravel(), simulated.images[0][10:-10, 10:-10].ravel())[0, 1] > 0.8
    with pytest.raises(InputError, match="choose fewer"):
        summed(micrograph, shifts, 50)
    assert frames_at_dose(MovieSettings(dose_per_frame=100.0), 310.0) == 3
    with pytest.raises(InputError, match="dose of a frame is not known"):
        frames_at_dose(MovieSettings(), 310.0)


def test_the_command_writes_tables_graph_figure_and_means(
    simulated: SimulatedMovie, settings: Settings, tmp_path: Path, capsys: Any
) -> None:
    import tifffile

    from napari_atomicity.cli import main

    path, out = tmp_path / "stack.tif", tmp_path / "out"
    tifffile.imwrite(path, simulated.images, imagej=True, metadata={"axes": "TYX", "finterval": 2.0})
    call = ["track", str(path), "-o", str(out), "--model", settings.model, "--adapt", "off", "--pixel-size",
            str(simulated.pixel_size_nm), "--scale", str(settings.intensity_per_atom)]  # fmt: skip
    assert main([*call, "--dose", "500", "--sum-dose", "1500"]) == 0
    said = capsys.readouterr()
    assert "tracks over 7 frames" in said.out and "per e/nm²" in said.out and "Frame 3 left out" in said.err
    tracks = pd.read_csv(out / "stack.tracks.csv")
    assert "From the file: 2 seconds per frame." in said.err and tracks["time_s"].max() == 14
    assert tracks["dose_e_per_nm2"].max() == 3500 and tracks["track"].min() >= 0
    assert "track" in pd.read_csv(out / "stack.clusters.csv").columns
    report = json.loads((out / "stack.movie.json").read_text(encoding="utf-8"))
    assert (report["movie"]["seconds_from"], report["movie"]["dose_from"]) == ("file", "call")
    assert report["movie"]["rejected"] == [3] and report["movie"]["shifts_px"][3] is None
    assert (out / "stack.tracks.geff").is_dir() and (out / "stack.tracks.png").stat().st_size > 10_000
    assert tifffile.imread(out / "stack.means.tif").shape == (2, 256, 256)
    assert len(pd.read_csv(out / "stack.means.clusters.csv"))
    still = tmp_path / "still.tif"
    tifffile.imwrite(still, simulated.images[0])
    assert main([call[0], str(still), *call[2:]]) == 2
    assert "is one frame" in capsys.readouterr().err
    assert main([*call, "--frame", "1"]) == 2
    assert main([*call, "--sum-dose", "10"]) == 2
    assert "dose of a frame" in capsys.readouterr().err


@pytest.mark.few(2)
@pytest.mark.parametrize("pixel_size", [None, "0.05"], ids=["as it is", "finer than it is"])
@pytest.mark.parametrize("name", ["rsciio_03_Scanning_Preview.emi", "rsciio_imagestack.dm3"])
def test_a_real_stack_says_what_it_can(
    real: Any, settings: Settings, tmp_path: Path, capsys: Any, name: str, pixel_size: str | None
) -> None:
    from napari_atomicity.cli import main

    call = ["track", str(real(name)), "-o", str(tmp_path), "--adapt", "off", "--model", settings.model]
    code = main([*call, *(["--pixel-size", pixel_size] if pixel_size else [])])
    said = capsys.readouterr()
    assert code in (0, 2) and "Traceback" not in said.err
    if pixel_size is None:
        assert code == 2 and "cannot be measured" in said.err.splitlines()[-1]
    assert ("tracks over" in said.out) if code == 0 else said.err.strip()


def test_a_real_recording_tells_the_time_of_its_frames(real: Any) -> None:
    from napari_atomicity.io import read
    from napari_atomicity.movies import exposure_of

    told = exposure_of(read(real("rsciio_03_Scanning_Preview.emi")))
    assert told.seconds_per_frame == pytest.approx(0.23593) and told.dose_per_frame is None
