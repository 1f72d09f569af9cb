"""What a person set for one image: for the steps to come, and for what its counts are held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_atomicity.movies import MovieSettings
from napari_atomicity.pipeline import Settings

if TYPE_CHECKING:
    from napari_atomicity.counting.profile import InstrumentProfile


@dataclass(frozen=True)
class ImageOptions:
    """What a person set for one image; belongs to no step of its history, and is saved with it field by field.

    Attributes
    ----------
    settings
        Of the steps to come.
    profile
        Instrument profile that the known intensity of one atom comes from.
    in_joint
        Whether it is calibrated jointly with the others that are ticked.
    expected
        Amount of each size (atoms) that the ratios are held against; does not change how the image is counted.
    random_sample
        Whether the clusters that the person labelled were drawn at random.
    guest
        Second metal of the clusters, for size and composition; chosen by nobody where empty.
    guest_fractions, guest_fractions_sd
        Measured atomic fractions of it and their standard deviations, by the id of the cluster.
    detector
        What a scan of the detector gave, with voltage and angles: `DetectorScan.numbers`; empty without one. `taken` is
        the intensity of one atom that was taken from the comparison of all ways.
    movie
        What a person says of a stack as a movie.
    """

    settings: Settings = field(default_factory=Settings)
    profile: InstrumentProfile | None = None
    in_joint: bool = False
    expected: Mapping[int, float] = field(default_factory=dict)
    random_sample: bool = False
    guest: str = ""
    guest_fractions: Mapping[str, float] = field(default_factory=dict)
    guest_fractions_sd: Mapping[str, float] = field(default_factory=dict)
    detector: Mapping[str, float] = field(default_factory=dict)
    movie: MovieSettings = field(default_factory=MovieSettings)
