"""Which clusters have a place on the map of features."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from napari_atomicity.clusters import ClusterTable

pytest.importorskip("napari")


def placed(xy: Any) -> Any:
    from napari_atomicity.insight.feature_map import Placed

    n = len(xy)
    return Placed(np.asarray(xy, dtype=float).reshape(n, 2), np.zeros(n, dtype=int), np.zeros(n), np.zeros(n, bool))


def gathered(counted: ClusterTable, now: ClusterTable, xy: Any) -> Any:
    from napari_atomicity.ui.feature_map.points import gather

    state = SimpleNamespace(count=SimpleNamespace(table=counted), applied=None)
    looks = SimpleNamespace(look=lambda _: SimpleNamespace(placed=placed(xy)))
    return gather([SimpleNamespace(state=state, table=now)], ["image"], looks, None)  # type: ignore[list-item, arg-type]


def table(n: int) -> ClusterTable:
    return ClusterTable.from_columns({"y_px": np.arange(n) + 1.0, "x_px": np.arange(n) + 2.0})


def test_clusters_that_came_after_an_empty_classification_have_no_place() -> None:
    assert len(gathered(table(0), table(3), [])) == 0


def test_what_came_later_or_says_nothing_is_left_out_and_each_has_its_own_place() -> None:
    found = gathered(table(3), table(5).drop([0]), [[0, 1], [np.nan, np.nan], [4, 5]])
    assert (
        found.rows["id"].tolist() == [2] and found.after.xy.tolist() == [[4.0, 5.0]] and found.row_after.tolist() == [2]
    )
