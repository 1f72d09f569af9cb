"""Changes to the bytes of a file: what a bad cable, a full disk and a person with a hex editor do."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from random import Random

from tools.fuzz import odd
from tools.fuzz.kinds import Field, Files, Step, first, with_first

_FORMS = ("<H", ">H", "<I", ">I", "<Q", ">Q", "<f", ">f", "<d", ">d")


def bytes_steps(rng: Random, fields: Sequence[Field], others: Sequence[bytes]) -> Step:
    """One random change of bytes; `others` are files of the same format to take pieces from."""
    choices = [_flip] * 4 + [_truncate] * 2 + [_zero, _copy, _delete, _insert, _noise] + [_number] * 3
    choice = rng.choice(choices)
    if fields and rng.random() < 0.6:
        return Step("edit a field", lambda r, files: with_first(files, _field(r, first(files)[1], fields)))
    if others and rng.random() < 0.08:
        return Step("splice", lambda r, files: with_first(files, _splice(r, first(files)[1], r.choice(others))))
    return Step(choice.__name__[1:], lambda r, files: with_first(files, choice(r, first(files)[1])))


def _at(rng: Random, size: int) -> int:
    """A place, often near the beginning or the end, where formats keep their numbers."""
    if size <= 1:
        return 0
    near = rng.random()
    if near < 0.5:
        return rng.randrange(min(size, rng.choice((64, 512, 4096))))
    if near < 0.65:
        return size - 1 - rng.randrange(min(size, rng.choice((64, 512, 4096))))
    return rng.randrange(size)


def _flip(rng: Random, content: bytes) -> bytes:
    found = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16)) if found else 0):
        found[_at(rng, len(found))] ^= 1 << rng.randrange(8)
    return bytes(found)


def _truncate(rng: Random, content: bytes) -> bytes:
    return content[: _at(rng, len(content))]


def _block(rng: Random, content: bytes) -> slice:
    start = _at(rng, len(content))
    return slice(start, start + rng.choice((1, 2, 4, 8, 16, 100, 1024, 8192)))


def _zero(rng: Random, content: bytes) -> bytes:
    at = _block(rng, content)
    return content[: at.start] + rng.choice((b"\0", b"\xff")) * len(content[at]) + content[at.stop :]


def _copy(rng: Random, content: bytes) -> bytes:
    at, to = _block(rng, content), _at(rng, len(content))
    over = len(content[at]) if rng.random() < 0.5 else 0
    return content[:to] + content[at] + content[to + over :]


def _delete(rng: Random, content: bytes) -> bytes:
    at = _block(rng, content)
    return content[: at.start] + content[at.stop :]


def _insert(rng: Random, content: bytes) -> bytes:
    at = _at(rng, len(content))
    return content[:at] + rng.randbytes(rng.choice((1, 2, 3, 8, 1000))) + content[at:]


def _noise(rng: Random, content: bytes) -> bytes:
    at = _block(rng, content)
    return content[: at.start] + rng.randbytes(len(content[at])) + content[at.stop :]


def _splice(rng: Random, content: bytes, other: bytes) -> bytes:
    return content[: _at(rng, len(content))] + other[_at(rng, len(other)) :]


def _number(rng: Random, content: bytes) -> bytes:
    """Change something that looks like a length or a size: a small whole number, not zero."""
    for _ in range(40):
        at, form = _at(rng, len(content)) & ~1, rng.choice(_FORMS)
        size = struct.calcsize(form)
        if at + size > len(content):
            continue
        (there,) = struct.unpack_from(form, content, at)
        if form[1] not in "fd" and not 0 < there < 2**20:
            continue
        if form[1] in "fd" and not 1e-9 < abs(there) < 1e9:
            continue
        return _field(rng, content, [(at, form)])
    return _flip(rng, content)


def _field(rng: Random, content: bytes, fields: Sequence[Field]) -> bytes:
    inside = [(at, form) for at, form in fields if at + struct.calcsize(form) <= len(content)]
    if not inside:
        return _flip(rng, content)
    at, form = rng.choice(inside)
    (there,) = struct.unpack_from(form, content, at)
    found = bytearray(content)
    if form[1] in "fd":
        _put_real(found, at, form, odd.real(rng) if rng.random() < 0.8 else there * rng.choice((-1, 1e-10, 1e10)))
    else:
        near = rng.choice((there + 1, there - 1, there * 2, there << 8, there << 16, ~there, -there, there ^ 0x80))
        wanted = near if rng.random() < 0.4 else odd.whole(rng)
        size = struct.calcsize(form)
        found[at : at + size] = (wanted % 2 ** (8 * size)).to_bytes(size, "little" if form[0] == "<" else "big")
    return bytes(found)


def _put_real(found: bytearray, at: int, form: str, value: float) -> None:
    try:
        struct.pack_into(form, found, at, value)
    except OverflowError:
        struct.pack_into(form, found, at, math.copysign(math.inf, value))


def text_steps(rng: Random) -> Step:
    """One random change of a text: lines, words, numbers, its encoding."""
    choice = rng.choice((_line, _word, _word, _word, _encoding, _mark))
    return Step(choice.__name__[1:], lambda r, files: with_first(files, choice(r, first(files)[1])))


def _line(rng: Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    what = rng.randrange(5)
    if what == 0:
        del lines[at]
    elif what == 1:
        lines.insert(other, lines[at])
    elif what == 2:
        lines[at], lines[other] = lines[other], lines[at]
    elif what == 3:
        lines.insert(at, b"")
    else:
        lines[at] = lines[at] * rng.choice((2, 50))
    return b"\n".join(lines)


def _word(rng: Random, content: bytes) -> bytes:
    """Another value in the place of a number or a word."""
    import re

    words = list(re.finditer(rb"[-+]?[0-9][0-9.eE+-]*|[A-Za-z_]+", content[:200_000]))
    if not words:
        return _flip(rng, content)
    word = rng.choice(words)
    wanted = rng.choice(
        (
            str(odd.whole(rng)),
            repr(odd.real(rng)),
            odd.name(rng),
            "[" * 5000,
            "9" * 5000,
            "1e400",
            "NaN",
            "-Infinity",
            '"',
        )
    )
    return content[: word.start()] + wanted.encode("utf-8", "surrogatepass") + content[word.end() :]


def _encoding(rng: Random, content: bytes) -> bytes:
    text = content.decode("utf-8", "replace")
    code = rng.choice(("utf-16", "utf-16-le", "utf-8-sig", "cp1252", "latin-1", "utf-32", "utf-7", "mac-roman"))
    return text.encode(code, "replace")


def _mark(rng: Random, content: bytes) -> bytes:
    at = _at(rng, len(content))
    mark = rng.choice(
        (b"\0", b"\xff", b'"', b"\r", b"\n", b",", b";", b"{", b"]", b"\x1b[2J", b"\xef\xbb\xbf", b"#", b"=")
    )
    return content[:at] + mark * rng.choice((1, 1, 3, 300)) + content[at:]


def steps_for(rng: Random, files: Files, fields: Sequence[Field], others: Sequence[bytes], text: bool) -> list[Step]:
    """A few changes."""
    n = rng.choice((1, 1, 1, 2, 3))
    return [text_steps(rng) if text and rng.random() < 0.75 else bytes_steps(rng, fields, others) for _ in range(n)]
