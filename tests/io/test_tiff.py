from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_atomicity.errors import InputError
from napari_atomicity.io import list_images, read


def test_no_calibration_is_not_invented(tmp_path: Path, counts: np.ndarray) -> None:
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, counts)
    micrograph = read(path)
    assert micrograph.pixel_size_nm is None
    assert micrograph.name == "plain"
    assert "tifffile" in micrograph.provenance.reader
    np.testing.assert_array_equal(micrograph.data, counts)


@pytest.mark.parametrize("unit", ["INCH", "CENTIMETER"])
def test_printing_resolution_means_nothing(tmp_path: Path, counts: np.ndarray, unit: str) -> None:
    path = tmp_path / "dpi.tif"
    tifffile.imwrite(path, counts, resolution=(72, 72), resolutionunit=unit)
    assert read(path).pixel_size_nm is None


def test_imagej_keeps_inches_as_a_unit(tmp_path: Path, counts: np.ndarray) -> None:
    path = tmp_path / "inch.tif"
    tifffile.imwrite(path, counts, imagej=True, resolution=(72, 72), metadata={"unit": "inch"})
    assert read(path).pixel_size_nm is None


@pytest.mark.parametrize(("unit", "per_unit"), [("nm", 50), ("micron", 50e3), ("\\u00B5m", 50e3), ("pm", 0.05)])
def test_imagej(tmp_path: Path, counts: np.ndarray, unit: str, per_unit: float) -> None:
    path = tmp_path / "ij.tif"
    tifffile.imwrite(path, counts, imagej=True, resolution=(per_unit, per_unit), metadata={"unit": unit})
    assert read(path).pixel_size_nm == pytest.approx(0.02)


def test_ome(tmp_path: Path, counts: np.ndarray) -> None:
    path = tmp_path / "frame.ome.tif"
    sizes = {"PhysicalSizeX": 0.2, "PhysicalSizeXUnit": "Å", "PhysicalSizeY": 2e-5, "PhysicalSizeYUnit": "µm"}
    tifffile.imwrite(path, counts, ome=True, metadata={"axes": "YX", **sizes})
    micrograph = read(path)
    assert micrograph.pixel_size_nm == pytest.approx(0.02)
    assert micrograph.name == "frame"


def _dm_tags(scale: float, unit: str) -> list[tuple[int, str, int, object, bool]]:
    units = [(code, "s", 0, unit, True) for code in (65003, 65004)]
    return [*units, *[(code, "d", 1, scale, True) for code in (65009, 65010)]]


def test_digital_micrograph_tags_come_before_the_72_dpi(tmp_path: Path, counts: np.ndarray) -> None:
    path = tmp_path / "dm.tif"
    tifffile.imwrite(
        path, counts, metadata=None, resolution=(72, 72), resolutionunit="INCH", extratags=_dm_tags(-0.02, "nm")
    )
    assert read(path).pixel_size_nm == pytest.approx(0.02)


def test_digital_micrograph_without_unit_is_not_calibrated(tmp_path: Path, counts: np.ndarray) -> None:
    path = tmp_path / "dm.tif"
    tifffile.imwrite(path, counts, metadata=None, extratags=_dm_tags(1.0, ""))
    assert read(path).pixel_size_nm is None


def test_saved_display_8_bit_palette_lzw(tmp_path: Path) -> None:
    indices = np.arange(256, dtype=np.uint8).reshape(16, 16)
    ramp = np.arange(256, dtype=np.uint16) * 257
    path = tmp_path / "display.tif"
    tifffile.imwrite(path, indices, photometric="palette", colormap=np.stack([ramp] * 3), compression="lzw")
    micrograph = read(path)
    assert micrograph.data.dtype == np.uint8
    assert not micrograph.warnings
    np.testing.assert_array_equal(micrograph.data, indices)


