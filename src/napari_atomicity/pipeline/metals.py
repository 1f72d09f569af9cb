"""What the clusters of an image are made of, whether the model counts that metal, and what its counts then mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import pandas as pd

from napari_atomicity.errors import InputError
from napari_atomicity.metals import (
    Composition,
    Conversion,
    metal_named_in,
    read_composition,
    symbol_of,
    unit_name,
)

if TYPE_CHECKING:
    from napari_atomicity.clusters import ClusterTable
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.micrograph import Micrograph
    from napari_atomicity.pipeline.settings import Settings

#: whose atoms the scale of an image is of: the model's, as given; the clusters' own, for their sizes are known; those
#: of other images; or of nobody known, for it was found from the clusters
Basis = Literal["given", "deposited", "session", "found"]


class Counted(Protocol):
    """An image with its count: what is asked here of an `ImageState`."""

    @property
    def micrograph(self) -> Micrograph:
        """The image."""

    @property
    def table(self) -> ClusterTable:
        """Its clusters."""

    @property
    def bundle(self) -> Bundle | None:
        """The model that counted; None before the count."""

    @property
    def settings_in_force(self) -> Settings:
        """What it was counted with."""

    @property
    def counted_with(self) -> tuple[str, ...]:
        """Names of the images that calibrated each other."""


#: words in the names of metadata that describe the sample
_OF_SAMPLE: Final = ("sample", "specimen", "material", "element")


def metal_of_image(micrograph: Micrograph) -> str:
    """The metal that a file names: in the metadata of its sample, in its title, or as ``Au55`` in its name.

    Returns
    -------
    Chemical symbol; empty where none is named, or several are.
    """
    described = _texts(micrograph.metadata)
    for text in described:
        try:
            return symbol_of(text)
        except InputError:
            continue
    return metal_named_in(described, free=True) or metal_named_in((micrograph.provenance.title, micrograph.name))


def _texts(metadata: Mapping[str, Any]) -> list[str]:
    return [
        value
        for key, value in metadata.items()
        if isinstance(value, str) and any(word in str(key).casefold() for word in _OF_SAMPLE)
    ]


def composition_of(settings: Settings, micrograph: Micrograph, element: str) -> tuple[Composition, str]:
    """What the clusters of an image are made of, as far as anybody says.

    Parameters
    ----------
    settings
        What the person says.
    micrograph
        What the file says, where the person says nothing.
    element
        Chemical symbol of the model's metal, which stands where nobody says anything.

    Returns
    -------
    The composition, and who says so; nobody where empty.
    """
    said = settings.said_element
    named = "" if said else metal_of_image(micrograph)
    stated = read_composition(settings.composition, said or named or element)
    return stated, "you say" if said or settings.composition else "the file says" if named else ""


def metal_doubt(element: str, settings: Settings, micrograph: Micrograph) -> str:
    """A sentence for before counting, where the clusters are of another metal than the model.

    Parameters
    ----------
    element
        Chemical symbol of the model's metal.
    settings
        What the person says.
    micrograph
        What the file says.

    Returns
    -------
    The sentence; empty where nothing speaks against the model.
    """
    made_of, who = composition_of(settings, micrograph, element)
    if made_of == Composition.of_one(element):
        return ""
    sentence = (
        f"{micrograph.name}: {who} that the clusters are of {made_of.words}, and the model counts {element} atoms; "
        f"its counts are {unit_name(element)}."
    )
    better = [] if made_of.guests else _models_of(made_of.host)
    return f"{sentence} The model {better[0]} counts {made_of.host}." if better else sentence


def _models_of(element: str) -> list[str]:
    from napari_atomicity.counting import store

    return [
        model.name
        for model in store.models()
        if model.card is not None and model.card.element == element and not model.problem
    ]


@dataclass(frozen=True, eq=False)
class MetalCount:
    """The counts of an image in units of the model's metal, and in atoms of what the clusters are made of.

    Attributes
    ----------
    conversion
        From one to the other.
    basis
        Whose atoms the scale of the image is of.
    table
        One row a cluster: id, frame, the equivalents and their standard deviations, n_atoms, n_atoms_sd, and of an
        alloy the atoms of each metal.
    remarks
        Sentences that a person must read.
    """

    conversion: Conversion
    basis: Basis
    table: pd.DataFrame
    remarks: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What the counts are."""
        unit = unit_name(self.conversion.reference)
        if self.basis == "deposited":
            unit = f"atoms of {self.conversion.composition.words}, for its sizes are known"
        return f"Counts are {unit}; {self.conversion.words}."

    def as_dict(self) -> dict[str, Any]:
        """All but the table, JSON-serialisable."""
        return {**self.conversion.as_dict(), "scale_of": self.basis, "sentence": self.sentence}


