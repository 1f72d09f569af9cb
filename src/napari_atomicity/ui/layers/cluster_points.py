"""The points layer of clusters: what it says of the cluster under the cursor, and that hidden ones are not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from napari.layers import Points
from napari.layers.base import ActionType

from napari_atomicity.insight.cluster_card import in_short

if TYPE_CHECKING:
    from napari_atomicity.clusters import ClusterTable


class ClusterPoints(Points):
    """Points whose status and tool tip tell of a cluster in words; napari's own would list all columns of the table."""

    @property
    def _type_string(self) -> str:
        """For writers, menus and icons it is a points layer like any other."""
        return "points"

    #: told whenever others were given the features to read: napari's table of them writes there without telling
    handed_out: Callable[[], object] = staticmethod(lambda: None)

    @property
    def rows(self) -> pd.DataFrame:
        """The features, for us who only read them."""
        return self._feature_table.values

    @property
    def features(self) -> pd.DataFrame:
        """The features; whoever holds them may write in them."""
        if current_thread() is main_thread():  # whoever is told works with Qt
            self.handed_out()
        return self.rows

    @features.setter
    def features(self, features: Any) -> None:
        Points.features.fset(self, features)

    def _paste_data(self) -> None:
        """As napari does it, but it is told: a cluster of another image must not be taken for one of this image."""
        n = len(self.data)
        super()._paste_data()
        pasted = tuple(range(n, len(self.data)))
        if pasted:
            self.events.data(value=self.data, action=ActionType.ADDED, data_indices=pasted, vertex_indices=((),))

    def get_status(self, position: Any = None, **options: Any) -> dict[str, str]:
        """What stands in the status bar: the place, and the cluster that is there."""
        status: dict[str, str] = super().get_status(position, **options)
        words = "" if position is None else ", ".join(self._get_properties(position, **options))
        status["value"] = words
        status["coordinates"] = f"{status['coords']} {words}".rstrip()
        return status

    def _get_properties(self, position: Any, **options: Any) -> list[str]:
        """Lines of the tool tip, which napari's preferences switch on; asked by the thread of the status bar."""
        table: ClusterTable | None = self.metadata.get("table")
        row: Any = self.get_value(position, **options)
        # the table is written a moment after the points
        return in_short(table, int(row)) if table is not None and row is not None and row < len(table) else []

    def _get_layer_slicing_state(self, data: Any, cache: bool) -> Any:
        """Points that are not `shown` are neither drawn nor found; napari forgets that on single images."""
        state = super()._get_layer_slicing_state(data, cache)
        take = state._update_slice_response

        def take_shown(response: Any) -> None:
            rows = response.indices
            seen = self.shown[rows] if len(self.shown) == len(self.data) else np.ones(len(rows), dtype=bool)
            take(replace(response, indices=rows[seen], size=response.size[seen]))

        state._update_slice_response = take_shown  # type: ignore[method-assign]
        return state
