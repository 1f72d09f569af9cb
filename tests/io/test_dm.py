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

_KINDS = {"int16": (1, 2), "float32": (2, 6), "uint8": (6, 10), "uint16": (10, 4), "int32": (7, 3), "float64": (12, 7)}
_SIMPLE = {int: (3, "i"), float: (7, "d")}


class _Writer:
    """Writes trees of tags as DM3 or DM4: dictionaries are groups, arrays pixels, bytes are put in as they are."""

    def __init__(self, version: int, order: str = "<") -> None:
        self.version, self.order = version, order
        self.count = ">i" if version == 3 else ">q"

    def file(self, tree: dict[str, Any]) -> bytes:
        body = self.group(tree)
        head = struct.pack(">i", self.version) + struct.pack(self.count, len(body))
        return head + struct.pack(">i", int(self.order == "<")) + body

    def group(self, tree: dict[str, Any]) -> bytes:
        tags = [self.tag("" if name.isdigit() else name, value) for name, value in tree.items()]
        return b"\0\0" + struct.pack(self.count, len(tags)) + b"".join(tags)

    def tag(self, name: str, value: Any) -> bytes:
        content = self.group(value) if isinstance(value, dict) else self.value(value)
        head = struct.pack(">BH", 20 if isinstance(value, dict) else 21, len(name)) + name.encode("latin-1")
        return head + (struct.pack(">q", len(content)) if self.version == 4 else b"") + content

    def value(self, value: Any) -> bytes:
        if isinstance(value, bytes):
            return value
        if isinstance(value, str):
            value = np.frombuffer(value.encode("utf-16-le"), "<u2")
        if isinstance(value, np.ndarray):
            words = [20, _KINDS[value.dtype.name][1], value.size]
            content = value.astype(value.dtype.newbyteorder(self.order)).tobytes()
        else:
            code, form = _SIMPLE[type(value)]
            words, content = [code], struct.pack(self.order + form, value)
        return b"%%%%" + struct.pack(f">{len(words) + 1}{self.count[1]}", len(words), *words) + content


def _image(pixels: np.ndarray, scale: float = 0.02, unit: str = "nm", name: str = "HAADF") -> dict[str, Any]:
    axes = {str(k): {"Origin": 0.0, "Scale": scale, "Units": unit} for k in range(2)}
    about = {
        "Calibrations": {"Brightness": {"Origin": 0.0, "Scale": 1.0, "Units": ""}, "Dimension": axes},
        "Data": pixels,
        "DataType": _KINDS[pixels.dtype.name][0],
        "Dimensions": {str(k): n for k, n in enumerate(reversed(pixels.shape))},
    }
    tags = {"Microscope Info": {"Voltage": 200000.0, "Microscope": "Titan"}}
    return {"ImageData": about, "ImageTags": tags, "Name": name}