def metal_count(state: Counted) -> MetalCount | None:
    """The counts of an image whose clusters are of another metal than the model.

    Parameters
    ----------
    state
        A counted image.

    Returns
    -------
    The counts; None where the metals are the same, or nobody says that they are not.
    """
    said = _without_table(state)
    return None if said is None else replace(said, table=_table(state, said.conversion, said.basis))


def metal_remarks(state: Counted) -> tuple[str, ...]:
    """Sentences about the metal of a counted image; none where it is that of the model."""
    said = _without_table(state)
    return () if said is None else (said.sentence, *said.remarks)


def count_unit(state: Counted) -> str:
    """What the counts of an image are called: ``atoms``, or ``Pt-equivalents`` where it is of another metal."""
    said = _without_table(state)
    return "atoms" if said is None or said.basis == "deposited" else unit_name(said.conversion.reference)


def scale_remarks(state: Counted) -> tuple[str, ...]:
    """Sentences about the scale of a counted image, for which equivalents need that of the model's metal."""
    if state.bundle is None:
        return ()
    return _remarks(basis_of(state), state.bundle.card.element, state.bundle.card.labels)


def _without_table(state: Counted) -> MetalCount | None:
    if state.bundle is None:
        return None
    card, settings = state.bundle.card, state.settings_in_force
    made_of, _ = composition_of(settings, state.micrograph, card.element)
    conversion = Conversion(card.element, made_of, settings.atomic_exponent)
    basis = basis_of(state)
    remarks = _remarks(basis, card.element, card.labels)
    return MetalCount(conversion, basis, pd.DataFrame(), remarks) if conversion.changes else None


def basis_of(state: Counted) -> Basis:
    """Whose atoms the scale of a counted image is of."""
    settings = state.settings_in_force
    if settings.intensity_per_atom is not None:
        return "given"
    if settings.deposited:
        return "deposited"
    return "session" if len(state.counted_with) > 1 else "found"


def _table(state: Counted, conversion: Conversion, basis: Basis) -> pd.DataFrame:
    rows = state.table.rows
    count, sd = (rows[name].to_numpy(dtype=float) for name in ("n_atoms", "n_atoms_sd"))
    unit = f"{conversion.reference.lower()}_equivalents"
    if basis == "deposited":
        equivalents, equivalents_sd, atoms, atoms_sd = count * conversion.factor, sd * conversion.factor, count, sd
    else:
        equivalents, equivalents_sd = count, sd
        atoms, atoms_sd = conversion.atoms(count, sd)
    table = rows[["id", "frame", "y_px", "x_px"]].reset_index(drop=True)
    table = table.assign(**{unit: equivalents, f"{unit}_sd": equivalents_sd, "n_atoms": atoms, "n_atoms_sd": atoms_sd})
    if conversion.composition.guests:
        parts = conversion.composition.parts
        table = table.assign(**{f"n_{part.element.lower()}": atoms * part.fraction for part in parts})
    return table


def _remarks(basis: Basis, element: str, labels: tuple[str, ...]) -> tuple[str, ...]:
    if basis == "found":
        return (
            f"The scale was found from these clusters as if they were {', '.join(labels)}. Equivalents need the scale "
            f"of {element}: the intensity of one {element} atom, a profile, or the sizes that were deposited.",
        )
    if basis == "session":
        return (f"The scale is shared with other images; equivalents hold where those are of {element}.",)
    return ()
