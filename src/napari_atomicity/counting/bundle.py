"""A model in a file: safetensors weights and, beside them, a JSON card that says what they are."""

from __future__ import annotations

import glob
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.counting.card import FORMAT, ModelCard, card_of_json
from napari_atomicity.counting.weights import LIBRARY, REHEARSAL, SCALE, SHIPPED, weights_of
from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import write_atomically
from napari_atomicity.io.tensors import MOST_BYTES
from napari_atomicity.kinds import printable
from napari_atomicity.schema import read_bytes

if TYPE_CHECKING:
    from napari_atomicity.counting.network import Network
    from napari_atomicity.counting.scale_network import ScaleNetwork

__all__ = [
    "Bundle",
    "ModelCard",
    "available",
    "load_bundle",
    "load_card",
    "packaged_folder",
    "save_bundle",
    "user_folder",
    "weights_sha256",
]

#: digits of the hash in the name of weights that wait for their card
_WAITING_DIGITS: Final = 16
_MOST_CARD: Final = 8 * 2**20


@dataclass(frozen=True, eq=False)
class Bundle:
    """A model: its card, its networks in evaluation mode, and patches of its training.

    Attributes
    ----------
    card
        What the model is.
    network
        What labels the clusters.
    rehearsal
        Patches to rehearse when the model is adapted: raw (m, 64, 64) float16, noise (m,), log_atoms (m,) (logarithm of
        the atoms that the measured integral stands for), class_index (m,).
    library
        Further patches to compare with, in bytes: pixels (l, 64, 64) uint8, of which scale · pixels + offset (both
        (l,)) are the patches; noise, log_atoms and class_index as before; and map, the fixed positions (m + l, 2) of
        all of them, those of the rehearsal first, on the map of the features. A library without it gets its map at
        first use.
    scale_network
        What has learnt which scale goes with which frame; None where the model learnt from too few frames.
    shipped
        Of an adapted model, the network that it was adapted from, whose features the scale network has learnt.
    """

    card: ModelCard
    network: Network
    rehearsal: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    library: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict, kw_only=True)
    scale_network: ScaleNetwork | None = None
    shipped: Network | None = None


def available() -> list[str]:
    """Names of the models that come with the package, then those in the user's folder."""
    names: list[str] = []
    for folder in (packaged_folder(), user_folder()):
        if folder.is_dir():
            whole = [path for path in sorted(folder.glob("[!.]*.safetensors")) if path.with_suffix(".json").is_file()]
            names += [path.stem for path in whole if path.stem not in names]
    return names


def packaged_folder() -> Path:
    """Where the models lie that come with the package."""
    return Path(__file__).parent.parent / "weights"


def user_folder() -> Path:
    """Where models of this user lie; the environment variable NAPARI_ATOMICITY_MODELS names another folder."""
    from platformdirs import user_data_path

    if chosen := os.environ.get("NAPARI_ATOMICITY_MODELS"):
        return Path(chosen).expanduser()
    return user_data_path("napari-atomicity", appauthor=False) / "models"


def load_card(name_or_path: str | Path) -> ModelCard:
    """The card alone of the model of that name or in that file: quick, but the weights are not looked at."""
    return _read_card(_locate(name_or_path).with_suffix(".json"))


def load_bundle(name_or_path: str | Path) -> Bundle:
    """The model of that name, or in that file (``NAME.safetensors`` with ``NAME.json`` beside it).

    Raises
    ------
    InputError
        Where there is none, or weights and card do not belong together.
    """
    path = _locate(name_or_path)
    card = _read_card(path.with_suffix(".json"))
    # a save that was cut short between its two renames has left the weights under their other name
    for candidate in (path, _waiting(path, card.sha256)):
        try:
            content = read_bytes(candidate, MOST_BYTES)
        except FileNotFoundError:
            continue
        if card.sha256 == hashlib.sha256(content).hexdigest():
            return Bundle(card, **weights_of(card, content)._asdict())
    raise InputError(f"The weights {path.name} are not those that {path.stem}.json describes; export the model again.")


def save_bundle(bundle: Bundle, path: str | Path) -> Path:
    """Write the weights of a model, and its card beside them.

    Whenever this fails or is killed, `load_bundle` gives the whole old model or the whole new one: the new weights
    are complete on the disk under another name before the card that names their hash replaces the old card in one
    step, and only then take the place of the old weights.

    Parameters
    ----------
    bundle
        The model.
    path
        Of the weights; the suffix becomes ``.safetensors``, that of the card ``.json``.

    Returns
    -------
    Path of the weights.

    Raises
    ------
    InputError
        Where the system does not let us write there (no rights, disk full).
    """
    from safetensors.numpy import save

    path = Path(path).with_suffix(".safetensors")
    tensors = {name: value.numpy() for name, value in bundle.network.state_dict().items()}
    for prefix, arrays in ((REHEARSAL, bundle.rehearsal), (LIBRARY, bundle.library)):
        tensors |= {prefix + name: np.ascontiguousarray(value) for name, value in arrays.items()}
    for prefix, network in ((SCALE, bundle.scale_network), (SHIPPED, bundle.shipped)):
        if network is not None:
            tensors |= {prefix + name: value.numpy() for name, value in network.state_dict().items()}
    content: bytes = save(tensors)
    card = replace(bundle.card, sha256=hashlib.sha256(content).hexdigest())
    text = json.dumps({"format": FORMAT, **printable(asdict(card))}, indent=1)
    waiting = _waiting(path, card.sha256)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(waiting, lambda file: _discard(file.write_bytes(content)))
        write_atomically(path.with_suffix(".json"), lambda file: _discard(file.write_text(text, encoding="utf-8")))
    except (OSError, InputError) as error:
        waiting.unlink(missing_ok=True)
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} could not be written ({error.strerror}); choose another folder.") from error
    try:
        waiting.replace(path)
    except OSError as error:
        raise InputError(
            f"{path} could not be replaced ({error.strerror}); close it in other programs and save again."
        ) from error
    for remnant in path.parent.glob(f".{glob.escape(path.stem)}-{'[0-9a-f]' * _WAITING_DIGITS}.safetensors"):
        remnant.unlink(missing_ok=True)  # of saves that were killed
    return path


def _waiting(path: Path, sha256: str) -> Path:
    """Where the weights of that hash wait until the card that describes them is in its place."""
    return path.with_name(f".{path.stem}-{sha256[:_WAITING_DIGITS]}.safetensors")


def weights_sha256(bundle: Bundle) -> str:
    """Hash of the network's parameters as they are now; an adapted model has another one than its base."""
    digest = hashlib.sha256()
    for name, value in sorted(bundle.network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def _discard(_: object) -> None:
    """Drop the number of bytes that writing returns."""


def _locate(name_or_path: str | Path) -> Path:
    given = Path(name_or_path)
    if given.suffix in (".safetensors", ".json") or len(given.parts) > 1:
        path = given.with_suffix(".safetensors")
        if not path.is_file():
            raise InputError(f"There is no model {path}; give a .safetensors file or one of {', '.join(available())}.")
        return path
    for folder in (packaged_folder(), user_folder()):
        path = folder / f"{given.name}.safetensors"
        if path.is_file():
            return path
    raise InputError(
        f"There is no model named {given.name!r} here (any more); there are {', '.join(available()) or 'none'}."
    )


def _read_card(path: Path) -> ModelCard:
    try:
        content = read_bytes(path, _MOST_CARD)
    except FileNotFoundError:
        raise InputError(f"The model card {path.name} is missing beside its weights; copy both files.") from None
    return card_of_json(content, f"The model card {path.name}")
