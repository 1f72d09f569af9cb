"""An instrument profile from several ways to the intensity of one atom."""

from __future__ import annotations

from datetime import UTC, datetime

from napari_atomicity import __version__
from napari_atomicity.counting.bundle import Bundle, weights_sha256
from napari_atomicity.counting.joint_scale import SESSION_SPREAD
from napari_atomicity.counting.profile import InstrumentProfile, SourceImage
from napari_atomicity.counting.references import Consistency
from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph


def profile_of_references(
    name: str, found: Consistency, bundle: Bundle, image: Micrograph, clusters: int
) -> InstrumentProfile:
    """Sum up what all ways say together to a profile of the microscope.

    Parameters
    ----------
    name
        What to call these settings.
    found
        The ways; they must agree.
    bundle
        The model that counted.
    image
        That they were compared in.
    clusters
        How many of its clusters took part.

    Raises
    ------
    InputError
        Where the ways contradict each other.
    """
    if not found.agrees:
        raise InputError(f"A profile of ways that do not agree would mislead the next image. {found.sentence}")
    source = SourceImage.of(image)
    sd = float((found.relative_sd**2 + SESSION_SPREAD**2) ** 0.5)
    return InstrumentProfile(
        name=name,
        element=bundle.card.element,
        intensity_per_atom=found.value,
        intensity_per_atom_sd=min(sd, 1.0),
        pixel_size_nm=source.pixel_size_nm,
        model=bundle.card.name,
        model_sha256=weights_sha256(bundle),
        images=({"name": source.name, "sha256": source.sha256},),
        frames=1,
        clusters=max(clusters, 1),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
        origin=", ".join(one.words for one in found.references),
    )
