"""What comes from outside is checked once, at the door: size, depth, types and ranges, said in one sentence.

A door is a type with its limits (`Door(Card)`): what it lets in needs no more doubt inside. The types here are those
that several doors share. All JSON goes through pydantic's reader, which refuses deep nesting and endless numbers.
"""

from __future__ import annotations

import json
import re
import reprlib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Generic, TypeAlias, TypeVar

import pydantic_core
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    Strict,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from napari_atomicity.errors import InputError

T = TypeVar("T")
#: a card, profile, configuration or table of contents with more bytes or values than this is none of ours
MOST_BYTES: Final = 64 * 2**20
_MOST_VALUES: Final = 3_000_000
_MOST_TOML: Final = 256 * 1024
#: levels of what a file may nest where its form is free
_DEEPEST: Final = 40
_BOM: Final = b"\xef\xbb\xbf"
#: numbers and keys: no coercion, nothing unknown, nothing infinite
STRICT: Final = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Entry(BaseModel):
    """A group of keys in a file that a later version may add to: what is unknown is passed over."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, allow_inf_nan=False)


class Section(BaseModel):
    """A group of keys that a person writes: what is unknown is a slip, and said."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


# ---------------------------------------------------------------------- types that doors share


def wanted(words: str) -> WrapValidator:
    """Say `words` ("a number from 0 to 1") wherever a value does not fit, instead of the library's own."""

    def said(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise PydanticCustomError("wanted", "{wanted}", {"wanted": words}) from None

    return WrapValidator(said)


#: neither terminal escapes nor marks that turn text around
_NO_CONTROL: Final = r"[^\p{Cc}\u{202A}-\u{202E}\u{2066}-\u{2069}]"
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_SYMBOLS: Final = (
    "H|He|Li|Be|B|C|N|O|F|Ne|Na|Mg|Al|Si|P|S|Cl|Ar|K|Ca|Sc|Ti|V|Cr|Mn|Fe|Co|Ni|Cu|Zn|Ga|Ge|As|Se|Br|Kr|Rb|Sr|Y|Zr|"
    "Nb|Mo|Tc|Ru|Rh|Pd|Ag|Cd|In|Sn|Sb|Te|I|Xe|Cs|Ba|La|Ce|Pr|Nd|Pm|Sm|Eu|Gd|Tb|Dy|Ho|Er|Tm|Yb|Lu|Hf|Ta|W|Re|Os|Ir|"
    "Pt|Au|Hg|Tl|Pb|Bi|Po|At|Rn|Fr|Ra|Ac|Th|Pa|U|Np|Pu|Am|Cm|Bk|Cf|Es|Fm|Md|No|Lr|Rf|Db|Sg|Bh|Hs|Mt|Ds|Rg|Cn|Nh|"
    "Fl|Mc|Lv|Ts|Og"
)


def _plain(value: Any, words: bool, depth: int = 0) -> Any:
    """`value`, infinite numbers as null; refused where it is deep, its numbers endless or its text odd."""
    if depth > _DEEPEST:
        raise PydanticCustomError("wanted", "{wanted}", {"wanted": f"nested in at most {_DEEPEST} levels"})
    if isinstance(value, dict):
        return {_plain(key, words): _plain(one, words, depth + 1) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one, words, depth + 1) for one in value]
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, int) and abs(value) >= 2**63:
        raise PydanticCustomError("wanted", "{wanted}", {"wanted": "made of numbers below 2^63"})
    if words and isinstance(value, str) and _CONTROL.search(value):
        raise PydanticCustomError("wanted", "{wanted}", {"wanted": "made of texts without control characters"})
    return value


def _plain_mapping(value: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = _plain(value, words=False)
    return found


def _plain_words(value: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = _plain(value, words=True)
    return found


#: JSON has lists alone
Many: TypeAlias = Annotated[tuple[T, ...], Strict(False), FailFast()]
Two: TypeAlias = Annotated[tuple[T, T], Strict(False)]
#: one line of text for people
Line: TypeAlias = Annotated[
    str, Field(max_length=1000, pattern=f"^{_NO_CONTROL}*$"), wanted("a line of text without control characters")
]
#: the same with line breaks
Text: TypeAlias = Annotated[
    str,
    Field(max_length=1_000_000, pattern=rf"^(?:{_NO_CONTROL}|[\n\r\t])*$"),
    wanted("a text without control characters"),
]
#: what a model or profile is called: also a file's name, and never the start of a formula or an option
Name: TypeAlias = Annotated[
    str,
    Field(max_length=120, pattern=r'^[\p{L}\p{N}_(\[][^/\\:*?"<>|\p{Cc}\u{202A}-\u{202E}\u{2066}-\u{2069}]*$'),
    wanted('a name of at most 120 characters that begins with a letter or digit, without / \\ : * ? " < > |'),
]
Symbol: TypeAlias = Annotated[str, Field(pattern=f"^(?:{_SYMBOLS})$"), wanted("a chemical symbol such as Pt")]
Sha256: TypeAlias = Annotated[str, Field(pattern="^[0-9a-f]{64}$"), wanted("a SHA-256 of 64 hexadecimal digits")]
Positive: TypeAlias = Annotated[float, Field(gt=0, le=1e15), wanted("a number above 0")]
#: an integer that every program can hold exactly
Count: TypeAlias = Annotated[int, Field(ge=0, le=2**53), wanted("a whole number, 0 or more")]
#: keys and values of any kind, as an instrument or a later version may give them
Plain: TypeAlias = Annotated[dict[str, Any], AfterValidator(_plain_mapping)]
#: the same to be shown to people
PlainWords: TypeAlias = Annotated[dict[str, Any], AfterValidator(_plain_words)]


def printable(value: Any) -> Any:
    """`value` with a space for each control character in its texts: what is written has to pass its own door."""
    if isinstance(value, str):
        return _CONTROL.sub(" ", value.encode(errors="replace").decode())
    if isinstance(value, Mapping):
        return {printable(key): printable(one) for key, one in value.items()}
    return [printable(one) for one in value] if isinstance(value, list | tuple) else value


# ---------------------------------------------------------------------- reading within limits


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """The content of a file; a pipe, a device or a file of more than `most` bytes is refused before it is read.

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
    """What TOML says; an `InputError` for anything that is not TOML or beyond the limits."""
    if len(content) > _MOST_TOML:
        raise InputError(f"{name} has more than {_megabytes(_MOST_TOML)}, which no such file needs; give another one.")
    try:
        text = content.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{name} is not text in UTF-8; save it as TOML.") from None
    try:
        found = tomllib.loads(text)
        _plain(found, words=False)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{name} is not valid TOML: {_shortened(str(error))}.") from None
    except PydanticCustomError as error:
        raise InputError(f"{name} is not valid here; it must be {error.message()}.") from None
    except (ValueError, RecursionError):
        raise InputError(f"{name} holds a number or a nesting without end; shorten it.") from None
    return found


class Door(Generic[T]):
    """Checks what a file holds against a type: a dataclass, a model or any other that pydantic knows."""

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._adapter: TypeAdapter[T] | None = None

    def check(self, content: bytes | Mapping[str, Any] | Sequence[Any], name: str) -> T:
        """`content`, JSON or what was parsed from it, as the door's type.

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
            raise InputError(complaint(error, name)) from None


def complaint(error: ValidationError, name: str, near: Callable[[str, str], str] | None = None) -> str:
    """One sentence about the first thing that is wrong.

    Parameters
    ----------
    near
        Gives, for a key that is unknown and the section that it stands in, what may have been meant.
    """
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
    "model_type": "keys with values",
    "model_attributes_type": "keys with values",
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
