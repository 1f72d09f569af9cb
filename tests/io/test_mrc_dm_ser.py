from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_atomicity.errors import InputError
from napari_atomicity.io import read


def _mrc(path: Path, frames: np.ndarray, pixel_nm: float) -> Path:
    """A minimal MRC2014 file of uint16 (mode 6); the cell is in ångström."""
    nz, ny, nx = frames.shape
    header = bytearray(1024)
    struct.pack_into("<4i", header, 0, nx, ny, nz, 6)
    struct.pack_into("<3i", header, 28, nx, ny, nz)
    struct.pack_into("<3f", header, 40, *(10 * pixel_nm * n for n in (nx, ny, nz)))
    struct.pack_into("<3i", header, 64, 1, 2, 3)
    header[208:212] = b"MAP "
    header[212:216] = b"\x44\x44\x00\x00"
    path.write_bytes(bytes(header) + frames.astype("<u2").tobytes())
    return path


def test_mrc(tmp_path: Path, counts: np.ndarray) -> None:
    pytest.importorskip("rsciio")
    micrograph = read(_mrc(tmp_path / "a.mrc", counts[None], 0.02))
    assert micrograph.pixel_size_nm == pytest.approx(0.02, rel=1e-5)
    assert "rosettasciio" in micrograph.provenance.reader
    np.testing.assert_array_equal(micrograph.data, counts)


def test_mrc_stack(tmp_path: Path, counts: np.ndarray) -> None:
    pytest.importorskip("rsciio")
    frames = np.stack([counts + t for t in range(3)])
    micrograph = read(_mrc(tmp_path / "a.mrc", frames, 0.02))
    assert micrograph.data.shape == frames.shape
    assert micrograph.data.chunks[0] == (1, 1, 1)
    np.testing.assert_array_equal(micrograph.data.compute(), frames)


def test_where_the_first_mrc_reader_fails_the_second_is_asked(
    tmp_path: Path, counts: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rsciio")
    from napari_atomicity.io.formats import _rosetta

    asked: list[str] = []

    class Second:
        @staticmethod
        def file_reader(path: str, lazy: bool) -> list[dict[str, object]]:
            axes = [{"name": n, "scale": 0.02, "units": "nm", "index_in_array": k} for k, n in enumerate("yx")]
            return [{"data": counts, "axes": axes, "metadata": {}}]

    def plugin(name: str) -> object:
        asked.append(name)
        if name == "rsciio.mrc":
            raise ValueError("of another kind")
        return Second

    monkeypatch.setattr(_rosetta, "import_module", plugin)
    np.testing.assert_array_equal(read(_mrc(tmp_path / "a.mrc", counts[None], 0.02)).data, counts)
    assert asked[-1] == "rsciio.mrcz"


@pytest.mark.parametrize("suffix", [".dm3", ".dm4", ".ser", ".mrc"])
def test_without_rosettasciio_the_way_to_get_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setitem(sys.modules, "rsciio", None)
    path = tmp_path / f"frame{suffix}"
    path.write_bytes(b"anything")
    with pytest.raises(InputError, match=r'pip install "napari-atomicity\[formats\]"'):
        read(path)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the reader leaves files open
@pytest.mark.parametrize("suffix", [".dm3", ".dm4", ".ser", ".mrc"])
def test_damage_is_one_sentence(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("rsciio")
    path = tmp_path / f"frame{suffix}"
    path.write_bytes(b"\x00\x00\x00\x03" + bytes(range(256)))
    with pytest.raises(InputError, match=r"damaged, cut short"):
        read(path)


@pytest.mark.parametrize(
    "name", ["particlespy_JEOL_HAADF.dm4", "r_em_REBCO-ROI_raw.dm3", "rsciio_03_Scanning_Preview_1.ser"]
)
@pytest.mark.parametrize("share", [0.8, 0.3])
def test_real_files_cut_short(real: Callable[[str], Path], tmp_path: Path, name: str, share: float) -> None:
    pytest.importorskip("rsciio")
    whole = real(name).read_bytes()
    path = tmp_path / name
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError):
        np.asarray(read(path).data)


def test_emi_without_its_pixels(tmp_path: Path) -> None:
    path = tmp_path / "scan.emi"
    path.write_bytes(b"anything")
    with pytest.raises(InputError, match=r"scan_1\.ser"):
        read(path)
