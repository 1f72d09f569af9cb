"""Configurations: what they mean, and what is said where they are wrong."""

from pathlib import Path

import pytest

from comes_along import MODELS
from napari_atomicity.counting.bundle import load_bundle
from napari_atomicity.errors import InputError
from napari_atomicity.metals import class_set
from napari_atomicity.training.config import KEYS, SHIPPED, read_config, sizes_beside
from napari_atomicity.training.library import Recipe


def _written(folder, text):
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_short_configuration_has_sensible_defaults(tmp_path):
    config = read_config(_written(tmp_path, "classes = [55, 20]\n[simulation]\n"))
    assert config.training.name == "mine"
    assert config.training.channels == ("raw", "lcn")
    assert config.training.device == "auto" and config.training.patience > 0
    assert config.training.recipe.class_sizes == (20, 55)
    assert config.simulation.frames == 560 and config.laboratory is None
    assert config.licence == "not stated"


def test_every_key_reaches_its_place(tmp_path):
    text = """
    name = "au-4"
    element = "Au"
    classes = [20, 38]
    channels = ["raw"]
    version = "2.0"
    licence = "CC-BY-4.0"
    citation = "Us"
    [simulation]
    frames = 30
    clusters = 7
    conditions = ["clean"]
    other_sizes = []
    other_share = 0.1
    dimers = 0.2
    touching = 0.3
    families = ["block"]
    [laboratory]
    folder = "images"
    pixel_size_nm = 0.05
    share = 0.25
    [training]
    epochs = 2
    batch = 16
    learning_rate = 0.001
    weight_decay = 0.1
    lcn_window_nm = 1.0
    seed = 3
    patience = 0
    device = "cpu"
    """
    config = read_config(_written(tmp_path, text))
    assert config.training.recipe == Recipe(
        (20, 38), "Au", (), 0.1, 0.2, 0.3, ("clean",), 7, ("block",)
    ) and (config.simulation.frames, config.training.name) == (30, "au-4")  # fmt: skip
    assert Path(config.laboratory.folder) == tmp_path / "images"
    assert (config.laboratory.pixel_size_nm, config.laboratory.share) == (0.05, 0.25)
    chosen = {key: getattr(config.training, key) for key in KEYS["training"]}
    assert chosen == {"epochs": 2, "batch": 16, "learning_rate": 0.001, "weight_decay": 0.1, "lcn_window_nm": 1.0,
                      "seed": 3, "patience": 0, "device": "cpu"}  # fmt: skip
    assert (config.version, config.licence, config.citation) == ("2.0", "CC-BY-4.0", "Us")


