"""What an OME description says about the images of a TIFF file, and whether the file bears it out."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from napari_atomicity.io.formats._xml import parse
from napari_atomicity.io.timing import seconds

Axis = tuple[object, object]

_SIZES: Final = ("SizeT", "SizeC", "SizeZ", "SizeY", "SizeX")
_PLACES: Final = ("IFD", "FirstT", "FirstC", "FirstZ", "PlaneCount", "NumPlanes")


@dataclass(frozen=True)
class OmeImage:
    """One image of the description.

    Attributes
    ----------
    sizes
        Along t, c, z, y and x.
    pixels
        The attributes of the element Pixels, as written.
    channels
        Names of the channels, empty where they have none.
    samples
        Samples of a pixel, such as the three colours, that count as channels.
    here, others
        Whether pixels of it lie in this file, and in other ones.
    places
        The greatest number of a page that is named, and of entries that name pages.
    interval
        Seconds from frame to frame; None where they are not told.
    """

    name: str
    sizes: tuple[int, ...]
    pixels: Mapping[str, str]
    channels: tuple[str, ...]
    samples: int
    here: bool
    others: bool
    places: int
    interval: float | None = None

    @property
    def calibration(self) -> tuple[Axis, Axis] | None:
        """Scale and unit along y and x; None where it gives none."""
        size = self.pixels.get("PhysicalSizeX")
        if size is None:
            return None
        # the unit is µm where it is left out
        x = (size, self.pixels.get("PhysicalSizeXUnit", "µm"))
        return (self.pixels.get("PhysicalSizeY", x[0]), self.pixels.get("PhysicalSizeYUnit", x[1])), x

    @property
    def planes(self) -> int:
        """Pages that it takes."""
        t, c, z, *_ = self.sizes
        return t * z * max(1, c // max(1, self.samples))


def read_ome(text: str | None, filename: str) -> list[OmeImage] | None:
    """The images that an OME description tells of.

    Parameters
    ----------
    text
        The description.
    filename
        Of the file that it stands in.

    Returns
    -------
    None where it is not an OME description that can be read.
    """
    root = parse(text)
    if root is None or _name(root) != "OME":
        return None
    images = []
    for element in root.iter():
        if _name(element) != "Image":
            continue
        for pixels in element:
            if _name(pixels) == "Pixels":
                image = _image(str(element.get("Name") or ""), pixels, (root.get("UUID"), filename.lower()))
                if image is None:
                    return None
                images.append(image)
    return images or None


def why_not_borne_out(images: list[OmeImage], n_pages: int, shape_yx: tuple[int, int]) -> str:
    """Where the file holds something else than its description claims: what, in words; empty where they agree.

    Parameters
    ----------
    images
        Of the description.
    n_pages
        Pages that the file has.
    shape_yx
        Of its pages, in pixels.
    """
    if any(image.others for image in images):
        return "other files belong to it"
    claimed = sum(image.planes for image in images)
    if claimed > n_pages:
        return f"it claims {_pages(claimed)}, there {'is' if n_pages == 1 else 'are'} {_pages(n_pages)}"
    y, x = shape_yx
    if all(image.sizes[3:] != (y, x) for image in images):
        wide = images[0].sizes[:2:-1]
        return f"it claims images of {wide[1]} × {wide[0]} pixels, they have {y} × {x}"
    if any(image.places > n_pages for image in images):
        return f"it names pages beyond the {n_pages} there are"
    return ""


def _image(name: str, pixels: ET.Element, here: tuple[str | None, str]) -> OmeImage | None:
    try:
        sizes = tuple(_whole(pixels.get(key, "")) for key in _SIZES)
        inner = [node for node in pixels if _name(node) == "Channel"]
        samples = _whole(inner[0].get("SamplesPerPixel", "1")) if inner else 1
        data = [node for node in pixels if _name(node) == "TiffData"]
        places = max((_whole(node.get(key, "0")) for node in data for key in _PLACES), default=0)
        places = max(places, len(data) - 1)
    except ValueError:
        return None
    if min(sizes) < 1:
        return None
    uuids = [node for part in data for node in part if _name(node) == "UUID"]
    ours = [node.text == here[0] or node.get("FileName", "").lower() == here[1] for node in uuids]
    names = tuple(node.get("Name", "") for node in inner)
    ours_and_others = (any(ours) or not ours, not all(ours))
    return OmeImage(name, sizes, dict(pixels.attrib), names, samples, *ours_and_others, places, _interval(pixels))


def _interval(pixels: ET.Element) -> float | None:
    """Seconds from frame to frame: the increment, or else the median way between the times of the planes."""
    told = seconds(pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s"))
    if told is not None:
        return told
    times: dict[str, float] = {}
    for node in pixels:
        number = seconds(node.get("DeltaT"), node.get("DeltaTUnit", "s")) if _name(node) == "Plane" else None
        if number is not None:
            times.setdefault(node.get("TheT", ""), number)
    ordered = sorted(times.values())
    ways = sorted(late - early for early, late in pairwise(ordered) if late > early)
    return ways[len(ways) // 2] if ways else None


def _whole(text: str) -> int:
    if len(text) > 12:
        raise ValueError(text[:12])
    return int(text)


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _pages(n: int) -> str:
    return f"{n} page{'s' * (n != 1)}"
