"""Take the pictures of the documentation: the way of a person over the samples, step by step.

python docs/make_screenshots.py [FOLDER]

On Linux without a screen it starts a virtual one (xvfb-run). It keeps away from the unsaved work of the person who runs
it. The figures of `accuracy.png`, `calibration.png`, `heat_maps.png` and `simulated.png` come from benchmarks/.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PLUGIN = "napari-atomicity"
#: width and, where it matters, height of the picture of a panel that stands alone
SIZES = {
    "Models": (400, 760),
    "Gallery": (760, 760),
    "Frames": (560, 330),
    "Review": (420, 660),
    "History": (400, 330),
    "Keys": (520, 480),
    "Feature map": (900, 480),
    "Cluster card": (420, 960),
    "Class ratios": (480, 690),
    "Metals and alloys": (420, 800),
    "Consistency": (480, 1010),
    "Live": (480, 940),
}
#: picture of each panel, by the panel's name in the plug-in menu
NAMES = {
    "Load and calibrate": "load",
    "Find clusters": "detect",
    "Count atoms": "classify",
    "Adapt to the image": "adapt",
    "See why": "explain",
    "Cluster card": "card",
    "Feature map": "feature_map",
    "What the model uses": "uses",
    "Gallery": "gallery",
    "Frames": "frames",
    "Review": "review",
    "History": "history",
    "Keys": "keys",
    "Class ratios": "ratios",
    "Consistency": "consistency",
    "Calibrate images together": "session",
    "Save and restore": "saving",
    "Export": "export",
    "Models": "models",
    "Metals and alloys": "metals",
    "Live": "live",
}


class Tour:
    """A viewer with the workbench, worked by clicks, and where its pictures go."""

    def __init__(self, folder: Path) -> None:
        import napari

        from napari_atomicity.ui.context import context_of

        self.folder = folder
        self.viewer = napari.Viewer(title="Atomicity", show=True)
        self.viewer.window.resize(1400, 900)
        _, self.workbench = self.viewer.window.add_plugin_dock_widget(PLUGIN, "Atomicity")
        self.context = context_of(self.viewer)
        self.workspace = self.context.workspace
        self.panels = {type(step.panel).__name__: step.panel for step in self.workbench.steps}
        self.rest()

    def click(self, button: Any) -> None:
        """Click, and wait until what it starts is done."""
        self.rest()
        if not button.isEnabled():
            sys.exit(f"The button {button.text()!r} cannot be clicked.")
        button.click()
        self.rest()

    def rest(self) -> None:
        """Wait until no work runs and all is shown, and put notifications away: they lie over the scale bar."""
        from qtpy.QtTest import QTest
        from qtpy.QtWidgets import QApplication

        workspace = self.workspace
        QTest.qWait(100)
        while workspace.work.busy or workspace.measuring.busy or self.context.explainer.work.busy:
            QTest.qWait(20)
        QTest.qWait(500)
        for widget in QApplication.allWidgets():
            if "Notification" in type(widget).__name__:
                widget.close()
        QTest.qWait(50)

    def window(self, name: str) -> None:
        """The whole window."""
        from PIL import Image

        self.rest()
        picture = Image.fromarray(self.viewer.screenshot(canvas_only=False, flash=False)[..., :3])
        _save(picture, self.folder / f"{name}.png")

    def canvas(self, name: str) -> None:
        """The middle of the canvas, large enough for a few dozen clusters."""
        from PIL import Image

        self.rest()
        picture = Image.fromarray(self.viewer.screenshot(canvas_only=True, flash=False)[..., :3])
        left, top = max(picture.width - 480, 0) // 2, max(picture.height - 400, 0) // 2
        _save(picture.crop((left, top, left + 480, top + 400)), self.folder / f"{name}.png")

    def panel(self, panel: str, wait_ms: int = 0) -> None:
        """One panel alone, opened as the plug-in menu does."""
        from PIL import Image
        from qtpy.QtCore import QBuffer
        from qtpy.QtTest import QTest

        dock, _ = self.viewer.window.add_plugin_dock_widget(PLUGIN, panel)
        width, height = SIZES.get(panel, (420, 0))
        dock.setFloating(True)
        dock.resize(width, height or 300)
        QTest.qWait(wait_ms)
        self.rest()
        dock.resize(width, height or dock.sizeHint().height() + 8)
        self.rest()
        buffer = QBuffer()
        buffer.open(QBuffer.OpenModeFlag.ReadWrite)
        dock.grab().save(buffer, "PNG")
        _save(Image.open(io.BytesIO(bytes(buffer.data()))), self.folder / f"{NAMES[panel]}.png")
        self.viewer.window.remove_dock_widget(dock)

    def close_in(self) -> None:
        """Zoom to the middle of the image, so that rings and heat maps can be told apart in the picture."""
        self.viewer.scene.camera.center = tuple(self.workspace.image.extent.world.mean(axis=0))
        self.viewer.scene.camera.zoom *= 1.9


def main() -> None:
    """Walk the path, picture by picture."""
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        _on_a_virtual_screen()
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "images"
    folder.mkdir(parents=True, exist_ok=True)
    import torch  # noqa: F401  (before Qt, for Windows)

    with tempfile.TemporaryDirectory() as work:
        os.environ["NAPARI_ATOMICITY_RECOVERY"] = str(Path(work) / "recovery")
        tour = Tour(folder)
        _count(tour)
        _look(tour)
        _review(tour)
        _trust(tour, Path(work))
        _together(tour, Path(work))
        _stack(tour)
        _alloy(tour)
        _live(tour, Path(work))
        _movie(tour)
        tour.viewer.close()


def _count(tour: Tour) -> None:
    """From an empty window to counted atoms."""
    tour.window("start")
    tour.viewer.open_sample(PLUGIN, "mixed")
    tour.panel("Load and calibrate")
    tour.click(tour.panels["DetectPanel"].search)
    tour.panel("Find clusters")
    tour.click(tour.panels["CountPanel"].run)
    tour.panel("Count atoms")
    tour.panel("Models")


def _look(tour: Tour) -> None:
    """Adapting, and what the model looked at."""
    adapt, explain = tour.panels["AdaptPanel"], tour.panels["ExplainPanel"]
    tour.click(adapt.run)
    tour.panel("Adapt to the image")
    tour.click(adapt.anchors)
    tour.canvas("anchors")
    tour.click(adapt.anchors)
    tour.close_in()
    tour.click(explain.all)
    tour.viewer.layers.selection.active = tour.workspace.clusters.points
    tour.window("workbench")
    tour.panel("See why")
    tour.panel("What the model uses")
    tour.workspace.document.select([_sure(tour)])
    tour.panel("Cluster card", 4000)
    tour.workspace.document.select([])
    tour.panel("Feature map", 6000)
    tour.click(explain.clear)


def _review(tour: Tour) -> None:
    """Some clusters drawn at random, labelled by the buttons of the panel."""
    review, document = tour.panels["ReviewPanel"], tour.workspace.document
    random = review.order.findData("random")
    review.order.setCurrentIndex(random)
    review.order.activated.emit(random)
    _open(tour, "ReviewPanel")
    tour.click(review.start)
    for i in range(30):
        wrong = next(made for label, made in review.label_buttons.items() if label != _label(tour))
        tour.click(wrong if i % 10 == 4 else review.marks["accept"])
    tour.panel("Review")
    _gallery(tour)
    tour.panel("Keys")
    tour.panel("History")
    document.select([])
    tour.viewer.fit_to_view()
    tour.canvas("labelled")
    document.set_options(expected={19: 0.3, 30: 0.25, 41: 0.18, 55: 0.18, 70: 0.09}, random_sample=True)
    tour.panel("Class ratios", 3000)
    tour.panel("Export")


def _gallery(tour: Tour) -> None:
    """The less sure clusters of all classes, some of them selected."""
    from napari_atomicity.ui.gallery.service import gallery_of

    rows = tour.workspace.document.table.rows
    gallery_of(tour.workspace).choose(bound=int(100 * rows["confidence"].quantile(0.25)), order="against")
    tour.workspace.document.select(rows[rows["label"] == "Pt30"].nsmallest(3, "confidence")["id"])
    tour.panel("Gallery", 1000)
    gallery_of(tour.workspace).choose(bound=100)


def _trust(tour: Tour, work: Path) -> None:
    """A scan of an uneven detector beside the sample, and what one atom is worth by every way."""
    import tifffile

    from napari_atomicity.counting.cross_sections import Annulus, cross_section
    from napari_atomicity.simulation.detector_scans import DetectorShape, simulate_detector_scan

    worth = tour.workspace.document.state.calibrations[0].intensity_per_atom
    height = 1.08 * worth / cross_section("Pt", Annulus(200, 22, 60, 200))[0]
    scan = simulate_detector_scan(height, DetectorShape(tilt=0.3, rings=-0.2, squeeze=0.9))
    tifffile.imwrite(work / "detector.tif", scan.image)
    _, panel = tour.viewer.window.add_plugin_dock_widget(PLUGIN, "Consistency")
    panel.detector.open_scan(work / "detector.tif")
    _rest(panel)
    entries = {"kv": "200", "convergence": "22", "inner": "60", "outer": "200", "ratio": "1"}
    tour.context.detector.entries.update(entries)
    panel.show_now()
    panel.run.click()
    _rest(panel)
    tour.viewer.window.remove_dock_widget(panel)
    tour.panel("Consistency", 1000)
    tour.window("detector")
    tour.context.detector.forget()


def _rest(panel: Any) -> None:
    """Wait until the work of a panel of its own is done."""
    from qtpy.QtTest import QTest

    QTest.qWait(200)
    while any(work.busy for work in panel.workspace.works):
        QTest.qWait(20)
    QTest.qWait(300)


def _together(tour: Tour, work: Path) -> None:
    """A mixed sample and pure ones of the same session, and its file."""
    session = tour.panels["JointCalibrationPanel"]
    for sample in ("pt30", "pt70"):
        tour.viewer.open_sample(PLUGIN, sample)
        tour.rest()
    tour.click(session.all)
    tour.click(session.run)
    tour.panel("Calibrate images together")
    tour.context.project.save(work / "monday.atomicity")
    tour.panel("Save and restore")


def _stack(tour: Tour) -> None:
    """A stack in which small clusters become fewer and large ones more."""
    from dataclasses import replace

    import numpy as np
    from napari.layers import Layer

    from napari_atomicity.io.napari_hooks import as_layer
    from napari_atomicity.micrograph import Micrograph
    from napari_atomicity.simulation.conditions import sample_spec
    from napari_atomicity.simulation.frames import simulate_frame

    spec = sample_spec("nominal", None, 40, shape=(640, 640), seed=1)
    parts = [np.array([0.6 - late, 0.2, 0.1, 0.1 + late]) for late in np.linspace(0, 0.5, 16)]
    frames = [
        simulate_frame(
            replace(spec, fractions=dict(zip((19, 30, 41, 55), part.tolist(), strict=True)), n_clusters=40 - i), i
        )
        for i, part in enumerate(parts)
    ]
    stack = Micrograph(np.stack([frame.image for frame in frames]), frames[0].pixel_size_nm, name="stack")
    tour.viewer.add_layer(Layer.create(*as_layer(stack)))
    tour.click(tour.panels["DetectPanel"].search)
    tour.click(tour.panels["CountPanel"].run)
    tour.panel("Frames")


def _movie(tour: Tour) -> None:
    """A movie whose clusters are followed, at its first merge."""
    from napari.layers import Layer

    from napari_atomicity.io.napari_hooks import as_layer
    from napari_atomicity.micrograph import Micrograph
    from napari_atomicity.simulation.conditions import sample_spec
    from napari_atomicity.simulation.movies import Story, simulate_movie

    spec = sample_spec("nominal", None, 30, shape=(448, 448), seed=3)
    told = simulate_movie(spec, 20, Story(merges=3, losses=3), 3)
    tour.viewer.layers.clear()
    movie = Micrograph(told.images, told.pixel_size_nm, name="movie")
    tour.viewer.add_layer(Layer.create(*as_layer(movie)))
    tour.workspace.document.choose(adapt="off")
    tour.click(tour.panels["DetectPanel"].search)
    tour.click(tour.panels["CountPanel"].run)
    _, panel = tour.viewer.window.add_plugin_dock_widget(PLUGIN, "Movie")
    tour.rest()
    tour.click(panel.run)
    kinds = list(tour.workspace.document.state.movie.events["kind"])
    panel.events.setCurrentCell(kinds.index("merge") if "merge" in kinds else 0, 0)
    tour.window("movie")


def _alloy(tour: Tour) -> None:
    """Clusters of platinum and cobalt, the intensity of an atom of platinum known."""
    from napari.layers import Layer

    from napari_atomicity.io.napari_hooks import as_layer
    from napari_atomicity.micrograph import Micrograph
    from napari_atomicity.simulation.alloys import Alloy
    from napari_atomicity.simulation.conditions import sample_spec
    from napari_atomicity.simulation.frames import simulate_frame

    alloy = Alloy("Co", 0.25, 0.05)
    frame = simulate_frame(sample_spec("nominal", {41: 1.0}, 30, shape=(640, 640), seed=1, alloy=alloy), 1)
    tour.viewer.add_layer(Layer.create(*as_layer(Micrograph(frame.image, frame.pixel_size_nm, name="alloy"))))
    tour.rest()
    document = tour.workspace.document
    document.know_intensity_per_atom(frame.scale_counts_nm2_per_atom)
    document.choose(composition="Co=0.25±0.05")
    document.set_options(guest="Co")
    tour.click(tour.panels["DetectPanel"].search)
    tour.click(tour.panels["CountPanel"].run)
    tour.panel("Metals and alloys")


def _live(tour: Tour, work: Path) -> None:
    """A folder of twelve fields that is watched, the last two out of focus, and the same to be read from a distance."""
    from dataclasses import replace

    from qtpy.QtTest import QTest

    from napari_atomicity.simulation.conditions import sample_spec
    from napari_atomicity.simulation.files import write_frame
    from napari_atomicity.simulation.frames import simulate_frame
    from napari_atomicity.ui.live.service import live_watch_of

    os.chdir(work)
    folder = Path("monday")
    folder.mkdir()
    spec = sample_spec("nominal", {19: 0.1, 30: 0.2, 41: 0.3, 55: 0.25, 70: 0.15}, 60, shape=(640, 640), seed=0)
    for i in range(12):
        probe = replace(spec.probe, fwhm_nm=spec.probe.fwhm_nm * (2.6 if i >= 10 else 1.0))
        path, *_ = write_frame(simulate_frame(replace(spec, probe=probe), i), folder, f"field_{i + 1:03d}")
        os.utime(path, (1e9 + i, 1e9 + i))
    (folder / "field_013.tif").write_bytes((folder / "field_001.tif").read_bytes()[:200_000])
    watch = live_watch_of(tour.workspace)
    watch.choose(folder=str(folder), patience_s=1.0)
    watch.start("dual", 0.5)
    while watch.look is None or len(watch.look.images) < 12 or not watch.look.failed:
        QTest.qWait(100)
    tour.panel("Live", 500)
    watch.choose(large=True)
    NAMES["Live"], SIZES["Live"] = "live_large", (640, 640)
    tour.panel("Live", 500)
    watch.stop()
    while watch.busy:
        QTest.qWait(50)


def _open(tour: Tour, panel: str) -> None:
    step = next(step for step in tour.workbench.steps if type(step.panel).__name__ == panel)
    if not step.head.isChecked():
        step.head.click()


def _sure(tour: Tour) -> int:
    """A cluster of the middle class that the model is sure of."""
    rows = tour.workspace.document.table.rows
    of = rows[rows["label"] == "Pt41"]
    return int(of.sort_values("confidence")["id"].iloc[-1])


def _label(tour: Tour) -> str:
    """What the model says of the selected cluster."""
    document = tour.workspace.document
    rows = document.table.rows
    return str(rows["label"][rows["id"].isin(document.selection)].iloc[0])


def _save(picture: Any, path: Path) -> None:
    """In 256 colours a picture takes a third of the room, and nobody sees it."""
    from PIL.Image import Quantize

    # the usual method gives the small marks of a class the colour of another one
    picture.convert("RGB").quantize(256, method=Quantize.MAXCOVERAGE, kmeans=3).save(path, optimize=True)


def _on_a_virtual_screen() -> None:
    runner = shutil.which("xvfb-run")
    if runner is None:
        sys.exit("There is no screen, and no xvfb-run to make one: install xvfb.")
    screen = "-screen 0 1400x900x24 +extension GLX"
    sys.exit(subprocess.call([runner, "-a", "-s", screen, sys.executable, *sys.argv]))


if __name__ == "__main__":
    main()
