from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_atomicity.errors import InputError
from napari_atomicity.io import list_images, read

_MODES = {"int8": 0, "uint8": 0, "int16": 1, "float32": 2, "uint16": 6, "float16": 12, "complex64": 4}


def _mrc(path: Path, frames: np.ndarray, pixel_nm: float = 0.02, *, order: str = "<", **about: object) -> Path:
    """An MRC2014 file of `frames` (t, y, x); the cell is in ångström. `about` changes what the header says."""
    nz, ny, nx = frames.shape
    header = bytearray(1024)
    struct.pack_into(f"{order}4i", header, 0, nx, ny, nz, _MODES[frames.dtype.name])
    struct.pack_into(f"{order}3i", header, 28, *about.get("grid", (nx, ny, nz)))
    cell = about.get("cell", [10 * pixel_nm * n for n in (nx, ny, nz)])
    struct.pack_into(f"{order}3f", header, 40, *cell)
    struct.pack_into(f"{order}3i", header, 64, 1, 2, 3)
    struct.pack_into(f"{order}2f", header, 76, *about.get("values", (0, -1)))
    extended = about.get("extended", b"")
    struct.pack_into(f"{order}i", header, 92, len(extended))
    header[104:108] = about.get("kind", b"\0\0\0\0")
    struct.pack_into(f"{order}i", header, 108, about.get("version", 20140))
    struct.pack_into(f"{order}2h", header, 128, *about.get("reals", (0, 0)))
    struct.pack_into(f"{order}2i", header, 152, *about.get("imod", (0, 0)))
    header[208:212] = b"MAP "
    header[212:214] = b"\x44\x44" if order == "<" else b"\x11\x11"
    path.write_bytes(bytes(header) + extended + frames.astype(frames.dtype.newbyteorder(order)).tobytes())
    return path


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "float32", "float16"])
def test_an_image_of_every_kind_and_order_of_bytes(tmp_path: Path, dtype: str, order: str) -> None:
    image = (np.arange(12) - (0 if dtype == "uint16" else 6)).reshape(1, 3, 4).astype(dtype)
    micrograph = read(_mrc(tmp_path / "a.mrc", image, order=order))
    assert micrograph.pixel_size_nm == pytest.approx(0.02, rel=1e-5)
    assert micrograph.data.dtype == np.dtype(dtype)
    assert micrograph.data.dtype.isnative
    np.testing.assert_array_equal(micrograph.data, image[0])


def test_the_order_of_bytes_without_a_machine_stamp(tmp_path: Path, counts: np.ndarray) -> None:
    path = _mrc(tmp_path / "a.mrc", counts[None], order=">")
    content = bytearray(path.read_bytes())
    content[212:216] = bytes(4)
    path.write_bytes(content)
    np.testing.assert_array_equal(read(path).data, counts)


def test_a_stack_is_read_frame_by_frame(tmp_path: Path, counts: np.ndarray) -> None:
    frames = np.stack([counts + t for t in range(3)])
    micrograph = read(_mrc(tmp_path / "a.mrc", frames))
    assert micrograph.data.shape == frames.shape
    np.testing.assert_array_equal(np.asarray(micrograph.data), frames)
    np.testing.assert_array_equal(micrograph.frame(2), frames[2])


_BYTES = np.array([[[200, 100], [0, 255]]], np.uint8)


@pytest.mark.parametrize(
    ("about", "signed"),
    [
        ({}, True),
        ({"imod": (1146047817, 1)}, True),
        ({"imod": (1146047817, 0)}, False),
        ({"version": 0, "values": (0, 255)}, False),
        ({"version": 0, "values": (-56, 100)}, True),
    ],
    ids=["MRC2014", "IMOD signed", "IMOD unsigned", "range above 127", "range below 0"],
)
def test_whether_bytes_are_signed(tmp_path: Path, about: dict, signed: bool) -> None:
    micrograph = read(_mrc(tmp_path / "a.mrc", _BYTES, **about))
    np.testing.assert_array_equal(micrograph.data, _BYTES[0].view(np.int8) if signed else _BYTES[0])
    assert not any("signed" in warning for warning in micrograph.warnings)


@pytest.mark.parametrize("version", [0, 20140])
@pytest.mark.parametrize("kind", [np.uint8, np.int8])
def test_bytes_of_which_the_header_says_nothing_are_read_as_the_image_hardly_jumps(
    tmp_path: Path, version: int, kind: type
) -> None:
    wave = np.rint(100 * np.sin(np.arange(64) / 9)) + np.random.default_rng(0).integers(-9, 9, (48, 64))
    image = (wave + (128 if kind is np.uint8 else 0)).astype(kind)
    micrograph = read(_mrc(tmp_path / "a.mrc", image.view(np.uint8)[None], version=version, values=(0, 0)))
    np.testing.assert_array_equal(micrograph.data, image)
    assert not micrograph.warnings


