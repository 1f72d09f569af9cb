"""Many images in one call: each is let go once its files are written."""

from __future__ import annotations

import gc
import json
import weakref

import numpy as np
import pytest
import tifffile

from napari_atomicity import cli
from napari_atomicity.cli import analyse as commands
from napari_atomicity.counting.profile import load_profile
from napari_atomicity.io.tables import read_table


@pytest.fixture
def images(simulated, tmp_path):
    """Three images of the same microscope."""
    paths = []
    for i, pixels in enumerate((simulated.image, simulated.image[::-1], simulated.image.T)):
        paths.append(tmp_path / f"image{i}.tif")
        resolution = (1 / simulated.pixel_size_nm, 1 / simulated.pixel_size_nm)
        tifffile.imwrite(
            paths[-1], np.ascontiguousarray(pixels), imagej=True, resolution=resolution, metadata={"unit": "nm"}
        )
    return paths


@pytest.fixture
def alive(monkeypatch):
    """How many arrays of pixels were alive when each image was opened."""
    opened, counts = [], []
    open_image = commands.open_image

    def watched(path, options):
        gc.collect()
        counts.append(sum(pixels() is not None for pixels in opened))
        micrograph = open_image(path, options)
        opened.append(weakref.ref(micrograph.data))
        return micrograph

    monkeypatch.setattr(commands, "open_image", watched)
    return counts


@pytest.mark.few(1)
@pytest.mark.parametrize("more", [(), ("--save-profile", "titan.json"), ("--report", "html", "--figure", "svg")])
def test_an_image_is_let_go_before_the_next_one_is_opened(images, model_path, tmp_path, alive, more, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cli.main(["analyse", *map(str, images), "-o", str(tmp_path / "out"), "--model", str(model_path), *more])
    assert alive == [0, 0, 0]
    assert len(list((tmp_path / "out").glob("*.clusters.csv"))) == 3


def test_a_session_keeps_the_tables_of_all_images_and_the_pixels_of_none(images, model_path, tmp_path, alive):
    called = ["analyse", *map(str, images), "-o", str(tmp_path / "out"), "--model", str(model_path), "--session"]
    assert cli.main(called) == 0
    assert alive == [0, 0, 0]
    report = json.loads((tmp_path / "out" / "image1.report.json").read_text(encoding="utf-8"))
    assert report["session"]["images"] == ["image0", "image1", "image2"]


@pytest.mark.slow
def test_a_session_counts_as_it_does_with_all_pixels_in_memory(images, model_path, tmp_path, monkeypatch):
    tables = []
    for name in ("lazy", "eager"):
        called = ["analyse", *map(str, images), "-o", str(tmp_path / name), "--model", str(model_path), "--session"]
        assert cli.main(called) == 0
        tables.append(read_table(tmp_path / name / "image2.clusters.csv").rows)
        monkeypatch.setattr(commands, "read_when_asked", lambda micrograph, *_: micrograph)
    assert tables[0].equals(tables[1])


def test_an_image_of_a_session_that_changes_meanwhile_is_not_taken_for_the_one_that_was_counted(
    images, model_path, tmp_path, monkeypatch, capsys
):
    write = commands._write

    def change(analysis, call, target, stem, *rest):
        if stem == "image0":
            images[2].write_bytes(images[0].read_bytes())
        write(analysis, call, target, stem, *rest)

    monkeypatch.setattr(commands, "_write", change)
    code = cli.main(
        ["analyse", *map(str, images), "-o", str(tmp_path / "out"), "--model", str(model_path), "--session"]
    )
    assert code == 2
    assert "image2.tif has changed since it was opened" in capsys.readouterr().err
    assert not (tmp_path / "out" / "image2.clusters.png").exists()
    counted = json.loads((tmp_path / "out" / "image2.report.json").read_text(encoding="utf-8"))
    assert counted["image"]["sha256"] is None  # what was counted is not there any more


@pytest.mark.slow
def test_a_profile_of_a_batch_rests_on_all_its_images(images, tmp_path, capsys):
    path = tmp_path / "titan.json"
    deposited = ("--deposited", "19,55")
    assert cli.main(["analyse", *map(str, images), "-o", str(tmp_path), "--save-profile", str(path), *deposited]) == 0
    profile = load_profile(path)
    assert [one["name"] for one in profile.images] == ["image0", "image1", "image2"] and profile.frames == 3


def test_work_that_takes_long_says_how_far_it_is_where_there_is_no_terminal(monkeypatch, capsys):
    from napari_atomicity.cli import console
    from napari_atomicity.progress import Progress

    now = 0.0
    monkeypatch.setattr(console.time, "monotonic", lambda: now)
    monkeypatch.setattr(console, "QUIET_S", 3.0)

    def steps():
        nonlocal now
        for done in range(100):
            now += 1.0
            yield Progress(done, 100, "Fine-tuning")
        return "done"

    said = console.Console()
    said.say("something else")
    assert said.drain("image", steps()) == "done"
    lines = capsys.readouterr().err.splitlines()
    # a few lines, ever less often
    assert [line.split()[-1] for line in lines] == ["4/100", "11/100", "24/100", "49/100", "98/100"]
    assert set(lines) == {f"napari-atomicity: image: Fine-tuning {i}/100" for i in (4, 11, 24, 49, 98)}


@pytest.mark.parametrize("how", ["scale", "profile"])
def test_a_scale_that_cannot_be_is_one_line_and_no_file(images, model_path, tmp_path, capsys, how):
    from napari_atomicity.counting.profile import InstrumentProfile, save_profile

    profile = InstrumentProfile(
        "odd", "Pt", 1e-300, 0.1, None, "untrained", "0" * 64, (), 1, 9, "2026-01-01T00:00:00+00:00", "0.1.0"
    )
    save_profile(profile, tmp_path / "odd.json")
    given = {"scale": ["--scale", "1e5"], "profile": ["--profile", str(tmp_path / "odd.json")]}[how]
    called = ["analyse", str(images[0]), "-o", str(tmp_path / "out"), "--model", str(model_path), *given]
    assert cli.main(called) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no cluster of this image has a number of atoms that a cluster can have" in line
    assert not list((tmp_path / "out").iterdir())
