"""XML that a file brings along, parsed with limits."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any, Final

_LONGEST: Final = 64_000_000
_DEEPEST: Final = 200
_PIECE: Final = 65536


def parse(text: str | None) -> ET.Element | None:
    """The root of `text`; None where it is no XML, brings definitions of its own, or is nested without end."""
    text = (text or "").strip("\x00 \r\n\t\x01")
    if not text.startswith("<") or len(text) > _LONGEST or "<!DOCTYPE" in text or "<!ENTITY" in text:
        return None
    parser: Any = ET.XMLPullParser(("start", "end"))
    root: ET.Element | None = None
    depth = 0
    try:
        for start in range(0, len(text), _PIECE):
            parser.feed(text[start : start + _PIECE])
            for event, element in parser.read_events():
                depth += 1 if event == "start" else -1
                root = element if root is None else root
                if depth > _DEEPEST:
                    return None
        parser.close()
    except (ET.ParseError, ValueError):
        return None
    return root