def test_palette_of_false_colours(tmp_path: Path) -> None:
    indices = np.arange(256, dtype=np.uint8).reshape(16, 16)
    ramp = np.arange(256, dtype=np.uint16) * 257
    path = tmp_path / "fire.tif"
    tifffile.imwrite(path, indices, photometric="palette", colormap=np.stack([ramp, ramp[::-1], ramp // 2]))
    micrograph = read(path)
    np.testing.assert_array_equal(micrograph.data, indices)
    assert "false-colour" in micrograph.warnings[0]


def test_white_is_zero(tmp_path: Path) -> None:
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    path = tmp_path / "negative.tif"
    tifffile.imwrite(path, image, photometric="miniswhite")
    np.testing.assert_array_equal(read(path).data, 255 - image)


@pytest.mark.parametrize(
    "image",
    [
        np.linspace(0, 2.7e6, 64).astype(np.uint32).reshape(8, 8),
        np.linspace(0, 1.4e8, 64).astype(np.float32).reshape(8, 8),
        np.linspace(-300, 300, 64).astype(np.int16).reshape(8, 8),
        np.linspace(0, 1, 64).astype(np.float64).reshape(8, 8),
        np.linspace(0, 60000, 64).astype(">u2").reshape(8, 8),
        np.linspace(0, 60000, 64).astype(">f4").reshape(8, 8),
    ],
    ids=lambda image: str(image.dtype),
)
def test_values_and_type_stay_as_stored(tmp_path: Path, image: np.ndarray) -> None:
    path = tmp_path / "typed.tif"
    tifffile.imwrite(path, image, byteorder=image.dtype.str[0] if image.dtype.byteorder == ">" else None)
    data = read(path).data
    np.testing.assert_array_equal(data, image)
    assert data.dtype == image.dtype.newbyteorder("=")
    assert data.dtype.isnative


def test_rows_without_numbers_are_kept(tmp_path: Path, counts: np.ndarray) -> None:
    image = counts.astype(np.float32)
    image[5] = np.nan
    path = tmp_path / "nan.tif"
    tifffile.imwrite(path, image)
    micrograph = read(path)
    assert not micrograph.refusal
    np.testing.assert_array_equal(micrograph.data, image)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.full((8, 8), 513, np.uint16), "same value (513)"),
        (np.full((8, 8), np.nan, np.float32), "only NaN"),
        (np.eye(8, dtype=bool), "mask"),
    ],
)
def test_what_can_be_shown_but_not_counted(tmp_path: Path, image: np.ndarray, said: str) -> None:
    path = tmp_path / "odd.tif"
    tifffile.imwrite(path, image)
    assert said in read(path).refusal


def test_complex_numbers_are_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "fft.tif"
    tifffile.imwrite(path, np.ones((8, 8), np.complex64))
    with pytest.raises(InputError, match="Fourier"):
        read(path)


# ---------------------------------------------------------------------- stacks


@pytest.mark.parametrize(
    "options",
    [
        {"metadata": {"axes": "TYX"}},
        {"metadata": {"axes": "TYX"}, "compression": "zlib", "rowsperstrip": 4},
        {"metadata": {"axes": "TYX"}, "byteorder": ">"},
        {"metadata": {"axes": "TYX", "unit": "nm"}, "imagej": True, "resolution": (50, 50)},
        {"metadata": {"axes": "ZYX"}, "ome": True},
        {"metadata": None},
        {"photometric": "minisblack"},
    ],
    ids=["plain", "compressed", "big-endian", "imagej", "ome", "pages", "guessed"],
)
@pytest.mark.parametrize("n_frames", [3, 4, 7])
def test_stacks_open_as_t_y_x_lazily(tmp_path: Path, counts: np.ndarray, options: dict, n_frames: int) -> None:
    frames = np.stack([counts + 1000 * t for t in range(n_frames)]).astype(np.uint16)
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, frames, **{"photometric": "minisblack", **options})
    micrograph = read(path)
    assert micrograph.data.shape == frames.shape
    assert micrograph.data.chunks == (1, 24, 32)
    assert micrograph.data.dtype == np.uint16
    np.testing.assert_array_equal(micrograph.data.compute(), frames)
    np.testing.assert_array_equal(micrograph.frame(2), frames[2])


def test_only_the_frame_that_is_needed_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_atomicity.io.formats._tiff_frames import PageFrames

    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.arange(5 * 64, dtype=np.uint16).reshape(5, 8, 8), compression="zlib")
    asked: list[int] = []
    page = PageFrames.page
    monkeypatch.setattr(PageFrames, "page", lambda self, tif, t: (asked.append(t), page(self, tif, t))[1])
    micrograph = read(path)
    assert asked == []
    micrograph.frame(3)
    assert asked == [3]


