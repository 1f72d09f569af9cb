"""From a simulated alloy of known answer through the command line: equivalents, ridge, size with composition."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from napari_atomicity.cli import main

SIZE, GUEST = 41, 10
PART = GUEST / SIZE


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A frame of Pt31Co10 as two detectors see it, and its table, counted with the scale of a platinum atom."""
    made = tmp_path_factory.mktemp("alloy")
    call = ["simulate", "-o", str(made), "--condition", "clean", "--sizes", str(SIZE), "--alloy", f"Co={PART:.4f}"]
    assert main([*call, "--clusters", "20", "--shape", "512,512", "--seed", "2", "--second", "1.1"]) == 0
    image = made / f"clean_Co_{SIZE}_2.tif"
    truth = json.loads(image.with_suffix("").with_suffix(".truth.json").read_text(encoding="utf-8"))
    scale = str(truth["scale_counts_nm2_per_atom"])
    (made / "scale.txt").write_text(scale)
    call = ["analyse", str(image), "-o", str(made), "--adapt", "off", "--scale", scale]
    assert main([*call, "--composition", f"Co={PART:.4f}±0.02"]) == 0
    return made


def one(folder: Path, ending: str) -> Path:
    return next(path for path in folder.glob(f"clean_Co_{SIZE}_2.{ending}"))


def test_the_simulated_clusters_have_the_composition_that_was_asked_for(folder: Path) -> None:
    truth = pd.read_csv(one(folder, "truth.csv"))
    clusters = truth[truth["kind"] == "cluster"]
    assert len(clusters) > 15 and set(clusters["n_guest"]) == {GUEST} and set(clusters["n_atoms"]) == {SIZE}


def test_counts_are_named_equivalents_and_converted_with_their_error(folder: Path, capsys: Any) -> None:
    report = json.loads(one(folder, "report.json").read_text(encoding="utf-8"))
    metals = report["metals"]
    assert metals["unit"] == "Pt-equivalents" and metals["scale_of"] == "given"
    assert metals["exponent"] == {"value": 1.6, "low": 1.46, "high": 1.7}
    assert "Counts are Pt-equivalents" in report["messages"][0] or any("Pt-eq" in m for m in report["messages"])
    assert report["parameters"]["composition"].startswith("Co=")
    table = pd.read_csv(one(folder, "metals.csv"))
    # in units of platinum 41 atoms with 10 of cobalt are 33 atoms
    assert table["pt_equivalents"].median() == pytest.approx(SIZE - GUEST + GUEST * 0.183, rel=0.06)
    assert table["n_atoms"].median() == pytest.approx(SIZE, rel=0.06)
    assert table["n_co"].median() == pytest.approx(GUEST, rel=0.06)
    assert (table["n_atoms_sd"] / table["n_atoms"] > table["pt_equivalents_sd"] / table["pt_equivalents"]).all()
    beside = json.loads(one(folder, "clusters.csv-metadata.json").read_text(encoding="utf-8"))
    assert beside["metals"]["unit"] == "Pt-equivalents"


