"""Where TIFF files keep their pixel size: DigitalMicrograph, OME, ImageJ, JEOL and FEI entries, in this order.

The resolution of the TIFF standard itself (dots per inch or per cm) belongs to printing: 72 dpi would be
353 µm a pixel. It counts only where an ImageJ description gives it a unit of its own.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any, Final

from napari_atomicity.io.units import Calibration, calibrate, plain

_DM_UNIT: Final = (65003, 65004)
_DM_SCALE: Final = (65009, 65010)
#: ImageJ keeps the dots per inch of a picture as its calibration
_PRINT_UNITS: Final = frozenset({"inch", "inches", "in", "cm", "\\u00b0"})

Axis = tuple[object, object]


def of_series(tif: Any, index: int) -> Calibration:
    """Pixel size of the series `index` of an open `tifffile.TiffFile`."""
    doubts: Calibration | None = None
    for source in _SOURCES:
        axes = source(tif, index)
        if axes is None:
            continue
        found = calibrate(*axes)
        if found.pixel_size_nm is not None or found.refusal:
            return found
        doubts = doubts or found
    return doubts or Calibration()


def _digital_micrograph(tif: Any, index: int) -> tuple[Axis, Axis] | None:
    tags = tif.series[index].keyframe.tags
    if any(code not in tags for code in (*_DM_UNIT, *_DM_SCALE)):
        return None
    x, y = ((tags[scale].value, tags[unit].value) for scale, unit in zip(_DM_SCALE, _DM_UNIT, strict=True))
    return y, x


def _ome(tif: Any, index: int) -> tuple[Axis, Axis] | None:
    pixels = _ome_pixels(tif, index)
    if pixels is None or "PhysicalSizeX" not in pixels.attrib:
        return None
    # the unit is µm where OME-XML leaves it out
    x = (pixels.get("PhysicalSizeX"), pixels.get("PhysicalSizeXUnit", "µm"))
    return (pixels.get("PhysicalSizeY", x[0]), pixels.get("PhysicalSizeYUnit", x[1])), x


def _imagej(tif: Any, index: int) -> tuple[Axis, Axis] | None:
    if not tif.is_imagej or tif.is_ome:
        return None
    facts = tif.imagej_metadata or {}
    unit = facts.get("unit", "")
    tags = tif.series[index].keyframe.tags
    if plain(unit).lower() in _PRINT_UNITS or 282 not in tags or 283 not in tags:
        return None
    x, y = (_per_pixel(tags[code].value) for code in (282, 283))
    return (y, facts.get("yunit", unit)), (x, unit)


def _jeol(tif: Any, index: int) -> tuple[Axis, Axis] | None:
    root = _xml(tif.series[index].keyframe.description)
    if root is None or root.tag != "TemReporter":
        return None
    mode = root.findtext("ImageFormingSystem/ModeString", "")
    magnification = _float(root.findtext("ImageFormingSystem/SelectorValue", ""))
    density = root.find(".//ImageDataInformation/PixelsPerMeter")
    # in the scanning modes the entries belong to the camera and say nothing about the scan
    camera = root.findtext("Eos/EosMode") == "eosTEM" and mode == "MAG"
    if not magnification or density is None or not camera:
        return None
    sizes = [1.0 / (_float(density.findtext(side, "")) * magnification or float("nan")) for side in _SIDES]
    return (sizes[0], "m"), (sizes[1], "m")


_SIDES: Final = ("Vertical", "Horizontal")


def _fei(tif: Any, index: int) -> tuple[Axis, Axis] | None:
    scan = (getattr(tif, "fei_metadata", None) or {}).get("Scan", {})
    if not scan.get("PixelWidth"):
        return None
    return (scan.get("PixelHeight", scan["PixelWidth"]), "m"), (scan["PixelWidth"], "m")


_SOURCES: Final[tuple[Callable[[Any, int], tuple[Axis, Axis] | None], ...]] = (
    _digital_micrograph,
    _ome,
    _imagej,
    _jeol,
    _fei,
)


def ome_channel_names(tif: Any, index: int) -> list[str]:
    """Names of the channels of a series in OME-XML; empty strings where they have none."""
    pixels = _ome_pixels(tif, index)
    return [] if pixels is None else [node.get("Name", "") for node in pixels if node.tag.endswith("}Channel")]


def acquisition(tif: Any) -> dict[str, Any]:
    """What the file tells about the instrument, JSON-serialisable."""
    tags = tif.pages[0].tags
    names = {"Make": "make", "Model": "microscope", "Software": "software", "DateTime": "date"}
    return {name: str(tags[tag].value) for tag, name in names.items() if tag in tags and tags[tag].value}


def _ome_pixels(tif: Any, index: int) -> ET.Element | None:
    root = _xml(tif.ome_metadata) if tif.is_ome else None
    if root is None:
        return None
    pixels = [node for node in root.iter() if node.tag.endswith("}Pixels")]
    return pixels[index] if index < len(pixels) else None


def _xml(text: str | None) -> ET.Element | None:
    try:
        return ET.fromstring(text.strip("\x00 \r\n\t\x01")) if text and text.lstrip().startswith("<") else None
    except (ET.ParseError, ValueError):
        return None


def _per_pixel(resolution: Any) -> float:
    pixels, units = resolution if isinstance(resolution, tuple) else (resolution, 1)
    return float(units) / float(pixels) if pixels else float("nan")


def _float(text: str | None) -> float:
    try:
        return float(text or "")
    except ValueError:
        return 0.0
