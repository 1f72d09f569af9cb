"""The fast image model: known physics of the probe, signal that is neither lost nor made, multislice as the judge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_atomicity.errors import InputError
from napari_atomicity.simulation.imaging import Probe, atom_weights, render_atoms
from napari_atomicity.simulation.optics import Optics
from seeds import examples, seeded

FLAT = np.column_stack([np.mgrid[0:4, 0:5].reshape(2, -1).T * 0.28, np.zeros(20)])


def image_of_one_atom(probe: Probe, height_nm: float, pixel: float = 0.02, size: int = 161) -> np.ndarray:
    middle = np.array([[size // 2, size // 2, height_nm]], dtype=float)
    return probe.render((size, size), pixel, middle, np.ones(1))


def width(image: np.ndarray, pixel: float = 0.02) -> float:
    """Radius that holds half of the signal within 1 nm, nm."""
    y, x = np.indices(image.shape) - (np.array(image.shape) // 2)[:, None, None]
    radius = np.hypot(y, x).ravel() * pixel
    order = np.argsort(radius)
    order = order[radius[order] < 1]
    running = np.cumsum(image.ravel()[order])
    return float(np.interp(running[-1] / 2, running, radius[order]))


@settings(max_examples=examples(20), deadline=None)
@given(pixel=st.floats(0.01, 0.12), fwhm=st.floats(0.12, 0.4), y=st.floats(2.3, 3.7), x=st.floats(2.3, 3.7))
def test_an_atom_keeps_its_signal_and_its_place_at_every_pixel_size(pixel, fwhm, y, x):
    size = int(6 / pixel)
    image = render_atoms((size, size), pixel, np.array([[y, x]]) / pixel, np.array([1.0]), np.array([fwhm]))
    assert image.sum() * pixel**2 == pytest.approx(1, rel=2e-3)
    rows, cols = np.indices(image.shape)
    assert (image * rows).sum() / image.sum() * pixel == pytest.approx(y, abs=2e-3)
    assert (image * cols).sum() / image.sum() * pixel == pytest.approx(x, abs=2e-3)


@settings(max_examples=examples(15), deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(0, 150))
def test_a_frame_is_the_sum_of_its_atoms_wherever_they_lie(seed, n):
    rng = np.random.default_rng(seeded(seed))
    probe = Probe(0.2, 0.05, tail=0.1)
    atoms = np.column_stack([rng.uniform(-30, 230, n), rng.uniform(-30, 170, n), rng.uniform(0, 1, n)])
    weights = rng.uniform(0.5, 2, n)
    together = probe.render((200, 140), 0.05, atoms, weights)
    one_by_one = sum(
        (probe.render((200, 140), 0.05, atoms[i : i + 1], weights[i : i + 1]) for i in range(n)),
        start=np.zeros((200, 140)),
    )
    assert np.allclose(together, one_by_one, atol=2e-3 * max(together.max(), 1))


def test_the_wavelength_of_an_electron_is_that_of_the_textbooks():
    assert Optics(200).wavelength_nm == pytest.approx(2.508e-3, rel=1e-3)
    assert Optics(80).wavelength_nm == pytest.approx(4.176e-3, rel=1e-3)


def test_an_ideal_probe_has_the_transfer_of_a_round_aperture():
    optics = Optics(200, 22, source_fwhm_nm=0)
    q = np.linspace(0.01, 2 * optics.cutoff, 15)
    s = q / (2 * optics.cutoff)
    assert np.allclose(
        optics.transfer(q, np.zeros(1))[0], 2 / np.pi * (np.arccos(s) - s * np.sqrt(1 - s**2)), atol=4e-3
    )


@pytest.mark.parametrize("source", [0.06, 0.08, 0.15])
def test_a_probe_is_as_wide_as_diffraction_and_source_make_it(source):
    diffraction = 0.514 * Optics(200, 22).wavelength_nm / 0.022
    probe = Probe.of(Optics(200, 22, source_fwhm_nm=source))
    assert probe.fwhm_nm == pytest.approx(np.hypot(diffraction, source), rel=0.07)


@pytest.mark.parametrize("defocus", [-8.0, 8.0])
def test_defocus_widens_what_lies_further_from_focus(defocus):
    probe = Probe.of(Optics(200, 22, defocus))
    assert width(image_of_one_atom(probe, 0)) > 1.5 * width(image_of_one_atom(Probe.of(Optics(200, 22)), 0))
    low, high = width(image_of_one_atom(probe, 0)), width(image_of_one_atom(probe, 1.5))
    assert (high < low) == (defocus > 0)


def test_in_focus_a_nanometre_of_height_changes_little():
    probe = Probe.of(Optics(200, 22))
    assert width(image_of_one_atom(probe, 1.0)) == pytest.approx(width(image_of_one_atom(probe, 0)), rel=0.1)


@settings(max_examples=examples(12), deadline=None)
@given(
    kv=st.sampled_from([80.0, 200.0, 300.0]),
    mrad=st.floats(18, 30),
    defocus=st.floats(-12, 12),
    height=st.floats(0, 1.5),
)
def test_a_fitted_probe_keeps_the_signal_and_is_nowhere_negative(kv, mrad, defocus, height):
    image = image_of_one_atom(Probe.of(Optics(kv, mrad, defocus)), height, pixel=0.04, size=151)
    assert image.sum() * 0.04**2 == pytest.approx(1, abs=0.02)
    assert image.min() > -0.02 * image.max()


def moments(image, pixel):
    """Centre y, x and the standard deviations along y and x, nm."""
    share = image.astype(float) / image.sum(dtype=float)
    y, x = np.indices(image.shape) * pixel
    cy, cx = (share * y).sum(), (share * x).sum()
    return cy, cx, np.sqrt((share * (y - cy) ** 2).sum()), np.sqrt((share * (x - cx) ** 2).sum())


@pytest.mark.parametrize(
    "optics", [Optics(), Optics(defocus_nm=6), Optics(80, 30, 2, focal_spread_nm=4), Optics(cs_mm=0.01)]
)
def test_a_transfer_in_two_dimensions_without_anything_lopsided_is_that_of_the_round_probe(optics):
    round_one, same = (image_of_one_atom(probe, 0.4) for probe in (Probe.of(optics), Probe(0.1, optics=optics)))
    assert np.abs(round_one - same).max() < 0.05 * same.max()  # foci and Gaussians are few
    assert same.sum() == pytest.approx(round_one.sum(), rel=0.01)


@pytest.mark.parametrize("aberration", ["astigmatism_nm", "coma_nm", "threefold_nm"])
def test_a_lopsided_probe_keeps_signal_and_centre(aberration):
    optics = Optics(**{aberration: (3.0, 1.0) if aberration == "astigmatism_nm" else (90.0, 40.0)})
    image, perfect = (image_of_one_atom(Probe.of(one), 0, pixel=0.03, size=121) for one in (optics, Optics()))
    assert image.sum() == pytest.approx(perfect.sum(), rel=0.01)
    assert moments(image, 0.03)[:2] == pytest.approx(moments(perfect, 0.03)[:2], abs=0.005)
    assert image.max() < 0.95 * perfect.max()


def test_astigmatism_is_a_line_along_the_other_axis_on_the_other_side_of_focus():
    under, over = (
        moments(image_of_one_atom(Probe.of(Optics(defocus_nm=defocus, astigmatism_nm=(3.0, 0.0))), 0, 0.03, 121), 0.03)
        for defocus in (-5.0, 5.0)
    )
    assert under[2] > 1.2 * under[3]
    assert over[3] > 1.2 * over[2]


def test_a_tail_takes_signal_from_the_core_alone():
    bare, tailed = image_of_one_atom(Probe(0.16), 0), image_of_one_atom(Probe(0.16, tail=0.2), 0)
    assert tailed.sum() == pytest.approx(bare.sum(), rel=1e-3)
    assert tailed.max() < 0.85 * bare.max()


@pytest.mark.parametrize("wrong", [{"fwhm_nm": 0.0}, {"fwhm_nm": float("nan")}, {"fwhm_nm": 0.1, "tail": 1.0}])
def test_a_probe_that_cannot_be_is_refused(wrong):
    with pytest.raises(InputError):
        Probe(**wrong)


@pytest.mark.parametrize("wrong", [{"voltage_kv": 200e3}, {"convergence_mrad": 0.022}, {"source_fwhm_nm": -1}])
def test_optics_in_other_units_are_refused(wrong):
    with pytest.raises(InputError):
        Optics(**wrong)


def test_atoms_side_by_side_add_up():
    assert atom_weights(FLAT).sum() == pytest.approx(len(FLAT), rel=1e-3)


def test_atoms_in_a_column_scatter_more_than_apart_and_next_to_a_column_they_do_not():
    def pair(offset_nm):
        return atom_weights(np.array([[0, 0, 0], [offset_nm, 0, 0.2775]])).sum()

    # frozen phonons by multislice at 200 kV: 2.20 +- 0.02 aligned, 1.99 +- 0.01 at 0.05 nm
    assert pair(0) == pytest.approx(2.21, abs=0.03)
    assert pair(0.05) == pytest.approx(2, abs=0.01)
    column = atom_weights(np.column_stack([np.zeros((4, 2)), 0.2775 * np.arange(4)]))
    assert column.sum() == pytest.approx(5.4, abs=0.25)


def test_a_heavier_atom_scatters_more():
    lone = np.zeros((1, 3))
    assert atom_weights(lone, "Pt") == pytest.approx(1)
    assert atom_weights(lone, "Au")[0] == pytest.approx(1.014, rel=0.01)  # the others as well: multislice
    assert atom_weights(lone, "Pd")[0] == pytest.approx(0.470, rel=0.05)
    assert atom_weights(lone, "Cu")[0] == pytest.approx(0.222, rel=0.05)


def test_the_multislice_is_asked_of_those_who_have_it(monkeypatch):
    from validation.multislice import multislice_image

    monkeypatch.setitem(__import__("sys").modules, "abtem.core.energy", None)
    with pytest.raises(InputError, match="validate"):
        multislice_image(np.zeros((1, 3)), Optics())
