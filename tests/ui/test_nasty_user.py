"""A person who clicks in any order, with every dock open: nothing raises, and table and layer always say the same."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_atomicity import style

from .app_driver import PLUGIN

DOCKS = (
    "Atomicity", "Load and calibrate", "Find clusters", "Count atoms", "Calibrate images together",
    "Adapt to the image", "See why", "What the model uses", "Cluster card", "Feature map", "Review",
    "History", "Keys", "Export", "Save and restore", "Class ratios", "Gallery", "Frames",
)  # fmt: skip
KEYS = ("Q", "W", "E", "R", "T", "D", "F", "X", "N", "B", "U", "Ctrl+Z", "Ctrl+Shift+Z", "1", "3", "4", "Delete")


class Nasty:
    """What such a person does; the seed decides."""

    def __init__(self, app: Any, pictures: list[Any], seed: int) -> None:
        self.app, self.pictures, self.chance = app, pictures, random.Random(seed)
        self.docks = {name: app.viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=True) for name in DOCKS}

    def act(self) -> None:
        acts, weights = zip(
            (self.key, 8), (self.press, 7), (self.select, 4), (self.work, 4), (self.fiddle, 2), (self.edit, 3),
            (self.layer, 2), (self.dock, 2), (self.open, 1), strict=True,
        )  # fmt: skip
        self.chance.choices(acts, weights)[0]()
        self.app.qtbot.wait(self.chance.choice([0, 0, 20, 60]))

    @property
    def points(self) -> Any:
        workspace = self.app.workspace
        return workspace.clusters.points if workspace.clusters is not None else None

    def open(self) -> None:
        self.app.show(self.chance.choice(self.pictures))

    def key(self) -> None:
        from qtpy.QtGui import QKeySequence
        from qtpy.QtWidgets import QApplication, QMainWindow

        window = next(w for w in QApplication.topLevelWidgets() if isinstance(w, QMainWindow) and w.isVisible())
        combination = QKeySequence(self.chance.choice(KEYS))[0]
        self.app.qtbot.keyClick(window, combination.key(), combination.keyboardModifiers())

    def select(self) -> None:
        if self.points is not None and len(self.points.data):
            rows = range(len(self.points.data))
            self.points.selected_data = set(self.chance.sample(rows, min(self.chance.choice([1, 1, 3]), len(rows))))

    def edit(self) -> None:
        points = self.points
        if points is None or not len(points.data):
            return
        row, how = self.chance.randrange(len(points.data)), self.chance.choice(["add", "move", "delete", "hide"])
        if how == "add":
            points.add(points.data[row] + self.chance.uniform(-90, 90) * np.eye(points.ndim)[-1])
        elif how == "move":
            places = points.data.copy()
            places[row, -2:] += 3.0
            points.data = places
        elif how == "delete" and len(points.selected_data) < 4:
            points.remove_selected()
        else:
            points.visible = not points.visible

    def work(self) -> None:
        from napari_atomicity.ui.actions import single

        workspace = self.app.workspace
        if self.chance.random() < 0.3:
            workspace.work.stop()
        else:
            explain = partial(single.explain, explainer=self.app.context.explainer)
            self.chance.choice([single.detect, single.classify, explain, single.undo, single.redo])(workspace)

    def layer(self) -> None:
        from napari.layers import Layer

        layers = self.app.viewer.layers
        if not layers:
            return
        one, how = self.chance.choice(list(layers)), self.chance.choice(["remove", "move", "copy", "active", "rename"])
        if how == "remove":
            layers.remove(one)
        elif how == "move":
            layers.move(layers.index(one), self.chance.randrange(len(layers)))
        elif how == "copy" and len(layers) < 8:
            layers.append(Layer.create(*one.as_layer_data_tuple()))
        elif how == "active":
            layers.selection.active = one
        else:
            one.name = "frame"

    def dock(self) -> None:
        name = self.chance.choice(DOCKS)
        dock, _ = self.docks[name]
        if self.chance.random() < 0.3:
            self.app.viewer.window.remove_dock_widget(dock)
        else:
            dock.hide()
        self.docks[name] = self.app.viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=True)
        self.docks[name][0].show()
        self.docks[name][0].raise_()

    def _seen(self, kinds: Any) -> list[Any]:
        from qtpy.QtWidgets import QWidget

        panels = [panel for _, panel in self.docks.values() if panel.isVisible()]
        found = [widget for panel in panels for widget in panel.findChildren(QWidget)]
        return [w for w in found if isinstance(w, kinds) and w.isVisible() and w.isEnabled()]

    def press(self) -> None:
        from qtpy.QtCore import Qt
        from qtpy.QtWidgets import QAbstractButton

        if found := self._seen(QAbstractButton):
            self.app.qtbot.mouseClick(self.chance.choice(found), Qt.MouseButton.LeftButton)

    def fiddle(self) -> None:
        from qtpy.QtWidgets import QComboBox, QLineEdit

        for widget in self.chance.sample(found := self._seen((QComboBox, QLineEdit)), min(1, len(found))):
            if isinstance(widget, QLineEdit):
                widget.setText(self.chance.choice(["", "x", "19", "0.05", "-1", "1e9"]))
                widget.editingFinished.emit()
            elif widget.count():
                widget.setCurrentIndex(self.chance.randrange(widget.count()))
                widget.activated.emit(widget.currentIndex())


def in_step(app: Any) -> None:
    """Every layer of clusters says what the table of its image says."""
    for place in app.workspace.groups:
        points, table = place.clusters.points, place.document.table
        if points is None:
            continue
        assert np.array_equal(points.features["id"], table.ids)
        assert points.features["annotation"].tolist() == table.rows["annotation"].tolist()
        assert [str(symbol) for symbol in points.symbol] == style.symbols(table).tolist()
        ring = style.ring_colours(table, table.class_sizes or (19, 30, 41, 55, 70))
        assert np.allclose(points.border_color, ring, atol=1e-6)
        assert {int(table.ids[row]) for row in points.selected_data} == set(place.document.selection)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_nasty_user(
    app: Any, micrograph: Any, frame: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    from qtpy.QtWidgets import QDialog, QFileDialog, QInputDialog, QMessageBox

    from napari_atomicity.micrograph import Micrograph

    nasty: list[Nasty] = []
    # dialogs are answered at random and never wait
    for kind in (QDialog, QFileDialog, QMessageBox):
        monkeypatch.setattr(kind, "exec", lambda *_: nasty[0].chance.choice([0, 1]))
    names = ["", str(tmp_path / "file"), str(tmp_path / "nowhere" / "file.csv")]
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (nasty[0].chance.choice(names), ""))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, **__: (nasty[0].chance.choice(names), ""))
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_, **__: (nasty[0].chance.choice([[], names[1:]]), ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_, **__: nasty[0].chance.choice(["", names[1]]))
    monkeypatch.setattr(QMessageBox, "question", lambda *_, **__: QMessageBox.StandardButton.Yes)
    monkeypatch.setattr(QInputDialog, "getText", lambda *_, **__: ("", False))
    small, stack = frame.image[:256, :256], np.stack([frame.image[:200, :200], frame.image[200:400, :200]])
    pictures = [micrograph] + [Micrograph(image, frame.pixel_size_nm, name="frame") for image in (small, stack)]
    pictures.append(Micrograph(small, None, name="no pixel size"))
    app.show(micrograph)
    nasty.append(Nasty(app, pictures, seed))
    for _ in range(6):
        for _ in range(50):
            nasty[0].act()
        app.idle()
        in_step(app)
    app.workspace.work.stop()
    app.idle()
    assert not any(layer.locked for layer in app.viewer.layers)
