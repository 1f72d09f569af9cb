"""Multislice beside the fast model, the store of its images, and pasting them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_atomicity.errors import InputError
from napari_atomicity.simulation.imaging import Probe, atom_weights
from napari_atomicity.simulation.optics import Optics
from seeds import examples
from validation.multislice_library import (
    ImagedCluster,
    MultisliceLibrary,
    load_multislice,
    paste,
    save_multislice,
)

ATOMS = np.array([[-0.3, 0.1, 0.0], [0.05, -0.2, 0.0], [0.3, 0.25, 0.3], [-0.05, 0.3, 0.2], [0.1, 0.02, 0.5]])


def drawn(atoms: np.ndarray, sampling: float = 0.025, shape: tuple[int, int] = (80, 80)) -> np.ndarray:
    places = np.column_stack([(shape[0] - 1) / 2 + atoms[:, 1] / sampling, (shape[1] - 1) / 2 + atoms[:, 0] / sampling])
    return Probe(0.12).render(shape, sampling, np.column_stack([places, atoms[:, 2]]), np.ones(len(atoms)))


@pytest.fixture
def store() -> MultisliceLibrary:
    image = drawn(ATOMS)[None].astype(np.float16)
    return MultisliceLibrary((ImagedCluster(image, ATOMS.astype(np.float32), 0.5),), 0.025, (0.0,), {"made": "here"})


def test_a_store_comes_back_as_it_was_written(store, tmp_path):
    save_multislice(store, tmp_path / "store.npz")
    again = load_multislice(tmp_path / "store.npz")
    assert again.sizes == (5,)
    assert (again.sampling_nm, again.defocus_nm, again.settings) == (0.025, (0.0,), {"made": "here"})
    assert np.array_equal(again.clusters[0].images, store.clusters[0].images)
    assert np.array_equal(again.clusters[0].positions_nm, store.clusters[0].positions_nm)


def test_what_is_no_store_is_refused_with_the_way_to_make_one(store, tmp_path):
    with pytest.raises(InputError, match=r"benchmarks/multislice\.py"):
        load_multislice(tmp_path / "missing.npz")
    (tmp_path / "wrong.npz").write_bytes(b"PK no archive")
    with pytest.raises(InputError, match="no store"):
        load_multislice(tmp_path / "wrong.npz")
    with pytest.raises(InputError, match="it has 5"):
        store.draw(6, np.random.default_rng(0))


@pytest.mark.parametrize("seed", range(8))
def test_a_cluster_is_turned_together_with_its_atoms(store, seed):
    image, positions = store.draw(5, np.random.default_rng(seed))
    assert np.corrcoef(image.ravel(), drawn(positions).ravel())[0, 1] > 0.999


@settings(max_examples=examples(25), deadline=None)
@given(pixel=st.floats(0.008, 0.12), y=st.floats(-0.4, 0.4), x=st.floats(-0.4, 0.4), blur=st.sampled_from([0.0, 0.15]))
def test_pasting_conserves_the_integral_and_the_place_at_any_pixel_size(pixel, y, x, blur):
    size = int(5 / pixel)
    frame, image = np.zeros((size, size), np.float32), drawn(ATOMS)
    centre = np.array([size / 2 + y / pixel, size / 2 + x / pixel])
    paste(frame, pixel, centre, image, 0.025, blur)
    assert frame.sum() * pixel**2 == pytest.approx(image.sum() * 0.025**2, rel=1e-4)
    rows, cols = np.indices(frame.shape)
    mass = np.array([(frame * rows).sum(), (frame * cols).sum()]) / frame.sum()
    assert (mass - centre) * pixel == pytest.approx(ATOMS[:, [1, 0]].mean(axis=0), abs=2e-3)


def test_a_pasted_image_is_what_the_frame_would_have_shown():
    frame, atoms, middle, pixel = np.zeros((70, 60), np.float32), ATOMS, np.array([31.3, 28.8]), 0.05
    paste(frame, pixel, middle, drawn(atoms), 0.025)
    places = np.column_stack([middle + atoms[:, [1, 0]] / pixel, atoms[:, 2]])
    assert np.allclose(frame, Probe(0.12).render((70, 60), pixel, places, np.ones(5)), atol=0.02 * frame.max())


def test_what_lies_outside_the_frame_is_left_out():
    frame, image = np.zeros((40, 40), np.float32), drawn(ATOMS)
    paste(frame, 0.05, (-100, 20), image, 0.025)
    assert not frame.any()
    paste(frame, 0.05, (0, 39.5), image, 0.025)
    assert 0 < frame.sum() * 0.05**2 < 5


@pytest.mark.slow
def test_the_fast_model_images_as_multislice_does():
    pytest.importorskip("abtem")
    from validation.multislice import SAMPLING_NM, Annulus, multislice_image

    probe = Probe.of(Optics(200, 18, 3.0))
    judge, origin = multislice_image(ATOMS, Optics(200, 18, 3.0), Annulus(outer_mrad=110, margin_nm=0.6))
    places = np.column_stack([origin + ATOMS[:, [1, 0]] / SAMPLING_NM, ATOMS[:, 2]])
    fast = probe.render(judge.shape, SAMPLING_NM, places, atom_weights(ATOMS))
    assert judge.sum() * SAMPLING_NM**2 == pytest.approx(5, rel=0.03)
    assert np.corrcoef(judge.ravel(), fast.ravel())[0, 1] > 0.99
    assert np.abs(judge - fast).max() < 0.1 * judge.max()


@pytest.mark.slow
def test_a_focal_series_of_one_run_is_what_single_probes_give():
    """The image out of pairs of beams against abTEM's own probe, scanned over some places, over and under focus."""
    abtem = pytest.importorskip("abtem")
    from ase import Atoms

    from validation.multislice import SAMPLING_NM, Annulus, scatter

    annulus = Annulus(margin_nm=0.5)
    found = scatter(ATOMS[:2], Optics(source_fwhm_nm=0), annulus)
    side = found.extent_nm * 10
    placed = np.column_stack([ATOMS[:2, :2] + found.offset_nm, np.full(2, 0.1)]) * 10
    # abTEM's grid has to be much finer for the same potential: it shares atoms out among pixels
    potential = abtem.Potential(
        Atoms("Pt2", positions=placed, cell=[side, side, 2], pbc=True),
        sampling=0.012, slice_thickness=2, projection="infinite",
    ).build(lazy=False)  # fmt: skip
    pixels = np.array([[20, 14], [15, 16], [10, 22], [22, 12]])
    for focus in (0.0, -4.0):
        image = found.image(Optics(defocus_nm=focus, source_fwhm_nm=0))
        probe = abtem.Probe(energy=200e3, semiangle_cutoff=22, defocus=(found.top_nm - focus) * 10, soft=False)
        scan = abtem.CustomScan(pixels * SAMPLING_NM * 10)
        detector = abtem.AnnularDetector(annulus.inner_mrad, annulus.outer_mrad)
        scanned = probe.scan(potential, scan=scan, detectors=detector, lazy=False).array
        assert image[pixels[:, 1], pixels[:, 0]] == pytest.approx(np.asarray(scanned), rel=0.05, abs=1e-5)
