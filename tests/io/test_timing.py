"""How long a frame takes and how strong the beam is, as the files of each program tell it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_atomicity.io import read
from napari_atomicity.io.timing import seconds, timing


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are looked through in this process, which is quicker."""
    monkeypatch.setattr("napari_atomicity.io.formats._guard._has_python", lambda: False)


@pytest.fixture
def frames(counts: np.ndarray) -> np.ndarray:
    return np.stack([counts + t for t in range(3)]).astype(np.uint16)


def _times(path: Path) -> dict[str, Any]:
    return {name: value for name, value in read(path).metadata.items() if name.endswith(("time_s", "current_a"))}


@pytest.mark.parametrize(("unit", "factor"), [(None, 1.0), ("sec", 1.0), ("ms", 1e-3), ("min", 60.0)])
def test_imagej_tells_the_interval_of_its_frames(
    tmp_path: Path, frames: np.ndarray, unit: str | None, factor: float
) -> None:
    about = {"axes": "TYX", "finterval": 0.5} | ({"tunit": unit} if unit else {})
    tifffile.imwrite(tmp_path / "a.tif", frames, imagej=True, metadata=about)
    assert _times(tmp_path / "a.tif") == {"frame_time_s": pytest.approx(0.5 * factor)}


@pytest.mark.parametrize(
    "about",
    [
        {"TimeIncrement": 250.0, "TimeIncrementUnit": "ms"},
        {"Plane": {"DeltaT": [0.1, 0.35, 0.6]}},
        {"Plane": {"DeltaT": [100.0, 350.0, 600.0], "DeltaTUnit": ["ms"] * 3}},
    ],
    ids=["increment", "planes", "planes in ms"],
)
def test_ome_tells_it_as_an_increment_or_as_the_time_of_each_plane(
    tmp_path: Path, frames: np.ndarray, about: dict[str, Any]
) -> None:
    tifffile.imwrite(tmp_path / "a.ome.tif", frames, ome=True, metadata={"axes": "TYX", **about})
    assert _times(tmp_path / "a.ome.tif") == {"frame_time_s": pytest.approx(0.25)}


def test_what_stands_for_unknown_is_no_time(tmp_path: Path, frames: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "a.tif", frames, imagej=True, metadata={"axes": "TYX", "finterval": 0.0})
    assert not _times(tmp_path / "a.tif")
    assert not timing(0, "none", float("nan")) and not timing(True, -1.0, [2])
    assert seconds("1e400") is None and seconds(3, "nm") is None and seconds(2, "µs") == pytest.approx(2e-6)


def test_velox_tells_all_of_it(tmp_path: Path, frames: np.ndarray) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.emd", "w") as file:
        group = file.create_group("Data/Image/0")
        group["Data"] = np.moveaxis(frames, 0, -1)
        facts = {
            "BinaryResult": {"Detector": "HAADF"},
            "Scan": {"DwellTime": "2e-06", "FrameTime": "0.7"},
            "Optics": {"LastMeasuredScreenCurrent": "3.1e-11"},
        }
        group["Metadata"] = np.frombuffer(json.dumps(facts).encode() + b"\0", np.uint8)[:, None]
    assert _times(tmp_path / "a.emd") == {"frame_time_s": 0.7, "dwell_time_s": 2e-6, "beam_current_a": 3.1e-11}


def test_hyperspy_tells_it_in_its_axis(tmp_path: Path, frames: np.ndarray) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.hspy", "w") as file:
        file.attrs["file_format"] = "HyperSpy"
        group = file.create_group("Experiments/movie")
        group["data"] = frames
        for k, (name, scale, unit) in enumerate((("time", 1.5, "s"), ("y", 0.02, "nm"), ("x", 0.02, "nm"))):
            group.create_group(f"axis-{k}").attrs.update({"name": name, "scale": scale, "units": unit})
    assert _times(tmp_path / "a.hspy") == {"frame_time_s": 1.5}
