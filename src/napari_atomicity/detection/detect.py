"""Detection: from a micrograph to measured clusters, with no parameter to set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.detection.checks import Finding, inspect
from napari_atomicity.detection.finding import GRID_NM, LARGEST_NM, SMALLEST_NM, candidates, coarse_grid, merged
from napari_atomicity.detection.gaps import without_gaps
from napari_atomicity.detection.lattices import has_no_lattice, off_lattice, without_lattice
from napari_atomicity.detection.measure import Measurement, measure
from napari_atomicity.detection.repair import content_of, repaired
from napari_atomicity.errors import InputError

#: pixel sizes between which a cluster is neither a single pixel nor larger than the window that measures it
PIXEL_RANGE_NM: Final = (0.002, 0.2)
_CANDIDATE_THRESHOLD: Final = 3.0
#: height of a cluster over the scatter of the support around it, at sensitivity 0.5
_CONTRAST_TO_NOISE: Final = 5.0
#: that height for a flat raft in a weak beam, which stands out only as a whole: by how many standard deviations of the
#: filter's response, and how wide it must be, to count in any frame; and by how many among definite clusters
_CONTRAST_OF_A_RAFT: Final = 2.0
_SIGNIFICANT: Final = 7.0
_WIDE_NM: Final = 0.9
_SIGNIFICANT_AMONG_OTHERS: Final = 4.3
_OTHERS: Final = 5
#: what is fainter than this share of the frame's typical height must stand out of single pixels
_FAINT_SHARE: Final = 0.25
#: smallest integrated intensity relative to the frame's typical cluster, at sensitivity 0.5
_MASS_SHARE: Final = 0.2


#: what stands on a crystalline support: so many at least, so high above its rest, on so much of the field at most
_FEWEST_ON_A_CRYSTAL: Final = 3
_HIGH_ON_A_CRYSTAL: Final = 8.0
_COVERED: Final = 0.25
_ON_A_CRYSTAL: Final = (
    "The support is crystalline; its lattice was taken off before clusters were sought and counted. Hold the counts "
    "against the intensities."
)


@dataclass(frozen=True)
class Detection:
    """Clusters found in one frame.

    Attributes
    ----------
    clusters
        The measurements; see `Measurement`.
    findings
        What is odd about the image; one with `blocking` means that nothing in it can be counted.
    too_small
        Number of bright features left out because they are narrower than a cluster, as single atoms are.
    """

    clusters: Measurement
    findings: tuple[Finding, ...] = ()
    too_small: int = 0

    @property
    def messages(self) -> tuple[str, ...]:
        """Sentences for the person at the microscope."""
        said = [finding.message for finding in self.findings]
        if len(self.clusters.y_px) == 0 and not any(f.blocking for f in self.findings):
            said.append(_nothing_found(self.too_small))
        return tuple(said)


def _nothing_found(too_small: int) -> str:
    if too_small >= 3:
        return (
            f"No cluster found: the {too_small} bright features are narrower than {SMALLEST_NM} nm, as single atoms "
            "are; if they are clusters, check the pixel size."
        )
    return "No cluster found; if there are clusters to the eye, raise the sensitivity or check the pixel size."


def detect(
    image: npt.NDArray[np.floating], pixel_size_nm: float, sensitivity: float = 0.5, all_the_same: bool = False
) -> Detection:
    """Find and measure the clusters of a micrograph.

    Parameters
    ----------
    image
        (y, x) micrograph in counts, clusters bright; nan where there is no data.
    pixel_size_nm
        Side of a pixel, nm.
    sensitivity
        0 finds only what is beyond doubt, 1 everything that stands out at all; 0.5 needs no tuning.
    all_the_same
        Whether to search where the image looks like one in which nothing can be counted: bright field, a crystal,
        saturated. What it looks like is still said.

    Raises
    ------
    InputError
        For a pixel size at which clusters cannot be seen, or a sensitivity outside 0 to 1.
    """
    check_pixel_size(pixel_size_nm)
    if not 0 <= sensitivity <= 1:
        raise InputError(f"The sensitivity is {sensitivity:g}; it runs from 0 to 1.")
    clean, given = repaired(image, pixel_size_nm), image
    image = clean.image
    findings = (*(Finding("repaired", said, False) for said in clean.said), *inspect(image, pixel_size_nm))
    filled = without_gaps(image, pixel_size_nm)
    strictness = 4.0 ** (0.5 - sensitivity)
    if all_the_same:
        findings = tuple(replace(each, blocking=each.blocking and not each.judged) for each in findings)
    blocking = [finding.code for finding in findings if finding.blocking]
    if blocking == ["lattice"] or (not blocking and any(finding.code == "lattice" for finding in findings)):
        # clusters may stand on a crystalline support: they are what is left once its lattice is taken off
        bare = np.where(np.isfinite(image), without_lattice(filled, pixel_size_nm), np.float32(np.nan))
        clusters, too_small = _sought(bare, without_gaps(bare, pixel_size_nm), pixel_size_nm, strictness)
        if not blocking:
            return Detection(clusters, findings, too_small)
        if _stand_on_a_support(clusters, image.size * pixel_size_nm**2):
            others = (finding for finding in findings if not finding.blocking)
            return Detection(clusters, (*others, Finding("lattice", _ON_A_CRYSTAL, False)), too_small)
    if blocking:
        return Detection(_measured_nothing(image), findings)
    if not isinstance(given, np.ma.MaskedArray):
        has_no_lattice(content_of(given, pixel_size_nm))
    clusters, too_small = _sought(image, filled, pixel_size_nm, strictness)
    return Detection(clusters, findings, too_small)


def _sought(
    image: npt.NDArray[np.floating], filled: npt.NDArray[np.floating], pixel_size_nm: float, strictness: float
) -> tuple[Measurement, int]:
    """Clusters of an image, and how many bright features are too small; `filled` is without gaps."""
    coarse, factor = coarse_grid(filled, pixel_size_nm)
    grid_nm = pixel_size_nm * factor
    found = merged(candidates(coarse, grid_nm, _CANDIDATE_THRESHOLD * strictness**0.5), coarse, grid_nm)
    first = measure(coarse, grid_nm, found.y_px, found.x_px, found.radius_nm, nm_per_px=GRID_NM)
    stands_out = _stands_out(first, found.significance, 0.8 * strictness)
    wide = first.diameter_nm >= 0.9 * SMALLEST_NM
    too_small = int((stands_out & ~wide).sum())
    first, significance = first.take(stands_out & wide), found.significance[stands_out & wide]
    y, x = (centre * factor + (factor - 1) / 2 for centre in (first.y_px, first.x_px))
    radius = np.clip(first.diameter_nm / 2 + 0.05, 0.3, LARGEST_NM / 2)
    clusters = measure(image, pixel_size_nm, y, x, radius)
    too_small += int((clusters.diameter_nm < SMALLEST_NM).sum())
    return clusters.take(_clusters(clusters, significance, strictness)), too_small


def _stand_on_a_support(clusters: Measurement, field_nm2: float) -> bool:
    """Whether what is left without a lattice are clusters: some, high above the rest, on a small part of the field."""
    if len(clusters.y_px) < _FEWEST_ON_A_CRYSTAL:
        return False
    height = float(np.median(clusters.contrast / np.maximum(clusters.background_sd, 1e-30)))
    covered = float((np.pi / 4 * clusters.diameter_nm**2).sum()) / field_nm2
    return height > _HIGH_ON_A_CRYSTAL and covered < _COVERED


def _stands_out(
    measured: Measurement, significance: npt.NDArray[np.float64], strictness: float
) -> npt.NDArray[np.bool_]:
    """High above the scatter of single pixels, or less so but wide enough that their mean is.

    Bumps of a bare support look like the faintest rafts, so these count only in a frame that has clusters.
    """
    height = measured.contrast / np.maximum(measured.background_sd, 1e-30)
    significance = significance / strictness**0.5
    raft = height > _CONTRAST_OF_A_RAFT * strictness
    definite = (height > _CONTRAST_TO_NOISE * strictness) & (measured.diameter_nm >= SMALLEST_NM)
    definite |= raft & (significance > _SIGNIFICANT) & (measured.diameter_nm >= _WIDE_NM)
    if definite.sum() >= _OTHERS:
        definite |= raft & (significance > _SIGNIFICANT_AMONG_OTHERS)
    return np.asarray(definite | (height > _CONTRAST_TO_NOISE * strictness))


def _clusters(measured: Measurement, significance: npt.NDArray[np.float64], strictness: float) -> npt.NDArray[np.bool_]:
    keep = (
        _stands_out(measured, significance, strictness)
        & (measured.diameter_nm >= SMALLEST_NM)
        & (measured.diameter_nm <= LARGEST_NM)
        & (measured.intensity > 0)
    )
    if keep.any():
        high = measured.contrast > 1.2 * _CONTRAST_TO_NOISE * strictness * measured.background_sd
        keep &= high | (measured.contrast > _FAINT_SHARE * strictness * np.median(measured.contrast[keep]))
        # fragments and groups of a few atoms hold far less signal than the frame's typical cluster
        keep &= measured.intensity > _MASS_SHARE * strictness * np.median(measured.intensity[keep])
    return np.asarray(keep)


def measure_at(
    image: npt.NDArray[np.floating],
    pixel_size_nm: float,
    y_px: npt.NDArray[np.floating],
    x_px: npt.NDArray[np.floating],
) -> Measurement:
    """Measure clusters where a person put them; their centres stay.

    Parameters
    ----------
    image
        (y, x) micrograph in counts.
    pixel_size_nm
        Side of a pixel, nm.
    y_px, x_px
        (n,) centres in pixels of the image.
    """
    check_pixel_size(pixel_size_nm)
    image = repaired(off_lattice(image, pixel_size_nm), pixel_size_nm).image
    first = measure(image, pixel_size_nm, y_px, x_px, recentre=False)
    radius = np.clip(np.nan_to_num(first.diameter_nm, nan=1.2) / 2 + 0.05, 0.3, LARGEST_NM / 2)
    return measure(image, pixel_size_nm, y_px, x_px, radius, recentre=False)


def check_pixel_size(pixel_size_nm: float) -> None:
    """Refuse a pixel size at which clusters of 0.5 to 3 nm cannot be measured.

    Raises
    ------
    InputError
        For such a pixel size in nm.
    """
    low, high = PIXEL_RANGE_NM
    if not low <= pixel_size_nm <= high:
        raise InputError(
            f"At {pixel_size_nm:.4g} nm per pixel clusters of 0.5 to 3 nm cannot be measured; "
            f"use micrographs of 0.01 to 0.12 nm per pixel, or correct the pixel size."
        )


def _measured_nothing(image: npt.NDArray[np.floating]) -> Measurement:
    none = np.empty(0)
    return measure(image, 0.05, none, none)
