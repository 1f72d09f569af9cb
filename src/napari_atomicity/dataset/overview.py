"""The overview of a dataset: one HTML file that opens without a server and holds all that it shows."""

from __future__ import annotations

import base64
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from napari_atomicity import __version__
from napari_atomicity.clusters import class_label
from napari_atomicity.dataset.finish import FINISHED
from napari_atomicity.dataset.folder import Folder, facts_of
from napari_atomicity.dataset.measure import COUNTED
from napari_atomicity.dataset.parts import class_names, part_path, parts_in, pyarrow, read_tables
from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import write_text
from napari_atomicity.style import colours

#: pictures of a session, sessions with pictures, and sessions in the table
_PICTURES: Final = 12
_PICTURED: Final = 24
_LISTED: Final = 400
#: points of a chart, and different shares in it; of more images each is the median, or the share, of neighbours
_POINTS: Final = 400
_SHARES: Final = 100
_KINDS: Final = 20
#: of a chart, in pixels
_WIDTH: Final = 880
_HEIGHT: Final = 170
_LEFT: Final = 70
_BELOW: Final = 24

#: columns that are shown; of a million images no others are read
_SHOWN: Final = (
    "image", "path", "file", "session", "status", "refusal", "clusters", "scale", "finest_detail_nm", "ambiguous",
    "alone_in_session",
)  # fmt: skip

Row = Mapping[str, Any]


def _image_rows(folder: Folder, classes: Sequence[int]) -> list[dict[str, Any]]:
    """What is shown of the finished table of images, a row an image, in order.

    Raises
    ------
    InputError
        Where it is not finished or damaged.
    """
    paths = sorted((folder.path / FINISHED[0]).glob("*.parquet"))
    if not paths:
        raise InputError(f"{folder.path} is not finished; the same batch with --resume writes its tables.")
    wanted = [*_SHOWN, *(f"count_{name}" for name in class_names(classes))]
    rows: list[dict[str, Any]] = read_tables(paths, wanted).to_pylist()
    return rows


