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
def session(app: Any, frame: Any, model_path: Path) -> Any:
    """Three images of one microscope, none of them searched; the panel that joins them is open."""
    for name, image in (("a", frame.image), ("b", frame.image[::-1].copy()), ("c", frame.image[:, ::-1].copy())):
        app.show(Micrograph(image, frame.pixel_size_nm, name=name))
        app.document.choose(model=str(model_path))
    app.panel("Calibrate images together")
    return app


def tick(app: Any, *rows: int) -> None:
    for row in rows:
        app.joint.list.item(row, 0).setCheckState(Qt.CheckState.Checked)
    app.idle()


def column(app: Any, number: int) -> list[str]:
    return [app.joint.list.item(row, number).text() for row in range(app.joint.list.rowCount())]


def test_ticked_images_are_searched_counted_and_undone_together(session: Any) -> None:
    from napari_atomicity import pipeline
    from napari_atomicity.counting.bundle import load_bundle

    app = session
    assert column(app, 0) == ["a", "b", "c"] and column(app, 2) == ["not searched yet"] * 3
    assert not app.joint.run.isEnabled()
    tick(app, 0, 1)
    for document in app.documents:
        document.choose(adapt="off")
    app.joint.list.item(1, 1).setText("19:0.7, Pt55:0.3")
    assert app.documents[1].settings.deposited == (19, 55) and app.documents[1].settings.fractions == (0.7, 0.3)
    app.joint.list.item(1, 1).setText("nineteen")
    assert "does not say what was deposited" in app.notes[-1] and app.documents[1].settings.deposited == (19, 55)
    app.idle()
    assert column(app, 1) == ["", "Pt19:0.7, Pt55:0.3", ""]
    app.documents[0].choose(adapt="auto", deposited=(19, 30))
    app.workspace.choose(app.layers[0])
    app.click(app.joint.run)
    a, b, c = app.documents
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
    assert app.joint.back.isEnabled()
    app.click(app.joint.back)
    assert not len(a.table) and not len(b.table) and a.redo_name == "Calibrate together"


def test_deposited_sizes_in_the_list_are_read_as_those_of_one_image(session: Any) -> None:
    app, document = session, session.documents[0]
    app.joint.list.item(0, 1).setText("Au55")
    assert (document.settings.deposited, document.settings.deposited_element) == ((55,), "Au")
    app.idle()
    assert column(app, 1)[0] == "Au55"
    app.joint.list.item(0, 1).setText("19")
    assert (document.settings.deposited, document.settings.deposited_element) == ((19,), "")
    app.joint.list.item(0, 1).setText("77")
    assert document.settings.deposited == (19,) and "77" in app.notes[-1]
    app.idle()
    assert column(app, 1)[0] == "19"


def test_undo_in_all_takes_back_the_session_of_the_image_in_hand_alone(session: Any) -> None:
    app = session
    first, second, other = app.documents
    for document, names in ((first, ("a", "b")), (other, ("c", "one that is closed")), (second, ("a", "b"))):
        document.commit("Calibrate together", counted_with=names)
    app.workspace.choose(app.layers[0])
    app.idle()
    app.click(app.joint.back)
    assert [document.undo_name for document in (first, second)] == [""] * 2 and other.undo_name
    app.click(app.joint.back)  # none is left in hand: the latest one
    assert other.undo_name == "" and not app.joint.back.isEnabled()


@pytest.mark.slow
def test_the_command_line_gives_the_same_session(session: Any) -> None:
    from napari_atomicity.pipeline import analyse_steps

    app = session
    tick(app, 0, 2)
    documents = [app.documents[0], app.documents[2]]
    expected = drain(analyse_steps([d.micrograph for d in documents], [d.settings for d in documents], session=True))
    app.click(app.joint.run)
    for document, analysis in zip(documents, expected, strict=True):
        pd.testing.assert_frame_equal(document.table.rows, analysis.table.rows)
        assert document.state.adaptation.adaptation.reason == analysis.adaptation.reason


