"""Models of a project: those that come with the program by name and hash, all others with their weights."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError
from napari_atomicity.io.tensors import tensors_of
from napari_atomicity.kinds import printable
from napari_atomicity.project.blobs import BlobReader
from napari_atomicity.project.layout import ModelEntry
from napari_atomicity.project.records import Record, RecordStore, as_json

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.card import ModelCard
    from napari_atomicity.counting.network import Network

_FOLDER: Final = "models"
Tensors = dict[str, npt.NDArray[Any]]


class ModelIndex:
    """Weights that were stored already: an adapted model differs from its base in a few of them."""

    def __init__(self) -> None:
        self._places: dict[str, tuple[str, str]] = {}

    def record_of(self, records: RecordStore, bundle: Bundle) -> Record:
        """The record of a model, made where there is none yet.

        Parameters
        ----------
        records
            What was stored already.
        bundle
            The model.
        """
        return records.record_of(bundle, self._make)

    def _make(self, records: RecordStore, bundle: Bundle) -> Record:
        card = records.json("cards", printable(asdict(bundle.card)))
        content: dict[str, Any] = {"name": bundle.card.name, "card": card, "bundled": _bundled(bundle), "tensors": None}
        network: object = bundle.network
        if isinstance(network, AbsentNetwork):
            content["bundled"] = network.name
        if content["bundled"] is not None:
            return records.add("models", content, (card,))
        content["tensors"] = tensors = self._weights(records, bundle)
        return records.add("models", content, (card, *dict.fromkeys(file for file, _ in tensors.values())))

    def _weights(self, records: RecordStore, bundle: Bundle) -> dict[str, tuple[str, str]]:
        """For each tensor the part that it lies in, and its name there; only new ones are written."""
        from safetensors.numpy import save

        tensors = _tensors(bundle)
        digests = {name: _digest(value) for name, value in tensors.items()}
        fresh = {digests[name]: name for name in tensors if digests[name] not in self._places}
        if fresh:
            part = records.writer.put(_FOLDER, save({name: tensors[name] for name in fresh.values()}), ".safetensors")
            self._places |= {digest: (part, name) for digest, name in fresh.items()}
        return {name: self._places[digest] for name, digest in digests.items()}

    def forget_all_but(self, parts: set[str]) -> None:
        """Weights in parts that the project no longer refers to have to be stored again."""
        self._places = {digest: place for digest, place in self._places.items() if place[0] in parts}


class AbsentNetwork:
    """In the place of a network that is not here: labels and ratios stand, a new look at the image is refused."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *_: object) -> NoReturn:
        """Refuse to look."""
        raise InputError(
            f"The model {self.name!r} that gave these labels is not here (any more); count again with another one."
        )

    state_dict = parameters = eval = train = __call__
    branches = property(__call__)


def _bundled(bundle: Bundle) -> str | None:
    """Name of the model that comes with the program, where the bundle is one."""
    from napari_atomicity.counting import store

    if not bundle.card.sha256 or bundle.shipped is not None:
        return None
    return next((model.name for model in store.models() if model.bundled and model.card == bundle.card), None)


def _tensors(bundle: Bundle) -> Tensors:
    """All tensors of the file that the model would be exported to."""
    from safetensors.numpy import load

    from napari_atomicity.counting.bundle import save_bundle

    with tempfile.TemporaryDirectory(prefix="napari-atomicity-") as folder:
        loaded: Tensors = load(save_bundle(bundle, Path(folder) / "model").read_bytes())
    return loaded


def _digest(value: npt.NDArray[Any]) -> str:
    head = f"{value.dtype.str} {value.shape} ".encode()
    return hashlib.sha256(head + np.ascontiguousarray(value).tobytes()).hexdigest()


# ---------------------------------------------------------------------- back


def bundle_of(content: ModelEntry, source: BlobReader, remark: list[str]) -> Bundle:
    """The model of an entry; without its network where that is not here.

    Parameters
    ----------
    content
        The entry.
    source
        The parts of the project.
    remark
        Takes a sentence where the network is not here.

    Raises
    ------
    InputError
        Where a part of it is missing or damaged.
    """
    from napari_atomicity.counting.bundle import Bundle, load_bundle, load_card

    card = card_of(source, content.card)
    name = content.bundled
    try:
        if name is None:
            return _rebuilt(content.tensors or {}, source, card)
        if load_card(name) == card:
            return load_bundle(name)
        problem = f"The model {name!r} of this version is not the one that gave the labels"
    except InputError as error:
        problem = str(error).rstrip(".").partition(";")[0]
    remark.append(f"{problem}; labels and ratios are as they were, but counting again will differ.")
    return Bundle(card, cast("Network", AbsentNetwork(name or card.name)))


def _rebuilt(places: Mapping[str, tuple[str, str]], source: BlobReader, card: ModelCard) -> Bundle:
    from safetensors.numpy import save

    from napari_atomicity.counting.bundle import load_bundle
    from napari_atomicity.counting.card import FORMAT

    files: dict[str, Tensors] = {}
    tensors: Tensors = {}
    try:
        for name, (part, inside) in places.items():
            if part not in files:
                files[part] = tensors_of(bytes(source.read(part)), f"The part {part}")
            tensors[name] = files[part][inside]
    except KeyError as error:
        raise InputError(f"The weights of {card.name!r} in the project are damaged.") from error
    content = save(tensors)
    with tempfile.TemporaryDirectory(prefix="napari-atomicity-") as folder:
        path = Path(folder) / "model.safetensors"
        path.write_bytes(content)
        facts = {"format": FORMAT, **asdict(card), "sha256": hashlib.sha256(content).hexdigest()}
        path.with_suffix(".json").write_text(as_json(facts), encoding="utf-8")
        loaded = load_bundle(path)
    # an adapted model goes by the hash of its base
    return replace(loaded, card=replace(loaded.card, sha256=card.sha256))


def card_of(source: BlobReader, part: str) -> ModelCard:
    """The card in a part.

    Parameters
    ----------
    source
        The parts of the project.
    part
        Its name.

    Raises
    ------
    InputError
        Where the part is missing or damaged.
    """
    from napari_atomicity.counting.card import card_of_json

    return card_of_json(bytes(source.read(part)), f"A model card in {source.path.name}", with_format=False)