def _dm(path: Path, *images: dict[str, Any], order: str = "<", **root: Any) -> Path:
    thumbnail = _image(np.zeros((4, 4), np.uint8), name="thumbnail")
    entries = {str(k): image for k, image in enumerate((thumbnail, *images))}
    tree = {**root, "ImageList": entries, "Thumbnails": {"0": {"ImageIndex": 0}}}
    path.write_bytes(_Writer(int(path.suffix[-1]), order).file(tree))
    return path


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Files are looked through in this process, which is quicker, but for those that it would not come through."""
    if "slow" not in request.keywords:
        monkeypatch.setattr("napari_atomicity.io.formats._guard._has_python", lambda: False)


@pytest.fixture(params=[".dm3", ".dm4"])
def path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return tmp_path / f"frame{request.param}"


@pytest.mark.parametrize("dtype", _KINDS)
def test_an_image_as_stored_without_the_thumbnail(path: Path, counts: np.ndarray, dtype: str) -> None:
    image = (counts % 200).astype(dtype)
    micrograph = read(_dm(path, _image(image)))
    assert micrograph.pixel_size_nm == pytest.approx(0.02)
    assert micrograph.provenance.title == "HAADF"
    np.testing.assert_array_equal(micrograph.data, image)
    assert micrograph.data.dtype == image.dtype


@pytest.mark.parametrize("dtype", ["int16", "float32", "uint8"])
def test_the_other_order_of_bytes(path: Path, counts: np.ndarray, dtype: str) -> None:
    image = (counts % 200).astype(dtype)
    np.testing.assert_array_equal(read(_dm(path, _image(image), order=">")).data, image)


def test_a_stack_whose_frames_have_no_axis_of_their_own(path: Path, counts: np.ndarray) -> None:
    frames = np.stack([counts + t for t in range(3)])
    micrograph = read(_dm(path, _image(frames)))
    assert micrograph.pixel_size_nm == pytest.approx(0.02)
    np.testing.assert_array_equal(np.asarray(micrograph.data), frames)


def _timing(path: Path) -> dict[str, Any]:
    return {name: value for name, value in read(path).metadata.items() if name.endswith(("time_s", "current_a"))}


def test_digital_micrograph_tells_the_time_of_a_pixel_and_the_current(tmp_path: Path, counts: np.ndarray) -> None:
    image = _image(np.stack([counts] * 3))
    image["ImageTags"] |= {"DigiScan": {"Sample Time": 8.0}}
    image["ImageTags"]["Microscope Info"] |= {"Probe Current (nA)": 0.05}
    found = _timing(_dm(tmp_path / "a.dm4", image))
    assert found == {"dwell_time_s": pytest.approx(8e-6), "beam_current_a": pytest.approx(5e-11)}
    image["ImageTags"]["Microscope Info"] |= {"Probe Current (nA)": 0.0}
    assert "beam_current_a" not in _timing(_dm(tmp_path / "b.dm4", image))


def test_an_axis_in_seconds_is_the_time_of_a_frame(tmp_path: Path, counts: np.ndarray) -> None:
    image = _image(np.stack([counts] * 3))
    image["ImageData"]["Calibrations"]["Dimension"]["2"] = {"Origin": 0.0, "Scale": 40.0, "Units": "ms"}
    assert _timing(_dm(tmp_path / "a.dm4", image)) == {"frame_time_s": pytest.approx(0.04)}


def test_an_image_that_claims_more_than_is_there(path: Path, counts: np.ndarray) -> None:
    short = _image(counts)
    short["ImageData"]["Dimensions"]["1"] = 10_000
    with pytest.raises(InputError, match=r"10000 × 32 pixels of uint16 \(640 kB\)"):
        read(_dm(path, short))


def test_every_bit_of_the_tags_may_flip(path: Path, counts: np.ndarray) -> None:
    whole = _dm(path, _image(counts[:4, :4])).read_bytes()
    for at in np.random.default_rng(5).integers(0, 8 * len(whole), 60):
        flipped = bytearray(whole)
        flipped[at // 8] ^= 1 << (at % 8)
        path.write_bytes(flipped)
        try:
            np.asarray(read(path).data)
        except InputError as error:
            assert path.name in str(error)


def test_colour_is_grey_or_refused(path: Path) -> None:
    for blue, refused in ((90, False), (255, True)):
        picture = np.zeros((8, 8, 4), np.uint8)
        picture[..., 1:3] = 90
        picture[..., 0] = blue
        picture[0] = 10
        image = _image(picture[..., 0].copy())
        image["ImageData"] |= {"Data": picture.view("<u4")[..., 0].view(np.int32), "DataType": 23}
        micrograph = read(_dm(path, image))
        assert micrograph.data.dtype == np.uint8
        assert bool(micrograph.refusal) == refused


@pytest.mark.parametrize(("unit", "said"), [("1/nm", "diffraction"), ("", ""), ("eV", "spectra")])
def test_what_the_unit_of_the_axes_says(path: Path, counts: np.ndarray, unit: str, said: str) -> None:
    info = list_images(_dm(path, _image(counts, unit=unit)))[0]
    assert info.pixel_size_nm is None
    assert said in info.why_not


@pytest.mark.parametrize(
    "content", [b"", b"\0\0\0\3" + bytes(range(256)), b"\0\0\0\4\0\0\0\0", b"anything else at all"]
)
def test_something_else_under_this_name(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"frame\.dm. is (empty|damaged, cut short)"):
        read(path)


@pytest.mark.slow
def test_one_bit_in_a_count_does_not_take_for_ever(tmp_path: Path, counts: np.ndarray) -> None:
    words = [11, 15, 0, 0x40000004, *[0, 3] * 4]  # four fields of which the number has a flipped bit
    bounds = b"%%%%" + b"".join(struct.pack(">i", word) for word in words) + bytes(16)
    path = _dm(tmp_path / "frame.dm3", _image(counts), bounds=bounds, padding=np.zeros(2_000_000, np.uint8))
    with pytest.raises(InputError, match="damaged"):
        read(path)


@pytest.mark.parametrize("name", ["particlespy_JEOL_HAADF.dm4", "r_em_REBCO-ROI_raw.dm3"])
@pytest.mark.parametrize("share", [0.8, 0.3, 0.01])
def test_real_files_cut_short(real: Callable[[str], Path], tmp_path: Path, name: str, share: float) -> None:
    whole = real(name).read_bytes()
    path = tmp_path / name
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match="cut short"):
        read(path)