@pytest.mark.slow
def test_one_adaptation_serves_all_and_each_image_has_its_own_anchors(
    session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = session
    adapt_always(monkeypatch)
    app.joint.all.click()
    app.idle()
    app.click(app.joint.run)
    bundles = {id(document.state.bundle) for document in app.documents}
    assert len(bundles) == 1 and app.documents[0].state.bundle.card.history == ("tuned",)
    for document in app.documents:
        assert document.state.applied.anchors["id"].tolist() == document.table.ids[:6].tolist()
        assert document.state.applied.images == ("a", "b", "c")
    app.workspace.choose(app.layers[1])
    app.idle()
    adapt = app.panel("Adapt to the image")
    app.click(adapt.back)
    # each image goes back by itself
    assert app.documents[1].state.applied is None and app.documents[0].state.applied is not None
    assert set(app.documents[1].table.rows["source"]) <= {"base", ""}


def test_an_image_that_is_closed_meanwhile_is_left_out(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_atomicity.pipeline import count as count_chain

    app, gate, whole = session, threading.Event(), count_chain.timed_session_steps

    def held(*arguments: Any) -> Any:
        while not gate.wait(0.01):
            yield Progress(0, 0, "Waiting")
        return (yield from whole(*arguments))

    monkeypatch.setattr(count_chain, "timed_session_steps", held)
    tick(app, 0, 1, 2)
    app.joint.run.click()
    app.qtbot.waitUntil(lambda: app.workspace.work.busy)
    assert all(layer.locked for layer in app.layers)
    app.viewer.layers.remove(app.layers[1])
    app.layers[0].name = "b"
    app.documents[2].calibrate(0.07)
    gate.set()
    app.idle()
    assert app.documents[0].history == ["Calibrate together"] and len(app.documents[0].table)
    assert app.documents[2].history == ["Set the pixel size"] and not len(app.documents[2].table)
    assert app.notes[-1].startswith("b, c: closed or changed while this ran")
    assert column(app, 0) == ["b", "c"] and not any(layer.locked for layer in app.layers)


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
    app = session
    app.show(Micrograph(blobs(), None, name="uncalibrated"))
    app.show(dataclasses.replace(Micrograph(blobs(), 0.05, name="bad"), refusal="bad is constant; record it again."))
    app.idle()
    assert column(app, 2)[3:] == ["pixel size needed", "cannot be counted"]
    app.joint.all.click()
    app.idle()
    assert [d.options.in_joint for d in app.documents] == [True, True, True, True, False]
    app.click(app.joint.run)
    assert app.notes[-1].startswith("uncalibrated: ") and "pixel size" in app.notes[-1]
    assert all(document.history == [] for document in app.documents)


@pytest.mark.slow
def test_a_frame_that_does_not_fit_is_marked_with_its_sentence(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_atomicity.pipeline import count as count_chain

    whole, sentence = count_chain.timed_session_steps, "This image is 40 % brighter than its session."

    def misfit(*arguments: Any) -> Any:
        done = yield from whole(*arguments)
        fits = {0: dataclasses.replace(done[1].calibrations[0], misfit=sentence)}
        return [done[0], dataclasses.replace(done[1], calibrations=fits)]

    monkeypatch.setattr(count_chain, "timed_session_steps", misfit)
    app = session
    tick(app, 0, 1)
    app.click(app.joint.run)
    assert column(app, 2)[1] == "⚠ does not fit" and column(app, 2)[0] != "⚠ does not fit"
    assert app.joint.list.item(1, 2).toolTip() == sentence
    assert app.joint.flagged.text() == f"b: {sentence}"
    app.workspace.choose(app.layers[1])
    count = app.panel("Count atoms")
    assert sentence in count.remarks.text()


@pytest.mark.slow
def test_an_adapted_model_is_used_for_the_ticked_images(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    app = session
    adapt_always(monkeypatch)
    a, b, c = app.documents
    app.workspace.choose(app.layers[0])
    app.idle()
    panel = app.panel("Atomicity")
    app.click(panel.analyse)
    adapt = panel.steps[4].panel
    app.click(adapt.share)
    assert "Tick at least two images" in app.notes[-1]
    tick(app, 1)
    app.click(adapt.share)
    assert b.history == ["Use the adapted model"] and c.history == []
    assert a.history == ["Analyse", "Use the adapted model"]
    assert b.state.bundle is a.state.bundle and set(b.table.rows["source"]) <= {"adapted", ""}
    assert not len(b.state.applied.anchors) and len(a.state.applied.anchors) == 6
    assert b.state.applied.images == ("a",)
    b.undo()
    assert not len(b.table)
    b.redo()
    app.workspace.choose(app.layers[1])
    app.idle()
    app.click(adapt.back)
    assert set(b.table.rows["source"]) <= {"base", ""} and len(b.table)


def test_edits_by_hand_survive_calibrating_together(session: Any) -> None:
    app = session
    tick(app, 0, 1)
    app.workspace.choose(app.layers[0])
    app.click(app.panel("Find clusters").search)
    document = app.documents[0]
    document.annotate([int(document.table.ids[3])], "Pt70")
    document.edit("Delete", document.table.drop([int(document.table.ids[0])]), [])
    before = document.table
    app.click(app.joint.run)
    assert document.table.ids.tolist() == before.ids.tolist()
    assert np.array_equal(document.table.rows["annotation"], before.rows["annotation"])
    assert (document.table.rows["label"] != "").any()


def test_the_list_brings_an_image_into_hand_and_follows_layers(session: Any) -> None:
    app = session
    assert app.workspace.image is app.layers[2]
    app.joint.list.cellActivated.emit(0, 0)
    assert app.workspace.image is app.layers[0]
    app.viewer.layers.move(0, 3)
    app.viewer.layers.remove(app.layers[1])
    app.idle()
    assert column(app, 0) == ["c", "a"]
    app.viewer.layers.clear()
    app.idle()
    assert app.joint.list.rowCount() == 0 and not app.joint.all.isEnabled()
