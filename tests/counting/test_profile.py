"""What a microscope's profile keeps, and which files are refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from napari_atomicity.counting.bundle import Bundle
from napari_atomicity.counting.calibrate import calibrate_frame, calibrate_frames
from napari_atomicity.counting.network import Network
from napari_atomicity.counting.prior import PriorKnowledge
from napari_atomicity.counting.profile import check_place, load_profile, profile_of, save_profile
from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph

from .synthetic import CARD, SIZES, evidence_of

MIXED = np.repeat(SIZES, 30)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle(CARD, Network(SIZES, ("raw",)).eval().requires_grad_(False))


@pytest.fixture(scope="module")
def micrographs() -> list[Micrograph]:
    pixels = np.arange(16, dtype=np.float32).reshape(4, 4)
    return [Micrograph(pixels + i, 0.05, name=f"scan {i}") for i in range(2)]


@pytest.fixture(scope="module")
def calibrations():
    return calibrate_frames([evidence_of(MIXED, 100.0, seed=1), evidence_of(MIXED, 110.0, seed=2)])


@pytest.fixture
def profile(bundle, calibrations, micrographs):
    return profile_of("Titan, 200 kV", calibrations, bundle, micrographs)


def test_a_profile_holds_the_common_scale_and_what_a_next_image_may_be_off_by(profile, calibrations):
    assert (
        min(one.intensity_per_atom for one in calibrations)
        < profile.intensity_per_atom
        < max(one.intensity_per_atom for one in calibrations)
    )
    assert profile.intensity_per_atom == pytest.approx(105, rel=0.05)
    assert 0.07 <= profile.intensity_per_atom_sd < 0.15
    assert (profile.frames, profile.clusters, profile.element, profile.pixel_size_nm) == (2, 300, "Pt", 0.05)
    assert profile.known((19,)) == PriorKnowledge(profile.intensity_per_atom, profile.intensity_per_atom_sd, (19,))


def test_frames_far_apart_leave_the_next_image_more_room(bundle, micrographs):
    apart = [calibrate_frame(evidence_of(MIXED, scale, seed=3)) for scale in (60.0, 100.0, 160.0)]
    assert profile_of("wide", apart, bundle, micrographs).intensity_per_atom_sd > 0.3


def test_a_frame_that_is_sure_of_its_scale_weighs_more(bundle, micrographs):
    """Weights are the inverse variances: of the frame itself, and of what frames of one session differ by."""
    frames = calibrate_frames([evidence_of(MIXED, 100.0, seed=1), evidence_of(MIXED, 100.0, seed=2)])
    sure, unsure = (replace(one, intensity_per_atom=scale, intensity_per_atom_sd=sd) for one, scale, sd in
                    zip(frames, (100.0, 130.0), (1.0, 39.0), strict=True))  # fmt: skip
    profile = profile_of("two", [sure, unsure], bundle, micrographs)
    weight = 1 / (np.array([0.01, 0.3]) ** 2 + 0.07**2)
    centre = np.average(np.log([100.0, 130.0]), weights=weight)
    scatter = np.sqrt(np.average((np.log([100.0, 130.0]) - centre) ** 2, weights=weight))
    assert profile.intensity_per_atom == pytest.approx(np.exp(centre), rel=1e-6) and profile.intensity_per_atom < 102
    assert profile.intensity_per_atom_sd == pytest.approx(np.hypot(max(scatter, 0.07), weight.sum() ** -0.5), rel=1e-6)


def test_images_are_told_by_the_hash_of_their_pixels(profile, bundle, calibrations, micrographs):
    first, second = (one["sha256"] for one in profile.images)
    assert len(first) == 64 and first != second
    renamed = profile_of("x", calibrations, bundle, [replace(micrographs[0], name="other")])
    assert renamed.images[0] == {"name": "other", "sha256": first}


def test_undecided_and_unfit_frames_do_not_enter(bundle, calibrations, micrographs):
    odd = [
        replace(calibrations[0], ambiguous=True, intensity_per_atom=1.0),
        replace(calibrations[0], misfit="No.", intensity_per_atom=1.0),
    ]
    with_odd = profile_of("x", [*odd, *calibrations], bundle, micrographs)
    assert with_odd.intensity_per_atom == profile_of("x", calibrations, bundle, micrographs).intensity_per_atom
    with pytest.raises(InputError, match="no scale to save"):
        profile_of("x", odd, bundle, micrographs)
    with pytest.raises(InputError, match="no scale to save"):
        profile_of("x", [type(calibrations[0]).at_scale(100.0, SIZES)], bundle, micrographs)


def test_images_of_several_magnifications_have_no_one_pixel_size(bundle, calibrations, micrographs):
    mixed = [micrographs[0], micrographs[1].with_pixel_size(0.1)]
    assert profile_of("x", calibrations, bundle, mixed).pixel_size_nm is None


def test_a_profile_comes_back_as_it_was_saved(profile, tmp_path):
    path = tmp_path / "titan.json"
    save_profile(profile, path)
    assert load_profile(path) == profile
    assert [file.name for file in tmp_path.iterdir()] == ["titan.json"]


def test_the_profile_of_another_microscope_is_not_overwritten_unasked(profile, tmp_path):
    path = tmp_path / "titan.json"
    save_profile(profile, path)
    again = replace(profile, name="next day", intensity_per_atom=profile.intensity_per_atom * 1.1)
    save_profile(again, path)
    before = path.read_bytes()
    for other in (replace(profile, intensity_per_atom=profile.intensity_per_atom * 3), replace(profile, element="Au")):
        with pytest.raises(InputError, match="other settings"):
            save_profile(other, path)
        assert path.read_bytes() == before
    save_profile(other, path, overwrite=True)
    assert load_profile(path) == other


def test_a_file_that_is_no_profile_is_not_overwritten_unasked(profile, tmp_path):
    path = tmp_path / "notes.json"
    path.write_text('{"mine": 1}')
    for attempt in (lambda: save_profile(profile, path), lambda: check_place(path)):
        with pytest.raises(InputError, match="remove that file"):
            attempt()
    assert path.read_text() == '{"mine": 1}'
    check_place(path, overwrite=True)
    with pytest.raises(InputError, match="folder that exists"):
        check_place(tmp_path / "none" / "x.json")
    with pytest.raises(InputError, match="folder that exists"):
        check_place(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scale": -1.0}, r"scale\b.*must be"),
        ({"scale": float("nan")}, r"scale\b.*must be"),
        ({"scale": None}, r"scale\b.*must be"),
        ({"scale_sd": 0}, r"scale_sd\b.*must be"),
        ({"scale_sd": 7.0}, r"scale_sd\b.*must be"),
        ({"element": "Xyz1"}, r"element\b.*must be"),
        ({"name": 3}, r"name\b.*must be"),
        ({"images": "many"}, r"images\b.*must be"),
        ({"images": [{"name": 1}]}, r"images\b.*must be"),
        ({"frames": 1.5}, r"frames\b.*must be"),
        ({"clusters": True}, r"clusters\b.*must be"),
        ({"pixel_size_nm": -0.05}, r"pixel_size_nm\b.*must be"),
        ({"model_sha256": "abc"}, r"model_sha256\b.*must be"),
        ({"scale": 10**400}, "a number above 0"),
        ({"scale": float("inf")}, "a number above 0"),
        ({"name": "a\x1b[2J"}, "control characters"),
        ({"images": [{"name": "a", "sha256": "b", "more": "c"}]}, r"images\b.*must be"),
        ({"element": "=1"}, "a chemical symbol"),
        ({"format": 99}, "later version"),
        ({"kind": "shopping list"}, "no instrument profile"),
    ],
)
def test_impossible_profiles_are_refused_in_one_sentence(profile, tmp_path, change, words):
    path = tmp_path / "titan.json"
    save_profile(profile, path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=words) as caught:
        load_profile(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"[1]", b"null", b"[" * 100_000, b"9" * 5_000])
def test_damaged_files_are_refused(tmp_path, content):
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.json"):
        load_profile(path)
    with pytest.raises(InputError, match="does not exist"):
        load_profile(tmp_path / "none.json")


def test_a_profile_of_another_metal_is_refused(profile):
    profile.check(CARD)
    with pytest.raises(InputError, match="counts Au"):
        profile.check(replace(CARD, element="Au"))


def test_the_keys_of_a_profile_stay_what_they_were_in_the_first_version(tmp_path):
    first = {
        "kind": "napari-atomicity instrument profile",
        "format": 1,
        "name": "Titan",
        "element": "Pt",
        "scale": 105.25,
        "scale_sd": 0.08,
        "pixel_size_nm": 0.05,
        "model": "dual",
        "model_sha256": "0" * 64,
        "images": [{"name": "a.tif", "sha256": "1" * 64}],
        "frames": 2,
        "clusters": 80,
        "created": "2026-01-31T12:00:00+00:00",
        "version": "0.1.0",
    }
    path, again = tmp_path / "first.json", tmp_path / "again.json"
    path.write_text(json.dumps(first), encoding="utf-8")
    save_profile(load_profile(path), again)
    assert json.loads(again.read_text(encoding="utf-8")) == first


def test_the_keys_of_what_a_project_knows_of_an_atom_stay_what_they_were():
    from napari_atomicity.project import layout

    for entry in (layout.SettingsEntry, layout.KnownEntry, layout.CalibrationEntry):
        assert {"scale", "scale_sd"} <= set(entry.model_fields)
