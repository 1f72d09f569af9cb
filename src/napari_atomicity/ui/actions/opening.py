"""Opening images, samples and projects, as the buttons of an empty window ask for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari.layers import Layer
from napari.utils.notifications import show_warning
from qtpy.QtWidgets import QFileDialog

from napari_atomicity.errors import InputError
from napari_atomicity.io.formats import SUFFIXES
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.project import SUFFIX
from napari_atomicity.ui.actions.project import window_in_front
from napari_atomicity.ui.workspace.docks import PLUGIN

if TYPE_CHECKING:
    from napari_atomicity.ui.project.controller import ProjectController

_IMAGES: Final = f"Micrographs ({' '.join(f'*{suffix}' for suffix in SUFFIXES)})"
#: what is read: name, and how
_Source = tuple[str, Callable[[], Sequence[Any]]]


def ask_images(project: ProjectController, folder: Path | None = None) -> None:
    """Ask for image files and open them.

    Parameters
    ----------
    folder
        Where the dialog begins; None for where the system says.
    """
    names, _ = QFileDialog.getOpenFileNames(window_in_front(), "Open an image", str(folder or ""), _IMAGES)
    if names:
        open_files(project, [Path(name) for name in names])


def open_files(project: ProjectController, paths: Sequence[Path]) -> None:
    """Open images, or a project; what cannot be read is said, and the others open."""
    projects = [path for path in paths if path.suffix.lower() == SUFFIX]
    images = [path for path in paths if path not in projects]
    if images:
        _read(project, [(path.name, _reading(path)) for path in images])
    for path in projects[:1]:
        project.open(path)


def samples() -> dict[str, str]:
    """The samples that come along: key to what is on it."""
    from npe2 import PluginManager

    offered = PluginManager.instance().get_manifest(PLUGIN).contributions.sample_data or []
    return {sample.key: sample.display_name for sample in offered}


def open_sample(project: ProjectController, key: str) -> bool:
    """Open one of the samples; gives whether it was begun, which it is not while other work runs."""
    from npe2 import PluginManager

    offered = PluginManager.instance().get_manifest(PLUGIN).contributions.sample_data or []
    sample = next(sample for sample in offered if sample.key == key)
    return _read(project, [(sample.display_name, sample.open)])


def _reading(path: Path) -> Callable[[], Sequence[Any]]:
    from napari_atomicity.io.napari_hooks import read_layers

    return lambda: read_layers(str(path))


def _read(project: ProjectController, sources: Sequence[_Source]) -> bool:
    workspace = project.workspace

    def steps() -> Steps[tuple[list[Any], list[str]]]:
        layers: list[Any] = []
        problems: list[str] = []
        for i, (name, read) in enumerate(sources):
            yield Progress(i, len(sources), f"Reading {name}")
            try:
                layers += read()
            except InputError as error:
                problems.append(str(error))
        return layers, problems

    def apply(result: tuple[list[Any], list[str]]) -> None:
        layers, problems = result
        for data in layers:
            if workspace.viewer is not None:
                workspace.viewer.add_layer(Layer.create(*data))
        for problem in problems:
            show_warning(problem)

    return workspace.work.start("Open", steps, apply)
