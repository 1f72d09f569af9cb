"""What an EMI file of TIA tells about the SER files beside it: names of detectors, kind of space, the microscope."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from napari_atomicity.io.formats._flat import opened

#: they hold texts, and small copies of images; of a larger one the beginning is looked at
_MOST_BYTES: Final = 32_000_000
_SER: Final = re.compile(rb"_([0-9]{1,6})\.ser", re.IGNORECASE)
_PRINTED: Final = re.compile(rb"[ -~]{1,80}$")
_FACT: Final = re.compile(rb"<Label>([^<]{1,80})</Label><Value>([^<]{0,200})</Value><Unit>([^<]{0,20})</Unit>")


@dataclass(frozen=True)
class About:
    """What is known about one SER file."""

    title: str = ""
    reciprocal: bool = False
    acquisition: dict[str, Any] = field(default_factory=dict)


def read_emi(path: Path) -> dict[int, About]:
    """What the EMI file `path` tells, by the number at the end of the SER file's name."""
    with opened(path) as file:
        content = file.read(_MOST_BYTES)
    found: dict[int, About] = {}
    start = 0
    references = list(_SER.finditer(content))
    for k, reference in enumerate(references):
        before = content[start : reference.start()]
        after = content[reference.end() : references[k + 1].start() if k + 1 < len(references) else len(content)]
        reciprocal = before.rfind(b"Reciprocal Space") > before.rfind(b"Real Space")
        about = About(_title(before), reciprocal, _acquisition(after))
        found.setdefault(int(reference[1]), about)
        start = reference.end()
    return found


def _title(before: bytes) -> str:
    """``Acquire HAADF Scanning Display1`` → HAADF: what TIA calls the window of the image."""
    end = before.rfind(b" Display")
    while end > 0:
        name = (printed[0] if (printed := _PRINTED.search(before[max(0, end - 80) : end])) else b"").decode("ascii")
        if not name.startswith("Normal "):
            name = re.sub(r"^(Acquire|Preview|Search) ", "", name)
            return re.sub(r" (Scanning|Image|Pattern)$", "", name).strip()
        end = before.rfind(b" Display", 0, end)
    return ""


def _acquisition(after: bytes) -> dict[str, Any]:
    facts = {label.decode("latin-1"): value.decode("latin-1").strip() for label, value, _ in _FACT.findall(after)}
    voltage = facts.get("High tension", "")
    known = {
        "microscope": facts.get("Microscope", "").removeprefix("Microscope "),
        "acceleration_voltage_v": 1000 * float(voltage) if re.fullmatch(r"\d{1,4}(\.\d+)?", voltage) else None,
    }
    return {name: value for name, value in known.items() if value}
