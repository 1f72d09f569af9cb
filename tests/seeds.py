"""What tests draw at random: from which seed, and how often.

NAPARI_ATOMICITY_TEST_SEED=1 make test       # everything drawn anew, to find what holds by luck
NAPARI_ATOMICITY_TEST_EXAMPLES=all make test # as many examples of a property as CI and `make test-slow` try
"""

import os
from typing import Final

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
