"""The tables of the panel: every way, what two of them differ by, and the shares that each alone would give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_atomicity.ui.widgets.html import Bold, html_table

if TYPE_CHECKING:
    from napari_atomicity.pipeline import ScaleConsistency


def numbers(result: ScaleConsistency) -> str:
    """Every way, and what two of them differ by."""
    found = result.found
    rows: list[tuple[str, ...]] = [
        (one.words, f"{one.value:.4g}", f"± {100 * one.relative_sd:.0f} %", f"{median:.3g}")
        for one, median in zip(found.references, result.shares["median_atoms"], strict=True)
    ]
    if len(found.references) > 1:
        rows.append((Bold("together"), Bold(f"{found.value:.4g}"), Bold(f"± {100 * found.relative_sd:.0f} %"), ""))
        rows.append((f"χ² = {found.chi2:.2g} of {len(found.references) - 1}, p = {found.p:.2g}",))
    for pairs in found.pairs.to_dict("records"):
        apart = f"{100 * (pairs['ratio'] - 1):+.0f} %, {pairs['deviations']:.1f} sd"
        rows.append((f"{pairs['first']} over {pairs['second']}: {apart}",))
    return html_table(rows, ("way", "one atom", "", "median atoms"), wraps=True)


def shares(result: ScaleConsistency) -> str:
    """Class shares that each way alone would give, in %."""
    labels = [name for name in result.shares.columns if name not in ("way", "median_atoms")]
    rows = [
        (str(row["way"]), *(f"{100 * row[label]:.0f}" for label in labels)) for row in result.shares.to_dict("records")
    ]
    return html_table(rows, ("shares in %", *labels), wraps=True)
