"""Images that moved or changed, files that are damaged, older and newer versions: one sentence, nothing lost."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_atomicity.document.options import ImageOptions
from napari_atomicity.errors import InputError
from napari_atomicity.io import read
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline import Settings
from napari_atomicity.progress import drain
from napari_atomicity.project import Project, files, open_steps, pixels, save_project
from napari_atomicity.project.blobs import CONTENTS, FolderWriter
from napari_atomicity.project.encode import Encoder
from napari_atomicity.project.models import AbsentNetwork
from napari_atomicity.project.records import as_json

from .saved_images import saved_image

HERE = Path(__file__).parent


@pytest.fixture
def saved(image: Micrograph, tmp_path: Path) -> Path:
    return save_project(Project((saved_image(image),)), tmp_path / "saved.atomicity")


def changed_json(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """The same project with another table of contents."""
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    contents = json.loads(parts[CONTENTS])
    change(contents)
    parts[CONTENTS] = json.dumps(contents).encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in parts.items():
            file.writestr(name, content)


# ---------------------------------------------------------------------- images


def test_an_image_is_found_where_it_was_beside_the_project_or_in_its_folder(
    saved: Path, image: Micrograph, tmp_path: Path
) -> None:
    path = image.provenance.path
    assert path is not None
    for places in (("small.tif",), ("sub/small.tif", "sub/saved.atomicity")):
        for place in places:
            target = tmp_path / "moved" / place
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path if place.endswith("tif") else saved, target)
    shutil.copy(saved, tmp_path / "moved" / "saved.atomicity")
    path.unlink()
    for place in ("moved/saved.atomicity", "moved/sub/saved.atomicity"):
        project = drain(open_steps(tmp_path / place))
        assert not project.unclear
        assert project.images[0].state.micrograph.provenance.path.parent == (tmp_path / place).parent.absolute()


def test_the_same_pixels_in_another_file_are_the_same_image(saved: Path, image: Micrograph) -> None:
    from tifffile import imwrite

    imwrite(image.provenance.path, image.data, description="written anew")
    (one,) = drain(open_steps(saved)).images
    assert not one.changed


def test_a_changed_image_is_a_question(saved: Path, image: Micrograph) -> None:
    from tifffile import imwrite

    path = image.provenance.path
    assert path is not None
    imwrite(path, image.data[::-1])
    project = drain(open_steps(saved))
    (question,) = project.unclear
    assert project.images == () and question.path == path and "changed since" in question.why
    (one,) = drain(open_steps(saved, answers={question.key: path})).images
    assert one.changed and np.array_equal(one.state.micrograph.frame(0), image.data[::-1])
    assert drain(open_steps(saved, answers={question.key: None})).images == ()


def test_a_missing_image_is_a_question_and_open_ones_are_recognised(saved: Path, image: Micrograph) -> None:
    path = image.provenance.path
    assert path is not None
    there = read(path).with_pixel_size(0.07)
    path.rename(path.with_name("other.tif"))
    (question,) = drain(open_steps(saved)).unclear
    assert question.path is None and "say where it is now" in question.why
    (one,) = drain(open_steps(saved, answers={question.key: path.with_name("other.tif")})).images
    assert not one.changed
    (one,) = drain(open_steps(saved, have=[Micrograph(np.zeros((4, 4))), there])).images
    assert one.match == 1 and one.state.micrograph.data is there.data
    assert one.state.micrograph.pixel_size_nm == 0.05


def test_pixels_that_are_no_longer_in_the_file_travel_along(image: Micrograph, tmp_path: Path) -> None:
    from tifffile import imwrite

    imwrite(image.provenance.path, image.data * 2)  # overwritten while it was open
    path = save_project(Project((saved_image(image),)), tmp_path / "along")
    (one,) = drain(open_steps(path)).images
    assert np.array_equal(one.state.micrograph.data, image.data)


def test_an_image_that_is_too_large_to_travel_is_asked_for(
    drawn: Micrograph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixels, "MOST_STORED_BYTES", 100)
    path = save_project(Project((saved_image(drawn),)), tmp_path / "large")
    (question,) = drain(open_steps(path)).unclear
    assert "too large to travel" in question.why


def test_samples_are_found_on_every_machine(repository: Path, tmp_path: Path) -> None:
    sample = read(repository / "sample_data" / "sample_pt19.tif")
    path = save_project(Project((saved_image(sample),)), tmp_path / "sample")

    def elsewhere(contents: dict[str, Any]) -> None:
        (facts,) = contents["pixels"].values()
        facts["file"] |= {"path": "C:\\Users\\somebody\\sample_pt19.tif", "relative": "../nowhere/sample_pt19.tif"}

    changed_json(path, elsewhere)
    (one,) = drain(open_steps(path)).images
    assert np.array_equal(one.state.micrograph.frame(0), sample.frame(0))


# ---------------------------------------------------------------------- damage


def refused(path: Path, words: str) -> None:
    """One sentence that names the file."""
    with pytest.raises(InputError, match=words) as caught:
        drain(open_steps(path))
    text = str(caught.value)
    assert path.name in text and "\n" not in text and text.count(". ") == 0


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_short(saved: Path, part: float) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(len(content) * part)])
    refused(saved, "is damaged")


def test_a_bit_that_flipped_anywhere_is_noticed_or_harmless(saved: Path) -> None:
    content = saved.read_bytes()
    whole = drain(open_steps(saved)).images[0].state.table.rows
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(content), 60):
        broken = bytearray(content)
        broken[at] ^= 1 << int(rng.integers(8))
        saved.write_bytes(broken)
        try:
            project = drain(open_steps(saved))
        except InputError as error:
            assert "\n" not in str(error)
        else:
            assert project.images[0].state.table.rows.equals(whole)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda contents: contents.update(format=99, software="napari-atomicity 9.0"), "newer version"),
        (lambda contents: contents.update(format=0), "unknown format"),
        (lambda contents: contents.update(kind="something else"), "is no project"),
        (lambda contents: contents["images"][0].update(now=99), "does not fit together"),
        (lambda contents: contents.pop("states"), "does not fit together"),
        (lambda contents: contents["tables"]["table1"].update(rows="../../etc/passwd"), "do not trust the file"),
        (lambda contents: contents["tables"]["table1"].update(rows="tables/" + 20 * "0" + ".csv"), "cannot be read"),
        (lambda contents: contents["tables"]["table2"].update(based_on="table2"), "does not fit together"),
    ],
    ids=["newer", "unknown", "other", "step", "states", "outside", "missing", "circle"],
)
def test_a_table_of_contents_that_is_wrong(saved: Path, change: Callable[[dict[str, Any]], Any], words: str) -> None:
    changed_json(saved, change)
    refused(saved, words)


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil", "C:\\evil", "a/../../b"])
def test_a_zip_that_leads_outside_of_itself(saved: Path, name: str) -> None:
    with zipfile.ZipFile(saved, "a") as file:
        file.writestr(name, "evil")
    refused(saved, "outside of itself")


def test_other_files(tmp_path: Path) -> None:
    path = tmp_path / "x.atomicity"
    path.write_bytes(b"")
    refused(path, "is empty")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("other.txt", "x")
    refused(path, "is no project")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(CONTENTS, "[1, 2")
    refused(path, "not readable JSON")


def test_a_damaged_part_that_the_labels_do_not_need_costs_only_what_rests_on_it(
    image: Micrograph, model_path: Path, tmp_path: Path
) -> None:
    from dataclasses import replace

    from napari_atomicity.counting.bundle import load_bundle

    one = saved_image(image)
    last = replace(one.steps[-1], state=replace(one.state, bundle=load_bundle(model_path)))
    one = replace(one, steps=(*one.steps[:-1], last))
    folder = tmp_path / "folder"
    folder.mkdir()
    contents, _ = Encoder(FolderWriter(folder)).contents(Project((one,)))
    (folder / CONTENTS).write_text(as_json(contents), encoding="utf-8")
    (weights,) = (folder / "models").iterdir()
    weights.write_bytes(weights.read_bytes()[:-1])
    project = drain(open_steps(folder))
    assert project.images[0].state.table.rows.equals(one.state.table.rows) and isinstance(
        project.images[0].state.bundle.network, AbsentNetwork
    )
    assert "is damaged" in project.remarks[0] and "labels and ratios are as they were" in project.remarks[0]


# ---------------------------------------------------------------------- versions and writing


def test_a_project_of_the_first_version_opens_for_ever() -> None:
    (one,) = drain(open_steps(HERE / "data" / "version1.atomicity")).images
    rows = one.state.table.rows
    assert [step.name for step in one.steps] == ["Open", "Find clusters", *(f"Step {at}" for at in range(9))]
    assert (one.now, len(rows), one.state.table.class_sizes) == (9, 12, (19, 30))
    assert rows["annotation"].tolist().count("Pt4") == 1 and len(one.state.table.removed) == 2
    assert one.state.micrograph.pixel_size_nm == 0.1 and one.state.micrograph.data.shape == (3, 20, 30)
    assert "(format 1)" in files.describe(HERE / "data" / "version1.atomicity")


def test_a_counted_project_of_the_first_version_says_in_its_steps_what_the_image_said() -> None:
    (one,) = drain(open_steps(HERE / "data" / "version1_counted.atomicity")).images
    opened, found, counted, labelled = (step.state for step in one.steps)
    assert (opened.searched, found.searched, counted.searched, labelled.searched) == (False, True, True, True)
    # what was odd was known of the image alone, so it belongs to the step in force
    assert labelled.search_messages == ("odd search",) and labelled.micrograph.warnings == ("read by hand",)
    assert np.isnan(opened.when) and labelled.when - counted.when == 60
    assert one.options == ImageOptions(Settings(sensitivity=0.4), None, True, {19: 1.0, 55: 3.0}, True)
    assert (counted.counted_with, counted.choices) == (("piece of a sample", "another"), {0: "Pt55"})
    assert counted.settings == Settings(deposited=(19, 55)) and counted.model_in_force.card.name == "dual"
    assert counted.count is counted.offered and counted.count is not None
    assert counted.count.calibrations[0].intensity_per_atom == pytest.approx(39.0948)
    assert counted.adaptation is not None and not counted.adaptation.accepted
    assert counted.adaptation.reason == "The model stays as it was: too few anchors."
    # which of a person's labels are held back depends on the image's name
    assert counted.count.image == "piece of a sample#0"
    assert labelled.table.rows["annotation"].tolist().count("Pt30") == 1


def test_older_formats_are_brought_up_to_date(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def to_first(contents: dict[str, Any]) -> dict[str, Any]:
        return {**contents, "format": files.FORMAT, "images": contents["documents"]}

    def older(contents: dict[str, Any]) -> None:
        contents["format"] = 0
        contents["documents"] = contents.pop("images")

    changed_json(saved, older)
    monkeypatch.setitem(files.UPGRADES, 0, to_first)
    assert len(drain(open_steps(saved)).images) == 1


def test_what_a_later_version_adds_is_passed_over(saved: Path) -> None:
    def more(contents: dict[str, Any]) -> None:
        contents["something"] = {"new": 1}
        contents["images"][0]["options"]["settings"]["new"] = 3
        contents["images"][0]["history"][0]["who"] = "me"

    changed_json(saved, more)
    assert len(drain(open_steps(saved)).images) == 1


def test_a_folder_without_rights_and_a_full_disk_keep_the_old_file(
    saved: Path, image: Micrograph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()
    with pytest.raises(InputError, match="could not be written"):
        save_project(Project((saved_image(image),)), tmp_path / "nowhere" / "x.atomicity")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(InputError, match="No space left"):
        save_project(Project((saved_image(image, steps=9),)), saved)
    assert saved.read_bytes() == before and not list(tmp_path.glob(".*"))
