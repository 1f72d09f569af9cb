"""Detectors that share one data set and are told apart by a list of names alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_atomicity.io import list_images, read
from napari_atomicity.io.formats import _guard
from napari_atomicity.io.formats._detectors import are_detectors, listed

h5py = pytest.importorskip("h5py")


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the first look in a process of its own, so that each test is quick."""
    monkeypatch.setattr(_guard, "check", lambda *_, **__: None)


@pytest.fixture
def both(counts: np.ndarray) -> np.ndarray:
    """Bright field first, then HAADF, with the contrast turned round."""
    return np.stack([3000 - counts, counts])


def _is_haadf(path: Path, counts: np.ndarray, n: int = 2) -> None:
    micrograph = read(path)
    np.testing.assert_array_equal(micrograph.data, counts)
    assert "HAADF" in micrograph.provenance.title
    assert f"one image for each of {n} detectors: " in " ".join(micrograph.warnings)
    bright = read(path, image=0)
    np.testing.assert_array_equal(bright.data, 3000 - counts)
    assert "bright-field" in bright.refusal
    assert len(list_images(path)) == n


@pytest.mark.parametrize(
    ("names", "are"),
    [
        (["BF", "HAADF"], True),
        (["DF2", "DF4"], True),
        (["HAADF", "Pt-L", "C-K"], True),
        (["", "HAADF"], True),
        (["HAADF", "HAADF"], False),
        (["HAADF 1", "HAADF 2"], False),
        (["HAADF t=0.5 s", "HAADF t=1.0 s"], False),
        (["frame 1", "frame 2"], False),
        (["HAADF"], False),
    ],
)
def test_what_names_detectors(names: list[str], are: bool) -> None:
    assert are_detectors(names) is are


@pytest.mark.parametrize("value", [["BF", "HAADF"], '["BF", "HAADF"]', "['BF', 'HAADF']", "BF, HAADF", b"BF;HAADF"])
def test_how_a_list_is_written(value: Any) -> None:
    assert listed(value) == ("BF", "HAADF")


# ---------------------------------------------------------------------- HDF5


@pytest.mark.parametrize("where", ["of the data set", "of the group", "of the file", "in one text", "beside"])
@pytest.mark.parametrize("last", [False, True])
def test_hdf5(tmp_path: Path, counts: np.ndarray, both: np.ndarray, where: str, last: bool) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["scan/stack"] = np.moveaxis(both, 0, -1) if last else both
        file["scan/stack"].attrs["pixel_size_nm"] = 0.02
        place = {"of the group": file["scan"], "of the file": file}.get(where, file["scan/stack"])
        if where == "beside":
            file["scan/channel_names"] = ["BF", "HAADF"]
        else:
            place.attrs["detectors"] = "BF, HAADF" if where == "in one text" else ["BF", "HAADF"]
    _is_haadf(path, counts)
    assert read(path).pixel_size_nm == 0.02


def test_hdf5_of_detectors_and_time(tmp_path: Path, counts: np.ndarray, both: np.ndarray) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["stack"] = np.stack([both, both + 1, both + 2])
        file["stack"].attrs["channels"] = ["BF", "HAADF"]
    micrograph = read(tmp_path / "a.h5")
    assert micrograph.data.shape == (3, 24, 32)
    np.testing.assert_array_equal(micrograph.frame(2), counts + 2)


def test_three_detectors_of_bytes_are_no_colours(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (24, 32, 3), np.uint8)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["stack"] = pixels
        file["stack"].attrs["detectors"] = ["BF", "ADF", "HAADF"]
    np.testing.assert_array_equal(read(tmp_path / "a.h5").data, pixels[..., 2])


@pytest.mark.parametrize("names", [["frame 1", "frame 2"], ["HAADF 1", "HAADF 2"], ["BF", "DF2", "HAADF"], "HAADF"])
def test_a_movie_stays_one(tmp_path: Path, both: np.ndarray, names: Any) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["stack"] = both
        file["stack"].attrs["detector"] = names
    assert read(tmp_path / "a.h5").data.shape == both.shape
    assert len(list_images(tmp_path / "a.h5")) == 1


def test_ncem_with_names_along_an_axis(tmp_path: Path, counts: np.ndarray, both: np.ndarray) -> None:
    path = tmp_path / "a.emd"
    with h5py.File(path, "w") as file:
        group = file.create_group("data/slices")
        group.attrs["emd_group_type"] = 1
        group["data"] = np.moveaxis(both, 0, -1)
        for k, n in enumerate(counts.shape):
            group[f"dim{k + 1}"] = np.arange(n) * 0.02
            group[f"dim{k + 1}"].attrs.update(name="yx"[k], units="nm")
        group["dim3"] = ["BF", "HAADF"]
    _is_haadf(path, counts)
    assert read(path).pixel_size_nm == pytest.approx(0.02)


