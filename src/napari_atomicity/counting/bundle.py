"""A model in a file: safetensors weights and, beside them, a JSON card that says what they are."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import class_label
from napari_atomicity.counting.patches import NM_PER_PX, PATCH_PX
from napari_atomicity.errors import InputError
from napari_atomicity.io.atomic import write_atomically

if TYPE_CHECKING:
    from napari_atomicity.counting.network import Network
    from napari_atomicity.counting.scale_network import ScaleNetwork

FORMAT: Final = 1
_REHEARSAL: Final = "rehearsal."
_LIBRARY: Final = "library."
_SCALE: Final = "scale."
_SHIPPED: Final = "shipped."
#: of the hash in the name of weights that wait for their card
_WAITING_DIGITS: Final = 16


@dataclass(frozen=True)
class Card:
    """What a model is, needs and promises.

    Attributes
    ----------
    name, version, element, class_sizes
        Atoms of each class, ascending; labels are element and size.
    channels
        ``("raw",)`` or ``("raw", "lcn")``.
    patch_px, patch_nm_per_px, lcn_window_nm
        Geometry of the input and the full width of the window of the local contrast normalisation.
    temperature
        Divides the shape logits: chosen so that the probabilities are calibrated on structures never trained on.
    integral_tau
        Standard deviation, in log units, added to the stated error of the integral, for the same reason.
    outside_threshold, outside_threshold_scaled
        Probability of being none of the classes above which a cluster is called ``other``: so that at most 5 % of the
        class members of structures never trained on are rejected, and not below 0.2; without and with the scale of the
        image.
    effective_clusters
        The most that a frame's clusters count as independent witnesses of shape: blur and flatness are shared.
    diameter_nm
        Per class size (as text): mean and standard deviation of the logarithm of the diameter in nm.
    diameter_frame_sd
        The part of that standard deviation that all clusters of a frame share (blur, flatness).
    recipe, recipe_sha256
        How the training data was made.
    config
        The configuration that made the model: file, its sha256 and text; empty where none did.
    metrics
        Scores on structures never trained on, by condition.
    limits, licence, citation
        For the person who decides whether to trust it; each of the limits is a sentence.
    history
        Adaptations since training.
    sha256
        Of the weights.
    """

    name: str
    class_sizes: tuple[int, ...]
    channels: tuple[str, ...]
    lcn_window_nm: float
    element: str = "Pt"
    version: str = "0.1.0"
    patch_px: int = PATCH_PX
    patch_nm_per_px: float = NM_PER_PX
    temperature: float = 1.0
    integral_tau: float = 0.02
    outside_threshold: float = 0.5
    outside_threshold_scaled: float = 0.5
    effective_clusters: float = 15.0
    diameter_nm: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    diameter_frame_sd: float = 0.0
    recipe: Mapping[str, Any] = field(default_factory=dict)
    recipe_sha256: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    licence: str = "BSD-3-Clause"
    citation: str = ""
    history: tuple[str, ...] = ()
    sha256: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """Label of each class, for example ``Pt19``."""
        return tuple(class_label(n, self.element) for n in self.class_sizes)

    def __post_init__(self) -> None:
        sizes = self.class_sizes
        if len(sizes) < 2 or list(sizes) != sorted(set(sizes)) or min(sizes) < 1:
            raise InputError(
                f"The model card of {self.name!r} needs at least two class sizes, ascending; it has {sizes}."
            )
        if self.channels not in (("raw",), ("raw", "lcn")):
            raise InputError(
                f"The model card of {self.name!r} names the channels {self.channels}, which are unknown here."
            )
        if (self.patch_px, self.patch_nm_per_px) != (PATCH_PX, NM_PER_PX):
            raise InputError(
                f"The model {self.name!r} wants patches of {self.patch_px} pixels at {self.patch_nm_per_px} nm; "
                f"this version makes {PATCH_PX} pixels at {NM_PER_PX} nm, so train the model again."
            )
        for name in ("lcn_window_nm", "temperature", "effective_clusters"):
            if not 0 < getattr(self, name) < np.inf:
                raise InputError(f"The model card of {self.name!r} has an impossible {name}.")
        self._check_words()

    def _check_words(self) -> None:
        texts = {name: getattr(self, name) for name in ("licence", "citation", "version", "element", "recipe_sha256")}
        texts |= {f"limits[{i}]": sentence for i, sentence in enumerate(self.limits)}
        tables = {name: getattr(self, name) for name in ("recipe", "config", "metrics")}
        wrong = [name for name, value in texts.items() if not isinstance(value, str)]
        wrong += [name for name, value in tables.items() if not isinstance(value, Mapping)]
        if not (isinstance(self.sha256, str) and re.fullmatch("([0-9a-f]{64})?", self.sha256)):
            wrong.append("sha256")
        if wrong:
            raise InputError(f"The model card of {self.name!r} has a value of the wrong type ({wrong[0]}).")


@dataclass(frozen=True, eq=False)
class Bundle:
    """A card, its network in evaluation mode, and a few library patches to rehearse when it is adapted.

    `rehearsal` holds (m, 64, 64) float16 patches, their noise (m,) and their class index (m,). `library` holds further
    patches to compare with, in bytes: pixels (l, 64, 64) uint8, of which scale · pixels + offset (both (l,)) are the
    patches, noise and class_index as before, and map, the fixed place (m + l, 2) of all of them, those of the
    rehearsal first, on the map of the features; without it the map is made when it is first wanted. `scale_network` has
    learnt which scale goes with which frame; a model that learnt from too few frames has none. `shipped` is, of an
    adapted model, the network that it was adapted from: the one whose features the scale network knows.
    """

    card: Card
    network: Network
    rehearsal: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    library: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict, kw_only=True)
    scale_network: ScaleNetwork | None = None
    shipped: Network | None = None


def available() -> list[str]:
    """Names of the models that come with the package, then those in the user's folder."""
    found: list[str] = []
    for folder in (_packaged(), user_folder()):
        if folder.is_dir():
            whole = [path for path in sorted(folder.glob("[!.]*.safetensors")) if path.with_suffix(".json").is_file()]
            found += [path.stem for path in whole if path.stem not in found]
    return found


