"""Kinds of values that files from outside may hold, with their limits and the words for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeAlias, TypeVar, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

T = TypeVar("T")
#: levels of what a file may nest where its form is free
_DEEPEST: Final = 40
#: for dataclasses: no coercion, nothing unknown, nothing infinite
STRICT: Final = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Entry(BaseModel):
    """A group of keys in a file that a later version may add to: what is unknown is passed over."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, allow_inf_nan=False)


class Section(BaseModel):
    """A group of keys that a person writes: what is unknown is a slip, and said."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


def wanted(words: str) -> WrapValidator:
    """Say `words` ("a name without slashes") wherever a value does not fit, instead of the library's own."""
    return WrapValidator(_saying(words))


def _saying(words: str) -> Callable[[Any, ValidatorFunctionWrapHandler], Any]:
    def checked(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise unwanted(words) from None

    return checked


def unwanted(words: str) -> PydanticCustomError:
    """What a validator raises where a value is not what `words` say."""
    return PydanticCustomError("wanted", "{wanted}", {"wanted": words})


@dataclass(frozen=True)
class Within:
    """A number from `low` to `high`, both included."""

    low: float
    high: float

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The bounds, and what is said where a value does not keep to them."""
        bounded: dict[str, Any] = {**handler(source), "ge": self.low, "le": self.high}
        words = f"{'a whole number' if source is int else 'a number'} from {self.low:.12g} to {self.high:.12g}"
        return core_schema.no_info_wrap_validator_function(_saying(words), cast("CoreSchema", bounded))


#: neither terminal escapes nor marks that turn text around
_NO_CONTROL: Final = r"[^\p{Cc}\u{202A}-\u{202E}\u{2066}-\u{2069}]"
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_SYMBOLS: Final = (
    "H|He|Li|Be|B|C|N|O|F|Ne|Na|Mg|Al|Si|P|S|Cl|Ar|K|Ca|Sc|Ti|V|Cr|Mn|Fe|Co|Ni|Cu|Zn|Ga|Ge|As|Se|Br|Kr|Rb|Sr|Y|Zr|"
    "Nb|Mo|Tc|Ru|Rh|Pd|Ag|Cd|In|Sn|Sb|Te|I|Xe|Cs|Ba|La|Ce|Pr|Nd|Pm|Sm|Eu|Gd|Tb|Dy|Ho|Er|Tm|Yb|Lu|Hf|Ta|W|Re|Os|Ir|"
    "Pt|Au|Hg|Tl|Pb|Bi|Po|At|Rn|Fr|Ra|Ac|Th|Pa|U|Np|Pu|Am|Cm|Bk|Cf|Es|Fm|Md|No|Lr|Rf|Db|Sg|Bh|Hs|Mt|Ds|Rg|Cn|Nh|"
    "Fl|Mc|Lv|Ts|Og"
)
#: chemical symbols in the order of their atomic numbers, hydrogen first
SYMBOLS: Final = tuple(_SYMBOLS.split("|"))


def plain(value: Any, words: bool, depth: int = 0) -> Any:
    """`value` with null for infinite numbers; refused where it is deep, its numbers endless or its text odd.

    Parameters
    ----------
    value
        What was read from JSON or TOML.
    words
        Whether texts are to be shown to people, so that control characters are refused.
    depth
        Levels that `value` lies below the top.

    Returns
    -------
    object
        The same values.

    Raises
    ------
    PydanticCustomError
        With the words for what was expected; `schema.Door` makes a sentence of them.
    """
    if depth > _DEEPEST:
        raise unwanted(f"nested in at most {_DEEPEST} levels")
    if isinstance(value, dict):
        return {plain(key, words): plain(item, words, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item, words, depth + 1) for item in value]
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, int) and abs(value) >= 2**63:
        raise unwanted("made of numbers below 2^63")
    if words and isinstance(value, str) and _CONTROL.search(value):
        raise unwanted("made of texts without control characters")
    return value


def _plain_mapping(value: dict[str, Any]) -> dict[str, Any]:
    mapping: dict[str, Any] = plain(value, words=False)
    return mapping


def _plain_words(value: dict[str, Any]) -> dict[str, Any]:
    mapping: dict[str, Any] = plain(value, words=True)
    return mapping


#: JSON has lists alone
Many: TypeAlias = Annotated[tuple[T, ...], Field(strict=False, fail_fast=True)]

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
Share: TypeAlias = Annotated[float, Within(0, 1)]
#: keys and values of any kind, as an instrument or a later version may give them
Plain: TypeAlias = Annotated[dict[str, Any], AfterValidator(_plain_mapping)]
#: the same to be shown to people
PlainWords: TypeAlias = Annotated[dict[str, Any], AfterValidator(_plain_words)]


def printable(value: Any) -> Any:
    """`value` with a space for each control character in its texts: what is written has to pass its own door."""
    if isinstance(value, str):
        return _CONTROL.sub(" ", value.encode(errors="replace").decode())
    if isinstance(value, Mapping):
        return {printable(key): printable(item) for key, item in value.items()}
    return [printable(item) for item in value] if isinstance(value, list | tuple) else value
