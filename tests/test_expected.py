"""What was deposited: typed, and loaded from the tables that people have."""

from __future__ import annotations

import pytest

from napari_atomicity.errors import InputError
from napari_atomicity.pipeline import expected_text, load_expected, read_deposited, read_expected


def test_typed_ratios():
    assert read_expected("19:0.7, Pt55:0.3") == {19: 0.7, 55: 0.3}
    assert read_expected("19, 55") == {19: 1.0, 55: 1.0}
    assert read_expected("  ") == {}
    assert expected_text({55: 10, 19: 30}) == "19:0.75, 55:0.25"
    with pytest.raises(InputError, match="named twice"):
        read_expected("19:0.5, 19:0.5")


def test_shares_with_decimal_commas():
    assert read_expected("19:0,7; Pt55 : 0,3") == {19: 0.7, 55: 0.3}
    assert read_expected("19:70%;55:30%") == read_expected("19 : 70 55:30") == {19: 70.0, 55: 30.0}
    for wrong in ("19:0,7, 55:0,3", "19:0,7", ",", "19:", ":0.5"):
        with pytest.raises(InputError, match="does not say"):
            read_expected(wrong)


@pytest.mark.parametrize(
    "text", ["19" + " " * 1_000_000, "1" * 1_000_000 + "x", "19:" + "1" * 100_000 + "x", ":" * 10**6]
)
def test_what_was_deposited_is_read_in_no_time(text):
    with pytest.raises(InputError, match="does not say") as caught:
        read_deposited(text)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "text",
    [
        "size,amount\n19,30\n55,10\n",
        "Label;Counts\nPt19;30\nPt55;10\n",
        "Pt19\t30\nPt55\t10\n",
        "# mass spectrometer\nn_atoms,charge,Intensity (a.u.)\n19,1,30\n55,1,10\n",
        "\ufeffatoms;share\n19;75 %\n55;25,0 %\n",
        "sep=;\natoms;share\n19;75,0\n55;25,0\n",
        "Größe;Anteil\n19;0,75\n55;0,25\n",
        "19,0.75,,\n55,0.25,,\n,,,\n",
        '"Size","Amount"\n"19","0,75"\n"55","0,25"\n\n',
        "Deposits of May\n\nRun;Cluster;Amount;\n1;Pt 19;0,75;\n1;Pt 55;0,25;\n",
        "n,amount\n19.0,3000\n55.0,1000\n",
        "Pt19   0.75\nPt55   0.25\n",
        "size;counts\n19;1.500,00\n55;500,00\n",
        "\ufeff\nsize\tamount\t\n19\t3E2\t\n55\t1E2\t\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_tables_of_deposits(tmp_path, text, encoding):
    path = tmp_path / "deposits.csv"
    path.write_bytes(text.encode(encoding, "ignore"))
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
        (b'"mass\nof",charge,peak\n1,2,3\n', "mass of, charge"),
        (b"\xff\xfe\x00\x01" * 20, "not a text file"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not a text file"),
        (b'size,amount\n19,"' + b"1" * 200_000, "too long"),
        (b"size,amount\n" + b"9" * 5000 + b",1\n", "row 2"),
        (b"size,amount\n19," + b"9" * 5000 + b"\n", "row 2"),
        (b"size,amount\n19,inf\n", "row 2"),
        (b"size,amount\n19,nan\n", "row 2"),
        (b"# line\n\nsize,amount\n19,1\n55,x\n", "row 5"),
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