def user_folder() -> Path:
    """Where models of this user lie; the environment variable NAPARI_ATOMICITY_MODELS names another folder."""
    from platformdirs import user_data_path

    if chosen := os.environ.get("NAPARI_ATOMICITY_MODELS"):
        return Path(chosen).expanduser()
    return user_data_path("napari-atomicity", appauthor=False) / "models"


def load_card(name_or_path: str | Path) -> Card:
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
    for place in (path, _waiting(path, card.sha256)):
        try:
            content = place.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise InputError(f"The weights {path.name} cannot be read ({error.strerror}); check the file.") from error
        if card.sha256 == hashlib.sha256(content).hexdigest():
            return _build(card, content)
    raise InputError(f"The weights {path.name} are not those that {path.stem}.json describes; export the model again.")


def save_bundle(bundle: Bundle, path: str | Path) -> Path:
    """Write the weights to `path` (suffix ``.safetensors``) and the card beside them; gives the path of the weights.

    Whenever this fails or is killed, `load_bundle` gives the whole old model or the whole new one: the new weights
    are complete on the disk under another name before the card that names their hash replaces the old card in one
    step, and only then take the place of the old weights.

    Raises
    ------
    InputError
        Where the system does not let us write there (no rights, disk full).
    """
    from safetensors.numpy import save

    path = Path(path).with_suffix(".safetensors")
    tensors = {name: value.numpy() for name, value in bundle.network.state_dict().items()}
    for prefix, arrays in ((_REHEARSAL, bundle.rehearsal), (_LIBRARY, bundle.library)):
        tensors |= {prefix + name: np.ascontiguousarray(value) for name, value in arrays.items()}
    for prefix, part in ((_SCALE, bundle.scale_network), (_SHIPPED, bundle.shipped)):
        if part is not None:
            tensors |= {prefix + name: value.numpy() for name, value in part.state_dict().items()}
    content: bytes = save(tensors)
    card = replace(bundle.card, sha256=hashlib.sha256(content).hexdigest())
    text = json.dumps({"format": FORMAT, **asdict(card)}, indent=1)
    waiting = _waiting(path, card.sha256)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(waiting, lambda part: _discard(part.write_bytes(content)))
        write_atomically(path.with_suffix(".json"), lambda part: _discard(part.write_text(text, encoding="utf-8")))
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
    for left in path.parent.glob(f".{glob.escape(path.stem)}-{'[0-9a-f]' * _WAITING_DIGITS}.safetensors"):
        left.unlink(missing_ok=True)  # of saves that were killed
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
    """Turn a writer that counts into one that returns nothing."""


def _packaged() -> Path:
    return Path(__file__).parent.parent / "weights"


