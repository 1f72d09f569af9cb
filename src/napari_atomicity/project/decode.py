"""From a table of contents and its parts to what a project holds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import Field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.counting.adapt import Adaptation
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.holdout import Judgement
from napari_atomicity.counting.prior import PriorKnowledge, file_key
from napari_atomicity.counting.review import Queue
from napari_atomicity.document.options import ImageOptions
from napari_atomicity.document.review import ReviewRound
from napari_atomicity.errors import InputError
from napari_atomicity.io.text import clean
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.movies import Movie, MovieSettings
from napari_atomicity.movies.saved import fits_together
from napari_atomicity.pipeline import AppliedAdaptation, Count, ImageState, Settings
from napari_atomicity.pipeline.counting import image_key
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.project.arrays import array_of, frame_of, number, text_of
from napari_atomicity.project.blobs import MISFITS, BlobReader
from napari_atomicity.project.counts import calibration_of, check_evidence
from napari_atomicity.project.images import FoundImage, micrograph_of
from napari_atomicity.project.layout import (
    STORED,
    Contents,
    ImageEntry,
    MicrographEntry,
    StepEntry,
    annotation,
    is_array,
    kept_fields,
)
from napari_atomicity.project.models import bundle_of, card_of
from napari_atomicity.project.patches import patches_again
from napari_atomicity.project.places import Places, reaches_out
from napari_atomicity.project.project import HistoryStep, Project, SavedImage
from napari_atomicity.project.tables import new_bytes, table_of

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.calibration import Calibration
    from napari_atomicity.counting.card import ModelCard

Value = TypeVar("Value")


#: memory that the tables of all histories may take; a label among 20,000 clusters takes 160 kB of it
_MOST_TABLES: Final = 400 * 2**20
#: steps between two places where the work can be stopped
_OFTEN: Final = 25
#: tables between a whole one and the one that goes back to it; we write 50
_LONGEST_CHAIN: Final = 500


class _TooMuch(Exception):
    """The history takes more memory than it may."""


class Decoder:
    """Brings back the objects of one project, each once.

    Parameters
    ----------
    contents
        The table of contents.
    source
        The parts.
    found
        Images with their pixels, by the key of the pixels.
    """

    def __init__(self, contents: Contents, source: BlobReader, found: Mapping[str, FoundImage]) -> None:
        self.contents = contents
        self.source = source
        self.found = found
        self.remarks: list[str] = []
        self._made: dict[str, Any] = {}
        self._tables: dict[str, ClusterTable] = {}
        self._room = _MOST_TABLES
        #: the step that is brought back is the one in force, for which there is always room
        self._in_force = True
        self._image_now: FoundImage | None = None
        #: image of the state that is being made, from which the patches of its counts are cut out again
        self._pixels_now: Micrograph | None = None
        self.places = Places(source.path.parent.absolute())
        #: pixels that may stand for an image; others are only those of earlier steps
        self.wanted: frozenset[str] = frozenset()

    def project_steps(self) -> Steps[Project]:
        """The project, without the images that were left out."""
        images: list[SavedImage] = []
        in_hand = 0
        entries = self.contents.images
        for at, entry in enumerate(entries):
            yield Progress(at, len(entries), f"Opening {entry.name}")
            image = yield from self._image_steps(entry)
            if image is not None:
                in_hand = len(images) if at == self.contents.in_hand else in_hand
                images.append(image)
        return Project(
            tuple(images),
            in_hand,
            self.contents.view or {},
            self.contents.saved,
            self.contents.software,
            remarks=tuple(dict.fromkeys(self.remarks)),
        )

    def state_in_force(self, entry: ImageEntry) -> Any:
        """The entry of the state that an image was in."""
        return self.contents.states[entry.history[entry.now].state]

    def table_in_force(self, entry: ImageEntry) -> ClusterTable:
        """The clusters of an image as they were when it was saved."""
        return self._table(self.state_in_force(entry).table)

    def pixels_of(self, entry: ImageEntry) -> str:
        """Key of the pixels of the step in force."""
        return self.contents.micrographs[self.state_in_force(entry).micrograph].pixels

    def _image_steps(self, entry: ImageEntry) -> Steps[SavedImage | None]:
        key = self.pixels_of(entry)
        found = self.found.get(key) if key in self.wanted else None
        if found is None:
            return None
        # what an undo would go back to on pixels that are gone shows the present ones
        self._image_now = found
        first, steps = yield from self._history_steps(entry)
        return SavedImage(
            name=entry.name,
            steps=steps,
            now=entry.now - first,
            options=ImageOptions(**self._fields(ImageOptions, entry.options)),
            selection=frozenset(entry.selection),
            view=entry.view or {},
            review=self._review(entry),
            changed=found.changed,
            match=found.match,
        )

    def _review(self, entry: ImageEntry) -> ReviewRound:
        try:
            return ReviewRound(**self._fields(ReviewRound, entry.review))
        except ValueError:
            self.remarks.append(f"The review of {entry.name} does not fit together; start it again.")
            return ReviewRound()

    def _history_steps(self, entry: ImageEntry) -> Steps[tuple[int, tuple[HistoryStep, ...]]]:
        """The step in force and those around it, as far as memory allows; and which of them is the first."""
        self._in_force = True
        steps = {entry.now: self._step(entry.history[entry.now])}
        self._in_force = False
        for order in (range(entry.now - 1, -1, -1), range(entry.now + 1, len(entry.history))):
            for at in order:
                if at % _OFTEN == 0:
                    yield Progress(len(steps), len(entry.history), f"Opening {entry.name}")
                try:
                    steps[at] = self._step(entry.history[at])
                except _TooMuch:
                    break
        if len(steps) < len(entry.history):
            self.remarks.append(
                f"{len(entry.history) - len(steps)} steps of the history of {entry.name} are left out, for all of them "
                "do not fit into memory; save to another file to keep them."
            )
        return min(steps), tuple(steps[at] for at in sorted(steps))

    def _step(self, entry: StepEntry) -> HistoryStep:
        return HistoryStep(entry.name, self._state(entry.state))

    # ------------------------------------------------------------------ the objects that the steps share

    def _once(self, kind: str, key: str, make: Callable[[Any], Value]) -> Value:
        name = f"{kind}/{key}"
        if name not in self._made:
            self._made[name] = make(getattr(self.contents, kind)[key])
        value: Value = self._made[name]
        return value

    def _state(self, key: str) -> ImageState:
        def make(entry: Any) -> ImageState:
            self._pixels_now = self._micrograph(entry.micrograph)
            kept = {field.name: annotation(field)[0] for field in kept_fields(ImageState)}
            plain = [
                name for name, text in kept.items() if text in ("Micrograph", "ClusterTable") or text not in STORED
            ]
            state = ImageState(**self._fields(ImageState, entry, only=plain))
            try:
                return ImageState(**self._fields(ImageState, entry))
            except (InputError, *MISFITS) as error:
                # the labels are in the table; what they rest on is lost
                odd = f"{self.source.path.name} is damaged: what a count rests on does not fit together."
                why = str(error) if isinstance(error, InputError) else odd
                self.remarks.append(f"{why} The table and the labels are here; count again to go on from them.")
                return state.uncounted(settings=None, choices={}, when=state.when)

        return self._once("states", key, make)

    def _fields(self, kind: type, entry: Any, only: Collection[str] | None = None) -> dict[str, Any]:
        """Values of the fields of a class, those that the file does not hold left out."""
        fields = [field for field in kept_fields(kind) if only is None or field.name in only]
        return {
            field.name: self._value(field, entry) for field in fields if file_key(field.name) in entry.model_fields_set
        }

    def _value(self, field: Field[Any], entry: Any) -> Any:
        text, optional = annotation(field)
        value = getattr(entry, file_key(field.name))
        if value is None:
            return number(value) if text == "float" and not optional else None
        if text in _MAKERS:
            return getattr(self, _MAKERS[text])(value)
        if is_array(text):
            return array_of(self.source, value)
        if text == "pd.DataFrame":
            return frame_of(value, self.source)
        if text == "Calibrations":
            return {int(frame): self._calibration(key) for frame, key in value.items()}
        if text == "dict[int, PriorKnowledge]":
            return {int(frame): PriorKnowledge(**self._fields(PriorKnowledge, known)) for frame, known in value.items()}
        if text == "Judgement":
            return Judgement(**dict(value))
        if text == "Queue":
            return Queue(**self._fields(Queue, value))
        if text == "frozenset[int]":
            return frozenset(value)
        if text.startswith("Mapping[int"):
            return {int(name): item for name, item in value.items()}
        if text.endswith("[str, float]"):
            return {name: number(item) for name, item in value.items()}
        return value

    def _settings(self, entry: Any) -> Settings:
        """Settings as they were; a model on another machine would be looked at as soon as it is shown."""
        settings = Settings(**self._fields(Settings, entry))
        if not reaches_out(settings.model) or self.places.may_look(Path(settings.model)):
            return settings
        self.remarks.append(f"The model {clean(settings.model, 300)} is on another machine; choose it again to use it.")
        return replace(settings, model=Settings.model)

    def _micrograph(self, key: str) -> Micrograph:
        def make(entry: MicrographEntry) -> Micrograph:
            found = self.found.get(entry.pixels) or self._image_now
            if found is None:
                raise KeyError(key)
            return micrograph_of(entry, found, self.places)

        return self._once("micrographs", key, make)

    def _table(self, key: str) -> ClusterTable:
        """The table of that key, made from the whole one that it goes back to; the last ones between are kept."""
        chain: list[str] = []
        base: ClusterTable | None = None
        while base is None and (not chain or self.contents.tables[chain[-1]].based_on is not None):
            at = self.contents.tables[chain[-1]].based_on if chain else key
            assert at is not None
            base = self._tables.get(at)
            chain += [] if base is not None else [at]
            if len(chain) > _LONGEST_CHAIN:
                raise ValueError("tables that are based on each other without end")
        made: list[tuple[str, ClusterTable, int]] = []
        for at in reversed(chain):
            entry = self.contents.tables[at]
            table = table_of(entry, None if entry.rows is None else text_of(self.source, entry.rows), base)
            made.append((at, table, new_bytes(table, base)))
            while len(made) > 1 and sum(new for _, _, new in made) > self._room:
                del made[0]
            base = table
        self._tables |= {at: table for at, table, _ in made}
        self._room -= sum(new for _, _, new in made)
        if self._room < 0 and not self._in_force:
            raise _TooMuch
        assert base is not None
        return base

    def _bundle(self, key: str) -> Bundle:
        return self._once("models", key, lambda entry: bundle_of(entry, self.source, self.remarks))

    def _count(self, key: str) -> Count:
        def make(entry: Any) -> Count:
            values = self._fields(Count, entry)
            if values["evidence"] is not None and len(values["evidence"]) != len(values["table"]):
                raise InputError(
                    f"{self.source.path.name} is damaged: a count in it has other clusters than its table."
                )
            assert self._pixels_now is not None
            # files of format 1 do not name it; it decides which of a person's labels are held back
            values["image"] = values["image"] or image_key(self._pixels_now)
            return Count(**values, patches=patches_again(self._pixels_now, values["table"]))

        return self._once("counts", key, make)

    def _evidence(self, key: str) -> Evidence:
        def make(entry: Any) -> Evidence:
            values = self._fields(Evidence, entry)
            arrays = {
                field.name: values[field.name]
                for field in kept_fields(Evidence)
                if is_array(annotation(field)[0]) and values.get(field.name) is not None
            }
            check_evidence(arrays, values["card"], self.source)
            bundles = [self._bundle(model) for model in self.contents.models] if values["scale_network"] else []
            scales = next((bundle.scale_network for bundle in bundles if bundle.card == values["card"]), None)
            return Evidence(**{**values, "scale_network": scales})

        return self._once("evidence", key, make)

    def _calibration(self, key: str) -> Calibration:
        return self._once("calibrations", key, lambda entry: calibration_of(entry, self.source, self._fields))

    def _card(self, part: str) -> ModelCard:
        return card_of(self.source, part)

    def _applied(self, key: str) -> AppliedAdaptation:
        return self._once("tuned", key, lambda entry: AppliedAdaptation(**self._fields(AppliedAdaptation, entry)))

    def _movie(self, key: str) -> Movie | None:
        try:
            movie = self._once("movies", key, lambda entry: Movie(**self._fields(Movie, entry)))
            if fits_together(movie):
                return movie
        except (InputError, *MISFITS):
            pass
        # the tracks are in the table; what they rest on is lost
        self.remarks.append(f"A movie in {self.source.path.name} does not fit together; follow its clusters again.")
        return None

    def _movie_settings(self, entry: Any) -> MovieSettings:
        return MovieSettings(**self._fields(MovieSettings, entry))

    def _adaptation(self, key: str) -> Adaptation:
        return self._once("adaptations", key, lambda entry: Adaptation(**self._fields(Adaptation, entry)))


#: the method that makes the object, by the annotation of the field that refers to it
_MAKERS: Final = {
    "Micrograph": "_micrograph",
    "ClusterTable": "_table",
    "Bundle": "_bundle",
    "Count": "_count",
    "Evidence": "_evidence",
    "AppliedAdaptation": "_applied",
    "Adaptation": "_adaptation",
    "ModelCard": "_card",
    "Settings": "_settings",
    "Movie": "_movie",
    "MovieSettings": "_movie_settings",
}
