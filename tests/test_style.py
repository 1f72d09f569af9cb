"""Class colours: fixed a class, told apart by every eye, in grey as well."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from skimage.color import rgb2lab

from napari_atomicity.style import CHANNEL_COLOURS, colours

SIZES = (19, 30, 41, 55, 70)
# Machado, Oliveira and Fernandes 2009, severity 1, linear RGB
EYES = {
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def _lab(colour: str, eye: str) -> np.ndarray:
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.asarray(EYES[eye]) @ linear, 0, 1)
    back = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    return rgb2lab(back[None, None])[0, 0]


@pytest.mark.parametrize("eye", EYES)
def test_every_two_colours_differ_for_every_eye(eye):
    seen = [_lab(colour, eye) for colour in colours(SIZES).values()]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 25


@pytest.mark.parametrize("eye", EYES)
def test_the_light_of_a_heat_map_is_never_taken_for_a_class(eye):
    classes = [_lab(colour, eye) for colour in colours(SIZES).values()]
    raw, lcn = (_lab(colour, eye) for colour in CHANNEL_COLOURS)
    assert min(np.linalg.norm(map_ - class_) for map_ in (raw, lcn) for class_ in classes) > 25
    assert np.linalg.norm(raw - lcn) > 50


def test_lightness_rises_from_class_to_class_and_stands_out_on_dark():
    lightness = [_lab(colour, "normal")[0] for label, colour in colours(SIZES).items() if label != "other"]
    assert lightness[0] > 40 and np.diff(lightness).min() > 5


def test_a_class_keeps_its_colour_whatever_the_model():
    whole, part = colours(SIZES), colours((7, 30, 70))
    assert all(part[label] == whole[label] for label in ("Pt30", "Pt70", "other"))
    assert len(set(part.values())) == len(part)
    assert list(colours(SIZES)) == ["Pt19", "Pt30", "Pt41", "Pt55", "Pt70", "other"]


def test_other_elements_and_many_classes_have_colours_of_their_own():
    gold = colours((20, 38, 55), "Au")
    assert list(gold) == ["Au20", "Au38", "Au55", "other"]
    assert gold["Au55"] == colours(SIZES)["Pt55"] and len(set(gold.values())) == 4
    assert len(set(colours(range(100, 125)).values())) == 26
