"""The intensity of one atom from a scan of the detector, against detectors whose response is known."""

from __future__ import annotations

import numpy as np
import pytest

from napari_atomicity.counting.cross_sections import Annulus, collected, cross_section
from napari_atomicity.counting.detector_area import area_by_hand, find_active_area
from napari_atomicity.counting.detector_scan import fraction_of_beam, one_atom, response
from napari_atomicity.errors import InputError
from napari_atomicity.simulation.detector_scans import DetectorShape, SimulatedDetectorScan, simulate_detector_scan
from seeds import seeded

ANNULUS = Annulus(200, 22, 60, 200)
SHAPES = {
    "even": DetectorShape(),
    "small, off the middle": DetectorShape((0.4, 0.62), outer=0.16),
    "tilted": DetectorShape(tilt=0.5, squeeze=0.8, turn=1.1),
    "weak at the rim": DetectorShape(rings=-0.8),
    "weak at the hole": DetectorShape(rings=0.8, outer=0.44),
    "with a dead spot": DetectorShape(dead=0.12),
    "cut off": DetectorShape((0.5, 0.5), outer=0.6, squeeze=1.0),
}


def true_height(scan: SimulatedDetectorScan, annulus: Annulus, inner: float) -> float:
    """What the electrons of an atom meet: every ring with its own flux, evenly around the axis."""
    edges = np.linspace(annulus.inner_mrad, annulus.outer_mrad, 81)
    flux = collected("Pt", annulus, edges)
    ring = np.digitize(scan.radius * annulus.inner_mrad / inner, edges) - 1
    rings = [scan.response[(ring == i) & scan.active] for i in range(80)]
    means = np.array([ring.mean() if len(ring) else np.nan for ring in rings])
    kept = np.isfinite(means)
    return float((flux * np.where(kept, means, 0))[kept].sum() / flux[kept].sum())


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("noise", [0.01, 0.15])
def test_uneven_detectors_are_recovered_within_the_stated_error(name: str, noise: float) -> None:
    shape = SHAPES[name]
    scan = simulate_detector_scan(9000.0, shape, noise=noise, seed=seeded(1))
    area = find_active_area(scan.image)
    overlap = (area.active & scan.active).sum() / (area.active | scan.active).sum()
    assert overlap > 0.9
    seen = response(scan.image, area, ANNULUS)
    assert seen.dark == pytest.approx(scan.dark, abs=0.01 * 9000)
    true = true_height(scan, ANNULUS, shape.inner)
    assert abs(seen.height / true - 1) < max(2 * seen.height_sd, 0.01)
    assert seen.height_sd < 0.12
    assert ("cut off" in " ".join(seen.remarks)) == (name == "cut off")


def test_electrons_arrive_near_the_hole_and_are_weighted_so() -> None:
    scan = simulate_detector_scan(9000.0, SHAPES["weak at the rim"], seed=seeded(2))
    area = find_active_area(scan.image)
    true = true_height(scan, ANNULUS, 0.3)
    plain = response(scan.image, area, ANNULUS, weighted=False).height
    weighted = response(scan.image, area, ANNULUS).height
    assert abs(plain / true - 1) > 0.1 > 3 * abs(weighted / true - 1)


def test_the_intensity_of_one_atom_follows_current_and_angles() -> None:
    scan = simulate_detector_scan(9000.0, seed=seeded(3))
    seen = response(scan.image, find_active_area(scan.image), ANNULUS)
    full = one_atom(seen, ANNULUS, outside=0.0)
    assert full.value == pytest.approx(cross_section("Pt", ANNULUS)[0] * 9000, rel=0.03)
    assert 0.03 < full.relative_sd < 0.08
    assert one_atom(seen, ANNULUS, current_ratio=3.0, outside=0.0).value == pytest.approx(3 * full.value)
    loose = Annulus(200, 22, 60, 200, angle_sd=0.1)
    assert one_atom(seen, loose).relative_sd > 2 * full.relative_sd
    part = fraction_of_beam(np.full((2, 2), seen.active, np.float32), seen)
    assert part == pytest.approx(1.0)


def test_the_table_knows_what_one_atom_scatters() -> None:
    """Held against multislice over the beams of the aperture (`benchmarks/cross_sections.py`)."""
    value, sd = cross_section("Pt", ANNULUS)
    assert value == pytest.approx(1.637e-4, rel=0.01)
    assert 0.02 < sd < 0.06
    assert cross_section("Pt", Annulus(200, 22, 80, 200))[0] < value
    assert cross_section("Ag", ANNULUS)[0] == pytest.approx(value * (47 / 78) ** 1.6, rel=0.15)
    higher, between, lower = (cross_section("Pt", Annulus(kv, 22, 60, 200))[0] for kv in (200, 160, 120))
    assert higher < between < lower


def bad_scans() -> dict[str, tuple[np.ndarray, str]]:
    rng = np.random.default_rng(seeded(4))
    scan = simulate_detector_scan(9000.0, seed=seeded(4)).image
    full = simulate_detector_scan(9000.0, DetectorShape(outer=3.0, inner=0.0), seed=seeded(4)).image
    return {
        "clipped": (np.minimum(scan, 7000), "clipped"),
        "noise": (rng.normal(100, 10, (256, 256)).astype(np.float32), "No detector"),
        "slope": (np.outer(np.ones(256), np.arange(256.0)).astype(np.float32), "No detector"),
        "all bright": (full, "No detector|no dark region"),
        "constant": (np.full((256, 256), 7.0, np.float32), "same value"),
        "tiny": (scan[:20, :20], "at least 32"),
        "no data": (np.where(scan > 600, np.nan, scan), "holds no data"),
    }


@pytest.mark.parametrize("name", bad_scans())
def test_what_shows_no_detector_is_refused_in_a_sentence(name: str) -> None:
    scan, words = bad_scans()[name]
    with pytest.raises(InputError, match=words):
        find_active_area(scan)


def test_a_micrograph_is_no_detector_scan(simulated) -> None:
    with pytest.raises(InputError, match=r"No detector|no dark"):
        find_active_area(simulated.image)


def test_an_area_drawn_by_hand_takes_its_place() -> None:
    scan = simulate_detector_scan(9000.0, SHAPES["with a dead spot"], seed=seeded(5))
    found = find_active_area(scan.image)
    drawn = scan.active & (scan.response > 0)
    assert response(scan.image, area_by_hand(scan.image, drawn)).active == pytest.approx(9500, rel=0.02)
    assert response(scan.image, found).active < 9500
    with pytest.raises(InputError, match="drawn on 10 × 12"):
        area_by_hand(scan.image, np.ones((12, 10), bool))
    with pytest.raises(InputError, match="Hardly any"):
        area_by_hand(scan.image, np.zeros(scan.image.shape, bool))
    with pytest.raises(InputError, match="darker"):
        area_by_hand(scan.image, scan.radius > 1.1)


@pytest.mark.parametrize(
    ("annulus", "words"),
    [
        ((200, 22, 200, 60), "inner angle is the smaller"),
        ((200, 40, 30, 200), "beam itself"),
        ((200, 22, 60, 900), "the table runs"),
        ((200, 22, 24, 200), "the table runs"),
        ((20, 22, 60, 200), "check the voltage"),
        ((200, 0, 60, 200), "out of range"),
    ],
)
def test_angles_that_contradict_the_table_are_refused(annulus: tuple[float, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        cross_section("Pt", Annulus(*annulus))


def test_a_metal_that_the_table_does_not_hold_is_named() -> None:
    with pytest.raises(InputError, match="does not hold Xe"):
        cross_section("Xe", ANNULUS)
