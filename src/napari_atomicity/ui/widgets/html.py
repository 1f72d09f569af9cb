"""Tables for labels and pages that show Qt's own HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


class Bold(str):
    """A cell that stands out."""

    __slots__ = ()


def html_table(
    rows: Sequence[Sequence[str]],
    headings: Sequence[str] = (),
    left: int = 1,
    first_px: int = 0,
    wraps: bool = False,
    wide: bool = True,
) -> str:
    """A table; empty where there are no rows.

    Parameters
    ----------
    rows
        Texts, escaped here; `Bold` ones stand out. A row of a single cell spans all columns.
    headings
        Of the columns; none where empty.
    left
        So many columns are aligned to the left, the others to the right.
    first_px
        Width of the first column; as wide as it needs to be where 0.
    wraps
        Whether a cell may have several lines.
    wide
        Whether the table takes the whole width.
    """
    if not rows:
        return ""
    columns = max(map(len, rows))

    def cell(tag: str, column: int, text: str, span: int) -> str:
        words = escape(text) if wraps else escape(text).replace(" ", "&nbsp;")
        words = f"<b>{words}</b>" if isinstance(text, Bold) else words
        width = f" width='{first_px}'" if first_px and not column and span == 1 else ""
        across = f" colspan='{span}'" if span > 1 else ""
        return f"<{tag} align='{'left' if column < left else 'right'}'{width}{across}>{words}</{tag}>"

    def line(tag: str, texts: Sequence[str]) -> str:
        span = columns if len(texts) == 1 else 1
        return f"<tr>{''.join(cell(tag, i, text, span) for i, text in enumerate(texts))}</tr>"

    head = line("th", headings) if headings else ""
    body = "".join(line("td", row) for row in rows)
    width = " width='100%'" if wide else ""
    return f"<table cellspacing='0' cellpadding='2'{width}>{head}{body}</table>"
