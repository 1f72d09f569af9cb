"""What was deposited: typed, and loaded from the tables that people have."""

from __future__ import annotations

import pytest

from napari_atomicity.errors import InputError
from napari_atomicity.pipeline import expected_text, load_expected, read_expected


def test_typed_ratios():
    assert read_expected("19:0.7, Pt55:0.3") == {19: 0.7, 55: 0.3}
    assert read_expected("19, 55") == {19: 1.0, 55: 1.0}
    assert read_expected("  ") == {}
    assert expected_text({55: 10, 19: 30}) == "19:0.75, 55:0.25"
    with pytest.raises(InputError, match="named twice"):
        read_expected("19:0.5, 19:0.5")


@pytest.mark.parametrize(
    "text",
    [
        "size,amount\n19,30\n55,10\n",
        "Label;Counts\nPt19;30\nPt55;10\n",
        "Pt19\t30\nPt55\t10\n",
        "# mass spectrometer\nn_atoms,charge,Intensity (a.u.)\n19,1,30\n55,1,10\n",
        "\ufeffatoms;share\n19;75 %\n55;25,0 %\n",
    ],
)
def test_tables_of_deposits(tmp_path, text):
    path = tmp_path / "deposits.csv"
    path.write_text(text, encoding="utf-8")
    assert expected_text(load_expected(path)) == "19:0.75, 55:0.25"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "deposits.csv"),
        (b"\n\n", "deposits.csv"),
        (b"size,amount\n", "no amount"),
        (b"size,amount\n19,0\n", "no amount"),
        (b"size,amount\n19,-3\n", "row 2"),
        (b"size,amount\n19,3\n19,4\n", "row 3"),
        (b"size,amount\n19\n", "row 2"),
        (b"size,amount\nnineteen,1\n", "row 2"),
        (b"mass,charge,peak\n1,2,3\n", "name the one of sizes"),
        (b"\xff\xfe\x00\x01" * 20, "not a text file"),
    ],
)
def test_bad_tables_are_one_sentence(tmp_path, content, said):
    path = tmp_path / "deposits.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        load_expected(path)
    assert "\n" not in str(caught.value)


def test_a_missing_table_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_expected(tmp_path / "none.csv")
