"""What a simulated frame is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from napari_atomicity.simulation.alloys import Alloy
from napari_atomicity.simulation.detector import Detector
from napari_atomicity.simulation.imaging import Probe
from napari_atomicity.simulation.support import Support

CLASS_SIZES: Final = (19, 30, 41, 55, 70)


@dataclass(frozen=True)
class FrameSpec:
    """Everything that, with a seed, decides a simulated frame.

    Attributes
    ----------
    shape
        Height and width in pixels.
    pixel_size_nm
        Side of a pixel in nm.
    fractions
        Share of each size (atoms) among the clusters.
    n_clusters
        Clusters wanted; fewer where the field has no room.
    flatness
        Mean shape of the clusters of this frame, 0 spheres to 1 rafts.
    flatness_spread
        Standard deviation of the shapes of its clusters about that.
    probe
        What one atom looks like.
    touching, dimers
        Share of the clusters that come as touching pairs; that have merged with a second one into an outsider.
    satellites
        Mean number of detached atoms around a cluster.
    jumping
        Share of the detached atoms that jump during the scan and leave streaks.
    collar
        Typical height of the hydrocarbons piled up around clusters, atoms per nm².
    motion_nm
        Typical length of the jumps by which clusters move during the scan.
    support, detector
        What the clusters lie on; scan, noise and digitising.
    split, families
        Library of structures to draw from, and which of its families (all where None).
    element
        Chemical symbol.
    condition
        Name of the condition that the spec was drawn from.
    alloy
        Second metal of the clusters; None where they are of one.
    """

    shape: tuple[int, int]
    pixel_size_nm: float
    fractions: Mapping[int, float]
    n_clusters: int = 100
    flatness: float = 0.45
    flatness_spread: float = 0.16
    probe: Probe = field(default_factory=lambda: Probe(0.16, 0.01))
    touching: float = 0.0
    dimers: float = 0.0
    satellites: float = 0.5
    jumping: float = 0.0
    collar: float = 0.0
    motion_nm: float = 0.0
    support: Support = field(default_factory=Support)
    detector: Detector = field(default_factory=Detector)
    split: str = "train"
    families: tuple[str, ...] | None = None
    element: str = "Pt"
    condition: str = "nominal"
    alloy: Alloy | None = None
