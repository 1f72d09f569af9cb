"""Commands of the manifest: each acts on the viewer that napari names, or on the one in front."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_atomicity.project import SUFFIX
from napari_atomicity.ui.actions import annotate, joint, project, single
from napari_atomicity.ui.context import Context, context_of
from napari_atomicity.ui.workspace.docks import WORKBENCH, open_dock


def _context(viewer: Any) -> Context:
    import napari

    return context_of(viewer if viewer is not None else napari.current_viewer())


def _command(do: Callable[[Context], object]) -> Callable[..., None]:
    def command(viewer: Any = None) -> None:
        do(_context(viewer))

    return command


def show_tour(viewer: Any = None) -> None:
    """Five hints over the workbench, which is opened for them."""
    from napari_atomicity.ui.steps.workbench import Workbench

    dock = open_dock(_context(viewer).workspace.viewer, WORKBENCH)
    workbench = dock.widget() if dock is not None else None
    if isinstance(workbench, Workbench):
        workbench.show_tour()


def _key(name: str) -> Callable[..., None]:
    """What a key does, as a command."""
    return _command(lambda context: annotate.do(context.workspace, context.shortcuts, name))


analyse = _command(lambda context: single.analyse(context.workspace))
detect = _command(lambda context: single.detect(context.workspace))
classify = _command(lambda context: single.classify(context.workspace))
adapt = _command(lambda context: single.adapt(context.workspace))
undo_adaptation = _command(lambda context: single.undo_adaptation(context.workspace))
calibrate_together = _command(lambda context: joint.calibrate(context.workspace))
use_for_session = _command(lambda context: joint.hand_on(context.workspace))
explain = _command(lambda context: single.explain(context.workspace, context.explainer))
undo = _command(lambda context: single.undo(context.workspace))
redo = _command(lambda context: single.redo(context.workspace))
save_session = _command(lambda context: project.save(context.project))
save_session_as = _command(lambda context: project.save_as(context.project))
open_session = _command(lambda context: project.ask_open(context.project))

label_1, label_2, label_3, label_4, label_5 = (_key(f"class_{number}") for number in range(1, 6))
label_6, label_7, label_8, label_9, label_10 = (_key(f"class_{number}") for number in range(6, 11))
label_other = _key("other")
accept = _key("accept")
clear_labels = _key("clear")
next_cluster = _key("next")
previous_cluster = _key("previous")
next_uncertain = _key("uncertain")
show_keys = _key("keys")


def get_session_reader(path: str | Path | Sequence[str]) -> Callable[[object], list[tuple[None]]] | None:
    """For project files that are dropped on the window: they open in the documents, not as layers of napari."""
    paths = [Path(name) for name in ([path] if isinstance(path, str | Path) else path)]
    if any(file.suffix.lower() != SUFFIX for file in paths):
        return None

    def read(_: object) -> list[tuple[None]]:
        for file in paths:
            _context(None).project.open(file)
        return [(None,)]  # nothing for napari to add

    return read


def get_folder_reader(path: str | Path | Sequence[str]) -> Callable[[object], list[tuple[None]]] | None:
    """For a folder that is dropped on the window: its images open as a list, a dataset as the table that it is.

    Other files, several folders at once, and folders that are one image belong to other readers.
    """
    from napari_atomicity.dataset.folder import Folder
    from napari_atomicity.dataset.sources import ZARR, holds_images

    paths = [Path(name) for name in ([path] if isinstance(path, str | Path) else path)]
    if len(paths) != 1 or not paths[0].is_dir() or paths[0].suffix.lower() == ZARR:
        return None
    folder = paths[0]
    if not Folder(folder).facts.is_file() and not holds_images(folder):
        return None

    def read(_: object) -> list[tuple[None]]:
        from napari_atomicity.ui.dataset.service import many_images_of

        context = _context(None)
        open_dock(context.workspace.viewer, "Many images")
        many_images_of(context.workspace).open(folder)
        return [(None,)]  # nothing for napari to add

    return read
