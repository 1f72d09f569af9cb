"""Which image of several is taken: each case has one right answer, whatever the order in the file."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_atomicity.errors import InputError
from napari_atomicity.io import describe, read
from napari_atomicity.io.choosing import choose
from napari_atomicity.io.pixels import signs_of_no_micrograph
from napari_atomicity.io.raw import RawImage, unreadable
from napari_atomicity.io.units import PixelCalibration

RNG = np.random.default_rng(7)
CALIBRATED = PixelCalibration(0.04)


def _grains(shape: tuple[int, ...] = (96, 96), dtype: str = "uint16") -> np.ndarray:
    return RNG.poisson(90, shape).astype(dtype)


def _image(title: str, data: Any = None, calibration: PixelCalibration = PixelCalibration(), **more: Any) -> RawImage:  # noqa: B008
    pixels = _grains() if data is None else data
    return RawImage(title, pixels.shape, pixels.dtype, lambda: pixels, calibration, **more)


DISCS = ((np.indices((96, 96)) % 32 - 16) ** 2).sum(axis=0) < 100
LABELS = DISCS * (1 + np.indices((96, 96)).sum(axis=0) // 32)
MICROGRAPH = _grains(dtype="float32")

CASES: dict[str, tuple[RawImage, ...]] = {
    "a display copy in 8 bit": (_image("", MICROGRAPH), _image("", _grains(dtype="uint8"))),
    "a larger display copy": (_image("", MICROGRAPH), _image("", _grains((192, 192), "uint8"))),
    "a calibrated display copy": (_image("", MICROGRAPH), _image("", _grains(dtype="uint8"), CALIBRATED)),
    "positions": (_image("image", MICROGRAPH, CALIBRATED), _image("positions", RNG.random((200000, 3)))),
    "a table without a name": (_image("a", MICROGRAPH, CALIBRATED), _image("b", RNG.random((5000, 12)), CALIBRATED)),
    "a mask as numbers": (_image("image", MICROGRAPH), _image("mask", np.pad(DISCS, 50).astype("f8"))),
    "a mask without a name": (_image("a", MICROGRAPH), _image("b", np.pad(DISCS, 50).astype("f8") * 255)),
    "a calibrated mask without a name": (_image("a", MICROGRAPH), _image("b", DISCS.astype("i2"), CALIBRATED)),
    "a mask of booleans": (_image("a", MICROGRAPH), _image("b", np.pad(DISCS, 50))),
    "labels": (_image("image", MICROGRAPH), _image("labels", LABELS.astype("i8"))),
    "labels without a name": (_image("a", MICROGRAPH), _image("b", np.pad(LABELS, 50).astype("i4"), CALIBRATED)),
    "labels as floating point": (_image("a", MICROGRAPH), _image("b", np.pad(LABELS, 50).astype("f4"))),
    "labels of few levels": (_image("a", MICROGRAPH), _image("b", np.pad(LABELS / 7, 50), CALIBRATED)),
    "coordinates": (_image("entry/z", MICROGRAPH), _image("entry/x", np.indices((96, 96))[0] * 0.01, CALIBRATED)),
    "a segmentation": (_image("data", MICROGRAPH), _image("Segmentation", _grains(), CALIBRATED)),
    "a probability map": (_image("raw"), _image("probabilities", RNG.random((96, 96)), CALIBRATED)),
    "a normalised copy without a name": (_image("a"), _image("b", RNG.random((96, 96)), CALIBRATED)),
    "a Fourier transform without a name": (
        _image("a", MICROGRAPH),
        _image("b", np.log1p(np.abs(np.fft.fftshift(np.fft.fft2(_grains((128, 128)))))), CALIBRATED),
    ),
    "distances inside of a mask": (
        _image("a", MICROGRAPH),
        _image("b", np.pad(DISCS, 60) * RNG.random((216, 216)) * 9, CALIBRATED),
    ),
    "a copy in 16 bits cut off for display": (
        _image("", MICROGRAPH),
        _image("", (np.clip((MICROGRAPH - 70) / 40, 0, 1) * 65535).astype("u2")),
    ),
    "an enlarged copy": (_image("measured", MICROGRAPH), _image("upsampled", _grains((192, 192), "float32"))),
    "a filtered copy": (_image("HAADF"), _image("HAADF (Filtered)", None, CALIBRATED)),
    "a denoised copy": (_image("frame", None, CALIBRATED), _image("frame_denoised", None, CALIBRATED)),
    "a thumbnail": (_image("HAADF"), _image("HAADF thumbnail", None, CALIBRATED)),
    "a preview": (_image("scan"), _image("Preview", _grains((200, 200)), CALIBRATED)),
    "a sum": (_image("frames", _grains((3, 96, 96))), _image("sum", _grains(dtype="float64"))),
    "an average": (_image("HAADF", _grains((3, 96, 96))), _image("HAADF average", MICROGRAPH)),
    "a path with the mask in it": (_image("entry/data", MICROGRAPH), _image("entry/mask/data", _grains())),
    "bright field": (_image("image"), _image("BF", _grains((200, 200)), CALIBRATED)),
    "annular bright field": (_image("image"), _image("Annular bright field", _grains((200, 200)), CALIBRATED)),
    "an annular detector": (_image("annular_detector_depth0000"), _image("potential", None, CALIBRATED)),
    "another detector": (_image("HAADF"), _image("DF4", _grains((200, 200)), CALIBRATED)),
    "a detector that was off": (_image("DF2"), _image("HAADF", np.full((96, 96), 7, "u2"), CALIBRATED)),
    "a dark reference": (_image("exchange/data"), _image("exchange/data_dark"), _image("exchange/data_white")),
    "a dark field": (_image("Dark field"), _image("image")),
    "a diffraction pattern": (_image("a"), _image("b", None, PixelCalibration(refusal="It is reciprocal."))),
    "a colour picture": (_image("a"), _image("HAADF", examine=lambda: ((), "It is a photograph."))),
    "raw and processed": (_image("unprocessed"), _image("processed"), _image("Gauss filter")),
}


@pytest.mark.parametrize("case", CASES)
def test_the_first_of_these_is_taken_in_every_order(case: str) -> None:
    right = CASES[case][0]
    for order in permutations(CASES[case]):
        chosen = choose(order)
        assert order[chosen.index] is right
        assert chosen.data.shape == right.shape
        if sum(not image.why_not for image in order) > 1 and case not in ("a colour picture",):
            (said,) = chosen.warnings
            assert said.startswith(f"The file holds several images; this is image {chosen.index}")


def test_it_says_why_and_what_else_there_is() -> None:
    images = [_image("mask"), _image("HAADF (Filtered)"), _image("HAADF", None, CALIBRATED), _image("BF")]
    (said,) = choose(images).warnings
    assert said == (
        "The file holds several images; this is image 2 (HAADF by its title, with a pixel size), "
        "the others are 0 “mask” (“mask” in its title), 1 “HAADF (Filtered)” (“Filtered” in its title)."
    )
    (said,) = choose([_image(""), _image("")]).warnings
    assert "this is image 0 (the first of those that look alike), the others are 1." in said


def test_only_as_many_pixels_are_read_as_it_takes() -> None:
    read_of: list[str] = []

    def counted(title: str, data: np.ndarray) -> RawImage:
        return RawImage(title, data.shape, data.dtype, lambda: (read_of.append(title), data)[1])

    choose([counted("BF", _grains()), counted("DF2", _grains()), counted("HAADF", _grains())])
    assert read_of == ["HAADF"]
    read_of.clear()
    choose([counted(f"image {k}", np.zeros((96, 96))) for k in range(100)])
    assert len(read_of) <= 9


def test_one_that_cannot_be_read_does_not_lose_the_others() -> None:
    def broken() -> np.ndarray:
        raise InputError("It is cut short.")

    bad = RawImage("HAADF", (96, 96), np.dtype("u2"), broken)
    chosen = choose([bad, unreadable("lost", (), np.void, "it has no data.", broken=True), _image("DF2")])
    assert chosen.index == 2
    assert "Image 0 “HAADF” is left out: It is cut short." in chosen.warnings
    assert "Image 1 “lost” is left out: it has no data." in chosen.warnings
    with pytest.raises(InputError, match="cut short"):
        choose([bad])
    with pytest.raises(InputError, match="cut short"):
        choose([bad, bad])


def test_few_electrons_are_no_labels() -> None:
    for mean in (0.05, 0.3, 3):
        assert signs_of_no_micrograph(RNG.poisson(mean, (200, 200)).astype("u2")) == ""
    smooth = np.rint(60 + 30 * np.sin(np.indices((200, 200)).sum(axis=0) / 9) + RNG.normal(0, 1.5, (200, 200)))
    assert signs_of_no_micrograph(smooth.astype("u1")) == ""


def test_what_a_file_says_is_cleaned_for_every_format() -> None:
    image = _image(
        "HAADF\x1b[31m\nred\u202e\x00",
        calibration=PixelCalibration(warnings=("unit “\x1b]0;x\x07”",), refusal="a\rb"),
        metadata={
            "a\x1b": "b\x1b[0m",
            "list": [1, float("inf"), None],
            "deep": {"a": {"b": {"c": {"d": {}}}}},
            "huge": 9**99,
        },
        warnings=("w\x1b",),
    )
    assert image.title == "HAADF[31m red"
    assert image.calibration == PixelCalibration(warnings=("unit “]0;x”",), refusal="a b")
    assert image.metadata == {"a": "b[0m", "list": [1, None, None], "deep": {"a": {"b": {}}}}
    assert image.warnings == ("w",)
    assert len(_image("x" * 10**6).title) == 200


@pytest.mark.parametrize(
    ("shape", "dtype", "stored", "said"),
    [
        ((60000, 60000), "u1", 0, "never written"),
        ((60000, 60000), "u1", 4000, "60000 × 60000 pixels (3.6 GB), but the file keeps only 4 kB"),
        ((1000000, 256, 256), "u2", 10**6, "claims 1000000 × 256 × 256"),
        ((8192, 8192), "f4", 40 * 10**6, ""),
        ((4096, 4096), "u1", 20000, ""),
        ((10000, 1024, 1024), "u2", 10**9, ""),
        ((60000, 60000), "u1", None, ""),
    ],
)
def test_what_is_claimed_against_what_is_there(shape: Any, dtype: str, stored: int | None, said: str) -> None:
    image = RawImage("", shape, np.dtype(dtype), lambda: None, stored=stored)
    assert (said in image.why_not) if said else not image.why_not


def test_a_display_copy_before_the_data(tmp_path: Path) -> None:
    path = tmp_path / "two.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(_grains(dtype="uint8"))
        file.write(MICROGRAPH)
    micrograph = read(path)
    np.testing.assert_array_equal(micrograph.data, MICROGRAPH)
    assert "the others are 0 (8-bit)" in describe(path)