def write_overview(folder: Folder) -> Path:
    """Write `overview.html` of a finished dataset; the same tables give the same file.

    Parameters
    ----------
    folder
        The dataset.

    Raises
    ------
    InputError
        Where the dataset is not finished, or the file cannot be written.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    facts = facts_of(folder)
    rows = _image_rows(folder, facts.classes)
    counted = [row for row in rows if row["status"] == COUNTED]
    loader = PackageLoader("napari_atomicity.dataset", "templates")
    sessions = _sessions(folder, rows, facts.classes)
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    text = made.get_template("overview.html").render(
        title=folder.path.name,
        version=__version__,
        images=len(rows),
        counted=len(counted),
        clusters=sum(row["clusters"] or 0 for row in counted),
        settings=[
            ("Model", facts.settings.get("model", "")),
            ("Weights, SHA-256", facts.model_sha256),
            ("Sensitivity of the search", facts.settings.get("sensitivity")),
            ("Sessions by", facts.session_by),
        ],
        versions=sorted(facts.versions.items()),
        sessions=sessions,
        left_out=max(0, len({row["session"] for row in rows}) - _LISTED),
        pictured=_PICTURED,
        without=max(0, len(sessions) - _PICTURED),
        classes=[class_label(size, "Pt") for size in facts.classes] + ["other"],
        charts=_charts(counted, facts.classes),
        refusals=_refusals(rows),
    )
    path = folder.path / "overview.html"
    write_text(path, text)
    return path


def _sessions(folder: Folder, rows: Sequence[Row], classes: Sequence[int]) -> list[dict[str, Any]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["session"], []).append(row)
    listed = list(groups.items())[:_LISTED]
    chosen = {name: _spread(own) for name, own in listed[:_PICTURED]}
    pictures = _pictures(folder, [row["image"] for own in chosen.values() for row in own])
    return [
        {
            "name": name,
            "images": len(own),
            "counted": sum(row["status"] == COUNTED for row in own),
            "clusters": sum(row["clusters"] or 0 for row in own),
            "odd": sum(bool(row["alone_in_session"]) for row in own),
            "scale": _middle([row["scale"] for row in own]),
            "detail": _middle([row["finest_detail_nm"] for row in own], 3),
            "shares": _shares(own, classes),
            "pictures": [
                {"jpeg": pictures[row["image"]], "file": row["file"], "said": _said(row)}
                for row in chosen.get(path, [])
                if row["image"] in pictures
            ],
        }
        for (path, own), name in zip(listed, _names([path for path, _ in listed]), strict=True)
    ]


def _names(sessions: Sequence[str]) -> list[str]:
    """Short names of sessions: the last folder, with those above it where several end alike."""
    parts = [re.split(r"[/\\]", session.rstrip("/\\")) for session in sessions]
    depth = 1
    while len({tuple(own[-depth:]) for own in parts}) < len(set(sessions)):
        depth += 1
    return ["/".join(own[-depth:]) or "Images that stand alone" for own in parts]


def _said(row: Row) -> str:
    if row["status"] != COUNTED:
        return str(row["refusal"])
    return f"{row['clusters']} clusters" + (", undecided" if row["ambiguous"] else "")


def _spread(rows: Sequence[Row]) -> list[Row]:
    """Some images of a session, evenly from its first to its last."""
    n = len(rows)
    if n <= _PICTURES:
        return list(rows)
    return [rows[i * (n - 1) // (_PICTURES - 1)] for i in range(_PICTURES)]


def _pictures(folder: Folder, images: Sequence[str]) -> dict[str, str]:
    pa, _ = pyarrow()
    wanted, found = pa.array(sorted(set(images)), pa.string()), {}
    for part in parts_in(folder.measured):
        table = read_tables([part_path(folder.measured, part, "thumbnails")])
        for row in table.filter(pa.compute.is_in(table["image"], value_set=wanted)).to_pylist():
            found[row["image"]] = base64.b64encode(row["jpeg"]).decode()
    return found


def _shares(rows: Sequence[Row], classes: Sequence[int]) -> list[str]:
    """Share of each class among all clusters of some images."""
    counts = [sum(row[f"count_{name}"] or 0 for row in rows) for name in class_names(classes)]
    total = sum(counts)
    return [f"{100 * n / total:.0f} %" if total else "–" for n in counts]


def _middle(values: Sequence[float | None], digits: int = 4) -> str:
    known = sorted(value for value in values if value is not None)
    return f"{known[len(known) // 2]:.{digits}g}" if known else "–"


def _refusals(rows: Sequence[Row]) -> list[tuple[str, int, str]]:
    """Kinds of refusals, the most frequent first: a sentence with its numbers left open, how many, and an example."""
    kinds: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for row in rows:
        if row["status"] != COUNTED:
            sentence = str(row["refusal"]).replace(str(row["path"]), "…").replace(str(row["file"]), "…")
            kind = re.sub(r"\d[\d.,]*", "…", sentence)
            kinds[kind] += 1
            examples.setdefault(kind, str(row["path"]))
    return [(kind, n, examples[kind]) for kind, n in kinds.most_common(_KINDS)]


# ---------------------------------------------------------------------- charts


def _charts(rows: Sequence[Row], classes: Sequence[int]) -> list[tuple[str, str]]:
    """What changed over the images, in the order of their paths: title and SVG."""
    if not rows:
        return []
    palette = colours(classes)
    labels = [*(class_label(size, "Pt") for size in classes), "other"]
    shares = dict(zip(labels, _pooled(rows, class_names(classes)), strict=True))
    ink = {"": ""}  # that of the page
    return [
        ("Scale: intensity of one atom (counts nm²)", _chart({"": [row["scale"] for row in rows]}, ink)),
        ("Blur: finest detail above the noise (nm)", _chart({"": [row["finest_detail_nm"] for row in rows]}, ink)),
        ("Share of each class", _chart(shares, {label: palette.get(label, "#909090") for label in shares}, top=1.0)),
    ]


def _pooled(rows: Sequence[Row], names: Sequence[str]) -> list[list[float | None]]:
    """For each class its share in each image; of many images that of neighbours together, for one has few clusters."""
    size = max(1, -(-len(rows) // _SHARES))
    pooled: list[list[float | None]] = [[] for _ in names]
    for start in range(0, len(rows), size):
        some = rows[start : start + size]
        counts = [sum(row[f"count_{name}"] or 0 for row in some) for name in names]
        total = sum(counts)
        for line, n in zip(pooled, counts, strict=True):
            line += [n / total if total else None] * len(some)
    return pooled


def _chart(lines: Mapping[str, Sequence[float | None]], ink: Mapping[str, str], top: float | None = None) -> str:
    """Lines over the images as SVG."""
    drawn = {name: _binned(values) for name, values in lines.items()}
    known = [value for values in drawn.values() for _, value in values]
    if not known:
        return ""
    n = max(len(values) for values in lines.values())
    high = top or _round_above(max(known))
    parts = [_axis(high, n)]
    for name, values in drawn.items():
        points = " ".join(
            f"{_LEFT + (_WIDTH - _LEFT - 10) * (at + 0.5) / n:.1f},{_HEIGHT * (1 - value / high):.1f}"
            for at, value in values
        )
        line = f'fill="none" stroke="{ink[name]}"' if ink[name] else 'class="one"'
        dot = f'fill="{ink[name]}"' if ink[name] else 'class="dot"'
        parts.append(f'<polyline points="{points}" {line} stroke-width="1.4"><title>{escape(name)}</title></polyline>')
        if len(values) <= 40:
            places = [xy.split(",") for xy in points.split()]
            parts += [f'<circle cx="{x}" cy="{y}" r="2.2" {dot}/>' for x, y in places]
    return (
        f'<svg viewBox="0 -8 {_WIDTH} {_HEIGHT + _BELOW + 8}" role="img">{"".join(parts)}</svg>'
        f"{_legend(ink) if len(ink) > 1 else ''}"
    )


def _round_above(value: float) -> float:
    """A round number above, whose quarters are round too."""
    unit = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(unit * step for step in (1.2, 1.6, 2, 2.4, 3.2, 4, 5, 6, 8, 10, 12) if unit * step >= 1.02 * value)


def _axis(high: float, n: int) -> str:
    parts = []
    for i in range(5):
        value, y = high * i / 4, _HEIGHT * (1 - i / 4)
        parts.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - 10}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>'
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>'
        )
    words = f"image 1 to {n:,}, in the order of their paths"
    parts.append(f'<text x="{_LEFT}" y="{_HEIGHT + 18}">{words}</text>')
    return "".join(parts)


def _legend(ink: Mapping[str, str]) -> str:
    items = "".join(f'<span><i style="background:{colour}"></i>{escape(name)}</span>' for name, colour in ink.items())
    return f'<p class="legend">{items}</p>'


def _binned(values: Sequence[float | None]) -> list[tuple[float, float]]:
    """Place and value of each point; of many images medians of neighbours."""
    n = len(values)
    size = max(1, -(-n // _POINTS))
    points = []
    for start in range(0, n, size):
        known = sorted(value for value in values[start : start + size] if value is not None)
        if known:
            points.append((start + (min(size, n - start) - 1) / 2, float(known[len(known) // 2])))
    return points