def test_hyperspy_with_a_list_of_names(tmp_path: Path, counts: np.ndarray, both: np.ndarray) -> None:
    path = tmp_path / "a.hspy"
    with h5py.File(path, "w") as file:
        file.attrs["file_format"] = "HyperSpy"
        group = file.create_group("Experiments/stack")
        group["data"] = both
        group["data"].attrs["detectors"] = ["BF", "HAADF"]
        for k, (name, n) in enumerate((("", 2), ("y", 24), ("x", 32))):
            group.create_group(f"axis-{k}").attrs.update(name=name, scale=0.02, units="nm", size=n)
    _is_haadf(path, counts)


# ---------------------------------------------------------------------- TIFF


@pytest.mark.parametrize("names", [["BF", "HAADF"], ["", "HAADF"]])
def test_ome_names_channels(tmp_path: Path, counts: np.ndarray, both: np.ndarray, names: list[str]) -> None:
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, both, ome=True, metadata={"axes": "CYX", "Channel": {"Name": names}})
    micrograph = read(path)
    np.testing.assert_array_equal(micrograph.data, counts)
    assert micrograph.provenance.title == "HAADF"
    assert "each of 2 detectors" in " ".join(micrograph.warnings)


def test_ome_images_of_one_named_channel_each(tmp_path: Path, counts: np.ndarray) -> None:
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tif:
        for name, frame in (("BF", 3000 - counts), ("HAADF", counts)):
            tif.write(frame, metadata={"axes": "YX", "Channel": {"Name": name}})
    micrograph = read(path)
    np.testing.assert_array_equal(micrograph.data, counts)
    assert "HAADF" in micrograph.provenance.title
    assert "bright-field" in read(path, image=0).refusal


@pytest.mark.parametrize("order", ["XYCZT", "XYTCZ"])
def test_an_interrupted_ome_recording_of_two_detectors(
    tmp_path: Path, counts: np.ndarray, both: np.ndarray, order: str
) -> None:
    text = (
        f'<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        f'<Pixels ID="Pixels:0" DimensionOrder="{order}" Type="uint16" SizeX="32" SizeY="24" SizeC="2" SizeT="4" '
        'SizeZ="1"><Channel ID="Channel:0:0" Name="BF"/><Channel ID="Channel:0:1" Name="HAADF"/><TiffData/>'
        "</Pixels></Image></OME>"
    )
    whole = [both[c] + t for t in range(4) for c in range(2)]
    if order == "XYTCZ":
        whole = [both[c] + t for c in range(2) for t in range(4)]
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as tif:
        for k, page in enumerate(whole[:6]):
            tif.write(page, description=text if k == 0 else None, metadata=None)
    micrograph = read(tmp_path / "a.ome.tif")
    frames = 3 if order == "XYCZT" else 2
    assert micrograph.data.shape == (frames, 24, 32)
    np.testing.assert_array_equal(micrograph.frame(1), counts + 1)
    assert "8 pages, there are 6 pages" in " ".join(micrograph.warnings)


@pytest.mark.parametrize("axes", ["CYX", "ZYX", "TYX"])
def test_labels_of_imagej_along_any_axis(tmp_path: Path, counts: np.ndarray, both: np.ndarray, axes: str) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, both, imagej=True, metadata={"axes": axes, "Labels": ["BF", "HAADF"]})
    _is_haadf(path, counts)


def test_labels_of_all_frames_of_imagej(tmp_path: Path, counts: np.ndarray, both: np.ndarray) -> None:
    path = tmp_path / "a.tif"
    labels = [f"{name} {t}" for t in range(3) for name in ("BF", "HAADF")]
    frames = np.stack([both, both + 1, both + 2])
    tifffile.imwrite(path, frames, imagej=True, metadata={"axes": "TCYX", "Labels": labels})
    micrograph = read(path)
    np.testing.assert_array_equal(micrograph.frame(2), counts + 2)
    assert "HAADF" in micrograph.provenance.title


@pytest.mark.parametrize("names", [{"detectors": ["BF", "HAADF"]}, {"Channel": {"Name": ["BF", "HAADF"]}}])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_names_in_the_json_of_tifffile(
    tmp_path: Path, counts: np.ndarray, both: np.ndarray, names: dict[str, Any], compression: str | None
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, both, photometric="minisblack", metadata=names, compression=compression)
    with tifffile.TiffFile(path) as tif:
        assert json.loads(tif.pages[0].description)["shape"] == [2, 24, 32]
    _is_haadf(path, counts)


@pytest.mark.parametrize("tag", ["description", "page name"])
def test_a_name_on_each_page(tmp_path: Path, counts: np.ndarray, both: np.ndarray, tag: str) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tif:
        for name, page in zip(("BF", "HAADF"), both, strict=True):
            about = {"description": name} if tag == "description" else {"extratags": [(285, "s", 0, name, True)]}
            tif.write(page, metadata=None, **about)
    _is_haadf(path, counts)


@pytest.mark.parametrize("labels", [["HAADF 1", "HAADF 2"], ["t = 0 s", "t = 1 s"]])
def test_a_movie_of_tiff_stays_one(tmp_path: Path, both: np.ndarray, labels: list[str]) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, both, imagej=True, metadata={"axes": "TYX", "Labels": labels})
    assert read(path).data.shape == both.shape
