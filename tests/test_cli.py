"""The command line from end to end: files, exit codes, and what a person reads when something is wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_atomicity import cli
from napari_atomicity.io import read
from napari_atomicity.io.names import safe_name
from napari_atomicity.io.tables import read_table, write_table
from napari_atomicity.pipeline import Settings, analyse


def _write(path: Path, data: np.ndarray, pixel_size_nm: float | None = 0.05) -> Path:
    if pixel_size_nm is None:
        tifffile.imwrite(path, data)
    else:
        resolution = (1 / pixel_size_nm, 1 / pixel_size_nm)
        tifffile.imwrite(path, data, imagej=True, resolution=resolution, metadata={"unit": "nm"})
    return path


@pytest.fixture(scope="module")
def image(simulated, tmp_path_factory) -> Path:
    return _write(tmp_path_factory.mktemp("images") / "good.tif", simulated.image)


@pytest.fixture
def run(capsys):
    """Run the command line; gives exit code, stdout and the lines of stderr."""

    def call(*arguments: object) -> tuple[int, str, list[str]]:
        code = cli.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err.splitlines()

    return call


def test_analyse_writes_table_report_and_figure(run, image, model_path, tmp_path):
    code, out, err = run("analyse", image, "-o", tmp_path, "--model", model_path)
    assert (code, err) == (0, [])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "good.clusters.csv", "good.clusters.csv-metadata.json", "good.clusters.png", "good.report.json",
    ]  # fmt: skip
    assert str(tmp_path / "good.clusters.csv") in out
    report = json.loads((tmp_path / "good.report.json").read_text(encoding="utf-8"))
    assert report["counts"]["found"] == len(read_table(tmp_path / "good.clusters.csv")) > 10
    assert report["image"]["path"].endswith("good.tif")
    assert (tmp_path / "good.clusters.png").stat().st_size > 50_000


@pytest.mark.slow
def test_report_and_figures_on_request(run, image, model_path, tmp_path):
    more = ("--report", "html", "--figure", "svg", "--figure", "pdf", "--expected", "19:0.5,55:0.5")
    code, out, err = run("analyse", image, "-o", tmp_path, "--model", model_path, "--adapt", "off", *more)
    assert (code, err) == (0, [])
    for name in ("good.report.html", "good.overlay.svg", "good.overlay.pdf", "good.report.json", "good.clusters.png"):
        assert (tmp_path / name).stat().st_size > 1000, name
    assert str(tmp_path / "good.report.html") in out
    assert "what was deposited" in (tmp_path / "good.report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("expected", ["nonsense", "deposits.csv", "19:0.5,55"])
def test_an_impossible_expectation_is_said_at_once(run, image, model_path, tmp_path, expected):
    code, _, (line,) = run("analyse", image, "-o", tmp_path / "out", "--model", model_path, "--expected", expected)
    assert code == 2 and expected.split(",")[0] in line


@pytest.mark.parametrize("adapt", ["auto", "off"])
def test_command_line_and_python_give_the_same_table(run, image, model_path, tmp_path, adapt):
    run("analyse", image, "-o", tmp_path, "--model", model_path, "--adapt", adapt)
    table = analyse(read(image), Settings(model=str(model_path), adapt=adapt)).table
    pd.testing.assert_frame_equal(read_table(tmp_path / "good.clusters.csv").rows, table.rows, check_exact=True)


def _missing(folder: Path) -> Path:
    return folder / "missing.tif"


def _empty(folder: Path) -> Path:
    (folder / "bad.tif").touch()
    return folder / "bad.tif"


def _cut_short(folder: Path) -> Path:
    path = _write(folder / "bad.tif", np.random.default_rng(0).normal(size=(256, 256)).astype(np.float32))
    path.write_bytes(path.read_bytes()[:5000])
    return path


def _constant(folder: Path) -> Path:
    return _write(folder / "bad.tif", np.full((128, 128), 3, dtype=np.uint16))


def _nan(folder: Path) -> Path:
    return _write(folder / "bad.tif", np.full((128, 128), np.nan, dtype=np.float32))


def _uncalibrated(folder: Path) -> Path:
    return _write(folder / "bad.tif", np.random.default_rng(0).integers(0, 999, (128, 128), np.uint16), None)


def _photograph(folder: Path) -> Path:
    from imageio.v3 import imwrite

    imwrite(folder / "bad.png", np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    return folder / "bad.png"


def _no_image(folder: Path) -> Path:
    (folder / "bad.txt").write_text("not an image", encoding="utf-8")
    return folder / "bad.txt"


def _folder(folder: Path) -> Path:
    (folder / "bad").mkdir()
    return folder / "bad"


BAD = [_missing, _empty, _cut_short, _constant, _nan, _uncalibrated, _photograph, _no_image, _folder]


@pytest.mark.parametrize("command", ["analyse", "detect", "explain"])
@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__.strip("_"))
def test_bad_input_is_one_clear_line_and_exit_code_2(run, model_path, tmp_path, command, make):
    model = [] if command == "detect" else ["--model", model_path]
    code, out, err = run(command, make(tmp_path), "-o", tmp_path / "out", *model)
    assert code == 2
    assert out == ""
    (line,) = err
    assert line.startswith("napari-atomicity: ") and line.endswith((".", ")"))
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["count"],
        ["analyse"],
        ["analyse", "x.tif"],
        ["analyse", "x.tif", "-o", "out", "--adapt", "always"],
        ["analyse", "x.tif", "-o", "out", "--deposited", "nineteen"],
        ["analyse", "x.tif", "-o", "out", "--pixel-size", "large"],
        ["analyse", "x.tif", "-o", "out", "--deposited", "19:0.7,55"],
        ["analyse", "x.tif", "-o", "out", "--deposited", "19:0.7,55:0.9"],
        ["analyse", "x.tif", "-o", "out", "--deposited", "19:0.7.1"],
        ["analyse", "x.tif", "-o", "out", "--deposited", "19,19"],
        ["analyse", "x.tif", "-o", "out", "--deposited", "13"],
        ["analyse", "x.tif", "-o", "out", "--scale", "-3"],
        ["analyse", "x.tif", "-o", "out", "--scale", "3", "--scale-sd", "-1"],
        ["analyse", "x.tif", "-o", "out", "--scale-sd", "0.1"],
        ["analyse", "x.tif", "-o", "out", "--reference", "x.tif"],
        ["analyse", "x.tif", "-o", "out", "--reference", "x.tif="],
        ["analyse", "x.tif", "-o", "out", "--reference", "x.tif=nineteen"],
        ["analyse", "x.tif", "-o", "out", "--reference", "x.tif=13"],
        ["analyse", "x.tif", "-o", "out", "--reference", "y.tif=19"],
        ["analyse", "x.tif", "y/x.tif", "-o", "out", "--reference", "x=19"],
        ["analyse", "x.tif", "-o", "out", "--reference", "x=19", "--reference", "x.tif=30"],
        ["analyse", "x.tif", "-o", "out", "--profile", "none.json"],
        ["analyse", "x.tif", "-o", "out", "--save-profile", "none/x.json"],
        ["analyse", "x.tif", "-o", "out", "--save-profile", "x.json", "--adapt", "off"],
        ["explain", "x.tif", "-o", "out", "--session"],
        ["analyse", "x.tif", "-o", "out", "--sensitivity", "7"],
        ["analyse", "x.tif", "-o", "out", "--model", "no-such-model"],
        ["simulate", "-o", "out", "--condition", "sunny"],
        ["simulate", "-o", "out", "--clusters", "0"],
        ["evaluate", "--frames", "-1"],
    ],
)
def test_an_impossible_call_is_one_line_and_exit_code_2(run, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*arguments)
    assert (code, out, len(err)) == (2, "", 1)
    assert not list(tmp_path.iterdir())


def test_options_that_do_not_fit_the_image_are_said(run, image, model_path, tmp_path):
    for wrong in (["--frame", 4], ["--pixel-size", 0], ["--image", 7], ["--deposited", "20"]):
        code, _, err = run("analyse", image, "-o", tmp_path, "--model", model_path, *wrong)
        assert (code, len(err)) == (2, 1), err


def test_one_bad_image_does_not_stop_the_others(run, image, model_path, tmp_path):
    bad = _constant(tmp_path)
    for extra in ([], ["--session"]):
        out = tmp_path / f"out{len(extra)}"
        code, _, err = run("analyse", bad, image, tmp_path / "none.tif", "-o", out, "--model", model_path, *extra)
        assert code == 2
        assert sorted(line.split(":")[1].strip() for line in err) == ["bad", "none"]
        assert (out / "good.clusters.csv").exists()
        assert len(list(out.iterdir())) == 4


@pytest.fixture
def profile(run, repository, tmp_path) -> Path:
    """A profile that the command line saved, from a sample of one size that was told."""
    path, image = tmp_path / "titan.json", repository / "sample_data" / "sample_pt30.tif"
    call = ("analyse", image, "-o", tmp_path / "first", "--deposited", "30", "--adapt", "off", "--save-profile", path)
    code, out, err = run(*call)
    assert (code, err) == (0, [])
    assert str(path) in out and "counts nm² per Pt atom" in out
    return path


@pytest.mark.slow
def test_figures_beside_the_images_are_not_counted(run, repository, tmp_path):
    image = tmp_path / "a.tif"
    image.write_bytes((repository / "sample_data" / "sample_pt70.tif").read_bytes())
    assert run("detect", image, "-o", tmp_path / "out")[0] == 0
    figure = tmp_path / "a.clusters.png"
    figure.write_bytes(b"a figure")
    code, _, err = run("detect", image, figure, "-o", tmp_path / "out")
    assert code == 0 and "figure of another image, and is left out" in "".join(err)
    code, _, err = run("detect", figure, "-o", tmp_path / "out")
    assert code == 2 and "the micrographs that the figures were made of" in "".join(err)


def test_an_image_that_cannot_decide_says_so_beside_its_shares(run, repository, tmp_path):
    code, out, err = run("analyse", repository / "sample_data" / "sample_pt19.tif", "-o", tmp_path, "--adapt", "off")
    assert code == 0 and "(undecided: Pt19 or Pt30" in "".join(out)
    assert "cannot decide whether most clusters are" in "".join(err)


def test_a_profile_is_where_the_next_image_starts(run, repository, profile, tmp_path):
    saved = json.loads(profile.read_text(encoding="utf-8"))
    assert saved["scale"] == pytest.approx(24, rel=0.1) and saved["images"][0]["name"] == "sample_pt30"
    image = repository / "sample_data" / "sample_pt55.tif"
    code, _, err = run("analyse", image, "-o", tmp_path, "--profile", profile, "--adapt", "off")
    assert (code, err) == (0, [])
    report = json.loads((tmp_path / "sample_pt55.report.json").read_text(encoding="utf-8"))
    assert report["profile"]["scale"] == saved["scale"] == report["parameters"]["scale"]
    assert report["parameters"]["scale_sd"] == saved["scale_sd"]
    assert max(report["ratios"], key=lambda row: row["fraction"])["label"] == "Pt55"


@pytest.mark.slow
def test_the_profile_of_another_microscope_is_replaced_only_by_force(run, repository, profile, tmp_path):
    brighter = _write(tmp_path / "b.tif", read(repository / "sample_data" / "sample_pt30.tif").frame() * 3)
    call = ("analyse", brighter, "-o", tmp_path, "--deposited", "30", "--adapt", "off", "--save-profile", profile)
    before = profile.read_bytes()
    code, _, err = run(*call)
    assert (code, len(err)) == (2, 1) and "other settings" in err[0]
    assert profile.read_bytes() == before
    assert (tmp_path / "b.clusters.csv").exists()
    assert run(*call, "--force")[0] == 0
    assert json.loads(profile.read_text(encoding="utf-8"))["scale"] > 60


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "change", [{"element": "Au"}, {"scale": -1}, {"format": 2}, {"kind": "notes"}, {"scale": "much"}, None]
)
def test_a_profile_that_cannot_be_used_is_one_line_and_nothing_is_written(run, image, profile, tmp_path, change):
    content = json.loads(profile.read_text(encoding="utf-8"))
    profile.write_text("{" if change is None else json.dumps({**content, **change}), encoding="utf-8")
    code, out, err = run("analyse", image, "-o", tmp_path / "out", "--profile", profile)
    assert (code, out, len(err)) == (2, "", 1)
    assert not (tmp_path / "out").exists()
    code, out, err = run("analyse", image, "-o", tmp_path / "out", "--profile", profile, "--scale", "3")
    assert (code, out, len(err)) == (2, "", 1) and "leave one of them out" in err[0]


def test_the_profile_of_another_model_is_used_and_said(run, repository, model_path, profile, tmp_path):
    image = repository / "sample_data" / "sample_pt55.tif"  # of the gain that the profile is of
    code, _, err = run("analyse", image, "-o", tmp_path, "--profile", profile, "--model", model_path, "--adapt", "off")
    assert code == 0, err
    assert "made with the model 'dual'" in err[0]


@pytest.mark.slow
def test_a_reference_makes_a_session_and_keeps_its_own_size(run, repository, tmp_path):
    images = [repository / "sample_data" / f"sample_pt{size}.tif" for size in (30, 55)]
    call = ("analyse", *images, tmp_path / "none.tif", "-o", tmp_path, "--adapt", "off")
    code, out, err = run(*call, "--reference", f"{images[0]}=30")
    assert code == 2 and err[0].split(":")[1].strip() == "none"
    reports = [json.loads((tmp_path / f"{path.stem}.report.json").read_text(encoding="utf-8")) for path in images]
    assert [report["parameters"]["deposited"] for report in reports] == [[30], []]
    assert all(report["session"]["images"] == ["sample_pt30", "sample_pt55"] for report in reports)
    assert [max(one["ratios"], key=lambda row: row["fraction"])["label"] for one in reports] == ["Pt30", "Pt55"]
    code, out, err = run(*call, "--reference", "none.tif=19")
    assert code == 2 and "sample_pt55: " in out
    unused = "this reference could not be used; the other images were counted without it."
    assert any(line.endswith(unused) for line in err)


def test_shares_that_were_deposited_reach_the_report(run, image, model_path, tmp_path):
    code, _, _ = run(
        "analyse", image, "-o", tmp_path, "--model", model_path, "--adapt", "off", "--deposited", "Pt19:50,Pt55:50%"
    )
    report = json.loads((tmp_path / "good.report.json").read_text(encoding="utf-8"))
    assert code == 0
    assert (report["parameters"]["deposited"], report["parameters"]["fractions"]) == ([19, 55], [50.0, 50.0])


def test_what_came_of_the_adaptation_is_a_result_and_no_remark(run, image, model_path, tmp_path):
    code, out, err = run("analyse", image, "-o", tmp_path, "--model", model_path)
    report = json.loads((tmp_path / "good.report.json").read_text(encoding="utf-8"))
    reason = report["adaptation"]["reason"]
    assert code == 0 and reason in report["messages"]
    assert reason in out and not any(reason in line for line in err)


def test_no_clusters_is_a_result_and_not_a_fault(run, model_path, tmp_path):
    noise = np.random.default_rng(0).normal(1000, 30, (256, 256)).astype(np.float32)
    image = _write(tmp_path / "support.tif", noise)
    code, out, err = run("analyse", image, "-o", tmp_path, "--model", model_path)
    assert (code, len(err)) == (0, 1)
    assert "No cluster" in err[0] and "support: 0 clusters" in out
    assert len(read_table(tmp_path / "support.clusters.csv")) == 0
    assert run("explain", image, "-o", tmp_path, "--model", model_path)[0] == 0


def test_two_images_of_one_name_do_not_overwrite_each_other(run, simulated, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first = _write(tmp_path / "a" / "scan.tif", simulated.image)
    second = _write(tmp_path / "b" / "Scan.tif", simulated.image[:300, :300])
    code, _, err = run("detect", first, second, "-o", tmp_path / "out")
    assert code == 0
    written = sorted(path.name for path in (tmp_path / "out").glob("*.csv"))
    assert written == ["Scan-2.clusters.csv", "scan.clusters.csv"]
    assert any("Scan-2" in line for line in err)


@pytest.mark.parametrize(
    ("name", "safe"),
    [("a:b?c", "a_b_c"), ("NUL", "NUL_"), ("com1.x", "com1.x_"), ("x. ", "x"), ("Pt µ 1", "Pt µ 1"), ("...", "image")],
)
def test_names_that_some_system_refuses_are_made_safe(name, safe):
    assert safe_name(name) == safe


def test_labels_that_a_person_gave_are_never_overwritten(run, image, tmp_path):
    run("detect", image, "-o", tmp_path)
    path = tmp_path / "good.clusters.csv"
    write_table(read_table(path).annotate([0], "Pt55"), path)
    before = path.read_bytes()
    code, _, err = run("detect", image, "-o", tmp_path)
    assert (code, len(err)) == (2, 1)
    assert path.read_bytes() == before
    assert list(tmp_path.glob("*.csv")) == [path]


def test_a_fault_of_ours_is_one_line_with_a_log(run, image, tmp_path, monkeypatch):
    import platformdirs

    def broken(*_, **__):
        raise ZeroDivisionError("seven\nlines")

    monkeypatch.setattr("napari_atomicity.pipeline.detect_steps", broken)
    monkeypatch.setattr(platformdirs, "user_log_path", lambda *_, **__: tmp_path)
    code, _, err = run("detect", image, "-o", tmp_path / "out")
    assert code == 1
    (line,) = err
    (log,) = tmp_path.glob("fault-*.log")
    assert str(log) in line and "ZeroDivisionError: seven lines" in line
    assert "in broken" in log.read_text(encoding="utf-8")


def test_explain_writes_heat_maps_in_register(run, image, model_path, tmp_path):
    code, _, err = run("explain", image, "-o", tmp_path, "--model", model_path)
    # an untrained model has no library to lay out: said, and everything else is there
    assert code == 0 and len(err) == 1 and "no feature map" in err[0]
    for channel in ("raw", "lcn", "density"):
        heat = read(tmp_path / f"good.{channel}.heatmap.tif")
        assert heat.shape_yx == read(image).shape_yx
        assert heat.pixel_size_nm == pytest.approx(0.05, rel=1e-4)
        assert (tmp_path / f"good.{channel}.heatmap.png").exists()


@pytest.mark.slow
def test_explain_lays_the_clusters_out_on_the_map_of_the_models_features(run, image, tmp_path):
    code, _, err = run("explain", image, "-o", tmp_path, "--adapt", "off")
    assert (code, err) == (0, [])
    places = pd.read_csv(tmp_path / "good.feature_map.csv")
    assert list(places["id"]) == list(pd.read_csv(tmp_path / "good.explained.csv")["id"])
    assert np.isfinite(places[["map_x", "map_y"]]).to_numpy().mean() > 0.8


def test_explain_writes_shares_and_profiles_and_answers_a_question(run, image, model_path, tmp_path):
    asked = ("--target", "Pt55", "--against", "Pt41")
    assert run("explain", image, "-o", tmp_path, "--model", model_path, *asked)[0] == 0
    clusters = pd.read_csv(tmp_path / "good.explained.csv")
    assert set(clusters["against"]) == {"Pt41"} and set(clusters["target"].dropna()) == {"Pt55"}
    profiles = pd.read_csv(tmp_path / "good.profiles.csv")
    assert {"radii", "nm"} == set(profiles["unit"]) and (tmp_path / "good.profiles.png").exists()
    code, _, err = run("explain", image, "-o", tmp_path, "--model", model_path, "--target", "Pt38")
    assert code == 2 and len(err) == 1 and "no class Pt38" in err[0]


def test_the_report_can_include_the_explanation(run, image, model_path, tmp_path):
    assert run("analyse", image, "-o", tmp_path, "--model", model_path, "--explain")[0] == 0
    told = json.loads((tmp_path / "good.report.json").read_text(encoding="utf-8"))["explanation"]
    assert told["method"] == "grad-cam" and told["resolution_nm"] == pytest.approx(0.1)
    assert told["log_odds_brightness"] is not None and told["profiles"]
    assert (tmp_path / "good.density.heatmap.tif").exists()


@pytest.mark.slow
def test_a_stack_gives_one_table_and_stacked_heat_maps(run, simulated, model_path, tmp_path):
    frames = np.stack([simulated.image, simulated.image[::-1]])
    stack = _write(tmp_path / "stack.tif", frames)
    assert run("analyse", stack, "-o", tmp_path, "--model", model_path)[0] == 0
    assert set(read_table(tmp_path / "stack.clusters.csv").rows["frame"]) == {0, 1}
    assert run("explain", stack, "-o", tmp_path, "--model", model_path)[0] == 0
    assert tifffile.imread(tmp_path / "stack.density.heatmap.tif").shape == frames.shape
    assert run("analyse", stack, "-o", tmp_path / "one", "--model", model_path, "--frame", 1)[0] == 0
    assert set(read_table(tmp_path / "one" / "stack.clusters.csv").rows["frame"]) == {1}


def test_info_says_what_would_be_read(run, image, tmp_path):
    code, out, err = run("info", image)
    assert (code, err) == (0, [])
    assert "512 × 512" in out and "0.05 nm" in out
    code, out, err = run("info", image, tmp_path / "none.tif")
    assert (code, len(err)) == (2, 1) and "512 × 512" in out


def test_simulate_writes_a_calibrated_frame_with_its_truth(run, tmp_path):
    call = ("simulate", "-o", tmp_path, "--condition", "nominal", "--sizes", "19,30", "--clusters", 10, "--seed", 1)
    assert run(*call)[0] == 0
    (image,) = tmp_path.glob("*.tif")
    facts = json.loads(image.with_suffix(".truth.json").read_text(encoding="utf-8"))
    assert read(image).pixel_size_nm == pytest.approx(facts["pixel_size_nm"], rel=1e-4)
    truth = pd.read_csv(image.with_suffix(".truth.csv"))
    assert set(truth.loc[truth["kind"] == "cluster", "n_atoms"]) == {19, 30}
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    run(*call)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_simulate_keeps_what_a_person_changed_of_an_earlier_frame(run, tmp_path):
    call = ("simulate", "-o", tmp_path, "--sizes", "19", "--shape", "128,128", "--seed", 1, "--clusters")
    assert run(*call, 3)[0] == 0
    table, recipe = (tmp_path / f"nominal_19_1.truth.{suffix}" for suffix in ("csv", "json"))
    # another frame of that name replaces what nobody changed
    assert run(*call, 4)[::2] == (0, []) and len(list(tmp_path.iterdir())) == 3
    corrected = table.read_bytes().replace(b",19,", b",20,")
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()} | {table.name: corrected}
    table.write_bytes(corrected)
    code, _, err = run(*call, 5)
    (said,) = err
    assert code == 0 and f": {table.name} was changed by hand" in said and f"{table.stem}.kept.csv and" in said
    for name, content in first.items():
        stem, suffix = name.rsplit(".", 1)
        assert (tmp_path / f"{stem}.kept.{suffix}").read_bytes() == content != (tmp_path / name).read_bytes()
    # neither is what another program wrote under that name; the same frame again changes nothing
    recipe.write_text('{"mine": true}')
    assert len(run(*call, 5)[2]) == 1
    assert (tmp_path / f"{recipe.stem}.kept-2.json").read_text() == '{"mine": true}'
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert run(*call, 5)[2] == [] and {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files


@pytest.mark.skipif(os.name == "nt" or getattr(os, "geteuid", lambda: 1)() == 0, reason="nobody refuses us")
def test_a_folder_that_cannot_be_written_is_said(run, image, tmp_path):
    tmp_path.chmod(0o500)
    code, _, err = run("detect", image, "-o", tmp_path / "out")
    assert (code, len(err)) == (2, 1)


def test_an_output_folder_that_is_a_file_is_said(run, image, tmp_path):
    (tmp_path / "out").touch()
    code, _, err = run("detect", image, "-o", tmp_path / "out")
    assert (code, len(err)) == (2, 1)


@pytest.mark.slow
def test_train_and_evaluate_go_from_nothing_to_scores(run, tmp_path):
    config = tmp_path / "small.toml"
    config.write_text(
        "classes = [19, 30, 55]\nchannels = ['raw']\n[simulation]\nframes = 8\nclusters = 40\nother_sizes = [12]\n"
        "[training]\nepochs = 3\nbatch = 32\ndevice = 'cpu'\n"
    )
    code, out, err = run("train", config, "-o", tmp_path)
    assert code == 0 and "small.safetensors" in out
    assert any("clusters to train on" in line for line in err)
    code, out, err = run("evaluate", "--model", tmp_path / "small.safetensors", "--frames", 1, "-o", tmp_path)
    assert (code, err) == (0, [])
    scores = pd.read_csv(tmp_path / "small.scores.csv")
    assert "pooled" in set(scores["condition"]) and "pooled" in out
