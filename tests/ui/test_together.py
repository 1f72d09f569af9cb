"""Images of a session: ticked, calibrated together, handed an adapted model; images that go away meanwhile."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import Qt

from napari_atomicity.micrograph import Micrograph
from napari_atomicity.progress import Progress, drain

from .stand_ins import adapt_always, blobs


@pytest.fixture
def session(desk: Any, frame: Any, model_path: Path) -> Any:
    """Three images of one microscope, none of them searched; the panel that joins them is open."""
    for name, image in (("a", frame.image), ("b", frame.image[::-1].copy()), ("c", frame.image[:, ::-1].copy())):
        desk.show(Micrograph(image, frame.pixel_size_nm, name=name))
        desk.document.choose(model=str(model_path))
    desk.panel("Calibrate images together")
    return desk


def tick(desk: Any, *rows: int) -> None:
    for row in rows:
        desk.joint.list.item(row, 0).setCheckState(Qt.CheckState.Checked)
    desk.idle()


def column(desk: Any, number: int) -> list[str]:
    return [desk.joint.list.item(row, number).text() for row in range(desk.joint.list.rowCount())]


def test_ticked_images_are_searched_counted_and_undone_together(session: Any) -> None:
    from napari_atomicity import pipeline
    from napari_atomicity.counting.bundle import load_bundle

    desk = session
    assert column(desk, 0) == ["a", "b", "c"] and column(desk, 2) == ["not searched yet"] * 3
    assert not desk.joint.run.isEnabled()
    tick(desk, 0, 1)
    for document in desk.documents:
        document.choose(adapt="off")
    desk.joint.list.item(1, 1).setText("19:0.7, Pt55:0.3")
    assert desk.documents[1].settings.deposited == (19, 55) and desk.documents[1].settings.fractions == (0.7, 0.3)
    desk.joint.list.item(1, 1).setText("nineteen")
    assert "does not say what was deposited" in desk.notes[-1] and desk.documents[1].settings.deposited == (19, 55)
    desk.idle()
    assert column(desk, 1) == ["", "19:0.7, 55:0.3", ""]
    desk.documents[0].choose(adapt="auto", deposited=(19, 30))
    desk.workspace.choose(desk.layers[0])
    desk.click(desk.joint.run)
    a, b, c = desk.documents
    assert a.history == b.history == ["Calibrate together"] and c.history == []
    assert b.settings.adapt == "auto"  # those of the image in hand
    # it is what the pipeline makes of the two
    bundle = load_bundle(a.settings.model)
    tables = [drain(pipeline.detect_steps(d.micrograph, d.settings)).table for d in (a, b)]
    expected = drain(
        pipeline.classify_session_steps([a.micrograph, b.micrograph], tables, bundle, [a.settings, b.settings])
    )
    for document, one in zip((a, b), expected, strict=True):
        pd.testing.assert_frame_equal(document.table.rows, one.table.rows)
        assert document.state.counted_with == ("a", "b")
    assert desk.joint.back.isEnabled()
    desk.click(desk.joint.back)
    assert not len(a.table) and not len(b.table) and a.redo_name == "Calibrate together"


def test_the_command_line_gives_the_same_session(session: Any) -> None:
    from napari_atomicity.pipeline import analyse_steps

    desk = session
    tick(desk, 0, 2)
    documents = [desk.documents[0], desk.documents[2]]
    expected = drain(analyse_steps([d.micrograph for d in documents], [d.settings for d in documents], session=True))
    desk.click(desk.joint.run)
    for document, analysis in zip(documents, expected, strict=True):
        pd.testing.assert_frame_equal(document.table.rows, analysis.table.rows)
        assert document.state.adaptation.adaptation.reason == analysis.adaptation.reason


def test_one_adaptation_serves_all_and_each_image_has_its_own_anchors(
    session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = session
    adapt_always(monkeypatch)
    desk.joint.all.click()
    desk.idle()
    desk.click(desk.joint.run)
    bundles = {id(document.state.bundle) for document in desk.documents}
    assert len(bundles) == 1 and desk.documents[0].state.bundle.card.history == ("tuned",)
    for document in desk.documents:
        assert document.state.applied.anchors["id"].tolist() == document.table.ids[:6].tolist()
        assert document.state.applied.images == ("a", "b", "c")
    desk.workspace.choose(desk.layers[1])
    desk.idle()
    adapt = desk.panel("Adapt to the image")
    desk.click(adapt.back)
    # each image goes back by itself
    assert desk.documents[1].state.applied is None and desk.documents[0].state.applied is not None
    assert set(desk.documents[1].table.rows["source"]) <= {"base", ""}


def test_an_image_that_is_closed_meanwhile_is_left_out(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_atomicity.pipeline import count as count_chain

    desk, gate, whole = session, threading.Event(), count_chain.timed_session_steps

    def held(*arguments: Any) -> Any:
        while not gate.wait(0.01):
            yield Progress(0, 0, "Waiting")
        return (yield from whole(*arguments))

    monkeypatch.setattr(count_chain, "timed_session_steps", held)
    tick(desk, 0, 1, 2)
    desk.joint.run.click()
    desk.qtbot.waitUntil(lambda: desk.workspace.work.busy)
    assert all(layer.locked for layer in desk.layers)
    desk.viewer.layers.remove(desk.layers[1])
    desk.layers[0].name = "b"
    desk.documents[2].calibrate(0.07)
    gate.set()
    desk.idle()
    assert desk.documents[0].history == ["Calibrate together"] and len(desk.documents[0].table)
    assert desk.documents[2].history == ["Set the pixel size"] and not len(desk.documents[2].table)
    assert desk.notes[-1].startswith("b, c: closed or changed while this ran")
    assert column(desk, 0) == ["b", "c"] and not any(layer.locked for layer in desk.layers)


def test_stopping_changes_none_of_them(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_atomicity.pipeline import count as count_chain

    def endless(*_: Any) -> Any:
        while True:
            threading.Event().wait(0.005)
            yield Progress(0, 0, "Waiting")

    monkeypatch.setattr(count_chain, "timed_session_steps", endless)
    tick(session, 0, 1)
    session.joint.run.click()
    session.qtbot.waitUntil(lambda: session.workspace.work.busy)
    session.settle()
    session.workspace.work.stop()
    session.idle()
    assert all(document.history == [] for document in session.documents)


def test_an_image_that_cannot_be_counted_is_named_and_nothing_is_changed(session: Any) -> None:
    desk = session
    desk.show(Micrograph(blobs(), None, name="uncalibrated"))
    desk.show(dataclasses.replace(Micrograph(blobs(), 0.05, name="bad"), refusal="bad is constant; record it again."))
    desk.idle()
    assert column(desk, 2)[3:] == ["pixel size needed", "cannot be counted"]
    desk.joint.all.click()
    desk.idle()
    assert [d.options.in_joint for d in desk.documents] == [True, True, True, True, False]
    desk.click(desk.joint.run)
    assert desk.notes[-1].startswith("uncalibrated: ") and "pixel size" in desk.notes[-1]
    assert all(document.history == [] for document in desk.documents)


def test_a_frame_that_does_not_fit_is_marked_with_its_sentence(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_atomicity.pipeline import count as count_chain

    whole, sentence = count_chain.timed_session_steps, "This image is 40 % brighter than its session."

    def misfit(*arguments: Any) -> Any:
        done = yield from whole(*arguments)
        fits = {0: dataclasses.replace(done[1].calibrations[0], misfit=sentence)}
        return [done[0], dataclasses.replace(done[1], calibrations=fits)]

    monkeypatch.setattr(count_chain, "timed_session_steps", misfit)
    desk = session
    tick(desk, 0, 1)
    desk.click(desk.joint.run)
    assert column(desk, 2)[1] == "⚠ does not fit" and column(desk, 2)[0] != "⚠ does not fit"
    assert desk.joint.list.item(1, 2).toolTip() == sentence
    assert desk.joint.flagged.text() == f"b: {sentence}"
    desk.workspace.choose(desk.layers[1])
    count = desk.panel("Count atoms")
    assert sentence in count.remarks.text()


def test_an_adapted_model_is_used_for_the_ticked_images(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = session
    adapt_always(monkeypatch)
    a, b, c = desk.documents
    desk.workspace.choose(desk.layers[0])
    desk.idle()
    panel = desk.panel("Atomicity")
    desk.click(panel.analyse)
    adapt = panel.steps[4].panel
    desk.click(adapt.share)
    assert "Tick at least two images" in desk.notes[-1]
    tick(desk, 1)
    desk.click(adapt.share)
    assert b.history == ["Use the adapted model"] and c.history == []
    assert a.history == ["Analyse", "Use the adapted model"]
    assert b.state.bundle is a.state.bundle and set(b.table.rows["source"]) <= {"adapted", ""}
    assert not len(b.state.applied.anchors) and len(a.state.applied.anchors) == 6
    assert b.state.applied.images == ("a",)
    b.undo()
    assert not len(b.table)
    b.redo()
    desk.workspace.choose(desk.layers[1])
    desk.idle()
    desk.click(adapt.back)
    assert set(b.table.rows["source"]) <= {"base", ""} and len(b.table)


def test_edits_by_hand_survive_calibrating_together(session: Any) -> None:
    desk = session
    tick(desk, 0, 1)
    desk.workspace.choose(desk.layers[0])
    desk.click(desk.panel("Find clusters").search)
    document = desk.documents[0]
    document.annotate([int(document.table.ids[3])], "Pt70")
    document.edit("Delete", document.table.drop([int(document.table.ids[0])]), [])
    before = document.table
    desk.click(desk.joint.run)
    assert document.table.ids.tolist() == before.ids.tolist()
    assert np.array_equal(document.table.rows["annotation"], before.rows["annotation"])
    assert (document.table.rows["label"] != "").any()


def test_the_list_brings_an_image_into_hand_and_follows_layers(session: Any) -> None:
    desk = session
    assert desk.workspace.image is desk.layers[2]
    desk.joint.list.cellActivated.emit(0, 0)
    assert desk.workspace.image is desk.layers[0]
    desk.viewer.layers.move(0, 3)
    desk.viewer.layers.remove(desk.layers[1])
    desk.idle()
    assert column(desk, 0) == ["c", "a"]
    desk.viewer.layers.clear()
    desk.idle()
    assert desk.joint.list.rowCount() == 0 and not desk.joint.all.isEnabled()
