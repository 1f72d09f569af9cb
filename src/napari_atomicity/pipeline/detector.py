"""A scan of the detector: what it says of what one atom is worth, and the numbers that are kept of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline.scale_ways import USUAL_OUTSIDE
from napari_atomicity.progress import Progress, Steps

if TYPE_CHECKING:
    from napari_atomicity.counting.cross_sections import Annulus
    from napari_atomicity.counting.detector_scan import Response
    from napari_atomicity.counting.references import ScaleReference


@dataclass(frozen=True)
class DetectorScan:
    """A scan of the detector, and what it says.

    Attributes
    ----------
    seen
        What the detector gives.
    annulus
        Voltage and angles of the image.
    current_ratio
        Beam current of the image over that of the scan.
    source
        Name and sha256 of the scan; empty where only the numbers were kept.
    """

    seen: Response
    annulus: Annulus
    current_ratio: float = 1.0
    source: str = field(default="", compare=False)

    @property
    def numbers(self) -> dict[str, float]:
        """All but the sentences, to be kept with an image."""
        seen = {name: value for name, value in asdict(self.seen).items() if name != "remarks"}
        return {**asdict(self.annulus), **seen, "current_ratio": self.current_ratio}

    @classmethod
    def of_numbers(cls, numbers: Mapping[str, float]) -> DetectorScan | None:
        """What was kept; None where nothing was, or it cannot be."""
        from napari_atomicity.counting.cross_sections import Annulus
        from napari_atomicity.counting.detector_scan import Response

        try:
            kept = {name: float(value) for name, value in numbers.items()}
            angles = Annulus(**{one.name: kept[one.name] for one in fields(Annulus)})
            seen = Response(kept["dark"], kept["active"], kept["height_sd"], kept["unevenness"], kept["share"])
            return cls(seen, angles, kept["current_ratio"]) if seen.height > 0 else None
        except (KeyError, TypeError, ValueError, InputError):
            return None

    def reference(self, element: str, outside: float = USUAL_OUTSIDE) -> ScaleReference:
        """As a way to the intensity of one atom.

        Parameters
        ----------
        element
            Chemical symbol of the atom.
        outside
            As in `one_atom`.
        """
        from napari_atomicity.counting.detector_scan import one_atom

        return one_atom(self.seen, self.annulus, element, self.current_ratio, outside=outside)


def detector_steps(
    scan: Micrograph,
    annulus: Annulus,
    element: str = "Pt",
    current_ratio: float = 1.0,
    active: npt.NDArray[np.bool_] | None = None,
) -> Steps[DetectorScan]:
    """Look at a scan of the detector.

    Parameters
    ----------
    scan
        The scan; the first frame of a stack.
    annulus
        Voltage and angles of the image.
    element
        Metal of the clusters.
    current_ratio
        Beam current of the image over that of the scan.
    active
        (y, x) the active area, where a person drew it.

    Raises
    ------
    InputError
        For a scan that shows no detector, and angles that the table does not hold.
    """
    from napari_atomicity.counting.cross_sections import cross_section
    from napari_atomicity.counting.detector_area import area_by_hand, find_active_area
    from napari_atomicity.counting.detector_scan import response
    from napari_atomicity.io import micrograph_hash

    cross_section(element, annulus)  # refuses what is impossible before the work
    yield Progress(0, 2, "Finding the detector")
    image = scan.frame(0)
    area = find_active_area(image) if active is None else area_by_hand(image, active)
    yield Progress(1, 2, "Measuring the detector")
    source = f"{scan.name} {micrograph_hash(scan)}"
    made = DetectorScan(response(image, area, annulus, element), annulus, current_ratio, source)
    made.reference(element)  # refuses an impossible ratio
    return made
