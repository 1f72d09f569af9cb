"""Counts in units of another metal: factors, errors, and who says which metal it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_atomicity.errors import InputError
from napari_atomicity.metals import (
    Composition,
    Conversion,
    Exponent,
    atomic_number,
    metal_named_in,
    read_composition,
    read_exponent,
)
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline import Settings, composition_of, metal_doubt, metal_of_deposited


def test_signals_of_the_metals_are_those_that_are_known() -> None:
    known = {"Co": 0.18, "Ni": 0.19, "Cu": 0.21, "Ru": 0.40, "Pd": 0.43, "Ag": 0.45, "Ir": 0.98, "Au": 1.02}
    for metal, signal in known.items():
        assert Exponent().signal(metal, "Pt") == pytest.approx(signal, abs=0.006)
    assert [atomic_number(metal) for metal in ("H", "C", "Co", "Pt", "Og")] == [1, 6, 27, 78, 118]


def test_the_range_of_the_exponent_is_carried_as_error() -> None:
    silver = Conversion("Pt", Composition.of_one("Ag"))
    low, high = silver.factor_range
    assert (low, high) == pytest.approx(((47 / 78) ** 1.7, (47 / 78) ** 1.46))
    atoms, sd = silver.atoms(np.array([20.0]), np.array([1.0]))
    drawn = 20 / (47 / 78) ** np.random.default_rng(0).uniform(1.46, 1.7, 100_000)
    assert atoms[0] == pytest.approx(20 / (47 / 78) ** 1.6)
    assert sd[0] == pytest.approx(np.hypot(drawn.std(), atoms[0] / 20), rel=0.03)
    exact = Conversion("Pt", Composition.of_one("Ag"), Exponent.within(1.6, 1.6))
    assert exact.atoms(np.array([20.0]), np.array([1.0]))[1][0] == pytest.approx(atoms[0] / 20)
    # gold is so near to platinum that the range matters nothing
    assert Conversion("Pt", Composition.of_one("Au")).factor_sd < 0.002


def test_an_alloy_of_known_composition_has_its_error() -> None:
    alloy = Conversion("Pt", read_composition("Co=0.25±0.05", "Pt"))
    # 30 atoms of Pt with 10 of Co are 31.8 equivalents
    assert alloy.factor * 40 == pytest.approx(31.83, abs=0.01)
    drawn = np.random.default_rng(0)
    x, n = drawn.normal(0.25, 0.05, 100_000), drawn.uniform(1.46, 1.7, 100_000)
    counts = 31.83 / (1 - x + x * (27 / 78) ** n)
    atoms, sd = alloy.atoms(np.array([31.83]), np.array([1e-6]))
    assert atoms[0] == pytest.approx(40, abs=0.01) and sd[0] == pytest.approx(counts.std(), rel=0.05)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Pt"),
        ("gold", "Au"),
        ("pt", "Pt"),
        ("Co=0.25±0.05", "Pt with Co 0.25 ± 0.05"),
        ("Co 25 ± 5 %", "Pt with Co 0.25 ± 0.05"),
        ("Co=0,25+-0,05; Ni=0,1", "Pt with Co 0.25 ± 0.05, Ni 0.1"),
        ("Ag=0.3±0.1, Au=0.7", "Au with Ag 0.3 ± 0.1"),
        ("Ag=0.3, Au=0.7±0.1", "Au with Ag 0.3 ± 0.1"),
    ],
)
def test_compositions_are_read_as_people_type_them(text: str, words: str) -> None:
    assert read_composition(text, "Pt").words == words


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Co=0.7, Ni=0.5", "add up to 1.2"),
        ("Co=0.2, Co=0.1", "named twice"),
        ("Xx=0.2", "no element"),
        ("Co=nan", "does not say"),
        ("Co=1.5", "impossible"),
        ("Co=0.2±0.9", "impossible"),
        ("Pt=0.5, Co=0.2", "metal of the rest"),
        ("=" * 5000, "does not say"),
    ],
)
def test_impossible_compositions_are_refused_in_a_sentence(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as refused:
        read_composition(text, "Pt")
    assert len(str(refused.value)) < 250


@given(st.text(max_size=60))
def test_no_text_is_met_with_anything_but_an_answer(text: str) -> None:
    for read in (lambda: read_composition(text, "Pt"), lambda: read_exponent(text), lambda: metal_of_deposited(text)):
        try:
            read()
        except InputError as error:
            assert str(error)


def test_exponents_are_ranges_that_a_detector_can_have() -> None:
    assert read_exponent("1.46-1.7") == Exponent() == read_exponent("")
    assert read_exponent("1,3 – 1,5") == Exponent(1.3, 1.5, 1.4) and read_exponent("1.5").sd == 0
    for text in ("0.5-1", "2-3", "1.7-1.4", "n"):
        with pytest.raises(InputError):
            read_exponent(text)


def image(name: str = "frame", **metadata: str) -> Micrograph:
    return Micrograph(np.zeros((8, 8), dtype=np.float32), 0.05, name=name, metadata=metadata)


@pytest.mark.parametrize(
    ("settings", "micrograph", "who"),
    [
        (Settings(element="Au"), image(), "you say"),
        (Settings(deposited=(55,), deposited_element="Au"), image(), "you say"),
        (Settings(), image("2026_Au55_C_03"), "the file says"),
        (Settings(), image(sample="gold on carbon"), "the file says"),
        (Settings(), image(sample_elements="Au"), "the file says"),
    ],
)
def test_another_metal_is_said_before_counting(settings: Settings, micrograph: Micrograph, who: str) -> None:
    doubt = metal_doubt("Pt", settings, micrograph)
    assert f"{who} that the clusters are of Au" in doubt and "Pt-equivalents" in doubt
    assert not metal_doubt("Au", settings, micrograph)
    # what a person says goes before what a file is called
    assert composition_of(Settings(element="Pt"), micrograph, "Pt") == (Composition.of_one("Pt"), "you say")


@pytest.mark.parametrize(
    "name", ["frame", "gold_grid_7", "Pt55 and Au55", "CoAu", "Co.5", "image Au 300 mesh", "Cu2024a"]
)
def test_a_name_that_speaks_of_no_clusters_names_no_metal(name: str) -> None:
    assert metal_named_in([name]) == ""


def test_deposited_sizes_name_one_metal_or_none() -> None:
    assert metal_of_deposited("Au55, 38:0.5") == "Au" and metal_of_deposited("19, 55") == ""
    assert metal_of_deposited("pt19") == "Pt" and metal_of_deposited("xx19") == ""
    with pytest.raises(InputError, match="one metal"):
        metal_of_deposited("Au55, Pt19")


def test_the_metadata_of_hyperspy_name_the_elements_of_a_sample() -> None:
    from napari_atomicity.io.formats._rosetta import _acquisition

    assert _acquisition({"Sample": {"elements": ["Au"]}}, {}) == {"sample_elements": "Au"}
    assert _acquisition({"Sample": {"elements": ["Pt", "C"]}}, {}) == _acquisition({"Sample": 3}, {}) == {}
