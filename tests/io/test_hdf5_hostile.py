"""HDF5 that claims what is not there, leads out of the file, never ends, or is damaged in one place of many."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_atomicity.errors import InputError
from napari_atomicity.io import describe, list_images, read
from napari_atomicity.io.formats import _guard

h5py = pytest.importorskip("h5py")

Make = Callable[..., Any]


@pytest.fixture
def made(tmp_path: Path) -> Callable[[Callable[[Any], None]], Path]:
    """The path of a file that a function fills."""

    def make(fill: Callable[[Any], None], name: str = "made.h5", **options: Any) -> Path:
        path = tmp_path / name
        with h5py.File(path, "w", **options) as file:
            fill(file)
        return path

    return make


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the first look in a process of its own, so that each test is quick."""
    monkeypatch.setattr(_guard, "check", lambda *_, **__: None)


def _zeros(dataset: Any, n_chunks: int) -> None:
    """Chunks of zeros, compressed once and written many times."""
    chunk = zlib.compress(bytes(int(np.prod(dataset.chunks)) * dataset.dtype.itemsize), 1)
    for k in range(n_chunks):
        dataset.id.write_direct_chunk((k * dataset.chunks[0], *(0,) * (dataset.ndim - 1)), chunk)


def _claims_unwritten(file: Any) -> None:
    file.create_dataset("a", (60000, 60000), "u1", chunks=(64, 64))


def _claims_unwritten_stack(file: Any) -> None:
    file.create_dataset("a", (100000, 256, 256), "u1", chunks=(1, 256, 256))


def _claims_at_once(file: Any) -> None:
    file.create_dataset("a", (60000, 60000), "u2")


def _claims_with_one_block(file: Any) -> None:
    file.create_dataset("a", (60000, 60000), "u2", chunks=(64, 64))[:64, :64] = 7


def _claims_frames_up_to_the_last(file: Any) -> None:
    file.create_dataset("a", (10**6, 64, 64), "u2", chunks=(1, 64, 64))[10**6 - 1] = 7


def _bomb(file: Any) -> None:
    _zeros(file.create_dataset("a", (20000, 5000), "f4", chunks=(1000, 5000), compression="gzip"), 20)


def _bomb_in_one_block(file: Any) -> None:
    made = file.create_dataset("a", (400, 1000, 1000), "u1", chunks=(400, 1000, 1000), compression="gzip")
    made.id.write_direct_chunk((0, 0, 0), bytes(4000))


@pytest.mark.parametrize(
    ("fill", "said"),
    [
        (_claims_unwritten, "were never written"),
        (_claims_unwritten_stack, "were never written"),
        (_claims_at_once, "were never written"),
        (_claims_with_one_block, r"claims 60000 × 60000 pixels \(7.2 GB\), but the file keeps only 8.19 kB"),
        (_claims_frames_up_to_the_last, "claims 1000000 × 64 × 64 pixels"),
        (_bomb, "claims 20000 × 5000 pixels"),
        (_bomb_in_one_block, "claims blocks of 400 MB, but the file keeps only 4 kB"),
    ],
)
def test_what_is_claimed_and_not_there(made: Make, counts: np.ndarray, fill: Any, said: str) -> None:
    path = made(fill)
    assert path.stat().st_size < 3e6
    with pytest.raises(InputError, match=said):
        read(path)
    assert not list_images(path)[0].countable

    def beside(file: Any) -> None:
        fill(file)
        file["b"] = counts

    micrograph = read(made(beside))
    np.testing.assert_array_equal(micrograph.data, counts)
    assert "Image 0 “a” is left out" in micrograph.warnings[-1]


def test_frames_that_were_never_recorded_are_left_out(made: Make, counts: np.ndarray) -> None:
    def fill(file: Any) -> None:
        file.create_dataset("a", (1000, *counts.shape), "u2", chunks=(1, *counts.shape))[:3] = counts

    micrograph = read(made(fill))
    assert micrograph.data.shape == (3, *counts.shape)
    assert "The file claims 1000 frames; only the first 3 were ever written." in micrograph.warnings
    np.testing.assert_array_equal(micrograph.frame(2), counts)


