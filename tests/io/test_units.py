from __future__ import annotations

import pytest

from napari_atomicity.io.units import is_reciprocal, nm_per, pixel_calibration


@pytest.mark.parametrize(
    ("unit", "nm"),
    [
        ("nm", 1),
        (" NM ", 1),
        (b"nm\x00", 1),
        ("n_m", 1),
        ("[n_m]", 1),
        ("nanometers", 1),
        ("um", 1e3),
        ("\u00b5m", 1e3),
        ("\u03bcm", 1e3),
        ("\\u00B5m", 1e3),
        ("Â\u00b5m", 1e3),
        ("micron", 1e3),
        ("Microns", 1e3),
        ("micrometre", 1e3),
        ("pm", 1e-3),
        ("Å", 0.1),
        ("\u212b", 0.1),
        ("A\u030a", 0.1),
        ("A", 0.1),
        ("angstrom", 0.1),
        ("Ångström", 0.1),
        ("mm", 1e6),
        ("m", 1e9),
        ("meters", 1e9),
    ],
)
def test_units_in_the_wild(unit: object, nm: float) -> None:
    assert nm_per(unit) == pytest.approx(nm)


@pytest.mark.parametrize("unit", ["", None, "pixel", "px", "<undefined>", "s", "eV", "bananas"])
def test_no_length(unit: object) -> None:
    assert nm_per(unit) is None


@pytest.mark.parametrize("unit", ["1/nm", "1 / µm", "nm^-1", "nm⁻¹", "1/n_m", "mrad", "1/meters"])
def test_reciprocal_space_is_refused(unit: str) -> None:
    assert is_reciprocal(unit)
    found = pixel_calibration((0.1, unit), (0.1, unit))
    assert found.pixel_size_nm is None
    assert "diffraction" in found.refusal


def test_each_axis_in_its_own_unit() -> None:
    found = pixel_calibration((0.00002, "µm"), (20, "pm"))
    assert found.pixel_size_nm == pytest.approx(0.02)
    assert not found.refusal
    assert not found.warnings


def test_a_negative_voxel_is_a_direction() -> None:
    assert pixel_calibration((-0.02, "nm"), (0.02, "nm")).pixel_size_nm == pytest.approx(0.02)


def test_pixels_that_are_not_square_are_refused() -> None:
    assert "resample" in pixel_calibration((0.02, "nm"), (0.021, "nm")).refusal
    assert not pixel_calibration((0.02, "nm"), (0.0201, "nm")).refusal


@pytest.mark.parametrize("scale", [0, float("nan"), float("inf"), None, "much"])
def test_a_scale_that_is_none(scale: object) -> None:
    assert pixel_calibration((scale, "nm"), (scale, "nm")).pixel_size_nm is None


def test_a_unit_that_is_not_a_length_is_named() -> None:
    found = pixel_calibration((1, "bananas"), (1, "bananas"))
    assert found.pixel_size_nm is None
    assert "bananas" in found.warnings[0]


def test_without_unit_nothing_is_assumed() -> None:
    assert pixel_calibration((0.02, ""), (0.02, "")).pixel_size_nm is None
    assert pixel_calibration((0.03, ""), (0.02, "nm")).pixel_size_nm is None


def test_one_unit_stands_for_both_where_the_numbers_agree() -> None:
    assert pixel_calibration((0.02, ""), (0.02, "nm")).pixel_size_nm == pytest.approx(0.02)


@pytest.mark.parametrize(("size", "expected"), [(0.5, "too coarse"), (0.001, "finer"), (0.02, "")])
def test_a_size_that_cannot_be_meant_is_kept_and_remarked(size: float, expected: str) -> None:
    found = pixel_calibration((size, "nm"), (size, "nm"))
    assert found.pixel_size_nm == pytest.approx(size)
    assert expected in " ".join(found.warnings)
    assert bool(found.warnings) == bool(expected)


@pytest.mark.parametrize(
    ("scale", "unit", "said"),
    [
        (1, "Å", "1 Å a pixel, which is what programs write"),
        (0.001, "µm", "0.001 µm a pixel, which is what programs write"),
        (1e-9, "m", "1e-09 m a pixel, which is what programs write"),
        (0.99999994, "Å", "1 Å a pixel, which is what programs write"),
        (1.0, "nm", "programs write"),
        ("1", "µm", "programs write"),
        (-1, "m", "no microscope has"),
        (352.78, "µm", "no microscope has"),
        (1e8, "m", "no microscope has"),
        (1e-7, "nm", "no microscope has"),
        (1e300, "mm", "no microscope has"),
    ],
)
def test_a_size_that_is_not_believed_is_asked_for(scale: object, unit: str, said: str) -> None:
    found = pixel_calibration((scale, unit), (scale, unit))
    assert found.pixel_size_nm is None
    assert not found.refusal
    assert said in found.warnings[0]
    assert "enter the pixel size" in found.warnings[0]


@pytest.mark.parametrize(("scale", "unit"), [(3.3724, "µm"), (18.3, "µm"), (59.98, "nm"), (0.001, "nm"), (0.1, "nm")])
def test_an_honest_size_however_coarse_or_fine_stays(scale: float, unit: str) -> None:
    assert pixel_calibration((scale, unit), (scale, unit)).pixel_size_nm is not None


@pytest.mark.parametrize("scale", ["9" * 5000, [1, 2], {}, b"\xff", 10**400, True])
def test_a_number_that_is_none(scale: object) -> None:
    assert pixel_calibration((scale, "nm"), (scale, "nm")).pixel_size_nm is None
