"""What is saved is opened again exactly, in a form that people and other programs can read."""

from __future__ import annotations

import csv
import json
import zipfile
from dataclasses import fields, replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_atomicity.cli import main
from napari_atomicity.clusters import ClusterTable
from napari_atomicity.counting import adapt
from napari_atomicity.counting.bundle import Bundle, load_bundle, weights_sha256
from napari_atomicity.counting.prior import PriorKnowledge
from napari_atomicity.counting.profile import InstrumentProfile
from napari_atomicity.counting.review import Queue
from napari_atomicity.document.options import ImageOptions
from napari_atomicity.document.review import ReviewRound
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.movies import MovieSettings
from napari_atomicity.pipeline import ImageState, Settings, analyse
from napari_atomicity.progress import drain
from napari_atomicity.project import (
    FORMAT,
    HistoryStep,
    Project,
    SavedImage,
    describe,
    open_steps,
    save_project,
)
from napari_atomicity.project.blobs import FolderWriter
from napari_atomicity.project.layout import TableEntry
from napari_atomicity.project.records import RecordStore
from napari_atomicity.project.tables import TableIndex
from napari_atomicity.project.tables import table_of as table_again
from seeds import examples

from .saved_images import differences, edited, followed, saved_image, table_of

PROFILE = InstrumentProfile("titan", "Pt", 4.0, 0.05, 0.03, "dual", "0" * 64, (), 3, 80, "2026-01-01", "0.1.0")
OPTIONS = ImageOptions(
    Settings(
        *(0.3, "single", "off", 4.0, 0.05, (19, 55), (0.5, 0.5)),
        anchors=("annotations",),
        seed=3,
        element="Au",
        deposited_element="Pt",
        composition="Ag=0.3±0.1",
        exponent=(1.5, 1.65),
        all_the_same=True,
    ),
    PROFILE,
    in_joint=True,
    expected={19: 0.25, 55: 0.75},
    random_sample=True,
    guest="Ag",
    guest_fractions={"3": 0.25},
    guest_fractions_sd={"3": 0.05},
    movie=MovieSettings(False, 0.8, 2.0, 100.0),
)


def same_table(a: ClusterTable, b: ClusterTable) -> None:
    pd.testing.assert_frame_equal(a.rows, b.rows, check_exact=True)
    assert (a.class_sizes, a.next_id, a.hand_placed) == (b.class_sizes, b.next_id, b.hand_placed)
    assert np.array_equal(a.removed, b.removed)


def same_work(a: SavedImage, b: SavedImage) -> None:
    told = differences(a, b)
    assert not told, told


def opened(path: Path) -> Project:
    return drain(open_steps(path))


def test_two_images_with_their_histories(image: Micrograph, drawn: Micrograph, tmp_path: Path) -> None:
    first = replace(
        saved_image(image, steps=12, now=4),
        options=OPTIONS,
        selection=frozenset({3, 1}),
        view={"image": {"opacity": 0.1}},
    )
    second = saved_image(drawn, steps=2)
    path = save_project(Project((first, second), in_hand=1, view={"zoom": 0.1}), tmp_path / "two")
    assert path.name == "two.atomicity"
    again = opened(path)
    assert again.in_hand == 1 and again.view == {"zoom": 0.1} and again.remarks == ()
    for a, b in zip((first, second), again.images, strict=True):
        same_work(a, b)
    stack = again.images[1].state.micrograph
    assert np.array_equal(stack.data, drawn.data) and stack.data.dtype == np.uint16 and stack.warnings == ("odd",)
    assert again.images[0].state.micrograph.provenance == image.provenance


edits = st.lists(st.integers(0, 400), max_size=70)


@settings(max_examples=examples(15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits, st.integers(0, 6), st.booleans())
def test_any_history_of_tables_comes_back(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], n: int, classified: bool
) -> None:
    table = table_of(n, classified=classified)
    tables = [table]
    for at in steps:
        table = edited(table, at) if len(table) else table.add({"frame": [0], "y_px": [-0.0], "x_px": [1e-300]})
        tables.append(table)
    sink = FolderWriter(tmp_path_factory.mktemp("parts"))
    index, store = TableIndex(), RecordStore(sink)
    records = [index.record_of(store, one) for one in tables]
    made: dict[str, ClusterTable] = {}
    for one, record in zip(tables, records, strict=True):
        content = TableEntry.model_validate_json(json.dumps(record.content))
        text = None if content.rows is None else (sink.folder / content.rows).read_text(encoding="utf-8")
        base = None if content.based_on is None else made[content.based_on]
        made[record.key] = table_again(content, text, base)
        same_table(one, made[record.key])


@pytest.mark.slow
def test_a_long_history_stays_small_and_equal_things_are_stored_once(image: Micrograph, tmp_path: Path) -> None:
    one = saved_image(image, n=2000, steps=0)
    table, steps = one.state.table, list(one.steps)
    for at in range(200):
        table = table.annotate([at], "Pt19")
        steps.append(HistoryStep(f"Label {at}", replace(one.state, table=table)))
    short = save_project(Project((one,)), tmp_path / "short.atomicity").stat().st_size
    long = save_project(
        Project((SavedImage("a", tuple(steps), 201), SavedImage("b", tuple(steps), 0))), tmp_path / "long.atomicity"
    )
    assert long.stat().st_size < 7 * short
    same_table(opened(long).images[0].state.table, table)


# ---------------------------------------------------------------------- models and counts