def test_an_image_in_part_unwritten(made: Make, counts: np.ndarray) -> None:
    def fill(file: Any) -> None:
        file.create_dataset("a", counts.shape, "u2", chunks=(12, 32))[:12] = counts[:12]

    (said,) = read(made(fill)).warnings
    assert said == "Only 50 % of the pixels were ever written; the others hold the same value."


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of this kind are POSIX")
def test_nothing_outside_the_file_is_followed(made: Make, counts: np.ndarray, tmp_path: Path) -> None:
    pipe, secret = tmp_path / "pipe", tmp_path / "secret.txt"
    os.mkfifo(pipe)
    secret.write_bytes(b"secret" * 1000)

    def fill(file: Any) -> None:
        file["a"] = h5py.ExternalLink(str(pipe), "/x")
        file["Data"] = h5py.ExternalLink(str(pipe), "/x")
        file["Experiments"] = h5py.SoftLink("/a/b")
        file.create_dataset("b", (50, 50), "u1", external=[(str(secret), 0, 2500)])
        layout = h5py.VirtualLayout(shape=(50, 50), dtype="u1")
        layout[:] = h5py.VirtualSource(str(pipe), "d", shape=(50, 50))
        file.create_virtual_dataset("c", layout)
        file["d/image"] = counts

    path = made(fill)
    micrograph = read(path)
    np.testing.assert_array_equal(micrograph.data, counts)
    said = describe(path)
    assert "Links to other files are not followed" in said
    assert "lie in another file, which is not followed" in said
    assert "it is a virtual one" in said
    for index in (0, 1):
        with pytest.raises(InputError, match="lie in"):
            read(path, image=index)
    path = made(fill, "made.emd")
    np.testing.assert_array_equal(read(path).data, counts)


def test_groups_without_end(made: Make, counts: np.ndarray) -> None:
    def fill(file: Any) -> None:
        group = file
        for _ in range(300):
            group = group.create_group("g")
        file["loop/a"] = file["/"]
        file["loop/again"] = file["loop"]
        file["z"] = counts

    micrograph = read(made(fill))
    np.testing.assert_array_equal(micrograph.data, counts)
    assert "Groups more than 32 levels deep are not looked at." in micrograph.warnings
    assert len(list_images(made(fill))) == 1


def test_what_is_not_installed_is_named(made: Make, counts: np.ndarray) -> None:
    def fill(file: Any) -> None:
        for name, code in (("a", 32001), ("b", 32008), ("c", 31999)):
            options = {"chunks": counts.shape, "compression": code, "allow_unknown_filter": True}
            made = file.create_dataset(name, counts.shape, "u2", **options)
            made.id.write_direct_chunk((0, 0), counts.tobytes())

    if not h5py.h5z.filter_avail(32008):
        with pytest.raises(InputError, match=r"with Blosc, which is not installed here; .* pip install hdf5plugin"):
            read(made(fill))
    reasons = [info.why_not for info in list_images(made(fill))]
    assert "the filter 31999, which is not installed" in reasons[2]


def test_a_named_type_and_odd_entries_do_not_lose_the_image(made: Make, counts: np.ndarray) -> None:
    def fill(file: Any) -> None:
        file["type"] = np.dtype("f4")
        file["type2"] = np.dtype([("a", "f4")])
        file["empty"] = h5py.Empty("f")
        file["text"] = "words"
        file.create_dataset("references", (3, 3), dtype=h5py.ref_dtype)
        file.create_dataset("ragged", (3, 3), dtype=h5py.vlen_dtype("f4"))
        file["opaque"] = np.zeros((9, 9), "V5")
        file["records"] = np.zeros((9, 9), [("a", "f4"), ("b", "i4")])
        file["image"] = counts.astype(">f4")
        file["image"].attrs.update(pixel_size_nm=0.02)

    micrograph = read(made(fill))
    np.testing.assert_array_equal(micrograph.data, counts)
    assert micrograph.pixel_size_nm == pytest.approx(0.02)
    assert len(list_images(made(fill))) == 1


@pytest.mark.parametrize("stored", ["f2", "g", "i8", "u8", "i1", "?"])
def test_numbers_of_every_kind(made: Make, stored: str) -> None:
    data = (np.indices((24, 32)).sum(axis=0) % 2).astype(stored)

    def fill(file: Any) -> None:
        file["a"] = data

    found = read(made(fill)).data
    np.testing.assert_array_equal(found, data)
    assert found.dtype.kind != "f" or found.dtype.itemsize in (4, 8)


