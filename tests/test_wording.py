"""Small words for numbers: what is not known is a dash, and nothing is said to be certain."""

import math

import pytest

from napari_atomicity import wording


def test_numbers_in_words():
    assert wording.percent(0.4713) == "47.1 %" and wording.percent(0.4713, 0) == "47 %"
    assert wording.interval(0.41, 0.53, 0) == "41 to 53 %"
    assert wording.share_and_interval(0.47, 0.41, 0.53, 0) == "47 (41 to 53) %"
    assert wording.nm(1.234) == "1.23 nm" and wording.number(-0.126, "+.2f") == "-0.13"
    assert (wording.counted(1, "cluster"), wording.counted(3, "cluster")) == ("1 cluster", "3 clusters")


def test_what_is_not_known_is_a_dash():
    nothing = [wording.percent(None), wording.percent(math.nan), wording.number(None, ".2f"), wording.nm(math.inf)]
    nothing += [wording.interval(math.nan, 0.5), wording.share_and_interval(math.nan, 0.1, 0.5)]
    assert set(nothing) == {"–"}


@pytest.mark.parametrize(("probability", "words"), [(0.0, "< 1 %"), (0.52, "52 %"), (1.0, "> 99 %")])
def test_a_chance_is_never_certain(probability, words):
    assert wording.chance(probability) == words


def test_flags_and_channels():
    assert wording.flag_sentence("ok") == "" and wording.flag_sentence("odd") == "Flag: odd."
    assert "border" in wording.flag_sentence("border")
    assert wording.channel_words("lcn") == "local contrast" and wording.channel_words("third") == "third"
