"""EMD (Velox, NCEM), HSPY and home-made HDF5, written here as their programs do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_atomicity.errors import InputError
from napari_atomicity.io import list_images, read
from napari_atomicity.io.formats import _guard

h5py = pytest.importorskip("h5py")


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the first look in a process of its own, so that each test is quick."""
    monkeypatch.setattr(_guard, "check", lambda *_, **__: None)


def _velox(path: Path, detectors: dict[str, np.ndarray], pixel: float = 2e-11, unit: str = "m") -> Path:
    with h5py.File(path, "w") as file:
        for key, (title, data) in enumerate(detectors.items()):
            group = file.create_group(f"Data/Image/{key:032x}")
            group["Data"] = data if data.ndim == 3 else data[:, :, None]
            size = {"width": str(pixel), "height": str(pixel)}
            facts = {
                "BinaryResult": {"Detector": "X", "PixelSize": size, "PixelUnitX": unit, "PixelUnitY": unit},
                "Optics": {"AccelerationVoltage": "300000"},
            }
            text = json.dumps(facts).encode() + b"\0"
            group["Metadata"] = np.frombuffer(text, np.uint8)[:, None]
            label = {"display": {"label": title.replace(" ", "%20")}, "dataPath": group.name}
            file[f"Presentation/Displays/ImageDisplay/{key}"] = np.array([json.dumps(label).encode()])
    return path


