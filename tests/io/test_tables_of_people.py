"""Tables of clusters after spreadsheets and people had them: read where they can be, and never lost."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.io import tables
from napari_atomicity.io.sheets import decimal_mark, number, quoted, unquoted
from napari_atomicity.io.tables import open_table, read_table, write_table

FACTS = {"image": {"pixel_size_nm": 0.05, "frames": 1}}
Rows = list[list[str]]


@pytest.fixture
def table() -> ClusterTable:
    rng = np.random.default_rng(1)
    y, x = rng.uniform(5, 500, (2, 40))
    made = ClusterTable.from_columns(
        {
            "y_px": y, "x_px": x, "y_nm": 0.05 * y, "x_nm": 0.05 * x, "intensity": rng.uniform(100, 3000, 40),
            "diameter_nm": rng.uniform(0.6, 1.4, 40), "p_19": rng.random(40), "p_55": rng.random(40),
            "label": ["Pt19", "Pt55"] * 20, "source": ["base"] * 40, "confidence": np.full(40, 1e-5),
        },
        (19, 55),
    )  # fmt: skip
    return made.drop([3]).add({"y_px": [7.0], "x_px": [8.0], "y_nm": [0.35], "x_nm": [0.4]})


def labelled(rows: Rows) -> Rows:
    """As a person labels the first five in a spreadsheet."""
    at = rows[0].index("annotation")
    return [rows[0], *([*row[:at], "Pt55", *row[at + 1 :]] for row in rows[1:6]), *rows[6:]]


def commas(rows: Rows) -> Rows:
    def cell(text: str) -> str:
        try:
            float(text)
        except ValueError:
            return text
        return text.replace(".", ",")

    return [[cell(text) for text in row] for row in rows]


def as_text(rows: Rows, mark: str = ",", end: str = "\n", quoting: int = csv.QUOTE_MINIMAL) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=mark, lineterminator=end, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    return file.getvalue()


def without(*names: str) -> Callable[[Rows], Rows]:
    def change(rows: Rows) -> Rows:
        keep = [k for k, name in enumerate(rows[0]) if name not in names]
        return [[row[k] for k in keep] for row in rows]

    return change


def reordered(rows: Rows) -> Rows:
    return [row[::-1] for row in [rows[0], *rows[:0:-1]]]


def digits(rows: Rows) -> Rows:
    """As it was shown, so it is saved."""

    def cell(text: str) -> str:
        try:
            return f"{float(text):.4g}" if "." in text else text
        except ValueError:
            return text

    return [[cell(text) for text in row] for row in rows]


DIALECTS: dict[str, Callable[[Rows], bytes]] = {
    "german excel": lambda r: as_text(commas(r), ";", "\r\n").encode("cp1252"),
    "german excel, utf-8 with a mark": lambda r: as_text(commas(r), ";", "\r\n").encode("utf-8-sig"),
    "semicolons, points": lambda r: as_text(r, ";").encode(),
    "unicode text": lambda r: as_text(r, "\t", "\r\n").encode("utf-16"),
    "unicode text, german": lambda r: as_text(commas(r), "\t", "\r\n").encode("utf-16"),
    "utf-16 without a mark": lambda r: as_text(r).encode("utf-16-le"),
    "big endian": lambda r: as_text(r, ";").encode("utf-16-be"),
    "cp1252 note": lambda r: as_text([[*r[0], "Größe"], *([*row, "groß"] for row in r[1:])]).encode("cp1252"),
    "japanese note": lambda r: as_text([[*r[0], "備考"], *([*row, "表"] for row in r[1:])]).encode("cp932"),
    "an empty last line": lambda r: (as_text(r) + "\n,,,\n  \n").encode(),
    "a blank first row": lambda r: ("," * 19 + "\n" + as_text(r)).encode(),
    "a title": lambda r: ("Sample 7, labelled by A. B.\n\n" + as_text(r)).encode(),
    "a title in cells": lambda r: as_text([["Sample 7"] + [""] * 16, [""] * 17, *r], ";").encode(),
    "sep=": lambda r: ("sep=;\r\n" + as_text(commas(r), ";", "\r\n")).encode("cp1252"),
    "sep= padded": lambda r: ("sep=,,,,,,\r\n" + as_text(r, ",", "\r\n")).encode("cp1252"),
    "all quoted": lambda r: as_text(commas(r), ",", quoting=csv.QUOTE_ALL).encode(),
    "bars": lambda r: as_text(r, "|").encode(),
    "trailing columns": lambda r: as_text([[*row, "", ""] for row in r]).encode(),
    "trailing spaces": lambda r: as_text([[f" {cell}  " for cell in row] for row in r]).encode(),
    "capitals": lambda r: as_text([[cell.upper() for cell in r[0]], *r[1:]]).encode(),
    "headings in words": lambda r: as_text([[cell.replace("_", " ").title() for cell in r[0]], *r[1:]]).encode(),
    "old mac": lambda r: as_text(r, ",", "\r").encode(),
    "no last end": lambda r: as_text(r).rstrip("\n").encode(),
    "columns removed": lambda r: as_text(without("intensity", "diameter_nm", "flag", "source")(r)).encode(),
    "probabilities removed": lambda r: as_text(without("p_19", "confidence")(r)).encode(),
    "pixels removed": lambda r: as_text(without("y_px", "x_px")(r)).encode(),
    "nm removed": lambda r: as_text(without("y_nm", "x_nm", "frame")(r)).encode(),
    "column added": lambda r: as_text([["note", *r[0]], *(["; seen, twice", *row] for row in r[1:])]).encode(),
    "reordered": lambda r: as_text(reordered(r)).encode(),
    "as shown": lambda r: as_text(commas(digits(r)), ";").encode("cp1252"),
    "rows removed": lambda r: as_text(r[:8]).encode(),
    "ids as numbers": lambda r: as_text([r[0], *([f"{row[0]}.0", *row[1:]] for row in r[1:])]).encode(),
    "dos end": lambda r: (as_text(r, ",", "\r\n") + "\x1a").encode(),
}


def changed(path: Path, dialect: str) -> None:
    """Label the table at `path`, and save it as that dialect."""
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    path.write_bytes(DIALECTS[dialect](labelled(rows)))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_labels_and_places_are_read_from_any_dialect(tmp_path: Path, table: ClusterTable, dialect: str) -> None:
    path = tmp_path / "a.clusters.csv"
    write_table(table, path, FACTS)
    changed(path, dialect)
    found = open_table(path)
    assert not found.is_as_written
    now = found.table.rows.set_index("id").sort_index()
    before = table.rows.set_index("id").sort_index().loc[now.index]
    close = 1e-3 if dialect == "as shown" else 1e-12
    np.testing.assert_allclose(now[["y_px", "x_px", "y_nm"]], before[["y_px", "x_px", "y_nm"]], rtol=close)
    assert now["annotation"].tolist() == ["Pt55"] * 5 + [""] * (len(now) - 5)
    assert set(now["flag"]) == {"ok"} and now["label"].tolist() == before["label"].tolist()
    # what belongs to the table and is not in it is still known
    assert found.table.next_id == table.next_id and found.facts["image"]["pixel_size_nm"] == 0.05
    np.testing.assert_array_equal(found.table.removed, table.removed)
    assert found.table.class_sizes == (19, 55)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_labels_of_any_dialect_outlive_the_next_table(tmp_path: Path, table: ClusterTable, dialect: str) -> None:
    path = tmp_path / "a.clusters.csv"
    write_table(table, path, FACTS)
    changed(path, dialect)
    person = path.read_bytes()
    kept = write_table(table, path, FACTS)
    assert kept is not None and kept.read_bytes() == person
    assert_same(read_table(path), table)
    assert kept.with_name(f"{kept.name}-metadata.json").is_file()
    # again: nothing to keep, and nothing more kept
    assert write_table(table, path, FACTS) is None
    assert len(list(tmp_path.iterdir())) == 4


def assert_same(first: ClusterTable, second: ClusterTable) -> None:
    pd.testing.assert_frame_equal(first.rows, second.rows, check_exact=True)
    assert (first.next_id, first.hand_placed) == (second.next_id, second.hand_placed)


@pytest.mark.parametrize("content", [b"notes of a person\n", b"\x00\x01\x02", b"y_px,x_px,id\n1,eight,0\n", b"\x89PNG"])
def test_what_cannot_be_read_is_kept_under_another_name(tmp_path: Path, table: ClusterTable, content: bytes) -> None:
    path = tmp_path / "a.clusters.csv"
    for number_of_it in range(3):
        path.write_bytes(content + b"%d\n" % number_of_it)
        kept = write_table(table, path)
        assert kept is not None and kept.read_bytes() == content + b"%d\n" % number_of_it
        assert_same(read_table(path), table)
    assert sorted(each.name for each in tmp_path.glob("*.csv")) == [
        "a.clusters.csv", "a.clusters.kept-2.csv", "a.clusters.kept-3.csv", "a.clusters.kept.csv",
    ]  # fmt: skip


def test_a_label_that_the_new_table_has_too_needs_no_copy(tmp_path: Path, table: ClusterTable) -> None:
    path = tmp_path / "a.clusters.csv"
    write_table(table.annotate([1, 2], "Pt19"), path, FACTS)
    assert write_table(table.annotate([1, 2], "Pt19").annotate([5], "Pt55"), path, FACTS) is None
    kept = write_table(table, path, FACTS)
    assert kept is not None and (read_table(kept).rows["annotation"] != "").sum() == 3


def test_parquet_of_others_is_kept_and_read(tmp_path: Path, table: ClusterTable) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "a.parquet"
    table.annotate([1], "Pt55").rows.drop(columns=["flag", "p_19"]).to_parquet(path)
    assert read_table(path).rows["annotation"].tolist().count("Pt55") == 1
    kept = write_table(table, path)
    assert kept is not None and read_table(kept).rows["annotation"].tolist().count("Pt55") == 1
    assert_same(read_table(path), table)
    assert write_table(table, path) is None


# ---------------------------------------------------------------------- cells


@pytest.mark.parametrize(
    ("typed", "label"),
    [("Pt55", "Pt55"), ("pt55", "Pt55"), ("PT 55", "Pt55"), ("55", "Pt55"), ("55.0", "Pt55"), (" other ", "other"),
     ("Other", "other"), ("dimer", "dimer"), ("Au38", "Au38")],
)  # fmt: skip
def test_a_label_as_it_is_typed(tmp_path: Path, typed: str, label: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"id,y_px,x_px,label,annotation\n0,1,2,Pt19,{typed}\n", encoding="utf-8")
    assert read_table(path).rows["annotation"].tolist() == [label]


def test_the_element_is_that_of_the_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,y_px,x_px,label,annotation\n0,1,2,Au38,55\n", encoding="utf-8")
    assert read_table(path).rows["annotation"].tolist() == ["Au55"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("0,8.05741E+15,3,ok,", "row 2, y_px, '8.05741E"),
        ("0,,3,ok,", "row 2, y_px, ''"),
        ("0,nan,3,ok,", "row 2, y_px"),
        ("0,1,inf,ok,", "row 2, x_px"),
        ("0,03. Mai,3,ok,", "row 2, y_px, '03. Mai'"),
        (f"{'9' * 5000},1,3,ok,", "row 2, id"),
        ("9223372036854775808,1,3,ok,", "row 2, id"),
        ("-1,1,3,ok,", "row 2, id"),
        ("1.5,1,3,ok,", "row 2, id"),
        (",1,3,ok,", "row 2, id"),
        ("0,1,3,bad,", "row 2, flag, 'bad' is not one of"),
        (f"0,1,3,ok,{'x' * 300}", "row 2, annotation"),
        (f'0,1,3,ok,"{"x" * 200_000}"', "row 2: a cell is too long"),
        ("0,1,3,ok,\n0,2,3,ok,", "same id twice"),
        ("0,1,3,ok,,,7", "row 2"),
    ],
)
def test_a_cell_that_cannot_be_is_named(tmp_path: Path, row: str, said: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"id,y_px,x_px,flag,annotation\n{row}\n", encoding="utf-8")
    with pytest.raises(InputError, match=said.replace("+", r"\+")) as caught:
        read_table(path)
    assert len(str(caught.value)) < 250 and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "mark", "value"),
    [("1.5", ".", 1.5), ("1,5", ",", 1.5), ("1,5", ".", 1.5), ("1.5", ",", 1.5), ("1.234,5", ",", 1234.5),
     ("1,234.5", ".", 1234.5), ("1 234,5", ",", 1234.5), ("1'234.5", ".", 1234.5), ("1.234.567", ",", 1234567.0),
     ("1,234", ".", 1234.0), ("1,234", ",", 1.234), ("0,234", ".", 0.234), ("−3", ".", -3.0), ("'7", ".", 7.0),
     ("1E-5", ".", 1e-5), ("1,2E-05", ",", 1.2e-5), ("５５", ".", 55.0), ("1_000", ".", None), ("9" * 5000, ".", None),
     ("1 2", ".", None), ("x", ",", None), ("1,2,3", ".", None)],
)  # fmt: skip
def test_numbers_of_any_country(text: str, mark: str, value: float | None) -> None:
    assert number(text, mark) == value


def test_the_decimal_mark_is_that_of_most_cells() -> None:
    assert decimal_mark(["1,234", "0,5", "12,25", "3"], ";") == ","
    assert decimal_mark(["1,234", "0.5", "12.25"], ";") == "."
    assert decimal_mark(["1,234", "7"], ";") == ","
    assert decimal_mark(["1,234", "7"], ",") == "."


@pytest.mark.parametrize(
    "text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\tx", "'=x", "''=x", "'x", "＝x", "a=b"]
)
def test_a_text_is_no_formula_in_a_file_and_itself_again(tmp_path: Path, table: ClusterTable, text: str) -> None:
    assert unquoted(quoted(text)) == text
    path = tmp_path / "a.csv"
    made = table.annotate([1], text).with_columns(label=text, source=text)
    write_table(made, path)
    for row in csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")):
        for cell in row:
            assert not cell.startswith(("=", "+", "@", "\t", "\r", "＝")), cell
            assert not cell.startswith("-") or np.isfinite(float(cell))
    assert_same(read_table(path), made)


# ---------------------------------------------------------------------- the pair


def test_facts_of_another_table_are_known_and_not_used(tmp_path: Path, table: ClusterTable) -> None:
    path, other = tmp_path / "a.csv", tmp_path / "b.csv"
    write_table(table, path, FACTS)
    moved = table.with_columns(y_px=500 - table.rows["y_px"], x_px=table.rows["y_px"])
    write_table(moved, other, {"image": {"pixel_size_nm": 7.0}})
    path.with_name("a.csv-metadata.json").write_bytes(other.with_name("b.csv-metadata.json").read_bytes())
    found = open_table(path)
    assert found.facts == {} and "belongs to another table" in found.remarks[0]
    pd.testing.assert_frame_equal(found.table.rows, table.rows)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe\x00", b"[" * 100_000, b'{"next_id": ' + b"9" * 5000 + b"}",
     b'{"next_id": Infinity, "removed": [[NaN, 1, 2], 3], "hand_placed": null, "class_sizes": {"a": 1}}',
     b'{"image": [1], "model": 3, "earlier": [], "table_sha256": 5, "some_places_px": "x"}'],
)  # fmt: skip
def test_damaged_facts_do_not_lose_the_table(tmp_path: Path, table: ClusterTable, content: bytes) -> None:
    path = tmp_path / "a.csv"
    write_table(table, path, FACTS)
    path.with_name("a.csv-metadata.json").write_bytes(content)
    pd.testing.assert_frame_equal(read_table(path).rows, table.rows)
    assert write_table(table, path, FACTS) is None or list(tmp_path.glob("*.kept.csv"))


@pytest.mark.parametrize("step", range(1, 4))
def test_a_pair_that_was_interrupted_keeps_the_facts_of_each_version(
    tmp_path: Path, table: ClusterTable, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Killed after each time that a file took its place."""
    path = tmp_path / "a.csv"
    write_table(table, path, FACTS)
    new = table.drop([7])
    taken = 0
    replace = Path.replace

    class Killed(BaseException):
        pass

    def counted(self: Path, target: Path) -> Path:
        nonlocal taken
        if taken == step:
            raise Killed
        taken += 1
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", counted)
        patch.setattr("napari_atomicity.io.atomic._put_back", lambda _: None)
        if step < 3:
            with pytest.raises(Killed):
                write_table(new, path, FACTS)
        else:
            write_table(new, path, FACTS)
    found = open_table(path)
    assert found.is_as_written and found.facts["image"]["pixel_size_nm"] == 0.05
    assert_same(found.table, table if step == 1 else new)
    np.testing.assert_array_equal(found.table.removed, (table if step == 1 else new).removed)
    write_table(new, path, FACTS)
    assert "earlier" not in json.loads(path.with_name("a.csv-metadata.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["a.csv", "a.csv-metadata.json"])
def test_where_one_of_the_pair_cannot_be_written_neither_is(tmp_path: Path, table: ClusterTable, name: str) -> None:
    (tmp_path / name / "in the way").mkdir(parents=True)
    with pytest.raises(InputError, match="could not be written"):
        write_table(table, tmp_path / "a.csv")
    assert [each.name for each in tmp_path.iterdir()] == [name]


def test_a_table_of_an_earlier_version_is_ours(tmp_path: Path, table: ClusterTable) -> None:
    """Without a hash of the table."""
    path = tmp_path / "a.csv"
    write_table(table, path, FACTS)
    place = path.with_name("a.csv-metadata.json")
    facts = json.loads(place.read_text(encoding="utf-8"))
    place.write_text(json.dumps({k: v for k, v in facts.items() if k not in ("table_sha256", "some_places_px")}))
    assert_same(read_table(path), table)
    assert write_table(table, path) is None


def test_a_huge_file_is_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_atomicity.io.sheets._MOST_BYTES", 1000)
    path = tmp_path / "a.csv"
    path.write_bytes(b"id,y_px,x_px\n" * 100)
    with pytest.raises(InputError, match="too large for a table"):
        tables.read_table(path)


def test_a_sheet_that_was_sorted_with_its_heading_loses_no_label(tmp_path):
    table = ClusterTable.from_columns(
        {"id": np.arange(6), "y_px": np.arange(6) + 0.5, "x_px": np.arange(6) + 1.5, "frame": np.zeros(6, dtype=int)}
    ).annotate(range(6), [f"Pt{n}" for n in (19, 30, 41, 55, 70, 19)])
    path = tmp_path / "sorted.csv"
    write_table(table, path)
    heading, *rows = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(["Clusters of Monday", *rows[:4], heading, *rows[4:]]) + "\n", encoding="utf-8")
    read = open_table(path).table
    assert sorted(read.ids) == list(range(6))
    assert dict(zip(read.ids, read.final_labels, strict=True)) == dict(zip(table.ids, table.final_labels, strict=True))
