"""Start napari with the workbench: ``python -m napari_atomicity.ui.launch [IMAGE...]``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from napari_atomicity.errors import InputError
from napari_atomicity.threads import settle

_INSTEAD: Final = "use napari-atomicity analyse, or a computer with a desktop."
#: seconds; a display far away may be slow
_PATIENCE_S: Final = 60.0
#: the window has found its size by then, and work that was left unsaved has been looked for
_SETTLED_MS: Final = 500


def main(arguments: Sequence[str] | None = None) -> int:
    """Open the window with the images given; gives the exit code.

    Raises
    ------
    InputError
        Where there is no display to open it on.
    """
    if arguments is None:  # the process is ours
        settle()
    trial = _trial()
    # On Windows PyTorch fails to load once Qt is there (pytorch#169429), so it comes first.
    _load_torch()
    import napari
    from qtpy.QtCore import QTimer

    _check(trial)
    viewer = napari.Viewer(title="Atomicity")
    lay_out(viewer)
    paths = sys.argv[1:] if arguments is None else arguments
    for path in paths:
        open_file(viewer, Path(path))
    if not paths:
        QTimer.singleShot(_SETTLED_MS, lambda: first_tour(viewer))
    napari.run()
    return 0


def lay_out(viewer: Any) -> None:
    """The whole screen, with as much of it as can be for the image: napari's layer controls are folded.

    Parameters
    ----------
    viewer
        A viewer with its window; a proxy of napari's will not do.
    """
    from napari_atomicity.ui.widgets.fold import fold_layer_controls
    from napari_atomicity.ui.workspace.docks import WORKBENCH, open_dock

    viewer.window._qt_window.showMaximized()
    fold_layer_controls(viewer)
    open_dock(viewer, WORKBENCH)


def first_tour(viewer: Any) -> bool:
    """Show the tour to a person who never saw it and has nothing before them; gives whether it was shown.

    Parameters
    ----------
    viewer
        A viewer with the workbench open.
    """
    from napari_atomicity.ui.context import context_of
    from napari_atomicity.ui.project.seen import remember_tour, tour_seen
    from napari_atomicity.ui.steps.workbench import Workbench
    from napari_atomicity.ui.workspace.docks import WORKBENCH, find_dock

    dock = find_dock(viewer.window, WORKBENCH)
    workbench = dock.widget() if dock is not None else None
    context = context_of(viewer)
    if (
        not isinstance(workbench, Workbench)
        or len(viewer.layers)
        or context.workspace.work.busy
        or context.project.left
        or tour_seen()
    ):
        return False
    remember_tour()
    workbench.show_tour()
    return True


def open_file(viewer: object, path: Path) -> None:
    """Open an image, or a project."""
    from napari_atomicity.project import SUFFIX
    from napari_atomicity.ui.context import context_of

    if path.suffix.lower() == SUFFIX:
        context_of(viewer).project.open(path)
    else:
        open_image(viewer, path)


def open_image(viewer: object, path: Path) -> None:
    """Open one image with our reader; what cannot be read is said in a notification."""
    from napari.layers import Layer
    from napari.utils.notifications import show_warning

    from napari_atomicity.io.napari_hooks import read_layers

    try:
        for data in read_layers(str(path)):
            viewer.add_layer(Layer.create(*data))  # type: ignore[attr-defined]
    except InputError as error:
        show_warning(str(error))


def _trial() -> subprocess.Popen[str] | None:
    """A process that tries what the window needs: without a display Qt ends the whole program, and says why only there.

    It runs while the libraries load. None on systems that always have a display, and where Qt runs already.
    """
    widgets = sys.modules.get("qtpy.QtWidgets")
    if not sys.platform.startswith("linux") or (widgets is not None and widgets.QApplication.instance() is not None):
        return None
    if not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")):
        raise InputError(f"There is no display here to open the window on; {_INSTEAD}")
    code = "from qtpy.QtWidgets import QApplication; QApplication([])"
    nowhere, pipe = subprocess.DEVNULL, subprocess.PIPE
    return subprocess.Popen([sys.executable, "-P", "-c", code], stdin=nowhere, stdout=nowhere, stderr=pipe, text=True)


def _check(trial: subprocess.Popen[str] | None) -> None:
    if trial is None:
        return
    try:
        _, error_text = trial.communicate(timeout=_PATIENCE_S)
    except subprocess.TimeoutExpired:
        trial.kill()
        trial.communicate()
        error_text = "the display does not answer"
    if trial.returncode:
        lines = [line.strip() for line in error_text.splitlines() if line.strip()]
        reason = next((line for line in lines if "display" in line.lower()), lines[-1] if lines else "no reason given")
        raise InputError(f"The window cannot be opened ({reason}); {_INSTEAD}")


def _load_torch() -> None:
    try:
        import torch  # noqa: F401
    except (ImportError, OSError) as error:
        print(f"PyTorch could not be loaded ({error}); counting will not work.", file=sys.stderr)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as problem:
        sys.exit(f"napari-atomicity: {problem}")
