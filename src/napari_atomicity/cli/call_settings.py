"""The settings of a call: what the person chose and knows beforehand, as the options say it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_atomicity.cli.console import Console
from napari_atomicity.cli.requests import BatchRequest, CountRequest, Reference
from napari_atomicity.errors import InputError

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.profile import InstrumentProfile
    from napari_atomicity.counting.references import ScaleReference
    from napari_atomicity.pipeline import DetectorScan, Settings


@dataclass(frozen=True)
class CallSettings:
    """The settings of a call: those of all images, and of references by the place of the image in the call.

    With a scan of the detector also that, and the other ways to a scale that it was joined with.
    """

    common: Settings
    profile: InstrumentProfile | None = None
    references: dict[int, Settings] = field(default_factory=dict)
    detector: DetectorScan | None = None
    ways: tuple[ScaleReference, ...] = ()

    @classmethod
    def of(cls, request: CountRequest | BatchRequest, named: Sequence[Reference] = ()) -> CallSettings:
        """Read and check all that the options say, before any work is done.

        Parameters
        ----------
        request
            The request.
        named
            Images of the call that are standards of known size.

        Raises
        ------
        InputError
            For facts that are impossible or contradict each other.
        """
        from napari_atomicity.counting.profile import load_profile
        from napari_atomicity.pipeline import Settings

        if request.profile is not None and request.scale is not None:
            raise InputError("Both --scale and --profile give the scale; leave one of them out.")
        if request.scale_sd is not None and request.scale is None:
            raise InputError("--scale-sd says how far a scale may be off; give that scale with --scale too.")
        profile = None if request.profile is None else load_profile(request.profile)
        sizes, shares, deposited_metal = request.deposited
        if deposited_metal and request.element and deposited_metal != request.element:
            raise InputError(
                f"--deposited speaks of {deposited_metal} and --element of {request.element}; leave one of them out."
            )
        common = Settings(
            sensitivity=request.sensitivity,
            all_the_same=request.all_the_same,
            model=request.model,
            adapt=request.adapt,
            intensity_per_atom=request.scale if profile is None else profile.intensity_per_atom,
            intensity_per_atom_sd=_scale_sd(request.scale_sd) if profile is None else profile.intensity_per_atom_sd,
            deposited=sizes,
            fractions=shares,
            element=request.element,
            deposited_element=deposited_metal,
            composition=request.composition,
            exponent=request.exponent,
        )
        references: dict[int, Settings] = {}
        for name, deposited in named:
            place = _place(name, getattr(request, "images", ()))
            if place in references:
                raise InputError(f"The reference {name} is named twice; name it once, with all its sizes.")
            # a standard is of the model's metal, whatever the other images are of
            references[place] = replace(
                common, deposited=deposited, fractions=(), element="", deposited_element="", composition=""
            )
        return cls(common, profile, references)

    def check(self, bundle: Bundle, console: Console) -> None:
        """Raise where a model cannot use these settings; a profile made with another model is remarked.

        Parameters
        ----------
        bundle
            The model.
        console
            Where the remark goes.

        Raises
        ------
        InputError
            For a profile or sizes that do not fit the model.
        """
        if self.profile is not None:
            self.profile.check(bundle.card)
            if self.profile.model != bundle.card.name:
                console.remark(
                    f"The profile {self.profile.name!r} was made with the model {self.profile.model!r}, which may "
                    f"correct intensities a little otherwise than {bundle.card.name!r}."
                )
        for settings in (self.common, *self.references.values()):
            settings.known.check(bundle.card.class_sizes)

    def knowing(self, detector: DetectorScan | None, element: str) -> CallSettings:
        """These with what a scan of the detector says, joined with a scale or profile that is given too.

        Parameters
        ----------
        detector
            The scan; None for none.
        element
            Metal of the clusters.
        """
        from napari_atomicity.counting.references import joined

        if detector is None:
            return self
        ways = tuple(given_reference(self.common, self.profile))
        factor = joined([detector.reference(element), *ways])

        def with_it(settings: Settings) -> Settings:
            sd = min(factor.relative_sd, 1.0)
            return replace(settings, intensity_per_atom=factor.value, intensity_per_atom_sd=sd)

        references = {place: with_it(own) for place, own in self.references.items()}
        return CallSettings(with_it(self.common), None, references, detector, ways)

    def of_image(self, place: int) -> Settings:
        """Of the image at `place` in the call."""
        return self.references.get(place, self.common)


def given_reference(settings: Settings, profile: InstrumentProfile | None) -> list[ScaleReference]:
    """The scale or profile that the options give, as a way to the intensity of one atom; empty where they give none.

    Parameters
    ----------
    settings
        With what is known of the scale.
    profile
        Where it came from; None for a number.
    """
    from napari_atomicity.counting.references import ScaleReference

    if settings.intensity_per_atom is None:
        return []
    origin: Literal["standard", "profile"] = "standard" if profile is None else "profile"
    of = "" if profile is None else f"{profile.name} of {profile.created[:10]}"
    return [ScaleReference(origin, settings.intensity_per_atom, settings.intensity_per_atom_sd, of, "given")]


def _scale_sd(given: float | None) -> float:
    from napari_atomicity.pipeline import Settings

    return Settings.intensity_per_atom_sd if given is None else given


def _place(name: str, images: Sequence[Path]) -> int:
    """Which image of the call `name` is: by its path, else by the name of its file."""
    same = [i for i, path in enumerate(images) if path == Path(name) or path.absolute() == Path(name).absolute()]
    places = same or [i for i, path in enumerate(images) if name in (path.name, path.stem)]
    if not places:
        raise InputError(f"The reference {name} is not among the images of this call; name it as one of them too.")
    if len(places) > 1:
        raise InputError(f"The reference {name} may be several images of this call; name each once, by its path.")
    return places[0]
