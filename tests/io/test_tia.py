from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rsciio")

from napari_atomicity.errors import InputError
from napari_atomicity.io import list_images, read

_TYPES = {"uint8": 1, "uint16": 2, "int32": 6, "float32": 7}


def _ser(path: Path, frames: np.ndarray, step_m: float = 2e-11, version: int = 0x220, valid: int | None = None) -> Path:
    """A SER file of `frames` (t, y, x)."""
    n, height, width = frames.shape
    long = version >= 0x220
    axis = struct.pack("<iddi", n, 0.0, 1.0, 0) + struct.pack("<i6si4s", 6, b"Number", 4, b"none")
    start = (34 if long else 30) + len(axis)
    head = b"II\x97\x01" + struct.pack("<hiiii", version, 0x4122, 0x4152, n, n if valid is None else valid)
    head += struct.pack("<qi" if long else "<ii", start, 1) + axis
    calibration = struct.pack("<ddiddi", 0, step_m, 0, 0, step_m, 0)
    element = calibration + struct.pack("<hii", _TYPES[frames.dtype.name], width, height)
    first = start + 2 * n * (8 if long else 4)
    step = len(element) + height * width * frames.itemsize + 8
    places = [first + k * step for k in range(n)]
    tags = [place + step - 8 for place in places]
    table = struct.pack(f"<{2 * n}{'q' if long else 'i'}", *places, *tags)
    tag = struct.pack("<hhi", 0x4152, 0, 0)
    elements = b"".join(element + frame[::-1].tobytes() + tag for frame in frames)
    path.write_bytes(head + table + elements)
    return path


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are looked through in this process, which is quicker."""
    monkeypatch.setattr("napari_atomicity.io.formats._guard._has_python", lambda: False)


@pytest.mark.parametrize("version", [0x210, 0x220])
@pytest.mark.parametrize("dtype", _TYPES)
def test_a_stack_the_right_way_up(tmp_path: Path, counts: np.ndarray, dtype: str, version: int) -> None:
    frames = np.stack([(counts + t) % 200 for t in range(3)]).astype(dtype)
    micrograph = read(_ser(tmp_path / "scan_1.ser", frames, version=version))
    assert micrograph.pixel_size_nm == pytest.approx(0.02)
    np.testing.assert_array_equal(np.asarray(micrograph.data), frames)
    np.testing.assert_array_equal(read(_ser(tmp_path / "one_1.ser", frames[:1])).data, frames[0])


def test_a_recording_that_was_stopped(tmp_path: Path, counts: np.ndarray) -> None:
    frames = np.stack([counts + t for t in range(4)])
    np.testing.assert_array_equal(np.asarray(read(_ser(tmp_path / "a_1.ser", frames, valid=2)).data), frames[:2])
    with pytest.raises(InputError, match="damaged, cut short"):
        read(_ser(tmp_path / "b_1.ser", frames, valid=0))


def test_a_diffraction_pattern_gives_no_pixel_size(tmp_path: Path, counts: np.ndarray) -> None:
    micrograph = read(_ser(tmp_path / "a_1.ser", counts[None], step_m=1e8))
    assert micrograph.pixel_size_nm is None
    assert "no microscope has" in micrograph.warnings[0]


def test_one_bad_file_beside_an_emi_does_not_lose_the_others(tmp_path: Path, counts: np.ndarray) -> None:
    (tmp_path / "a_1.ser").write_bytes(b"II\x97\x01 and then nothing of the kind")
    _ser(tmp_path / "a_2.ser", counts[None])
    emi = tmp_path / "a.emi"
    emi.write_bytes(b"an EMI file")
    assert "A_1.ser is damaged" in list_images(emi)[0].why_not
    np.testing.assert_array_equal(read(emi).data, counts)


def _emi(folder: Path, counts: np.ndarray, entries: list[str]) -> Path:
    """An EMI file of one object a SER file, BF first."""
    for k in range(len(entries)):
        _ser(folder / f"a_{k + 1}.ser", (3000 - counts if k == 0 else counts + k - 1)[None])
    objects = "".join(f"<ObjectInfo><Uuid>{k}</Uuid>{each}</ObjectInfo>" for k, each in enumerate(entries))
    (folder / "a.emi").write_bytes(b"JL\x01\x00" + objects.encode() + b"\x00")
    return folder / "a.emi"


@pytest.mark.parametrize(
    "entry",
    [
        "<AcquireInfo><CameraNamePath>{}</CameraNamePath><DwellTimePath>0.000012</DwellTimePath></AcquireInfo>",
        "<DetectorName>{}</DetectorName>",
        "<DisplayInfo><Window><Title>{} image</Title></Window></DisplayInfo>",
    ],
)
def test_the_detector_that_an_emi_names(tmp_path: Path, counts: np.ndarray, entry: str) -> None:
    path = _emi(tmp_path, counts, [entry.format("BF"), entry.format("HAADF")])
    micrograph = read(path)
    np.testing.assert_array_equal(micrograph.data, counts)
    assert "HAADF" in micrograph.provenance.title
    assert "bright-field" in read(path, image=0).refusal
    assert not any("does not name the detector" in warning for warning in micrograph.warnings)


def test_an_emi_that_names_no_detector_says_so(tmp_path: Path, counts: np.ndarray) -> None:
    path = _emi(tmp_path, counts, ["<AcquireInfo><DwellTimePath>0.000012</DwellTimePath></AcquireInfo>"] * 2)
    assert any("does not name the detector of each image" in warning for warning in read(path).warnings)
    assert not read(tmp_path / "a_1.ser").warnings


def _timing(path: Path) -> dict[str, Any]:
    return {name: value for name, value in read(path).metadata.items() if name.endswith("time_s")}


def test_an_emi_file_tells_what_its_ser_file_does_not(tmp_path: Path, counts: np.ndarray) -> None:
    _ser(tmp_path / "a_1.ser", np.stack([counts] * 3))
    said = "<AcquireInfo><DwellTimePath>0.000012</DwellTimePath><FrameTime>0.235930</FrameTime></AcquireInfo>"
    (tmp_path / "a.emi").write_bytes(b"JL\x01\x00" + f"<ObjectInfo><Uuid>0</Uuid>{said}</ObjectInfo>".encode() + b"\0")
    assert _timing(tmp_path / "a.emi") == {"frame_time_s": 0.23593, "dwell_time_s": 1.2e-5}
    assert not _timing(tmp_path / "a_1.ser")


def test_spectra_are_not_opened(tmp_path: Path) -> None:
    axis = struct.pack("<iddi", 1, 0.0, 1.0, 0) + struct.pack("<i6si4s", 6, b"Number", 4, b"none")
    head = b"II\x97\x01" + struct.pack("<hiiii", 0x210, 0x4120, 0x4152, 1, 1) + struct.pack("<ii", 30 + len(axis), 1)
    start = len(head) + len(axis) + 8
    element = struct.pack("<ddihi", 0, 1, 0, 6, 1024) + bytes(4096)
    table = struct.pack("<ii", start, start + len(element))
    (tmp_path / "s_1.ser").write_bytes(head + axis + table + element + struct.pack("<hhi", 0x4152, 0, 0))
    with pytest.raises(InputError, match="1024 energy channels"):
        read(tmp_path / "s_1.ser")


@pytest.mark.parametrize(
    ("at", "form", "value"),
    [(18, "<i", 2**30), (22, "<q", 2**40), (6, "<i", 7), (34, "<i", 2**30)],
    ids=["images", "place", "kind", "axis"],
)
def test_what_a_header_claims_is_not_believed(
    tmp_path: Path, counts: np.ndarray, at: int, form: str, value: int
) -> None:
    path = _ser(tmp_path / "a_1.ser", counts[None])
    content = bytearray(path.read_bytes())
    struct.pack_into(form, content, at, value)
    path.write_bytes(content)
    try:
        np.testing.assert_array_equal(read(path).data, counts)
    except InputError as error:
        assert "a_1.ser" in str(error)


def test_every_bit_may_flip(tmp_path: Path, counts: np.ndarray) -> None:
    path = _ser(tmp_path / "a_1.ser", np.stack([counts[:3, :3]] * 2))
    whole = path.read_bytes()
    for at in range(0, 8 * 130, 5):
        flipped = bytearray(whole)
        flipped[at // 8] ^= 1 << (at % 8)
        path.write_bytes(flipped)
        try:
            np.asarray(read(path).data)
        except InputError as error:
            assert "a_1.ser" in str(error)


def test_emi_without_its_pixels(tmp_path: Path) -> None:
    path = tmp_path / "scan.emi"
    path.write_bytes(b"anything")
    with pytest.raises(InputError, match=r"scan_1\.ser"):
        read(path)


@pytest.mark.parametrize("share", [0.8, 0.3])
def test_a_real_file_cut_short(real: Callable[[str], Path], tmp_path: Path, share: float) -> None:
    whole = real("rsciio_03_Scanning_Preview_1.ser").read_bytes()
    path = tmp_path / "a_1.ser"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match="damaged, cut short"):
        read(path)