def test_colour_frames_are_not_a_time_axis(tmp_path: Path, counts: np.ndarray) -> None:
    grey = (counts // 8).astype(np.uint8)
    path = tmp_path / "rgb.tif"
    tifffile.imwrite(path, np.stack([grey] * 3, axis=-1), photometric="rgb")
    micrograph = read(path)
    assert micrograph.data.shape == (24, 32)
    assert not micrograph.refusal
    np.testing.assert_array_equal(micrograph.data, grey)


def test_stack_of_colour_frames(tmp_path: Path, counts: np.ndarray) -> None:
    grey = np.stack([(counts // 8 + t).astype(np.uint8) for t in range(4)])
    path = tmp_path / "rgb_stack.tif"
    tifffile.imwrite(path, np.stack([grey] * 3, axis=-1), photometric="rgb", metadata={"axes": "TYXS"})
    micrograph = read(path)
    np.testing.assert_array_equal(micrograph.data.compute(), grey)


def test_planar_colour_with_transparency(tmp_path: Path, counts: np.ndarray) -> None:
    grey = (counts // 8).astype(np.uint8)
    path = tmp_path / "rgba.tif"
    rgba = np.stack([grey, grey, grey, np.full_like(grey, 255)])
    tifffile.imwrite(path, rgba, photometric="rgb", planarconfig="separate", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(read(path).data, grey)


def test_a_colour_photograph_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "holiday.tif"
    tifffile.imwrite(path, np.random.default_rng(1).integers(0, 255, (16, 16, 3), np.uint8), photometric="rgb")
    micrograph = read(path)
    assert micrograph.data.shape == (16, 16)
    assert "colour" in micrograph.refusal


@pytest.mark.parametrize("kind", ["imagej", "ome"])
def test_named_channels_are_images_of_their_own(tmp_path: Path, counts: np.ndarray, kind: str) -> None:
    names = {"imagej": {"Labels": ["BF", "HAADF"]}, "ome": {"Channel": {"Name": ["BF", "HAADF"]}}}[kind]
    path = tmp_path / "channels.tif"
    tifffile.imwrite(path, np.stack([counts // 2, counts]), metadata={"axes": "CYX", **names}, **{kind: True})
    micrograph = read(path)
    assert micrograph.provenance.title == "HAADF"
    np.testing.assert_array_equal(micrograph.data, counts)
    np.testing.assert_array_equal(read(path, image=0).data, counts // 2)
    assert "bright-field" in read(path, image=0).refusal


def test_several_pages_of_different_size(tmp_path: Path, counts: np.ndarray) -> None:
    path = tmp_path / "pages.tif"
    with tifffile.TiffWriter(path) as tif:
        tif.write(counts[:8, :8], metadata=None)
        tif.write(counts, metadata=None)
    assert [info.shape for info in list_images(path)] == [(8, 8), (24, 32)]
    assert read(path).shape_yx == (24, 32)


def test_five_axes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "hyper.tif"
    tifffile.imwrite(path, np.zeros((3, 2, 8, 8), np.uint16), imagej=True, metadata={"axes": "TZYX"})
    with pytest.raises(InputError, match="4 axes"):
        read(path)


# ---------------------------------------------------------------------- damage


@pytest.mark.parametrize("options", [{}, {"compression": "zlib", "rowsperstrip": 4}], ids=["plain", "compressed"])
@pytest.mark.parametrize("n_frames", [1, 5])
def test_cut_short(tmp_path: Path, counts: np.ndarray, options: dict, n_frames: int) -> None:
    path = tmp_path / "cut.tif"
    frames = counts if n_frames == 1 else np.stack([counts] * n_frames)
    tifffile.imwrite(path, frames, photometric="minisblack", **options)
    whole = path.read_bytes()
    for share in (0.9, 0.5, 0.02):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(InputError, match=r"cut\.tif is damaged, cut short"):
            read(path)


def test_something_else_called_tif(tmp_path: Path) -> None:
    path = tmp_path / "letter.tif"
    path.write_text("Dear reader,")
    with pytest.raises(InputError, match="not a TIFF"):
        read(path)


def test_jeol_sightx(tmp_path: Path, counts: np.ndarray) -> None:
    xml = (
        '<?xml version="1.0"?><TemReporter><Eos><EosMode>{mode}</EosMode></Eos><ImageFormingSystem>'
        "<ModeString>MAG</ModeString><SelectorValue>20000000</SelectorValue></ImageFormingSystem>"
        "<A><ImageDataInformation><PixelsPerMeter><Horizontal>2500</Horizontal><Vertical>2500</Vertical>"
        "</PixelsPerMeter></ImageDataInformation></A></TemReporter>"
    )
    path = tmp_path / "jeol.tif"
    tifffile.imwrite(path, counts, description=xml.format(mode="eosTEM"), metadata=None)
    assert read(path).pixel_size_nm == pytest.approx(0.02)
    tifffile.imwrite(path, counts, description=xml.format(mode="modeASID"), metadata=None)
    assert read(path).pixel_size_nm is None


def test_a_zero_resolution(tmp_path: Path, counts: np.ndarray) -> None:
    path = tmp_path / "zero.tif"
    tifffile.imwrite(path, counts, imagej=True, resolution=(1, 1), metadata={"unit": "nm"})
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        for code in (282, 283):
            at = tif.pages[0].tags[code].valueoffset
            content[at : at + 8] = struct.pack(tif.byteorder + "II", 0, 1)
    path.write_bytes(content)
    assert read(path).pixel_size_nm is None


# ---------------------------------------------------------------------- what a file claims


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(
    ("description", "said"),
    [
        ('{"shape": [3, 24, 32]}', "it claims 3 pages, there are 2"),
        ('{"shape": [3, 24, 32], "axes": "CYX"}', "it claims 3 pages, there are 2"),
        ('{"shape": [1000000000000, 24, 32]}', "it claims 1000000000000 pages, there are 2"),
        ('{"shape": [240, 320]}', "it claims 100 pages, there are 2"),
        ('{"shape": [24, 31]}', "it claims 24 × 31 pixels, a page has 24 × 32"),
        ("shape=(1000000, 24, 32)", "it claims 1000000 pages, there are 2"),
        ('{"shape": [-2, 24, 32]}', "no shape that an image can have"),
        ('{"shape": "many"}', "no shape that an image can have"),
        ('{"shape": 1e400}', "no shape that an image can have"),
        ('{"shape": [2, 24, 32]}', ""),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_description_of_tifffile_is_held_against_the_pages(
    tmp_path: Path, counts: np.ndarray, description: str, said: str, compression: str | None
) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tif:
        for t in range(2):
            about = description if t == 0 else None
            tif.write(counts + t, description=about, metadata=None, compression=compression)
    micrograph = read(path)
    np.testing.assert_array_equal(np.asarray(micrograph.data), [counts, counts + 1])
    assert said in " ".join(micrograph.warnings)
    assert bool(said) == bool(micrograph.warnings)


def test_frames_that_follow_one_page(tmp_path: Path, counts: np.ndarray) -> None:
    path = tmp_path / "a.tif"
    frames = np.stack([counts, counts + 1, counts + 2])
    tifffile.imwrite(path, frames, photometric="minisblack", truncate=True)
    np.testing.assert_array_equal(np.asarray(read(path).data), frames)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(InputError, match="cut short"):
        read(path)


def test_the_description_of_a_later_image_is_held_against_its_pages(tmp_path: Path, counts: np.ndarray) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tif:
        tif.write(counts)
        tif.write(counts[:20], description='{"shape": [700, 20, 32]}', metadata=None)
    micrograph = read(path)
    np.testing.assert_array_equal(micrograph.data, counts)
    assert "it claims 700 pages, there is 1" in micrograph.warnings[0]
    assert list_images(path)[1].shape == (20, 32)


_OME = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
    '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="{x}" SizeY="24" SizeC="1" SizeT="{t}" SizeZ="1" '
    'PhysicalSizeX="{size}" PhysicalSizeXUnit="nm">{data}</Pixels></Image></OME>'
)


def _ome(path: Path, counts: np.ndarray, **claims: object) -> Path:
    text = _OME.format(**{"x": 32, "t": 1, "size": 0.02, "data": "<TiffData/>", **claims})
    tifffile.imwrite(path, counts, description=text, metadata=None)
    return path


@pytest.mark.parametrize(
    ("claims", "said", "size"),
    [
        ({}, "", 0.02),
        ({"t": 1_000_000}, "1000000 pages, there is 1 page", 0.02),
        ({"x": 1_000_000}, "24 × 1000000 pixels, they have 24 × 32", None),
        ({"t": -1}, "cannot be read", None),
        ({"t": "9" * 5000}, "cannot be read", None),
        ({"size": "9" * 5000}, "", None),
        ({"size": "1e400"}, "", None),
        ({"data": '<TiffData IFD="0" PlaneCount="1000000000"/>'}, "pages beyond the 1", 0.02),
        ({"data": "<TiffData/>" * 1000}, "pages beyond the 1", 0.02),
        ({"data": "<a>" * 5000 + "</a>" * 5000}, "cannot be read", None),
        ({"data": '<TiffData><UUID FileName="/dev/zero">urn:uuid:1</UUID></TiffData>'}, "other files", 0.02),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_ome_description_is_held_against_the_pages(
    tmp_path: Path, counts: np.ndarray, claims: dict, said: str, size: float | None
) -> None:
    micrograph = read(_ome(tmp_path / "frame.ome.tif", counts, **claims))
    np.testing.assert_array_equal(micrograph.data, counts)
    assert micrograph.pixel_size_nm == (None if size is None else pytest.approx(size))
    assert said in " ".join(micrograph.warnings)


def test_an_ome_description_with_definitions_of_its_own(tmp_path: Path, counts: np.ndarray) -> None:
    entities = "".join(f'<!ENTITY l{k} "{f"&l{k - 1};" * 10 if k else "lol"}">' for k in range(10))
    text = _OME.format(x=32, t=1, size=0.02, data="&l9;").replace("<OME", f"<!DOCTYPE l [{entities}]><OME", 1)
    tifffile.imwrite(tmp_path / "a.ome.tif", counts, description=text, metadata=None)
    np.testing.assert_array_equal(read(tmp_path / "a.ome.tif").data, counts)


def test_each_file_of_several_has_its_own_pixel_size(tmp_path: Path, counts: np.ndarray) -> None:
    one = _OME.format(
        x=32, t=1, size="{size}", data='<TiffData><UUID FileName="{name}">urn:uuid:{name}</UUID></TiffData>'
    )
    image = one[one.index("<Image") : one.index("</OME>")]
    both = image.format(size=0.02, name="a.ome.tif") + image.format(size=0.05, name="b.ome.tif")
    for name, frame in (("a.ome.tif", counts), ("b.ome.tif", counts + 1)):
        text = one[: one.index("<Image")].replace("<OME", f'<OME UUID="urn:uuid:{name}"') + both + "</OME>"
        tifffile.imwrite(tmp_path / name, frame, description=text, metadata=None)
    for name, frame, size in (("a.ome.tif", counts, 0.02), ("b.ome.tif", counts + 1, 0.05)):
        micrograph = read(tmp_path / name)
        assert micrograph.pixel_size_nm == pytest.approx(size)
        np.testing.assert_array_equal(micrograph.data, frame)
        assert "other files belong to it" in " ".join(micrograph.warnings)


@pytest.mark.parametrize(
    "text",
    [
        "ImageJ=1.53k\nimages=1000000\nframes=1000000\n",
        "ImageJ=1.53k\nimages=-3\nframes=-3\nslices=0\n",
        "ImageJ=1.53k\nimages=" + "9" * 5000 + "\nmin=inf\nmax=nan\n",
        '{"shape": ' + "[" * 20_000 + "]" * 20_000 + "}",
        '{"shape": ["a", null, 1e400]}',
        '{"shape": [-1, 24, 32]}',
    ],
    ids=["many", "negative", "digits", "deep", "odd", "less than none"],
)
def test_an_odd_description_costs_no_image(tmp_path: Path, counts: np.ndarray, text: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", counts, description=text, metadata=None)
    micrograph = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(micrograph.data, counts)
    assert micrograph.pixel_size_nm is None
    assert not text.startswith("ImageJ=1.53k\nimages=10") or "claims 1000000 images; 1 are there" in " ".join(
        micrograph.warnings
    )


@pytest.mark.parametrize("value", ["9" * 5000, "inf", "abc", "[1, 2]", ""])
def test_odd_entries_of_the_microscope_cost_only_the_pixel_size(tmp_path: Path, counts: np.ndarray, value: str) -> None:
    text = f"[Scan]\r\nPixelWidth={value}\r\nPixelHeight={value}\r\n"
    tifffile.imwrite(tmp_path / "a.tif", counts, metadata=None, extratags=[(34682, "s", 0, text, True)])
    np.testing.assert_array_equal(read(tmp_path / "a.tif").data, counts)
    assert read(tmp_path / "a.tif").pixel_size_nm is None


def _pages(path: Path, frames: list[np.ndarray]) -> Path:
    with tifffile.TiffWriter(path) as tif:
        for frame in frames:
            tif.write(frame, metadata=None, contiguous=False)
    return path


def test_a_chain_of_pages_that_leads_back(tmp_path: Path, counts: np.ndarray) -> None:
    path = _pages(tmp_path / "ring.tif", [counts, counts + 1, counts + 2])
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        first, *_, last = (page.offset for page in tif.pages)
    (n_tags,) = struct.unpack_from("<H", content, last)
    struct.pack_into("<I", content, last + 2 + 12 * n_tags, first)
    path.write_bytes(content)
    micrograph = read(path)
    np.testing.assert_array_equal(micrograph.data[2], counts + 2)
    assert micrograph.n_frames == 3
    assert "leads back" in micrograph.warnings[0]


@pytest.mark.parametrize("options", [{}, {"ome": True}, {"imagej": True}], ids=["plain", "ome", "imagej"])
def test_many_pages_are_put_together_by_how_they_are_stored(
    tmp_path: Path, counts: np.ndarray, options: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_atomicity.io.formats.tiff._MANY", 10)
    frames = np.stack([counts + t for t in range(12)])
    tifffile.imwrite(tmp_path / "a.tif", frames, photometric="minisblack", compression="zlib", **options)
    micrograph = read(tmp_path / "a.tif")
    np.testing.assert_array_equal(np.asarray(micrograph.data), frames)
    assert not micrograph.warnings


def test_many_pages_of_several_kinds(tmp_path: Path, counts: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_atomicity.io.formats.tiff._MANY", 10)
    small = [counts[:20, :20] + t for t in range(5)]
    path = _pages(tmp_path / "a.tif", [page for t in range(5) for page in (small[t], counts + t)] + [counts > 900])
    assert [info.shape for info in list_images(path)] == [(5, 20, 20), (5, 24, 32), (24, 32)]
    np.testing.assert_array_equal(read(path, image=0).data[3], small[3])
    np.testing.assert_array_equal(read(path, image=1).data[4], counts + 4)


def test_pages_of_too_many_kinds_are_not_all_listed(
    tmp_path: Path, counts: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_atomicity.io.formats.tiff._MOST_IMAGES", 3)
    infos = list_images(_pages(tmp_path / "a.tif", [counts[: 24 - k] for k in range(5)]))
    assert len(infos) == 4
    assert "2 more images" in infos[-1].why_not


@pytest.mark.parametrize("copy_first", [True, False])
def test_an_image_and_its_display_copy_share_a_pixel_size(tmp_path: Path, counts: np.ndarray, copy_first: bool) -> None:
    copy = (counts // 8).astype(np.uint8)
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tif:
        for k, frame in enumerate((copy, counts) if copy_first else (counts, copy)):
            tif.write(frame, metadata=None, extratags=_dm_tags(0.02, "nm") if k == 0 else ())
        tif.write(counts[:12], metadata=None)
    micrograph = read(path)
    np.testing.assert_array_equal(micrograph.data, counts)
    assert [info.pixel_size_nm for info in list_images(path)] == [pytest.approx(0.02), pytest.approx(0.02), None]
    assert ("this one gives none" in " ".join(micrograph.warnings)) == copy_first


def test_one_bad_page_does_not_lose_the_others(tmp_path: Path, counts: np.ndarray) -> None:
    path = _pages(tmp_path / "a.tif", [counts[:20], counts])
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        where = tif.pages[0].tags[273].valueoffset
    struct.pack_into("<I", content, where, 2**31)  # the strip of the first page lies beyond the end
    path.write_bytes(content)
    micrograph = read(path)
    np.testing.assert_array_equal(micrograph.data, counts)
    assert "Image 0 is left out" in " ".join(micrograph.warnings)


@pytest.mark.parametrize("code", [256, 257, 259, 262, 277, 278])
def test_several_numbers_where_one_belongs(tmp_path: Path, counts: np.ndarray, code: int) -> None:
    path = _pages(tmp_path / "a.tif", [counts[:20], counts])
    whole = path.read_bytes()
    with tifffile.TiffFile(path) as tif:
        places = [page.tags[code].offset for page in tif.pages if code in page.tags]
    for broken in ((1,), (0, 1)):
        content = bytearray(whole)
        for k in broken:
            struct.pack_into("<I", content, places[k] + 4, 2)
        path.write_bytes(content)
        if len(broken) == 1:
            np.testing.assert_array_equal(read(path).data, counts[:20])
        else:
            with pytest.raises(InputError, match=r"a\.tif is damaged"):
                read(path)


@pytest.mark.parametrize("code", [256, 258, 259, 277])
@pytest.mark.parametrize("kind", [2, 5, 11], ids=["text", "fraction", "floating point"])
def test_another_kind_where_a_whole_number_belongs(tmp_path: Path, counts: np.ndarray, code: int, kind: int) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, counts, metadata=None)
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        struct.pack_into("<H", content, tif.pages[0].tags[code].offset + 2, kind)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.tif is damaged"):
        read(path)


def test_samples_of_different_bits(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.ones((3, 20, 30), np.uint8), photometric="rgb", planarconfig="separate", metadata=None)
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        struct.pack_into("<3H", content, tif.pages[0].tags[258].valueoffset, 8, 16, 8)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.tif"):
        read(path)


@pytest.mark.parametrize("at", [10**6, 2**62, 2**63, 2**64 - 1])
def test_a_page_beyond_the_end(tmp_path: Path, counts: np.ndarray, at: int) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, counts, bigtiff=True)
    content = bytearray(path.read_bytes())
    struct.pack_into("<Q", content, 8, at)
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"page 0 should lie at byte {at}"):
        read(path)


@pytest.mark.parametrize("code", [256, 257])
def test_an_image_without_pixels(tmp_path: Path, counts: np.ndarray, code: int) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, counts, metadata=None)
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        struct.pack_into("<H", content, tif.pages[0].tags[code].valueoffset, 0)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.tif"):
        read(path)


def test_far_more_pixels_than_the_page_can_hold_are_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.tif"
    tifffile.imwrite(path, np.zeros((16, 16), np.uint8), compression="zlib", metadata=None)
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        for code in (256, 257):
            tag = tif.pages[0].tags[code]
            struct.pack_into("<H", content, tag.valueoffset, 30_000)
    path.write_bytes(content)
    assert "30000 × 30000 pixels (900 MB)" in list_images(path)[0].why_not


def test_an_unknown_packing_is_named(tmp_path: Path, counts: np.ndarray) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, counts, metadata=None)
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        struct.pack_into("<H", content, tif.pages[0].tags[259].valueoffset, 12345)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"packed in a way \(12345\)"):
        read(path)


def test_listing_reads_no_pixels(tmp_path: Path, counts: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.stack([(counts // 8).astype(np.uint8)] * 3, axis=-1), photometric="rgb")
    monkeypatch.setattr(tifffile.TiffPage, "asarray", lambda *_, **__: pytest.fail("pixels were read"))
    assert list_images(path)[0].shape == (24, 32)


def test_every_bit_of_the_directory_may_flip(tmp_path: Path, counts: np.ndarray) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, counts[:4, :4], metadata=None)
    whole = path.read_bytes()
    for at in np.random.default_rng(7).integers(0, 8 * (len(whole) - 32), 150):
        flipped = bytearray(whole)
        flipped[at // 8] ^= 1 << (at % 8)
        path.write_bytes(flipped)
        try:
            np.asarray(read(path).data)
        except InputError as error:
            assert "a.tif" in str(error)


def test_one_piece_of_a_page_many_times_keeps_no_more_than_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bomb.tif"
    rows, side = 64, 40960
    tifffile.imwrite(path, np.zeros((side // rows, side), np.uint8), compression="zlib", rowsperstrip=1, metadata=None)
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        tags = tif.pages[0].tags
        at, length = tags[273].value[0], len(content)
        for code, value in ((273, at), (279, 1_000_000)):
            struct.pack_into(f"<{side // rows}I", content, tags[code].valueoffset, *[value] * (side // rows))
            struct.pack_into("<H", content, tags[code].offset + 2, 4)
        for code, value in ((257, side), (278, rows)):
            struct.pack_into("<HII", content, tags[code].offset + 2, 4, 1, value)
    path.write_bytes(content + bytes(max(0, at + 1_000_000 - length)))
    with pytest.raises(InputError, match=r"it claims 40960 × 40960 pixels \(1.68 GB\)"):
        read(path)
