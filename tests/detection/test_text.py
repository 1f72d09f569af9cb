"""Letters of any grey with soft edges, on any pixels, are no clusters."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from napari_atomicity.detection import detect, repaired
from napari_atomicity.detection.labels import labels
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


def clusters_on_text(frame, size, grey, blur_px):
    """How many clusters are found on text that is said to be left out; what it does not reach is found as before."""
    pixel_nm = frame.pixel_size_nm
    before = detect(frame.image, pixel_nm).clusters
    pixels, (left, top, right, bottom) = written(frame.image, size, grey, blur_px)
    result = detect(pixels, pixel_nm)
    assert "A burned-in scale bar or label is left out." in result.messages
    places, found = (np.column_stack([each.y_px, each.x_px]) for each in (before, result.clusters))
    apart = np.hypot(*np.moveaxis(places[:, None] - found[None], 2, 0)) * pixel_nm
    new = found[apart.min(axis=0) > 0.4]
    on_text = (new[:, 0] > top) & (new[:, 0] < bottom) & (new[:, 1] > left) & (new[:, 1] < right)
    # but for what is hardly a cluster
    far = (places[:, 0] < top - 1.5 / pixel_nm) | (places[:, 1] > right + 2 * size)
    assert np.count_nonzero(apart.min(axis=1)[far] > 0.1) <= 1
    return np.count_nonzero(on_text)


@pytest.mark.few(3)
@pytest.mark.parametrize("grey", [0.25, 0.35, 0.45, 0.7])
@pytest.mark.parametrize(("size", "blur_px"), [(24, 0.0), (36, 0.0), (36, 0.7)])
def test_letters_are_no_clusters_whatever_their_grey(frame, size, blur_px, grey):
    assert clusters_on_text(frame, size, grey, blur_px) == 0


@pytest.mark.few(4)
@pytest.mark.parametrize("grey", [0.7, 1.0])
@pytest.mark.parametrize(("size", "blur_px"), [(22, 0.7), (36, 1.2)])
def test_small_and_blurred_letters_that_stand_in_line_are_known(frame, size, blur_px, grey):
    # a word of one or two letters beside the line may still be taken for one
    assert clusters_on_text(frame, size, grey, blur_px) <= 1


@pytest.mark.parametrize("times", [3, 6])
def test_clusters_of_one_height_in_line_are_no_letters(frame, times):
    image = np.concatenate([frame.image[:, : 960 // times]] * times, axis=1)
    assert lines_of_letters(image) == []


@pytest.mark.few(2)
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


def test_clusters_in_a_row_are_no_text_however_noisy():
    y, x = np.indices((160, 300)) * 0.05
    discs = 100 / (1 + np.exp(np.clip((np.hypot(y - 4, x % 3 - 1.5) - 0.55) / 0.05, -50, 50)))
    for seed in range(8):
        noise = np.random.default_rng(seeded(seed)).normal(100, 30, y.shape)
        assert repaired((discs + noise).astype(np.float32), 0.05).said == (), seed


# ---------------------------------------------------------------------- strokes on small images, by hand


def rough(shape=(100, 160), low=0.0, high=1000.0, level=300.0, noise=15.0):
    """Noise without two equal pixels side by side, and one pixel each at the ends of the range."""
    pixels = np.random.default_rng(seeded(7)).normal(level, noise, shape)
    pixels[0, 0], pixels[0, 1] = low, high
    return pixels


def with_strokes(pixels, heights, values, width=2, apart=10, bottom=60, noise=0.0):
    """Upright strokes on one line of text."""
    rng = np.random.default_rng(seeded(8))
    for k, (height, value) in enumerate(zip(heights, np.broadcast_to(values, len(heights)), strict=True)):
        cols = slice(40 + k * apart, 40 + k * apart + width)
        pixels[bottom - height : bottom, cols] = value + rng.normal(0, noise, (height, width))
    return pixels


def test_five_pixels_of_one_value_are_noise_and_a_line_of_twenty_squares_is_a_stroke():
    for length, found in ((20, 0), (21, 1)):
        pixels = rough()
        pixels[50:52, 70 : 70 + length] = 450.0
        assert len(labels(pixels)) == found


def test_blocks_that_jpeg_made_of_one_grey_are_no_bars():
    for rows, cols, found in (
        ((48, 56), (64, 96), 0),
        ((48, 56), (64, 93), 1),
        ((48, 56), (61, 96), 1),
        ((45, 56), (64, 96), 1),
        ((51, 59), (67, 99), 1),
    ):
        pixels = rough()
        pixels[slice(*rows), slice(*cols)] = 450.0
        assert len(labels(pixels)) == found, (rows, cols)


def test_greys_are_sure_though_small_spots_are_saturated():
    pixels = rough()
    pixels[50:53, 70:110] = 450.0
    for y in range(5, 95, 9):
        for x in range(5, 60, 6):
            pixels[y : y + 2, x : x + 2] = 1000.0
    (box,) = labels(pixels)
    assert box[0].start <= 50 and box[0].stop >= 53 and box[1].start <= 70 and box[1].stop >= 110
    # small spots of one grey say that the image has such of its own
    pixels[pixels == 1000.0] = 450.0
    assert labels(pixels) == []


def test_strokes_of_the_highest_value_are_text_where_most_of_those_in_line_are_alike():
    for heights, found in (([22] * 2, False), ([22] * 3, True), ([22] * 4 + [45], True), ([22] * 3 + [45, 50], False)):
        assert bool(labels(with_strokes(rough(), heights, 1000.0))) == found, heights


def test_bright_soft_strokes_are_text_where_four_in_line_stand_out():
    for level, count, found in ((300.0, 4, 1), (300.0, 3, 0), (550.0, 4, 0)):
        pixels = with_strokes(rough(level=level), [12] * count, 700.0, noise=10.0)
        assert len(labels(pixels)) == found, (level, count)


def test_still_strokes_of_any_grey_are_text_where_four_are_in_line():
    for value, count, found in ((450.0, 4, 1), (450.0, 3, 0), (320.0, 4, 0)):
        # no two pixels of one value, and soft sides
        pixels = with_strokes(rough(), [20] * count, value, width=6, apart=14, noise=1.0)
        assert len(labels(pixels)) == found, (value, count)


def test_the_box_of_a_line_reaches_over_letters_beside_it_that_fall_apart_and_no_farther():
    pixels = with_strokes(rough(), [20] * 4, 1000.0)
    alone = labels(pixels)[0]
    assert alone[1].start >= 34 and alone[1].stop <= 80
    # shorter than a stroke, of the same grey
    for x in (22, 82):
        for y in (42, 47, 52):
            pixels[y : y + 3, x : x + 3] = 1000.0
    beside = labels(pixels)[0]
    assert beside[0] == alone[0]
    assert 15 <= beside[1].start <= 22 and 85 <= beside[1].stop <= 95
