"""What comes from outside is checked once, at the door: size, depth, types and ranges, said in one sentence.

A door is a type with its limits (`Door(Card)`): what it lets in needs no more doubt inside. The kinds of values that
several doors share are in `kinds`. All JSON goes through pydantic's reader, which refuses deep nesting and endless
numbers.
"""

from __future__ import annotations

import json
import re
import reprlib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import pydantic_core
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from napari_atomicity.errors import InputError
from napari_atomicity.kinds import plain

T = TypeVar("T")
#: a card, profile, configuration or table of contents with more bytes or values than this is none of ours
MOST_BYTES: Final = 64 * 2**20
_MOST_VALUES: Final = 1_500_000
_MOST_TOML: Final = 256 * 1024
_BOM: Final = b"\xef\xbb\xbf"


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """The content of a file; a pipe, a device or a file that is too large is refused before it is read.

    Parameters
    ----------
    path
        The file.
    most
        Bytes that such a file may have.

    Returns
    -------
    bytes
        All of it.

    Raises
    ------
    FileNotFoundError
        Where there is none.
    InputError
        Where it is no file, too large, or cannot be read.
    """
    try:
        if not path.is_file():
            if path.exists():
                raise InputError(f"{path} is no file that can be read as a whole; give a file on the disk.")
            raise FileNotFoundError(path)
        with path.open("rb") as file:
            content = file.read(most + 1)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "an impossible name"
        raise InputError(f"{path.name} cannot be read ({reason}); check the file and its access rights.") from error
    if len(content) > most:
        raise InputError(f"{path.name} has more than {_megabytes(most)}, which no such file needs; give another one.")
    return content


def json_of(content: bytes, name: str) -> Any:
    """What JSON says; never deep, never endless.

    Parameters
    ----------
    content
        UTF-8.
    name
        What an error is told of, the start of a sentence.

    Returns
    -------
    object
        Dictionaries, lists, texts, numbers, booleans and None.

    Raises
    ------
    InputError
        For anything that is not JSON or beyond the limits.
    """
    content = _within(content, name)
    try:
        return pydantic_core.from_json(content)
    except ValueError as error:
        raise InputError(f"{name} is not readable JSON ({_reason(str(error))}); use an unharmed copy.") from error


def toml_of(content: bytes, name: str) -> dict[str, Any]:
    """What TOML says.

    Parameters
    ----------
    content
        UTF-8.
    name
        What an error is told of, the start of a sentence.

    Returns
    -------
    dict
        Keys and values of the file.

    Raises
    ------
    InputError
        For anything that is not TOML or beyond the limits.
    """
    if len(content) > _MOST_TOML:
        raise InputError(f"{name} has more than {_megabytes(_MOST_TOML)}, which no such file needs; give another one.")
    try:
        text = content.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{name} is not text in UTF-8; save it as TOML.") from None
    try:
        parsed = tomllib.loads(text)
        plain(parsed, words=False)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{name} is not valid TOML: {_shortened(str(error))}.") from None
    except PydanticCustomError as error:
        raise InputError(f"{name} is not valid here; it must be {error.message()}.") from None
    except (ValueError, RecursionError):
        raise InputError(f"{name} holds a number or a nesting without end; shorten it.") from None
    return parsed


class Door(Generic[T]):
    """Checks what a file holds against a type: a dataclass, a model or any other that pydantic knows."""

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._adapter: TypeAdapter[T] | None = None

    def check(
        self,
        content: bytes | Mapping[str, Any] | Sequence[Any],
        name: str,
        near: Callable[[str, str], str] | None = None,
    ) -> T:
        """`content`, JSON or what was parsed from it, as the door's type.

        Parameters
        ----------
        content
            JSON in UTF-8, or values that could be written as JSON.
        name
            Of the file, the start of a sentence.
        near
            Gives, for a key that is unknown and the section that it stands in, what may have been meant.

        Returns
        -------
        object
            A value of the type that the door was made for.

        Raises
        ------
        InputError
            One sentence: `name`, the field, what it holds and what it must be.
        """
        if self._adapter is None:
            self._adapter = TypeAdapter(self._kind)
        raw = _within(content, name) if isinstance(content, bytes) else _as_json(content, name)
        try:
            return self._adapter.validate_json(raw)
        except ValidationError as error:
            raise InputError(_complaint(error, name, near)) from None


def _complaint(error: ValidationError, name: str, near: Callable[[str, str], str] | None) -> str:
    """One sentence about the first thing that is wrong."""
    first = error.errors(include_url=False)[0]
    kind, where, context = first["type"], [str(part) for part in first["loc"]], dict(first.get("ctx", {}))
    field = ".".join(map(_key, where))
    if kind == "json_invalid":
        return f"{name} is not readable JSON ({_reason(str(context.get('error', '')))}); use an unharmed copy."
    if kind == "missing":
        return f"{name}: {field} is missing; use a complete file."
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        hint = near(where[-1], ".".join(where[:-1])) if near is not None else "it may be of another version."
        return f"{name}: there is no key {field}; {hint}"
    words = str(context["wanted"]) if kind == "wanted" else _WORDS.get(kind, "of another kind").format(**context)
    value = _SHORT.repr(first["input"])
    return f"{name}: {field} is {value}; it must be {words}." if field else f"{name} is {value}; it must be {words}."


_WORDS: Final = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "a text",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "keys with values",
    "model_type": "a section with keys of its own",
    "model_attributes_type": "a section with keys of its own",
    "dataclass_type": "keys with values",
    "none_required": "null",
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "literal_error": "{expected}",
    "string_too_long": "a text of at most {max_length} characters",
    "string_too_short": "a text that is not empty",
    "too_long": "at most {max_length} long",
    "too_short": "at least {min_length} long",
}
_SHORT: Final = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxdict = 2, 6, 3


def _within(content: bytes, name: str) -> bytes:
    values = content.count(b",") + content.count(b"[") + content.count(b"{")
    if len(content) > MOST_BYTES or values > _MOST_VALUES:
        raise InputError(f"{name} holds far more than it could need; it is not read.")
    return content.removeprefix(_BOM)


def _as_json(content: Any, name: str) -> bytes:
    try:
        return pydantic_core.to_json(content, inf_nan_mode="constants")
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} holds what cannot be written as JSON; use an unharmed copy.") from error


def _reason(text: str) -> str:
    if "recursion" in text:
        return "it is nested too deeply"
    if "out of range" in text:
        return "a number in it has no end"
    where = re.search(r"line \d+ column \d+", text)
    return f"at {where[0]}" if where else "it is damaged"


def _key(part: str) -> str:
    return part if re.fullmatch(r"[\w ./-]{1,60}", part) else _SHORT.repr(part)


def _shortened(text: str) -> str:
    text = json.dumps(text, ensure_ascii=False)[1:-1]
    return text if len(text) <= 120 else f"{text[:117]}…"


def _megabytes(n: int) -> str:
    return f"{n / 2**20:g} MB"
