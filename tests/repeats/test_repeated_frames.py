"""Repeated simulated frames through the whole chain, in the pipeline and on the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline import ImageState, Settings, repeatability_steps
from napari_atomicity.pipeline.chain import analyse
from napari_atomicity.progress import drain
from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.repeats import SimulatedRepeats, simulate_repeats
from seeds import seeded


@pytest.fixture(scope="module")
def repeats() -> SimulatedRepeats:
    spec = sample_spec("nominal", None, 60, shape=(512, 512), seed=seeded(3))
    return simulate_repeats(spec, 6, seeded(3), gain_sd=0.05)


@pytest.fixture(scope="module")
def counted(repeats: SimulatedRepeats, model_path: Path) -> ImageState:
    micrograph = Micrograph(repeats.images, repeats.pixel_size_nm, name="repeats")
    return analyse(micrograph, Settings(model=str(model_path), adapt="off"))


def test_the_truth_lies_where_the_clusters_are(repeats: SimulatedRepeats) -> None:
    clusters = repeats.truth[(repeats.truth["kind"] == "cluster") & ~repeats.truth["on_edge"]]
    for image, shift in zip(repeats.images, repeats.shifts_px, strict=True):
        y, x = np.rint(clusters[["y_px", "x_px"]].to_numpy() + shift).astype(int).T
        inside = (y >= 0) & (x >= 0) & (y < 512) & (x < 512)
        assert np.median(image[y[inside], x[inside]]) > np.quantile(image, 0.9)


@pytest.mark.slow
def test_shifts_and_gains_of_a_stack_are_found(repeats: SimulatedRepeats, counted: ImageState) -> None:
    found = drain(repeatability_steps([counted]))
    assert not found.alignment.rejected
    assert np.allclose(found.alignment.shifts_px, repeats.shifts_px, atol=0.5)
    gain = found.precision.frames["gain"].to_numpy()
    wanted = repeats.gains / np.exp(np.log(repeats.gains).mean())
    assert np.allclose(gain, wanted, rtol=0.03)


def test_the_precision_is_the_spread_about_the_truth_once_the_gain_is_known(
    repeats: SimulatedRepeats, counted: ImageState
) -> None:
    found = drain(repeatability_steps([counted]))
    measured = found.measured
    true_gain = repeats.gains[measured["frame"]]
    log = np.log(measured["intensity"].to_numpy(dtype=float) / true_gain)
    seen = measured.assign(log=log).groupby("cluster")["log"]
    several = seen.transform("size") >= 4
    rest = (log - seen.transform("mean"))[several]
    free = several.sum() - measured["cluster"][several].nunique()
    width = 1.4826 * np.median(np.abs(rest))
    kept = np.abs(rest) < 5 * width
    direct = float(np.sqrt(np.sum(rest[kept] ** 2) / (free - (~kept).sum())))
    assert found.precision.intensity.value == pytest.approx(direct, rel=0.1)
    assert 0.01 < found.precision.intensity.value < 0.2


@pytest.mark.slow
def test_separate_images_are_compared_as_well_and_those_that_do_not_fit_are_named(
    repeats: SimulatedRepeats, counted: ImageState, model_path: Path
) -> None:
    settings = Settings(model=str(model_path), adapt="off")
    single = [
        analyse(Micrograph(image, repeats.pixel_size_nm, name=f"image {at}"), settings)
        for at, image in enumerate(repeats.images[:3])
    ]
    spec = sample_spec("nominal", None, 60, shape=(512, 512), seed=seeded(4))
    other = simulate_repeats(replace(spec, pixel_size_nm=repeats.pixel_size_nm), 1, seeded(4))
    single.append(analyse(Micrograph(other.images[0], other.pixel_size_nm, name="elsewhere"), settings))
    found = drain(repeatability_steps(single))
    assert found.alignment.rejected == (3,) and any("elsewhere" in remark for remark in found.remarks)
    with pytest.raises(InputError, match="one frame"):
        drain(repeatability_steps(single[:1]))
    coarse = ImageState(single[0].micrograph.with_pixel_size(0.07), table=single[0].table)
    with pytest.raises(InputError, match="one magnification"):
        drain(repeatability_steps([single[1], coarse]))
    with pytest.raises(InputError, match="no counted image"):
        drain(repeatability_steps([]))


@pytest.mark.slow
def test_the_command_writes_sentence_numbers_and_figure(
    repeats: SimulatedRepeats, model_path: Path, tmp_path: Path, capsys: Any
) -> None:
    import tifffile

    from napari_atomicity.cli import main

    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, repeats.images[:4], imagej=True, metadata={"axes": "TYX"})
    call = ["repeatability", str(path), "-o", str(tmp_path / "out"), "--model", str(model_path), "--adapt", "off",
            "--report", "html",
            "--pixel-size", str(repeats.pixel_size_nm)]  # fmt: skip
    assert main(call) == 0
    said = capsys.readouterr().out
    assert "A count repeats within" in said and "kappa" in said
    page = (tmp_path / "out" / "stack.report.html").read_text(encoding="utf-8")
    assert "Precision of repeated frames" in page and "count: relative precision" in page
    written = json.loads((tmp_path / "out" / "stack.repeatability.json").read_text(encoding="utf-8"))
    assert written["repeatability"]["clusters"] > 20 and len(written["repeatability"]["shifts_px"]) == 4
    assert (tmp_path / "out" / "stack.repeatability.png").stat().st_size > 10_000
    assert (tmp_path / "out" / "stack.repeatability.csv").is_file()
    single = tmp_path / "single.tif"
    tifffile.imwrite(single, repeats.images[0])
    assert main([*call[:1], str(single), *call[2:]]) == 2
    assert "is one frame" in capsys.readouterr().err
