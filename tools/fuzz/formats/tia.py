"""FEI TIA: SER holds the pixels, EMI what is told of them."""

from __future__ import annotations

import struct
from random import Random
from typing import Any

import numpy as np
from tools.fuzz import odd
from tools.fuzz.kinds import Field, Files, Good

_TYPES = {1: "u1", 2: "<u2", 3: "<u4", 4: "i1", 5: "<i2", 6: "<i4", 7: "<f4", 8: "<f8"}


class Ser:
    """A series file; `claims` puts other numbers in the place of the true ones."""

    def __init__(self, claims: dict[str, float] | None = None) -> None:
        self.out = bytearray()
        self.fields: list[Field] = []
        self.claims = claims or {}

    def _put(self, form: str, name: str, value: float) -> None:
        self.fields.append((len(self.out), "<" + form))
        value = self.claims.get(name, value)
        if form in "fd":
            self.out += struct.pack("<" + form, float(value))
        else:
            size = struct.calcsize(form)
            self.out += (int(value) % 2 ** (8 * size)).to_bytes(size, "little")

    def file(
        self, frames: np.ndarray, kind: int = 2, long: bool = False, pixel_m: float = 3e-11, unit: str = ""
    ) -> bytes:
        """Frames (t, y, x)."""
        n, ny, nx = frames.shape
        offset = "Q" if long else "I"
        for form, name, value in (
            ("H", "order", 0x4949), ("H", "series", 0x0197), ("H", "version", 0x0220 if long else 0x0210),
            ("I", "data_type", 0x4122), ("I", "tag_type", 0x4152), ("I", "total", n), ("I", "valid", n),
        ):  # fmt: skip
            self._put(form, name, value)
        description, units = b"Number", unit.encode("utf-8", "replace")
        head = len(self.out) + struct.calcsize("<" + offset) + 4 + 24 + 8 + len(description) + len(units)
        self._put(offset, "offsets_at", head)
        self._put("I", "dimensions", 1)
        self._put("I", "dim_size", n)
        for form, name, value in (("d", "dim_offset", 0.0), ("d", "dim_delta", 1.0), ("I", "dim_element", 0)):
            self._put(form, name, value)
        self._put("I", "description_length", len(description))
        self.out += description
        self._put("I", "units_length", len(units))
        self.out += units
        width = struct.calcsize("<" + offset)
        one = 50 + frames[0].size * np.dtype(_TYPES[kind]).itemsize
        first = len(self.out) + 2 * n * width
        for k in range(n):
            self._put(offset, f"data_at{k}", first + k * (one + 8))
        for k in range(n):
            self._put(offset, f"tag_at{k}", first + k * (one + 8) + one)
        for frame in frames:
            for axis in "xy":
                for form, name, value in (("d", "offset", 0.0), ("d", "delta", pixel_m), ("I", "element", 0)):
                    self._put(form, f"{name}_{axis}", value)
            self._put("H", "kind", kind)
            self._put("I", "nx", nx)
            self._put("I", "ny", ny)
            self.out += frame.astype(_TYPES[kind]).tobytes()
            self.out += struct.pack("<HHI", 0x4152, 0, 1_600_000_000)
        return bytes(self.out)


def emi(pixel: str = "HAADF", extra: str = "") -> bytes:
    """What TIA tells of the series."""
    xml = (
        "<ObjectInfo><Uuid>7</Uuid><AcquireDate>Wed Nov 25 12:00:00 2026</AcquireDate><Manufacturer>FEI</Manufacturer>"
        f"<ExperimentalConditions><MicroscopeConditions><AcceleratingVoltage>300000</AcceleratingVoltage>{extra}"
        "</MicroscopeConditions></ExperimentalConditions><ExperimentalDescription><Root>"
        f"<Data><Label>Mode</Label><Value>STEM {pixel}</Value><Unit></Unit></Data>"
        "<Data><Label>Dwell</Label><Value>1e-5</Value><Unit>s</Unit></Data>"
        "</Root></ExperimentalDescription></ObjectInfo>"
    )
    return b"JF\0\0" + b"\0" * 60 + xml.encode("utf-8", "surrogatepass") + b"\0" * 40


def good(image: np.ndarray) -> dict[str, Good]:
    """Several types, a series, and one with its EMI."""
    found = {}
    for kind, long in ((2, False), (2, True), (5, False), (7, True), (6, False)):
        name = f"kind{kind}{'long' if long else ''}.ser"
        writer = Ser()
        found[name] = Good(
            {name: writer.file((image / image.max() * 100)[None], kind, long)}, fields=tuple(writer.fields)
        )
    writer = Ser()
    found["series.ser"] = Good(
        {"series.ser": writer.file(np.repeat(image[None], 3, 0), 3)}, fields=tuple(writer.fields)
    )
    found["scan.emi"] = Good({"scan.emi": emi(), "scan_1.ser": Ser().file(image[None])})
    return found


def crafted(rng: Random) -> Files:
    """Series that claim what is not there."""
    names = (
        "series", "version", "data_type", "tag_type", "total", "valid", "offsets_at", "dimensions", "dim_size",
        "dim_offset", "dim_delta", "description_length", "units_length", "data_at0", "tag_at0", "offset_x", "delta_x",
        "element_x", "delta_y", "kind", "nx", "ny",
    )  # fmt: skip
    claims: dict[str, Any] = {}
    for _ in range(rng.choice((1, 1, 2, 3))):
        name = rng.choice(names)
        claims[name] = odd.real(rng) if name.startswith(("delta", "offset_x", "dim_o", "dim_d")) else odd.whole(rng)
    frames = np.arange(rng.choice((1, 3)) * 256).reshape(-1, 16, 16) % 200
    unit = odd.name(rng)[:500] if rng.random() < 0.3 else ""
    content = Ser(claims).file(frames, rng.choice(list(_TYPES)), rng.random() < 0.5, unit=unit)
    if rng.random() < 0.7:
        return {"a.ser": content}
    extra = odd.name(rng)[:3000] if rng.random() < 0.5 else "<a>" * rng.choice((10, 5000))
    return {"b.emi": emi(odd.name(rng)[:300], extra), "b_1.ser": content}
