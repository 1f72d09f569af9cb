"""Moving the view of the viewer to a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_atomicity.ui.layers import diameters_px

if TYPE_CHECKING:
    from napari_atomicity.ui.bench import Bench

#: of its ring on the screen, in pixels
_LEAST_PX: Final = 80.0


def centre_view(bench: Bench, row: int) -> None:
    """Bring the cluster in `row` of the table in hand to the middle, on its frame, and not too small to see."""
    viewer: Any = bench.viewer
    document, image = bench.document, bench.image
    if viewer is None or document is None or image is None:
        return
    one = document.table.rows.iloc[row]
    place = [float(one["y_px"]), float(one["x_px"])]
    if image.ndim > 2:
        place = [float(one["frame"]), *place]
        viewer.dims.set_current_step(viewer.dims.ndim - image.ndim, int(one["frame"]))
    camera = viewer.scene.camera
    camera.center = tuple(np.asarray(image.data_to_world(place))[-2:])
    across = float(diameters_px(document)[row]) * float(image.scale[-1])
    camera.zoom = max(camera.zoom, _LEAST_PX / across)
