"""Tables in the window."""

from napari_atomicity.ui.widgets.html import Bold, html_table


def test_texts_are_escaped_and_one_line():
    assert html_table([]) == ""
    table = html_table([("a b", "<i>"), (Bold("x"), "1")], ("class", "n"))
    assert "<td align='left'>a&nbsp;b</td><td align='right'>&lt;i&gt;</td>" in table
    assert "<td align='left'><b>x</b></td>" in table and table.count("<th ") == 2


def test_a_row_of_one_cell_spans_all_columns():
    table = html_table([(Bold("group"),), ("key", "does this")], left=2, first_px=90, wraps=True, wide=False)
    assert "<td align='left' colspan='2'><b>group</b></td>" in table
    assert "<td align='left' width='90'>key</td><td align='left'>does this</td>" in table
