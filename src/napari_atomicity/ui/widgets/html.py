"""Tables for labels that show HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def html_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Qt's own HTML; empty where there are no rows."""
    if not rows:
        return ""
    head = "".join(_cell("th", i, text) for i, text in enumerate(headings))
    body = "".join(f"<tr>{''.join(_cell('td', i, text) for i, text in enumerate(row))}</tr>" for row in rows)
    return f"<table cellspacing='0' cellpadding='2' width='100%'><tr>{head}</tr>{body}</table>"


def _cell(tag: str, column: int, text: str) -> str:
    whole = escape(text).replace(" ", "&nbsp;")  # a cell is one line
    return f"<{tag} align='{'right' if column else 'left'}'>{whole}</{tag}>"
