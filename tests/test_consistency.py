"""Independent ways to what one atom is worth, end to end on simulated images with known answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from scipy.integrate import trapezoid

from napari_atomicity.cli import main
from napari_atomicity.counting.cross_sections import Annulus, cross_section
from napari_atomicity.counting.profile import load_profile
from napari_atomicity.counting.references import ScaleReference
from napari_atomicity.counting.single_atoms import fit_single_atoms
from napari_atomicity.detection.single_atoms import find_atoms
from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline import ImageState, Settings, analyse, consistency_steps, detector_steps
from napari_atomicity.progress import drain
from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.detector_scans import DetectorShape, simulate_detector_scan
from napari_atomicity.simulation.frames import simulate_frame
from seeds import seeded

ANNULUS = Annulus(200, 22, 60, 200)
ANGLES = ["--kv", "200", "--convergence", "22", "--inner", "60", "--outer", "200"]


@pytest.fixture(scope="module")
def frame() -> Any:
    """A simulated frame of all sizes with detached atoms."""
    spec = replace(sample_spec("nominal", None, 36, shape=(560, 560), seed=seeded(3)), satellites=2.5)
    return simulate_frame(spec, seeded(3))


@pytest.fixture(scope="module")
def counted(frame: Any) -> ImageState:
    return analyse(Micrograph(frame.image, frame.pixel_size_nm, name="frame"), Settings(adapt="off"))


@pytest.fixture(scope="module")
def scan(frame: Any) -> Any:
    """The detector that the frame was taken with, tilted, at a third of its current."""
    height = frame.scale_counts_nm2_per_atom / cross_section("Pt", ANNULUS)[0] / 3
    return simulate_detector_scan(height, DetectorShape(tilt=0.3, squeeze=0.85), seed=seeded(1))


def of_scan(scan: Any, ratio: float = 3.0) -> Any:
    return drain(detector_steps(Micrograph(scan.image, name="scan"), ANNULUS, current_ratio=ratio))


def test_all_ways_find_the_true_intensity_within_their_errors(frame: Any, counted: ImageState, scan: Any) -> None:
    """`intensity` misses the tails of a probe, some 5 %, and so does what one atom is worth by it."""
    found = drain(consistency_steps(counted, detector=of_scan(scan)))
    true = frame.scale_counts_nm2_per_atom * np.exp(-0.05)
    ways = {one.origin: one for one in found.found.references}
    assert set(ways) == {"clusters", "detector", "atoms"}
    for one in ways.values():
        assert abs(np.log(one.value / true)) < 2 * one.relative_sd
    assert found.found.agrees and "agree within" in found.found.sentence
    assert ways["atoms"].relative_sd > 0.2
    table = found.table()
    assert np.allclose(table[list(found.shares.columns[2:])].sum(axis=1), 1)
    assert np.allclose(table["median_atoms"] * table["intensity_per_atom"], table["median_atoms"].iloc[0] * table[
        "intensity_per_atom"].iloc[0])  # fmt: skip


def test_a_profile_of_another_gain_is_named_and_the_clusters_do_not_follow_it(counted: ImageState, scan: Any) -> None:
    old = ScaleReference("profile", counted.calibrations[0].intensity_per_atom * 0.7, 0.05, "of March")
    found = drain(consistency_steps(counted, detector=of_scan(scan), others=[old]))
    assert "the profile of March is" in found.found.sentence and "another gain" in found.found.sentence
    assert not found.found.agrees
    given = replace(counted, settings=replace(counted.settings_in_force, intensity_per_atom=old.value))
    again = drain(consistency_steps(given, detector=of_scan(scan)))
    assert again.found.references[0].value == pytest.approx(found.found.references[0].value, rel=0.01)
    assert again.found.references[-1].origin == "standard"


def test_a_scale_that_came_from_the_detector_is_not_counted_twice(counted: ImageState, scan: Any) -> None:
    first = drain(consistency_steps(counted, detector=of_scan(scan)))
    value = next(one.value for one in first.found.references if one.origin == "detector")
    taken = replace(counted, settings=replace(counted.settings_in_force, intensity_per_atom=value))
    again = drain(consistency_steps(taken, detector=of_scan(scan), derived=value))
    assert [one.origin for one in again.found.references] == ["clusters", "detector", "atoms"]


def test_deposited_sizes_and_the_integrals_alone_give_a_scale(frame: Any, counted: ImageState) -> None:
    known = replace(counted.settings_in_force, deposited=(19, 30, 41, 55, 70))
    found = drain(consistency_steps(replace(counted, settings=known)))
    one = next(one for one in found.found.references if one.origin == "deposited")
    assert abs(np.log(one.value / frame.scale_counts_nm2_per_atom) + 0.05) < 2 * one.relative_sd


def test_nothing_counted_is_said(frame: Any) -> None:
    state = ImageState(Micrograph(frame.image, frame.pixel_size_nm, name="frame"))
    with pytest.raises(InputError, match="count atoms first"):
        drain(consistency_steps(state))


# ---------------------------------------------------------------------- single atoms


@pytest.mark.parametrize(("condition", "worst"), [("clean", 0.05), ("nominal", 0.2)])
def test_single_atoms_are_found_beside_the_clusters(condition: str, worst: float) -> None:
    spec = replace(sample_spec(condition, None, 20, shape=(560, 560), seed=seeded(5)), satellites=4.0)
    frame = simulate_frame(spec, seeded(5))
    clusters = frame.truth[frame.truth["kind"] == "cluster"]
    centres = clusters[["y_px", "x_px"]].to_numpy()
    atoms = find_atoms(frame.image, frame.pixel_size_nm, centres, np.full(len(centres), 0.6))
    fit = fit_single_atoms(atoms.intensity, atoms.limit)
    assert len(fit.intensity) > 30
    assert abs(np.log(fit.one / frame.scale_counts_nm2_per_atom)) < worst
    apart = np.hypot(atoms.y_px[:, None] - centres[:, 0], atoms.x_px[:, None] - centres[:, 1])
    assert apart.min() * frame.pixel_size_nm > 0.6


@pytest.mark.parametrize("limit", [0.3, 0.75])
def test_a_mixture_of_one_to_three_atoms_is_read_although_faint_ones_are_missed(limit: float) -> None:
    rng = np.random.default_rng(seeded(6))
    atoms = rng.choice([1, 2, 3], 400, p=[0.6, 0.3, 0.1])
    drawn = 100 * atoms * (1 + 0.18 * rng.standard_normal(400))
    seen = drawn[drawn > 100 * limit]
    fit = fit_single_atoms(seen, np.full(len(seen), 100 * limit))
    assert fit.one == pytest.approx(100, rel=0.06)
    assert abs(np.log(fit.one / 100)) < 3 * fit.one_sd
    assert fit.shares[1] == pytest.approx(0.3, abs=0.12)
    assert len(fit.shares) >= 2
    grid = np.linspace(1, 900, 3000)
    assert trapezoid(fit.density(grid), grid) == pytest.approx(1, abs=0.02)


def test_atoms_of_one_kind_need_one_component() -> None:
    values = 100 * (1 + 0.35 * np.random.default_rng(seeded(7)).standard_normal(150))
    values = values[values > 30]
    fit = fit_single_atoms(values, np.full(len(values), 30.0))
    assert fit.shares[0] > 0.85 and fit.one == pytest.approx(100, rel=0.12)
    assert fit.reference.relative_sd > 0.2


def test_atoms_that_are_lost_in_noise_are_refused() -> None:
    values = 100 * (1 + 0.4 * np.random.default_rng(seeded(8)).standard_normal(600))
    seen = values[values > 115]
    with pytest.raises(InputError, match="lost in the noise"):
        fit_single_atoms(seen, np.full(len(seen), 115.0))
    with pytest.raises(InputError, match="at least 15"):
        fit_single_atoms(values[:6], np.full(6, 1.0))
    with pytest.raises(InputError, match="cannot be told from noise"):
        find_atoms(np.zeros((64, 64), np.float32), 0.15)


# ---------------------------------------------------------------------- the command line


@pytest.fixture(scope="module")
def files(frame: Any, scan: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("files")
    calibration = {"imagej": True, "resolution": (1 / frame.pixel_size_nm,) * 2, "metadata": {"unit": "nm"}}
    tifffile.imwrite(folder / "frame.tif", frame.image, **calibration)
    tifffile.imwrite(folder / "scan.tif", scan.image)
    return {"frame": str(folder / "frame.tif"), "scan": str(folder / "scan.tif")}


def test_the_command_writes_table_figure_and_sentence(
    files: dict[str, str], tmp_path: Path, model_path: Path, capsys: Any
) -> None:
    call = ["consistency", files["frame"], "-o", str(tmp_path), "--model", str(model_path), "--adapt", "off"]
    detector = ["--detector-scan", files["scan"], *ANGLES, "--current-ratio", "3"]
    assert main([*call, *detector, "--scale", "100"]) == 0
    written = json.loads((tmp_path / "frame.consistency.json").read_text())["consistency"]
    assert [one["origin"] for one in written["references"]] == ["clusters", "detector", "atoms", "standard"]
    assert written["sentence"] in capsys.readouterr().out
    assert (tmp_path / "frame.consistency.csv").is_file() and (tmp_path / "frame.consistency.png").is_file()
    assert main([*call, *detector, "--scale", "1e6"]) == 0  # once more over what is there, with a scale that cannot be
    assert "the standard is" in capsys.readouterr().out


@pytest.mark.slow
def test_analyse_takes_the_detector_as_a_factor(files: dict[str, str], tmp_path: Path, model_path: Path) -> None:
    call = ["analyse", files["frame"], "-o", str(tmp_path), "--model", str(model_path), "--adapt", "auto"]
    call += ["--detector-scan", files["scan"], *ANGLES, "--current-ratio", "3"]
    assert main([*call, "--report", "html"]) == 0
    page = (tmp_path / "frame.report.html").read_text()
    assert "What one atom is worth in frame" in page and "the detector scan" in page
    assert "given by hand" not in page  # what the count was given follows from the scan
    report = json.loads((tmp_path / "frame.report.json").read_text())
    assert 0.04 < report["parameters"]["scale_sd"] < 0.08
    assert report["detector"]["current_ratio"] == 3 and "scan " in report["detector"]["scan"]
    assert report["calibration"]["0"]["scale"] == pytest.approx(report["parameters"]["scale"], rel=0.2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--kv", "200"], "--detector-scan too"),
        (["--detector-scan", "{scan}", "--kv", "200"], "give --convergence, --inner, --outer too"),
        (["--detector-scan", "{frame}", *ANGLES], "No detector is found"),
        (["--detector-scan", "{frame}.no", *ANGLES], "There is no file|does not exist|no file"),
        (["--detector-scan", "{scan}", *ANGLES[:-1], "2000"], "is not an angle"),
        (["--detector-scan", "{scan}", *ANGLES[:-1], "900"], "the table runs from"),
        (["--detector-scan", "{scan}", *ANGLES, "--current-ratio", "0"], "is not a ratio"),
    ],
)
def test_a_wrong_call_is_answered_in_one_line_and_nothing_is_written(
    options: list[str], words: str, files: dict[str, str], tmp_path: Path, model_path: Path, capsys: Any
) -> None:
    options = [option.format(**files) for option in options]
    call = ["consistency", files["frame"], "-o", str(tmp_path / "out"), "--model", str(model_path)]
    assert main([*call, *options]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and any(part in said[0] for part in words.split("|"))
    assert not (tmp_path / "out").exists()


def test_what_agrees_is_saved_as_a_profile_for_the_next_image(counted: ImageState, scan: Any, tmp_path: Path) -> None:
    from napari_atomicity.counting.profile import save_profile
    from napari_atomicity.counting.reference_profile import profile_of_references

    bundle = counted.model_in_force
    agreeing = drain(consistency_steps(counted, detector=of_scan(scan))).found
    save_profile(profile_of_references("lab", agreeing, bundle, counted.micrograph, 30), tmp_path / "lab.json")
    profile = load_profile(tmp_path / "lab.json")
    assert profile.intensity_per_atom == pytest.approx(agreeing.value)
    assert "the detector scan" in str(profile.origin)
    contradicting = drain(consistency_steps(counted, detector=of_scan(scan, 9.0))).found
    with pytest.raises(InputError, match="would mislead"):
        profile_of_references("lab", contradicting, bundle, counted.micrograph, 30)


@pytest.mark.parametrize("name", ["021", "053", "066", "078"])
def test_single_atoms_of_real_images_are_found_where_people_marked_them_and_lost_in_noise(real: Any, name: str) -> None:
    from napari_atomicity.io import read

    micrograph = read(real(f"hpai_{name}_HAADF_15nm_Sample_PtNC_21Oct20.tif"))
    rows = real(f"hpai_{name}_Results.csv").read_text().splitlines()[1:]
    marked = np.array([[float(value) for value in row.split(",")[-2:]] for row in rows])
    atoms = find_atoms(micrograph.frame(0), micrograph.calibrated_pixel_size_nm)
    away = np.hypot(atoms.x_px[:, None] - marked[:, 0], atoms.y_px[:, None] - marked[:, 1]).min(axis=1)
    assert (away * micrograph.calibrated_pixel_size_nm < 0.15).mean() > 0.7
    with pytest.raises(InputError, match="lost in the noise"):
        fit_single_atoms(atoms.intensity, atoms.limit)
