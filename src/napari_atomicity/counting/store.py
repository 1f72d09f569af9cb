"""The models that can be chosen: those that come with the package, and the user's own in one folder."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Final

from napari_atomicity.counting import bundle as bundles
from napari_atomicity.counting.bundle import Bundle, load_bundle, save_bundle
from napari_atomicity.counting.card import ModelCard
from napari_atomicity.errors import InputError

#: folder beside the user's models where removed ones go; nothing is ever deleted
REMOVED: Final = "removed"
# files of other programs that hold weights: opening them can run whatever program somebody put in
_PICKLES: Final = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib", ".pt2")
# names that Windows keeps for devices, whatever the suffix
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Model:
    """One model in a file.

    Attributes
    ----------
    name
        By which it is chosen; that of its file.
    path
        Its weights; the card lies beside them.
    bundled
        It comes with the package and cannot be removed.
    card
        What it is; None where the card cannot be read.
    problem
        Why it cannot be used, in one sentence; empty where it can.
    """

    name: str
    path: Path
    bundled: bool
    card: ModelCard | None
    problem: str = ""


def models() -> list[Model]:
    """All models, the bundled ones first, then the user's by name; also those that cannot be used, and why."""
    bundled = [_model_at(path, True) for path in _weights_in(bundles.packaged_folder())]
    taken = {model.name.casefold() for model in bundled}
    own = [_model_at(path, False) for path in _weights_in(bundles.user_folder())]
    return bundled + [_hidden(model) if model.name.casefold() in taken else model for model in own]


def find(name: str) -> Model:
    """The model of that name, usable or not.

    Raises
    ------
    InputError
        Where there is none.
    """
    known = models()
    for model in known:
        if model.name == name:
            return model
    names = ", ".join(model.name for model in known) or "none"
    raise InputError(f"There is no model named {name!r} here (any more); there are {names}.")


def import_model(source: str | Path) -> Model:
    """Check a model thoroughly and copy it into the user's folder.

    A name that is taken gets a number; nothing is ever overwritten. The card then carries the name of the model here.

    Parameters
    ----------
    source
        The weights (``.safetensors``), the card (``.json``) beside them, or a folder that holds one model.

    Returns
    -------
    The model as it lies in the user's folder.

    Raises
    ------
    InputError
        Where it is no model of ours, its parts do not belong together, it needs another version, or it is here
        already.
    """
    path = _weights_at(Path(source))
    bundle = load_bundle(path)
    if problem := _card_problem(bundle.card):
        raise InputError(problem)
    for model in models():
        if model.card is not None and _same(model.card, bundle.card):
            raise InputError(f"The model {path.name} is here already, under the name {model.name!r}.")
    folder = _existing(bundles.user_folder())
    name = _free(safe_name(path.stem), {*_names_in(folder), *(model.name.casefold() for model in models())})
    saved = save_bundle(_named(bundle, name), folder / f"{name}.safetensors")
    return _model_at(saved, False)


def export_model(name: str, folder: str | Path) -> Path:
    """Write weights and card of a model to a folder, for another machine.

    A name that is taken there gets a number.

    Parameters
    ----------
    name
        Of the model here.
    folder
        Where to; made where it is missing.

    Returns
    -------
    Path of the weights.

    Raises
    ------
    InputError
        Where there is no such model, it is damaged, or the folder cannot be written.
    """
    model = find(name)
    bundle = load_bundle(model.path)
    target = _existing(Path(folder).expanduser())
    free = _free(model.name, _names_in(target))
    return save_bundle(_named(bundle, free), target / f"{free}.safetensors")


