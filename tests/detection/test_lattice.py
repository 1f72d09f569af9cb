"""A lattice of atoms is told from clusters that lie in rows by the size of what repeats."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_atomicity.detection import detect, inspect, off_lattice, repaired
from seeds import seeded


def in_rows(pitch_nm, diameter_nm, pixel_nm, noise=0.5, jitter_nm=0.0, n=4):
    """Round clusters on a square grid, n by n, as test images of size-selected clusters show them."""
    rng = np.random.default_rng(seeded(0))
    y, x = np.indices((round(pitch_nm * (n + 1) / pixel_nm),) * 2) * pixel_nm
    image = np.full(y.shape, 1000.0)
    for place in np.indices((n, n)).reshape(2, -1).T:
        centre = (place + 1) * pitch_nm + rng.normal(0, jitter_nm, 2)
        distance = np.hypot(y - centre[0], x - centre[1])
        image += 900 / (1 + np.exp(np.clip((distance - diameter_nm / 2) / 0.03, -50, 50)))
    blurred = ndimage.gaussian_filter(image, 0.08 / pixel_nm)
    return (blurred + rng.normal(0, noise, y.shape)).astype(np.float32)


def lattice(spacing_nm, pixel_nm, thickness=0.0, height=200.0, side_px=300):
    """Columns of atoms on a square grid over a support of uneven thickness."""
    rng = np.random.default_rng(seeded(1))
    y, x = np.indices((side_px, side_px)) * pixel_nm
    turned = y * np.cos(0.3) + x * np.sin(0.3), x * np.cos(0.3) - y * np.sin(0.3)
    columns = np.prod([(1 + np.cos(2 * np.pi * each / spacing_nm)) ** 2 for each in turned], axis=0) / 16
    slow = ndimage.gaussian_filter(rng.normal(0, 1, y.shape), 1.5 / pixel_nm)
    image = 1000 + height * columns + thickness * slow / slow.std()
    return (image + rng.normal(0, 30, y.shape)).astype(np.float32)


@pytest.mark.few(10)
@pytest.mark.parametrize("noise", [0.5, 5.0, 30.0])
@pytest.mark.parametrize("jitter_nm", [0.0, 0.1])
@pytest.mark.parametrize(
    ("pitch_nm", "diameter_nm", "pixel_nm"),
    [(2.2, 1.1, 0.02), (2.2, 1.1, 0.04), (2.2, 0.7, 0.05), (3.0, 1.1, 0.05), (4.0, 1.6, 0.1), (6.0, 1.1, 0.1)],
)
def test_clusters_in_rows_are_counted(pitch_nm, diameter_nm, pixel_nm, jitter_nm, noise):
    result = detect(in_rows(pitch_nm, diameter_nm, pixel_nm, noise, jitter_nm), pixel_nm)
    assert len(result.clusters.y_px) == 16
    assert result.messages == ()
    assert result.clusters.diameter_nm == pytest.approx(diameter_nm, abs=0.1)


@pytest.mark.parametrize("pixel_nm", [0.04, 0.1])
def test_lines_through_rows_of_clusters_are_no_bad_lines(pixel_nm):
    image = in_rows(2.2, 1.1, pixel_nm)
    assert repaired(image, pixel_nm).image is image
    bad = image.copy()
    bad[60] = 0
    mended = repaired(bad, pixel_nm)
    assert mended.said == ("1 row of the image is hot or dead and filled from the neighbours.",)
    assert mended.image[60] == pytest.approx(image[60], abs=150)


@pytest.mark.parametrize("thickness", [0.0, 200.0, 600.0])
@pytest.mark.parametrize(
    ("spacing_nm", "pixel_nm"), [(0.2, 0.012), (0.23, 0.02), (0.39, 0.03), (0.28, 0.05), (0.5, 0.08)]
)
def test_lattices_are_refused_on_uneven_supports_too(spacing_nm, pixel_nm, thickness):
    findings = inspect(lattice(spacing_nm, pixel_nm, thickness), pixel_nm)
    assert "lattice" in [finding.code for finding in findings if finding.blocking]


def test_a_lattice_is_refused_in_a_field_of_three_nanometres_too():
    """There thickness leaks into more of the frequencies."""
    pixels = lattice(0.3, 0.03, 600.0, side_px=90)
    assert "lattice" in [finding.code for finding in inspect(pixels, 0.03)]
    assert "lattice" not in [finding.code for finding in inspect(lattice(0.3, 0.03, 600.0, 0.0, 90), 0.03)]


def graphene(shape, pixel_nm, turn=0.2):
    """Three waves of 0.213 nm, as a support of graphene shows them."""
    y, x = np.indices(shape) * pixel_nm
    angles = turn + np.arange(3) * np.pi / 3
    return sum(np.cos(2 * np.pi / 0.213 * (x * np.cos(a) + y * np.sin(a))) for a in angles).astype(np.float32)


@pytest.mark.parametrize("height", [0.13, 0.5])
def test_clusters_on_a_crystalline_support_are_found_without_its_lattice(simulated, height):
    """`height` of the lattice is that of one of its waves over that of a cluster."""
    plain = detect(simulated.image, simulated.pixel_size_nm)
    waves = graphene(simulated.image.shape, simulated.pixel_size_nm)
    image = simulated.image + height * np.float32(np.median(plain.clusters.contrast)) * waves
    found = detect(image, simulated.pixel_size_nm)
    assert "its lattice was taken off" in " ".join(found.messages)
    places = np.column_stack([found.clusters.y_px, found.clusters.x_px])
    away = np.hypot(*(places[:, None] - np.column_stack([plain.clusters.y_px, plain.clusters.x_px])[None]).T)
    assert len(places) == len(plain.clusters.y_px)
    assert away.min(axis=1).max() * simulated.pixel_size_nm < 0.1
    ratio = found.clusters.intensity[away.argmin(axis=1)] / plain.clusters.intensity
    assert np.median(ratio) == pytest.approx(1, abs=0.03)
    bare = off_lattice(image, simulated.pixel_size_nm)
    assert np.std(bare - simulated.image) < 0.2 * np.std(image - simulated.image)
    assert off_lattice(simulated.image, simulated.pixel_size_nm) is simulated.image


def test_a_lattice_alone_is_still_refused_when_it_is_taken_off():
    found = detect(lattice(0.23, 0.02), 0.02)
    assert not len(found.clusters.y_px)
    assert "periodic" in found.messages[0]
