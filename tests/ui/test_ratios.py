"""Class ratios in the window: they follow every label, and are held against what was deposited."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtCore import QTimer


@pytest.fixture
def counted(app: Any, micrograph: Any, model_path: Path, count_of: Any) -> Any:
    """A counted image, and the dock of ratios beside it."""
    app.lay_out(micrograph, count_of(model_path, "auto"))
    settled(app)
    return app


def settled(app: Any) -> Any:
    """Wait until the dock shows what the labels say now; gives its result."""
    dock = app.ratios
    app.settle()
    app.qtbot.waitUntil(lambda: not any(timer.isActive() for timer in dock.findChildren(QTimer)), timeout=20_000)
    app.idle()
    return dock.result


def row_of(table: Any, name: str) -> dict[str, str]:
    """A row of the table in the dock, by class."""
    names = [table.verticalHeaderItem(row).text() for row in range(table.rowCount())]
    columns = range(table.columnCount())
    return {table.horizontalHeaderItem(j).text(): table.item(names.index(name), j).text() for j in columns}


def test_the_dock_says_what_to_do_before_anything_is_counted(app: Any, micrograph: Any) -> None:
    assert "Count the atoms" in app.ratios.numbers.text() and not app.ratios.chart.isVisible()
    app.show(micrograph)
    assert settled(app) is None and not app.ratios.table.isVisible()


def test_shares_follow_annotation_and_undo(counted: Any) -> None:
    app, document = counted, counted.document
    before = settled(app).table.set_index("label")
    assert before["share"].sum() == pytest.approx(1.0)
    assert list(row_of(app.ratios.table, "clusters")) == [*document.state.bundle.card.labels]
    ok = document.table.ids[(document.table.rows["flag"] == "ok").to_numpy()]
    document.annotate(ok.tolist(), "Pt41")
    after = settled(app)
    assert after.by_hand == len(ok)
    assert after.table.set_index("label").loc["Pt41", "share"] > 0.9
    assert f"{len(ok)} of them labelled by hand" in app.ratios.numbers.text()
    document.undo()
    again = settled(app).table.set_index("label")
    assert again["count"].tolist() == before["count"].tolist()
    assert again["share"].tolist() == pytest.approx(before["share"].tolist())


def test_what_was_deposited_is_compared_with_and_changes_no_label(counted: Any) -> None:
    app, document = counted, counted.document
    ok = document.table.ids[(document.table.rows["flag"] == "ok").to_numpy()].tolist()
    document.annotate(ok, "Pt19")
    document.annotate(ok[: len(ok) // 2], "Pt55")
    table = document.table
    app.ratios.expected.setText("19:0.5, 55:0.5")
    app.ratios.expected.editingFinished.emit()
    agreement = settled(app).agreement
    assert agreement.p > 0.05 and agreement.r2 > 0.9
    assert "agree with what was deposited (p = " in app.ratios.verdict.text()
    assert f"R² = {agreement.r2:.3f}" in app.ratios.verdict.text()
    assert document.table is table and document.settings.deposited == ()
    app.ratios.expected.setText("19:0.95, 55:0.05")
    app.ratios.expected.editingFinished.emit()
    assert settled(app).agreement.p < 0.05
    assert "do not agree" in app.ratios.verdict.text()
    app.ratios.expected.setText("nonsense")
    app.ratios.expected.editingFinished.emit()
    assert "nonsense" in app.notes[-1] and document.options.expected == {19: 0.95, 55: 0.05}
    app.ratios.expected.setText("13:1")
    app.ratios.expected.editingFinished.emit()
    settled(app)
    assert "does not know clusters of 13 atoms" in app.ratios.numbers.text() and not app.ratios.chart.isVisible()
    app.ratios.expected.setText("")
    app.ratios.expected.editingFinished.emit()
    assert settled(app).agreement is None and not app.ratios.verdict.isVisible()


def test_deposits_are_loaded_from_a_file(counted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from qtpy.QtWidgets import QFileDialog

    path = tmp_path / "deposits.csv"
    path.write_text("size,amount\nPt19,30\nPt55,10\n", encoding="utf-8")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, **__: (str(path), ""))
    counted.click(counted.ratios.load)
    settled(counted)
    assert counted.ratios.expected.text() == "19:0.75, 55:0.25"
    assert row_of(counted.ratios.table, "expected")["Pt19"] == "75.0"
    path.write_text("size,amount\nPt19,much\n", encoding="utf-8")
    counted.click(counted.ratios.load)
    assert "row 2" in counted.notes[-1] and counted.document.options.expected == {19: 30.0, 55: 10.0}


def test_over_one_image_the_ticked_ones_or_all(counted: Any, micrograph: Any, model_path: Path) -> None:
    app = counted
    one = settled(app)
    app.show(dataclasses.replace(micrograph, name="second"))
    assert settled(app) is None  # the second is not counted yet
    app.document.choose(model=str(model_path))
    app.click(app.panel("Find clusters").search)
    app.click(app.panel("Count atoms").run)
    app.ratios.scope.setCurrentIndex(app.ratios.scope.findData("all"))
    app.ratios.scope.activated.emit(app.ratios.scope.currentIndex())
    both = settled(app)
    assert both.found == 2 * one.found and len(both.images) == 2
    app.ratios.scope.setCurrentIndex(app.ratios.scope.findData("ticked"))
    app.ratios.scope.activated.emit(app.ratios.scope.currentIndex())
    assert settled(app) is None and "tick images" in app.ratios.numbers.text()
    app.document.set_options(in_joint=True)
    assert settled(app).images == ("second",)


def test_labels_as_a_random_sample_need_enough_of_them(counted: Any) -> None:
    app, document = counted, counted.document
    assert not app.ratios.checked.isVisible()
    document.annotate(document.table.ids[:3].tolist(), "Pt19")
    settled(app)
    assert app.ratios.checked.isVisible()
    app.click(app.ratios.checked)
    settled(app)
    assert "label at least 20" in app.ratios.numbers.text()
    document.annotate(document.table.ids[:30].tolist(), "Pt19")
    assert settled(app).table.set_index("label").loc["Pt19", "share"] > 0.7


def test_a_dock_that_was_closed_catches_up_when_it_is_shown_again(counted: Any) -> None:
    app = counted
    ids = app.document.table.ids.tolist()
    dock = app.ratios.parentWidget()
    dock.hide()
    app.document.annotate(ids, "Pt70")
    app.qtbot.wait(300)
    dock.show()
    app.qtbot.waitUntil(lambda: app.ratios.result is not None and app.ratios.result.by_hand == len(ids), timeout=20_000)


def test_deleting_the_image_empties_the_dock(counted: Any) -> None:
    counted.viewer.layers.remove(counted.workspace.image)
    assert settled(counted) is None and not counted.ratios.chart.isVisible()


def test_the_button_beside_the_shares_opens_the_dock(counted: Any) -> None:
    counted.click(counted.panel("Count atoms").ratios)