_SIMULATED = "classes = [19, 30]\n[simulation]\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[simulation]\n", "the key classes is missing"),
        ("classes = [19, 30]\n", "nothing to train on"),
        ("classes = [19]\n[simulation]\n", "classes is .*at least 2 different atom counts from 4 to 400"),
        ("classes = [19, 19]\n[simulation]\n", "classes is .*different"),
        ("classes = [19, 30.5]\n[simulation]\n", "classes is .*atom counts"),
        ("classes = [19, 3000]\n[simulation]\n", "classes is .*4 to 400"),
        ("clases = [19, 30]\n[simulation]\n", "no key clases; did you mean classes"),
        ("batch = 12\n" + _SIMULATED, "no key batch; did you mean training.batch"),
        (_SIMULATED + "frame = 30\n", "no key simulation.frame; did you mean simulation.frames"),
        (_SIMULATED + "frames = true\n", "simulation.frames is True; it must be a whole number from 8"),
        (_SIMULATED + "frames = 2\n", "simulation.frames is 2; it must be a whole number from 8"),
        (_SIMULATED + "dimers = 0.9\n", "simulation.dimers is 0.9; it must be a number from 0 to 0.5"),
        (_SIMULATED + "dimers = nan\n", "simulation.dimers is nan"),
        (_SIMULATED + "conditions = ['nominale']\n", "simulation.conditions .*low_dose"),
        (_SIMULATED + "families = ['dft']\n", "simulation.families .*gupta"),
        (_SIMULATED + "other_sizes = [30]\n", "simulation.other_sizes names 30, which is a class"),
        (_SIMULATED + "[training]\ndevice = 'gpu'\n", 'training.device is .*"auto", "cpu"'),
        (_SIMULATED + "[training]\nepochs = 0\n", "training.epochs is 0"),
        (_SIMULATED + "[training]\nlearning_rate = 'fast'\n", "training.learning_rate is 'fast'; it must be a number"),
        (_SIMULATED + "[laboratory]\n", "laboratory.folder is missing"),
        ("channels = ['lcn']\n" + _SIMULATED, r'channels is .*\["raw"\] or \["raw", "lcn"\]'),
        ("name = '../x'\n" + _SIMULATED, "name is '../x'"),
        ("element = 'Fe'\n" + _SIMULATED, "element is 'Fe'; the simulator knows Pt, Au"),
        ("element = 'Xx'\n" + _SIMULATED, "element is 'Xx'; it must be a chemical symbol"),
        ("licence = ''\n" + _SIMULATED, "licence is ''"),
        ('citation = "\\u001b[2J"\n' + _SIMULATED, "citation is .*control characters"),
        (_SIMULATED + "dimers = inf\n", "simulation.dimers is inf"),
        (_SIMULATED + f"frames = {'9' * 5000}\n", "without end"),
        (_SIMULATED + f"frames = {'9' * 4000}\n", "numbers below 2"),
        (_SIMULATED + f"frames = {'[' * 5000}\n", "without end"),
        ("a." * 3000 + "a = 1", "at most 40 levels"),
        (f"classes = {'[' * 35}{']' * 35}\n[simulation]\n", "classes is .*different atom counts"),
        (_SIMULATED + "frames = 1979-05-27\n", "simulation.frames is '1979-05-27'; it must be a whole number"),
        (_SIMULATED + "[laboratory]\nfolder = 3\n", "laboratory.folder is 3"),
        ("[[simulation]]\nframes = 9\n", "simulation is .*a section"),
        ("training = 3\n" + _SIMULATED, "training is 3; it must be a section"),
        ("classes = [", "not valid TOML"),
        ("\x00", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_said_with_the_key(tmp_path, text, said):
    with pytest.raises(InputError, match=said) as raised:
        read_config(_written(tmp_path, text))
    assert "mine.toml" in str(raised.value) and "\n" not in str(raised.value)


def test_any_element_will_do_without_simulation(tmp_path):
    text = "element = 'W'\nclasses = [10, 20]\n[laboratory]\nfolder = 'images'\n"
    assert read_config(_written(tmp_path, text)).training.recipe.element == "W"


def test_files_that_are_no_configuration_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"no configuration .*dual, .*single"):
        read_config(tmp_path / "nowhere.toml")
    with pytest.raises(InputError, match="no file that can be read"):
        read_config(tmp_path)
    (tmp_path / "large.toml").write_bytes(b"#" * 300_000)
    with pytest.raises(InputError, match=r"more than 0\.25 MB"):
        read_config(tmp_path / "large.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        read_config(tmp_path / "binary.toml")
    with pytest.raises(InputError, match="name is"):
        _written(tmp_path, _SIMULATED).rename(tmp_path / "my model.toml")
        read_config(tmp_path / "my model.toml")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no such device")
def test_a_device_is_no_configuration():
    with pytest.raises(InputError, match="no file that can be read"):
        read_config("/dev/zero")


def test_sizes_beside_the_classes_are_none_of_them():
    assert sizes_beside((19, 20)) == (8, 12, 27, 34)
    beside = sizes_beside((20, 38, 55, 92))
    assert not set(beside) & {20, 38, 55, 92} and beside[0] < 20 and beside[-1] > 92


@pytest.mark.parametrize("name", ["dual", "single", "gold"])
def test_the_models_that_come_along_were_made_by_the_committed_configurations(name):
    config = read_config(name)
    assert config.training.name == name and config.training.device == "cpu"
    assert config.training.channels == (("raw",) if name == "single" else ("raw", "lcn"))
    known = class_set("gold" if name == "gold" else "platinum")
    assert (config.training.recipe.element, config.training.recipe.class_sizes) == (known.element, known.sizes)
    if name not in MODELS:
        pytest.skip(f"the model {name} is not here")
    card = load_bundle(name).card
    if not card.config:
        pytest.skip("these weights are older than the configurations")
    assert card.config["sha256"] == config.sha256
    assert card.config["text"] == (SHIPPED / f"{name}.toml").read_text(encoding="utf-8")


def test_the_documentation_names_every_key_and_its_example_is_valid(repository):
    text = (repository / "docs" / "training.md").read_text(encoding="utf-8")
    example = repository / "docs" / "examples" / "au.toml"
    for keys in KEYS.values():
        for key in keys:
            assert f"`{key}`" in text
    content = example.read_text(encoding="utf-8")
    assert content.split("\n\n", 1)[1].strip() in text
    config = read_config(example)
    assert config.training.recipe.class_sizes == (20, 38, 55, 92) and config.training.recipe.element == "Au"
    assert config.simulation is not None and config.laboratory is not None