def test_the_ridge_covers_the_truth_and_no_class_is_given(folder: Path, tmp_path: Path, capsys: Any) -> None:
    assert main(["alloy", str(one(folder, "clusters.csv")), "--guest", "cobalt", "-o", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert "No class is given" in said.out and not said.err
    lines = pd.read_csv(one(tmp_path, "ridge.csv"))
    covered = []
    for _, line in lines.groupby("id"):
        low, high = (np.interp(PART, line["fraction"], line[end]) for end in ("low", "high"))
        covered.append(low <= SIZE <= high)
    assert len(covered) > 10 and np.mean(covered) > 0.9
    table = pd.read_csv(one(tmp_path, "alloy.csv"))
    assert not table["settled"].any() and table["size"].isna().all() and table["n_atoms"].isna().all()
    assert one(tmp_path, "alloy.png").stat().st_size > 10_000


def test_a_fraction_of_each_cluster_gives_its_size(folder: Path, tmp_path: Path, capsys: Any) -> None:
    clusters = pd.read_csv(one(folder, "clusters.csv"))
    edx = tmp_path / "edx.csv"
    pd.DataFrame({"ID": clusters["id"], "Co at%": "0,24", "error": "0,02"}).to_csv(edx, sep=";", index=False)
    call = ["alloy", str(one(folder, "clusters.csv")), "--guest", "Co", "-o", str(tmp_path), "--columns", str(edx)]
    assert main([*call, "--fraction", "Co at%", "--fraction-sd", "error"]) == 0
    table = pd.read_csv(one(tmp_path, "alloy.csv"))
    assert table["settled"].all() and (table["size"] == SIZE).mean() > 0.8
    off = np.abs(table["n_atoms"] - SIZE) / table["n_atoms_sd"]
    assert (off < 2).mean() > 0.9
    found = json.loads(one(tmp_path, "alloy.json").read_text(encoding="utf-8"))["alloy"]
    assert found["settled"] == len(table) and "Co at%" in found["known_by"]
    for wrong, says in (
        (["--fraction", "Ni"], "no column 'Ni'"),
        (["--fraction", "Co at%", "--fraction-sd", "7"], "impossible"),
        (["--fraction", "Co at%", "--composition", "Co=0.2"], "leave one of them out"),
        ([], "name its column"),
        (["--second", "Co at%"], "--second-scale"),
    ):
        capsys.readouterr()
        assert main([*call, *wrong]) == 2
        said = capsys.readouterr().err
        assert says in said and said.count("\n") == 1


def test_the_second_detector_is_asked_and_says_how_little_it_knows(folder: Path, tmp_path: Path) -> None:
    assert main(["detect", str(one(folder, "tif")).replace("_2.tif", "_2_second.tif"), "-o", str(tmp_path)]) == 0
    first = pd.read_csv(one(folder, "clusters.csv"))
    second = pd.read_csv(tmp_path / f"clean_Co_{SIZE}_2_second.clusters.csv")
    away = np.hypot(*(first[[axis]].to_numpy() - second[axis].to_numpy() for axis in ("y_px", "x_px")))
    first["second"] = np.where(away.min(axis=1) < 3, second["intensity"].to_numpy()[away.argmin(axis=1)], np.nan)
    columns = tmp_path / "second.csv"
    first[["id", "second"]].to_csv(columns, index=False)
    call = ["alloy", str(one(folder, "clusters.csv")), "--guest", "Co", "-o", str(tmp_path), "--columns", str(columns)]
    scale = (folder / "scale.txt").read_text()
    assert main([*call, "--second", "second", "--second-scale", scale, "--second-exponent", "1.1"]) == 0
    table = pd.read_csv(one(tmp_path, "alloy.csv"))
    # of the precision that the model states, the two counts are too alike to tell the metals apart
    assert table["settled"].mean() < 0.5 and table.loc[~table["settled"], "n_atoms"].isna().all()


def test_another_metal_is_remarked_before_counting(folder: Path, tmp_path: Path, capsys: Any) -> None:
    image = one(folder, "tif")
    call = ["analyse", str(image), "-o", str(tmp_path), "--adapt", "off", "--deposited", "Au41"]
    assert main(call) == 0
    said = capsys.readouterr().err
    assert "you say that the clusters are of Au" in said
    assert said.index("you say") < said.index("Counts are atoms of Au")
    # what is counted in atoms of the clusters themselves holds no equivalents
    assert main(["alloy", str(one(tmp_path, "clusters.csv")), "--guest", "Co", "-o", str(tmp_path / "none")]) == 2
    assert "already" in capsys.readouterr().err and not (tmp_path / "none").exists()
    assert main([*call, "--element", "Ag"]) == 2
    assert "leave one of them out" in capsys.readouterr().err
    for wrong in (["--element", "Qq"], ["--composition", "Co=2"], ["--exponent", "9"]):
        assert main([*call[:-2], *wrong]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_a_reference_is_of_the_metal_of_the_model(tmp_path: Path) -> None:
    from napari_atomicity.cli.call_settings import CallSettings
    from napari_atomicity.cli.options import command_of

    call = ["analyse", "gold.tif", "standard.tif", "-o", str(tmp_path), "--element", "Au"]
    request = command_of([*call, "--reference", "standard.tif=19"]).args[0]  # type: ignore[attr-defined]
    settings = CallSettings.of(request, request.reference)
    assert settings.of_image(0).element == "Au" and settings.of_image(1).said_element == ""