def test_velox_takes_the_haadf_by_title(tmp_path: Path, counts: np.ndarray) -> None:
    detectors = {"Pt": counts * 0, "BF": counts // 2, "DF4": counts // 3, "HAADF": counts, "C-K": counts // 5}
    path = _velox(tmp_path / "si.emd", detectors)
    micrograph = read(path)
    assert micrograph.provenance.title == "HAADF"
    assert micrograph.provenance.image_index == 3
    assert micrograph.pixel_size_nm == pytest.approx(0.02)
    assert micrograph.metadata["acceleration_voltage_v"] == 300000
    np.testing.assert_array_equal(micrograph.data, counts)
    infos = list_images(path)
    assert [info.countable for info in infos] == [False, False, True, True, False]
    assert "element map" in infos[0].why_not
    assert "bright-field" in infos[1].why_not
    np.testing.assert_array_equal(read(path, image=2).data, counts // 3)
    assert "DF4" in " ".join(micrograph.warnings)


def test_a_detector_that_was_off_is_passed_over(tmp_path: Path, counts: np.ndarray) -> None:
    path = _velox(tmp_path / "off.emd", {"HAADF": counts * 0, "DF2": counts})
    assert read(path).provenance.title == "DF2"
    assert "same value" in read(path, image=0).refusal


def test_a_single_image_called_pt_is_not_an_element_map(tmp_path: Path, counts: np.ndarray) -> None:
    assert not read(_velox(tmp_path / "one.emd", {"Pt": counts})).refusal


def test_velox_stack(tmp_path: Path, counts: np.ndarray) -> None:
    frames = np.stack([counts + t for t in range(3)], axis=-1)
    micrograph = read(_velox(tmp_path / "movie.emd", {"HAADF": frames}))
    assert micrograph.data.shape == (3, 24, 32)
    assert micrograph.data.chunks[0] == 1
    np.testing.assert_array_equal(micrograph.frame(2), counts + 2)


def test_velox_fourier_transform_is_not_opened(tmp_path: Path) -> None:
    kind = np.dtype([("realFloatHalfEven", "<f4"), ("imagFloatHalfEven", "<f4")])
    path = _velox(tmp_path / "fft.emd", {"FFT": np.zeros((4, 5), kind)}, 9e7, "1/m")
    with pytest.raises(InputError, match="Fourier transform"):
        read(path)
    assert not list_images(path)[0].countable


def test_reciprocal_axes_are_shown_but_refused(tmp_path: Path, counts: np.ndarray) -> None:
    micrograph = read(_velox(tmp_path / "diffraction.emd", {"HAADF": counts}, 9e7, "1/m"))
    assert "diffraction" in micrograph.refusal
    assert micrograph.pixel_size_nm is None


def _ncem(path: Path, data: np.ndarray, axes: list[tuple[str, str, float]]) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs.update(version_major=0, version_minor=2)
        group = file.create_group("data/single")
        group.attrs["emd_group_type"] = 1
        group["data"] = data
        for k, (name, unit, step) in enumerate(axes):
            group[f"dim{k + 1}"] = (np.arange(data.shape[k]) * step).astype(np.float32)
            group[f"dim{k + 1}"].attrs.update(name=np.bytes_(name), units=np.bytes_(unit))
    return path


@pytest.mark.parametrize("unit", ["[n_m]", "n_m", "nm"])
def test_ncem_axes_in_either_order(tmp_path: Path, counts: np.ndarray, unit: str) -> None:
    x, y = ("X", unit, 0.02), ("Y", unit, 0.02)
    straight = read(_ncem(tmp_path / "yx.emd", counts, [y, x]))
    transposed = read(_ncem(tmp_path / "xy.emd", counts.T, [x, y]))
    np.testing.assert_array_equal(straight.data, counts)
    np.testing.assert_array_equal(transposed.data, counts)
    assert transposed.pixel_size_nm == pytest.approx(0.02, rel=1e-5)


def test_ncem_stack_with_time_last(tmp_path: Path, counts: np.ndarray) -> None:
    frames = np.stack([counts.T, counts.T + 1], axis=-1)
    path = _ncem(tmp_path / "xyt.emd", frames, [("x", "[n_m]", 0.02), ("y", "[n_m]", 0.02), ("time", "[s]", 1.0)])
    micrograph = read(path)
    assert micrograph.data.shape == (2, 24, 32)
    np.testing.assert_array_equal(micrograph.frame(1), counts + 1)


def test_ncem_4d_stem_is_not_opened(tmp_path: Path) -> None:
    axes = [(name, "nm", 0.1) for name in ("x", "y", "kx", "ky")]
    with pytest.raises(InputError, match="4 axes"):
        read(_ncem(tmp_path / "4d.emd", np.zeros((2, 2, 3, 3), np.uint16), axes))


def _hspy(path: Path, data: np.ndarray, axes: list[dict[str, Any]], signal_type: str = "") -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["file_format"] = "HyperSpy"
        group = file.create_group("Experiments/haadf")
        group["data"] = data
        group.create_group("metadata/General").attrs["title"] = "HAADF"
        group.create_group("metadata/Signal").attrs["signal_type"] = signal_type
        for k, axis in enumerate(axes):
            group.create_group(f"axis-{k}").attrs.update(axis)
    return path


def test_hspy(tmp_path: Path, counts: np.ndarray) -> None:
    axes = [{"name": name, "scale": 0.2, "units": "Å", "size": n} for name, n in (("y", 24), ("x", 32))]
    micrograph = read(_hspy(tmp_path / "a.hspy", counts, axes))
    assert micrograph.pixel_size_nm == pytest.approx(0.02)
    np.testing.assert_array_equal(micrograph.data, counts)


def test_hspy_spectrum_image_is_not_opened(tmp_path: Path) -> None:
    axes = [{"name": n, "scale": 1.0, "units": u} for n, u in (("y", "nm"), ("x", "nm"), ("Energy loss", "eV"))]
    with pytest.raises(InputError, match="100 energy channels"):
        read(_hspy(tmp_path / "eels.hspy", np.zeros((3, 4, 100), np.float32), axes, "EELS"))


def test_home_made_with_a_scale_in_words(tmp_path: Path, counts: np.ndarray) -> None:
    path = tmp_path / "home.h5"
    with h5py.File(path, "w") as file:
        file["data"] = counts.astype(">u4")
        file["data"].attrs.update(scale="0.02", scale_unit="nm")
        file["positions"] = np.zeros(7)
    micrograph = read(path)
    assert micrograph.pixel_size_nm == pytest.approx(0.02)
    assert micrograph.data.dtype == np.uint32
    np.testing.assert_array_equal(micrograph.data, counts)


def test_no_image_inside(tmp_path: Path) -> None:
    path = tmp_path / "numbers.h5"
    with h5py.File(path, "w") as file:
        file["positions"] = np.zeros(7)
    with pytest.raises(InputError, match="holds no image"):
        read(path)


@pytest.mark.parametrize("suffix", [".emd", ".h5", ".hspy"])
def test_cut_short(tmp_path: Path, counts: np.ndarray, suffix: str) -> None:
    path = _velox(tmp_path / f"cut{suffix}", {"HAADF": counts})
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(InputError, match="is cut short: its end is missing; copy it again"):
        read(path)


@pytest.mark.parametrize("where", ["beside", "of the group", "of the data set"])
def test_the_detector_is_named_outside_of_the_path(tmp_path: Path, counts: np.ndarray, where: str) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for key, name in (("0", "BF"), ("1", "HAADF"), ("2", "DF2")):
            group = file.create_group(f"detectors/{key}")
            group["data"] = counts + int(key)
            if where == "beside":
                group["name"] = np.bytes_(name)
            else:
                (group if where == "of the group" else group["data"]).attrs["name"] = name
    micrograph = read(tmp_path / "a.h5")
    np.testing.assert_array_equal(micrograph.data, counts + 1)
    assert "HAADF" in micrograph.name


def test_the_image_among_very_many_patches(tmp_path: Path, counts: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_atomicity.io.formats.hdf5._MOST_IMAGES", 10)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for k in range(30):
            file[f"patch{k:02}"] = counts[:20, :20]
        file["whole"] = counts
    micrograph = read(tmp_path / "a.h5")
    np.testing.assert_array_equal(micrograph.data, counts)
    assert any("the largest 10 of them" in warning for warning in micrograph.warnings)


# ---------------------------------------------------------------------- positions of other data sets


def _nexus(path: Path, pixels: np.ndarray, axes: Any, unit: str = "nm", step: float = 0.02, **more: Any) -> Path:
    with h5py.File(path, "w") as file:
        group = file.create_group("entry/data")
        group.attrs.update(NX_class="NXdata", signal="image", axes=axes, **more)
        group["image"] = pixels
        group["image"].attrs["units"] = "counts"
        for name, n in (("y", 24), ("x", 32)):
            group[name] = 5 + step * np.arange(n, dtype=np.float32)
            group[name].attrs["units"] = unit
        group["time"] = np.arange(3.0)
        group["time"].attrs["units"] = "s"
    return path


@pytest.mark.parametrize("axes", [["y", "x"], "y:x", "[y,x]"])
@pytest.mark.parametrize(("unit", "step"), [("nm", 0.02), ("um", 2e-5), ("Å", 0.2)])
def test_axes_of_nexus(tmp_path: Path, counts: np.ndarray, axes: Any, unit: str, step: float) -> None:
    micrograph = read(_nexus(tmp_path / "a.h5", counts, axes, unit, step))
    assert micrograph.pixel_size_nm == pytest.approx(0.02, rel=1e-4)
    np.testing.assert_array_equal(micrograph.data, counts)


def test_axes_of_nexus_in_another_order(tmp_path: Path, counts: np.ndarray) -> None:
    micrograph = read(_nexus(tmp_path / "a.h5", counts.T, ["x", "y"]))
    np.testing.assert_array_equal(micrograph.data, counts)
    path = _nexus(tmp_path / "b.h5", counts, ["x", "y"], x_indices=1, y_indices=0)
    np.testing.assert_array_equal(read(path).data, counts)
    frames = np.stack([counts, counts + 1, counts + 2], axis=-1)
    movie = read(_nexus(tmp_path / "c.h5", frames, ["y", "x", "time"]))
    assert movie.pixel_size_nm == pytest.approx(0.02, rel=1e-4)
    np.testing.assert_array_equal(movie.frame(2), counts + 2)


def test_axes_of_nexus_beside_a_link(tmp_path: Path, counts: np.ndarray) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["entry/instrument/haadf/counts"] = counts
        group = file.create_group("entry/data")
        group.attrs.update(signal="image", axes=["y", "x"])
        group["image"] = h5py.SoftLink("/entry/instrument/haadf/counts")
        for name, n in (("y", 24), ("x", 32)):
            file[f"entry/instrument/haadf/{name}"] = 0.02 * np.arange(n)
            file[f"entry/instrument/haadf/{name}"].attrs["units"] = "nm"
            group[name] = h5py.SoftLink(f"/entry/instrument/haadf/{name}")
    assert read(path).pixel_size_nm == pytest.approx(0.02)


def _scaled(path: Path, counts: np.ndarray, positions: tuple[Any, Any], unit: str = "nm") -> Path:
    with h5py.File(path, "w") as file:
        file["image"] = counts
        for k, name in enumerate("yx"):
            file[name] = positions[k]
            file[name].attrs["units"] = unit
            file[name].make_scale(name)
            file["image"].dims[k].attach_scale(file[name])
    return path


def test_dimension_scales(tmp_path: Path, counts: np.ndarray) -> None:
    y, x = 0.02 * np.arange(24), 0.02 * np.arange(32)
    assert read(_scaled(tmp_path / "a.h5", counts, (y, x))).pixel_size_nm == pytest.approx(0.02)
    edges = 0.02 * np.arange(25), 0.02 * np.arange(33)
    assert read(_scaled(tmp_path / "b.h5", counts, edges)).pixel_size_nm == pytest.approx(0.02)
    assert "diffraction" in read(_scaled(tmp_path / "c.h5", counts, (y, x), "1/nm")).refusal


def test_uneven_positions_ask_for_the_pixel_size(tmp_path: Path, counts: np.ndarray) -> None:
    micrograph = read(_scaled(tmp_path / "a.h5", counts, (0.02 * np.arange(24), 0.001 * np.arange(32) ** 2)))
    assert micrograph.pixel_size_nm is None
    assert "uneven positions" in " ".join(micrograph.warnings)


@pytest.mark.parametrize("unit", ["", "px", "furlong"])
def test_positions_without_a_length(tmp_path: Path, counts: np.ndarray, unit: str) -> None:
    micrograph = read(_scaled(tmp_path / "a.h5", counts, (0.02 * np.arange(24), 0.02 * np.arange(32)), unit))
    assert micrograph.pixel_size_nm is None


def test_two_pixel_sizes_that_differ(tmp_path: Path, counts: np.ndarray) -> None:
    path = _scaled(tmp_path / "a.h5", counts, (0.02 * np.arange(24), 0.02 * np.arange(32)))
    for size, expected in ((0.02, 0.02), (0.05, None)):
        with h5py.File(path, "a") as file:
            file["image"].attrs["pixel_size_nm"] = size
        assert read(path).pixel_size_nm == expected
    assert "two pixel sizes, 0.05 and 0.02 nm" in " ".join(read(path).warnings)


def test_energies_along_an_axis_are_a_spectrum(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["cube"] = np.zeros((24, 32, 40), np.float32)
        file["energy"] = np.arange(40.0)
        file["energy"].attrs["units"] = "eV"
        file["energy"].make_scale("energy")
        file["cube"].dims[2].attach_scale(file["energy"])
    with pytest.raises(InputError, match="40 energy channels"):
        read(tmp_path / "a.h5")
