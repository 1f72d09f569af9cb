"""A laboratory's own micrographs: what is learnt from them, and what is said before anything is."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from counting.synthetic import SIZES
from napari_atomicity import cli
from napari_atomicity.counting.bundle import load_bundle, weights_sha256
from napari_atomicity.detection import detect
from napari_atomicity.errors import InputError
from napari_atomicity.io import read
from napari_atomicity.pipeline import Settings, analyse
from napari_atomicity.progress import Progress, drain
from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.files import write_frame
from napari_atomicity.simulation.frames import simulate_frame
from napari_atomicity.training.laboratory import laboratory_steps, mixed, with_merged_pairs
from napari_atomicity.training.run import Pace
from seeds import seeded
from training.libraries import blob_library

CLASSES = (20, 55)


def _write(path, n_atoms, clusters=16, seed=0, pixel_size_nm=0.06, gain=900.0, calibrated=True):
    """A micrograph of round clusters on a grid, each of the integral that its atoms give."""
    rng = np.random.default_rng([seeded(seed), n_atoms])
    side = int(np.ceil(np.sqrt(clusters)))
    spacing = 3.4 / pixel_size_nm
    # without some noise so regular a field passes for a lattice now and then
    image = rng.normal(500, 400, (round((side + 1) * spacing),) * 2)
    y, x = np.indices(image.shape)
    for i in range(clusters):
        cy, cx = (np.array(divmod(i, side)) + 1) * spacing + rng.uniform(-2, 2, 2)
        sigma = 0.095 * n_atoms ** (1 / 3) * np.exp(rng.normal(0, 0.05)) / pixel_size_nm
        shape = np.exp(-0.5 * ((y - cy) ** 2 + (x - cx) ** 2) / sigma**2) / (2 * np.pi * sigma**2 * pixel_size_nm**2)
        image += gain * n_atoms * shape
    path.parent.mkdir(parents=True, exist_ok=True)
    resolution = {"imagej": True, "resolution": (1 / pixel_size_nm,) * 2, "metadata": {"unit": "nm"}}
    tifffile.imwrite(path, image.astype(np.float32), **(resolution if calibrated else {}))
    return path


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("originals") / "images"
    for n in CLASSES:
        for k in range(3):
            _write(folder / str(n) / f"{k}.tif", n, seed=k, gain=900.0 * (1 + k))
    return folder


@pytest.fixture
def folder(originals, tmp_path):
    return shutil.copytree(originals, tmp_path / "images")


def _data(folder, classes=CLASSES, **options):
    return drain(laboratory_steps(folder, classes, "Au", **options))


def test_clusters_of_a_folder_are_labelled_by_its_name_and_carry_the_scale_of_their_image(folder):
    data = _data(folder)
    assert data.messages == ()
    both = [data.training, data.validation]
    assert (len(data.training), len(data.validation)) == (64, 32)
    for part in both:
        assert set(part.n_atoms) == set(CLASSES) and set(part.condition) == {"laboratory"}
        np.testing.assert_allclose(part.log_integral - part.log_scale, np.log(part.n_atoms), atol=0.3)
    for n in CLASSES:  # the images were written with gains of 1, 2 and 3
        scales = np.unique(np.concatenate([np.exp(part.log_scale[part.n_atoms == n]) for part in both]))
        np.testing.assert_allclose(scales / scales[0], [1, 2, 3], rtol=0.05)
    # a third of three like images validates, and no image does both
    assert not set(data.training.frame) & set(data.validation.frame)
    assert {image["part"] for image in data.images} == {"training", "validation"}
    assert sum(image["part"] == "validation" for image in data.images) == 2
    assert {image["file"] for image in data.images} == {f"{n}/{k}.tif" for n in CLASSES for k in range(3)}


def test_the_split_is_repeatable(folder):
    one, again = _data(folder, seed=4), _data(folder, seed=4)
    np.testing.assert_array_equal(one.validation.frame, again.validation.frame)
    assert one.images == again.images


def test_a_class_with_one_image_is_split_by_position_and_that_is_said(folder):
    for k in (1, 2):
        (folder / "55" / f"{k}.tif").unlink()
    _write(folder / "55" / "0.tif", 55, clusters=25)
    data = _data(folder)
    assert len(data.messages) == 1 and "Au55" in data.messages[0] and "position" in data.messages[0]
    assert [i["part"] for i in data.images if i["atoms"] == 55] == ["both"]
    held_back = (data.validation.n_atoms == 55).sum()
    assert 5 <= held_back < (data.training.n_atoms == 55).sum()


def test_folders_may_carry_the_element_and_other_files_may_lie_about(folder):
    (folder / "20").rename(folder / "Au20")
    (folder / "Au20" / "notes.txt").write_text("fine weather")
    (folder / ".hidden").mkdir()
    (folder / "overview.tif").write_bytes(b"")
    assert set(_data(folder).training.n_atoms) == set(CLASSES)


def _refused(folder, said, classes=CLASSES, **options):
    with pytest.raises(InputError, match=said) as raised:
        _data(folder, classes, **options)
    assert "\n" not in str(raised.value)


def test_folders_that_do_not_fit_the_classes_are_said(folder):
    _refused(folder, r"The class of 38 atoms has no folder images/38", (20, 38, 55))
    _refused(folder, r"images/55 is none of the classes 20, 38", (20, 38))
    (folder / "large").mkdir()
    _refused(folder, r"images/large is not named by a number of atoms")
    _refused(folder / "nowhere", "laboratory.folder is .*nowhere, which is no folder")


def test_a_class_without_a_usable_image_is_said_with_files_and_reasons(folder):
    for k in range(3):
        (folder / "55" / f"{k}.tif").unlink()
    _refused(folder, "No usable image for Au55 in the folder images/55: there is no image in it")
    (folder / "55" / "broken.tif").write_bytes(b"II*\x00nonsense")
    tifffile.imwrite(folder / "55" / "flat.tif", np.full((64, 64), 7, np.uint8))
    _refused(folder, r"No usable image for Au55 in the folder images/55: broken\.tif.*; flat\.tif: .*same value")


def test_an_image_that_cannot_be_used_is_left_out_and_said(folder):
    (folder / "55" / "broken.tif").write_bytes(b"II*\x00nonsense")
    data = _data(folder)
    assert len(data.messages) == 1
    assert "broken.tif" in data.messages[0] and data.messages[0].endswith("left out.")


def test_too_few_clusters_are_refused_with_class_and_number(folder):
    for k in range(3):
        (folder / "55" / f"{k}.tif").unlink()
    _write(folder / "55" / "few.tif", 55, clusters=9)
    _refused(folder, "The class Au55 has only 9 usable clusters in 1 image; at least 20")


def test_a_missing_pixel_size_is_asked_for_by_key(folder):
    _write(folder / "55" / "3.tif", 55, seed=3, calibrated=False)
    _refused(folder, r"55/3\.tif holds no pixel size.*laboratory\.pixel_size_nm")
    data = _data(folder, pixel_size_nm=0.06)
    assert [image["pixel_size_nm"] for image in data.images] == [pytest.approx(0.06)] * 7


def test_mixed_pixel_sizes_are_said(folder):
    _write(folder / "55" / "3.tif", 55, seed=3, pixel_size_nm=0.1)
    (said,) = _data(folder).messages
    assert "0.06 nm in 20/" in said and "0.1 nm in 55/3.tif" in said


def test_aggregates_are_left_out(folder):
    data = _data(folder)
    before = len(data.training) + len(data.validation)
    doubled = tifffile.imread(folder / "55" / "0.tif")
    rows = round(1.5 * 3.4 / 0.06)  # the first row of four
    doubled[:rows] = 500 + 2 * (doubled[:rows] - 500)
    resolution = {"imagej": True, "resolution": (1 / 0.06,) * 2, "metadata": {"unit": "nm"}}
    tifffile.imwrite(folder / "55" / "0.tif", doubled.astype(np.float32), **resolution)
    after = _data(folder)
    assert len(after.training) + len(after.validation) == before - 4
    assert "4 of" in after.messages[0] and "aggregates" in after.messages[0]


# ---------------------------------------------------------------------- mixing and outsiders


def test_simulation_and_laboratory_mix_in_the_share_asked_for():
    simulated, own = blob_library(300, 1), replace(blob_library(40, 2), condition=np.full(40, "laboratory"))
    library = mixed(own, simulated, 0.4, np.random.default_rng(seeded(0)))
    assert (library.condition == "laboratory").mean() == pytest.approx(0.4, abs=0.01)
    # every own cluster comes about as often, and not without bound
    _, counts = np.unique(library.noise[library.condition == "laboratory"], return_counts=True)
    assert len(counts) == 40 and np.ptp(counts) <= 1
    few = mixed(own.take(np.arange(3)), simulated, 0.9, np.random.default_rng(seeded(0)))
    assert len(few) == 300 + 60


def test_merged_pairs_hold_the_atoms_and_the_integral_of_both():
    library = blob_library(200, 1, sizes=SIZES)
    joined = with_merged_pairs(library, np.random.default_rng(seeded(0)))
    pairs = joined.take(~joined.whole)
    assert len(pairs) == 24 and pairs.is_outside(SIZES).all()
    np.testing.assert_allclose(pairs.log_integral - pairs.log_scale, np.log(pairs.n_atoms), atol=0.05)
    # a patch is divided by its integral: what is in it sums to what a single cluster's does
    total = joined.raw.astype(float).sum(axis=(1, 2))
    assert np.median(total[~joined.whole]) == pytest.approx(np.median(total[joined.whole]), rel=0.15)
    # and it is longer than it is wide
    long = _elongation(joined.raw.astype(float))
    assert np.median(long[~joined.whole]) > 1.5 > np.quantile(long[joined.whole], 0.9)


def _elongation(raw):
    """Ratio of the second moments along and across each patch's long axis."""
    y, x = (np.indices((64, 64)) - 31.5) * 0.05
    weight = np.where(raw > 0.2 * raw.max(axis=(1, 2), keepdims=True), raw, 0.0)
    moments = [[(weight * a * b).sum(axis=(1, 2)) for a in (y, x)] for b in (y, x)]
    values = np.linalg.eigvalsh(np.moveaxis(np.array(moments), -1, 0))
    return values[:, 1] / values[:, 0]


