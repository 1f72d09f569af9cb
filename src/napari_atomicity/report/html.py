"""What a report says: gathered from analyses, filled into the template."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_atomicity import __version__
from napari_atomicity.errors import InputError
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.report.summary import describe
from napari_atomicity.wording import interval, percent

if TYPE_CHECKING:
    from napari_atomicity.pipeline import ImageState, Ratios, Repeatability, ScaleConsistency

#: how to cite, as CITATION.cff says it
CITE: Final = (
    f"napari-atomicity {__version__} (The napari-atomicity developers), a napari plug-in that counts the atoms in "
    "platinum nanoclusters on HAADF-STEM micrographs.",
    "The method that it follows: Tsukamoto et al., Interpretable deep learning for atomicity classification of "
    "platinum nanoclusters in STEM images, npj Computational Materials 12, 143 (2026), "
    "doi:10.1038/s41524-026-02014-z.",
)
_SETTINGS: Final = {
    "model": "Model",
    "adapt": "Adaptation",
    "sensitivity": "Sensitivity of the search",
    "all_the_same": "Counted although the image looked unfit",
    "scale": "Intensity of one atom, given (counts·nm²)",
    "scale_sd": "Its relative standard deviation",
    "deposited": "Deposited sizes",
    "fractions": "Deposited shares",
    "element": "Metal of the clusters",
    "composition": "Composition, atomic fractions",
    "exponent": "Exponent of the atomic number",
    "anchors": "Anchors of the fine-tuning",
    "seed": "Seed",
    "session": "Counted together with",
}


@dataclass(frozen=True)
class _ImageSection:
    """One image of the report as the template shows it."""

    name: str
    facts: list[tuple[str, str]]
    alone: str
    overlay: str
    frame: str
    counts: list[dict[str, Any]]
    flags: list[tuple[str, int]]
    found: int
    analysed: int
    by_hand: int
    rejected: list[tuple[str, int]]
    diameters: str
    confidence: str
    remarks: list[str]
    settings: list[tuple[str, str]]


def report_steps(
    analyses: Sequence[ImageState],
    path: Path,
    expected: Mapping[int, float] | None = None,
    title: str = "",
    frames: Sequence[int] | None = None,
    checked: bool = False,
    scales: Sequence[ScaleConsistency] = (),
    repeats: Repeatability | None = None,
) -> Steps[Path]:
    """Write a self-contained HTML report of one image or several.

    Parameters
    ----------
    analyses
        What was counted, an image an entry.
    path
        HTML file to write.
    expected
        Amount of each deposited size (atoms); without it nothing is expected.
    title
        Of the report; made from the names where empty.
    frames
        Which frame of each stack is pictured; the first where None.
    checked
        As for `pipeline.ratios_steps`.
    scales
        What one atom is worth in images by several ways, where that was compared.
    repeats
        How far repeated frames agree, where that was compared.

    Raises
    ------
    InputError
        Where nothing is counted, or the file cannot be written.
    """
    from napari_atomicity.io.atomic import write_text
    from napari_atomicity.pipeline import ratios_steps, seen
    from napari_atomicity.report import charts

    if not analyses:
        raise InputError("There is no counted image to report on; count the atoms first.")
    counted = [
        (analysis.micrograph.name, seen(analysis.table, analysis.model_in_force.card, analysis.count))
        for analysis in analyses
    ]
    result = yield from ratios_steps(counted, expected, checked)
    pictures = []
    for number, analysis in enumerate(analyses):
        yield Progress(number, len(analyses), "Drawing the report")
        pictures.append(_picture(analysis, 0 if frames is None else frames[number]))
    yield Progress(1, 1, "Writing the report")
    names = ", ".join(analysis.micrograph.name for analysis in analyses)
    text = _filled(
        title=title or (f"Atom counts of {names}" if len(analyses) == 1 else f"Atom counts of {len(analyses)} images"),
        date=datetime.datetime.now().astimezone().strftime("%d %B %Y, %H:%M"),
        version=__version__,
        ratios=result,
        rows=_ratio_rows(result),
        chart=charts.ratios(result, analyses[0]),
        simple=bool(result.table["intensity"].notna().any()),
        images=pictures,
        scales=[_scales(found) for found in scales],
        repeats=None if repeats is None else _repeats(repeats),
        models=_models(analyses),
        versions=list(describe(analyses[0])["versions"].items()),
        cite=CITE,
    )
    write_text(path, text)
    return path


def _filled(**content: Any) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # everything is escaped: names of files and labels are whatever people make them
    loader = PackageLoader("napari_atomicity.report", "templates")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return made.get_template("report.html").render(**content)


def _ratio_rows(result: Ratios) -> list[dict[str, str]]:
    return [
        {
            "label": str(row["label"]),
            "count": str(row["count"]),
            "share": percent(row["share"]),
            "interval": interval(row["low"], row["high"]),
            **{name: percent(row[name]) for name in ("counted", "expected", "diameter", "intensity")},
        }
        for row in result.table.to_dict("records")
    ]


def _picture(analysis: ImageState, frame: int) -> _ImageSection:
    from napari_atomicity.report import charts

    summary = describe(analysis)
    image, counts = summary["image"], summary["counts"]
    flags = analysis.table.rows["flag"].value_counts()
    outcome = "" if analysis.adaptation is None else analysis.adaptation.reason
    parameters = {name: value for name, value in summary["parameters"].items() if value is not None}
    if "scale" not in parameters:
        parameters.pop("scale_sd", None)
    stack = analysis.micrograph.n_frames > 1
    return _ImageSection(
        name=analysis.micrograph.name,
        facts=[
            ("File", image["path"] or "not from a file"),
            (f"SHA-256 of the {image['sha256_of']}", image["sha256"])
            if image["sha256"]
            else ("SHA-256", "not known: the file changed after it was read"),
            ("Read by", image["reader"] or "not stated"),
            (
                "Size",
                f"{image['shape_px'][1]} × {image['shape_px'][0]} pixels"
                + (f", {image['frames']} frames" if stack else ""),
            ),
            ("Pixel size", f"{image['pixel_size_nm']:.5g} nm"),
            *_scale(analysis),
        ],
        alone=charts.micrograph(analysis, frame),
        overlay=charts.overlay(analysis, frame),
        frame=f"Frame {frame} of {analysis.micrograph.n_frames}." if stack else "",
        counts=[
            {
                **row,
                "fraction": percent(row["fraction"]),
                "interval": interval(row["low"], row["high"]),
            }
            for row in summary["ratios"]
        ],
        flags=[(str(name), int(n)) for name, n in flags.items()],
        found=counts["found"],
        analysed=counts["analysed"],
        by_hand=int(analysis.table.labelled.sum()),
        rejected=list(counts["rejected"].items()),
        diameters=charts.diameters(analysis),
        confidence=charts.confidence(analysis),
        remarks=[text for text in summary["messages"] if text != outcome],
        settings=[
            (words, _in_words(parameters[name]))
            for name, words in _SETTINGS.items()
            if parameters.get(name) not in (None, [], "", False)
        ],
    )


def _scale(analysis: ImageState) -> list[tuple[str, str]]:
    fits = list(analysis.calibrations.values())
    if not fits:
        return [("Intensity of one atom", "not calibrated: no cluster could be looked at")]
    first = fits[0]
    more = f", and {len(fits) - 1} more frames" if len(fits) > 1 else ""
    return [
        (
            "Intensity of one atom",
            f"{first.intensity_per_atom:.4g} ± {first.intensity_per_atom_sd:.2g} counts·nm²{more}",
        )
    ]


def _scales(found: ScaleConsistency) -> dict[str, Any]:
    """Every way to what one atom is worth, as the template shows it."""
    from napari_atomicity.report import charts

    ways = zip(found.found.references, found.shares["median_atoms"], strict=True)
    return {
        "name": found.image,
        "sentence": found.found.sentence,
        "chart": charts.scales(found),
        "rows": [
            (one.words, f"{one.value:.4g}", f"{100 * one.relative_sd:.0f} %", f"{atoms:.3g}", one.basis)
            for one, atoms in ways
        ],
        "chi2": f"{found.found.chi2:.2g}",
        "p": f"{found.found.p:.2g}",
        "freedom": len(found.found.references) - 1,
        "remarks": found.remarks,
    }


def _repeats(found: Repeatability) -> dict[str, Any]:
    """How far repeated frames agree, as the template shows it."""
    from napari_atomicity.report import charts
    from napari_atomicity.report.repeatability import repeatability_lines

    return {
        "sentence": found.precision.sentence,
        "chart": charts.repeats(found),
        "rows": repeatability_lines(found),
        "remarks": found.remarks,
    }


def _models(analyses: Sequence[ImageState]) -> list[dict[str, Any]]:
    """Each model that counted, once."""
    from napari_atomicity.counting.bundle import weights_sha256
    from napari_atomicity.counting.card_text import HEADINGS, NO_SCORES, SCORES_NOTE, facts, scores

    models: dict[str, dict[str, Any]] = {}
    for analysis in analyses:
        card, key = analysis.model_in_force.card, weights_sha256(analysis.model_in_force)
        adaptation = analysis.adaptation
        models.setdefault(
            key,
            {
                "name": card.name
                + (", adapted to these images" if adaptation is not None and adaptation.accepted else ""),
                "facts": [*facts(card), ("Version", card.version), ("Licence", card.licence or "not stated")],
                "sha256": key,
                "limits": list(card.limits) or ["None stated; take it that there are some."],
                "cite": card.citation or "not stated",
                "headings": HEADINGS,
                "scores": scores(card),
                "note": SCORES_NOTE if scores(card) else NO_SCORES,
                "adaptation": adaptation.reason if adaptation is not None else "",
            },
        )
    return list(models.values())


def _in_words(value: Any) -> str:
    if value is None or value == () or value == []:
        return "–"
    if isinstance(value, list | tuple):
        return ", ".join(map(_in_words, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
