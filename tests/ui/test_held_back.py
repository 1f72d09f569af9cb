"""Labels of a person that no tuning ever sees, through a real adaptation in the window."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.counting import adapt as adapting
from napari_atomicity.counting.holdout import held_back, identities
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.simulation.conditions import sample_spec
from napari_atomicity.simulation.frames import simulate_frame

from .test_keys import press

KEYS = {19: "Q", 30: "W", 41: "E", 55: "R", 70: "T"}


def label_by_truth(app: Any, frame: Any, ids: Any) -> None:
    """Label clusters as what was simulated there, with the keys of the classes."""
    table, truth = app.document.table, frame.truth
    rows = np.flatnonzero(np.isin(table.ids, ids))
    apart = np.linalg.norm(table.centres_px[rows][:, None] - truth[["y_px", "x_px"]].to_numpy()[None], axis=2)
    sizes = truth["n_atoms"].to_numpy()[apart.argmin(axis=1)]
    for size, key in KEYS.items():
        app.document.select(table.ids[rows[sizes == size]].tolist())
        press(app, key)
    app.document.select([])
    app.idle()


@pytest.mark.slow
def test_a_person_labels_and_adapts_and_the_panel_says_what_the_labels_held_back_say(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # whether the model gets better is not what this looks at: a calibrated image leaves it little to learn
    monkeypatch.setattr(adapting, "_verdict", lambda *_: ("Tuned on labels given by hand", True))
    frame = simulate_frame(sample_spec("defocus", None, 60, shape=(640, 640), seed=3), 3)
    app.show(Micrograph(frame.image, frame.pixel_size_nm, name="frame"))
    document, adapt = app.document, app.panel("Adapt to the image")
    app.click(app.panel("Find clusters").search)
    choose(adapt.mode, "diameter")
    app.click(app.panel("Count atoms").run)
    ids = document.table.ids[(document.table.rows["flag"] == "ok").to_numpy()]
    later, first = ids[:4], ids[4:]
    label_by_truth(app, frame, first)
    adapt.sources["annotations"].click()
    adapt.sources["diameter"].click()
    assert document.settings.anchors == ("annotations",)
    before = document.table
    app.click(adapt.run)

    done, after = document.state.applied, document.table
    assert done is not None and done.adaptation.accepted and set(done.anchors["source"]) == {"annotations"}
    held = of_hash(before)
    mine = before.rows["annotation"].to_numpy()
    assert 0 < held.sum() < (mine != "").sum() and not set(done.anchors["id"]) & set(before.ids[held])
    right = [int((table.rows["label"].to_numpy() == mine)[held].sum()) for table in (before, after)]
    said = adapt.comparison.judged.text()
    start = f"Of your {len(first)} labels, {held.sum()} held back: {right[0]} right before, {right[1]} after"
    assert said.startswith(start) and adapt.comparison.judged.isVisible()
    # it has learnt nothing wrong from them
    agree = [int((table.rows["label"].to_numpy() == mine)[mine != ""].sum()) for table in (before, after)]
    assert agree[1] >= agree[0] - 1, agree
    assert after.rows["annotation"].tolist() == mine.tolist(), "labels of a person stay"

    # whoever labels more and adapts again keeps the same ones back
    app.click(adapt.back)
    label_by_truth(app, frame, later)
    app.click(adapt.run)
    more = of_hash(document.table)
    assert (more & np.isin(document.table.ids, first)).sum() == held.sum() == (more & held).sum()
    assert not set(document.state.adaptation.anchors["id"]) & set(document.table.ids[more])
    assert adapt.comparison.judged.text().startswith(f"Of your {len(ids)} labels, {more.sum()} held back: ")


def of_hash(table: ClusterTable) -> Any:
    """(n,) the labelled clusters that image, frame and id alone hold back."""
    rows = table.rows
    return held_back(rows["annotation"].to_numpy(), identities("frame#0", rows["frame"].to_numpy(), table.ids))


def choose(box: Any, name: str) -> None:
    """Choose in a box of choices, as a person does."""
    box.setCurrentIndex(box.findData(name))
    box.activated.emit(box.currentIndex())
