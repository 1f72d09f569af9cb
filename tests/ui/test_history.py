"""The history in the window: every change is a step, a click goes there, and nothing is lost on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .stand_ins import adapt_always
from .test_keys import counted, press


def texts(panel: Any) -> list[str]:
    return [panel.list.item(row).text().split("  ", 2)[2] for row in range(panel.list.count())]


def marked(panel: Any) -> list[int]:
    return [row for row in range(panel.list.count()) if panel.list.item(row).text().startswith("▶")]


def test_every_change_is_a_step_and_a_click_goes_there(app: Any, micrograph: Any) -> None:
    document = counted(app, micrograph)
    panel = app.panel("History")
    document.select([2])
    press(app, "Q")
    app.points.add([100.0, 120.0])
    app.idle()
    app.points.selected_data = {0, 1}
    app.points.remove_selected()
    places = app.points.data.copy()
    places[0] += 5
    app.points.data = places
    app.idle()
    names = ["Open", "Count", "Label cluster 2 as Pt19", "Add 1 cluster", "Delete 2 clusters", "Move 1 cluster"]
    assert texts(panel) == names and marked(panel) == [5]
    states = [state for _, state in document.steps[0]]
    for row in (2, 5, 1, 4):
        panel.list.itemClicked.emit(panel.list.item(row))
        app.idle()
        assert document.table is states[row].table and marked(panel) == [row] and texts(panel) == names
        assert np.array_equal(app.points.data, document.table.centres_px)
        assert np.array_equal(app.points.features["annotation"], document.table.rows["annotation"])
        assert document.selection <= set(document.table.ids)
    panel.list.itemClicked.emit(panel.list.item(2))
    document.select([3])
    press(app, "D")
    app.idle()
    assert texts(panel) == [*names[:3], "Label cluster 3 as other"], "something new ends what was undone"


def test_search_count_and_adaptation_are_steps_with_undo(
    app: Any, micrograph: Any, model_path: Path, monkeypatch: Any
) -> None:
    adapt_always(monkeypatch)
    app.show(micrograph)
    app.document.choose(model=str(model_path))
    panel = app.panel("History")
    app.click(app.panel("Find clusters").search)
    app.click(app.panel("Count atoms").run)
    app.click(app.panel("Adapt to the image").run)
    assert texts(panel) == ["Open", "Find clusters", "Count atoms", "Adapt"]
    adapted = app.document.state.applied
    assert adapted is not None
    app.viewer.layers.selection.active = app.workspace.image
    press(app, "Ctrl+Z")
    assert app.document.state.applied is None and app.document.counted
    press(app, "Ctrl+Z")
    assert not app.document.counted and len(app.document.table)
    press(app, "Ctrl+Z")
    assert not len(app.document.table)
    panel.list.itemClicked.emit(panel.list.item(3))
    app.idle()
    assert app.document.state.applied is adapted and marked(panel) == [3]


def test_steps_share_what_did_not_change(app: Any, micrograph: Any) -> None:
    document = counted(app, micrograph)
    before = document.table.rows
    document.annotate([0], "Pt55")
    after = document.table.rows
    for name in ("y_px", "intensity", "p_19"):
        assert np.shares_memory(before[name].to_numpy(), after[name].to_numpy()), name
    assert before["annotation"].iloc[0] == "" and after["annotation"].iloc[0] == "Pt55"