def remove_model(name: str) -> Path:
    """Take a user's model off the list; its files move to the folder ``removed`` beside the others.

    Results that it gave stay as they are. Importing it from there brings it back.

    Returns
    -------
    Path of the weights where they lie now.

    Raises
    ------
    InputError
        Where it comes with the package, there is none, or the files cannot be moved.
    """
    model = next((own for own in models() if own.name == name and not own.bundled), None) or find(name)
    if model.bundled:
        raise InputError(f"The model {name!r} comes with napari-atomicity and stays; only your own can be removed.")
    aside = _existing(model.path.parent / REMOVED)
    target = aside / f"{_free(model.name, _names_in(aside))}.safetensors"
    try:
        # without its weights the model is off the list; a card alone is none
        model.path.replace(target)
        card = model.path.with_suffix(".json")
        if card.exists():
            card.replace(target.with_suffix(".json"))
    except OSError as error:
        raise InputError(
            f"The model {name!r} could not be removed ({error.strerror or error}); close it in other programs."
        ) from error
    return target


def safe_name(name: str) -> str:
    """`name` as it can be a file's name on every system."""
    name = re.sub(r"[^\w.+-]+", "-", name).strip("-.+")[:80] or "model"
    return f"{name}-model" if _DEVICE.fullmatch(name) else name


# ---------------------------------------------------------------------- looking at files


def _weights_in(folder: Path) -> list[Path]:
    """Weights in a folder; files that begin with a dot are unfinished, or notes of the system."""
    return sorted(folder.glob("[!.]*.safetensors")) if folder.is_dir() else []


def _names_in(folder: Path) -> set[str]:
    """Names that a new model in that folder must not have: case makes no difference on Windows and macOS."""
    try:
        return {path.stem.casefold() for path in folder.iterdir() if path.suffix in (".safetensors", ".json")}
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be read ({error.strerror}); choose another one.") from error


def _model_at(path: Path, bundled: bool) -> Model:
    try:
        card = bundles.load_card(path)
    except InputError as error:
        return Model(path.stem, path, bundled, None, str(error))
    return Model(path.stem, path, bundled, card, _card_problem(card))


def _hidden(model: Model) -> Model:
    return replace(model, problem=f"A model that comes along is called {model.name!r} too; rename these two files.")


def _weights_at(source: Path) -> Path:
    source = source.expanduser()
    if source.is_dir():
        files = _weights_in(source)
        if len(files) != 1:
            raise InputError(f"The folder {source} holds {len(files) or 'no'} models; give the .safetensors file.")
        return files[0]
    if not source.exists():
        raise InputError(f"There is no file {source}; give the .safetensors file of a model.")
    if source.suffix.lower() in _PICKLES:
        raise InputError(
            f"{source.name} is a file that can run programs when it is opened, so it is not read; "
            "ask for the model as .safetensors with its .json card."
        )
    if source.suffix.lower() not in (".safetensors", ".json"):
        raise InputError(f"{source.name} is no model; give the .safetensors file, with its .json card beside it.")
    path = source.with_suffix(".safetensors")
    if not path.is_file():
        raise InputError(f"The weights {path.name} are missing beside the card {source.name}; copy both files.")
    return path


def _card_problem(card: ModelCard) -> str:
    """Why a readable card does not do, in one sentence; empty where it does."""
    # the comparison with diameter alone, and anchors by diameter, rest on these
    if set(card.diameter_nm) != {str(n) for n in card.class_sizes}:
        return f"The model card of {card.name!r} lacks the diameters of its classes; train the model again."
    return ""


def _same(a: ModelCard, b: ModelCard) -> bool:
    return replace(a, name="") == replace(b, name="")


def _named(bundle: Bundle, name: str) -> Bundle:
    return replace(bundle, card=replace(bundle.card, name=name))


def _free(name: str, taken: set[str]) -> str:
    """`name`, or with the first number that makes it free."""
    if name.casefold() not in taken:
        return name
    return next(free for n in count(2) if (free := f"{name}-{n}").casefold() not in taken)


def _existing(folder: Path) -> Path:
    """The folder, made where it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be made ({error.strerror}); choose another one.") from error
    return folder
