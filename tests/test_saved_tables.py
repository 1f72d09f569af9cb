"""Files of tables of clusters stay what they are, to the byte: other programs read them, and old ones come back.

A difference here is a new format: it needs a new number, a reader of the old one, and a line in the documentation.
"""

from __future__ import annotations

import json
from copy import copy
from pathlib import Path

import numpy as np
import pytest

from napari_atomicity import __version__
from napari_atomicity.clusters import ClusterTable
from napari_atomicity.io.tables import open_table, write_table
from napari_atomicity.project.blobs import FolderWriter
from napari_atomicity.project.records import RecordStore, as_json
from napari_atomicity.project.tables import TableIndex

HEADING = (
    "id,y_px,x_px,y_nm,x_nm,frame,diameter_nm,intensity,p_19,p_30,p_other,label,confidence,n_atoms,n_atoms_sd,"
    "annotation,flag,source\n"
)
ROWS = """\
0,1.5,2.0,0.075,0.1,0,1.0,100.5,0.75,0.25,0.0,Pt19,0.75,19.0,1.5,,ok,base
2,0.30000000000000004,40.0,,,1,,,,,,,,,,Pt55,outside,
3,7.0,8.0,,,0,,,,,,,,,,,ok,
"""
BESIDE = {
    "title": "napari-atomicity clusters",
    "software": f"napari-atomicity {__version__}",
    "units": {
        "y_px": "px",
        "x_px": "px",
        "y_nm": "nm",
        "x_nm": "nm",
        "diameter_nm": "nm",
        "intensity": "counts nm^2",
        "n_atoms": "atoms",
        "n_atoms_sd": "atoms",
    },
    "class_sizes": [19, 30],
    "next_id": 4,
    "hand_placed": [3],
    "removed": [[1.0, 5.5, 6.0]],
    "pixel_size_nm": 0.05,
}


@pytest.fixture
def table() -> ClusterTable:
    """A model saw the first cluster; a person labelled one, deleted one and added one."""
    found = ClusterTable.from_columns(
        {
            "y_px": [1.5, 5.5, 0.1 + 0.2],
            "x_px": [2.0, 6.0, 40.0],
            "y_nm": [0.075, np.nan, np.nan],
            "x_nm": [0.1, np.nan, np.nan],
            "frame": [0, 1, 1],
            "diameter_nm": [1.0, np.nan, np.nan],
            "intensity": [100.5, np.nan, np.nan],
            "p_19": [0.75, np.nan, np.nan],
            "p_30": [0.25, np.nan, np.nan],
            "label": ["Pt19", "", ""],
            "confidence": [0.75, np.nan, np.nan],
            "n_atoms": [19.0, np.nan, np.nan],
            "n_atoms_sd": [1.5, np.nan, np.nan],
            "flag": ["ok", "ok", "outside"],
            "source": ["base", "", ""],
        },
        (19, 30),
    )
    return found.annotate([2], "Pt55").drop([1]).add({"y_px": [7.0], "x_px": [8.0]})


def test_a_csv_and_the_file_beside_it(table: ClusterTable, tmp_path: Path) -> None:
    write_table(table, tmp_path / "clusters.csv", {"pixel_size_nm": 0.05})
    assert (tmp_path / "clusters.csv").read_bytes() == (HEADING + ROWS).encode()
    text = (tmp_path / "clusters.csv-metadata.json").read_text(encoding="utf-8")
    found = json.loads(text)
    assert list(found)[: len(BESIDE)] == list(BESIDE) and {name: found[name] for name in BESIDE} == BESIDE
    assert list(found["units"]) == list(BESIDE["units"])
    assert text == json.dumps(found, ensure_ascii=False, indent=1) + "\n"


def test_parquet(table: ClusterTable, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_table(table, tmp_path / "clusters.parquet", {"pixel_size_nm": 0.05})
    schema = parquet.read_schema(tmp_path / "clusters.parquet")
    kinds = {"id": "int64", "frame": "int64"} | dict.fromkeys(("label", "annotation", "flag", "source"), "string")
    assert [(one.name, str(one.type)) for one in schema] == [
        (name, kinds.get(name, "double")) for name in HEADING.strip().split(",")
    ]
    found = json.loads(schema.metadata[b"napari_atomicity"])
    assert found == {name: value for name, value in BESIDE.items() if name != "title"}


def test_the_tables_of_a_project(table: ClusterTable, tmp_path: Path) -> None:
    store, index = RecordStore(FolderWriter(tmp_path)), TableIndex()
    whole, changed = (index.record_of(store, each) for each in (table, table.annotate([3], "other")))
    assert json.loads(as_json(whole.content)) == {
        "rows": whole.parts[0],
        "based_on": None,
        "steps_after_whole": 0,
        "class_sizes": [19, 30],
        "next_id": 4,
        "hand_placed": [3],
        "removed": [[1.0, 5.5, 6.0]],
    }
    assert (tmp_path / whole.parts[0]).read_bytes() == (HEADING + ROWS).encode()
    assert json.loads(as_json(changed.content)) == {
        "rows": changed.parts[0],
        "based_on": whole.key,
        "steps_after_whole": 1,
        "gone": [],
        "class_sizes": [19, 30],
        "next_id": 4,
        "hand_placed": {"more": [], "less": []},
        "removed": {"keep": 1, "more": []},
    }
    assert (tmp_path / changed.parts[0]).read_bytes() == (HEADING + "3,7.0,8.0,,,0,,,,,,,,,,other,ok,\n").encode()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_from_before_the_probability_of_none_of_the_classes_is_ours_still(
    table: ClusterTable, tmp_path: Path, kind: str
) -> None:
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"clusters.{kind}"
    unsure = table.with_columns(p_30=np.array([0.125, np.nan, np.nan]))
    before = copy(unsure)
    object.__setattr__(before, "rows", unsure.rows.drop(columns="p_other"))
    write_table(before, path, {"pixel_size_nm": 0.05})
    read = open_table(path)
    assert read.is_as_written
    np.testing.assert_array_equal(read.table.rows["p_other"], [0.125, np.nan, np.nan])
