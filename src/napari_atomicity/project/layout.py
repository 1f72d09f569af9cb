"""What the table of contents of a project may say; docs/projects.md explains the keys.

Keys that a later version adds are passed over. Whatever is let in here has the right type and refers to parts by
names that can only be parts; whether things fit together is seen when they are brought back.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from dataclasses import Field as DataclassField
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

from pydantic import Field, create_model

from napari_atomicity.counting.adapt import Adaptation
from napari_atomicity.counting.calibration import Calibration
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.holdout import Judgement
from napari_atomicity.counting.opinions import Order
from napari_atomicity.counting.prior import PriorKnowledge, file_key
from napari_atomicity.counting.profile import InstrumentProfile
from napari_atomicity.counting.review import Queue
from napari_atomicity.document.options import ImageOptions
from napari_atomicity.document.review import ReviewRound
from napari_atomicity.kinds import Count as WholeNumber
from napari_atomicity.kinds import Entry, Many, Plain, Sha256, Share, Within, wanted
from napari_atomicity.movies import Movie, MovieSettings
from napari_atomicity.pipeline import Adapt, AppliedAdaptation, Count, ImageState, Settings, Source
from napari_atomicity.schema import Door

K = TypeVar("K")
T = TypeVar("T")
#: of entries, or lists of them: the first that is wrong is enough to know
Named: TypeAlias = Annotated[dict[K, T], Field(fail_fast=True)]
Key: TypeAlias = Annotated[str, Field(max_length=60), wanted("the key of another entry")]
#: name, title, sentence: as long as instruments and people make them
Words: TypeAlias = Annotated[str, Field(max_length=100_000)]
Number: TypeAlias = float | None
Above0: TypeAlias = Annotated[float, Field(gt=0), wanted("a number above 0")]
Size: TypeAlias = Annotated[int, Field(ge=1, le=2**53), wanted("a number of atoms")]
Id: TypeAlias = Annotated[int, Field(ge=-(2**63), le=2**63 - 1), wanted("a whole number")]
Part: TypeAlias = Annotated[float, Within(0, 200)]
_SizeText: TypeAlias = Annotated[str, Field(pattern="^[1-9][0-9]{0,15}$"), wanted("a number of atoms")]
_FRAME: Final = "^(0|[1-9][0-9]{0,6})$"
Frame: TypeAlias = Annotated[str, Field(pattern=_FRAME), wanted("the number of a frame")]
_PART: Final = "^[a-z]{{1,20}}/[0-9a-f]{{20}}[.]{}$"
_DISTRUST: Final = "the name of a part of this project; do not trust the file"
CsvPart: TypeAlias = Annotated[str, Field(pattern=_PART.format("csv")), wanted(_DISTRUST)]
JsonPart: TypeAlias = Annotated[str, Field(pattern=_PART.format("json")), wanted(_DISTRUST)]
ArrayPart: TypeAlias = Annotated[str, Field(pattern=_PART.format("npy")), wanted(_DISTRUST)]
WeightsPart: TypeAlias = Annotated[str, Field(pattern=_PART.format("safetensors")), wanted(_DISTRUST)]
#: of a model that comes with the program; never a path
ModelName: TypeAlias = Annotated[str, Field(pattern=r"^[^/\\:\x00]{1,120}$"), wanted("the name of a model")]
#: where a file was
PathText: TypeAlias = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00]*$"), wanted("a path")]


class ChangedIds(Entry):
    """Ids that were added to a set and taken from it."""

    more: Many[Id]
    less: Many[Id]


_Place: TypeAlias = Annotated[list[float], Field(min_length=3, max_length=3)]


class ChangedPlaces(Entry):
    """How many places stay, and those that were added."""

    keep: WholeNumber
    more: Many[_Place]


class TableEntry(Entry):
    """A table of clusters, whole or as what it changes in another one."""

    rows: CsvPart | None
    based_on: Key | None
    class_sizes: Annotated[Many[Size], Field(max_length=100)]
    next_id: WholeNumber
    gone: Many[Id] = ()
    hand_placed: Many[Id] | ChangedIds
    removed: Many[_Place] | ChangedPlaces


class MicrographEntry(Entry):
    """Name, calibration and origin of a micrograph."""

    name: Words
    pixels: Key
    pixel_size_nm: Above0 | None
    warnings: Many[Words]
    refusal: Words
    reader: Words
    title: Words
    image: WholeNumber
    path: PathText | None
    metadata: Plain


class FileEntry(Entry):
    """The file that holds pixels."""

    path: PathText
    relative: PathText | None
    sample: PathText | None
    image: WholeNumber
    sha256: Sha256 | Literal[""]


class PixelsEntry(Entry):
    """Pixels, by which they are found again."""

    name: Words
    shape: Annotated[list[Annotated[int, Within(1, 10_000_000)]], Field(min_length=2, max_length=3)]
    dtype: Annotated[str, Field(max_length=40)]
    first_frame_sha256: Sha256 | Literal[""]
    file: FileEntry | None
    stored: ArrayPart | None
    #: a person did not let the program read the file: it asks again, also where it trusts the project
    unread: bool = False


class ModelEntry(Entry):
    """A model."""

    name: Words
    card: JsonPart
    bundled: ModelName | None
    tensors: Named[str, tuple[WeightsPart, str]] | None


class FrameEntry(Entry):
    """A small table with the types of its columns."""

    types: Named[str, Literal["number", "integer", "boolean", "text"]]
    rows: CsvPart


class CandidateEntry(Entry):
    """A solution that explains a frame."""

    dominant: Words
    probability: Annotated[float, Within(0, 1.001)]
    scale: Above0


# ---------------------------------------------------------------------- entries that follow from the classes they keep

#: objects that are stored once, however many others refer to them
STORED: Final = (
    "Micrograph", "ClusterTable", "Bundle", "Count", "AppliedAdaptation", "Adaptation", "Evidence", "Movie",
)  # fmt: skip
#: how a field is checked, by its annotation; one of a class that is not here cannot be saved, which is said at once
_DOORS: Final[dict[str, Any]] = {
    **dict.fromkeys(STORED, Key),
    "Calibrations": Named[Frame, Key],
    "InstrumentProfile": InstrumentProfile,
    "ModelCard": JsonPart,
    "ScaleNetwork": bool,
    "pd.DataFrame": FrameEntry,
    "bool": bool,
    "int": Id,
    "float": Number,
    "str": Words,
    "tuple[str, ...]": Many[Words],
    "tuple[int, ...]": Many[Id],
    "tuple[float, ...]": Many[float],
    "frozenset[int]": Many[Id],
    "Adapt": Adapt,
    "Order": Order,
    "tuple[Source, ...]": Many[Source],
    "Mapping[int, str]": Named[Frame, Annotated[str, Field(max_length=100)]],
    "Mapping[int, float]": Named[_SizeText, Annotated[float, Field(ge=0)]],
    "Mapping[str, float]": Named[str, Number],
    "dict[str, float]": Named[str, Number],
}
#: fields that follow from others and are not stored: patches are cut out again
_DERIVED: Final = ("Patches",)
#: fields that lie in the table of curves of a calibration
CURVES: Final = ("Floats",)


def kept_fields(kind: type) -> list[DataclassField[Any]]:
    """The fields of a class that its record holds."""
    return [field for field in fields(kind) if str(field.type) not in (*_DERIVED, *CURVES)]


def annotation(field: DataclassField[Any]) -> tuple[str, bool]:
    """What a field holds, and whether it may hold nothing."""
    text = str(field.type)
    return text.removesuffix(" | None"), text.endswith(" | None")


def is_array(text: str) -> bool:
    """Whether a field of that annotation is an array, stored as a part."""
    return text.startswith("npt.NDArray")


def _entry_of(name: str, kind: type, **narrower: Any) -> Any:
    """The entry of a class, field by field; `narrower` are checks that are stricter than the annotation."""
    doors: dict[str, Any] = {}
    for field in kept_fields(kind):
        text, optional = annotation(field)
        door = narrower.pop(file_key(field.name), None) or (ArrayPart if is_array(text) else _DOORS.get(text))
        if door is None:
            raise TypeError(
                f"How {kind.__name__}.{field.name} ({text}) is kept in a project is not said in {__name__}."
            )
        # what a file does not hold is as in a new object
        must = field.default is MISSING and field.default_factory is MISSING
        doors[file_key(field.name)] = (
            door | None if optional and text != "ScaleNetwork" else door,
            ... if must else None,
        )
    return create_model(name, __base__=Entry, **narrower, **doors)


_KNOWN: Final[dict[str, Any]] = {
    "scale": Above0,
    "deposited": Many[Size],
    "fractions": Many[Part],
}
_SD_OF_A_PERSON: TypeAlias = Annotated[float, Field(gt=0, le=1), wanted("a number above 0, at most 1")]
_SD: TypeAlias = Annotated[float, Field(ge=0), wanted("a number from 0")]
SettingsEntry: Any = _entry_of(
    "SettingsEntry", Settings, sensitivity=Share, model=PathText, scale_sd=_SD_OF_A_PERSON, **_KNOWN
)
KnownEntry: Any = _entry_of("KnownEntry", PriorKnowledge, scale_sd=_SD, **_KNOWN)
_DOORS["Settings"] = SettingsEntry
_DOORS["dict[int, PriorKnowledge]"] = Named[Frame, KnownEntry]
_DOORS["Judgement"] = _entry_of("JudgementEntry", Judgement, **{one.name: WholeNumber for one in fields(Judgement)})
_DOORS["MovieSettings"] = _entry_of(
    "MovieSettingsEntry", MovieSettings, reach_nm=Above0, seconds_per_frame=Above0, dose_per_frame=Above0
)
MovieEntry: Any = _entry_of("MovieEntry", Movie)
StateEntry: Any = _entry_of("StateEntry", ImageState)
CountEntry: Any = _entry_of("CountEntry", Count)
TunedEntry: Any = _entry_of("TunedEntry", AppliedAdaptation)
AdaptationEntry: Any = _entry_of("AdaptationEntry", Adaptation)
EvidenceEntry: Any = _entry_of("EvidenceEntry", Evidence)
OptionsEntry: Any = _entry_of("OptionsEntry", ImageOptions)
_DOORS["Queue"] = _entry_of("QueueEntry", Queue)
ReviewEntry: Any = _entry_of("ReviewEntry", ReviewRound, reached=WholeNumber)
CalibrationEntry: Any = _entry_of(
    "CalibrationEntry",
    Calibration,
    class_sizes=Annotated[Many[Size], Field(min_length=1, max_length=100)],
    scale=Above0,
    candidates=Many[CandidateEntry],
    clusters=WholeNumber,
    element=Annotated[str, Field(pattern="^[A-Z][a-z]?$"), wanted("a chemical symbol")],
    intervals=Named[str, Annotated[list[Number], Field(min_length=2, max_length=2)]],
    curves=(CsvPart, ...),
)


class StepEntry(Entry):
    """A step of a history."""

    name: Words
    state: Key


class ImageEntry(Entry):
    """All that belongs to one image."""

    name: Words
    now: WholeNumber
    history: Annotated[list[StepEntry], Field(min_length=1, max_length=100_000, fail_fast=True)]
    options: OptionsEntry
    review: ReviewEntry = ReviewEntry()
    selection: Many[Id]
    view: Plain | None = None
    frames_sha256: Named[Frame, Sha256] = Field(default_factory=dict)


class Contents(Entry):
    """The table of contents."""

    software: Words = "unknown"
    saved: Annotated[str, Field(max_length=60)] = ""
    in_hand: WholeNumber = 0
    view: Plain | None = None
    images: Annotated[list[ImageEntry], Field(max_length=1000, fail_fast=True)]
    states: Named[Key, StateEntry] = Field(default_factory=dict)
    tables: Named[Key, TableEntry] = Field(default_factory=dict)
    micrographs: Named[Key, MicrographEntry] = Field(default_factory=dict)
    pixels: Named[Key, PixelsEntry] = Field(default_factory=dict)
    models: Named[Key, ModelEntry] = Field(default_factory=dict)
    counts: Named[Key, CountEntry] = Field(default_factory=dict)
    evidence: Named[Key, EvidenceEntry] = Field(default_factory=dict)
    calibrations: Named[Key, CalibrationEntry] = Field(default_factory=dict)
    tuned: Named[Key, TunedEntry] = Field(default_factory=dict)
    adaptations: Named[Key, AdaptationEntry] = Field(default_factory=dict)
    movies: Named[Key, MovieEntry] = Field(default_factory=dict)


CONTENTS_DOOR: Final = Door(Contents)
