"""The small card beside the mouse, in a real window with a real mouse."""

from __future__ import annotations

from typing import Any

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
    """As Qt sends it; the one pointer of a screen also serves the windows of other tests."""
    none = Qt.MouseButton.NoButton
    at, on_screen = QPointF(place), QPointF(canvas.mapToGlobal(place))
    return QMouseEvent(QEvent.Type.MouseMove, at, on_screen, none, none, Qt.KeyboardModifier.NoModifier)


def rest_on(app: Any, canvas: Any, row: int) -> HoverCard:
    """Bring the mouse over the cluster of a row of the table, and wait until it rests."""
    viewer, points = app.workspace.viewer, app.points
    centre, zoom = viewer.scene.camera.center[-2:], viewer.scene.camera.zoom
    world = points.data_to_world(points.data[row])[-2:]
    y, x = (zoom * (float(at) - float(middle)) for at, middle in zip(world, centre, strict=True))
    place = QPoint(round(canvas.width() / 2 + x), round(canvas.height() / 2 + y))
    card: HoverCard = canvas.findChild(HoverCard)
    assert card is not None

    ours: list[QPoint] = []

    def rested() -> bool:
        if card._at is None or card._mouse not in ours:
            # at first, and where a window of another test went away over this one and the pointer of the screen came in
            for at in (place + QPoint(9, 9), place):
                QApplication.sendEvent(canvas, moved_to(canvas, at))
            ours[:] = [QPoint(card._mouse)]
        return bool(ours) and not card._rest.isActive()

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
