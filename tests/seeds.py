"""What tests draw at random: from which seed, and how often.

NAPARI_ATOMICITY_TEST_SEED=1 make test       # everything drawn anew, to find what holds by luck
NAPARI_ATOMICITY_TEST_EXAMPLES=all make test # as many examples of a property as CI and `make test-slow` try
"""

import os
from collections.abc import Sequence
from typing import Final, TypeVar

Case = TypeVar("Case")

#: 0 unless set
_SEED: Final = int(os.environ.get("NAPARI_ATOMICITY_TEST_SEED", "0"))
#: every example where it is asked for and in CI; a third of them while one works
_ALL: Final = os.environ.get("NAPARI_ATOMICITY_TEST_EXAMPLES", "all" if os.environ.get("CI") else "") == "all"


def examples(number: int) -> int:
    """How many of that number of examples of a property are tried."""
    return number if _ALL else max(5, number // 3)


def seeded(own: int) -> int:
    """The seed of one draw: its own where no other ones were asked for."""
    return own + 1000 * _SEED


def spread(cases: Sequence[Case]) -> list[Case]:
    """The same cases in an order in which the first few lie far apart: every value of a grid comes early."""
    golden = (5**0.5 - 1) / 2
    return [case for _, case in sorted(enumerate(cases), key=lambda numbered: numbered[0] * golden % 1)]
