from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.io.tables import read_metadata, read_table, write_table
from seeds import examples

SUFFIXES = [".csv", ".parquet"]
_words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8) | st.sampled_from(
    ["", "nan", "NA", "None", "0", "Pt19", "#3", 'say "Pt"', "a,b", "two\nlines", "# x: 1", "Größe µ"]
)
_numbers = st.floats(allow_nan=True, allow_infinity=True, width=64)


@st.composite
def tables(draw: st.DrawFn) -> ClusterTable:
    n = draw(st.integers(0, 4))
    sizes = draw(st.sampled_from([(), (19, 30, 41, 55, 70), (13,)]))

    def column(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=n, max_size=n))

    made = ClusterTable.from_columns(
        {
            "id": draw(st.lists(st.integers(0, 2**40), min_size=n, max_size=n, unique=True)),
            "y_px": column(_numbers),
            "intensity": column(_numbers),
            "frame": column(st.integers(0, 9)),
            "annotation": column(_words),
            "label": column(_words),
            "flag": column(st.sampled_from(["ok", "border", "outside"])),
            **({"p_13": column(_numbers)} if sizes == (13,) else {}),
        },
        sizes,
    )
    removed = draw(st.lists(st.tuples(*[st.floats(0, 9)] * 3), max_size=2))
    hand_placed = draw(st.frozensets(st.sampled_from([int(i) for i in made.ids]))) if n else frozenset()
    return ClusterTable(
        made.rows, sizes, made.next_id + draw(st.integers(0, 5)), hand_placed, np.array(removed).reshape(-1, 3)
    )


def assert_same(first: ClusterTable, second: ClusterTable) -> None:
    pd.testing.assert_frame_equal(first.rows, second.rows, check_exact=True)
    assert first.class_sizes == second.class_sizes
    assert first.next_id == second.next_id
    assert first.hand_placed == second.hand_placed
    np.testing.assert_array_equal(first.removed, second.removed)


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(table=tables())
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read_back_exactly(tmp_path: Path, suffix: str, table: ClusterTable) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"table{suffix}"
    write_table(table, path, {"image": "a.tif"})
    assert_same(table, read_table(path))


@pytest.fixture
def table() -> ClusterTable:
    found = ClusterTable.from_columns({"y_px": [1.5, 2.0], "x_px": [3.0, 0.1 + 0.2]}, class_sizes=(19, 30))
    return found.annotate([1], "Pt30 #2").drop([0]).add({"y_px": [7.0], "x_px": [8.0]})


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_metadata_travel_with_the_table(tmp_path: Path, table: ClusterTable, suffix: str) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    facts = {
        "pixel_size_nm": np.float64(0.02),
        "model": "dual",
        "model_sha256": "0123",
        "n": 3,
        "odd": "12",
        "note": "two\nlines: and #",
        "path": Path("a.tif"),
    }
    path = tmp_path / f"table{suffix}"
    write_table(table, path, facts)
    found = read_metadata(path)
    assert found["pixel_size_nm"] == 0.02
    assert {name: found[name] for name in ("model", "model_sha256", "n", "odd", "note", "path")} == {
        **{name: facts[name] for name in ("model", "model_sha256", "n", "odd", "note")},
        "path": "a.tif",
    }
    assert found["units"]["diameter_nm"] == "nm"
    assert found["software"].startswith("napari-atomicity ")


def test_pandas_reads_the_csv_without_us(tmp_path: Path, table: ClusterTable) -> None:
    path = tmp_path / "table.csv"
    write_table(table, path, {"pixel_size_nm": 0.02})
    found = pd.read_csv(path)
    assert [*found.columns, "track"] == list(table.rows.columns), "no tracks, no column of them"
    assert list(found["annotation"].fillna("")) == list(table.rows["annotation"])
    # the oldest pandas that we take rounds the last bit otherwise
    np.testing.assert_allclose(found["x_px"], table.rows["x_px"], rtol=1e-15)
    beside = json.loads((tmp_path / "table.csv-metadata.json").read_text(encoding="utf-8"))
    assert beside["pixel_size_nm"] == 0.02
    assert beside["units"]["intensity"] == "counts nm^2"


def test_a_spreadsheet_may_save_it(tmp_path: Path, table: ClusterTable) -> None:
    """Spreadsheets quote as they like and add a mark."""
    path = tmp_path / "table.csv"
    write_table(table, path, {"pixel_size_nm": 0.02})
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(lines)
    assert_same(table, read_table(path))


def test_a_table_without_our_metadata(tmp_path: Path, table: ClusterTable) -> None:
    path = tmp_path / "table.csv"
    table.rows.to_csv(path, index=False)
    found = read_table(path)
    pd.testing.assert_frame_equal(found.rows, table.rows)
    assert found.class_sizes == (19, 30)
    assert found.next_id == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b\n1,2\n", "is not a cluster table"),
        ("", "is empty"),
        ("# only: comments\n", "is not a cluster table"),
        ("\x00\xff", "not a cluster table"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "other.csv"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=said):
        read_table(path)


def test_a_damaged_table_is_refused(tmp_path: Path, table: ClusterTable) -> None:
    path = tmp_path / "table.csv"
    write_table(table, path)
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole[:-30], encoding="utf-8")
    with pytest.raises(InputError, match="damaged"):
        read_table(path)
    path.write_text(whole.replace("8.0", "eight"), encoding="utf-8")
    with pytest.raises(InputError, match="damaged"):
        read_table(path)


def test_a_failed_save_leaves_the_old_table(
    tmp_path: Path, table: ClusterTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "table.csv"
    write_table(table, path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_atomicity.io.atomic._flush_to_disk", full)
    with pytest.raises(InputError, match="No space left"):
        write_table(table.drop([1]), path)
    monkeypatch.undo()
    assert_same(table, read_table(path))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["table.csv", "table.csv-metadata.json"]


def test_other_suffixes_and_missing_pyarrow(
    tmp_path: Path, table: ClusterTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"end the file name in \.csv"):
        write_table(table, tmp_path / "table.xlsx")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"napari-atomicity\[parquet\]"):
        write_table(table, tmp_path / "table.parquet")
    assert list(tmp_path.iterdir()) == []
