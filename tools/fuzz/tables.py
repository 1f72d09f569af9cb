"""Cluster tables and lists as other programs and people save them."""

from __future__ import annotations

import csv
import io
import json
from random import Random
from typing import Any

from tools.fuzz import odd
from tools.fuzz.kinds import Files, Step, first, with_first
from tools.fuzz.trees import spoiled

Rows = list[list[str]]


def rows_of(content: bytes) -> Rows:
    """A plain CSV."""
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig", "replace"), newline="")))


def labels_of(content: bytes) -> dict[int, str]:
    """What a person had written in a cluster table, by id."""
    head, *rows = rows_of(content)
    at, who = head.index("annotation"), head.index("id")
    return {int(row[who]): row[at] for row in rows if row[at]}


# ---------------------------------------------------------------------- what Excel and people do: nothing is lost


def resaved(rng: Random, files: Files) -> Files:
    """The same table in another dialect."""
    rows = rows_of(first(files)[1])
    mark = rng.choice((",", ";", "\t", ";"))
    if mark == ";" and rng.random() < 0.7:
        rows = [rows[0], *[[cell.replace(".", ",") if _is_number(cell) else cell for cell in row] for row in rows[1:]]]
    for change in rng.sample((_drop, _add, _order, _top, _tail, _case, _quote_free), rng.choice((0, 1, 1, 2))):
        rows = change(rng, rows)
    out = io.StringIO(newline="")
    quoting = rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC))
    csv.writer(out, delimiter=mark, quoting=quoting, lineterminator=rng.choice(("\n", "\r\n", "\r\n", "\r"))).writerows(
        rows
    )
    text = (f"sep={mark}\n" if rng.random() < 0.15 else "") + out.getvalue()
    code = rng.choice(("utf-8", "utf-8", "utf-8-sig", "cp1252", "utf-16", "latin-1"))
    kept = with_first(files, text.encode(code, "replace"))
    return dict([first(kept)]) if rng.random() < 0.4 else kept


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _drop(rng: Random, rows: Rows) -> Rows:
    """Columns that can be computed again are taken away."""
    free = [
        k for k, name in enumerate(rows[0]) if name in ("y_nm", "x_nm", "confidence", "n_atoms_sd", "source", "n_atoms")
    ]
    gone = set(rng.sample(free, min(len(free), rng.choice((1, 2)))))
    return [[cell for k, cell in enumerate(row) if k not in gone] for row in rows]


def _add(rng: Random, rows: Rows) -> Rows:
    at, name = rng.randrange(len(rows[0]) + 1), rng.choice(("remark", "", "p_value", "Notiz", "label 2"))
    return [[*row[:at], name if k == 0 else rng.choice(("", "ok?", "größer")), *row[at:]] for k, row in enumerate(rows)]


def _order(rng: Random, rows: Rows) -> Rows:
    order = list(range(len(rows[0])))
    rng.shuffle(order)
    body = rows[1:]
    if rng.random() < 0.5:
        rng.shuffle(body)
    return [[row[k] for k in order] for row in [rows[0], *body]]


def _top(rng: Random, rows: Rows) -> Rows:
    wide = len(rows[0])
    return [rng.choice(([""] * wide, [], ["Clusters of Monday"], ["Clusters", *[""] * (wide - 1)])), *rows]


def _tail(rng: Random, rows: Rows) -> Rows:
    if rng.random() < 0.5:
        return [*rows, *[[""] * len(rows[0])] * rng.choice((1, 3))]
    return [[*row, ""] for row in rows]


def _case(rng: Random, rows: Rows) -> Rows:
    return [[rng.choice((str.upper, str.title, " {} ".format))(cell) for cell in rows[0]], *rows[1:]]


def _quote_free(rng: Random, rows: Rows) -> Rows:
    return [[f" {cell}" if rng.random() < 0.1 and cell else cell for cell in row] for row in rows]


# ---------------------------------------------------------------------- hostile


