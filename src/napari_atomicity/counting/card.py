"""The card of a model: what it is and needs, and the limits of every field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, Field, Strict, with_config

from napari_atomicity.clusters import class_label
from napari_atomicity.counting.patches import NM_PER_PX, PATCH_PX
from napari_atomicity.errors import InputError
from napari_atomicity.kinds import (
    STRICT,
    Line,
    Many,
    Name,
    PlainWords,
    Positive,
    Sha256,
    Share,
    Symbol,
    Text,
    Within,
    wanted,
)
from napari_atomicity.schema import Door, json_of

#: 1: networks that saw clusters divided by their integral alone
FORMAT: Final = 2
_EARLIER: Final = (1,)


def _ascending(sizes: tuple[int, ...]) -> tuple[int, ...]:
    if list(sizes) != sorted(set(sizes)):
        raise ValueError(sizes)
    return sizes


def _channels(names: tuple[str, ...]) -> tuple[str, ...]:
    if names not in (("raw",), ("raw", "lcn")):
        raise ValueError(names)
    return names


#: atoms of a class
_Size: TypeAlias = Annotated[int, Within(1, 10_000)]
_SizeText: TypeAlias = Annotated[str, Field(pattern="^[1-9][0-9]{0,4}$"), wanted("an atom count")]
#: mean and standard deviation of the logarithm of a diameter in nm
_LogDiameter: TypeAlias = Annotated[
    tuple[Annotated[float, Field(ge=-5, le=5)], Annotated[float, Field(gt=0, le=3)]],
    Strict(False),
    wanted("mean and standard deviation of ln(diameter in nm)"),
]


@with_config(STRICT)
@dataclass(frozen=True)
class ModelCard:
    """What a model is, what it needs, and how well it counts.

    Attributes
    ----------
    name, version, element, class_sizes
        Atoms of each class, ascending; labels are element and size.
    channels
        ``("raw",)`` or ``("raw", "lcn")``.
    patch_px, patch_nm_per_px, lcn_window_nm
        Geometry of the input and the full width of the window of the local contrast normalisation.
    temperature, temperature_scaled
        Divide the logits of shape, without and with the scale of the image: chosen so that the probabilities are
        calibrated on structures never trained on.
    integral_tau
        Standard deviation, in log units, added to the stated error of the count, for the same reason.
    measured_sd
        Standard deviation, in log units, of measured integrals about their classes within a frame.
    outside_threshold, outside_threshold_scaled
        Probability of being none of the classes above which a cluster is called ``other``: so that at most 5 % of the
        class members of structures never trained on are rejected, and not below 0.5; without and with the scale of the
        image.
    effective_clusters
        The most that a frame's clusters count as independent witnesses of shape: blur and flatness are shared.
    diameter_nm
        Per class size (as text): mean and standard deviation of the logarithm of the diameter in nm.
    diameter_frame_sd
        The part of that standard deviation that all clusters of a frame share (blur, flatness).
    recipe, recipe_sha256
        How the training data was made.
    config
        The configuration that made the model: file, its sha256 and text; empty where none did.
    metrics
        Scores on structures never trained on, by condition.
    limits, licence, citation
        For the person who decides whether to trust it; each of the limits is a sentence.
    history
        Adaptations since training.
    sha256
        Of the weights.
    """

    name: Name
    class_sizes: Annotated[
        Many[_Size],
        Field(min_length=2, max_length=100),
        AfterValidator(_ascending),
        wanted("two or more atom counts from 1 to 10000, ascending"),
    ]
    channels: Annotated[Many[str], AfterValidator(_channels), wanted('["raw"] or ["raw", "lcn"]')]
    lcn_window_nm: Annotated[float, Within(0.05, PATCH_PX * NM_PER_PX)]
    element: Symbol = "Pt"
    version: Line = "0.1.0"
    patch_px: Annotated[int, Within(1, 4096)] = PATCH_PX
    patch_nm_per_px: Positive = NM_PER_PX
    temperature: Annotated[float, Within(0.01, 100)] = 1.0
    temperature_scaled: Annotated[float, Within(0.01, 100)] = 1.0
    integral_tau: Annotated[float, Within(0, 3)] = 0.02
    measured_sd: Annotated[float, Within(0.001, 3)] = 0.1
    outside_threshold: Share = 0.5
    outside_threshold_scaled: Share = 0.5
    effective_clusters: Annotated[float, Field(gt=0, le=1e6), wanted("a number of clusters above 0")] = 15.0
    diameter_nm: Mapping[_SizeText, _LogDiameter] = field(default_factory=dict)
    diameter_frame_sd: Annotated[float, Within(0, 3)] = 0.0
    recipe: PlainWords = field(default_factory=dict)
    recipe_sha256: Sha256 | Literal[""] = ""
    config: PlainWords = field(default_factory=dict)
    metrics: PlainWords = field(default_factory=dict)
    limits: Many[Text] = ()
    licence: Line = "BSD-3-Clause"
    citation: Text = ""
    history: Many[Text] = ()
    sha256: Sha256 | Literal[""] = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """Label of each class, for example ``Pt19``."""
        return tuple(class_label(n, self.element) for n in self.class_sizes)


_DOOR: Final = Door(ModelCard)


def card_of_json(content: bytes, name: str, with_format: bool = True) -> ModelCard:
    """Read a card from JSON.

    Parameters
    ----------
    content
        UTF-8.
    name
        Of the file, the start of a sentence about what is wrong.
    with_format
        Whether the number of the format must be there.

    Raises
    ------
    InputError
        Where it is no card, of another format, holds impossible values, or needs patches of another size.
    """
    fields = json_of(content, name)
    made = fields.pop("format", None) if isinstance(fields, dict) else None
    if with_format and made in _EARLIER:
        raise InputError(
            f"{name} is of a version before this one, whose networks saw clusters in another way; train the model "
            "again with this version (napari-atomicity train), or install that version."
        )
    if not isinstance(fields, dict) or (with_format and made != FORMAT):
        raise InputError(f"{name} is of another format than {FORMAT}; it needs another version.")
    if isinstance(fields.get("limits"), str):  # of the first cards
        fields["limits"] = [fields["limits"]]
    card = _DOOR.check(fields, name)
    if (card.patch_px, card.patch_nm_per_px) != (PATCH_PX, NM_PER_PX):
        raise InputError(
            f"The model {card.name!r} wants patches of {card.patch_px} pixels at {card.patch_nm_per_px} nm; "
            f"this version makes {PATCH_PX} pixels at {NM_PER_PX} nm, so train the model again."
        )
    return card
