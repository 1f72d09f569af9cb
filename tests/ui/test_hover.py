"""The small card beside the mouse, in a real window with a real mouse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

from napari_atomicity.ui.cluster_card.on_hover import HoverCard


@pytest.fixture
def canvas(app: Any, micrograph: Any, counted_once: Any) -> Any:
    app.lay_out(micrograph, counted_once)
    assert app.count
    app.idle()
    return app.workspace.viewer.window._qt_viewer.canvas.native


def moved_to(canvas: Any, place: QPoint) -> QMouseEvent:
    """As Qt sends it when a person moves the mouse there."""
    none = Qt.MouseButton.NoButton
    at, on_screen = QPointF(place), QPointF(canvas.mapToGlobal(place))
    return QMouseEvent(QEvent.Type.MouseMove, at, on_screen, none, none, Qt.KeyboardModifier.NoModifier)


def rest_on(app: Any, canvas: Any, row: int) -> HoverCard:
    """Bring the mouse over the cluster of a row of the table, and wait until it rests there.

    While a window is laid out its view may still change, the pointer of its screen may come in, and napari tells of a
    move late: the mouse is brought there anew until it rests at the cluster as the view then is.
    """
    viewer, points = app.workspace.viewer, app.points
    world = np.array(points.data_to_world(points.data[row])[-2:])
    card: HoverCard = canvas.findChild(HoverCard)
    assert card is not None
    card._at = None  # where it rested before does not count

    def rested() -> bool:
        if card._rest.isActive():
            return False
        zoom = viewer.scene.camera.zoom
        if card._at is not None and np.allclose(card._at[-2:], world, atol=2 / zoom):
            return True
        y, x = zoom * (world - viewer.scene.camera.center[-2:])
        place = QPoint(round(canvas.width() / 2 + x), round(canvas.height() / 2 + y))
        QApplication.sendEvent(canvas, moved_to(canvas, place))
        return False

    app.qtbot.waitUntil(rested)
    return card


def test_the_card_tells_of_the_cluster_under_the_mouse_and_goes_with_it(app: Any, canvas: Any) -> None:
    card = rest_on(app, canvas, 0)
    row = app.document.table.rows.iloc[0]
    assert card.isVisible()
    assert str(row["label"]) in card.text() and f"{row['n_atoms']:.0f} ±" in card.text()
    assert canvas.rect().contains(card.geometry()), "it lies within the image"
    app.document.annotate([int(row["id"])], "Pt70")
    app.qtbot.waitUntil(lambda: card.isVisible() and "your label" in card.text())
    app.qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=QPoint(3, 3))
    assert not card.isVisible()
    app.qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=QPoint(3, 3))


def test_hidden_rings_have_no_card(app: Any, canvas: Any) -> None:
    label = str(app.document.table.final_labels[0])
    app.workspace.group.rings.show_label(label, False)
    app.settle()
    assert not rest_on(app, canvas, 0).isVisible()
    app.workspace.group.rings.show_all()
    app.points.visible = False
    app.settle()
    assert not rest_on(app, canvas, 0).isVisible()
