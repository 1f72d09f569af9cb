"""What a person knows: candidates to choose from, deposited shares, instrument profiles."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from napari_atomicity.errors import InputError
from napari_atomicity.pipeline import Settings, read_deposited
from napari_atomicity.ui.steps.prior import deposited_text

CANDIDATES = (
    {"dominant": "Pt41", "probability": 0.62, "scale": 100.0},
    {"dominant": "Pt55", "probability": 0.31, "scale": 75.0},
)


@pytest.fixture
def found(app: Any, micrograph: Any, model_path: Path) -> Any:
    app.show(micrograph)
    app.document.choose(model=str(model_path))
    app.click(app.panel("Find clusters").search)
    return app


@pytest.fixture
def undecided(found: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A count that cannot decide; a choice labels everything with the chosen class, as a stand-in."""
    from napari_atomicity.pipeline import count as count_chain

    whole = count_chain.timed_session_steps

    def unsure(*arguments: Any) -> Any:
        done = yield from whole(*arguments)
        fits = {0: dataclasses.replace(done[0].calibrations[0], ambiguous=True, candidates=CANDIDATES)}
        return [dataclasses.replace(done[0], calibrations=fits)]

    def choose(classified: Any, frame: int, dominant: str, bundle: Any) -> Any:
        fit = dataclasses.replace(classified.calibrations[frame], ambiguous=False, candidates=CANDIDATES[:1])
        table = classified.table.with_columns(label=[dominant] * len(classified.table))
        return dataclasses.replace(classified, table=table, calibrations={frame: fit})

    monkeypatch.setattr(count_chain, "timed_session_steps", unsure)
    monkeypatch.setattr(count_chain, "choose", choose)
    found.click(found.count.run)
    return found


def offered(count: Any) -> dict[str, bool]:
    return {button.text(): button.isChecked() for button in count.candidates.buttons}


def test_candidates_are_offered_and_none_is_chosen_for_the_person(undecided: Any) -> None:
    app = undecided
    assert app.count.candidates.isVisible()
    assert offered(app.count) == {"mostly Pt41  (62%)": False, "mostly Pt55  (31%)": False, "leave it open": True}
    assert "62%" in app.count.remarks.text() and "Pt55" in app.count.remarks.text()


def test_a_choice_is_a_step_that_survives_and_can_be_undone(undecided: Any) -> None:
    app, document = undecided, undecided.document
    open_labels = document.table.rows["label"].tolist()
    document.annotate([int(document.table.ids[0])], "Pt70")
    app.click(app.count.candidates.buttons[1])
    assert document.history[-1] == "Choose mostly Pt55"
    assert set(document.table.rows["label"]) == {"Pt55"} and document.table.final_labels[0] == "Pt70"
    assert "cannot decide" not in app.count.remarks.text()
    again = app.workbench.steps[2].panel
    assert offered(again)["mostly Pt55  (31%)"]
    # a person's word holds for the next count too
    app.click(again.run)
    assert set(document.table.rows["label"]) == {"Pt55"} and offered(again)["mostly Pt55  (31%)"]
    app.click(again.candidates.buttons[0])
    assert set(document.table.rows["label"]) == {"Pt41"}
    document.undo()
    app.idle()
    assert set(document.table.rows["label"]) == {"Pt55"} and offered(again)["mostly Pt55  (31%)"]
    app.click(again.candidates.buttons[2])
    assert document.history[-1] == "Leave the candidates open"
    assert document.table.rows["label"].tolist() == open_labels and offered(again)["leave it open"]
    assert document.table.final_labels[0] == "Pt70"


def test_a_new_search_takes_the_question_away(undecided: Any) -> None:
    undecided.click(undecided.panel("Find clusters").search)
    assert not undecided.count.candidates.isVisible()
    undecided.document.undo()
    undecided.idle()
    assert undecided.count.candidates.isVisible()


@pytest.mark.parametrize(
    ("text", "deposited", "fractions"),
    [
        ("", (), ()),
        ("19", (19,), ()),
        ("19, Pt55;70", (19, 55, 70), ()),
        ("19:0.7, 55 : 0.3", (19, 55), (0.7, 0.3)),
        ("Pt19:70% Pt55:30%", (19, 55), (70.0, 30.0)),
    ],
)
def test_deposited_sizes_as_a_person_types_them(text: str, deposited: Any, fractions: Any) -> None:
    found = read_deposited(text)
    assert found == (deposited, fractions)
    sizes, shares = found
    assert read_deposited(deposited_text(Settings(deposited=sizes, fractions=shares))) == found


@pytest.mark.parametrize("text", ["nineteen", "19:0.7, 55", "19:", "19:a", "19.5", "19:0..7"])
def test_other_words_about_deposited_sizes_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"19:0\.7, 55:0\.3"):
        read_deposited(text)


def test_settings_that_changed_since_the_count_are_told(found: Any) -> None:
    count = found.panel("Count atoms")
    found.click(count.run)
    assert "count again" not in count.remarks.text()
    count.known.deposited.setText("19:0.5, 30:0.6")
    count.known.deposited.editingFinished.emit()
    assert "add up" in found.notes[-1] and found.document.settings.deposited == ()
    count.known.deposited.setText("19:0.5, 30:0.5")
    count.known.deposited.editingFinished.emit()
    found.idle()
    assert "settings changed" in count.remarks.text()
    found.click(count.run)
    assert "settings changed" not in count.remarks.text()
    labels = set(found.document.table.rows["label"])
    assert labels <= {"Pt19", "Pt30", "other", ""}