def test_the_time_left_follows_the_pace_and_starts_anew_with_a_stage():
    now = iter([0.0, 5.0, 10.0, 100.0, 160.0])
    pace = Pace(lambda: next(now))
    assert pace.line(Progress(5, 25, "Training a, epoch 1 of 5")) == "Training a, epoch 1 of 5: 5 of 25"
    assert pace.line(Progress(1, 3, "Validating a")) == "Validating a: 1 of 3"
    assert pace.line(Progress(10, 25, "Training a, epoch 2 of 5")).endswith("10 of 25, 30 s left")
    assert pace.line(Progress(1, 61, "Scoring frames")) == "Scoring frames: 1 of 61"
    assert pace.line(Progress(2, 61, "Scoring frames")).endswith(", 59 min left")


# ---------------------------------------------------------------------- from folders to labels

_AU = (20, 38, 55, 92)
_CONFIG = """
name = "au"
element = "Au"
classes = [20, 38, 55, 92]
channels = ["raw"]
licence = "CC-BY-4.0"

[laboratory]
folder = "images"

[training]
epochs = {epochs}
batch = 16
seed = 1
patience = 0
device = "cpu"
"""


def _gold(sizes, seed, clusters=18):
    spec = sample_spec("clean", dict.fromkeys(sizes, 1 / len(sizes)), n_clusters=clusters, shape=(384, 384),
                       seed=seeded(seed), element="Au", families=("block",), pixel_size_nm=0.06,
                       satellites=0.0)  # fmt: skip
    return simulate_frame(spec, seeded(seed))


