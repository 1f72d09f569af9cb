"""Take the pictures of the documentation: the workbench after the whole path on the sample, and each widget.

python docs/make_screenshots.py [FOLDER]

On Linux without a screen it starts a virtual one (xvfb-run).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

WIDGETS = {
    "load": "Load and calibrate",
    "detect": "Find clusters",
    "classify": "Count atoms",
    "session": "Calibrate images together",
    "adapt": "Adapt to the image",
    "explain": "See why (Grad-CAM)",
    "export": "Export the table",
    "models": "Models",
}


def main() -> None:
    """Walk the path, picture by picture."""
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        _on_a_virtual_screen()
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "images"
    folder.mkdir(parents=True, exist_ok=True)
    import napari
    import torch  # noqa: F401  (before Qt, for Windows)

    viewer = napari.Viewer(title="Atomicity", show=True)
    viewer.window.resize(1400, 900)
    _, workbench = viewer.window.add_plugin_dock_widget("napari-atomicity", "Atomicity")
    viewer.open_sample("napari-atomicity", "mixed")
    bench = workbench.bench
    _until(lambda: True)
    steps = [step.panel for step in workbench.steps]
    # the way of a person, button by button
    for button in (steps[1].search, steps[2].run, steps[4].run):
        button.click()
        _until(lambda: not bench.work.busy)
    steps[4].anchors.click()
    _quiet()
    _part_of_the_canvas(viewer).save(str(folder / "anchors.png"))
    steps[4].anchors.click()
    _close_in(viewer, bench)
    steps[5].all.click()
    _until(lambda: not bench.work.busy)
    viewer.layers.selection.active = bench.clusters.points
    _quiet()
    viewer.screenshot(str(folder / "workbench.png"), canvas_only=False, flash=False)
    for name in WIDGETS:
        if name != "session":
            _take(viewer, name, folder)
    # a mixed sample and pure ones of the same session
    for sample in ("pt30", "pt70"):
        viewer.open_sample("napari-atomicity", sample)
    for button in (steps[3].all, steps[3].run):
        _until(lambda: True)
        button.click()
    _until(lambda: not bench.work.busy)
    _take(viewer, "session", folder)
    viewer.close()


def _take(viewer: Any, name: str, folder: Path) -> None:
    """The picture of one widget alone."""
    dock, widget = viewer.window.add_plugin_dock_widget("napari-atomicity", WIDGETS[name])
    dock.setFloating(True)
    widget.setMinimumWidth(380)
    _until(lambda: True)
    # a model card wants to be read whole
    dock.resize(400, max(dock.sizeHint().height() + 8, 760 if name == "models" else 200))
    _until(lambda: True)
    dock.grab().save(str(folder / f"{name}.png"))
    viewer.window.remove_dock_widget(dock)


def _part_of_the_canvas(viewer: Any) -> Any:
    """The middle of the canvas, large enough for a few dozen clusters."""
    from PIL import Image

    picture = Image.fromarray(viewer.screenshot(canvas_only=True, flash=False)[..., :3])
    left, top = max(picture.width - 480, 0) // 2, max(picture.height - 400, 0) // 2
    # in 256 colours it takes a third of the room, and nobody sees it
    return picture.crop((left, top, left + 480, top + 400)).quantize(256)


def _close_in(viewer: Any, bench: Any) -> None:
    """Zoom to the middle of the image, so that rings and heat maps can be told apart in the picture."""
    image = bench.image
    viewer.scene.camera.center = tuple(image.extent.world.mean(axis=0))
    viewer.scene.camera.zoom *= 1.9


def _quiet() -> None:
    """Put the notifications away; they lie over the scale bar."""
    from qtpy.QtWidgets import QApplication

    for widget in QApplication.allWidgets():
        if "Notification" in type(widget).__name__:
            widget.close()
    _until(lambda: True)


def _until(done: Callable[[], bool]) -> None:
    from qtpy.QtTest import QTest

    QTest.qWait(50)
    while not done():
        QTest.qWait(20)
    QTest.qWait(500)


def _on_a_virtual_screen() -> None:
    runner = shutil.which("xvfb-run")
    if runner is None:
        sys.exit("There is no screen, and no xvfb-run to make one: install xvfb.")
    screen = "-screen 0 1400x900x24 +extension GLX"
    sys.exit(subprocess.call([runner, "-a", "-s", screen, sys.executable, *sys.argv]))


if __name__ == "__main__":
    main()
