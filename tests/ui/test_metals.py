"""Metals and alloys in the window: said before counting, kept with the image, the ridge drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from napari_atomicity.micrograph import Micrograph


def typed(field: Any, text: str) -> None:
    field.setText(text)
    field.editingFinished.emit()


def choose(box: Any, value: str) -> None:
    box.setCurrentIndex(box.findData(value))
    box.activated.emit(box.currentIndex())


def with_scale(count: Any) -> Any:
    """The count as if the intensity of one atom had been given."""
    return replace(count, settings=replace(count.settings, intensity_per_atom=100.0))


def test_an_image_of_another_metal_is_said_before_it_is_counted(app: Any, micrograph: Any) -> None:
    panel, count = app.panel("Metals and alloys"), app.count
    assert not panel.metal.isEnabled() and "separate size from composition" in panel.remarks.text()
    app.show(Micrograph(micrograph.data, micrograph.pixel_size_nm, name="Au55_on_carbon"))
    assert "the file says that the clusters are of Au" in count.remarks.text()
    assert "the file says" in app.panel("Load and calibrate").remarks.text()
    assert "the file says" in panel.finding.text() and "another metal" in count.status(app.document)
    typed(count.known.metal, "Pt")
    app.settle()
    assert "of Au" not in count.remarks.text() and panel.metal.text() == "Pt" and panel.finding.text() == ""
    typed(count.known.metal, "silver")
    app.settle()
    assert "you say that the clusters are of Ag" in app.notes[-1] and app.document.settings.element == "Ag"
    typed(count.known.deposited, "Au55")
    assert app.document.settings.deposited_element == "Au" and count.known.deposited.text() == "Au55"


def test_what_cannot_be_is_refused_and_nothing_is_lost(app: Any, micrograph: Any) -> None:
    app.show(micrograph)
    panel = app.panel("Metals and alloys")
    typed(panel.metal, "Co=0.25±0.05")
    for field, text, says in (
        (panel.metal, "Co=0.7, Ni=0.6", "add up to 1.3"),
        (panel.metal, "Qq", "no element"),
        (panel.exponent, "3", "impossible"),
        (panel.exponent, "wide", "no exponent"),
    ):
        typed(field, text)
        assert says in app.notes[-1]
    assert app.document.settings.composition == "Co=0.25±0.05" and app.document.settings.exponent == ()
    typed(panel.exponent, "1.5-1.6")
    assert app.document.settings.exponent == (1.5, 1.6)
    typed(panel.metal, "")
    assert app.document.settings.composition == ""


def test_the_ridge_is_drawn_until_a_composition_is_known(app: Any, counted_once: Any, tmp_path: Path) -> None:
    app.lay_out(counted_once.micrograph, with_scale(counted_once))
    panel = app.panel("Metals and alloys")
    assert panel.finding.text() == "Counts are atoms of Pt." and not panel.chart.isVisible()
    panel.load_from(tmp_path / "edx.csv")
    assert "second metal first" in app.notes[-1]
    choose(panel.guest, "Co")
    app.settle()
    assert panel.chart.isVisible() and "No class is given" in panel.alloy.text() and panel.result.settled == 0
    assert "Pt-equivalents" in panel.finding.text()
    typed(panel.metal, "Co=0.25±0.05")
    app.settle()
    assert "By the composition" in panel.alloy.text() and panel.result.settled == len(panel.result.table)
    assert "Pt-equivalents" in panel.numbers.text() and "Co</td>" in panel.numbers.text()
    assert "Pt-equivalents" in app.count.remarks.text()
    # the same metal twice is a sentence, not a fault
    choose(panel.guest, "Pt")
    app.settle()
    assert "named for both" in panel.alloy.text() and not panel.chart.isVisible()


def test_measured_fractions_come_from_a_table_and_are_saved_with_the_image(
    app: Any, counted_once: Any, tmp_path: Path
) -> None:
    from napari_atomicity.progress import drain
    from napari_atomicity.project import open_steps

    app.lay_out(counted_once.micrograph, with_scale(counted_once))
    panel = app.panel("Metals and alloys")
    choose(panel.guest, "Co")
    ids = app.document.table.ids[app.document.table.sizeable]
    edx = tmp_path / "edx.csv"
    edx.write_text("id;fraction\n" + "".join(f"{one};0,25\n" for one in ids[:4]), encoding="utf-8")
    panel.load_from(edx)
    app.idle()
    assert "fraction of 4 of" in app.notes[-1] and len(app.document.options.guest_fractions) == 4
    app.document.select(ids[:2])
    app.settle()
    assert panel.result.settled == 2 and "measured fractions" in panel.alloy.text()
    bad = tmp_path / "bad.csv"
    bad.write_text("id,fraction\n0,25\n", encoding="utf-8")
    panel.load_from(bad)
    app.idle()
    assert "divide per cent by 100" in app.notes[-1] and len(app.document.options.guest_fractions) == 4
    table = tmp_path / "out.csv"
    panel.write(table)
    app.idle()
    written = pd.read_csv(table)
    assert written["settled"].sum() == 4 and np.isfinite(written["equivalents"]).all()
    project = tmp_path / "work.atomicity"
    app.context.project.save(project)
    app.idle()
    saved = drain(open_steps(project)).images[0].options
    assert (saved.guest, saved.guest_fractions) == ("Co", app.document.options.guest_fractions)
    app.click(panel.forget)
    assert not app.document.options.guest_fractions
