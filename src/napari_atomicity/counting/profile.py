"""An instrument profile: the scale that a microscope had, for its next image to start from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

import numpy as np
from pydantic import Field, with_config

from napari_atomicity import __version__
from napari_atomicity.counting.bundle import Bundle, weights_sha256
from napari_atomicity.counting.calibration import Calibration
from napari_atomicity.counting.card import ModelCard
from napari_atomicity.counting.joint_scale import SESSION_SPREAD
from napari_atomicity.counting.prior import PriorKnowledge, as_in_file, file_key
from napari_atomicity.errors import InputError
from napari_atomicity.io import micrograph_hash
from napari_atomicity.io.atomic import write_text
from napari_atomicity.io.files import existing_file
from napari_atomicity.kinds import STRICT, Line, Many, Positive, Sha256, Symbol, Text, wanted
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.schema import Door, json_of, read_bytes

FORMAT: Final = 1
_KIND: Final = "napari-atomicity instrument profile"
#: profiles whose scales differ by more than this many standard deviations are of different instruments
_SAME_WITHIN: Final = 3.0
#: pixel sizes that differ by less than this are the same magnification
_SAME_PIXELS: Final = 0.01


_Count: TypeAlias = Annotated[int, Field(ge=1, le=10**9), wanted("a whole number above 0")]


@with_config(STRICT)
@dataclass(frozen=True)
class InstrumentProfile:
    """What is known of a microscope under certain settings, and what that rests on.

    Attributes
    ----------
    name
        What a person calls these settings.
    element
        Metal of the clusters.
    intensity_per_atom, intensity_per_atom_sd
        Integrated intensity of one atom in counts·nm², and the relative standard deviation that the next image under
        the same settings may be off by.
    pixel_size_nm
        Of the images; None where they differ.
    model, model_sha256
        Name and weights of the model that corrected the intensities.
    images
        Name and sha256 of each image.
    frames, clusters
        How many the scale rests on.
    created, version
        When it was made (ISO 8601, UTC), and by which version of this program.
    origin
        The ways that it rests on, in words; None where these are the clusters of the images.
    """

    name: Text
    element: Symbol
    intensity_per_atom: Annotated[Positive, Field(validation_alias=file_key("intensity_per_atom"))]
    intensity_per_atom_sd: Annotated[
        float,
        Field(gt=0, le=1, validation_alias=file_key("intensity_per_atom_sd")),
        wanted("a number above 0, at most 1"),
    ]
    pixel_size_nm: Annotated[float, Field(gt=0, le=1e6), wanted("a number of nm above 0")] | None
    model: Text
    model_sha256: Sha256
    images: Many[Annotated[Mapping[Literal["name", "sha256"], str], Field(min_length=2)]]
    frames: _Count
    clusters: _Count
    created: Line
    version: Line
    origin: Line | None = None

    def known(self, deposited: Sequence[int] = ()) -> PriorKnowledge:
        """What is known beforehand of the next image, with the sizes that were `deposited` on its sample."""
        return PriorKnowledge(
            intensity_per_atom=self.intensity_per_atom,
            intensity_per_atom_sd=self.intensity_per_atom_sd,
            deposited=tuple(deposited),
        )

    def check(self, card: ModelCard) -> None:
        """Refuse a model that counts another metal.

        Raises
        ------
        InputError
            Where the metal of the model's `card` is not that of this profile.
        """
        if card.element != self.element:
            raise InputError(
                f"The profile {self.name!r} is of {self.element} clusters and the model {card.name!r} counts "
                f"{card.element}; take a profile of {card.element}, or none."
            )

    def same_instrument(self, other: InstrumentProfile) -> bool:
        """Whether both may be of the same microscope under the same settings."""
        apart = abs(np.log(self.intensity_per_atom / other.intensity_per_atom))
        return self.element == other.element and bool(
            apart <= _SAME_WITHIN * np.hypot(self.intensity_per_atom_sd, other.intensity_per_atom_sd)
        )


_DOOR: Final = Door(InstrumentProfile)
_KEYS: Final = tuple(map(file_key, InstrumentProfile.__dataclass_fields__))


@dataclass(frozen=True)
class SourceImage:
    """What a profile keeps of an image that it rests on: its name, hash and pixel size."""

    name: str
    sha256: str
    pixel_size_nm: float

    @classmethod
    def of(cls, micrograph: Micrograph) -> SourceImage:
        """Of a calibrated micrograph."""
        return cls(micrograph.name, micrograph_hash(micrograph), micrograph.calibrated_pixel_size_nm)


def profile_of(
    name: str, calibrations: Iterable[Calibration], bundle: Bundle, images: Iterable[Micrograph | SourceImage]
) -> InstrumentProfile:
    """Sum up calibrated frames of one microscope to its profile.

    Frames that cannot decide, do not fit, or rest on no cluster are left out.

    Parameters
    ----------
    name
        What to call these settings.
    calibrations
        One a frame.
    bundle
        The model that they were made with.
    images
        That the frames are of.

    Raises
    ------
    InputError
        Where no frame is left.
    """
    frames = [fit for fit in calibrations if fit.clusters and not fit.ambiguous and not fit.misfit]
    if not frames:
        raise InputError(
            "There is no scale to save: no image was calibrated on its clusters without doubt; settle the undecided "
            "ones first, for example with the deposited sizes."
        )
    sources = [image if isinstance(image, SourceImage) else SourceImage.of(image) for image in images]
    log_scale = np.log([fit.intensity_per_atom for fit in frames])
    # a frame's own error, and what frames of one session differ by
    weight = 1 / (
        np.array([fit.intensity_per_atom_sd / fit.intensity_per_atom for fit in frames]) ** 2 + SESSION_SPREAD**2
    )
    centre = float(np.average(log_scale, weights=weight))
    scatter = float(np.sqrt(np.average((log_scale - centre) ** 2, weights=weight)))
    pixel_sizes = np.array([source.pixel_size_nm for source in sources])
    same = bool(len(pixel_sizes)) and bool(np.ptp(pixel_sizes) <= _SAME_PIXELS * pixel_sizes.min())
    return InstrumentProfile(
        name=name,
        element=bundle.card.element,
        intensity_per_atom=float(np.exp(centre)),
        intensity_per_atom_sd=float(np.hypot(max(scatter, SESSION_SPREAD), weight.sum() ** -0.5)),
        pixel_size_nm=float(np.median(pixel_sizes)) if same else None,
        model=bundle.card.name,
        model_sha256=weights_sha256(bundle),
        images=tuple({"name": source.name, "sha256": source.sha256} for source in sources),
        frames=len(frames),
        clusters=sum(fit.clusters for fit in frames),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
    )


def save_profile(profile: InstrumentProfile, path: str | Path, overwrite: bool = False) -> None:
    """Write a profile to a JSON file, whole or not at all.

    Parameters
    ----------
    profile
        To be written.
    path
        Of the file.
    overwrite
        Also over another file, or the profile of another microscope.

    Raises
    ------
    InputError
        Where `path` cannot be written, or holds something else that would be lost.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        present = _replaceable(path)
        if not present.same_instrument(profile):
            raise InputError(
                f"{path} holds the profile of other settings ({present.name!r}: {present.intensity_per_atom:.4g} "
                f"counts nm² per {present.element} atom, now {profile.intensity_per_atom:.4g} per {profile.element} "
                "atom); choose another name or remove that file first."
            )
    facts = as_in_file(profile)
    if profile.origin is None:  # earlier versions know no such key
        del facts["origin"]
    text = json.dumps({"kind": _KIND, "format": FORMAT, **facts}, indent=2, ensure_ascii=False)
    write_text(path, text + "\n")


