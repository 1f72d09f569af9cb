"""What belongs to a table of clusters and is not in it: the file beside a CSV, and whether it belongs to that CSV."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeGuard

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity import __version__
from napari_atomicity.clusters import UNITS, ClusterTable

Content = Mapping[str, Any]

#: every id fits into a float, which is what other programs make of it
MOST_ID: Final = 2**53
TITLE: Final = "napari-atomicity clusters"
#: of other tables, which are not read back
ROWS: Final = "napari-atomicity rows"
#: keys of the file beside a CSV that say which table it belongs to
_TABLE_HASH: Final = "table_sha256"
_PLACES: Final = "some_places_px"
_EARLIER: Final = "earlier"
_MOST_BYTES: Final = 64_000_000
#: clusters whose places are noted, to know the table again after a person changed it
_NOTED: Final = 32
#: no image has that many pixels along a side
_FAR: Final = 1e9
#: a spreadsheet that shows three digits saves three digits
_SAME_PLACE: Final = 0.006


def beside(path: Path) -> Path:
    """The file with the facts of the CSV `path`, by the name that "CSV on the Web" gives to it."""
    return path.with_name(f"{path.name}-metadata.json")


def facts_of(table: ClusterTable, metadata: Content) -> dict[str, Any]:
    """All that is written with a table.

    Parameters
    ----------
    table
        The clusters.
    metadata
        JSON-serialisable facts that the numbers depend on.
    """
    return {
        "software": f"napari-atomicity {__version__}",
        "units": {name: unit for name, unit in UNITS.items() if name in table.rows.columns},
        "class_sizes": list(table.class_sizes),
        "next_id": table.next_id,
        "hand_placed": sorted(table.hand_placed),
        "removed": table.removed.tolist(),
        **metadata,
    }


def signed(facts: Content, text: str, rows: pd.DataFrame) -> dict[str, Any]:
    """Facts in a form that tells whether a CSV is the one they were written with, or was made from it.

    Parameters
    ----------
    facts
        As `facts_of` gives them.
    text
        The CSV.
    rows
        What is written in it.
    """
    some = rows.iloc[:: max(1, -(-len(rows) // _NOTED))]
    places = some[["id", "y_px", "x_px"]].to_numpy(dtype=np.float64)
    noted = [[float(f"{value:.7g}") for value in row] for row in places[np.isfinite(places).all(axis=1)]]
    return {**signed_text(facts, text, TITLE), _PLACES: noted}


def signed_text(facts: Content, text: str, title: str) -> dict[str, Any]:
    """Facts of any CSV with its hash, which tells whether a CSV is still this one.

    Parameters
    ----------
    facts
        JSON-serialisable.
    text
        The CSV.
    title
        What kind of table it is.
    """
    digest = hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
    return {"title": title, **facts, _TABLE_HASH: digest}


def with_earlier(facts: Content, earlier: Content) -> dict[str, Any]:
    """Facts that also hold those of the table which is there until the new one takes its place.

    Parameters
    ----------
    facts
        Of the new table.
    earlier
        Of the one that is there.
    """
    return {**facts, _EARLIER: {name: value for name, value in earlier.items() if name != _EARLIER}}


def as_json(facts: Content) -> str:
    """The content of the file beside a CSV."""
    return json.dumps(facts, default=jsonable, ensure_ascii=False, indent=1) + "\n"


def jsonable(value: Any) -> Any:
    """What JSON has no form for, in one that it has."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)