@pytest.fixture(scope="module")
def counted(repository: Path) -> Any:
    """A sample, analysed with an adaptation, as the window holds it: with something in every field."""
    from napari_atomicity.counting.holdout import Judgement
    from napari_atomicity.io import read

    micrograph = read(repository / "sample_data" / "sample_mixed.tif")
    with pytest.MonkeyPatch.context() as patch:  # whether the model gets better does not matter here
        patch.setattr(adapt, "_verdict", lambda *_: ("Tuned", True))
        state = analyse(micrograph)
    assert state.applied is not None
    judged = replace(state.applied.adaptation, judgement=Judgement(20, 5, 3, 4, 2, 1))
    assert state.applied.after is state.count
    count = replace(state.count, known={0: PriorKnowledge(4.0, 0.0, (19, 55), (0.5, 0.5))})
    state = replace(
        state,
        count=count,
        search_messages=("odd", "ä → β"),
        adaptation=replace(state.applied, adaptation=judged, after=count),
        profile=PROFILE,
        counted_with=("a", "b"),
        choices={0: "Pt30"},
        movie=followed(),
    )
    first = ImageState(micrograph, ClusterTable.empty(), when=float("nan"))
    ids = tuple(reversed(state.table.ids.tolist()))
    queue = Queue("random", ids, dict.fromkeys(ids, "Pt19") | {ids[0]: ""}, frozenset(ids[3:5]))
    review = ReviewRound("intensity", queue, ids[2], 4, unreviewed=False, go_on=False)
    history = (HistoryStep("Open", first), HistoryStep("Analyse", state))
    return SavedImage("sample", history, 1, OPTIONS, frozenset({2}), review=review)


def test_every_field_of_every_kept_object_comes_back(counted: SavedImage, tmp_path: Path) -> None:
    """Found by reflection: a field that is added and not kept makes this fail."""
    new = ImageState(counted.state.micrograph)
    empty = [
        f.name for f in fields(ImageState) if not differences(getattr(new, f.name), getattr(counted.state, f.name))
    ]
    assert empty == ["micrograph"], "put something into the new fields of the example"
    for mine in (OPTIONS.settings, counted.state.count.known[0], counted.review):
        assert not [f.name for f in fields(mine) if getattr(mine, f.name) == getattr(type(mine)(), f.name)]
    (again,) = opened(save_project(Project((counted,)), tmp_path / "all")).images
    assert differences(counted, again) == []


def test_what_steps_share_is_shared_again(counted: SavedImage, tmp_path: Path) -> None:
    from napari_atomicity.counting.predictions import posterior

    path = save_project(Project((counted,)), tmp_path / "counted")
    was, now = counted.state, opened(path).images[0].state
    assert weights_sha256(replace(now.bundle, network=now.bundle.shipped)) == weights_sha256(was.adaptation.base)
    assert now.bundle is now.adaptation.adaptation.bundle and now.count is now.adaptation.after
    assert now.count.evidence.scale_network is not None
    fit, again = was.count.calibration, now.count.calibration
    mine, theirs = posterior(was.count.evidence, fit), posterior(now.count.evidence, again)
    assert np.array_equal(mine.probabilities, theirs.probabilities, equal_nan=True)


def test_adapting_often_stores_only_the_weights_that_moved(counted: SavedImage, tmp_path: Path) -> None:
    import copy

    state = counted.state
    steps = list(counted.steps)
    for at in range(5):
        network = copy.deepcopy(state.bundle.network)
        next(iter(network.state_dict().values())).add_(0.01 * (at + 1))
        steps.append(HistoryStep(f"Adapt {at}", replace(state, bundle=replace(state.bundle, network=network))))
    once = save_project(Project((counted,)), tmp_path / "once").stat().st_size
    often = save_project(Project((SavedImage("sample", tuple(steps), 6),)), tmp_path / "often")
    assert often.stat().st_size < 1.2 * once
    again = opened(often).images[0]
    for a, b in zip(steps, again.steps, strict=True):
        if a.state.bundle is not None:
            assert weights_sha256(a.state.bundle) == weights_sha256(b.state.bundle)


def test_a_users_own_model_travels_along(image: Micrograph, model_path: Path, tmp_path: Path) -> None:
    bundle = load_bundle(model_path)
    state = ImageState(image, table_of(5), bundle=bundle)
    path = save_project(Project((SavedImage("a", (HistoryStep("Open", state),), 0),)), tmp_path / "own")
    again: Bundle = opened(path).images[0].state.bundle
    assert again.card == bundle.card and weights_sha256(again) == weights_sha256(bundle)


# ---------------------------------------------------------------------- for people and other programs


def test_the_file_can_be_read_without_the_program(image: Micrograph, tmp_path: Path) -> None:
    one = saved_image(image, steps=3)
    path = save_project(Project((one,)), tmp_path / "plain")
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        names = file.namelist()
        contents = json.loads(file.read("session.json"))
        (clusters,) = [name for name in names if name.startswith("clusters/")]
        rows = list(csv.DictReader(StringIO(file.read(clusters).decode())))
        assert clusters in file.read("README.txt").decode()
        for name in names:
            assert name.endswith((".json", ".csv", ".npy", ".safetensors", ".txt"))
            assert not file.read(name).startswith(b"\x80")  # how pickles begin
    assert [float(row["y_px"]) for row in rows] == one.state.table.rows["y_px"].tolist()
    assert contents["format"] == FORMAT and contents["images"][0]["history"][0]["name"] == "Open"


def test_info_says_in_words_what_a_project_holds(
    counted: SavedImage, image: Micrograph, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save_project(Project((counted, saved_image(image, steps=4, now=3))), tmp_path / "told.atomicity")
    assert main(["info", str(path)]) == 0
    text = capsys.readouterr().out
    assert text.strip() == describe(path)
    assert "project of 2 images" in text and "(2 undone)" in text and "dual (comes with the program)" in text
    assert "sample_mixed.tif, sha256" in text and "the last one in force: Analyse" in text
    path.write_bytes(b"PK")
    assert main(["info", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "damaged" in error
