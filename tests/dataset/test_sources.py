"""Which images a batch is about."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from napari_atomicity.dataset.opening import opened
from napari_atomicity.dataset.sources import items_of
from napari_atomicity.errors import InputError


def names(items):
    return [item.name for item in items]


def test_folders_patterns_and_files_give_each_image_once_in_the_order_of_their_paths(night):
    everything = items_of([night])
    assert names(everything) == ["frame0.tif", "frame1.tif", "frame2.tif"] * 2
    again = items_of([night / "grid1" / "frame0.tif", night / "grid*" / "*.tif", night])
    assert again == everything


def test_hidden_files_others_and_datasets_in_the_folder_are_no_images(night, tmp_path):
    (tmp_path / "a.tif").write_bytes((night / "grid0" / "frame0.tif").read_bytes())
    for name in (".hidden.tif", "notes.txt", "earlier/b.tif", "earlier/dataset.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    for name in ("a.clusters.png", "a.raw.heatmap.tif"):  # made of the image, beside it
        (tmp_path / name).write_bytes(b"x")
    assert names(items_of([tmp_path])) == names(items_of(sorted(tmp_path.glob("a.*")))) == ["a.tif"]
    with pytest.raises(InputError, match="the micrographs that the figures were made of"):
        items_of([tmp_path / "a.clusters.png"])


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_list_gives_pixel_size_session_and_what_was_deposited(night, tmp_path, ending):
    rows = {
        "Path": [str(night / "grid0" / f"frame{i}.tif") for i in range(3)],
        "pixel_size_nm": ["0.05", "", "0.06"],
        "deposited": ["19, 55", "", ""],
        "evening": ["Monday", "Monday", "Tuesday"],
    }
    path = tmp_path / f"list.{ending}"
    frame = pd.DataFrame(rows)
    frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path)
    items = items_of([path], "evening")
    assert [item.session for item in items] == ["Monday", "Monday", "Tuesday"]
    assert [item.pixel_size_nm for item in items] == [0.05, None, 0.06]
    assert items[0].deposited == "19, 55"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("name\nx.tif\n", "no column path"),
        ("path,pixel_size_nm\nx.tif,wide\n", "row 2: a pixel size of 'wide'"),
        ("path,deposited\nx.tif,many\n", "does not say what was deposited"),
        ("path\n", "holds no image"),
        ("path,pixel_size_nm\n,0.05\n", "row 2, names no file"),
        ("path\na\0b.tif\n", "is no name of a file"),
        ("path,pixel_size_nm\nx.tif,0.05,Monday\n", "rows of different lengths"),
        (
            "path,pixel_size_nm\nx.tif,0.05\ny.tif\nx.tif,0.06\n",
            "row 4, names x.tif once more, with another pixel size",
        ),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_in_one_sentence(tmp_path, content, words):
    path = tmp_path / "list.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=words):
        items_of([path])


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("path", [1, 2], "row 2: '1' in the column path is no name of a file"),
        ("path", [True, False], "'True' in the column path is no name"),
        ("path", [["x.tif"], ["y.tif"]], "is no name of a file"),
        ("pixel_size_nm", [float("inf"), 0.05], "row 2: a pixel size of 'inf' is no number"),
        ("pixel_size_nm", [[0.05], [0.05]], "is no number of nm above zero"),
    ],
)
def test_columns_of_the_wrong_type_are_refused(tmp_path, column, values, words):
    frame = pd.DataFrame({"path": ["x.tif", "y.tif"]} | {column: values})
    frame.to_parquet(tmp_path / "list.parquet")
    with pytest.raises(InputError, match=words):
        items_of([tmp_path / "list.parquet"])


def test_numbers_in_a_list_with_gaps_are_read_as_they_are_meant(tmp_path):
    frame = pd.DataFrame({"path": ["x.tif", "y.tif"], "deposited": [55.0, None], "day": [3.0, 3.0]})
    frame.to_parquet(tmp_path / "list.parquet")
    items = items_of([tmp_path / "list.parquet"], "day")
    assert [(item.deposited, item.session) for item in items] == [("55", "3"), ("", "3")]


def test_a_session_by_a_column_needs_a_list_with_that_column(night, tmp_path):
    with pytest.raises(InputError, match="is not a list"):
        items_of([night], "evening")
    (tmp_path / "list.csv").write_text(f"path\n{night / 'grid0' / 'frame0.tif'}\n")
    with pytest.raises(InputError, match="no column 'evening'"):
        items_of([tmp_path / "list.csv"], "evening")


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        items_of([tmp_path / "nowhere"])
    with pytest.raises(InputError, match="holds no image"):
        items_of([tmp_path])


def test_an_ome_zarr_stack_is_read_with_its_pixel_size_and_cut_into_pieces(tmp_path):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(tmp_path / "movie.zarr"), mode="w", zarr_format=2)
    frames = np.arange(120 * 8 * 8, dtype=np.uint16).reshape(120, 8, 8)
    group.create_array("0", data=frames)
    axes = [{"name": "t", "type": "time"}] + [{"name": n, "type": "space", "unit": "nanometer"} for n in "yx"]
    scale = [{"type": "scale", "scale": [1.0, 0.05, 0.05]}]
    entry = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}], "version": "0.4"}
    (tmp_path / "movie.zarr" / ".zattrs").write_text(json.dumps({"multiscales": [entry]}))
    pieces = items_of([tmp_path], "file")
    assert [(item.first, item.stop) for item in pieces] == [(0, 50), (50, 100), (100, 120)]
    assert len({item.session for item in pieces}) == 1
    micrograph = opened(pieces[0].path)
    assert micrograph.pixel_size_nm == 0.05
    assert np.array_equal(micrograph.frame(119), frames[119].astype(np.float32))
