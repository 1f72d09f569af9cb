"""Geometry of the map: pixels and places, zooming, and what lies in an outline."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("napari")

from napari_atomicity.ui.feature_map.view import View, nearest


@pytest.fixture
def view() -> View:
    made = View()
    made.fit(np.array([-2.0, 1.0]), np.array([6.0, 5.0]))
    return made


def test_the_whole_map_fits_and_y_points_up(view: View) -> None:
    pixels = view.to_pixels(np.array([[-2.0, 1.0], [6.0, 5.0]]), (400, 300))
    np.testing.assert_allclose(pixels, [[0, 250], [400, 50]])
    np.testing.assert_allclose(view.to_map(pixels, (400, 300)), [[-2, 1], [6, 5]])


def test_zooming_keeps_the_place_under_the_mouse_and_reset_undoes_it(view: View) -> None:
    at, size = np.array([70.0, 220.0]), (400, 300)
    place, told = view.to_map(at, size), []
    view.changed.connect(lambda: told.append(1))
    view.zoom_at(at, size, 3.0)
    np.testing.assert_allclose(view.to_map(at, size), place)
    view.pan(np.array([10.0, -5.0]), size)
    np.testing.assert_allclose(view.to_map(at + np.array([10.0, -5.0]), size), place)
    view.zoom_at(at, size, 1e9)
    assert view.zoom == 60
    view.reset()
    np.testing.assert_allclose(view.to_map(np.array([0.0, 250.0]), size), [-2, 1])
    assert len(told) == 4


def test_the_nearest_point_within_reach() -> None:
    points = np.array([[0, 0], [10, 0]], dtype=float)
    assert nearest(points, np.array([7, 0]), 4) == 1
    assert nearest(points, np.array([5, 40]), 9) is None
    assert nearest(np.empty((0, 2)), np.array([0, 0]), 9) is None
