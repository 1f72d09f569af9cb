"""An area that a program filled with one value is said, and costs only what it covers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_atomicity.detection import detect, repaired
from napari_atomicity.detection.plateaus import plateaus
from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.frames import simulate_frame
from seeds import seeded


@pytest.fixture(scope="module", params=["clean", "nominal", "coarse_pixels"])
def frame(request):
    spec = sample_spec(request.param, n_clusters=40, shape=(512, 512), seed=seeded(41), split="validation")
    return simulate_frame(spec, seeded(41))


def area(kind):
    y, x = np.indices((512, 512))
    return {
        "rectangle": (y >= 200) & (y < 300) & (x >= 180) & (x < 320),
        "blob": ((y - 260) / 60) ** 2 + ((x - 250) / 45) ** 2 < 1,
        "corner": (y < 120) & (x < 150),
        "two": ((y - 100) ** 2 + (x - 120) ** 2 < 900) | ((y - 400) ** 2 + (x - 300) ** 2 < 900),
    }[kind]


VALUES = {
    "mean": lambda image, _: image.mean(),
    "own": lambda image, where: np.median(image[where]),
    "zero": lambda image, _: 0.0,
    "lowest": lambda image, _: image.min(),
}


@pytest.mark.few(4)
@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("kind", ["rectangle", "blob", "corner", "two"])
def test_an_area_of_one_value_is_said_and_costs_what_it_covers(frame, kind, value):
    where, pixel_nm = area(kind), frame.pixel_size_nm
    before = detect(frame.image, pixel_nm).clusters
    filled = np.where(where, np.float32(VALUES[value](frame.image, where)), frame.image)
    result = detect(filled, pixel_nm)
    # a corner of a value that the image does not have was known as an empty frame before
    assert f"{where.mean():.1%} of the image" in result.messages[0] or "empty frame" in result.messages[0]
    assert "one value" in result.messages[0]
    places, found = (np.column_stack([each.y_px, each.x_px]) for each in (before, result.clusters))
    distance = ndimage.distance_transform_edt(~where) * pixel_nm
    apart = np.hypot(*np.moveaxis(places[:, None] - found[None], 2, 0)) * pixel_nm
    far = distance[tuple(places.T.astype(int))] > 1.2
    # hardly a cluster: what is at the limit may come or go
    assert np.count_nonzero(apart.min(axis=1)[far] > 0.1) <= 1
    inside = distance[tuple(found.round().astype(int).T)]
    assert not (inside == 0).any()
    assert (result.clusters.flag[inside < 0.25] == "border").all()


@pytest.mark.few(4)
@pytest.mark.parametrize("levels", [None, 255, 60])
def test_what_an_image_has_of_its_own_is_no_such_area(frame, levels):
    image = frame.image
    assert repaired(image, frame.pixel_size_nm).said == ()
    low, high = np.quantile(image, (0.3, 0.995))
    # clipped below and above, and in few levels
    clipped = np.clip(image, low, high)
    if levels:
        clipped = np.round((clipped - low) / (high - low) * levels)
    assert not any("one value" in sentence for sentence in repaired(clipped, frame.pixel_size_nm).said)


def test_saturated_clusters_stay_though_something_is_brighter(frame):
    image, pixel_nm = frame.image, frame.pixel_size_nm
    full_scale = np.median(image) + 0.3 * (image.max() - np.median(image))
    clipped = np.minimum(image, np.float32(full_scale))
    clipped[[40, 300, 411], [77, 31, 205]] = 10 * image.max()
    before, after = detect(image, pixel_nm), detect(clipped, pixel_nm)
    assert len(after.clusters.y_px) == pytest.approx(len(before.clusters.y_px), abs=3)
    assert not any("one value" in sentence for sentence in after.messages)


@pytest.mark.parametrize(("below", "hidden"), [(0, False), (2, False), (40, True)])
def test_where_an_image_was_clipped_is_no_such_area_though_a_few_dead_pixels_are_lower(below, hidden):
    """Of the 40,000 pixels four are hardly any."""
    rng = np.random.default_rng(seeded(6))
    pixels = rng.normal(1000, 20, (200, 200)).astype(np.float32)
    lowest = np.quantile(pixels, 0.05).astype(np.float32)
    pixels[80:110, 60:90] = lowest
    pixels = np.maximum(pixels, lowest)
    pixels[rng.integers(120, 200, below), rng.permutation(200)[:below]] = 0.0
    found = plateaus(pixels)
    assert (found is not None) == hidden
    if hidden:
        assert found[0][80:110, 60:90].all() and not found[0][:70].any()
        assert found[1] == "An area of one value, 2.2% of the image, hides what is there: nothing is counted in it."
