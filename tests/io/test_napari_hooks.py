from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.io import napari_hooks as hooks
from napari_atomicity.io import samples
from napari_atomicity.io.tables import read_metadata, read_table
from napari_atomicity.micrograph import Micrograph


@pytest.fixture
def calibrated(tmp_path: Path, counts: np.ndarray) -> str:
    path = tmp_path / "frame.tif"
    tifffile.imwrite(path, counts, imagej=True, resolution=(50, 50), metadata={"unit": "nm"})
    return str(path)


def test_layer_in_nm(calibrated: str) -> None:
    reader = hooks.get_reader(calibrated)
    assert reader is not None
    ((data, options, kind),) = reader(calibrated)
    assert kind == "image"
    assert data.shape == (24, 32)
    assert options["scale"] == pytest.approx((0.02, 0.02))
    assert options["units"] == ("nm", "nm")
    assert options["axis_labels"] == ("y", "x")
    assert isinstance(options["metadata"]["micrograph"], Micrograph)


def test_layer_without_calibration_is_in_pixels(tmp_path: Path, counts: np.ndarray) -> None:
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, counts)
    ((_, options, _),) = hooks.read_layers(str(path))
    assert options["scale"] == (1.0, 1.0)
    assert options["units"] == ("pixel", "pixel")


def test_stack(tmp_path: Path, counts: np.ndarray) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(
        path, np.stack([counts] * 3), imagej=True, resolution=(50, 50), metadata={"unit": "nm", "axes": "TYX"}
    )
    ((data, options, _),) = hooks.read_layers(str(path))
    assert data.shape == (3, 24, 32)
    assert options["scale"] == pytest.approx((1.0, 0.02, 0.02))
    assert options["units"] == ("pixel", "nm", "nm")
    assert options["axis_labels"] == ("t", "y", "x")


def test_several_files_are_several_layers(calibrated: str) -> None:
    reader = hooks.get_reader([calibrated, calibrated])
    assert reader is not None
    assert len(reader([calibrated, calibrated])) == 2


def test_what_is_left_to_other_plugins(tmp_path: Path, calibrated: str) -> None:
    folder = tmp_path / "folder.tif"
    folder.mkdir()
    for path in ("a.txt", "a.npy", "", [], [calibrated, "a.csv"], str(folder)):
        assert hooks.get_reader(path) is None


def test_what_is_wrong_is_said_when_the_file_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "object.tif"
    path.write_text("x")
    reader = hooks.get_reader(str(path))
    assert reader is not None
    with pytest.raises(InputError, match="damaged"):
        reader(str(path))


def test_discovery_imports_neither_torch_nor_qt_nor_napari(calibrated: str) -> None:
    code = (
        "import sys; from napari_atomicity.io.napari_hooks import get_reader; "
        f"assert get_reader({calibrated!r}); "
        "heavy = {'torch', 'napari', 'qtpy', 'dask', 'tifffile', 'pandas', 'scipy', 'rsciio', 'matplotlib'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_points_layer_is_saved_whole(tmp_path: Path, suffix: str, counts: np.ndarray) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    table = ClusterTable.from_columns({"y_px": [1.0, 2.0], "x_px": [3.0, 4.0]}, (19, 30))
    table = table.drop([0]).annotate([1], "Pt30")
    attributes = {
        "name": "clusters",
        "features": table.rows.copy(),
        "metadata": {"table": table, "micrograph": Micrograph(counts, 0.02, "frame")},
    }
    path = str(tmp_path / f"clusters{suffix}")
    assert hooks.write_points_csv(path, table.centres_px * 0.02, attributes) == [path]
    found = read_table(path)
    pd.testing.assert_frame_equal(found.rows, table.rows)
    assert found.next_id == table.next_id
    np.testing.assert_array_equal(found.removed, table.removed)
    assert read_metadata(path)["pixel_size_nm"] == 0.02


def test_a_layer_of_others_is_not_written_as_a_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no table"):
        hooks.write_points_csv(str(tmp_path / "a.csv"), np.zeros((2, 2)), {"name": "x", "features": {}})
    assert list(tmp_path.iterdir()) == []


def test_samples(tmp_path: Path, counts: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("mixed", "pt19", "pt30", "pt41", "pt55", "pt70", "shifted"):
        tifffile.imwrite(
            tmp_path / f"sample_{name}.tif", counts, imagej=True, resolution=(50, 50), metadata={"unit": "nm"}
        )
    monkeypatch.setattr(hooks, "sample_dir", lambda: tmp_path)
    names = ["mixed", *(f"pt{n}" for n in (19, 30, 41, 55, 70)), "shifted"]
    opened = [getattr(hooks, f"open_sample_{name}") for name in names]
    names = [layers()[0][1]["name"] for layers in opened]
    assert names == [f"sample_{name}" for name in ("mixed", "pt19", "pt30", "pt41", "pt55", "pt70", "shifted")]


def test_samples_in_a_wheel_lie_beside_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / "site" / "napari_atomicity" / "io" / "samples.py"
    packaged = tmp_path / "site" / "napari_atomicity_manifest"
    (packaged / "sample_data").mkdir(parents=True)
    monkeypatch.setattr(samples, "__file__", str(installed))

    class Spec:
        submodule_search_locations = (str(packaged),)

    monkeypatch.setattr(samples, "find_spec", lambda name: Spec)
    assert samples.sample_dir() == packaged / "sample_data"
    monkeypatch.setattr(samples, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="install napari-atomicity again"):
        samples.sample_dir()


def test_napari_shows_the_layers_in_nm(calibrated: str) -> None:
    layers = pytest.importorskip("napari.layers")
    data, options, _ = hooks.read_layers(calibrated)[0]
    image = layers.Image(data, **options)
    assert [str(unit) for unit in image.units] == ["nanometer", "nanometer"]
    np.testing.assert_allclose(image.extent.world[1], (23 * 0.02, 31 * 0.02), rtol=0.1)