def test_the_command_trains_from_folders_and_the_model_is_used(folder, tmp_path, capsys):
    (tmp_path / "w.toml").write_text(
        "element = 'W'\nclasses = [20, 55]\nchannels = ['raw']\n[laboratory]\nfolder = 'images'\n"
        "[training]\nepochs = 1\nbatch = 32\ndevice = 'cpu'\n"
    )
    assert cli.main(["train", str(tmp_path / "w.toml"), "-o", str(tmp_path / "out")]) == 0
    assert "2 steps are few" in capsys.readouterr().err
    path = tmp_path / "out" / "w.safetensors"
    card = load_bundle(path).card
    assert card.labels == ("W20", "W55") and {i["atoms"] for i in card.recipe["laboratory"]["images"]} == {20, 55}
    analysis = analyse(read(folder / "20" / "0.tif"), Settings(model=str(path), adapt="off"))
    assert len(analysis.table) == 16 and set(analysis.table.rows["label"]) <= {"W20", "W55", "other"}


@pytest.mark.slow
def test_a_laboratory_trains_four_classes_of_gold_and_uses_them(tmp_path, capsys):
    for n in _AU:
        for k in range(2):
            (tmp_path / "images" / str(n)).mkdir(parents=True, exist_ok=True)
            write_frame(_gold([n], 100 * n + k), tmp_path / "images" / str(n), f"frame{k}")
    (tmp_path / "au.toml").write_text(_CONFIG.format(epochs=30))
    call = ["train", str(tmp_path / "au.toml"), "-o", str(tmp_path / "out")]
    assert cli.main(call) == 0
    out, err = capsys.readouterr()
    assert "clusters to train on" in err and "steps are few" in err and "au.safetensors" in out

    bundle = load_bundle(tmp_path / "out" / "au.safetensors")
    card = bundle.card
    assert card.labels == ("Au20", "Au38", "Au55", "Au92") and card.channels == ("raw",)
    assert card.config["text"] == _CONFIG.format(epochs=30) and card.licence == "CC-BY-4.0"
    assert len(card.recipe["laboratory"]["images"]) == 8 and len(card.recipe_sha256) == 64
    assert any("8 micrographs of one laboratory" in sentence for sentence in card.limits)
    assert json.loads((tmp_path / "out" / "au.json").read_text())["metrics"]["laboratory"]["scale known"]

    frame = _gold([20, 92], 7)
    path = write_frame(frame, tmp_path, "new")[0]
    # the scale as a laboratory finds it: measured by the same program on clusters of known size
    standard = _gold([38], 5)
    found = detect(standard.image, standard.pixel_size_nm).clusters
    gain = frame.scale_counts_nm2_per_atom / standard.scale_counts_nm2_per_atom
    scale = gain * float(np.median(found.intensity)) / 38
    settings = Settings(model=str(tmp_path / "out" / "au.safetensors"), intensity_per_atom=scale)
    table = analyse(read(path), settings).table
    usable = table.rows[table.rows["flag"].isin(["ok", "outside"])]
    assert len(usable) >= 6 and set(table.rows["label"]) <= {*card.labels, "other"}
    # the scale is known, so that even a short training tells the smaller from the larger classes
    small = (usable["intensity"] < 45 * scale).to_numpy()
    assert 0 < small.sum() < len(usable)
    assert usable["label"][small].isin(["Au20", "Au38"]).mean() >= 0.7
    assert usable["label"][~small].isin(["Au55", "Au92"]).mean() >= 0.7
    assert usable["n_atoms"][small].median() < 45 < usable["n_atoms"][~small].median()

    assert cli.main(call) == 0  # nothing is left to do, and the same model comes out
    assert "Going on after epoch 30 of 30" in capsys.readouterr().err
    assert weights_sha256(load_bundle(tmp_path / "out" / "au.safetensors")) == weights_sha256(bundle)


def test_the_command_line_says_what_is_wrong_before_training(tmp_path, capsys):
    (tmp_path / "au.toml").write_text(_CONFIG.format(epochs=2))
    assert cli.main(["train", str(tmp_path / "au.toml"), "-o", str(tmp_path / "out")]) == 2
    assert "laboratory.folder" in capsys.readouterr().err
    (tmp_path / "au.toml").write_text(_CONFIG.format(epochs=0))
    assert cli.main(["train", str(tmp_path / "au.toml"), "-o", str(tmp_path / "out")]) == 2
    assert "training.epochs is 0" in capsys.readouterr().err
    assert cli.main(["train", str(tmp_path / "no.toml"), "-o", str(tmp_path / "out")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