def hostile(rng: Random, files: Files) -> Files:
    """Cells that cannot be, and rows that do not fit."""
    rows = rows_of(first(files)[1])
    for _ in range(rng.choice((1, 1, 2, 4))):
        row = rng.choice(rows or [[""]])
        if not row:
            continue
        at = rng.randrange(len(row))
        what = rng.randrange(7)
        if what < 3:
            row[at] = rng.choice(
                (str(odd.whole(rng)), repr(odd.real(rng)), odd.name(rng), "9" * 5000, "1e400", "1,5", "#N/A")
            )
        elif what == 3:
            row[at] = "x" * rng.choice((140_000, 2_000_000))
        elif what == 4:
            del row[at]
        elif what == 5:
            rows.insert(rng.randrange(len(rows)), list(row))
        else:
            rows[0] = [
                *rows[0],
                rng.choice(("p_19", "p_x", "p_-5", "p_" + "9" * 5000, "p_", "id", "annotation", "\x1b[2J")),
            ]
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(rows)
    return with_first(files, out.getvalue().encode("utf-8", "surrogatepass"))


def beside(rng: Random, files: Files) -> Files:
    """The metadata file of a table, changed."""
    name = next((name for name in files if name.endswith("-metadata.json")), None)
    if name is None:
        return hostile(rng, files)
    tree: dict[str, Any] = json.loads(files[name])
    few = {
        key: tree[key] for key in ("next_id", "hand_placed", "removed", "class_sizes", "units", "title") if key in tree
    }
    text = spoiled(rng, few if rng.random() < 0.8 else tree, rng.choice((1, 2, 3)))
    return {**files, name: text.encode("utf-8", "surrogatepass")}


def parquet(rng: Random, files: Files) -> Files:
    """A Parquet table whose columns are of other kinds, or that is far larger than its file."""
    import pyarrow as pa
    from pyarrow import parquet as pq

    found = pq.read_table(io.BytesIO(first(files)[1]))
    for _ in range(rng.choice((0, 1, 1, 2))):
        name = rng.choice(found.column_names)
        n, at = len(found), found.column_names.index(name)
        column = rng.choice(
            (pa.array([[1.0, 2.0]] * n), pa.nulls(n), pa.array(["9" * 400] * n), pa.array([b"\xff"] * n),
             pa.array([float("nan")] * n), pa.array([2**63 - 1] * n), pa.array([{"a": 1}] * n), pa.array([True] * n),
             pa.array([2**64 - 1] * n, pa.uint64()), pa.array([-(2**63)] * n), pa.array([1e300] * n))
        )  # fmt: skip
        what = rng.randrange(4)
        if what < 2:
            found = found.set_column(at, name, column)
        elif what == 2:
            found = found.remove_column(at)
        else:
            found = found.append_column(
                rng.choice((name, "p_x", "p_7", odd.name(rng)[:99].encode("utf-8", "replace").decode())), column
            )
    meta = dict(found.schema.metadata or {})
    if rng.random() < 0.4:
        facts = {"next_id": 3, "hand_placed": [1], "removed": [[0, 1.0, 2.0]], "class_sizes": [19, 30]}
        meta[b"napari_atomicity"] = spoiled(rng, facts, 2).encode("utf-8", "surrogatepass")
    found = found.replace_schema_metadata(meta)
    times = 30_000 if len(found) and rng.random() < 0.1 else 1
    out = io.BytesIO()
    with pq.ParquetWriter(out, found.schema, compression=rng.choice(("snappy", "gzip", "none"))) as writer:
        if times == 1:
            writer.write_table(found)
        else:
            many = pa.concat_tables([found.slice(0, 1)] * 50_000).combine_chunks()
            for _ in range(times // 1000):
                writer.write_table(many)
    return with_first(files, out.getvalue())


def list_steps(rng: Random) -> Step:
    """A change to a list of deposits."""
    return Step("hostile list", hostile) if rng.random() < 0.6 else Step("another dialect", resaved)
