"""Saving, restoring, merging and recovering in a real window."""

from __future__ import annotations

import dataclasses
import math
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from napari_atomicity.document.review import ReviewRound
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.progress import Progress

from .stand_ins import adapt_always, blobs, leave_undecided


@pytest.fixture
def sample(micrograph: Any, tmp_path: Path) -> Path:
    """A micrograph in a file of its own."""
    path = tmp_path / "images" / "frame.tif"
    path.parent.mkdir()
    put(path, micrograph.data)
    return path


def put(path: Path, data: Any) -> None:
    from tifffile import imwrite

    imwrite(path, np.asarray(data), imagej=True, resolution=(20.0, 20.0), metadata={"unit": "nm"})


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The background does not wait as long as it does for people."""
    from napari_atomicity.ui.project import autosave

    monkeypatch.setattr(autosave, "PAUSE_S", 0.1)


@pytest.fixture
def another(make_napari_viewer_proxy: Any, qtbot: Any) -> Any:
    """A second window, as the next start of the program."""
    from .app_driver import AppDriver

    viewer = make_napari_viewer_proxy(show=False)
    made = AppDriver(viewer, qtbot)
    yield made
    made.idle()


def show_file(app: Any, path: Path) -> Any:
    from napari_atomicity.io import read

    return app.show(read(path))


def write(app: Any, path: Path) -> Path:
    app.context.project.save(path)
    app.idle()
    assert path.is_file()
    return path


def open_project(app: Any, path: Path) -> None:
    app.context.project.open(path)
    app.idle()


def kept(app: Any) -> None:
    """Wait until the background has written everything."""
    app.settle()
    autosave = app.context.project.autosave
    autosave.then(lambda: None)
    # where it cannot be written, another attempt is soon waited for again
    app.qtbot.waitUntil(lambda: not autosave.writing and (autosave.done or bool(autosave.problem)), timeout=30_000)


def worked_on(app: Any, path: Path) -> Any:
    """A counted image with an adapted model, labels by hand, and a step undone."""
    show_file(app, path)
    app.document.set_options(in_joint=True)
    app.click(app.panel("Find clusters").search)
    app.click(app.panel("Adapt to the image").run)
    document = app.document
    document.annotate([0, 1], "Pt19")
    document.annotate([2], "other")
    document.undo()
    document.select([1])
    return document


def same(a: Any, b: Any) -> None:
    """Two documents are alike through their whole history."""
    (mine, now), (theirs, other) = a.steps, b.steps
    assert now == other and [name for name, _ in mine] == [name for name, _ in theirs]
    for (_, was), (_, now_) in zip(mine, theirs, strict=True):
        pd.testing.assert_frame_equal(was.table.rows, now_.table.rows)
        assert was.table.hand_placed == now_.table.hand_placed and was.table.next_id == now_.table.next_id
        assert was.settings == now_.settings and dict(was.choices) == dict(now_.choices)
        assert (was.applied is None) == (now_.applied is None)
        assert was.micrograph.pixel_size_nm == now_.micrograph.pixel_size_nm
    assert (a.options, a.selection, a.messages) == (b.options, b.selection, b.messages)


def test_everything_comes_back_and_goes_on(
    app: Any, another: Any, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapt_always(monkeypatch)
    document = worked_on(app, sample)
    app.workspace.image.opacity = 0.5
    review = app.workspace.group.review
    review.start()
    review.step(1)
    review.allow(go_on=False)
    path = write(app, tmp_path / "day.atomicity")
    open_project(another, path)
    again = another.document
    same(document, again)
    later = another.workspace.group.review
    assert dataclasses.replace(later.round, queue=None, at=None, reached=0) == ReviewRound(go_on=False)
    assert (later.queue.ids, later.at, later.reached) == (review.queue.ids, review.at, review.reached)
    assert later.step(1) == review.step(1)
    assert another.workspace.image.opacity == 0.5 and another.workspace.image.name == app.workspace.image.name
    assert len(another.points.data) == len(document.table)
    pd.testing.assert_frame_equal(document.ratios(), again.ratios())
    # undo and redo through the whole history
    again.redo()
    assert again.table.rows.set_index("id").at[2, "annotation"] == "other"
    names = []
    while again.undo_name:
        names.append(again.undo_name)
        again.undo()
    assert names == [name for name, _ in reversed(document.steps[0])][:-1]
    for _ in names:
        again.redo()
    # the adapted model is in force, and the adaptation can be undone as before
    assert again.state.applied is not None and again.state.bundle is again.state.applied.adaptation.bundle
    document.redo()
    for each in (document, again):
        each.undo_adaptation()
    pd.testing.assert_frame_equal(document.table.rows, again.table.rows)
    for each in (app, another):
        each.click(each.panel("Count atoms").run)
    pd.testing.assert_frame_equal(document.table.rows, again.table.rows)
    assert another.context.project.path == path


@pytest.mark.slow
def test_steps_of_an_earlier_version_whose_times_are_not_known_are_saved_again(
    app: Any, another: Any, sample: Path, tmp_path: Path
) -> None:
    show_file(app, sample)
    app.click(app.panel("Find clusters").search)
    app.document.annotate([0, 1], "Pt19")
    steps, now = app.document.steps
    app.document.resume([(name, dataclasses.replace(state, when=math.nan)) for name, state in steps], now)
    open_project(another, write(app, tmp_path / "day.atomicity"))
    assert [math.isnan(state.when) for _, state in another.document.steps[0]] == [True] * len(steps)
    same(app.document, another.document)
    kept(another)


@pytest.mark.slow
def test_choosing_among_candidates_goes_on(app: Any, another: Any, sample: Path, tmp_path: Path) -> None:
    show_file(app, sample)
    app.document.choose(adapt="auto")
    app.click(app.panel("Find clusters").search)
    app.click(app.panel("Count atoms").run)
    document = app.document
    leave_undecided(document, "Pt30", "Pt41")
    open_project(another, write(app, tmp_path / "undecided.atomicity"))
    from napari_atomicity.ui.actions import single

    for each in (app, another):
        single.choose(each.workspace, 0, "Pt41")
        each.idle()
    assert another.document.state.choices == {0: "Pt41"}
    pd.testing.assert_frame_equal(document.table.rows, another.document.table.rows)


def test_save_buttons_and_state(app: Any, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from qtpy.QtWidgets import QFileDialog

    panel = app.panel("Save and restore")
    assert not panel.save.isEnabled()
    show_file(app, sample)
    app.click(app.panel("Find clusters").search)
    path = tmp_path / "by name"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    app.click(panel.save)
    assert app.context.project.path == path.with_name("by name.atomicity")
    panel.show_now()
    assert "by name.atomicity, saved" in panel.file.text() and panel.kept.text() == "No unsaved changes."
    app.document.annotate([0], "Pt19")
    panel.show_now()
    assert "changed since" in panel.file.text()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: pytest.fail("asked again"))
    app.click(panel.save)
    assert not app.context.project.autosave.unsaved
    assert panel.recent.count() == 2 and panel.recent.itemText(1) == "by name.atomicity"


def test_a_project_dropped_on_the_window_opens(
    app: Any, another: Any, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    show_file(app, sample)
    app.click(app.panel("Find clusters").search)
    path = write(app, tmp_path / "dropped.atomicity")
    from napari_atomicity.ui import commands

    # the reader works on the window in front
    monkeypatch.setattr(commands, "_context", lambda _: another.context)
    another.viewer.open(str(path), plugin="napari-atomicity")
    another.idle()
    same(app.document, another.document)


# ---------------------------------------------------------------------- unsaved work


def test_unsaved_work_is_kept_and_offered_at_the_next_start(
    app: Any, sample: Path, make_napari_viewer_proxy: Any, qtbot: Any, recovery: Path
) -> None:
    from napari_atomicity.project.recovery import unsaved

    from .app_driver import AppDriver

    show_file(app, sample)
    app.click(app.panel("Find clusters").search)
    app.document.annotate([0], "Pt19")
    kept(app)
    assert unsaved() == []  # the window that it belongs to runs
    autosave = app.context.project.autosave
    assert autosave.longest < 0.5
    autosave.close()  # what is in the folder is found as if the process had been killed
    viewer = make_napari_viewer_proxy(show=True)
    second = AppDriver(viewer, qtbot)
    workbench = second.panel("Atomicity")
    qtbot.waitUntil(lambda: bool(second.context.project.left))
    offer = workbench.findChild(object, "offer")
    qtbot.waitUntil(offer.isVisible)
    assert offer.text.text().startswith("There is unsaved work on frame from ")
    second.click(offer.restore)
    same(app.document, second.document)
    assert not offer.isVisible()
    kept(second)
    qtbot.waitUntil(lambda: len(list((recovery / "aside").iterdir())) == 1)
    assert second.context.project.autosave.unsaved


def test_saving_ends_the_keeping_and_closed_images_are_kept(app: Any, sample: Path, tmp_path: Path) -> None:
    folder = lambda: app.recovery_folder  # noqa: E731
    show_file(app, sample)
    app.click(app.panel("Find clusters").search)
    kept(app)
    assert (folder() / "session.json").is_file()
    write(app, tmp_path / "done.atomicity")
    kept(app)
    assert folder() is None
    app.document.annotate([0], "Pt19")
    app.viewer.layers.remove(app.workspace.image)
    kept(app)
    from napari_atomicity.progress import drain
    from napari_atomicity.project import open_steps

    (work,) = drain(open_steps(folder())).images
    assert work.name == "frame" and work.state.table.rows["annotation"].iloc[0] == "Pt19"


def test_a_folder_that_cannot_be_written_is_said_once_and_work_goes_on(
    app: Any, micrograph: Any, recovery: Path
) -> None:
    recovery.write_text("in the way")
    app.show(micrograph)
    panel = app.panel("Save and restore")
    app.document.calibrate(0.06)
    kept(app)
    assert "cannot be made" in app.context.project.autosave.problem
    assert len([note for note in app.notes if "not kept at the moment" in note]) == 1
    panel.show_now()
    assert panel.kept.text().startswith("⚠ Unsaved work is not kept")


# ---------------------------------------------------------------------- images, models, merging


def test_a_moved_image_is_found_and_a_changed_one_is_asked_about(
    app: Any, another: Any, sample: Path, tmp_path: Path, micrograph: Any
) -> None:
    show_file(app, sample)
    app.click(app.panel("Find clusters").search)
    app.document.annotate([0], "Pt19")
    path = write(app, sample.parent / "here.atomicity")
    moved = tmp_path / "elsewhere"
    sample.parent.rename(moved)
    open_project(another, moved / path.name)
    assert another.document.micrograph.provenance.path == moved / "frame.tif"
    another.viewer.layers.clear()
    another.settle()
    put(moved / "frame.tif", micrograph.data[::-1])
    panel = another.panel("Save and restore")
    open_project(another, moved / path.name)
    assert another.document is None
    panel.show_now()
    assert "changed since the project was saved" in panel.why.text()
    another.click(panel.anyway)
    rows = another.document.table.rows
    assert rows["annotation"].iloc[0] == "Pt19" and (rows["label"] == "").all()
    assert another.document.undo_name == "Other pixels"


def test_a_missing_image_can_be_left_out_or_shown(
    app: Any, another: Any, sample: Path, tmp_path: Path, micrograph: Any
) -> None:
    show_file(app, sample)
    app.document.calibrate(0.06)
    app.show(micrograph)  # one that was never a file
    app.document.calibrate(0.07)
    path = write(app, tmp_path / "two.atomicity")
    sample.unlink()
    panel = another.panel("Save and restore")
    open_project(another, path)
    assert another.workspace.groups == []
    panel.show_now()
    assert "say where it is now" in panel.why.text() and not panel.anyway.isVisibleTo(panel)
    another.click(panel.leave)
    (place,) = another.workspace.groups
    assert np.array_equal(place.document.micrograph.frame(0), micrograph.frame(0))
    assert place.document.micrograph.pixel_size_nm == 0.07
    # the file still holds both, so that Save must not write over it
    assert another.context.project.path is None


def test_an_answer_while_other_work_runs_can_be_given_again(
    app: Any, another: Any, sample: Path, tmp_path: Path
) -> None:
    show_file(app, sample)
    app.click(app.panel("Find clusters").search)
    app.document.annotate([0], "Pt19")
    path = write(app, tmp_path / "one.atomicity")
    sample.unlink()
    open_project(another, path)
    project, ends = another.context.project, threading.Event()

    def steps() -> Any:
        while not ends.wait(0.05):
            yield Progress(0, 1, "Waiting")

    another.workspace.work.start("Other work", steps, lambda _: None)
    begun, said, asked = project.without(), another.notes[-1], project.asked.unclear
    ends.set()
    another.idle()
    assert not begun and "Other work is still running" in said and len(asked) == 1
    assert project.without()
    another.idle()
    assert another.document.table.labelled.sum() == 1 and project.asked is None


@pytest.mark.slow
def test_a_project_that_wants_to_read_elsewhere_asks_once_for_a_folder(
    app: Any, another: Any, sample: Path, tmp_path: Path
) -> None:
    show_file(app, sample)
    app.click(app.panel("Find clusters").search)
    app.document.annotate([0], "Pt19")
    (tmp_path / "post").mkdir()
    path = write(app, tmp_path / "post" / "mail.atomicity")
    panel = another.panel("Save and restore")
    open_project(another, path)
    panel.show_now()
    assert (
        another.document is None and str(sample) in panel.why.text() and "outside of its own folder" in panel.why.text()
    )
    another.click(panel.read)
    assert another.document.micrograph.provenance.path == sample
    another.viewer.layers.clear()
    another.settle()
    open_project(another, path)
    assert another.document.micrograph.provenance.path == sample
    # who saved it in this window has read these images anyway
    app.viewer.layers.clear()
    app.settle()
    open_project(app, path)
    assert app.document is not None


@pytest.mark.slow
def test_refused_images_leave_their_clusters_and_labels_and_saving_keeps_what_was_refused(
    app: Any, another: Any, sample: Path, tmp_path: Path
) -> None:
    show_file(app, sample)
    app.click(app.panel("Find clusters").search)
    app.document.annotate([0], "Pt19")
    rows = app.document.table.rows
    (tmp_path / "post").mkdir()
    path = write(app, tmp_path / "post" / "mail.atomicity")
    panel = another.panel("Save and restore")
    open_project(another, path)
    panel.show_now()
    another.click(panel.without)
    assert another.document.table.rows.equals(rows)
    assert not another.document.micrograph.frame(0).any() and "were not read" in another.document.micrograph.refusal
    another.document.annotate([1], "Pt30")
    write(another, path)
    app.viewer.layers.clear()
    app.settle()
    open_project(app, path)
    assert app.document.micrograph.frame(0).any() and app.document.micrograph.refusal == ""
    assert app.document.table.rows["annotation"].tolist()[:2] == ["Pt19", "Pt30"]


def test_a_colleagues_project_is_merged_in_one_step_and_conflicts_are_listed(
    app: Any, another: Any, sample: Path, tmp_path: Path
) -> None:
    show_file(app, sample)
    app.click(app.panel("Find clusters").search)
    start = write(app, tmp_path / "start.atomicity")
    open_project(another, start)
    theirs, mine = another.document, app.document
    theirs.annotate([0], "Pt30")
    theirs.annotate([1], "Pt41")
    theirs.annotate([2], "Pt55")
    mine.annotate([1], "Pt19")
    mine.edit("Delete", mine.table.drop([2]), [])
    path = write(another, tmp_path / "theirs.atomicity")
    open_project(app, path)
    rows = mine.table.rows.set_index("id")
    assert (rows.at[0, "annotation"], rows.at[1, "annotation"]) == ("Pt30", "Pt19") and 2 not in rows.index
    assert mine.undo_name == "Merge with frame" and len(app.workspace.groups) == 1
    panel = app.panel("Save and restore")
    panel.show_now()
    texts = [panel.conflicts.item(at).text() for at in range(panel.conflicts.count())]
    assert len(texts) == 2 and "Pt19 here, Pt41 there" in texts[0] and "Deleted here, Pt55 there" in texts[1]
    panel.conflicts.setCurrentRow(0)
    assert mine.selection == {1}
    panel.all.click()
    app.click(panel.theirs)
    rows = mine.table.rows
    assert rows.set_index("id").at[1, "annotation"] == "Pt41" and (rows["annotation"] == "Pt55").sum() == 1
    assert np.isfinite(rows["diameter_nm"]).all() and not panel.conflicts.isVisibleTo(panel)
    mine.undo()
    mine.undo()
    assert (mine.table.rows["annotation"] != "").sum() == 1


def test_a_colleagues_table_is_merged_too(app: Any, sample: Path, tmp_path: Path) -> None:
    from napari_atomicity.io.tables import write_table

    show_file(app, sample)
    app.click(app.panel("Find clusters").search)
    theirs = app.document.table.annotate([3], "Pt30")
    write_table(theirs, tmp_path / "theirs.csv")
    open_project(app, tmp_path / "theirs.csv")
    assert app.document.table.rows.set_index("id").at[3, "annotation"] == "Pt30"


def test_a_table_of_another_image_is_merged_only_once_a_person_says_so(app: Any, sample: Path, tmp_path: Path) -> None:
    show_file(app, sample)
    app.click(app.panel("Find clusters").search)
    app.document.annotate([3], "Pt30")
    app.export.write(tmp_path / "a.csv")
    app.idle()
    other = sample.with_name("other.tif")
    put(other, np.asarray(app.document.micrograph.data)[::-1])
    show_file(app, other)
    app.click(app.panel("Find clusters").search)
    document, n = app.document, len(app.document.table)
    open_project(app, tmp_path / "a.csv")
    assert document.table.labelled.sum() == 0 and len(document.table) == n
    assert f"a.csv belongs to another image, {sample}, so it is not merged" in app.notes[-1]
    (tmp_path / "a.csv-metadata.json").unlink()  # as a spreadsheet leaves it
    open_project(app, tmp_path / "a.csv")
    assert document.table.labelled.sum() == 0 and len(document.table) == n
    assert "has hardly a cluster where this image has one" in app.notes[-1]
    from napari.utils.notifications import notification_manager

    (name, do) = notification_manager.records[-1].actions[0]
    do(None)
    assert name == "Merge it all the same" and document.table.labelled.sum() == 1
    app.workspace.choose(app.layers[0])
    app.document.undo()
    open_project(app, tmp_path / "a.csv")
    assert app.document.table.labelled.sum() == 1 and "1 label added" in app.notes[-1]


@pytest.mark.slow
def test_a_model_that_is_gone_leaves_labels_and_ratios(
    app: Any, another: Any, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    show_file(app, sample)
    app.document.choose(adapt="off")
    app.click(app.panel("Find clusters").search)
    app.click(app.panel("Count atoms").run)
    path = write(app, tmp_path / "day.atomicity")
    from napari_atomicity.counting import bundle
    from napari_atomicity.errors import InputError

    def gone(name: Any) -> Any:
        raise InputError(f"There is no model named {name!r} here (any more); there are none.")

    monkeypatch.setattr(bundle, "load_card", gone)
    panel = another.panel("Count atoms")
    open_project(another, path)
    assert any("no model named 'dual'" in note for note in another.notes)
    panel.show_now()
    same(app.document, another.document)
    pd.testing.assert_frame_equal(app.document.ratios(), another.document.ratios())
    from napari_atomicity.ui.actions import single

    single.explain(another.workspace, another.context.explainer)
    another.idle()
    assert "is not here (any more)" in another.notes[-1]
    # and saved again it still refers to the model
    monkeypatch.undo()
    write(another, tmp_path / "again.atomicity")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-200]), "is damaged"),
        (lambda path: path.write_bytes(b"not a zip"), "is damaged"),
        (lambda path: path.unlink(), "does not exist"),
    ],
    ids=["cut", "other", "gone"],
)
def test_what_cannot_be_opened_is_one_sentence_and_changes_nothing(
    app: Any, sample: Path, tmp_path: Path, damage: Any, words: str
) -> None:
    show_file(app, sample)
    app.document.calibrate(0.06)
    path = write(app, tmp_path / "day.atomicity")
    damage(path)
    before = app.document.state
    open_project(app, path)
    assert words in app.notes[-1] and app.document.state is before and len(app.workspace.groups) == 1


def test_a_full_disk_keeps_the_old_file(
    app: Any, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    show_file(app, sample)
    app.document.calibrate(0.06)
    path = write(app, tmp_path / "day.atomicity")
    before = path.read_bytes()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    app.document.calibrate(0.07)
    app.context.project.save()
    app.idle()
    assert "No space left" in app.notes[-1] and path.read_bytes() == before
    assert list(tmp_path.glob(".*")) == [] and app.context.project.autosave.unsaved


def test_panel_opened_twice_and_before_anything_is_there(app: Any) -> None:
    first, second = app.panel("Save and restore"), app.panel("Save and restore")
    app.show(Micrograph(blobs(), 0.05, name="drawn"))
    app.document.calibrate(0.06)
    for panel in (first, second):
        panel.show_now()
        assert panel.status(app.document) == "unsaved changes"


def test_a_search_that_found_nothing_is_no_unsaved_work(app: Any, soon: None) -> None:
    app.show(Micrograph(np.random.default_rng(0).normal(10, 1, (128, 128)).astype(np.float32), 0.05, name="empty"))
    app.click(app.panel("Find clusters").search)
    app.kept()
    assert not len(app.document.table) and app.document.state.searched
    assert not app.context.project.autosave.unsaved and app.recovery_folder is None
    app.document.calibrate(0.06)
    assert app.context.project.autosave.unsaved, "a pixel size that a person gave is work"


def test_a_project_saved_during_a_review_keeps_the_contrast_from_before_it(app: Any, micrograph: Any) -> None:
    from napari_atomicity.ui.project.conversion import Restorer, project_of

    from .test_keys import counted

    counted(app, micrograph)
    group, image = app.workspace.group, app.workspace.image
    usual = list(image.contrast_limits)
    app.click(app.panel("Review").start)
    assert list(image.contrast_limits) != usual
    (saved,) = project_of(app.workspace, app.context.solo, app.workspace.groups).images
    assert list(saved.view["image"]["contrast_limits"]) == usual
    app.viewer.layers.clear()
    app.settle()
    document = Restorer(app.workspace).show(saved)
    app.idle()
    group = next(one for one in app.workspace.groups if one.document is document)
    assert group.review.running and list(group.image().contrast_limits) != usual
    group.review.stop()
    assert list(group.image().contrast_limits) == usual


def test_a_project_keeps_which_rings_are_hidden(app: Any, micrograph: Any, counted_once: Any) -> None:
    from napari_atomicity.ui.project.conversion import Restorer, project_of

    app.lay_out(micrograph, counted_once)
    app.workspace.group.rings.show_label("Pt55", False)
    app.workspace.group.rings.choose("below 80", "ok")
    (saved,) = project_of(app.workspace, app.context.solo, app.workspace.groups).images
    app.workspace.group.rings.show_all()
    Restorer(app.workspace).fill(app.document, saved)
    rings = app.workspace.group.rings
    assert (rings.hidden, rings.confidence, rings.flag) == ({"Pt55"}, "below 80", "ok")
    rings.resume({"hidden": ["Pt19"], "confidence": "of a later version", "flag": "so too"})
    assert (rings.hidden, rings.confidence, rings.flag) == ({"Pt19"}, "", ""), "what is not known hides nothing"


def kept_projects(folder: Path) -> dict[str, list[str]]:
    """Names of the images in each project of a folder."""
    from napari_atomicity.progress import drain
    from napari_atomicity.project import open_steps

    found = sorted(folder.glob("*.atomicity"))
    return {path.name: [image.name for image in drain(open_steps(path)).images] for path in found}


def test_a_project_whose_images_have_left_is_not_written_over(
    app: Any, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qtpy.QtWidgets import QFileDialog

    show_file(app, sample)
    app.click(app.panel("Find clusters").search)
    app.document.annotate([0], "Pt19")
    write(app, tmp_path / "first.atomicity")
    app.viewer.layers.clear()
    put(tmp_path / "other.tif", np.arange(4096, dtype=np.uint16).reshape(64, 64))
    show_file(app, tmp_path / "other.tif")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "second"), ""))
    app.click(app.panel("Save and restore").save)
    assert kept_projects(tmp_path) == {"first.atomicity": [sample.stem], "second.atomicity": ["other"]}


def test_a_project_is_kept_where_saving_would_cost_an_image_or_what_others_wrote(
    app: Any, sample: Path, tmp_path: Path
) -> None:
    put(tmp_path / "other.tif", np.arange(4096, dtype=np.uint16).reshape(64, 64))
    show_file(app, sample)
    show_file(app, tmp_path / "other.tif")
    path = write(app, tmp_path / "both.atomicity")
    write(app, path)
    assert set(kept_projects(tmp_path)) == {"both.atomicity"}  # nothing is lost, nothing is kept
    app.viewer.layers.remove(app.layers[0])
    write(app, path)
    assert kept_projects(tmp_path) == {"both.atomicity": ["other"], "both.kept.atomicity": [sample.stem, "other"]}
    assert "that version is now both.kept.atomicity" in app.notes[-1]
    write(app, path)
    path.write_bytes(path.with_name("both.kept.atomicity").read_bytes())  # a colleague saves theirs
    path.with_name("both.kept.atomicity").unlink()
    write(app, path)
    assert kept_projects(tmp_path)["both.kept.atomicity"] == [sample.stem, "other"]


def test_a_mirrored_and_moved_image_comes_back_where_the_camera_looks(app: Any, sample: Path, tmp_path: Path) -> None:
    image = show_file(app, sample)
    app.click(app.panel("Find clusters").search)
    image.scale, image.translate, image.rotate = -np.array(image.scale), (0.0, 500.0), 30.0
    app.viewer.fit_to_view()
    extent, centre = image.extent.world, app.viewer.scene.camera.center
    project = write(app, tmp_path / "work.atomicity")
    app.viewer.layers.clear()
    open_project(app, project)
    again = app.workspace.image
    assert again is not image and np.allclose(again.extent.world, extent)
    assert np.allclose(again.scale, image.scale)
    assert np.allclose(app.points.translate, again.translate) and np.allclose(app.points.scale, again.scale)
    assert np.allclose(app.viewer.scene.camera.center, centre)


def test_what_a_project_says_of_the_place_of_an_image_may_be_odd(app: Any, micrograph: Any) -> None:
    from napari_atomicity.project import Project
    from napari_atomicity.ui.project.conversion import Restorer, project_of

    image = app.show(micrograph)
    workspace, before = app.workspace, image.extent.world
    (saved,) = project_of(workspace, app.context.solo, workspace.groups).images
    place = {"mirrored": [True, False], "translate": [1.0], "rotate": [[1.0, 0.0], [0.0, 0.0]]} | {
        "shear": [], "affine": [[0.0]]
    }  # fmt: skip
    for odd in (place, place | {"rotate": [[1.0], []]}, place | {"mirrored": [True] * 3}):
        view = {"image": saved.view["image"] | {"place": odd, "contrast_limits": [0.0, 1.0]}}
        Restorer(workspace).fill(app.document, dataclasses.replace(saved, view=view))
        assert np.array_equal(image.extent.world, before)
    # a camera of an earlier version, which looks past the image
    Restorer(workspace).look(Project((saved,), 0, {"center": [0.0, -9e3, 0.0], "zoom": 2.0, "step": [0, 0]}))
    low, high = image.extent.world
    assert (low <= app.viewer.scene.camera.center[1:]).all() and (app.viewer.scene.camera.center[1:] <= high).all()
