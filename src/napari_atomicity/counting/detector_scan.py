"""What one atom is worth in an image, from a scan of the detector itself.

f = (I - V) / (D - V) · i_det / i_img is the part of the beam that a pixel of the image collected: V is the dark level,
D the mean over the active area, the currents those of the two scans. Where the area is uneven, D is weighted with where
an atom's electrons arrive (LeBeau and Stemmer, Ultramicroscopy 108, 1653, 2008; Jones et al., Microsc. Microanal. 20,
83, 2014).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_atomicity.counting.cross_sections import Annulus, collected, cross_section
from napari_atomicity.counting.detector_area import LEAST_PX, ActiveArea, Image, Mask, dark_level
from napari_atomicity.counting.references import ScaleReference
from napari_atomicity.errors import InputError

#: pixels at the edge of a detector that the width of the beam blurs
_BLURRED_PX: Final = 2
#: how far the outer angle may lie beyond the edge that the scan shows
_BEYOND: Final = 1.15
#: what lies outside the aperture of the measurement of a cluster is known to this, relative
_TAILS_SD: Final = 0.03


@dataclass(frozen=True)
class Response:
    """What the detector gives.

    Attributes
    ----------
    dark, active
        Level without electrons, and with the whole beam on the detector, counts.
    height_sd
        Relative standard deviation of their difference.
    unevenness
        Relative standard deviation of the response over the area.
    share
        Part of the scan that is active.
    remarks
        What a person must know.
    """

    dark: float
    active: float
    height_sd: float
    unevenness: float
    share: float
    remarks: tuple[str, ...] = ()

    @property
    def height(self) -> float:
        """Counts of the whole beam."""
        return self.active - self.dark


def response(
    scan: Image, area: ActiveArea, annulus: Annulus | None = None, element: str = "Pt", weighted: bool = True
) -> Response:
    """Dark level and mean of the active area, weighted with where the electrons of an atom arrive.

    Parameters
    ----------
    scan
        (y, x) counts.
    area
        Of the same scan.
    annulus
        Angles of the detector; without them every place counts alike.
    element
        Whose electrons.
    weighted
        Whether they are weighted.
    """
    values = np.asarray(scan, dtype=np.float64)
    dark = dark_level(values, area)
    core = ndimage.binary_erosion(area.active, iterations=_BLURRED_PX)
    core = core if core.sum() > LEAST_PX else area.active
    sharp = _sharpened(values, core)
    mean = plain = float(sharp[area.active].mean())
    at_core = float(values[core].mean())
    remarks: list[str] = list(area.remarks)
    if annulus is not None and weighted:
        weight, said = flux_weights(area.active, annulus, element)
        remarks += said
        mean = float(np.average(sharp[area.active], weights=weight[area.active]))
        at_core = float(np.average(values[core], weights=weight[core])) if weight[core].any() else mean
    height = mean - dark
    # what the place of the edge, the weighting and the dark level leave open
    parts = (0.5 * (at_core - mean), 0.25 * (mean - plain), _dark_sd(values, area))
    uneven = float(sharp[core].std() / height)
    sd = max(float(np.linalg.norm(parts)) / height, 0.005)
    return Response(dark, mean, sd, uneven, float(area.active.mean()), tuple(remarks))


def _sharpened(values: npt.NDArray[np.float64], core: Mask) -> npt.NDArray[np.float64]:
    """A scan with little noise, in which the edge of the detector has what lies nearest within: the beam blurs it."""
    weight = ndimage.gaussian_filter(core.astype(np.float64), 1.5)
    smooth = ndimage.gaussian_filter(np.where(core, values, 0.0), 1.5) / np.maximum(weight, 1e-9)
    y, x = ndimage.distance_transform_edt(~core, return_distances=False, return_indices=True)
    return np.asarray(smooth[y, x])


def flux_weights(active: Mask, annulus: Annulus, element: str = "Pt") -> tuple[npt.NDArray[np.float64], list[str]]:
    """How many of an atom's electrons arrive at each pixel of a scan of the detector.

    The hole of the detector lies at its inner angle; from there angles grow with the distance from its centre, measured
    along the ellipse that the scan makes of the detector.

    Parameters
    ----------
    active
        (y, x) the active area.
    annulus
        Angles of the detector.
    element
        Whose electrons.

    Returns
    -------
    (y, x) weights, 0 where none arrive, and sentences that a person must read.
    """
    filled = ndimage.binary_fill_holes(active)
    y, x = np.nonzero(filled)
    centre = np.array([y.mean(), x.mean()])
    inverse = np.linalg.inv(np.cov(np.stack([y, x])) * 4 + 1e-9 * np.eye(2))
    hole = _largest(filled & ~active)
    inner = float(np.sqrt(hole.sum() / filled.sum()))
    if inner > 0.05:
        centre = np.array(ndimage.center_of_mass(hole))
    off = np.moveaxis(np.indices(active.shape), 0, -1) - centre
    radius = np.sqrt(np.einsum("...i,ij,...j->...", off, inverse, off))
    angle = annulus.inner_mrad * radius / inner if inner > 0.05 else annulus.outer_mrad * radius
    said = []
    if inner > 0.05 and annulus.outer_mrad > _BEYOND * annulus.inner_mrad / inner:
        said.append(
            f"The scan shows a detector that reaches from {annulus.inner_mrad:g} to about "
            f"{annulus.inner_mrad / inner:.0f} mrad, not to {annulus.outer_mrad:g}; check the angles."
        )
    edges = np.linspace(annulus.inner_mrad, annulus.outer_mrad, 61)
    flux = collected(element, annulus, edges) / np.diff(edges**2)
    middle = (edges[1:] + edges[:-1]) / 2
    inside = np.clip(angle, annulus.inner_mrad, None)
    weight = np.where(active & (inside <= annulus.outer_mrad), np.interp(inside, middle, flux), 0.0)
    if not weight.any():
        weight = active.astype(np.float64)
    return weight, said


def _largest(mask: Mask) -> Mask:
    """The largest piece of a mask."""
    labels, count = ndimage.label(mask)
    return np.asarray(labels == 1 + int(np.bincount(labels.ravel())[1:].argmax())) if count else mask


def one_atom(
    seen: Response,
    annulus: Annulus,
    element: str = "Pt",
    current_ratio: float = 1.0,
    current_sd: float = 0.02,
    outside: float = 0.05,
) -> ScaleReference:
    """Intensity of one atom from the detector.

    Parameters
    ----------
    seen
        What the detector gives.
    annulus
        Voltage and angles.
    element
        Chemical symbol of the atom.
    current_ratio, current_sd
        Beam current of the image over that of the detector scan, and its relative standard deviation. Where counts add
        up over the dwell time, their ratio is part of it.
    outside
        Logarithm of what an atom scatters over what is measured of it: its tails lie outside the aperture.

    Raises
    ------
    InputError
        For angles or a metal that the table does not hold, and an impossible ratio.
    """
    if not 0 < current_ratio < 1e6:
        raise InputError(f"A current ratio of {current_ratio:g} is impossible; give that of the image over the scan.")
    area_nm2, area_sd = cross_section(element, annulus)
    value = area_nm2 * seen.height * current_ratio * float(np.exp(-outside))
    sd = float(np.linalg.norm((area_sd, seen.height_sd, current_sd, _TAILS_SD)))
    basis = (
        f"{area_nm2:.3g} nm² ({annulus.voltage_kv:g} kV, {annulus.inner_mrad:g} to {annulus.outer_mrad:g} mrad) × "
        f"{seen.height:.4g} counts" + (f" × {current_ratio:g}" if current_ratio != 1 else "")
    )
    return ScaleReference("detector", value, sd, basis=basis)


def fraction_of_beam(image: Image, seen: Response, current_ratio: float = 1.0) -> Image:
    """An image as the part of the beam that each pixel collected.

    Parameters
    ----------
    image
        (y, x) counts.
    seen
        What the detector gives.
    current_ratio
        As in `one_atom`.
    """
    return np.asarray((image - np.float32(seen.dark)) / np.float32(seen.height * current_ratio), dtype=np.float32)


def _dark_sd(values: npt.NDArray[np.float64], area: ActiveArea) -> float:
    """How far the dark level differs between parts of the scan."""
    height, width = values.shape
    parts = [
        values[rows, columns][area.dark[rows, columns]]
        for rows in (slice(None, height // 2), slice(height // 2, None))
        for columns in (slice(None, width // 2), slice(width // 2, None))
    ]
    means = [float(part.mean()) for part in parts if part.size > 50]
    return float(np.std(means)) if len(means) > 1 else 0.0
