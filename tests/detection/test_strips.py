"""Strips along a side, where the beam flies back or settles, are named, left out and cost no cluster elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from napari_atomicity.detection import detect, repaired
from napari_atomicity.detection.strips import edge_strips
from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.frames import simulate_frame
from seeds import seeded


@pytest.fixture(scope="module", params=["nominal", "low_dose", "coarse_pixels"])
def frame(request):
    spec = sample_spec(request.param, n_clusters=25, shape=(400, 400), seed=seeded(31), split="validation")
    return simulate_frame(spec, seeded(31))


def with_strip(image, side, depth, height, noise, fades=False, full_scale=np.inf):
    """Noisy lines at one side; heights are shares of the brightest cluster's over the support."""
    rng = np.random.default_rng(seeded(0))
    image = image.copy()
    seen = {"left": image.T, "right": image.T[::-1], "top": image, "bottom": image[::-1]}[side]
    level, top = np.median(image), image.max() - np.median(image)
    strip = top * (height + rng.normal(0, noise, (depth, seen.shape[1])))
    if fades:
        strip *= np.exp(-3 * np.arange(depth) / depth)[:, None]
    seen[:depth] = level + strip
    return np.minimum(image, np.float32(level + full_scale * top))


@pytest.mark.few(8)
@pytest.mark.parametrize(
    ("side", "depth", "height", "noise", "more"),
    [
        ("left", 1, 1.5, 0.1, {}),
        ("left", 4, 1.5, 0.4, {"full_scale": 1.6}),
        ("left", 16, 0.7, 0.1, {}),
        ("left", 12, 20.0, 2.0, {"fades": True}),
        ("right", 6, 4.0, 0.3, {}),
        ("top", 8, 1.5, 0.4, {"fades": True}),
        ("bottom", 16, 4.0, 0.3, {"full_scale": 3.5}),
    ],
)
def test_a_bright_strip_is_called_so_and_left_out(frame, side, depth, height, noise, more):
    pixel_nm = frame.pixel_size_nm
    before = detect(frame.image, pixel_nm).clusters
    result = detect(with_strip(frame.image, side, depth, height, noise, **more), pixel_nm)
    assert result.messages[0] == f"A bright strip along the {side} edge of the image is left out."
    assert not any("burned-in" in sentence or "hot" in sentence for sentence in result.messages)
    places, found = (np.column_stack([each.y_px, each.x_px]) for each in (before, result.clusters))
    apart = np.hypot(*np.moveaxis(places[:, None] - found[None], 2, 0)) * pixel_nm
    far = from_side(places, side) - 2 * depth > 1.5 / pixel_nm
    # what is hardly a cluster may come or go; nothing appears on the strip or where it ends but what that cuts
    assert np.count_nonzero(apart.min(axis=1)[far] > 0.1) <= 1
    assert len(found) <= len(places) + 1
    new = apart.min(axis=0) > 0.5
    assert (result.clusters.flag[new & (from_side(found, side) - 2 * depth < 1.5 / pixel_nm)] == "border").all()


def from_side(places, side):
    axis = {"top": 0, "bottom": 0, "left": 1, "right": 1}[side]
    return places[:, axis] if side in ("top", "left") else 399 - places[:, axis]


def test_dark_strips_and_several_are_said_in_one_sentence(frame):
    image = with_strip(frame.image, "top", 5, -1.5, 0.1)
    assert repaired(image, frame.pixel_size_nm).said[0] == ("A dark strip along the top edge of the image is left out.")
    image = with_strip(with_strip(image, "left", 6, 2.0, 0.2), "right", 3, 2.0, 0.2)
    assert repaired(image, frame.pixel_size_nm).said[0] == (
        "A bright strip along the left and the right edges and a dark strip along the top edge "
        "of the image are left out."
    )


def test_thick_and_thin_places_of_the_support_at_a_side_are_no_strips(frame):
    rows, cols = np.indices(frame.image.shape)
    step = 0.6 * (frame.image.max() - np.median(frame.image))
    for edge in (8 + 0.05 * rows, 12 + 6 * np.sin(rows / 30), 399 - 0.3 * rows):
        thick = frame.image + step * (cols < edge)
        assert not any("strip" in sentence for sentence in repaired(thick, frame.pixel_size_nm).said)
    slope = frame.image + step * np.clip(1 - cols / 200, 0, 1)
    assert not any("strip" in sentence for sentence in repaired(slope, frame.pixel_size_nm).said)


def test_what_is_left_out_is_left_out_once_and_beside_gaps(frame):
    pixel_nm = frame.pixel_size_nm
    image = with_strip(frame.image, "left", 6, 4.0, 0.3)
    image[100:150, :40] = np.nan
    mended = repaired(image, pixel_nm)
    assert np.isnan(mended.image[:, :6]).all()
    assert repaired(mended.image, pixel_nm).said == ()


# ---------------------------------------------------------------------- on small images, by hand


def small(shape=(64, 64), noise=1.0, seed=5):
    """Noise with a few bright spots, the brightest 100 above the level."""
    pixels = np.random.default_rng(seeded(seed)).normal(0, noise, shape)
    pixels[20:24, 20:24] += 100.0
    pixels[40:44, 50:54] += 100.0
    return pixels


@pytest.mark.parametrize("unit", [1.0, 1e-4])
def test_strips_of_the_smallest_image_are_told_by_side_and_brightness_in_any_unit(unit):
    pixels = small()
    pixels[:4] += 60.0
    pixels[:, -3:] -= 70.0
    strips, said = edge_strips(pixels * unit)
    assert said == (
        "A bright strip along the top edge and a dark strip along the right edge of the image are left out."
    )
    expected = np.zeros(pixels.shape, dtype=bool)
    # with a rim of two lines
    expected[:6] = expected[:, -5:] = True
    assert (strips == expected).all()
    # a narrower image has too few pixels in each part of a line
    assert edge_strips(pixels[:, 4:60] * unit) is None


def test_lines_without_data_before_a_strip_are_left_out_with_it():
    pixels = small((100, 100))
    pixels[:3], pixels[3:7] = np.nan, pixels[3:7] + 60.0
    strips, said = edge_strips(pixels)
    assert said == "A bright strip along the top edge of the image is left out."
    assert strips[:9].all() and not strips[9:].any()


def test_a_strip_is_told_by_its_height_over_what_is_bright():
    for height, found in ((5.0, False), (40.0, True)):
        pixels = small((100, 100))
        pixels[:4] += height
        assert (edge_strips(pixels) is not None) == found
