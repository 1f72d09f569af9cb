from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from imageio import v3 as iio
from PIL import Image

from napari_atomicity.errors import InputError
from napari_atomicity.io import list_images, read


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_png(tmp_path: Path, counts: np.ndarray, dtype: type) -> None:
    image = counts if dtype == np.uint16 else (counts // 8).astype(np.uint8)
    path = tmp_path / "grey.png"
    iio.imwrite(path, image)
    micrograph = read(path)
    assert micrograph.data.dtype == dtype
    assert micrograph.pixel_size_nm is None
    np.testing.assert_array_equal(micrograph.data, image)


def test_the_dpi_of_a_screenshot_is_left_out(tmp_path: Path, counts: np.ndarray) -> None:
    path = tmp_path / "shot.png"
    Image.fromarray((counts // 8).astype(np.uint8)).save(path, dpi=(72, 72))
    assert read(path).pixel_size_nm is None


@pytest.mark.parametrize("n_samples", [2, 3, 4])
def test_grey_in_all_channels(tmp_path: Path, counts: np.ndarray, n_samples: int) -> None:
    grey = (counts // 8).astype(np.uint8)
    picture = np.stack([grey] * n_samples, axis=-1)
    picture[..., -1] = 255 if n_samples in (2, 4) else grey
    path = tmp_path / "screenshot.png"
    Image.fromarray(picture, {2: "LA", 3: "RGB", 4: "RGBA"}[n_samples]).save(path)
    micrograph = read(path)
    assert not micrograph.refusal
    assert not micrograph.warnings
    np.testing.assert_array_equal(micrograph.data, grey)


def test_jpeg_chroma_does_not_make_a_micrograph_a_photograph(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    grey = rng.normal(110, 30, (128, 128)).clip(0, 255).astype(np.uint8)
    path = tmp_path / "export.jpg"
    Image.fromarray(np.stack([grey] * 3, axis=-1)).save(path, quality=90)
    micrograph = read(path)
    assert not micrograph.refusal
    assert "JPEG" in micrograph.warnings[0]
    assert np.corrcoef(micrograph.data.ravel(), grey.ravel())[0, 1] > 0.9


def test_coloured_marks_are_mentioned(tmp_path: Path, counts: np.ndarray) -> None:
    picture = np.stack([(counts // 8).astype(np.uint8)] * 3, axis=-1)
    picture[3, 2:20] = (255, 0, 0)
    path = tmp_path / "arrow.png"
    iio.imwrite(path, picture)
    micrograph = read(path)
    assert "coloured marks" in micrograph.warnings[0]
    assert not micrograph.refusal


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_photograph_is_shown_but_refused(tmp_path: Path, suffix: str) -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:32] = (200, 90, 20)
    picture[32:] = (20, 60, 220)
    path = tmp_path / f"holiday{suffix}"
    iio.imwrite(path, picture)
    micrograph = read(path)
    assert micrograph.data.ndim == 2
    assert "colour picture" in micrograph.refusal


def test_cut_short(tmp_path: Path, counts: np.ndarray) -> None:
    path = tmp_path / "cut.png"
    iio.imwrite(path, counts)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"cut\.png is damaged"):
        read(path)


def _packed(path: Path, width: int, height: int) -> Path:
    """A PNG of zeros, which pack a thousandfold."""
    packer = zlib.compressobj(9)
    row = bytes(width + 1)
    packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b""))
    return path


def test_far_more_pixels_than_the_file_can_hold_are_not_unpacked(tmp_path: Path) -> None:
    path = _packed(tmp_path / "bomb.png", 13_000, 13_000)
    assert "13000 × 13000 pixels (169 MB)" in list_images(path)[0].why_not
    with pytest.raises(InputError, match="169 MB"):
        read(path)


def test_more_pixels_than_pictures_have(tmp_path: Path) -> None:
    path = _packed(tmp_path / "bomb.png", 16, 16)
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">II", 30_000, 30_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(content)
    with pytest.raises(InputError, match="claims 900000000 pixels"):
        list_images(path)


def test_a_jpeg_of_endless_passes(tmp_path: Path, counts: np.ndarray) -> None:
    path = tmp_path / "late.jpg"
    Image.fromarray((counts // 8).astype(np.uint8)).save(path, progressive=True)
    assert read(path).data.shape == (24, 32)
    content = path.read_bytes()
    last = content.rindex(b"\xff\xda")
    path.write_bytes(content[:last] + content[last:-2] * 200 + content[-2:])
    with pytest.raises(InputError, match="passes"):
        list_images(path)


def test_listing_reads_no_pixels(tmp_path: Path, counts: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "frame.png"
    iio.imwrite(path, np.stack([(counts // 8).astype(np.uint8)] * 3, axis=-1))
    monkeypatch.setattr(iio, "imread", lambda *_, **__: pytest.fail("pixels were read"))
    (info,) = list_images(path)
    assert (info.shape, info.dtype) == ((24, 32), "uint8")


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "RGB", "RGBA", "LA", "CMYK"])
def test_what_is_listed_is_what_is_read(tmp_path: Path, counts: np.ndarray, mode: str) -> None:
    path = tmp_path / ("frame.jpg" if mode == "CMYK" else "frame.png")
    grey = Image.fromarray(counts if mode == "I;16" else (counts // 8).astype(np.uint8))
    (grey if mode in ("I;16", "L") else grey.convert("RGB" if mode == "CMYK" else "L").convert(mode)).save(path)
    (info,) = list_images(path)
    data = read(path).data
    assert (info.shape, info.dtype) == (data.shape, str(data.dtype))
