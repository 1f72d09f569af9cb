"""An adapted model becomes a model of its own, with its history."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_info, show_warning

from napari_atomicity.counting import store
from napari_atomicity.errors import InputError
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.ui.workspace.workspace import Workspace


def keep_model(workspace: Workspace, name: str) -> bool:
    """Save the adapted model of the image in hand among the user's models; a name that is taken is refused."""
    document = workspace.document
    adapted = document.state.applied if document is not None else None
    if document is None or adapted is None:
        show_warning("There is no adapted model yet; adapt the model to this image first.")
        return False
    bundle, images = document.state.bundle, adapted.images or (document.micrograph.name,)

    def steps() -> Steps[Path]:
        yield Progress(0, 0, "Saving the model")
        return _save(bundle, name, images)

    def apply(path: Path) -> None:
        show_info(f"Saved as {path.stem}; it can be chosen for every image (step 3).")
        workspace.changed.emit()

    return workspace.work.start("Save the model", steps, apply)


def proposed_name(workspace: Workspace) -> str:
    """A free name that says what the model is made of."""
    document = workspace.document
    if document is None or document.state.bundle is None:
        return ""
    stem = store.safe_name(f"{document.state.bundle.card.name}-{Path(document.micrograph.name).stem}")
    taken = _taken()
    return next(name for name in (stem, *(f"{stem}-{n}" for n in range(2, 1000))) if name.casefold() not in taken)


def _save(bundle: Any, name: str, images: tuple[str, ...]) -> Path:
    from napari_atomicity.counting.bundle import save_bundle, user_folder

    wanted = store.safe_name(name.strip())
    if wanted.casefold() in _taken():
        raise InputError(f"There is a model named {wanted} already; choose another name.")
    # scores were measured before it was adapted
    limit = f"Adapted to {', '.join(images)}: the scores are those of {bundle.card.name}, measured before that."
    card = replace(bundle.card, name=wanted, limits=(limit, *bundle.card.limits))
    return save_bundle(replace(bundle, card=card), user_folder() / f"{wanted}.safetensors")


def _taken() -> set[str]:
    return {model.name.casefold() for model in store.models()}
