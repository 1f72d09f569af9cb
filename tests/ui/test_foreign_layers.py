"""Image layers that another reader made, and what a person corrects on them in napari."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from .stand_ins import blobs

NM = {"units": ("nm", "nm"), "scale": (0.05, 0.05)}


def grey() -> Any:
    picture = blobs()
    return np.clip(picture / picture.max() * 255, 0, 255).astype(np.uint8)


def test_a_grey_picture_in_colour_channels_is_read_as_the_command_line_does(app: Any) -> None:
    from napari_atomicity.io.grey import to_grey

    picture = np.repeat(grey()[..., None], 3, axis=-1)
    app.viewer.add_image(picture, rgb=True, name="screen", **NM)
    app.idle()
    micrograph = app.document.micrograph
    assert not micrograph.refusal and micrograph.pixel_size_nm == pytest.approx(0.05)
    assert np.array_equal(micrograph.data, to_grey(picture))
    app.click(app.panel("Find clusters").search)
    assert len(app.document.table) == 3


def test_a_photograph_is_refused_with_the_reason(app: Any) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    app.viewer.add_image(picture, rgb=True, name="photo", **NM)
    app.idle()
    assert "colour picture" in app.document.micrograph.refusal and not app.workspace.can_act


def test_a_scale_corrected_in_napari_is_one_step_of_the_history(app: Any) -> None:
    app.viewer.add_image(blobs(), name="plain")
    app.idle()
    layer = app.workspace.image
    assert app.document.micrograph.pixel_size_nm is None
    layer.units, layer.scale = ("nm", "nm"), (0.05, 0.05)
    app.qtbot.waitUntil(lambda: app.document.micrograph.pixel_size_nm is not None, timeout=60_000)
    assert app.document.micrograph.pixel_size_nm == pytest.approx(0.05)
    assert app.document.history == ["Set the pixel size"]
    app.click(app.panel("Find clusters").search)
    diameters = app.document.table.rows["diameter_nm"].to_numpy()
    layer.scale = (0.1, 0.1)
    app.qtbot.waitUntil(lambda: len(app.document.history) == 3, timeout=60_000)
    assert np.allclose(app.document.table.rows["diameter_nm"], 2 * diameters)
    assert np.allclose(app.points.scale, 0.1)
    app.document.undo()
    app.idle()
    assert np.allclose(layer.scale, 0.05) and app.document.micrograph.pixel_size_nm == pytest.approx(0.05)
    assert app.document.redo_name == "Set the pixel size", "showing the old one again is no step"


def test_axes_of_length_one_before_the_image_do_no_harm(app: Any) -> None:
    app.viewer.add_image(blobs()[None, None], name="of another reader", scale=(1, 1, 0.05, 0.05),
                         units=("pixel", "pixel", "nm", "nm"))  # fmt: skip
    app.idle()
    app.click(app.panel("Find clusters").search)
    table = app.document.table
    assert app.document.micrograph.shape_yx == (200, 200) and app.document.micrograph.n_frames == 1
    assert len(table) == 3 and app.points.data.shape == (3, 4)
    assert np.array_equal(app.points.data[:, -2:], table.centres_px)
    app.points.add([0, 0, 30.0, 170.0])
    app.idle()
    assert len(app.document.table) == 4 and app.document.table.centres_px[-1].tolist() == [30.0, 170.0]
    from napari_atomicity.ui.workspace.camera import look_at

    look_at(app.workspace, int(table.ids[0]))
    assert np.allclose(app.viewer.scene.camera.center[-2:], table.centres_px[0] * 0.05)


def test_pixels_that_are_not_square_are_refused_in_these_words(app: Any) -> None:
    app.viewer.add_image(blobs(), name="oblong", scale=(0.05, 0.1), units=("nm", "nm"))
    app.idle()
    assert "not square" in app.document.micrograph.refusal
    assert "not square" in app.panel("Load and calibrate").remarks.text()


def test_a_mirrored_image_keeps_its_pixel_size_and_stays_mirrored(app: Any) -> None:
    app.viewer.add_image(blobs(), name="mirrored", scale=(-0.05, 0.05), units=("nm", "nm"))
    app.idle()
    assert app.document.micrograph.pixel_size_nm == pytest.approx(0.05)
    app.document.calibrate(0.06)
    app.idle()
    assert np.allclose(app.workspace.image.scale, (-0.06, 0.06))
    assert app.document.micrograph.pixel_size_nm == pytest.approx(0.06)


def test_a_layer_that_is_scaled_otherwise_than_its_file_counts(app: Any, micrograph: Any) -> None:
    from napari.layers import Layer

    from napari_atomicity.io.napari_hooks import as_layer

    # as napari opens a file with a scale of its own
    data, options, kind = as_layer(micrograph)
    layer = Layer.create(data, options | {"scale": (0.1, 0.1)}, kind)
    app.viewer.add_layer(layer)
    assert app.document.micrograph.pixel_size_nm == pytest.approx(0.1)
    # and one that was corrected, taken off and put there again
    app.document.calibrate(0.3)
    assert "too coarse" in app.document.messages[-1]
    app.viewer.layers.remove(layer)
    app.viewer.add_layer(layer)
    assert app.document.micrograph.pixel_size_nm == pytest.approx(0.3)
    assert "too coarse" in app.document.messages[-1]


def test_an_image_that_becomes_a_stack_gets_clusters_of_as_many_axes(app: Any, micrograph: Any) -> None:
    layer = app.show(micrograph)
    app.click(app.panel("Find clusters").search)
    found, single = len(app.document.table), layer.data
    layer.data = np.stack([single, single])
    app.idle()
    assert app.document.micrograph.n_frames == 2 and app.points.ndim == 3 and app.points in app.viewer.layers
    app.click(app.panel("Find clusters").search)
    assert len(app.document.table) == 2 * found
    layer.data = np.asarray(single).copy()
    app.idle()
    assert app.points.ndim == 2 and len(app.points.data) == len(app.document.table) == found
    app.document.undo()
    app.idle()
    assert layer.ndim == app.points.ndim == 3 and len(app.points.data) == 2 * found
    app.document.go_to(1)
    app.idle()
    assert layer.data is single and len(app.points.data) == found and app.document.history == ["Find clusters"]
    assert layer.axis_labels == app.points.axis_labels == ("y", "x") and layer.units == app.points.units
    assert sum(one.name.startswith("clusters") for one in app.viewer.layers) == 1


@pytest.mark.parametrize("pyramid", [False, True], ids=["in colour", "a pyramid"])
def test_undone_other_pixels_are_shown_again(app: Any, pyramid: bool) -> None:
    def held(picture: Any) -> Any:
        return [picture, picture[::2, ::2]] if pyramid else np.repeat(picture[..., None], 3, axis=-1)

    def shown() -> Any:
        return np.asarray(layer.data[0] if pyramid else layer.data[..., 0])

    first, second = grey(), grey()[::-1].copy()
    layer = app.viewer.add_image(held(first), rgb=not pyramid, multiscale=pyramid, name="held", **NM)
    app.idle()
    layer.data = held(second)
    app.idle()
    assert app.document.history == ["Other pixels"]
    for turn, pixels in ((app.document.undo, first), (app.document.redo, second), (app.document.undo, first)):
        turn()
        app.idle()
        assert np.array_equal(shown(), pixels)
    assert app.document.redo_name == "Other pixels"
