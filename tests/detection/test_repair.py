"""What a detector, a scan or a program left in the pixels costs no cluster, and is said."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from scipy.spatial import cKDTree

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.counting.patches import extract_patches
from napari_atomicity.detection import detect, inspect, measure_at, repaired
from napari_atomicity.detection.gaps import with_narrow_gaps_filled, without_gaps
from napari_atomicity.detection.marks import burned_in, sharp_marks
from napari_atomicity.detection.sides import blank_frame, data_bars
from napari_atomicity.micrograph import Micrograph
from seeds import seeded

PIXEL_NM = 0.04


def field(pixel_nm=PIXEL_NM, side_px=512, atoms=False, noise=0.3, seed=0):
    """Blurred discs (or single atoms) apart from each other on a sloping support, with the noise of few electrons."""
    rng = np.random.default_rng(seed)
    side_nm = side_px * pixel_nm
    places, tries = [], 0
    while len(places) < 28 and tries < 3000:
        tries += 1
        place = rng.uniform(0.3, side_nm - 0.3, 2)
        if all(np.hypot(*(place - other)) > 2.2 for other in places):
            places.append(place)
    y, x = np.indices((side_px, side_px)) * pixel_nm
    height = np.zeros(y.shape)
    for place in places:
        distance = np.hypot(y - place[0], x - place[1])
        if atoms:
            height += np.exp(-4 * np.log(2) * (distance / 0.15) ** 2)
        else:
            height += rng.uniform(1.0, 1.6) / (1 + np.exp(np.minimum((distance - rng.uniform(0.42, 0.6)) / 0.035, 50)))
    signal = 5000 + 1000 * x / side_nm + 6000 * height
    return (signal + rng.normal(0, noise * 30, signal.shape) * np.sqrt(signal) / 2.5).astype(np.float32)


@pytest.fixture(scope="module")
def image():
    pixels = field()
    pixels.setflags(write=False)
    return pixels


@pytest.fixture(scope="module")
def clean(image):
    return detect(image, PIXEL_NM).clusters


@pytest.fixture(scope="module")
def eight_bit(image):
    low, high = float(image.min()), float(np.percentile(image, 99.9))
    return np.clip((image - low) / (high - low) * 255, 0, 255).astype(np.uint8)


def random_pixels(image, number, seed=2):
    return np.unravel_index(np.random.default_rng(seed).choice(image.size, number, replace=False), image.shape)


def assert_same(found, clean, moved=(0, 0), keep=None, extra=0, tolerance=0.05):
    """Every cluster of the clean image that is kept is there, with its intensity unless it is cut; hardly any more."""
    keep = np.ones(len(clean.y_px), dtype=bool) if keep is None else keep
    places = np.column_stack([clean.y_px + moved[0], clean.x_px + moved[1]])
    distance, nearest = cKDTree(np.column_stack([found.y_px, found.x_px])).query(places)
    assert (distance[keep] * PIXEL_NM < 0.3).all()
    assert len(found.y_px) <= len(clean.y_px) + extra
    whole = keep & (found.flag[nearest] != "border") & (clean.flag != "border")
    assert whole.sum() >= 0.5 * keep.sum()
    ratio = found.intensity[nearest[whole]] / clean.intensity[whole]
    assert np.median(ratio) == pytest.approx(1, abs=0.01)
    assert ratio == pytest.approx(1, abs=tolerance)


# ---------------------------------------------------------------------- nothing changes where nothing is wrong


def test_a_good_image_is_the_very_same_array(image):
    clean = repaired(image, PIXEL_NM)
    assert clean.image is image
    assert clean.said == ()


@pytest.mark.few(6)
@pytest.mark.parametrize("noise", [0.02, 0.3, 1.0])
@pytest.mark.parametrize("pixel_nm", [0.02, 0.05, 0.12])
@pytest.mark.parametrize("atoms", [True, False])
def test_neither_atoms_nor_clusters_are_taken_for_bad_pixels(noise, pixel_nm, atoms):
    pixels = field(pixel_nm, 256, atoms, noise)
    low, high = pixels.min(), pixels.max()
    for levels in (255, 4000):
        assert repaired(np.round((pixels - low) / (high - low) * levels), pixel_nm).said == ()
    assert repaired(pixels, pixel_nm).said == ()


# ---------------------------------------------------------------------- pixels without a number


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_single_pixels_without_a_number_cost_no_cluster(image, clean, value):
    holed = image.copy()
    holed[random_pixels(image, 40)] = value
    result = detect(holed, PIXEL_NM)
    assert_same(result.clusters, clean)
    assert "40 pixels without a number were filled" in result.messages[0]


def test_a_row_and_a_column_of_nan_are_bridged(image, clean):
    holed = image.copy()
    holed[200] = holed[:, 300] = np.nan
    assert_same(detect(holed, PIXEL_NM).clusters, clean)


@pytest.mark.parametrize("kind", ["nan", "masked"])
def test_what_a_label_covers_is_lost_and_nothing_else(image, clean, kind):
    where = np.zeros(image.shape, dtype=bool)
    where[200:220, 200:300] = True
    covered = np.where(where, np.nan, image) if kind == "nan" else np.ma.masked_array(image, mask=where)
    apart = ndimage.distance_transform_edt(~where)[clean.y_px.round().astype(int), clean.x_px.round().astype(int)]
    result = detect(Micrograph(covered, PIXEL_NM).frame(), PIXEL_NM)
    assert_same(result.clusters, clean, keep=apart > 8)
    assert any("hold no data" in sentence for sentence in result.messages)


def test_a_cluster_that_a_gap_cuts_stays_and_is_flagged(image, clean):
    k = int(np.argmin(np.hypot(clean.y_px - 256, clean.x_px - 256)))
    y, x = int(clean.y_px[k]), int(clean.x_px[k])
    holed = image.copy()
    holed[y - 60 : y + 60, x + 4 : x + 60] = np.nan
    found = detect(holed, PIXEL_NM).clusters
    nearest = np.argmin(np.hypot(found.y_px - y, found.x_px - x))
    assert np.hypot(found.y_px[nearest] - y, found.x_px[nearest] - x) * PIXEL_NM < 0.5
    assert found.flag[nearest] == "border"


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_the_empty_frame_of_an_aligned_image_costs_no_cluster(image, clean, value):
    moved = np.full_like(image, value)
    moved[17:, :-23] = image[:-17, 23:]
    inner = (clean.y_px + 17 < 495) & (clean.x_px - 23 > 12) & (clean.y_px > 12) & (clean.x_px < 500)
    assert_same(detect(moved, PIXEL_NM).clusters, clean, (17, -23), inner)


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_the_corners_of_a_rotated_image_are_no_part_of_it(image, value):
    turned = ndimage.rotate(image, 15, reshape=False, order=1, cval=value)
    inside = ndimage.rotate(np.ones_like(image), 15, reshape=False, order=1, cval=0) > 0.99
    result = repaired(turned, PIXEL_NM)
    deep = ndimage.binary_erosion(inside, iterations=4, border_value=1)
    assert np.isfinite(result.image[deep]).all()
    assert np.isnan(result.image[~inside]).mean() > 0.97


@pytest.mark.parametrize(
    "holes",
    [
        lambda shape: np.indices(shape).sum(axis=0) % 2 == 0,
        lambda shape: np.random.default_rng(3).random(shape) < 0.45,
        lambda shape: np.indices(shape)[0] < 230,
    ],
    ids=["checkerboard", "random", "half"],
)
def test_an_image_half_without_data_is_counted_where_it_has_some(image, clean, holes):
    where = holes(image.shape)
    found = detect(np.where(where, np.nan, image), PIXEL_NM).clusters
    kept = np.ones(len(clean.y_px), dtype=bool) if where[300:].any() else clean.y_px > 242
    places = np.column_stack([clean.y_px, clean.x_px])[kept]
    distance, _ = cKDTree(np.column_stack([found.y_px, found.x_px])).query(places)
    assert np.mean(distance * PIXEL_NM < 0.3) > 0.95


# ---------------------------------------------------------------------- hot and dead


@pytest.mark.parametrize("pixel_nm", [0.02, 0.08, 0.12])
def test_hot_pixels_are_replaced_at_every_pixel_size(pixel_nm):
    good = field(pixel_nm, int(15 / pixel_nm))
    hot = good.copy()
    hot[random_pixels(good, 10)] = good.max() * 20
    before, after = detect(good, pixel_nm), detect(hot, pixel_nm)
    assert len(after.clusters.y_px) == len(before.clusters.y_px) > 10
    assert "10 hot pixels" in after.messages[0]


@pytest.mark.parametrize("times", [3, 30, 1000, 1e6])
@pytest.mark.parametrize("number", [10, 300])
def test_hot_pixels_are_replaced_and_counted(image, clean, times, number):
    hot = image.copy()
    hot[random_pixels(image, number)] = image.max() * times
    result = detect(hot, PIXEL_NM)
    assert_same(result.clusters, clean)
    assert f"{number} hot pixels were replaced" in result.messages[0]


def test_pairs_and_squares_of_hot_pixels_are_replaced(image, clean):
    hot = image.copy()
    y, x = random_pixels(image[:-1, :-1], 12)
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
        hot[y + dy, x + dx] = image.max() * 40
    assert_same(detect(hot, PIXEL_NM).clusters, clean)


@pytest.mark.parametrize("value", [-32768.0, -1e9])
def test_dead_pixels_are_replaced_and_counted(image, clean, value):
    dead = image.copy()
    dead[random_pixels(image, 20)] = value - 10 * image.max()
    result = detect(dead, PIXEL_NM)
    assert_same(result.clusters, clean)
    assert "20 dead pixels were replaced" in result.messages[0]


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("level", ["zero", "top"])
def test_dead_and_hot_lines_are_bridged(image, clean, axis, level):
    lined = image.copy()
    np.moveaxis(lined, axis, 0)[[40, 200, 201, 333]] = 0 if level == "zero" else image.max() * 10
    result = detect(lined, PIXEL_NM)
    assert_same(result.clusters, clean)
    assert f"4 {('rows', 'columns')[axis]} of the image are hot or dead" in result.messages[0]


def test_measuring_and_patches_see_the_repaired_image_too(image, clean):
    bad = image.copy()
    y, x = np.round(clean.y_px).astype(int), np.round(clean.x_px).astype(int)
    bad[y[::2], x[::2]] = image.max() * 1000
    bad[y[1::2], x[1::2]] = np.nan
    before, after = (measure_at(pixels, PIXEL_NM, clean.y_px, clean.x_px) for pixels in (image, bad))
    inner = before.flag == "ok"
    assert after.intensity[inner] == pytest.approx(before.intensity[inner], rel=0.02)
    columns = {name: getattr(clean, name) for name in ("y_px", "x_px", "diameter_nm", "intensity")}
    table = ClusterTable.from_columns(columns)
    raw, mended = (extract_patches(pixels, table, PIXEL_NM).raw for pixels in (image, bad))
    assert np.abs(mended - raw).max() < 0.3 * raw.max()
    assert repaired(repaired(bad, PIXEL_NM).image, PIXEL_NM).said == ()


# ---------------------------------------------------------------------- what was burned in


def lettering(width, height, grey, ink, size=28):
    bar = Image.new("L", (width, height), grey)
    draw = ImageDraw.Draw(bar)
    draw.text((6, 10), "200 kV  x8.0M  HAADF  2.0 nm", fill=ink, font=ImageFont.load_default(size))
    draw.rectangle((350, height - 14, 450, height - 10), fill=ink)
    return np.asarray(bar)


def through_jpeg(pixels, quality):
    packed = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(packed, "JPEG", quality=quality)
    return np.asarray(Image.open(packed))


@pytest.mark.few(6)
@pytest.mark.parametrize(("grey", "ink"), [(0, 255), (30, 220), (128, 255), (200, 20), (255, 0)])
@pytest.mark.parametrize("side", ["top", "bottom", "left", "right"])
def test_letters_of_a_data_bar_are_no_clusters(eight_bit, grey, ink, side):
    turns = {"bottom": 0, "left": 1, "top": 2, "right": 3}[side]
    bar = lettering(512, 64, grey, ink)
    pixels = np.rot90(np.vstack([np.rot90(eight_bit, turns), bar]), -turns)
    moved = (64 if side == "top" else 0, 64 if side == "left" else 0)
    result = detect(pixels, PIXEL_NM)
    # what lies at the seam was cut by the border before
    assert_same(result.clusters, detect(eight_bit, PIXEL_NM).clusters, moved, extra=1, tolerance=0.2)
    assert "data bar" in result.messages[0]


@pytest.mark.parametrize("quality", [50, 75, 90])
@pytest.mark.parametrize(("grey", "ink"), [(30, 220), (255, 0)])
def test_letters_of_a_data_bar_after_jpeg_are_no_clusters(eight_bit, grey, ink, quality):
    pixels = through_jpeg(np.vstack([eight_bit, lettering(512, 64, grey, ink)]), quality)
    found = detect(pixels, PIXEL_NM).clusters
    assert_same(found, detect(eight_bit, PIXEL_NM).clusters, extra=1, tolerance=0.2)


@pytest.mark.parametrize("ink", [255, 220, 180])
@pytest.mark.parametrize("depth", [8, 16])
def test_text_over_the_image_is_no_cluster(eight_bit, ink, depth):
    pixels = Image.fromarray(eight_bit)
    draw = ImageDraw.Draw(pixels)
    draw.text((10, 440), "200 kV HAADF 2 nm", fill=ink, font=ImageFont.load_default(36))
    draw.rectangle((300, 490, 400, 495), fill=ink)
    written = np.asarray(pixels).astype(np.float32) * (1 if depth == 8 else 231)
    before = detect(eight_bit, PIXEL_NM).clusters
    found = detect(written, PIXEL_NM)
    under = (before.y_px > 420) & (before.x_px < 420)
    left, top, right, bottom = draw.textbbox((10, 440), "200 kV HAADF 2 nm", font=ImageFont.load_default(36))
    y, x = found.clusters.y_px, found.clusters.x_px
    inside = (y > top) & (y < bottom) & (x > left) & (x < right)
    assert not inside.any()
    places = np.column_stack([before.y_px, before.x_px])[~under]
    distance, _ = cKDTree(np.column_stack([found.clusters.y_px, found.clusters.x_px])).query(places)
    assert (distance * PIXEL_NM < 0.3).all()
    assert any("burned-in" in sentence for sentence in found.messages)


@pytest.mark.parametrize("size", [14, 18, 28])
@pytest.mark.parametrize("words", ["HAADF", "5 nm"])
def test_small_text_with_soft_edges_is_no_cluster(image, words, size):
    top = image.max()
    ink = Image.new("L", image.shape[::-1], 0)
    draw, font = ImageDraw.Draw(ink), ImageFont.load_default(size)
    draw.text((40, 460), words, fill=255, font=font)
    share = np.asarray(ink) / 255
    written = (image * (1 - share) + top * share).astype(np.float32)
    left, upper, right, lower = draw.textbbox((40, 460), words, font=font)
    found = detect(written, PIXEL_NM)
    y, x = found.clusters.y_px, found.clusters.x_px
    assert not (
        (y > upper - 3) & (y < lower + 3) & (x > left - 3) & (x < right + 3) & (found.clusters.flag == "ok")
    ).any()
    assert any("burned-in" in sentence for sentence in found.messages)
    assert not any("burned-in" in sentence for sentence in detect(image, PIXEL_NM).messages)


# ---------------------------------------------------------------------- on small images, by hand


def noisy(shape=(64, 64), level=100.0, noise=1.0, seed=3):
    return np.random.default_rng(seeded(seed)).normal(level, noise, shape).astype(np.float32)


def neighbours(pixels, y, x):
    rows, cols = (slice(max(0, at - 1), at + 2) for at in (y, x))
    near = pixels[rows, cols].ravel()
    return np.sort(np.delete(near, np.flatnonzero(near == pixels[y, x])[0]))


def test_a_hot_pixel_becomes_the_median_of_those_around_it_at_the_sides_too():
    good = noisy()
    places = [(y, x) for y in (0, 20, 63) for x in (0, 33, 63)]
    bad = good.copy()
    # of one value they would be the empty frame of a small image
    bad[tuple(np.transpose(places))] = 9000.0 + np.arange(9)
    mended = repaired(bad, PIXEL_NM)
    assert mended.said == ("9 hot pixels were replaced by the value of the neighbours.",)
    for place in places:
        around = neighbours(good, *place)
        assert mended.image[place] == around[(len(around) - 1) // 2]
        bad[place] = mended.image[place]
    np.testing.assert_array_equal(mended.image, bad)


def test_hot_and_dead_pixels_are_counted_each_for_themselves():
    bad = noisy()
    bad[[5, 30, 50], [9, 40, 20]] = 5000.0
    bad[[8, 44], [50, 7]] = -7000.0
    assert repaired(bad, PIXEL_NM).said == (
        "3 hot pixels were replaced by the value of the neighbours.",
        "2 dead pixels were replaced by the value of the neighbours.",
    )


def test_pixels_that_count_nothing_are_dead_on_even_ground_but_not_where_a_cluster_ends():
    pixels = noisy((80, 80), 1000.0, 1.0)
    pixels[30:50, 30:50] += 4000.0
    # twice the same lowest value: on the level, and beside a cluster where three of the neighbours are bright
    pixels[[10, 40], [60, 29]] = 900.0
    mended = repaired(pixels, 0.05)
    assert mended.said == ("1 dead pixel was replaced by the value of the neighbours.",)
    assert mended.image[10, 60] == pytest.approx(1000.0, abs=4)
    assert mended.image[40, 29] == 900.0


@pytest.mark.parametrize("unit", [1e-4, 1e5])
def test_the_unit_of_the_counts_changes_nothing(unit):
    bad = noisy((96, 96))
    bad[40] -= 80.0
    bad[:, 60] = 0.0
    bad[[10, 70], [20, 80]] = 9000.0
    first, other = repaired(bad, PIXEL_NM), repaired(bad * np.float32(unit), PIXEL_NM)
    assert other.said == first.said and len(first.said) == 2
    np.testing.assert_allclose(other.image / unit, first.image, rtol=1e-3)


# ---------------------------------------------------------------------- gaps


@pytest.mark.parametrize("place", [(0, 0), (30, 40)])
def test_a_single_gap_is_filled_with_what_is_around_it(place):
    pixels = np.full((64, 64), 7.0, dtype=np.float32)
    pixels[place] = np.nan
    filled, where = with_narrow_gaps_filled(pixels, PIXEL_NM)
    assert (filled == 7.0).all() and where.sum() == 1 and where[place]


def test_the_middle_of_a_gap_in_a_slope_is_filled_with_the_middle_of_its_sides():
    slope = np.repeat(np.arange(60, dtype=np.float32)[:, None], 50, axis=1)
    gap = slope.copy()
    gap[20:39] = np.nan  # 19 pixels of 0.005 nm: none farther than 0.05 nm from data
    filled, where = with_narrow_gaps_filled(gap, 0.005)
    assert where.sum() == 19 * 50
    assert filled[29, 25] == pytest.approx(29.0, abs=1e-3)
    gap[39:41] = np.nan
    assert not with_narrow_gaps_filled(gap, 0.005)[1].any()


def test_gaps_have_the_level_of_what_there_is_however_little_that_may_be():
    pixels = np.full((40, 40), np.nan)
    assert (without_gaps(pixels, 0.1) == 0).all()
    pixels[[3, 20, 35], [30, 2, 9]] = 4.0, 5.0, 90.0
    filled = without_gaps(pixels, 0.1)
    assert filled[np.isnan(pixels)] == pytest.approx(5.0) and filled[35, 9] == 90.0


# ---------------------------------------------------------------------- data bars and empty frames


def letters(height, width, grey, ink, apart=14):
    """A strip of one grey with strokes of ink on it, three pixels wide."""
    strip = np.full((height, width), grey, dtype=np.float32)
    for x in range(20, width - 20, apart):
        strip[6:-6, x : x + 3] = ink
        strip[height // 2 - 1 : height // 2 + 2, x : x + 9] = ink
    return strip


def test_a_strip_of_one_grey_is_a_data_bar_where_the_ink_on_it_is_of_one_grey_as_well():
    pixels = noisy((128, 160), 100.0, 10.0)
    pixels[:30] = letters(30, 160, 60.0, 140.0)
    covered = data_bars(pixels)
    assert covered[:30].all() and not covered[34:].any()
    assert (data_bars(pixels * 1e-3) == covered).all()
    # what stands on it is as uneven as clusters are
    ink = pixels[:30] == 140.0
    pixels[:30][ink] = np.random.default_rng(seeded(1)).uniform(80.0, 300.0, ink.sum())
    assert data_bars(pixels) is None


@pytest.mark.parametrize(("roughness", "is_bar"), [(0.1, True), (0.22, False)])
def test_a_data_bar_may_be_a_little_rough_as_jpeg_leaves_it(roughness, is_bar):
    """Its noise as a share of that of the image."""
    pixels = noisy((160, 500), 1000.0, 10.0)
    pixels[:30] = letters(30, 500, 600.0, 1500.0, apart=34)
    pixels[:30] += np.random.default_rng(seeded(2)).normal(0, 10.0 * roughness, (30, 500))
    assert (data_bars(pixels) is not None) == is_bar


def test_lines_that_were_never_scanned_are_left_out_in_the_middle_too():
    pixels = noisy()
    pixels[30:36] = 0.0
    expected = np.zeros(pixels.shape, dtype=bool)
    expected[30:36] = True
    assert (blank_frame(pixels) == expected).all()
    # three lines are no such area
    pixels[33:36] = noisy()[33:36]
    assert blank_frame(pixels) is None


def test_two_pixels_beside_an_empty_corner_are_left_out_with_it_and_no_third():
    pixels = noisy((80, 80))
    y, x = np.indices(pixels.shape)
    corner = y + x < 30
    pixels[corner] = 0.0
    assert (blank_frame(pixels) == (y + x < 32)).all()


# ---------------------------------------------------------------------- marks


def test_a_bar_of_the_highest_value_is_marked_and_a_line_or_a_square_is_not():
    pixels = noisy((100, 140))
    pixels[70:74, 30:80] = 200.0
    marked = burned_in(pixels)
    assert marked[70:74, 30:80].all() and not marked[:60].any() and not marked[:, 90:].any()
    for rows, cols in ((slice(70, 71), slice(30, 80)), (slice(70, 82), slice(30, 42))):
        pixels = noisy((100, 140))
        pixels[rows, cols] = 200.0
        assert burned_in(pixels) is None


@pytest.mark.parametrize("level", [0.0, 50_000.0])
def test_steps_too_steep_for_a_probe_are_marks_at_any_black_level(level):
    pixels = noisy((80, 80), level, 1.0)
    pixels[40:52, 30:33] = pixels[40:43, 33:40] = level + 1000.0
    marked = sharp_marks(pixels, 0.02)
    assert marked[40:52, 30:33].all() and not marked[:30].any()
    # coarse pixels have such steps of their own
    assert sharp_marks(pixels, 0.05) is None


# ---------------------------------------------------------------------- bright field, and how many


@pytest.mark.parametrize("pixel_nm", [0.02, 0.03, 0.05, 0.08, 0.1, 0.12])
def test_bright_field_is_recognised_at_every_pixel_size(pixel_nm):
    shape = int(15 / pixel_nm)
    pixels = field(pixel_nm, shape)
    codes = [[finding.code for finding in inspect(each, pixel_nm)] for each in (pixels, pixels.max() - pixels)]
    assert "bright_field" not in codes[0]
    assert "bright_field" in codes[1]


def test_larger_dark_particles_are_bright_field_too():
    y, x = np.indices((512, 512)) * 0.05
    pixels = np.random.default_rng(0).normal(1000, 60, y.shape)
    for cy, cx in np.random.default_rng(1).uniform(3, 22, (12, 2)):
        pixels[np.hypot(y - cy, x - cx) < 1.6] -= 400
    assert "bright_field" in [finding.code for finding in inspect(ndimage.gaussian_filter(pixels, 1), 0.05)]


@pytest.mark.slow
def test_as_many_clusters_as_there_are():
    """Small discs in thousands: more than a frame may once have had."""
    pixel_nm, step, n = 0.1, 20, 75
    y, x = np.indices((n * step, n * step))
    shift = np.random.default_rng(1).uniform(-3, 3, (2, n, n)).repeat(step, axis=1).repeat(step, axis=2)
    distance = np.hypot(y % step - step / 2 - shift[0], x % step - step / 2 - shift[1]) * pixel_nm
    pixels = ndimage.gaussian_filter(np.where(distance < 0.5, 500.0, 0.0), 0.8)
    pixels += np.random.default_rng(0).normal(1000, 20, pixels.shape)
    assert len(detect(pixels.astype(np.float32), pixel_nm).clusters.y_px) == n * n


def test_an_image_that_was_written_to_is_repaired_anew():
    rng = np.random.default_rng(seeded(0))
    image = rng.normal(100, 5, (128, 128)).astype(np.float32)
    for _ in range(2):
        assert repaired(image, 0.05).image is image and not repaired(image, 0.05).said
    image[40, 50] = 1e6
    for _ in range(2):
        again = repaired(image, 0.05)
        assert again.said and again.image[40, 50] < 200
    masked = np.ma.MaskedArray(image, np.zeros(image.shape, dtype=bool))
    assert repaired(masked, 0.05).image[40, 50] < 200
