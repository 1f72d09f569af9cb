"""What a person changed in a CSV of ours is kept, in whatever form it was saved."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.io.keeping import write_rows
from napari_atomicity.io.tables import write_table

ROWS = pd.DataFrame({"id": [0, 1, 2], "share": [0.1 + 0.2, 1 / 3, 2.0], "label": ["Pt19", "Pt55", "other"]})


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}-metadata.json")


@pytest.mark.parametrize("name", ["good.explained.csv", "good.profiles.csv", "good.feature_map.csv", "dual.scores.csv"])
@pytest.mark.parametrize(
    ("ours", "person"),
    [("Pt55", "Pt41"), ("2.0", "2.5"), ("2,2.0,other\n", ""), ("other", "other, seen twice"), ("\n", "\n\n")],
    ids=["a label", "a number", "a row removed", "a note", "empty lines"],
)
def test_an_edit_saved_in_our_own_form_is_kept(tmp_path: Path, name: str, ours: str, person: str) -> None:
    path = tmp_path / name
    assert write_rows(ROWS, path) is None
    edited = path.read_bytes().decode().replace(ours, person)
    path.write_bytes(edited.encode())
    kept = write_rows(ROWS.assign(share=0.5), path)
    assert kept == path.with_name(f"{path.stem}.kept.csv")
    assert kept.read_bytes().decode() == edited
    assert write_rows(ROWS, path) is None
    assert len(list(tmp_path.glob("*.csv"))) == 2


def test_what_we_wrote_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "good.explained.csv"
    for rows in (ROWS, ROWS.iloc[:1], ROWS.drop(columns="label"), ROWS):
        assert write_rows(rows, path) is None
    assert sorted(each.name for each in tmp_path.iterdir()) == [path.name, _beside(path).name]
    facts = json.loads(_beside(path).read_text(encoding="utf-8"))
    assert facts["title"] == "napari-atomicity rows" and "earlier" not in facts


@pytest.mark.parametrize("content", [None, b"{}", b"not JSON", b'{"table_sha256": 5}', b"[1]"])
def test_without_a_hash_only_the_very_same_is_replaced(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "good.explained.csv"
    write_rows(ROWS, path)
    before = path.read_bytes()
    for rows, is_kept in ((ROWS, False), (ROWS.iloc[:2], True)):
        _beside(path).unlink() if content is None else _beside(path).write_bytes(content)
        kept = write_rows(rows, path)
        assert (kept is not None) == is_kept
        assert kept is None or kept.read_bytes() == before


@pytest.mark.parametrize("step", [1, 2])
def test_killed_between_the_two_files_nothing_is_taken_for_an_edit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    path = tmp_path / "good.explained.csv"
    write_rows(ROWS, path)
    taken, replace = 0, Path.replace

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
        with pytest.raises(Killed):
            write_rows(ROWS.iloc[:1], path)
    assert write_rows(ROWS.iloc[:2], path) is None


def test_a_table_of_clusters_that_lost_its_hash_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "good.clusters.csv"
    table = ClusterTable.from_columns({"y_px": [5.25, 8.5], "x_px": [3.0, 4.0]}, ())
    write_table(table, path)
    moved = path.read_bytes().decode().replace("5.25", "6.25")
    path.write_bytes(moved.encode())
    _beside(path).unlink()
    kept = write_table(table, path)
    assert kept is not None and kept.read_bytes().decode() == moved
