"""What a person says of the metal of an image, and what speaks against the model that is chosen for it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from napari.utils.notifications import show_info, show_warning

from napari_atomicity.errors import InputError
from napari_atomicity.metals import read_exponent
from napari_atomicity.pipeline import known_fraction, metal_doubt, metal_text, read_metal
from napari_atomicity.progress import Progress, Steps

if TYPE_CHECKING:
    from napari_atomicity.counting.card import ModelCard
    from napari_atomicity.document.document import Document
    from napari_atomicity.ui.workspace.workspace import Workspace

#: headings of the columns of a table of fractions
FRACTION, FRACTION_SD = "fraction", "fraction_sd"
#: standard deviation of fractions that come without one
USUAL_SD = 0.05


def say_metal(document: Document | None, text: str) -> None:
    """Take what a person typed about the metal, and say at once where the model counts another one."""
    if document is None or text.strip() == metal_text(document.settings):
        return
    try:
        element, composition = read_metal(text)
        document.choose(element=element, composition=composition)
    except InputError as error:
        show_warning(str(error))
        return
    if doubt := doubt_of(document):
        show_info(doubt)


def say_exponent(document: Document | None, text: str) -> None:
    """Take the range of the exponent that a person typed."""
    if document is None:
        return
    try:
        read = read_exponent(text)
        document.choose(exponent=(read.low, read.high) if text.strip() else ())
    except InputError as error:
        show_warning(str(error))


def doubt_of(document: Document) -> str:
    """A sentence where the clusters are said to be of another metal than that of the chosen model; else empty."""
    card = card_of(document)
    return metal_doubt(card.element, document.settings, document.micrograph) if card is not None else ""


def card_of(document: Document) -> ModelCard | None:
    """Of the model that is chosen for an image; None where it cannot be read, which step 3 says in its own way."""
    return _card_of(document.settings.model, _stamp(document.settings.model))


def load_fractions(workspace: Workspace, document: Document, path: Path) -> None:
    """Take measured fractions of the second metal from a table with the columns id, fraction and, or not, its error."""

    def steps() -> Steps[pd.DataFrame]:
        from napari_atomicity.io.columns import has_column, read_columns

        yield Progress(0, 0, "Reading fractions")
        names = [FRACTION, FRACTION_SD] if has_column(path, FRACTION_SD) else [FRACTION]
        columns = read_columns(path, names)
        columns[FRACTION_SD] = columns.get(FRACTION_SD, pd.Series(USUAL_SD, index=columns.index))
        known_fraction(document.table, columns[FRACTION], columns[FRACTION_SD], path.name)
        return columns.dropna()

    def apply(columns: pd.DataFrame) -> None:
        values, sds = (
            {str(key): float(value) for key, value in columns[name].items()} for name in (FRACTION, FRACTION_SD)
        )
        document.set_options(guest_fractions=values, guest_fractions_sd=sds)
        n = len(set(columns.index) & set(document.table.ids.tolist()))
        show_info(f"{path.name} gives the fraction of {n} of {len(document.table)} clusters.")

    workspace.work.start("Load fractions", steps, apply, document)


@lru_cache(maxsize=64)
def _card_of(model: str, _: float) -> ModelCard | None:
    from napari_atomicity.counting.bundle import load_card

    try:
        return load_card(model)
    except InputError:
        return None


def _stamp(model: str) -> float:
    """When the card of a model changed last; it is read again only then."""
    from napari_atomicity.counting.bundle import packaged_folder, user_folder

    named = [folder / f"{model}.json" for folder in (packaged_folder(), user_folder())]
    cards = [Path(model).with_suffix(".json"), *named]
    return max((card.stat().st_mtime for card in cards if card.is_file()), default=0.0)
