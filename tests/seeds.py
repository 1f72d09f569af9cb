"""One number moves everything that tests draw at random, to find those that hold by luck.

NAPARI_ATOMICITY_TEST_SEED=1 make test
"""

import os
from typing import Final

#: 0 unless set
_SEED: Final = int(os.environ.get("NAPARI_ATOMICITY_TEST_SEED", "0"))


def seeded(own: int) -> int:
    """The seed of one draw: its own where no other ones were asked for."""
    return own + 1000 * _SEED
