"""The foreign lots: what the optics leave of an image, and that a frame holds what its truth says."""

import numpy as np
import pytest

from napari_atomicity.detection import detect
from napari_atomicity.simulation.optics import Optics
from napari_atomicity.simulation.structures import library
from validation.foreign_clusters import LOTS, PER_SIZE, planned
from validation.foreign_frames import CLASSES, CONDITIONS, Settings, foreign_frame, plan
from validation.foreign_optics import Aberrations, transfer
from validation.multislice_library import ImagedCluster, MultisliceLibrary

OPTICS = Optics(80.0, 25.0, 0.5, source_fwhm_nm=0.0)


@pytest.fixture(scope="module")
def store():
    """Round atoms in the place of images by multislice, three clusters of each size."""
    rng = np.random.default_rng(0)
    y, x = (np.indices((128, 128)) - 63.5) * 0.025
    clusters = []
    for size in PER_SIZE:
        for flatness in (0.2, 0.5, 0.8):
            atoms = library("test").draw(size, flatness, rng)
            image = sum(np.exp(-0.5 * ((y - b) ** 2 + (x - a) ** 2) / 0.05**2) for a, b, _ in atoms)
            image *= size / (image.sum() * 0.025**2)
            clusters.append(ImagedCluster(image[None].astype(np.float16), atoms.astype(np.float32), flatness))
    return MultisliceLibrary(tuple(clusters), 0.025, (0.5,), {})


def test_a_probe_without_aberrations_passes_on_what_an_ideal_one_saw():
    found = transfer(OPTICS, Aberrations(), (200, 160), 0.025)
    q = np.hypot(np.fft.fftfreq(200, 0.025)[:, None], np.fft.rfftfreq(160, 0.025)[None])
    np.testing.assert_allclose(np.abs(found[q < 1.2 * OPTICS.cutoff]), 1.0, atol=0.05)
    assert np.abs(found[q > 2 * OPTICS.cutoff]).max() == 0


@pytest.mark.parametrize(
    "aberrations",
    [
        Aberrations(defocus_nm=8.0),
        Aberrations(astigmatism_nm=4j),
        Aberrations(coma_nm=100.0 + 50j),
        Aberrations(threefold_nm=150.0),
        Aberrations(source_fwhm_nm=0.15, tail=0.1),
    ],
)
def test_aberrations_blur_but_take_no_signal_away(aberrations):
    found = transfer(OPTICS, aberrations, (200, 200), 0.025)
    assert found[0, 0] == pytest.approx(1.0, abs=1e-6)
    assert np.abs(found).max() < 1.02
    q = np.hypot(np.fft.fftfreq(200, 0.025)[:, None], np.fft.rfftfreq(200, 0.025)[None])
    middle = (q > 0.7 * OPTICS.cutoff) & (q < OPTICS.cutoff)
    assert np.abs(found[middle]).mean() < 0.9


def test_only_odd_aberrations_are_lopsided():
    even, odd = (
        transfer(OPTICS, one, (128, 128), 0.025)
        for one in (Aberrations(8.0, 3.0, spherical_um=1.0), Aberrations(coma_nm=150.0))
    )
    assert np.abs(even.imag).max() < 1e-6 < 0.05 < np.abs(odd.imag).max()


def test_defocus_agrees_with_the_transfer_of_a_round_probe():
    q = np.linspace(0.5, 1.6 * OPTICS.cutoff, 12)
    found = transfer(OPTICS, Aberrations(6.0), (800, 800), 0.025)[0]
    exact = OPTICS.transfer(q, np.array([0.5 - 6.0]))[0] / OPTICS.transfer(q, np.array([0.5]))[0]
    np.testing.assert_allclose(np.interp(q, np.fft.rfftfreq(800, 0.025), found.real), exact, atol=0.04)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(LOTS))
def test_a_clean_frame_holds_the_atoms_of_its_truth(store, name):
    frame = foreign_frame(LOTS[name], store, Settings("clean", 0, 0, 0))
    found = detect(frame.image, frame.pixel_size_nm).clusters
    whole = frame.truth[(frame.truth["kind"] == "cluster") & ~frame.truth["on_edge"]]
    places = whole[["y_px", "x_px"]].to_numpy()
    apart = np.hypot(places[:, :1] - found.y_px, places[:, 1:] - found.x_px) * frame.pixel_size_nm
    near = apart.min(axis=1) < 0.3
    assert near.mean() > 0.93
    atoms = found.intensity[apart.argmin(axis=1)] / frame.scale_counts_nm2_per_atom
    ratio = (atoms / whole["n_atoms"])[near & (whole["n_atoms"] >= 19)]
    assert np.median(ratio) == pytest.approx(1.0, abs=0.06) and np.std(ratio) < 0.1


@pytest.mark.slow
def test_a_frame_is_the_same_every_time_and_its_session_shares_the_microscope(store):
    first, again, next_one = (
        foreign_frame(LOTS["report"], store, Settings("nominal", 0, number, 7)) for number in (3, 3, 4)
    )
    np.testing.assert_array_equal(first.image, again.image)
    assert first.truth.equals(again.truth)
    assert next_one.pixel_size_nm == first.pixel_size_nm
    assert next_one.scale_counts_nm2_per_atom == pytest.approx(first.scale_counts_nm2_per_atom, rel=0.25)
    assert not np.array_equal(first.image, next_one.image)


def test_the_plan_of_a_lot():
    frames = plan(mixed=3, sessions=2, pure=1)
    assert [settings.number for settings in frames] == list(range(len(frames)))
    assert {settings.condition for settings in frames} == set(CONDITIONS)
    assert sorted(settings.pure for settings in frames if settings.pure) == sorted(CLASSES * len(CONDITIONS))
    mixed = [settings.session for settings in frames if not settings.pure]
    assert all(mixed.count(session) == 3 for session in mixed) and len(set(mixed)) == 2 * len(CONDITIONS)


def test_a_lot_has_forty_structures_of_every_class_and_half_of_them_flat():
    sizes, flatness = zip(*planned(), strict=True)
    for size in CLASSES:
        of_size = np.array([flat for n, flat in zip(sizes, flatness, strict=True) if n == size])
        assert len(of_size) == 40 and 0.4 < (of_size > 0.5).mean() < 0.6
    assert len({lot.split for lot in LOTS.values()}) == len(LOTS)
