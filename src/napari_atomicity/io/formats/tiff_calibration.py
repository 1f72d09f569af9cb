"""Where TIFF files keep their pixel size: DigitalMicrograph, OME, ImageJ, JEOL and FEI entries, in this order.

The resolution of the TIFF standard itself (dots per inch or per cm) belongs to printing: 72 dpi would be
353 µm a pixel. It counts only where an ImageJ description gives it a unit of its own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from napari_atomicity.io.formats._ome import Axis, OmeImage
from napari_atomicity.io.formats._xml import parse
from napari_atomicity.io.timing import entry, seconds, timing
from napari_atomicity.io.units import PixelCalibration, pixel_calibration, plain

_DM_UNIT: Final = (65003, 65004)
_DM_SCALE: Final = (65009, 65010)
#: ImageJ keeps the dots per inch of a picture as its calibration
_PRINT_UNITS: Final = frozenset({"inch", "inches", "in", "cm", "\\u00b0"})
#: titles that programs give to what has none
_NO_TITLE: Final = ("Image0", "Series 0", "Generic 0", "Uniform 0")


@dataclass(frozen=True)
class TiffDescription:
    """What a file says about its pages as a whole.

    Attributes
    ----------
    ome
        The images of its OME description, empty where it has none.
    imagej, fei
        Entries by their names.
    n_leading
        Axes beside y and x that it claims.
    acquisition
        What it tells about the instrument, JSON-serialisable.
    """

    ome: tuple[OmeImage, ...] = ()
    imagej: Mapping[str, Any] = field(default_factory=dict)
    fei: Mapping[str, Any] = field(default_factory=dict)
    n_leading: int = 1
    acquisition: Mapping[str, Any] = field(default_factory=dict)
    reader: str = ""

    @classmethod
    def of(cls, tif: Any, ome: list[OmeImage] | None) -> TiffDescription:
        """The description of an open file; entries that cannot be read are left out.

        Parameters
        ----------
        tif
            The open `tifffile.TiffFile`.
        ome
            Images of its OME description; None where it has none that is believed.
        """
        import tifffile

        imagej = {} if tif.is_ome else _entries(lambda: tif.imagej_metadata)
        fei = _entries(lambda: tif.fei_metadata)
        n_leading = _n_leading(tif.pages[0], ome or [], imagej)
        reader = f"tifffile {tifffile.__version__}"
        facts = {**_entries(lambda: _acquisition(tif)), **_entries(lambda: _timing(ome or [], imagej, fei))}
        return cls(tuple(ome or ()), imagej, fei, n_leading, facts, reader)

    def title(self, tif: Any, index: int) -> str:
        """Title of a series, empty where it has none.

        Parameters
        ----------
        tif
            The open `tifffile.TiffFile`.
        index
            Which series.
        """
        name = str(tif.series[index].name or "")
        if not self.ome and self.imagej:
            labels = self.imagej.get("Labels")
            name = labels if isinstance(labels, str) else ""
        return name if name not in _NO_TITLE else ""

    def channels(self, index: int, n_channels: int) -> tuple[str, ...]:
        """Names of the channels of a series; none where one of them has none.

        Parameters
        ----------
        index
            Which series.
        n_channels
            How many it has.
        """
        names: list[Any] = list(self.imagej.get("Labels") or []) if not self.ome else []
        if index < len(self.ome):
            names = list(self.ome[index].channels)
        return tuple(str(name) for name in names) if len(names) == n_channels and all(names) else ()

    def claims_more(self, n_frames: int) -> tuple[str, ...]:
        """A warning where an ImageJ description claims other frames than the `n_frames` that were found."""
        counts = [self.imagej.get(name, 1) for name in ("frames", "slices", "channels")]
        claimed = math.prod(count for count in counts if isinstance(count, int) and count > 0)
        if not self.imagej or claimed <= n_frames:
            return ()
        return (f"The ImageJ description of the file claims {_short(claimed)} images; {n_frames} are there.",)

    def calibration(self, page: Any, index: int, n_series: int) -> PixelCalibration:
        """Pixel size of a series.

        Parameters
        ----------
        page
            Its first page.
        index
            Which series; -1 for a page by itself.
        n_series
            How many series the file has.
        """
        doubts: PixelCalibration | None = None
        for source in (_digital_micrograph, self._ome(index, n_series), self._imagej, _jeol, self._fei):
            try:
                axes = source(page)
            except Exception:  # an odd entry costs the calibration, not the image
                continue
            if axes is None:
                continue
            calibration = axes if isinstance(axes, PixelCalibration) else pixel_calibration(*axes)
            if calibration.pixel_size_nm is not None or calibration.refusal:
                return calibration
            doubts = doubts or calibration
        return doubts or PixelCalibration()

    def _ome(self, index: int, n_series: int) -> Callable[[Any], PixelCalibration | tuple[Axis, Axis] | None]:
        """By its place among the images described, or by shape where only some of those are in this file."""

        def source(page: Any) -> PixelCalibration | tuple[Axis, Axis] | None:
            if n_series == len(self.ome) > 0:
                return self.ome[index].calibration
            shape = (int(page.imagelength), int(page.imagewidth))
            # none is in this file by name where it was renamed
            here = [image for image in self.ome if image.here] or self.ome
            alike = {image.calibration for image in here if image.sizes[3:] == shape}
            if len(alike) < 2:
                return alike.pop() if alike else None
            return PixelCalibration(
                warnings=(
                    "The OME description gives several pixel sizes for images of this shape, and does not tell which "
                    "is this one; enter the pixel size in nm.",
                )
            )

        return source

    def _imagej(self, page: Any) -> tuple[Axis, Axis] | None:
        if not self.imagej:
            return None
        unit = self.imagej.get("unit", "")
        if plain(unit).lower() in _PRINT_UNITS or 282 not in page.tags or 283 not in page.tags:
            return None
        x, y = (_per_pixel(page.tags[code].value) for code in (282, 283))
        return (y, self.imagej.get("yunit", unit)), (x, unit)

    def _fei(self, page: Any) -> tuple[Axis, Axis] | None:
        scan = self.fei.get("Scan", {})
        if not scan.get("PixelWidth"):
            return None
        return (scan.get("PixelHeight", scan["PixelWidth"]), "m"), (scan["PixelWidth"], "m")


def _digital_micrograph(page: Any) -> tuple[Axis, Axis] | None:
    if any(code not in page.tags for code in (*_DM_UNIT, *_DM_SCALE)):
        return None
    x, y = ((page.tags[scale].value, page.tags[unit].value) for scale, unit in zip(_DM_SCALE, _DM_UNIT, strict=True))
    return y, x


_SIDES: Final = ("Vertical", "Horizontal")


def _jeol(page: Any) -> tuple[Axis, Axis] | None:
    root = parse(page.description) if "TemReporter" in page.description[:500] else None
    if root is None or root.tag != "TemReporter":
        return None
    mode = root.findtext("ImageFormingSystem/ModeString", "")
    magnification = _float(root.findtext("ImageFormingSystem/SelectorValue", ""))
    density = root.find(".//ImageDataInformation/PixelsPerMeter")
    # in the scanning modes the entries belong to the camera and say nothing about the scan
    camera = root.findtext("Eos/EosMode") == "eosTEM" and mode == "MAG"
    if not magnification or density is None or not camera:
        return None
    sizes = [1.0 / (_float(density.findtext(side, "")) * magnification or math.nan) for side in _SIDES]
    return (sizes[0], "m"), (sizes[1], "m")


def _acquisition(tif: Any) -> dict[str, Any]:
    tags = tif.pages[0].tags
    names = {"Make": "make", "Model": "microscope", "Software": "software", "DateTime": "date"}
    return {name: str(tags[tag].value) for tag, name in names.items() if tag in tags and tags[tag].value}


def _timing(ome: list[OmeImage], imagej: Mapping[str, Any], fei: Mapping[str, Any]) -> dict[str, Any]:
    """Times and current; of several images of an OME description only what they agree in."""
    told = {image.interval for image in ome}
    interval = told.pop() if len(told) == 1 else seconds(imagej.get("finterval"), imagej.get("tunit") or "s")
    scan = fei.get("Scan", {})
    current = entry(fei, "EBeam", "BeamCurrent") or entry(fei, "Beam", "BeamCurrent")
    return timing(interval or scan.get("FrameTime"), scan.get("Dwelltime"), current)


def _entries(read: Callable[[], Any]) -> Mapping[str, Any]:
    try:
        found = read()
    except Exception:  # whatever is odd in them
        return {}
    return found if isinstance(found, Mapping) else {}


def _short(n: int) -> str:
    return str(n) if n < 10**12 else f"10^{math.floor(math.log10(n))}"


def _n_leading(page: Any, ome: list[OmeImage], imagej: Mapping[str, Any]) -> int:
    """How many axes beside y and x a file claims."""
    if ome:
        return max(sum(n > 1 for n in image.sizes[:3]) for image in ome)
    if imagej:
        counts = [imagej.get(name, 1) for name in ("frames", "slices", "channels")]
        return sum(isinstance(n, int) and n > 1 for n in counts)
    try:
        shape = json.loads(page.description)["shape"] if page.description.startswith('{"shape"') else []
        return max(1, sum(1 for n in shape if n > 1) - len(page.shape))
    except (ValueError, TypeError, KeyError, RecursionError):
        return 1


def _per_pixel(resolution: Any) -> float:
    pixels, units = resolution if isinstance(resolution, tuple) else (resolution, 1)
    return float(units) / float(pixels) if pixels else math.nan


def _float(text: str | None) -> float:
    try:
        return float(text or "")
    except ValueError:
        return 0.0