def check_place(path: str | Path, overwrite: bool = False) -> None:
    """Refuse a place where no profile could be saved, before the work that leads to it.

    Parameters
    ----------
    path
        Of the file that is to be written.
    overwrite
        Whether another file may be replaced.

    Raises
    ------
    InputError
        Where the folder is missing, or a file is there that must not be replaced.
    """
    path = Path(path)
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"The profile {path} cannot be written there; give a file in a folder that exists.")
    if path.exists() and not overwrite:
        _replaceable(path)


def load_profile(path: str | Path) -> InstrumentProfile:
    """The profile in the JSON file `path`.

    Raises
    ------
    InputError
        Where the file is missing, damaged, no profile, of a later version, or holds impossible numbers.
    """
    path = existing_file(path)
    content = json_of(read_bytes(path), path.name)
    if not isinstance(content, dict) or content.pop("kind", None) != _KIND:
        raise InputError(f"{path.name} is no instrument profile; give a file that was saved as one.")
    if (made := content.pop("format", None)) != FORMAT:
        raise InputError(
            f"{path.name} has the format {made!r:.60} and this version reads {FORMAT}; "
            "install a later version, or save the profile again."
        )
    return _DOOR.check({key: content.get(key) for key in _KEYS}, f"The profile {path.name}")


def _replaceable(path: Path) -> InstrumentProfile:
    """The profile that lies at `path`; any other file is not replaced."""
    try:
        return load_profile(path)
    except InputError as error:
        raise InputError(
            f"{path} exists and is no profile that could be replaced; choose another name or remove that file first."
        ) from error