def _overwrite(path: Path, at: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


def test_one_damaged_entry_leaves_the_others(made: Make, counts: np.ndarray) -> None:
    def fill(file: Any) -> None:
        file["bad"], file["good"] = counts, counts + 1

    path = made(fill)
    with h5py.File(path) as file:
        at = h5py.h5o.get_info(file["bad"].id).addr
    _overwrite(path, at, bytes(16))
    micrograph = read(path)
    np.testing.assert_array_equal(micrograph.data, counts + 1)
    assert "“bad” is damaged and left out." in micrograph.warnings


def test_damaged_pixels_leave_the_other_images(made: Make, counts: np.ndarray) -> None:
    def fill(file: Any) -> None:
        file.create_dataset("HAADF", data=counts, chunks=counts.shape, compression="gzip")
        file["DF2"] = counts + 1

    path = made(fill)
    with h5py.File(path) as file:
        at = file["HAADF"].id.get_chunk_info(0).byte_offset
    _overwrite(path, at, b"\xff" * 40)
    micrograph = read(path)
    assert micrograph.provenance.title == "DF2"
    assert "Image 1 “HAADF” is left out: the pixels of “/HAADF” are damaged" in " ".join(micrograph.warnings)
    with pytest.raises(InputError, match="are damaged or cut short"):
        read(path, image=1)


def test_names_and_attributes_that_are_odd(made: Make, counts: np.ndarray) -> None:
    def fill(file: Any) -> None:
        space = h5py.h5s.create_simple(counts.shape)
        for name in (b"red\x1b[31m\n", b"\xff\xfe", b"=cmd|x\x07"):
            dataset = h5py.Dataset(h5py.h5d.create(file.id, name, h5py.h5t.STD_U16LE, space))
            dataset[...] = counts
            dataset.attrs["scale"] = np.ones(5000)  # positions, no scale
            dataset.attrs["unit"] = "nm\x1b[0m"
            dataset.attrs["UNITS"] = h5py.Empty("S1")

    path = made(fill)
    micrograph = read(path, image=0)
    assert micrograph.pixel_size_nm is None
    everything = describe(path) + micrograph.name + "".join(micrograph.warnings)
    assert all(character.isprintable() or character == "\n" for character in everything)
    for index in range(3):
        np.testing.assert_array_equal(read(path, image=index).data, counts)


def test_a_file_that_is_no_hdf5_is_not_to_be_copied_again(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(b"words " * 1000)
    with pytest.raises(InputError, match="not the HDF5 file that its name promises; open the original file"):
        read(path)


def test_too_little_memory_is_no_damage(made: Make, counts: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(file: Any) -> None:
        file["a"] = counts

    def full(*_: Any) -> None:
        raise MemoryError

    path = made(fill)
    monkeypatch.setattr("napari_atomicity.io.formats._hdf5._Source._slab", full)
    with pytest.raises(InputError, match="does not fit into the memory"):
        read(path)


# ---------------------------------------------------------------------- Velox, NCEM, HyperSpy


def _velox(file: Any, key: str, data: Any, said: str | dict[str, Any] | None, title: str = "") -> None:
    group = file.create_group(f"Data/Image/{key}")
    if data is not None:
        group["Data"] = data
    if said is not None:
        text = said if isinstance(said, str) else json.dumps(said)
        group["Metadata"] = np.frombuffer(text.encode() + b"\0", np.uint8)[:, None]
    if title:
        label = {"title": title, "dataPath": f"/Data/Image/{key}"}
        file[f"Displays/ImageDisplay/{key}"] = np.array([json.dumps(label).encode()])


SIZE = {"PixelSize": {"width": "2e-11", "height": "2e-11"}, "PixelUnitX": "m", "PixelUnitY": "m"}
DETECTORS = {
    "Detector-0": {"DetectorName": "BF", "DetectorType": "ScanningDetector", "Inserted": "false"},
    "Detector-4": {"DetectorName": "HAADF", "DetectorType": "ScanningDetector", "Inserted": "true"},
    "Detector-5": {"DetectorName": "SuperXG21", "DetectorType": "AnalyticalDetector"},
}


@pytest.mark.parametrize(
    "said",
    [
        "[" * 100000,
        '{"a":' * 100000,
        "[1, 2]",
        "null",
        '{"Optics": {"AccelerationVoltage": ' + "9" * 5000 + "}}",
        "\x00\x01",
        "x" * 100,
    ],
)
def test_metadata_that_make_no_sense_leave_the_image(made: Make, counts: np.ndarray, said: str) -> None:
    micrograph = read(made(lambda file: _velox(file, "k", counts[:, :, None], said, "HAADF"), "a.emd"))
    np.testing.assert_array_equal(micrograph.data, counts)
    assert micrograph.pixel_size_nm is None
    assert "was left out" in " ".join(micrograph.warnings) or said.startswith("\0")


@pytest.mark.parametrize(
    "facts",
    [
        {"BinaryResult": 5, "Optics": [1], "Scan": None, "Instrument": "x", "Detectors": [1]},
        {"BinaryResult": {"Detector": 5, "PixelSize": [1]}, "Detectors": {"Detector-0": 1}},
        {"Optics": {"AccelerationVoltage": float("inf"), "BeamConvergence": {"a": 1}, "CameraLength": "x"}},
    ],
)
def test_metadata_of_other_kinds_leave_the_image(made: Make, counts: np.ndarray, facts: dict[str, Any]) -> None:
    micrograph = read(made(lambda file: _velox(file, "k", counts[:, :, None], facts, "HAADF"), "a.emd"))
    np.testing.assert_array_equal(micrograph.data, counts)
    assert micrograph.metadata == {}


def test_velox_detectors_that_are_named_elsewhere(made: Make, counts: np.ndarray) -> None:
    def fill(file: Any) -> None:
        frame = counts[:, :, None]
        for key, index in (("a", "0"), ("b", "4")):
            _velox(file, key, frame, {"BinaryResult": {"DetectorIndex": index, **SIZE}, "Detectors": DETECTORS})
        _velox(file, "c", frame, {"BinaryResult": SIZE, "Detectors": DETECTORS}, "Pt")
        _velox(file, "d", frame, {"BinaryResult": {"Detector": "BF", **SIZE}, "Detectors": DETECTORS}, "Image 4")

    path = made(fill, "a.emd")
    assert [info.title for info in list_images(path)] == ["BF", "HAADF", "Pt", "Image 4 (BF)"]
    assert [info.countable for info in list_images(path)] == [False, True, False, False]
    assert read(path).provenance.title == "HAADF"

    def alone(file: Any) -> None:
        _velox(file, "a", counts[:, :, None], {"BinaryResult": SIZE, "Detectors": DETECTORS})

    assert read(made(alone, "b.emd")).provenance.title == "HAADF"


def test_velox_images_without_data_are_named(made: Make, counts: np.ndarray) -> None:
    def fill(file: Any) -> None:
        _velox(file, "a", None, {"BinaryResult": SIZE}, "BF")
        _velox(file, "b", np.zeros((24, 32, 0), "u2"), {"BinaryResult": SIZE}, "DF4")
        file["Data/Image/c"] = 5
        _velox(file, "d", counts[:, :, None], {"BinaryResult": SIZE}, "HAADF")

    micrograph = read(made(fill, "a.emd"))
    np.testing.assert_array_equal(micrograph.data, counts)
    said = " ".join(micrograph.warnings)
    assert "Image 0 “BF” is left out: it has no data" in said
    assert "Image 1 “DF4” is left out: it has no pixels" in said
    assert "Image 2 “c” is left out" in said


@pytest.mark.parametrize("named", ["data", "realslice"])
@pytest.mark.parametrize(
    ("y", "x", "expected", "said"),
    [
        (np.arange(24) * 0.02, np.arange(32) * 0.02, 0.02, ""),
        (np.arange(25) * 0.02, np.arange(33) * 0.02, 0.02, ""),
        (np.array([0, 0.02]), np.array([0, 0.02]), 0.02, ""),
        (np.float32(500 + np.arange(24) * 0.02), np.float32(500 + np.arange(32) * 0.02), 0.02, ""),
        (np.arange(24) ** 2 * 0.02, np.arange(32) * 0.02, None, "uneven positions"),
        (np.float64(0.02), np.float64(0.02), None, ""),
        (np.arange(7) * 0.02, np.arange(7) * 0.02, None, ""),
        (None, None, None, ""),
        (np.array([b"a"] * 24), np.arange(32) * 0.02, None, ""),
        (np.full(24, np.nan), np.full(32, np.nan), None, ""),
    ],
)
def test_ncem_axes_of_every_kind(
    made: Make, counts: np.ndarray, named: str, y: Any, x: Any, expected: float | None, said: str
) -> None:
    def fill(file: Any) -> None:
        group = file.create_group("4DSTEM_simulation/data/realslices/annular_detector_depth0000")
        group.attrs["emd_group_type"] = 1
        group[named] = counts
        for k, positions in enumerate((y, x)):
            if positions is not None:
                group[f"dim{k + 1}"] = positions
                group[f"dim{k + 1}"].attrs.update(name="yx"[k], units="[n_m]")

    micrograph = read(made(fill, "a.emd"))
    np.testing.assert_array_equal(micrograph.data, counts)
    assert micrograph.pixel_size_nm == (None if expected is None else pytest.approx(expected, rel=1e-3))
    assert said in " ".join(micrograph.warnings)


def _signal(file: Any, data: np.ndarray, axes: list[dict[str, Any] | None]) -> None:
    file.attrs["file_format"] = "HyperSpy"
    group = file.create_group("Experiments/x")
    group["data"] = data
    for k, axis in enumerate(axes):
        if axis is not None:
            made = group.create_group(f"axis-{k}")
            for key, value in axis.items():
                if isinstance(value, np.ndarray):
                    made[key] = value
                else:
                    made.attrs[key] = value


def _positions(n: int, power: float = 1) -> dict[str, Any]:
    return {"_type": "DataAxis", "units": "nm", "size": n, "axis": 0.02 * np.arange(n) ** power}


@pytest.mark.parametrize(
    ("y", "x", "expected"),
    [
        (_positions(24), _positions(32), 0.02),
        (_positions(24, 2), _positions(32, 2), None),
        (_positions(24), _positions(32, 1.5), None),
        ({"_type": "FunctionalDataAxis", "units": "nm", "expression": "x**2"}, _positions(32), None),
        ({"units": "nm"}, {"units": "nm"}, None),
        ({"scale": 0.02, "units": "nm"}, None, None),
        (None, None, None),
        ({"scale": np.nan, "units": "nm"}, {"scale": np.nan, "units": "nm"}, None),
        ({"scale": "x", "units": "nm"}, {"scale": "x", "units": "nm"}, None),
        ({"scale": 0.02, "units": "nm"}, {"scale": 0.02, "units": "nm"}, 0.02),
    ],
)
def test_hyperspy_axes_of_every_kind(made: Make, counts: np.ndarray, y: Any, x: Any, expected: float | None) -> None:
    named = [None if axis is None else {**axis, "name": name} for axis, name in ((y, "y"), (x, "x"))]
    micrograph = read(made(lambda file: _signal(file, counts, named), "a.hspy"))
    np.testing.assert_array_equal(micrograph.data, counts)
    assert micrograph.pixel_size_nm == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("stack", [False, True])
def test_colour_pictures_in_compound_types(made: Make, counts: np.ndarray, alpha: bool, stack: bool) -> None:
    grey = (counts // 8).astype(np.uint8)
    shape = (3, *grey.shape) if stack else grey.shape
    picture = np.zeros(shape, [(name, "u1") for name in "RGBA"[: 3 + alpha]])
    for name in "RGB":
        picture[name] = grey
    axes = [None] * stack + [{"scale": 0.02, "units": "nm", "name": name} for name in "yx"]
    path = made(lambda file: _signal(file, picture, axes), "a.hspy")
    micrograph = read(path)
    np.testing.assert_array_equal(micrograph.frame(), grey)
    assert micrograph.data.dtype == np.uint8
    assert not micrograph.refusal
    picture["R"], picture["B"] = 200, 10
    assert "colour picture" in read(made(lambda file: _signal(file, picture, axes), "a.hspy")).refusal
    picture["R"] = picture["G"] = picture["B"] = grey
    assert not read(made(lambda file: file.create_dataset("a", data=picture))).refusal


def test_a_grey_picture_of_three_samples(made: Make, counts: np.ndarray) -> None:
    grey = (counts // 8).astype(np.uint8)
    micrograph = read(made(lambda file: file.create_dataset("a", data=np.stack([grey] * 3, axis=-1))))
    np.testing.assert_array_equal(micrograph.data, grey)
    assert not micrograph.refusal


def test_signals_without_data_or_numbers_are_named(made: Make, counts: np.ndarray) -> None:
    def fill(file: Any) -> None:
        _signal(file, counts, [None, None])
        file.create_group("Experiments/a")
        file["Experiments/b/data"] = "words"

    micrograph = read(made(fill, "a.hspy"))
    np.testing.assert_array_equal(micrograph.data, counts)
    assert "Image 0 “a” is left out: it has no data" in " ".join(micrograph.warnings)
