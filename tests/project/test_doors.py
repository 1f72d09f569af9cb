"""Projects from anybody: nothing is read further than it may be, nowhere else than allowed, and never for long."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tifffile import imwrite

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.document.review import ReviewRound
from napari_atomicity.errors import InputError
from napari_atomicity.io import read
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline import ImageState, Settings
from napari_atomicity.progress import drain
from napari_atomicity.project import (
    FORMAT,
    HistoryStep,
    Project,
    SavedImage,
    blobs,
    describe,
    open_steps,
    save_project,
)
from napari_atomicity.project.arrays import array_of
from napari_atomicity.project.blobs import CONTENTS, FolderReader, FolderWriter
from napari_atomicity.project.encode import Encoder
from napari_atomicity.project.pixels import Blank
from napari_atomicity.project.places import Places, reaches_out
from napari_atomicity.project.records import as_json

from .saved_images import saved_image
from .test_opening import changed_json, refused


@pytest.fixture
def saved(image: Micrograph, tmp_path: Path) -> Path:
    return save_project(Project((saved_image(image),)), tmp_path / "saved.atomicity")


@pytest.fixture
def mail(image: Micrograph, tmp_path: Path) -> Path:
    """A project in another folder than its image."""
    (tmp_path / "post").mkdir()
    return save_project(Project((saved_image(image),)), tmp_path / "post" / "mail.atomicity")


# ---------------------------------------------------------------------- what it may say


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c["images"][0].update(now=-1), r"images\.0\.now is -1; it must be a whole number, 0 or more"),
        (lambda c: c["images"][0].update(now="1"), r"images\.0\.now is '1'"),
        (lambda c: c["images"][0].update(history=[]), r"images\.0\.history is \[\]; it must be at least 1 long"),
        (lambda c: c["images"][0].update(selection=[10**30]), r"selection.* must be"),
        (
            lambda c: c["images"][0]["options"].update(expected={"19": "all"}),
            "expected.19 is 'all'; it must be a number",
        ),
        (lambda c: c["images"][0]["options"]["settings"].update(sensitivity=7), "sensitivity is 7.*from 0 to 1"),
        (lambda c: c["micrographs"]["micrograph1"].update(metadata=[1]), r"metadata is \[1\]; it must be keys"),
        (lambda c: c["micrographs"]["micrograph1"].update(metadata=None), "metadata is None; it must be keys"),
        (lambda c: c["micrographs"]["micrograph1"].update(metadata={"a": 10**40}), "numbers below"),
        (lambda c: c["micrographs"]["micrograph1"].update(pixel_size_nm=-1), "a number above 0"),
        (lambda c: c["pixels"]["pixel1"].update(shape=[5]), r"shape is \[5\]; it must be at least 2 long"),
        (lambda c: c["tables"]["table1"].update(rows="tables/" + 20 * "0" + ".npy"), "do not trust the file"),
        (lambda c: c["tables"]["table2"].update(removed={"keep": 0, "more": []}), "does not fit together"),
        (lambda c: c.update(states=[]), r"states is \[\]; it must be keys with values"),
        (lambda c: c.update(images={}), "images is .*; it must be a list"),
    ],
)
def test_a_value_that_cannot_be_is_named(saved: Path, change: Callable[[dict[str, Any]], Any], words: str) -> None:
    changed_json(saved, change)
    refused(saved, words)


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"kind":' * 5000, b"9" * 5000, b"", b"\xff\xfe", b"null", b"[]"])
def test_a_table_of_contents_that_would_not_end(saved: Path, content: bytes) -> None:
    with zipfile.ZipFile(saved, "w") as file:
        file.writestr(CONTENTS, content)
    refused(saved, "not readable JSON|is no project")


def test_metadata_that_is_infinite_or_odd_is_kept_as_far_as_json_goes(image: Micrograph, tmp_path: Path) -> None:
    odd = replace(image, metadata={"dose": np.inf, "note": "a\udcffb", "list": [None, np.nan]}, name="n\udcff")
    (one,) = drain(open_steps(save_project(Project((saved_image(odd),)), tmp_path / "odd"))).images
    assert one.state.micrograph.metadata == {"dose": None, "note": "a?b", "list": [None, None]}


@pytest.mark.parametrize(
    "view",
    [
        {"image": 3, "clusters": []},
        {"image": {"opacity": 1e300, "gamma": "x", "contrast_limits": [None]}},
        {"image": {"place": {"mirrored": 1, "translate": "x"}}},
        {"center": [], "zoom": -1, "step": "x"},
    ],
)
def test_how_it_was_shown_is_no_reason_to_fail(saved: Path, view: dict[str, Any]) -> None:
    changed_json(saved, lambda contents: contents["images"][0].update(view=view) or contents.update(view=view))
    assert len(drain(open_steps(saved)).images) == 1


@pytest.mark.parametrize(
    ("review", "said"),
    [
        (None, False),
        ({}, False),
        ({"at": 3}, True),
        ({"queue": {"order": "listed", "ids": [1, 2], "predicted": {"1": ""}}}, True),
        ({"queue": {"order": "listed", "ids": [1, 1], "predicted": {"1": ""}}}, True),
        ({"queue": {"order": "listed", "ids": [1], "predicted": {"1": ""}}, "reached": 2}, True),
    ],
)
def test_a_review_that_is_missing_or_odd_costs_nothing_else(
    saved: Path, review: dict[str, Any] | None, said: bool
) -> None:
    changed_json(
        saved, lambda c: c["images"][0].update(review=review) if review is not None else c["images"][0].pop("review")
    )
    project = drain(open_steps(saved))
    assert project.images[0].review == ReviewRound() and len(project.images[0].steps) == 7
    assert any("start it again" in remark for remark in project.remarks) == said


# ---------------------------------------------------------------------- what it may hold


def test_a_part_that_claims_more_than_a_part_can_hold_is_not_unpacked(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(blobs._MOST, "csv", 1000)
    refused(saved, "claims to hold too much in tables/")


def test_all_that_is_unpacked_is_bounded(image: Micrograph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_project(Project((saved_image(image, n=2000),)), tmp_path / "large.atomicity")
    monkeypatch.setattr(blobs, "_MOST_IN_ALL", 100_000)
    monkeypatch.setattr(blobs, "_TIMES", 0)
    refused(path, "claims to hold too much")


def test_a_table_of_contents_of_a_gigabyte_of_blanks_is_not_unpacked(saved: Path) -> None:
    with zipfile.ZipFile(saved, "a", zipfile.ZIP_DEFLATED) as file, file.open("clusters/x.csv", "w") as part:
        part.write(b" " * 2**20)
    content = saved.read_bytes()
    # the directory at the end claims two gigabytes for it
    at = content.rfind(CONTENTS.encode(), 0, content.rfind(b"PK\x05\x06"))
    claimed = content[: at - 22] + (2**31).to_bytes(4, "little") + content[at - 18 :]
    saved.write_bytes(claimed)
    refused(saved, "claims to hold too much in session.json")


def test_a_directory_of_more_entries_than_any_project_has(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs, "_MOST_ENTRIES", 3)
    refused(saved, "far more parts than a project needs")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressors_are_not_started(saved: Path, method: int) -> None:
    with zipfile.ZipFile(saved) as file:
        names = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(saved, "w", method) as file:
        for name, content in names.items():
            file.writestr(name, content)
    refused(saved, "packed in a way that no project is")


def _array(content: bytes, folder: Path) -> tuple[FolderReader, str]:
    name = f"evidence/{hashlib.sha256(content).hexdigest()[:20]}.npy"
    (folder / "evidence").mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    return FolderReader(folder), name


def _npy(header: str) -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + b"\0" * 64


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (100000000000,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 5), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (8,), }",
        "{'descr': '<U16', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<c16', 'fortran_order': False, 'shape': (4,), }",
        "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (8,), }",
        "{'descr': '<f8', 'fortran_order': 1, 'shape': (8,), }",
        "(" * 300,
        "-" * 5000 + "1",
        "",
    ],
)
def test_an_array_is_what_its_header_says_or_refused(tmp_path: Path, header: str) -> None:
    with pytest.raises(InputError, match="not an array of numbers"):
        array_of(*_array(_npy(header), tmp_path))


def test_arrays_of_every_order_come_back(tmp_path: Path) -> None:
    values = np.arange(24, dtype=np.float64).reshape(2, 3, 4)
    for each in (values, np.asfortranarray(values), values.astype(">f4"), values[:0], values > 3, values.astype("u1")):
        file = BytesIO()
        np.save(file, each)
        again = array_of(*_array(file.getvalue(), tmp_path))
        assert np.array_equal(again, each) and again.dtype.isnative and again.shape == each.shape
        assert again.flags.writeable


def test_pixels_of_another_size_than_the_project_says(drawn: Micrograph, tmp_path: Path) -> None:
    path = save_project(Project((saved_image(drawn),)), tmp_path / "drawn.atomicity")
    changed_json(path, lambda contents: contents["pixels"]["pixel1"].update(shape=[3, 20, 31]))
    with pytest.raises(InputError, match="pixels of drawn"):
        drain(open_steps(path))


@pytest.mark.parametrize("rows", ["," * 5000 + "\n", "id\n" + "," * 9_000_000, 'id\n"' + "a" * 200_000, "id\n1\n1,2\n"])
def test_tables_that_are_far_too_large_or_none(image: Micrograph, tmp_path: Path, rows: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    sink = FolderWriter(folder)
    contents, _ = Encoder(sink).contents(Project((saved_image(image),)))
    contents["tables"]["table2"]["rows"] = sink.put("tables", rows.encode(), ".csv")
    (folder / CONTENTS).write_text(as_json(contents), encoding="utf-8")
    with pytest.raises(InputError, match=r"far larger|does not fit together"):
        drain(open_steps(folder, allowed=[tmp_path]))


def test_a_history_beyond_memory_leaves_its_oldest_steps_behind(
    image: Micrograph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_atomicity.project import decode

    one = saved_image(image, n=200, steps=40)
    path = save_project(Project((one,)), tmp_path / "long.atomicity")
    monkeypatch.setattr(decode, "_MOST_TABLES", 200_000)
    project = drain(open_steps(path))
    (again,) = project.images
    assert again.state.table.rows.equals(one.state.table.rows) and again.steps[-1].name == one.steps[-1].name
    assert 1 < len(again.steps) < len(one.steps) and "are left out" in project.remarks[0]
    for mine, theirs in zip(reversed(again.steps), reversed(one.steps), strict=False):
        assert mine.state.table.rows.equals(theirs.state.table.rows)
    monkeypatch.setattr(decode, "_MOST_TABLES", 1000)
    assert len(drain(open_steps(path)).images[0].steps) == 1


# ---------------------------------------------------------------------- frames of a stack


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    path = tmp_path / "stack.tif"
    imwrite(path, np.random.default_rng(0).normal(10, 1, (5, 30, 40)).astype(np.float32))
    return path


def counted(path: Path, frames: list[int], home: Path) -> Path:
    """A project with a cluster in each of some frames."""
    micrograph = read(path).with_pixel_size(0.05)
    n = len(frames)
    table = ClusterTable.from_columns({"frame": frames, "y_px": [5.0] * n, "x_px": [6.0] * n})
    state = ImageState(micrograph, table)
    return save_project(Project((SavedImage("stack", (HistoryStep("Open", state),), 0),)), home / "stack.atomicity")


def with_frame(path: Path, at: int) -> None:
    data = np.asarray(read(path).data).copy()
    data[at, 3, 3] += 1
    imwrite(path, data)


@pytest.mark.parametrize("at", [1, 3])
def test_a_stack_with_another_counted_frame_has_changed(stack: Path, tmp_path: Path, at: int) -> None:
    path = counted(stack, [0, 1, 3], tmp_path)
    with_frame(stack, at)
    (question,) = drain(open_steps(path)).unclear
    assert f"the pixels of frame {at} are not those" in question.why and question.path == stack
    (one,) = drain(open_steps(path, answers={question.key: stack})).images
    assert one.changed


def test_a_stack_with_another_frame_that_nobody_counted_is_the_same(stack: Path, tmp_path: Path) -> None:
    path = counted(stack, [0, 1, 3], tmp_path)
    with_frame(stack, 4)
    (one,) = drain(open_steps(path)).images
    assert not one.changed


def test_an_open_stack_that_begins_alike_is_another_one(stack: Path, tmp_path: Path) -> None:
    path = counted(stack, [0, 3], tmp_path)
    other = np.asarray(read(stack).data).copy()
    other[3] += 1
    project = drain(open_steps(path, have=[Micrograph(other, 0.05)]))
    assert project.images[0].match is None and project.images[0].state.micrograph.provenance.path == stack
    project = drain(open_steps(path, have=[Micrograph(other - 0, 0.05), read(stack)]))
    assert project.images[0].match == 1


def test_what_an_older_project_cannot_know_of_a_stack_is_asked(stack: Path, tmp_path: Path) -> None:
    path = counted(stack, [0, 1], tmp_path)
    changed_json(path, lambda contents: contents["images"][0].pop("frames_sha256"))
    assert not drain(open_steps(path)).images[0].changed
    with_frame(stack, 4)
    (question,) = drain(open_steps(path)).unclear
    assert "cannot be seen" in question.why


def test_a_stack_whose_file_changed_while_it_was_open_is_saved_with_its_labels(stack: Path, tmp_path: Path) -> None:
    micrograph = read(stack).with_pixel_size(0.05)
    with_frame(stack, 2)
    os.utime(stack, ns=(1, 1))
    path = save_project(Project((saved_image(micrograph),)), tmp_path / "lost.atomicity")
    (question,) = drain(open_steps(path)).unclear
    assert "changed since" in question.why
    (one,) = drain(open_steps(path, answers={question.key: stack})).images
    assert one.state.table.rows["annotation"].ne("").any()


# ---------------------------------------------------------------------- where it may look


@pytest.mark.parametrize(
    ("path", "far"),
    [
        (r"\\server\share\x.tif", True),
        ("//server/share/x.tif", True),
        (r"\\?\UNC\server\x.tif", True),
        (r"\\.\pipe\x", True),
        ("/\\server/x.tif", True),
        ("http://server/x.tif", True),
        ("file://server/x.tif", True),
        ("smb:x", True),
        ("/net/server/x.tif", True),
        ("/dev/zero", True),
        ("/proc/self/environ", True),
        ("C:\\data\\x.tif", False),
        ("/data/x.tif", False),
        ("/network/x.tif", False),
        ("x.tif", False),
    ],
)
def test_names_that_reach_another_machine_are_known_by_their_look(path: str, far: bool) -> None:
    assert reaches_out(path) is far


def test_an_image_elsewhere_is_read_when_its_folder_is_allowed(mail: Path, image: Micrograph) -> None:
    path = image.provenance.path
    assert path is not None
    (question,) = drain(open_steps(mail)).unclear
    assert question.outside == (path,) and str(path) in question.why and "outside of its own folder" in question.why
    (one,) = drain(open_steps(mail, allowed=[path.parent])).images
    assert one.state.micrograph.provenance.path == path and not one.changed
    assert "not there" not in describe(mail)


@pytest.mark.parametrize(
    "far", [r"\\server\share\small.tif", "//server/share/small.tif", "/net/server/small.tif", "http://server/small.tif"]
)
@pytest.mark.parametrize("key", ["path", "relative"])
def test_nothing_on_another_machine_is_touched_before_it_is_allowed(
    mail: Path, far: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hostile(contents: dict[str, Any]) -> None:
        contents["pixels"]["pixel1"]["file"] |= {"path": far, "relative": None} if key == "path" else {key: far}
        contents["images"][0]["options"]["settings"]["model"] = far

    changed_json(mail, hostile)
    touched: list[str] = []

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *arguments: Any, **options: Any) -> Any:
            touched.append(os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else "")
            return function(path, *arguments, **options)

        return call

    for name in ("stat", "lstat", "open", "scandir", "readlink"):
        monkeypatch.setattr(os, name, watched(name, getattr(os, name)))
    project = drain(open_steps(mail))
    describe(mail)
    monkeypatch.undo()
    assert project.unclear and not [path for path in touched if "server" in path]


def test_relative_paths_and_links_do_not_lead_out_of_the_folder(mail: Path, image: Micrograph, tmp_path: Path) -> None:
    path = image.provenance.path
    assert path is not None

    def relative(contents: dict[str, Any]) -> None:
        contents["pixels"]["pixel1"]["file"] |= {"path": "C:\\x\\small.tif", "relative": "../small.tif"}

    changed_json(mail, relative)
    assert drain(open_steps(mail)).unclear[0].outside == (path,)
    try:
        (mail.parent / "small.tif").symlink_to(path)
    except OSError:
        pytest.skip("links need rights here")
    assert drain(open_steps(mail)).unclear[0].outside


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes of that kind")
def test_a_pipe_in_the_folder_is_not_waited_for(mail: Path) -> None:
    os.mkfifo(mail.parent / "small.tif")
    changed_json(
        mail, lambda contents: contents["pixels"]["pixel1"]["file"].update(path="C:\\small.tif", relative=None)
    )
    (question,) = drain(open_steps(mail)).unclear
    assert "no longer at" in question.why


def test_clusters_and_labels_come_back_without_pixels_and_can_be_saved_again(
    mail: Path, image: Micrograph, tmp_path: Path
) -> None:
    path = image.provenance.path
    assert path is not None
    (question,) = drain(open_steps(mail)).unclear
    project = drain(open_steps(mail, answers={question.key: "without"}))
    (one,) = project.images
    micrograph = one.state.micrograph
    assert isinstance(micrograph, Blank) and micrograph.data.shape == image.data.shape and not one.changed
    assert "were not read" in micrograph.refusal and micrograph.provenance.path is None
    assert one.state.table.rows["annotation"].ne("").any()
    again = save_project(project, mail.with_name("again.atomicity"))
    (whole,) = drain(open_steps(again, allowed=[path.parent])).images
    assert np.array_equal(whole.state.micrograph.data, image.data) and whole.state.micrograph.refusal == ""
    assert whole.state.micrograph.provenance.path == path
    assert whole.state.table.rows.equals(one.state.table.rows)


def test_what_this_program_left_unsaved_is_trusted_but_for_what_was_refused(
    mail: Path, image: Micrograph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_atomicity.project.recovery import Recorder

    monkeypatch.setenv("NAPARI_ATOMICITY_RECOVERY", str(tmp_path / "recovery"))
    recorder = Recorder()
    recorder.record(Project((saved_image(image),)))
    assert recorder.folder is not None
    assert drain(open_steps(recorder.folder)).images
    (question,) = drain(open_steps(mail)).unclear
    recorder.record(drain(open_steps(mail, answers={question.key: "without"})))
    assert drain(open_steps(recorder.folder)).unclear[0].outside
    recorder.clear()


def test_pixels_inside_a_project_do_not_bring_a_path_that_would_be_read_later(
    drawn: Micrograph, tmp_path: Path
) -> None:
    path = save_project(Project((saved_image(drawn),)), tmp_path / "drawn.atomicity")
    changed_json(path, lambda contents: contents["micrographs"]["micrograph1"].update(path="/etc/passwd"))
    (one,) = drain(open_steps(path)).images
    assert one.state.micrograph.provenance.path is None


def test_a_model_on_another_machine_is_not_chosen(saved: Path) -> None:
    changed_json(
        saved,
        lambda contents: contents["images"][0]["options"]["settings"].update(model="//server/share/m.safetensors"),
    )
    project = drain(open_steps(saved))
    assert project.images[0].options.settings == Settings() and "another machine" in project.remarks[0]


def test_folders_that_are_allowed_are_those_and_what_lies_in_them(tmp_path: Path) -> None:
    places = Places(tmp_path / "home", [tmp_path / "data", Path("//server/share")])
    for path in ("home/x.tif", "home/sub/x.tif", "data/x.tif", "data/deep/x.tif"):
        assert places.may_look(tmp_path / path)
    for path in ("x.tif", "data2/x.tif", "home/../x.tif"):
        assert not places.may_look(tmp_path / path)
    assert places.may_look(Path("//server/share/x.tif")) and not places.may_look(Path("//server/other/x.tif"))


def test_json_of_a_project_is_read_by_every_program(saved: Path) -> None:
    with zipfile.ZipFile(saved) as file:
        assert json.loads(file.read(CONTENTS))["format"] == FORMAT
