"""Start napari with the workbench: ``python -m napari_atomicity.ui.launch [IMAGE...]``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from napari_atomicity.threads import settle


def main(arguments: Sequence[str] | None = None) -> int:
    """Open the window with the images given; gives the exit code."""
    if arguments is None:  # the process is ours
        settle()
    # On Windows PyTorch fails to load once Qt is there (pytorch#169429), so it comes first.
    _load_torch()
    import napari

    viewer = napari.Viewer(title="Atomicity")
    viewer.window.add_plugin_dock_widget("napari-atomicity", "Atomicity")
    for path in sys.argv[1:] if arguments is None else arguments:
        open_file(viewer, Path(path))
    napari.run()
    return 0


def open_file(viewer: object, path: Path) -> None:
    """Open an image, or a session."""
    from napari_atomicity.session import SUFFIX
    from napari_atomicity.ui.bench import bench_of

    if path.suffix.lower() == SUFFIX:
        bench_of(viewer).sessions.open(path)
    else:
        open_image(viewer, path)


def open_image(viewer: object, path: Path) -> None:
    """Open one image with our reader; what cannot be read is said in a notification."""
    from napari.layers import Layer
    from napari.utils.notifications import show_warning

    from napari_atomicity.errors import InputError
    from napari_atomicity.io.napari_hooks import read_layers

    try:
        for data in read_layers(str(path)):
            viewer.add_layer(Layer.create(*data))  # type: ignore[attr-defined]
    except InputError as error:
        show_warning(str(error))


def _load_torch() -> None:
    try:
        import torch  # noqa: F401
    except (ImportError, OSError) as error:
        print(f"PyTorch could not be loaded ({error}); counting will not work.", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
