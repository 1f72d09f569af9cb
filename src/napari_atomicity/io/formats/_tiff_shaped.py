"""The descriptions that tifffile writes, a shape in JSON, held against the pages before anything is sized by them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from typing import Any, Final

#: pages whose descriptions are looked at, each the first of a series
_MOST_SERIES: Final = 1000
_MOST_AXES: Final = 16
_LONGEST: Final = 1_000_000


def why_not_shaped(tif: Any, n_pages: int) -> str:
    """Where the descriptions claim something else than the `n_pages` of the file hold: what, in words; else empty.

    Parameters
    ----------
    tif
        The open `tifffile.TiffFile`.
    n_pages
        Pages that it has.
    """
    index = 0
    for _ in range(_MOST_SERIES):
        if index >= n_pages:
            return ""
        page = tif.pages[index]
        about = read(page.shaped_description or "")
        if about is None:
            # a series without a description makes tifffile leave out those of the others
            return "" if index and not page.shaped_description else "it gives no shape that an image can have"
        shape = about["shape"]
        claimed, of_page = prod(shape), prod(page.shape)
        if not of_page:
            return ""
        if claimed % of_page:
            return f"it claims {_times(shape)} pixels, a page has {_times(page.shape)}"
        n = claimed // of_page
        # frames that are not packed may follow the one page without pages of their own: then it says so, or they fit
        is_one_page = bool(page.is_contiguous) and (about.get("truncated") is True or _follow(tif, page, claimed))
        if index + n > n_pages and not is_one_page:
            return f"it claims {n} pages, there {'is' if n_pages - index == 1 else 'are'} {n_pages - index}"
        index += 1 if is_one_page and index + n > n_pages else n
    return ""


def read(description: str) -> Mapping[str, Any] | None:
    """The entries of a description with a `shape` that is one; None for anything else."""
    if len(description) > _LONGEST:
        return None
    try:
        if description.startswith("shape="):
            found: Any = {"shape": [int(part) for part in description[7:-1].split(",") if part.strip()]}
        else:
            found = json.loads(description)
    except (ValueError, RecursionError):
        return None
    shape = found.get("shape") if isinstance(found, dict) else None
    if not isinstance(shape, list) or not 0 < len(shape) <= _MOST_AXES:
        return None
    whole = all(isinstance(n, int) and not isinstance(n, bool) and 0 < n < 2**63 for n in shape)
    return found if whole else None


def _follow(tif: Any, page: Any, n_pixels: int) -> bool:
    """Whether the file has room from the pixels of a page on for all that are claimed."""
    return page.dtype is not None and bool(page.dataoffsets[0] + n_pixels * page.dtype.itemsize <= tif.filehandle.size)


def _times(shape: Any) -> str:
    return " × ".join(str(n) for n in shape)