def _locate(name_or_path: str | Path) -> Path:
    given = Path(name_or_path)
    if given.suffix in (".safetensors", ".json") or len(given.parts) > 1:
        path = given.with_suffix(".safetensors")
        if not path.is_file():
            raise InputError(f"There is no model {path}; give a .safetensors file or one of {', '.join(available())}.")
        return path
    for folder in (_packaged(), user_folder()):
        path = folder / f"{given.name}.safetensors"
        if path.is_file():
            return path
    raise InputError(
        f"There is no model named {given.name!r} here (any more); there are {', '.join(available()) or 'none'}."
    )


def _read_card(path: Path) -> Card:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"The model card {path.name} is missing beside its weights; copy both files.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"The model card {path.name} is not readable JSON; export the model again.") from error
    return card_of_json(content, path.name)


def card_of_json(content: Any, name: str) -> Card:
    """The card that parsed JSON describes; `name` is what its faults are told of."""
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise InputError(f"The model card {name} is of another format than {FORMAT}; it needs another version.")
    known = {f.name for f in fields(Card)}
    missing = {"name", "class_sizes", "channels", "lcn_window_nm", "sha256"} - set(content)
    if missing or set(content) - known:
        names = ", ".join(sorted(missing or set(content) - known))
        raise InputError(f"The model card {name} {'lacks' if missing else 'has the unknown key'} {names}.")
    try:
        if isinstance(content.get("limits"), str):
            content["limits"] = [content["limits"]]
        for key in ("class_sizes", "channels", "history", "limits"):
            content[key] = tuple(content.get(key, ()))
        content["class_sizes"] = tuple(int(n) for n in content["class_sizes"])
        content["diameter_nm"] = {str(k): (float(v[0]), float(v[1])) for k, v in content.get("diameter_nm", {}).items()}
        return Card(**content)
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        raise InputError(f"The model card {name} has a value of the wrong type ({error}).") from error


def _build(card: Card, content: bytes) -> Bundle:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise InputError(f"The weights of {card.name!r} are not a safetensors file; export them again.") from error
    rehearsal, library, scale, shipped = (
        _taken_out(tensors, prefix) for prefix in (_REHEARSAL, _LIBRARY, _SCALE, _SHIPPED)
    )
    if not all(np.isfinite(value).all() for part in (tensors, library, scale, shipped) for value in part.values()):
        raise InputError(f"The weights of {card.name!r} hold values that are not numbers; train the model again.")
    _check_library(card, rehearsal, library)
    network = _network(card, tensors)
    return Bundle(
        card,
        network,
        rehearsal,
        _scale_network(card, scale) if scale else None,
        _network(card, shipped) if shipped else None,
        library=library,
    )


def _check_library(card: Card, rehearsal: Mapping[str, npt.NDArray[Any]], library: Mapping[str, Any]) -> None:
    if not library:
        return
    shapes = {name: value.shape for name, value in library.items()}
    n = len(library.get("class_index", ()))
    wanted: dict[str, tuple[int, ...]] = {"pixels": (n, PATCH_PX, PATCH_PX)}
    wanted |= dict.fromkeys(("scale", "offset", "noise", "class_index"), (n,))
    if "map" in library:
        wanted["map"] = (len(rehearsal.get("class_index", ())) + n, 2)
    if shapes != wanted or not np.isin(library["class_index"], np.arange(len(card.class_sizes))).all():
        raise InputError(f"The library clusters of {card.name!r} do not belong together; export the model again.")


def _network(card: Card, tensors: dict[str, npt.NDArray[Any]]) -> Network:
    import torch

    from napari_atomicity.counting.network import Network

    network = Network(len(card.class_sizes), len(card.channels))
    if {k: v.shape for k, v in tensors.items()} != {k: tuple(v.shape) for k, v in network.state_dict().items()}:
        raise InputError(
            f"The weights of {card.name!r} do not fit its card ({len(card.class_sizes)} classes, "
            f"{len(card.channels)} channels); export the model again."
        )
    network.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in tensors.items()})
    network.eval().requires_grad_(False)
    return network


def _taken_out(tensors: dict[str, npt.NDArray[Any]], prefix: str) -> dict[str, npt.NDArray[Any]]:
    return {name.removeprefix(prefix): tensors.pop(name) for name in list(tensors) if name.startswith(prefix)}


def _scale_network(card: Card, tensors: dict[str, npt.NDArray[Any]]) -> ScaleNetwork:
    import torch

    from napari_atomicity.counting.scale_network import ScaleNetwork, inputs

    classes = len(card.class_sizes)
    network = ScaleNetwork(classes, inputs(classes, len(card.channels)))
    try:
        network.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in tensors.items()})
    except RuntimeError as error:
        raise InputError(
            f"The scale network of {card.name!r} does not fit its card; export the model again."
        ) from error
    network.eval().requires_grad_(False)
    return network
