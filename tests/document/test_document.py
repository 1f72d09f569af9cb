"""What is known of one image, its history and its review, without a window."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.document.document import Document
from napari_atomicity.document.review import Review
from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline import AppliedAdaptation, ImageState, Settings
from napari_atomicity.pipeline.count import label_steps, search_steps
from napari_atomicity.progress import drain


@pytest.fixture
def document(micrograph: Micrograph) -> Document:
    return Document(replace(micrograph, warnings=("read by hand",)))


@pytest.fixture(scope="module")
def searched(micrograph: Micrograph) -> ImageState:
    return drain(search_steps(ImageState(micrograph, settings=Settings(adapt="off"))))


@pytest.fixture(scope="module")
def counted(searched: ImageState, model_path: Path) -> ImageState:
    """The simulated frame, counted by the untrained model."""
    from napari_atomicity.counting.bundle import load_bundle

    settings = Settings(model=str(model_path), adapt="off")
    return drain(label_steps([replace(searched, settings=settings)], load_bundle(model_path)))[0]


def arrive(document: Document, name: str, result: ImageState) -> None:
    """A result of work that began when nothing else happened."""
    document.apply(name, replace(result, micrograph=document.micrograph), document.state)


def heard(document: Document) -> list[str]:
    """Which signals were sent, in their order."""
    said: list[str] = []
    document.table_changed.connect(lambda: said.append("table"))
    document.state_changed.connect(lambda: said.append("state"))
    document.selection_changed.connect(lambda ids: said.append(f"selection {sorted(ids)}"))
    document.measuring_wanted.connect(lambda ids: said.append(f"measure {ids}"))
    return said


def test_the_room_knows_neither_qt_nor_napari() -> None:
    code = (
        "import sys; import napari_atomicity.document.document, napari_atomicity.document.review\n"
        "print([name for name in ('napari', 'qtpy', 'PyQt6', 'torch', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_undoing_a_search_leaves_nothing_of_it(document: Document, searched: ImageState) -> None:
    arrive(document, "Find clusters", replace(searched, search_messages=("a line is dark",)))
    assert document.state.searched and len(document.table)
    assert document.messages == ("read by hand", "a line is dark")
    document.undo()
    assert not document.state.searched and not len(document.table) and document.messages == ("read by hand",)
    document.redo()
    assert document.state.searched and document.messages == ("read by hand", "a line is dark")


def test_history_is_a_line_that_a_new_step_cuts(document: Document, searched: ImageState) -> None:
    arrive(document, "Find clusters", searched)
    ids = document.table.ids.tolist()
    document.annotate(ids[:1], "Pt19")
    document.annotate(ids[:2], "Pt55")
    assert document.history == ["Find clusters", "Label 1 as Pt19", "Label 2 as Pt55"] and document.step == 3
    assert (document.undo_name, document.redo_name) == ("Label 2 as Pt55", "")
    document.go_to(1)
    assert (document.undo_name, document.redo_name) == ("Find clusters", "Label 1 as Pt19")
    assert set(document.table.rows["annotation"]) == {""}
    document.annotate(ids[2:3], "other")
    assert document.history == ["Find clusters", "Label 1 as other"] and document.redo_name == ""
    names = [name for name, _ in document.steps[0]]
    assert names == ["Open", "Find clusters", "Label 1 as other"] and document.steps[1] == 2
    document.go_to(7)
    document.go_to(-1)
    assert document.step == 2
    for _ in range(5):
        document.undo()
    assert document.step == 0 and document.undo_name == ""


def test_no_label_for_nobody_and_an_empty_one_takes_it_back(document: Document, searched: ImageState) -> None:
    arrive(document, "Find clusters", searched)
    document.annotate([], "Pt19")
    assert document.history == ["Find clusters"]
    some = document.table.ids[:2].tolist()
    document.annotate([*some, some[0]], "Pt19")
    document.annotate(some[:1], "")
    assert document.history[1:] == ["Label 2 as Pt19", "Take labels back"]
    assert document.table.rows.set_index("id").loc[some, "annotation"].tolist() == ["", "Pt19"]


def test_what_a_person_did_meanwhile_goes_on_top_of_a_result(document: Document, counted: ImageState) -> None:
    arrive(document, "Find clusters", counted.uncounted(table=counted.table.without_predictions()))
    started, ids = document.state, document.table.ids.tolist()
    document.annotate(ids[:1], "Pt70")
    document.edit("Delete 1 cluster", document.table.drop(ids[1:2]), [])
    document.apply("Count atoms", replace(counted, micrograph=document.micrograph), started)
    rows = document.table.rows.set_index("id")
    assert rows.loc[ids[0], "annotation"] == "Pt70" and ids[1] not in rows.index
    assert (rows["label"] != "").any() and document.counted
    assert document.state.count is counted.count and document.state.settings == counted.settings


def test_a_selection_holds_only_clusters_that_are_there(document: Document, searched: ImageState) -> None:
    arrive(document, "Find clusters", searched)
    ids, said = document.table.ids.tolist(), heard(document)
    document.select([ids[0], ids[1], 10**6])
    assert document.selection == {ids[0], ids[1]}
    document.select([ids[1], ids[0]])  # the same again is no news
    document.edit("Delete 1 cluster", document.table.drop(ids[:1]), [])
    assert document.selection == {ids[1]}
    document.undo()
    assert document.selection == {ids[1]}  # what undo brings back is not selected
    assert said == [f"selection {ids[:2]}", "table", "table", "state"]


def test_another_pixel_size_scales_lengths_and_drops_the_count(document: Document, counted: ImageState) -> None:
    arrive(document, "Count atoms", counted)
    before, size = document.table.rows.copy(), document.micrograph.pixel_size_nm
    assert size is not None
    said = heard(document)
    document.calibrate(size)
    assert said == [] and document.history == ["Count atoms"]
    document.calibrate(2 * size)
    rows, state = document.table.rows, document.state
    np.testing.assert_allclose(rows["diameter_nm"], 2 * before["diameter_nm"])
    np.testing.assert_allclose(rows["intensity"], 4 * before["intensity"])
    np.testing.assert_allclose(rows["y_nm"], rows["y_px"] * 2 * size)
    assert not document.counted and (state.bundle, state.count, state.offered, state.settings) == (None,) * 4
    assert state.searched and state.micrograph.pixel_size_nm == 2 * size
    document.undo()
    assert document.counted and document.micrograph.pixel_size_nm == size


def test_an_image_that_gets_its_first_pixel_size_wants_its_clusters_measured(micrograph: Micrograph) -> None:
    document = Document(replace(micrograph, pixel_size_nm=None))
    document.edit("Add 1 cluster", document.table.add({"frame": [0], "y_px": [9.0], "x_px": [5.0]}), [0])
    said = heard(document)
    document.calibrate(0.05)
    assert said == ["table", "state", "measure [0]"]
    assert document.table.rows["y_nm"].tolist() == [pytest.approx(0.45)]


def test_other_pixels_keep_places_and_labels_and_nothing_else(document: Document, counted: ImageState) -> None:
    arrive(document, "Count atoms", replace(counted, choices={0: "Pt19"}, search_messages=("odd",)))
    ids = document.table.ids.tolist()
    document.annotate(ids[:1], "Pt30")
    other = replace(document.micrograph, data=np.asarray(document.micrograph.data) + 1)
    document.replace_pixels(other)
    state = document.state
    assert state.micrograph is other and document.table.ids.tolist() == ids
    assert document.table.rows["annotation"].tolist().count("Pt30") == 1 and not document.counted
    assert state.choices == {} and state.search_messages == () and state.settings is None


def test_labels_are_out_of_date_only_by_what_decides_them(document: Document, counted: ImageState) -> None:
    document.choose(model=counted.settings.model, adapt="off")  # type: ignore[union-attr]
    assert not document.outdated  # nothing is counted
    arrive(document, "Count atoms", counted)
    assert not document.outdated
    document.choose(sensitivity=0.9, seed=7)
    assert not document.outdated
    document.choose(deposited=(19,))
    assert document.outdated
    document.choose(deposited=())
    assert not document.outdated
    document.choose(intensity_per_atom=3.0)
    assert document.outdated


def test_options_are_news_only_where_they_change(document: Document) -> None:
    said = heard(document)
    document.choose(sensitivity=0.5)
    document.set_options(in_joint=False)
    assert said == []
    document.set_options(in_joint=True)
    document.set_options(expected={19: 1.0}, random_sample=True)
    document.know_intensity_per_atom(4.0, 0.1)
    assert said == ["state"] * 3
    assert (document.settings.intensity_per_atom, document.settings.intensity_per_atom_sd) == (4.0, 0.1)
    request = document.request()
    assert request.settings is document.settings and request.profile is None and request.table is document.table


def test_undoing_an_adaptation_brings_the_model_before_it_back(document: Document, counted: ImageState) -> None:
    assert counted.count is not None and counted.bundle is not None
    moved = counted.count.table.with_columns(label=["Pt70"] * len(counted.table))
    after = replace(counted.count, table=moved)
    tuned = replace(counted.bundle, card=replace(counted.bundle.card, history=("tuned",)))
    adaptation: Any = object()
    applied = AppliedAdaptation(adaptation, counted.bundle, counted.count, counted.count, after, None)  # type: ignore[arg-type]
    adapted = replace(counted, table=moved, count=after, offered=after, bundle=tuned, adaptation=applied)
    arrive(document, "Adapt", adapted)
    assert document.state.applied is applied and document.state.before is counted.count
    assert applied.changed == (int((counted.table.rows["label"] != "Pt70").sum()), len(counted.table))
    document.annotate(document.table.ids[:1].tolist(), "Pt19")
    document.undo_adaptation()
    state = document.state
    assert state.bundle is counted.bundle and state.count is counted.count and state.adaptation is None
    assert document.table.rows["label"].tolist() == counted.table.rows["label"].tolist()
    assert document.table.rows["annotation"].tolist().count("Pt19") == 1
    document.undo_adaptation()  # there is none any more
    assert document.undo_name == "Undo the adaptation"


def test_what_completes_a_step_is_no_step(document: Document, searched: ImageState) -> None:
    arrive(document, "Find clusters", searched)
    table = document.table.with_columns(flag=["border"] * len(document.table))
    document.amend(table)
    assert document.history == ["Find clusters"] and set(document.table.rows["flag"]) == {"border"}


def test_five_hundred_steps_are_kept(document: Document, searched: ImageState) -> None:
    arrive(document, "Find clusters", searched)
    for at in range(520):
        document.commit(f"Step {at}", document.table)
    steps, now = document.steps
    assert len(steps) == 500 and now == 499 and steps[-1][0] == "Step 519"


def test_a_document_that_is_dropped_tells_nobody(document: Document, searched: ImageState) -> None:
    said = heard(document)
    document.drop()
    arrive(document, "Find clusters", searched)
    document.select(document.table.ids[:1].tolist())
    assert said == []


def test_heat_maps_go_with_what_they_showed(document: Document, counted: ImageState) -> None:
    arrive(document, "Count atoms", counted)
    maps: Any = object()
    document.explain(maps)
    document.annotate(document.table.ids[:1].tolist(), "Pt19")
    assert document.attribution is maps  # the labels of a person change nothing in them
    document.undo()
    assert document.attribution is None


# ---------------------------------------------------------------------- the state


def test_a_state_without_a_count_says_so() -> None:
    state = ImageState(Micrograph(np.zeros((4, 4), np.float32), 0.1, name="small"))
    assert (state.before, state.applied, dict(state.calibrations), state.messages) == (None, None, {}, ())
    with pytest.raises(ValueError, match="small is not counted"):
        _ = state.model_in_force


def test_messages_come_once_and_in_the_order_of_the_work(micrograph: Micrograph, counted: ImageState) -> None:
    assert counted.count is not None
    table = counted.count.table.with_columns(
        flag=["outside"] * len(counted.table), label=["other"] * len(counted.table)
    )
    refused: Any = type("Refused", (), {"reason": "Too few anchors.", "anchors": None})()
    applied = AppliedAdaptation(refused, counted.model_in_force, counted.count, counted.count, None, None)  # type: ignore[arg-type]
    state = replace(
        counted,
        micrograph=replace(micrograph, warnings=("odd", "odder")),
        search_messages=("odder", "oddest"),
        count=replace(counted.count, table=table),
        adaptation=applied,
    )
    assert state.messages[:3] == ("odd", "odder", "oddest") and state.messages[-1] == "Too few anchors."
    assert "look like none of the sizes" in state.messages[3] and len(state.messages) == 5
    assert state.applied is None and not applied.accepted and applied.changed == (0, len(counted.table))


# ---------------------------------------------------------------------- the review


@pytest.fixture
def review(document: Document, counted: ImageState) -> Review:
    arrive(document, "Count atoms", counted)
    return Review(document)


def test_a_review_needs_labels_of_a_model(document: Document) -> None:
    with pytest.raises(InputError):
        Review(document).start()


def test_a_review_goes_through_every_cluster_once(review: Review) -> None:
    review.start()
    assert review.running and review.queue is not None
    seen = [review.at]
    while review.peek(1) is not None:
        seen.append(review.step(1))
    assert len(seen) == len(set(seen)) and None not in seen
    with pytest.raises(InputError):
        review.step(1)
    assert review.step(-1) == seen[-2]


def test_a_table_without_clusters(document: Document) -> None:
    document.commit("Delete all", ClusterTable.empty())
    assert document.ratios is not None and not document.counted
