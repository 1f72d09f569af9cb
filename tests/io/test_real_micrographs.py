"""Every experimental file at hand: calibrated as the list says, or refused for the reason it has."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_atomicity.errors import InputError
from napari_atomicity.io import describe, image_hash, list_images, read

_ALL: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "real_micrographs.json").read_text("utf-8"))
_CANNOT = {
    "statstem_Example_PtIr.mat": "MATLAB",
    "rsciio_fft_packed_complex8.dm4": "Fourier transform",
    "rsciio_velox_complex_fft.emd": "Fourier transform",
    "rsciio_EELS_SI.dm4": "2048 energy channels",
}
_IMAGES = [entry for entry in _ALL if entry["role"] == "image" and entry["file"] not in _CANNOT]
_SHAPES = {
    "ncem_Acquisition_18.emd": (1024, 1024),
    "bshev_nanoparticles_01.h5": (1024, 1024),
    "particlespy_JEOL_HAADF.dm4": (112, 112),
    "r_em_REBCO-ROI_raw.dm3": (128, 128),
    "rsciio_03_Scanning_Preview_1.ser": (5, 128, 128),
    "rsciio_03_Scanning_Preview.emi": (5, 128, 128),
    "rsciio_imagestack.dm3": (3, 2, 16),
    "rsciio_HAADFscan.mrc": (16, 16),
    "rsciio_velox_SI_reduced_215kx.emd": (16, 16),
    "sjeon_PtPorph_1h_3.tif": (1024, 1024),
    "derived_noise2atom_Pt_clusters_2nm.png": (254, 512),
    "arda_PtC1.jpg": (2048, 2048),
}


@pytest.mark.parametrize("entry", _IMAGES, ids=lambda entry: entry["file"])
def test_pixel_size_and_shape(real: Callable[[str], Path], entry: dict[str, Any]) -> None:
    micrograph = read(real(entry["file"]))
    expected = entry["pixel_size_nm"]
    if entry["file"] == "rsciio_JEOL_SightX_constant.tif":  # hidden in its XML, the manifest does not work it out
        expected = 1.8305
    elif entry["calibration_in_file"].startswith("NO"):
        expected = None
    if expected is None:
        assert micrograph.pixel_size_nm is None
    else:
        assert micrograph.pixel_size_nm == pytest.approx(expected, rel=1e-3)
    assert micrograph.data.ndim == (3 if "STACK" in entry["format"] or entry["file"].endswith(".emi") else 2)
    if entry["file"] in _SHAPES:
        assert micrograph.data.shape == _SHAPES[entry["file"]]
    assert np.isfinite(micrograph.frame()).any()
    assert image_hash(real(entry["file"])) == entry["sha256"]


@pytest.mark.parametrize(("name", "said"), _CANNOT.items())
def test_what_is_no_micrograph_is_not_opened(real: Callable[[str], Path], name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(real(name))


def test_only_the_constant_image_is_refused(real: Callable[[str], Path]) -> None:
    refused = [entry["file"] for entry in _IMAGES if read(real(entry["file"])).refusal]
    assert refused == ["rsciio_JEOL_SightX_constant.tif"]


def test_the_haadf_image_among_element_maps(real: Callable[[str], Path]) -> None:
    path = real("rsciio_velox_SI_reduced_215kx.emd")
    assert read(path).provenance.title == "HAADF"
    assert [info.title for info in list_images(path) if not info.countable] == ["C", "Ca", "O", "Cu"]


def test_the_fast_scan_of_the_transposed_file_runs_along_x(real: Callable[[str], Path]) -> None:
    image = read(real("ncem_Acquisition_18.emd")).frame()
    image -= image.mean()
    assert np.mean(image[:, 1:] * image[:, :-1]) > 1.5 * np.mean(image[1:] * image[:-1])


def test_rows_without_numbers_are_counted_in_the_description(real: Callable[[str], Path]) -> None:
    assert "2048 (0.78 %)" in describe(real("derived_hpai_072_float_nan_nocal.tif"))


def test_coloured_frame_around_the_published_picture(real: Callable[[str], Path]) -> None:
    assert "coloured marks" in read(real("derived_noise2atom_Pt_clusters_2nm.png")).warnings[0]