def stored(path: Path) -> dict[str, Any] | None:
    """The content of the file beside the CSV `path`; None where there is none, or none that can be read."""
    place = beside(path)
    try:
        if not place.is_file() or place.stat().st_size > _MOST_BYTES:
            return None
        content = json.loads(place.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def is_as_written(facts: Content | None, content: bytes) -> bool | None:
    """Whether a CSV is exactly the one that the facts were written with.

    Parameters
    ----------
    facts
        Of the file beside it; None where there is none.
    content
        The bytes of the CSV.

    Returns
    -------
    None where the facts do not tell.
    """
    if facts is None or not isinstance(facts.get(_TABLE_HASH), str):
        return None
    return bool(hashlib.sha256(content).hexdigest() == facts[_TABLE_HASH])


def versions(facts: Content | None) -> list[dict[str, Any]]:
    """The facts, and those of the table before it that they may still hold, where a write was interrupted."""
    if facts is None:
        return []
    earlier = facts.get(_EARLIER)
    return [{name: value for name, value in facts.items() if name != _EARLIER}, *([earlier] if _is(earlier) else [])]


def belongs(facts: Content, ids: npt.NDArray[np.int64], places_px: npt.NDArray[np.float64]) -> bool:
    """Whether the facts may be those of a table that a person changed: the same clusters lie at the same places.

    Parameters
    ----------
    facts
        Of a file beside a table.
    ids, places_px
        Of the clusters in the table; (n, 2) y and x.
    """
    noted = _numbers(facts.get(_PLACES), 3)
    if noted is None or not len(noted):
        return True  # nothing speaks against it
    row_of = {int(i): row for row, i in enumerate(ids)}
    common = noted[[int(i) in row_of for i in noted[:, 0]]]
    if not len(common):
        return len(ids) < len(noted)
    present = places_px[[row_of[int(i)] for i in common[:, 0]]]
    near = np.abs(present - common[:, 1:]) <= np.maximum(0.6, _SAME_PLACE * np.abs(present))
    return bool(2 * near.all(axis=1).sum() >= len(common))


@dataclass(frozen=True)
class TableMetadata:
    """What the file beside a table says, as far as it is possible.

    Attributes
    ----------
    content
        All of it.
    class_sizes, next_id, hand_placed, removed
        As in `ClusterTable`; None, or empty, where it is not said.
    """

    content: dict[str, Any]
    class_sizes: tuple[int, ...] | None = None
    next_id: int = 0
    hand_placed: frozenset[int] = frozenset()
    removed: npt.NDArray[np.float64] | None = None

    @classmethod
    def of(cls, content: Content) -> TableMetadata:
        """Read what is possible; what is not is left out."""
        sizes, hand = content.get("class_sizes"), content.get("hand_placed")
        next_id = content.get("next_id")
        return cls(
            dict(content),
            class_sizes=tuple(sizes) if _are_whole(sizes, 1, 10**6) and len(set(sizes)) == len(sizes) else None,
            next_id=next_id if _is_whole(next_id, 0, MOST_ID) else 0,
            hand_placed=frozenset(hand) if _are_whole(hand, 0, MOST_ID) else frozenset(),
            removed=_numbers(content.get("removed"), 3),
        )

    @property
    def pixel_size_nm(self) -> float | None:
        """Of the image, where it is said."""
        image = self.content.get("image")
        sizes = [image.get("pixel_size_nm")] if _is(image) else []
        for size in (*sizes, self.content.get("pixel_size_nm")):
            if isinstance(size, int | float) and not isinstance(size, bool) and 0 < size < _FAR:
                return float(size)
        return None

    @property
    def frames(self) -> int:
        """Of the image, as far as it is said."""
        image = self.content.get("image")
        frames = image.get("frames") if _is(image) else None
        return frames if _is_whole(frames, 1, MOST_ID) else 1

    @property
    def element(self) -> str | None:
        """Of the model that labelled, where it is said."""
        model = self.content.get("model")
        element = model.get("element") if _is(model) else None
        return element if isinstance(element, str) and element.isalpha() and len(element) <= 2 else None

    def identify(self, table: ClusterTable) -> ClusterTable:
        """`table` with its identities: what a person placed and deleted, and ids that are used up."""
        removed = table.removed if self.removed is None else self.removed
        hand = self.hand_placed & frozenset(int(i) for i in table.ids)
        return replace(table, next_id=max(table.next_id, self.next_id), hand_placed=hand, removed=removed)


def _is(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _is_whole(value: Any, low: int, high: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _are_whole(values: Any, low: int, high: int) -> TypeGuard[list[int]]:
    return isinstance(values, list) and all(_is_whole(value, low, high) for value in values)


def _numbers(values: Any, width: int) -> npt.NDArray[np.float64] | None:
    """(n, width) finite numbers, rows without those that are not; None for anything else."""
    if not isinstance(values, list) or not all(_is_row(row, width) for row in values):
        return None
    rows = np.array(values, dtype=np.float64).reshape(-1, width)
    return rows[(np.abs(rows) < _FAR).all(axis=1)]


def _is_row(row: Any, width: int) -> bool:
    return isinstance(row, list) and len(row) == width and all(_is_number(value) for value in row)


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and abs(value) <= MOST_ID)
