"""Letters of any grey with soft edges, on any pixels, are no clusters."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from napari_atomicity.detection import detect
from napari_atomicity.detection.lettering import lines_of_letters
from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.frames import simulate_frame
from seeds import seeded

WORDS, PLACE = "HAADF 5 nm", (40, 400)


@pytest.fixture(scope="module", params=["nominal", "coarse_pixels", "thick_support"])
def frame(request):
    spec = sample_spec(request.param, n_clusters=30, shape=(480, 480), seed=seeded(51), split="validation")
    return simulate_frame(spec, seeded(51))


def written(image, size, grey, blur_px):
    """Text over an image, as drawing programs mix it with the pixels below, and the box around it."""
    ink = Image.new("L", image.shape[::-1], 0)
    draw, font = ImageDraw.Draw(ink), ImageFont.load_default(size)
    draw.text(PLACE, WORDS, fill=255, font=font)
    share = ndimage.gaussian_filter(np.asarray(ink) / 255, blur_px)
    level = np.median(image)
    text = level + grey * (image.max() - level)
    return (image * (1 - share) + text * share).astype(np.float32), draw.textbbox(PLACE, WORDS, font=font)


@pytest.mark.parametrize("grey", [0.25, 0.35, 0.45, 0.7])
@pytest.mark.parametrize(("size", "blur_px"), [(24, 0.0), (36, 0.0), (36, 0.7)])
def test_letters_are_no_clusters_whatever_their_grey(frame, size, blur_px, grey):
    pixel_nm = frame.pixel_size_nm
    before = detect(frame.image, pixel_nm).clusters
    pixels, (left, top, right, bottom) = written(frame.image, size, grey, blur_px)
    result = detect(pixels, pixel_nm)
    assert "A burned-in scale bar or label is left out." in result.messages
    places, found = (np.column_stack([each.y_px, each.x_px]) for each in (before, result.clusters))
    apart = np.hypot(*np.moveaxis(places[:, None] - found[None], 2, 0)) * pixel_nm
    new = found[apart.min(axis=0) > 0.4]
    on_text = (new[:, 0] > top) & (new[:, 0] < bottom) & (new[:, 1] > left) & (new[:, 1] < right)
    assert not on_text.any()
    # what the text does not reach is found as before, but for what is hardly a cluster
    far = (places[:, 0] < top - 1.5 / pixel_nm) | (places[:, 1] > right + 2 * size)
    assert np.count_nonzero(apart.min(axis=1)[far] > 0.1) <= 1


@pytest.mark.parametrize("grey", [0.7, 1.0])
@pytest.mark.parametrize(("size", "blur_px"), [(22, 0.7), (36, 1.2)])
def test_small_and_blurred_letters_that_stand_in_line_are_known(frame, size, blur_px, grey):
    pixel_nm = frame.pixel_size_nm
    before = detect(frame.image, pixel_nm).clusters
    pixels, (left, top, right, bottom) = written(frame.image, size, grey, blur_px)
    result = detect(pixels, pixel_nm)
    assert "A burned-in scale bar or label is left out." in result.messages
    places, found = (np.column_stack([each.y_px, each.x_px]) for each in (before, result.clusters))
    apart = np.hypot(*np.moveaxis(places[:, None] - found[None], 2, 0)) * pixel_nm
    new = found[apart.min(axis=0) > 0.4]
    on_text = (new[:, 0] > top) & (new[:, 0] < bottom) & (new[:, 1] > left) & (new[:, 1] < right)
    # a word of one or two letters beside the line may still be taken for one
    assert np.count_nonzero(on_text) <= 1
    far = (places[:, 0] < top - 1.5 / pixel_nm) | (places[:, 1] > right + 2 * size)
    assert np.count_nonzero(apart.min(axis=1)[far] > 0.1) <= 1


@pytest.mark.parametrize("times", [3, 6])
def test_clusters_of_one_height_in_line_are_no_letters(frame, times):
    image = np.concatenate([frame.image[:, : 960 // times]] * times, axis=1)
    assert lines_of_letters(image) == []


@pytest.mark.parametrize("condition", ["clean", "nominal", "coarse_pixels"])
@pytest.mark.parametrize("share", [0.2, 0.3])
@pytest.mark.parametrize("levels", [None, 255])
def test_clipped_clusters_are_no_letters(condition, share, levels):
    spec = sample_spec(condition, n_clusters=40, shape=(640, 640), seed=seeded(4), split="validation")
    frame = simulate_frame(spec, seeded(4))
    low, level, high = np.quantile(frame.image, (0, 0.5, 1))
    clipped = np.minimum(frame.image, np.float32(level + share * (high - level)))
    if levels:
        clipped = np.round((clipped - low) / (clipped.max() - low) * levels)
    before, after = (detect(each, frame.pixel_size_nm) for each in (frame.image, clipped))
    assert not any("burned-in" in sentence for sentence in after.messages)
    # what is hardly a cluster may come or go
    assert len(after.clusters.y_px) == pytest.approx(len(before.clusters.y_px), abs=4)
