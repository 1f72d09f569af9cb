"""Size and composition of clusters of two metals, from a counted table and what else was measured of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_atomicity.cli.console import Console
from napari_atomicity.cli.files import folder, save_json, save_rows
from napari_atomicity.errors import InputError
from napari_atomicity.io.names import safe_name

if TYPE_CHECKING:
    from napari_atomicity.clusters import ClusterTable
    from napari_atomicity.pipeline.compositions import Known


@dataclass(frozen=True)
class AlloyRequest:
    """The options of ``alloy``.

    Attributes
    ----------
    table
        Clusters that were counted.
    output
        Folder to write to.
    guest, host
        The two metals; the one that the model counts stands for a host that is not named.
    composition
        What all clusters are made of, where that is known.
    fraction, fraction_sd
        Column of measured atomic fractions of the guest, and their standard deviation or a column of it.
    second, second_scale, second_sd, second_exponent
        Column of integrals by a second detector, the integral of one atom there, their relative standard deviation, and
        power of the atomic number there.
    columns
        Table that holds these columns; the table of clusters itself where None.
    exponent
        Power of the atomic number of the detector that counted.
    """

    table: Path
    output: Path
    guest: str
    host: str
    composition: str
    fraction: str
    fraction_sd: str
    second: str
    second_scale: float | None
    second_sd: float | None
    second_exponent: tuple[float, ...]
    columns: Path | None
    exponent: tuple[float, ...]


def alloy(request: AlloyRequest, console: Console) -> None:
    """Write sizes and compositions as far as they are known, and the ridges where they are not.

    Parameters
    ----------
    request
        The options.
    console
        Where messages go.

    Raises
    ------
    InputError
        For a table or columns that do not fit, options that contradict each other, and where nothing can be written.
    """
    from napari_atomicity.io.tables import open_table
    from napari_atomicity.metals import Exponent, Pair
    from napari_atomicity.pipeline.alloys import alloy_count
    from napari_atomicity.provenance import versions
    from napari_atomicity.report.alloys import draw_alloy

    _check(request)
    read = open_table(request.table)
    reference = _element(read.table, read.facts)
    exponent = Exponent.within(*request.exponent) if request.exponent else Exponent()
    pair = Pair(request.host or reference, request.guest, reference, exponent)
    remarks = [*read.remarks, *_scale_remark(read.facts, reference)]
    found = alloy_count(read.table, pair, _known(request, read.table, pair))
    target = folder(request.output)
    stem = safe_name(request.table.stem.removesuffix(".clusters"))
    paths = [target / f"{stem}.{name}" for name in ("alloy.json", "alloy.csv", "ridge.csv", "alloy.png")]
    image = read.facts.get("image")
    facts: dict[str, Any] = {"image": image, "versions": versions(), "alloy": found.as_dict(), "remarks": remarks}
    save_json(paths[0], facts)
    save_rows(paths[1], found.table, console)
    save_rows(paths[2], found.ridges(), console)
    draw_alloy(found, paths[3], read.table.class_sizes)
    for remark in remarks:
        console.remark(f"{stem}: {remark}")
    console.say(f"{stem}: {found.sentence}")
    for path in paths:
        console.say(f"  {path}")


def _check(request: AlloyRequest) -> None:
    """Raise where options contradict each other."""
    given = [name for name in ("composition", "fraction") if getattr(request, name)]
    if len(given) > 1:
        raise InputError("Both --composition and --fraction say what the clusters are made of; leave one of them out.")
    if request.second and request.second_scale is None:
        raise InputError("--second needs the integral of one atom there; give it with --second-scale.")
    if request.second and request.composition:
        raise InputError("Both --composition and --second say what the clusters are made of; leave one of them out.")
    if request.columns is not None and not (request.fraction or request.second):
        raise InputError("--columns names a table; name its column with --fraction or --second, too.")


def _known(request: AlloyRequest, table: ClusterTable, pair: Any) -> Known | None:
    """What is known of the compositions, by the options."""
    from dataclasses import replace

    from napari_atomicity.io.columns import read_columns
    from napari_atomicity.metals import Exponent, read_composition
    from napari_atomicity.pipeline.compositions import known_composition, known_fraction, known_second

    if request.composition:
        return known_composition(table, pair, read_composition(request.composition, pair.host))
    sd = _number(request.fraction_sd)
    names = [request.fraction, "" if sd is not None else request.fraction_sd, request.second]
    names = [name for name in names if name]
    if not (request.fraction or request.second):
        return None
    columns = read_columns(request.columns or request.table, names)
    known = None
    if request.fraction:
        errors = sd if sd is not None else columns[request.fraction_sd]
        known = known_fraction(table, columns[request.fraction], errors, f"the column {request.fraction}")
    if request.second and request.second_scale is not None:
        second = Exponent.within(*request.second_exponent)
        beside = known_second(table, columns[request.second], request.second_scale, request.second_sd, second)
        known = beside if known is None else replace(known, second=beside.second, how=f"{known.how} and {beside.how}")
    return known


def _number(text: str) -> float | None:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    if not 0 < value <= 0.5:
        raise InputError(f"A standard deviation of {value:g} of a fraction is impossible; give one above 0, to 0.5.")
    return value


def _element(table: ClusterTable, facts: dict[str, Any]) -> str:
    """Of the model that counted."""
    from napari_atomicity.insight.cluster_card import class_labels
    from napari_atomicity.io.table_metadata import TableMetadata

    labels = class_labels(table, None)
    return TableMetadata.of(facts).element or (labels[0].rstrip("0123456789") if labels else "Pt")


def _scale_remark(facts: dict[str, Any], reference: str) -> list[str]:
    """Whose atoms the counts of the table are in, where that is not the reference for sure."""
    settings = facts.get("parameters")
    known = settings if isinstance(settings, dict) else {}
    if known.get("scale") is not None:
        return []
    if known.get("deposited"):
        raise InputError(
            "The table was counted with the deposited sizes, so its counts are atoms of both metals already; "
            f"count with the intensity of one {reference} atom instead."
        )
    return [
        f"Nothing beside the table says that its scale is that of a known {reference} atom; a scale that was found "
        "from alloy clusters themselves makes their equivalents wrong."
    ]
