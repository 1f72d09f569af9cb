"""Class ratios as a result: corrected shares with intervals, against what was deposited and beside simple methods."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from napari_atomicity.clusters import OTHER, ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.io.sheets import Sheet, content_of, decimal_mark, number, sheet_of, text_of
from napari_atomicity.pipeline.settings import read_deposited
from napari_atomicity.progress import Steps

if TYPE_CHECKING:
    from napari_atomicity.counting.card import ModelCard
    from napari_atomicity.counting.corrected import CountedImage, Shares
    from napari_atomicity.counting.expected import RatioAgreement
    from napari_atomicity.pipeline.counting import Count

#: headings under which a table of deposits may hold sizes and amounts
_SIZE_WORDS: Final = (
    *("size", "sizes", "atoms", "n_atoms", "natoms", "n", "label", "class", "cluster", "clusters"),
    *("grösse", "groesse", "atome", "klasse", "taille", "classe", "atomes", "サイズ", "原子数"),
)
_AMOUNT_WORDS: Final = (
    *("amount", "amounts", "share", "shares", "fraction", "ratio", "count", "counts", "intensity", "area", "percent"),
    *("%", "anteil", "menge", "anzahl", "prozent", "part", "quantité", "割合", "量"),
)
_ADVICE: Final = "save the deposits as CSV with sizes and amounts"
#: letters of a cell that are looked at, or shown
_LONGEST: Final = 80


@dataclass(frozen=True, eq=False)
class Ratios:
    """Shares of the classes of one sample, among the clusters that are one of the classes.

    Attributes
    ----------
    table
        One row a class: label, count (clusters of that label), counted (their share), share, low, high (corrected,
        with the 95 % interval), expected (nan where nothing is expected), diameter and intensity (shares by these
        alone; nan where they say nothing).
    images
        Names.
    found, analysed, other
        Clusters found, counted, and counted ones that are none of the classes.
    rejected
        How many are not counted, by reason.
    by_hand
        How many of the counted ones carry a person's label.
    agreement
        With what is expected; None where nothing is.
    remarks
        Sentences that a person must read.
    """

    table: pd.DataFrame
    images: tuple[str, ...]
    found: int
    analysed: int
    other: int
    rejected: Mapping[str, int]
    by_hand: int
    agreement: RatioAgreement | None
    remarks: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """How many were analysed, and why the others were not."""
        left_out = ", ".join(f"{n} {reason}" for reason, n in self.rejected.items())
        sentence = f"{self.analysed} of {self.found} clusters analysed"
        sentence += f", {self.by_hand} of them labelled by hand" if self.by_hand else ""
        sentence += f"; left out: {left_out}" if left_out else ""
        others = f" {self.other} of the analysed are none of these sizes ({OTHER})." if self.other else ""
        return f"{sentence}.{others}"

    @property
    def verdict(self) -> str:
        """R² and agreement in words; empty where nothing is expected."""
        if self.agreement is None:
            return ""
        r2 = self.agreement.r2
        sentence = f"R² = {r2:.3f}. " if np.isfinite(r2) else "R² is not defined where all expected shares are alike. "
        return f"{sentence}{self.agreement.sentence}"


def seen(table: ClusterTable, card: ModelCard, classified: Count | None) -> CountedImage:
    """A table as it is now with what its labels rest on.

    Parameters
    ----------
    table
        The clusters as they are now.
    card
        Of the model.
    classified
        The last count; None where there was none.
    """
    from napari_atomicity.counting.corrected import CountedImage

    if classified is None or classified.evidence.card.class_sizes != card.class_sizes:
        return CountedImage(table, card)
    return CountedImage(table, card, classified.evidence, classified.table.ids, classified.calibrations)


def ratios_steps(
    images: Mapping[str, CountedImage] | Sequence[tuple[str, CountedImage]],
    expected: Mapping[int, float] | None = None,
    checked: bool = False,
    seed: int = 0,
) -> Steps[Ratios]:
    """The class ratios of all `images` together.

    Parameters
    ----------
    images
        Name and what was counted, an image an entry.
    expected
        Amount of each deposited size (atoms), in any unit; see `read_expected`.
    checked
        The labels given by hand are of clusters drawn at random, and correct the others.
    seed
        Of the draws that the intervals come from.

    Returns
    -------
    The shares with their intervals.

    Raises
    ------
    InputError
        Where nothing is counted, the models do not go together, or the expected sizes are none of their classes.
    """
    from napari_atomicity.counting.corrected import corrected_steps
    from napari_atomicity.counting.expected import compare, expected_shares

    named = list(images.items()) if isinstance(images, Mapping) else list(images)
    if not named:
        raise InputError("There is no counted image yet; count the atoms first.")
    counted = [each for _, each in named]
    card = counted[0].card
    shares_expected = expected_shares(expected, card) if expected else None
    shares = yield from corrected_steps(counted, checked, seed)
    return Ratios(
        table=_table(counted, shares, shares_expected),
        images=tuple(name for name, _ in named),
        agreement=None if shares_expected is None else compare(shares, shares_expected),
        remarks=_remarks(counted, shares),
        **_numbers(counted),
    )


def _table(parts: Sequence[CountedImage], shares: Shares, expected: Mapping[str, float] | None) -> pd.DataFrame:
    from napari_atomicity.counting.diameter_only import classify_by_diameter
    from napari_atomicity.counting.expected import classify_by_intensity, plain_shares
    from napari_atomicity.counting.ratios import counted

    labels = [label for label in shares.labels if label != OTHER]
    best, low, high = shares.interval(among=labels)
    rows = [(part, counted(part.table)) for part in parts]
    final = [part.table.final_labels[chosen] for part, chosen in rows]
    by_diameter = [classify_by_diameter(_diameters(part.table), part.card)[chosen] for part, chosen in rows]
    by_intensity = [classify_by_intensity(part.table, part.card, part.calibrations)[chosen] for part, chosen in rows]
    joined = np.concatenate(final)
    return pd.DataFrame(
        {
            "label": labels,
            "count": [int((joined == label).sum()) for label in labels],
            "counted": plain_shares(final, labels),
            "share": best,
            "low": low,
            "high": high,
            "expected": [np.nan if expected is None else expected.get(label, 0.0) for label in labels],
            "diameter": plain_shares(by_diameter, labels),
            "intensity": plain_shares(by_intensity, labels),
        }
    )


def _diameters(table: ClusterTable) -> Any:
    return table.rows["diameter_nm"].to_numpy(dtype=float)


def _numbers(parts: Sequence[CountedImage]) -> dict[str, Any]:
    from napari_atomicity.counting.ratios import counted, rejected

    chosen = [counted(part.table) for part in parts]
    return {
        "found": sum(len(part.table) for part in parts),
        "analysed": sum(int(one.sum()) for one in chosen),
        "other": sum(int((p.table.final_labels[one] == OTHER).sum()) for p, one in zip(parts, chosen, strict=True)),
        "rejected": dict(sum((Counter(rejected(part.table)) for part in parts), Counter())),
        "by_hand": sum(int(p.table.labelled[one].sum()) for p, one in zip(parts, chosen, strict=True)),
    }


def _remarks(parts: Sequence[CountedImage], shares: Shares) -> tuple[str, ...]:
    sentences = []
    if any(fit.ambiguous for part in parts for fit in part.calibrations.values()):
        sentences.append("An image cannot decide between two solutions; the intervals cover both.")
    if shares.spread > 1.5:
        sentences.append("The images differ by more than chance; the intervals are widened accordingly.")
    return tuple(sentences)


# ---------------------------------------------------------------------- what is expected


def read_expected(text: str) -> dict[int, float]:
    """Amount of each size (atoms) from what a person types: ``19:0.7, 55:0.3``; sizes alone are taken as equal shares.

    Raises
    ------
    InputError
        For anything else.
    """
    if not text.strip():
        return {}
    sizes, amounts = read_deposited(text)
    if len(set(sizes)) < len(sizes):
        raise InputError("An expected size is named twice; name each once, for example 19:0.7, 55:0.3.")
    return dict(zip(sizes, amounts or [1.0] * len(sizes), strict=True))


def expected_text(expected: Mapping[int, float]) -> str:
    """The shares as a person would type them, in all 1."""
    total = sum(expected.values()) or 1.0
    return ", ".join(f"{size}:{amount / total:.4g}" for size, amount in sorted(expected.items()))


def load_expected(path: str | Path) -> dict[int, float]:
    """Amount of each size (atoms) from a CSV of what was deposited, as a mass spectrometer or a person writes it.

    Parameters
    ----------
    path
        CSV with a column of sizes (headed size, atoms, label, ...; ``19`` or ``Pt19``) and one of amounts (amount,
        share, fraction, counts, ...), or just these two columns; separated by comma, semicolon or tab.

    Raises
    ------
    InputError
        Where it is no such table, naming the row.
    """
    path = Path(path)
    text = text_of(content_of(path, _ADVICE), path.name, _ADVICE)
    sheet = sheet_of(_without_comments(text), path.name, _known)
    if not sheet.rows:
        raise InputError(f"{path.name} holds no amount; it needs a column of sizes and one of amounts.")
    size_column, amount_column = _columns(sheet, path.name)
    mark = decimal_mark(sheet.column(amount_column), sheet.separator)
    amounts: dict[int, float] = {}
    for line, row in zip(sheet.lines, sheet.rows, strict=True):
        size, value = _size(row[size_column]), number(row[amount_column].rstrip("% "), mark)
        if size is None or value is None or not 0 <= value < np.inf:
            shown = sheet.separator.join(row)[:_LONGEST]
            raise InputError(
                f"{path.name}, row {line}: {shown!r} is not a size and an amount, such as Pt19{sheet.separator}0.7."
            )
        if size in amounts:
            raise InputError(f"{path.name}, row {line}: the size {size} is there twice; keep one row for each size.")
        amounts[size] = value
    if sum(amounts.values()) <= 0:
        raise InputError(f"{path.name} holds no amount above zero; it needs a column of sizes and one of amounts.")
    return amounts


def _without_comments(text: str) -> str:
    """Lines that begin with # are empty: numbers of rows stay."""
    lines = text.splitlines(keepends=True)
    return "".join("\n" if line.lstrip(' "').startswith("#") else line for line in lines)