def test_an_instrument_profile_is_saved_loaded_and_forgotten(
    found: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, micrograph: Any
) -> None:
    from qtpy.QtWidgets import QFileDialog

    from napari_atomicity.counting.profile import load_profile

    count, path = found.panel("Count atoms"), tmp_path / "titan.json"
    known = count.known
    assert not known.save.isEnabled() and known.profile.text() == "none"
    found.click(count.run)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(path.with_suffix("")), ""))
    found.click(known.save)
    profile = load_profile(path)
    assert profile.intensity_per_atom == pytest.approx(
        found.document.state.count.calibration.intensity_per_atom, rel=0.01
    )
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, **__: (str(path), ""))
    found.show(dataclasses.replace(micrograph, name="next"))
    found.click(known.load)
    settings = found.document.settings
    assert (settings.intensity_per_atom, settings.intensity_per_atom_sd) == (
        pytest.approx(profile.intensity_per_atom),
        pytest.approx(profile.intensity_per_atom_sd),
    )
    assert known.profile.text() == "titan" and known.intensity.text() == f"{profile.intensity_per_atom:g}"
    found.click(known.forget)
    assert found.document.settings == dataclasses.replace(
        settings, intensity_per_atom=None, intensity_per_atom_sd=Settings().intensity_per_atom_sd
    )
    assert known.profile.text() == "none" and not known.forget.isVisible()
    # another scale by hand is no longer the profile's
    found.click(known.load)
    known.intensity.setText("123")
    known.intensity.editingFinished.emit()
    found.idle()
    assert known.profile.text() == "none" and found.document.settings.intensity_per_atom == 123
    path.write_text("{")
    found.click(known.load)
    assert found.document.settings.intensity_per_atom == 123 and "titan" in found.notes[-1]


def test_a_name_with_a_dot_stays_what_it_is_and_no_other_file_is_replaced(
    found: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qtpy.QtWidgets import QFileDialog

    from napari_atomicity.counting.profile import load_profile

    known = found.panel("Count atoms").known
    found.click(found.panel("Count atoms").run)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(tmp_path / "gain 1.5"), ""))
    found.click(known.save)
    saved = tmp_path / "gain 1.5.json"
    assert load_profile(saved).name == "gain 1.5" and not (tmp_path / "gain 1.json").exists()
    saved.write_text("another")
    found.click(known.save)  # the dialogue asked about a name without a suffix
    assert saved.read_text() == "another" and "gain 1.5.json is there already" in found.notes[-1]


def test_a_deposited_size_that_no_model_knows_is_refused_at_once(found: Any) -> None:
    fields, before = found.count.known, found.document.settings
    for text, said in (("999999999", "does not say what was deposited"), ("20", "does not know"), ("19, 19", "twice")):
        fields.deposited.setText(text)
        fields.deposited.editingFinished.emit()
        assert said in found.notes[-1], found.notes
        assert found.document.settings == before
    fields.deposited.setText("19, 55")
    fields.deposited.editingFinished.emit()
    assert found.document.settings.deposited == (19, 55)


def test_what_was_typed_for_one_image_is_not_taken_for_the_next_one(
    app: Any, frame: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_atomicity.micrograph import Micrograph

    load, ratios, metals = (app.panel(name) for name in ("Load and calibrate", "Class ratios", "Metals and alloys"))
    prior = app.count.known
    typed = {
        load.pixel.lineEdit(): "0.05", prior.deposited: "19", prior.metal: "Pt", prior.intensity: "77",
        ratios.expected: "19:1", metals.metal: "Au", metals.exponent: "1.5",
    }  # fmt: skip
    app.show(Micrograph(frame.image, 0.04, name="first"))
    first = app.document
    app.settle()
    for field in (load.pixel, load.field, *typed):
        monkeypatch.setattr(field, "hasFocus", lambda: True, raising=False)
    for field, text in typed.items():  # and a person goes on to the next image with the mouse, without Enter
        field.setText(text)
    app.show(Micrograph(frame.image[::-1].copy(), 0.02, name="second"))
    app.settle()
    assert load.pixel.value() == 0.02
    assert not any(field.text() for field in (prior.deposited, prior.metal, prior.intensity, ratios.expected))
    assert not metals.metal.text() and metals.exponent.text() == metals_exponent(app.document)
    for field in (load.pixel, load.field, prior.deposited, prior.metal, prior.intensity, ratios.expected):
        field.editingFinished.emit()
    app.settle()
    second = app.document
    assert (second.micrograph.pixel_size_nm, first.micrograph.pixel_size_nm) == (0.02, 0.04)
    assert second.settings.deposited == () and second.settings.intensity_per_atom is None
    # and while it is in hand, what is being typed stays there
    prior.intensity.setText("12")
    second.select([])
    second.set_options(in_joint=not second.options.in_joint)
    app.settle()
    assert prior.intensity.text() == "12"


def metals_exponent(document: Any) -> str:
    return "-".join(f"{end:g}" for end in dict.fromkeys(document.settings.exponent))
