"""The manager of models in the window, and a model of another metal on the whole path."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comes_along import MODELS

from .app_driver import cell
from .stand_ins import adapt_always

SIZES = (20, 38, 55)


def save_gold(path: Path, seed: int = 0) -> Path:
    """An untrained model of Au20, Au38 and Au55."""
    import torch

    from napari_atomicity.counting.bundle import Bundle, save_bundle
    from napari_atomicity.counting.card import ModelCard
    from napari_atomicity.counting.network import Network

    torch.manual_seed(seed)
    network = Network(SIZES, ("raw",)).eval().requires_grad_(False)
    diameters = {str(n): (0.1 * i, 0.1) for i, n in enumerate(SIZES)}
    # nothing is rejected: the labels of an untrained network are to be seen
    card = ModelCard("golden", SIZES, ("raw",), lcn_window_nm=1.0, element="Au", diameter_nm=diameters)
    card = replace(card, outside_threshold=1.0, outside_threshold_scaled=1.0)
    return save_bundle(Bundle(card, network), path)


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    monkeypatch.setenv("NAPARI_ATOMICITY_MODELS", str(folder))
    return folder


@pytest.fixture
def gold_file(tmp_path: Path) -> Path:
    return save_gold(tmp_path / "elsewhere" / "golden.safetensors")


def listed(panel: Any) -> list[str]:
    return [panel.list.topLevelItem(i).text(0) for i in range(panel.list.topLevelItemCount())]


def offered(box: Any) -> list[str]:
    return [box.itemText(i) for i in range(box.count())]


def test_the_card_of_each_model_can_be_read_before_any_image_is_open(app: Any, mine: Path) -> None:
    panel = app.panel("Models")
    assert listed(panel) == MODELS
    for name, channels in (("dual", "raw intensity and local contrast"), ("single", "raw intensity")):
        panel.select(name)
        text = panel.card.toPlainText()
        assert all(word in text for word in ("Pt19, Pt30", channels, "self-calibrated", "low dose", "Limits"))
    assert not panel.use.isEnabled() and not panel.away.isEnabled()


def test_an_imported_model_is_offered_everywhere_at_once(
    app: Any, micrograph: Any, mine: Path, gold_file: Path
) -> None:
    app.show(micrograph)
    panel, count = app.panel("Models"), app.panel("Count atoms")
    panel.import_from(gold_file)
    app.idle()
    assert listed(panel) == [*MODELS, "golden"]
    assert panel.selected.name == "golden" and "Au20, Au38, Au55" in panel.card.toPlainText()
    assert "Nobody has measured" in panel.card.toPlainText()
    assert offered(count.model)[len(MODELS) :] == ["golden (Au 20, 38, 55)"]
    app.click(panel.use)
    assert app.document.settings.model == "golden"
    assert count.model.currentText() == "golden (Au 20, 38, 55)"


def test_a_file_that_is_no_model_is_refused_in_one_sentence(app: Any, mine: Path, tmp_path: Path) -> None:
    panel = app.panel("Models")
    wrong = tmp_path / "weights.pt"
    wrong.write_bytes(b"?")
    panel.import_from(wrong)
    app.idle()
    assert listed(panel) == MODELS
    assert "run programs" in app.notes[-1]


def test_export_and_import_by_their_buttons(
    app: Any, mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qtpy.QtWidgets import QFileDialog

    panel = app.panel("Models")
    panel.select("single")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_, **__: str(tmp_path / "out"))
    app.click(panel.give)
    exported = tmp_path / "out" / "single.safetensors"
    assert exported.is_file() and exported.with_suffix(".json").is_file()
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, **__: (str(exported), ""))
    app.click(panel.bring)
    assert "here already" in app.notes[-1]


@pytest.mark.slow
def test_a_model_of_another_metal_counts_colours_and_explains(
    app: Any, micrograph: Any, mine: Path, gold_file: Path
) -> None:
    from napari_atomicity.style import UNLABELLED, colours, rgb

    save_gold(mine / "golden.safetensors")
    app.show(micrograph)
    panel = app.panel("Atomicity")
    _, find, count, _, _, explain, *_ = (step.panel for step in panel.steps)
    app.click(find.search)
    count.model.activated.emit(count.model.findData("golden"))
    count.known.deposited.setText("Au20, 38 55")
    count.known.deposited.editingFinished.emit()
    assert app.document.settings.deposited == SIZES
    app.click(count.run)
    labels = set(app.document.table.rows["label"]) - {""}
    assert labels and labels <= {"Au20", "Au38", "Au55"}
    # an untrained network may give all clusters one label; a person's labels bring in the others
    for row, label in enumerate(("Au20", "Au38", "Au55")):
        app.document.annotate([int(app.document.table.ids[row])], label)
    app.settle()
    palette = colours(SIZES, "Au") | {"": UNLABELLED}
    expected = [rgb(palette[label]) for label in app.document.table.final_labels]
    np.testing.assert_allclose(app.points.border_color[:, :3], expected, atol=1e-6)
    shown = [cell(count.legend, row, 1).text() for row in range(5)]
    assert shown == ["class", "Au20", "Au38", "Au55", "other"]
    assert count.chart.labels == ["Au20", "Au38", "Au55", "other"]
    assert list(explain.target.choices) == ["", "Au20", "Au38", "Au55"]
    explain.target.value = "Au55"
    app.click(explain.all)
    assert len(app.document.attribution.ids) == len(app.document.table)
    # back to platinum: the classes follow, and the number of a class means nothing any more
    count.model.activated.emit(count.model.findData("single"))
    count.known.deposited.setText("")
    count.known.deposited.editingFinished.emit()
    app.click(count.run)
    assert list(explain.target.choices)[1:] == ["Pt19", "Pt30", "Pt41", "Pt55", "Pt70"] and explain.target.value == ""
    assert not any(label.startswith("Au") for label in app.document.table.rows["label"])


def test_removing_the_model_in_use_leaves_its_results_and_the_next_count_says_what_is_missing(
    app: Any, micrograph: Any, mine: Path
) -> None:
    save_gold(mine / "golden.safetensors")
    app.show(micrograph)
    app.document.choose(model="golden")
    panel, count, find = app.panel("Models"), app.panel("Count atoms"), app.panel("Find clusters")
    app.click(find.search)
    app.click(count.run)
    table = app.document.table
    panel.select("golden")
    app.click(panel.away)
    assert app.document.table is table and app.document.state.bundle.card.name == "golden"
    assert listed(panel) == MODELS
    assert "removed" in panel.result.text()
    assert count.model.currentText() == "golden (not there any more)"
    app.click(count.run)
    assert app.notes[-1].startswith("There is no model named 'golden' here (any more)")
    assert app.document.table is table


@pytest.mark.slow
def test_another_model_is_not_silently_replaced_by_the_adapted_one(
    app: Any, micrograph: Any, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_gold(mine / "golden.safetensors")
    adapt_always(monkeypatch)
    app.show(micrograph)
    panel = app.panel("Atomicity")
    _, find, count, _, adapt, *_ = (step.panel for step in panel.steps)
    app.click(find.search)
    app.document.choose(model="single")
    app.click(adapt.run)
    adapted = app.document.state.bundle
    app.click(count.run)
    assert app.document.state.bundle is adapted
    app.document.choose(model="golden")
    app.click(count.run)
    assert app.document.state.bundle.card.name == "golden" and app.document.state.adaptation is None


def test_models_that_cannot_be_used_say_why_and_are_not_offered(app: Any, micrograph: Any, mine: Path) -> None:
    save_gold(mine / "golden.safetensors")
    (mine / "golden.json").write_text("{")
    app.show(micrograph)
    panel, count = app.panel("Models"), app.panel("Count atoms")
    panel.select("golden")
    assert "cannot be used" in panel.card.toPlainText() and "JSON" in panel.card.toPlainText()
    assert not panel.use.isEnabled() and not panel.give.isEnabled() and panel.away.isEnabled()
    assert len(offered(count.model)) == len(MODELS)
    app.click(count.manage)