def _known(cells: Sequence[str]) -> int:
    """How many of the cells are headings of such a table."""
    words = [_word(cell) for cell in cells]
    return any(word in _SIZE_WORDS for word in words) + any(word in _AMOUNT_WORDS for word in words)


def _word(cell: str) -> str:
    return re.sub(r"[^\w%]|[0-9]", "", cell[:_LONGEST].casefold().split("(")[0])


def _columns(sheet: Sheet, name: str) -> tuple[int, int]:
    """Places of sizes and amounts."""
    words = [_word(cell) for cell in sheet.heading]
    sizes = [i for i, word in enumerate(words) if word in _SIZE_WORDS]
    amounts = [i for i, word in enumerate(words) if word in _AMOUNT_WORDS]
    if sizes and amounts:
        return sizes[0], amounts[0]
    if len(sheet.rows[0]) == 2:
        return 0, 1
    heading = ", ".join(sheet.heading or sheet.rows[0])[:_LONGEST]
    raise InputError(f"{name} has the columns {heading}; name the one of sizes 'size' and the one of amounts 'amount'.")


def _size(cell: str) -> int | None:
    match = re.fullmatch(r"[A-Za-z]{0,2}\s?([0-9]{1,6})(?:[.,]0{1,9})?", cell[:_LONGEST])
    return int(match[1]) if match else None