def test_a_warning_where_neither_header_nor_pixels_tell_whether_bytes_are_signed(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 64)).astype(np.uint8)
    micrograph = read(_mrc(tmp_path / "a.mrc", image, version=0, values=(0, 0)))
    np.testing.assert_array_equal(micrograph.data, image[0].view(np.int8))
    assert any("signed" in warning for warning in micrograph.warnings)


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"pixel_nm": 0.1}, "1 Å a pixel"),
        ({"cell": (1, 1, 1)}, "1 × 1 × 1 Å"),
        ({"cell": (-4.8, -6.4, 1)}, "-4.8"),
        ({"cell": (np.nan, 1, 1)}, "nan"),
        ({"cell": (np.inf, np.inf, np.inf)}, ""),
        ({"cell": (1e-12, 1e-12, 1)}, "no microscope has"),
        ({"cell": (0, 0, 0)}, ""),
        ({"grid": (0, 0, 0)}, ""),
    ],
    ids=["1 Å a pixel", "1 Å in all", "negative", "nan", "inf", "tiny", "no cell", "no grid"],
)
def test_a_pixel_size_that_cannot_be_meant_is_asked_for(
    tmp_path: Path, counts: np.ndarray, about: dict, said: str
) -> None:
    micrograph = read(_mrc(tmp_path / "a.mrc", counts[None], **about))
    assert micrograph.pixel_size_nm is None
    assert not micrograph.refusal
    assert said in " ".join(micrograph.warnings)
    assert bool(micrograph.warnings) == bool(said)


@pytest.mark.parametrize(("kind", "length"), [(b"FEI1", 768), (b"FEI2", 888)])
def test_the_extended_header_of_fei(tmp_path: Path, counts: np.ndarray, kind: bytes, length: int) -> None:
    record = bytearray(length)
    struct.pack_into("<2d", record, 156, 2e-11, 2e-11)
    path = _mrc(tmp_path / "a.mrc", counts[None], cell=(0, 0, 0), extended=bytes(record), kind=kind)
    assert read(path).pixel_size_nm == pytest.approx(0.02)
    np.testing.assert_array_equal(read(path).data, counts)


def test_the_extended_header_of_older_fei_programs(tmp_path: Path, counts: np.ndarray) -> None:
    record = bytearray(128)
    struct.pack_into("<f", record, 44, 2e-11)
    path = _mrc(tmp_path / "a.mrc", counts[None], pixel_nm=0.1, extended=bytes(record) * 1024, reals=(0, 32))
    assert read(path).pixel_size_nm == pytest.approx(0.02)


def test_another_extended_header_is_passed_over(tmp_path: Path, counts: np.ndarray) -> None:
    path = _mrc(tmp_path / "a.mrc", counts[None], extended=b"x" * 99, kind=b"SERI")
    np.testing.assert_array_equal(read(path).data, counts)
    assert read(path).pixel_size_nm == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("at", "value", "said"),
    [(8, 0, "0 × 24 × 32"), (12, 77, "mode 77"), (8, 100_000, "100000 × 24 × 32"), (0, -5, "24 × -5"), (92, -9, "-9")],
    ids=["no section", "mode", "sections that are not there", "negative width", "negative extended header"],
)
def test_what_a_header_claims_is_said(tmp_path: Path, counts: np.ndarray, at: int, value: int, said: str) -> None:
    path = _mrc(tmp_path / "a.mrc", counts[None])
    content = bytearray(path.read_bytes())
    struct.pack_into("<i", content, at, value)
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        list_images(path)


def test_copy_again_is_said_only_where_bytes_are_missing(tmp_path: Path, counts: np.ndarray) -> None:
    path = _mrc(tmp_path / "a.mrc", counts[None])
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(InputError, match="copy it again"):
        read(path)
    path.write_bytes(whole[:12] + struct.pack("<i", 77) + whole[16:])
    with pytest.raises(InputError, match="export the image again"):
        read(path)


def test_complex_numbers_are_not_opened(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Fourier"):
        read(_mrc(tmp_path / "fft.mrc", np.ones((1, 4, 4), np.complex64)))


def test_complex_numbers_of_no_size_are_told(tmp_path: Path, counts: np.ndarray) -> None:
    path = _mrc(tmp_path / "a.mrc", counts[None])
    content = bytearray(path.read_bytes())
    struct.pack_into("<4i", content, 0, -5, 24, 1, 3)
    path.write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        list_images(path)


def test_a_real_file(real: Callable[[str], Path]) -> None:
    micrograph = read(real("rsciio_HAADFscan.mrc"))
    assert micrograph.pixel_size_nm == pytest.approx(5.679, rel=1e-3)
    assert (micrograph.data.min(), micrograph.data.max()) == (3923, 9399)
