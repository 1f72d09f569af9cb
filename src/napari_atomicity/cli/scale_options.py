"""Options that say what one atom is worth from elsewhere than the image."""

from __future__ import annotations

import argparse
from typing import Final

from napari_atomicity.cli import values

_KV: Final = values.number(10, 2000, "a voltage in kV from 10 to 2000")
_ANGLE: Final = values.number(0, 1000, "an angle in mrad above 0", above=True)
_RATIO: Final = values.number(0, 1e6, "a ratio of currents above 0", above=True)
_SPREAD: Final = values.number(0, 0.5, "a part above 0 and up to 0.5, such as 0.02 for 2 %", above=True)


def detector_options(command: argparse.ArgumentParser) -> None:
    """Add the options of a scan of the detector to a `command`."""
    group = command.add_argument_group(
        "scan of the detector", "what one atom is worth from the beam over the detector; needs voltage and angles"
    )
    group.add_argument("--detector-scan", type=values.place, metavar="FILE", help="scan of the detector, no specimen")
    group.add_argument("--kv", type=_KV, metavar="KV", help="acceleration voltage")
    group.add_argument("--convergence", type=_ANGLE, metavar="MRAD", help="semi-angle of the probe")
    group.add_argument("--inner", type=_ANGLE, metavar="MRAD", help="inner angle of the detector")
    group.add_argument("--outer", type=_ANGLE, metavar="MRAD", help="outer angle, or where the column cuts it off")
    group.add_argument("--angle-sd", type=_SPREAD, metavar="SD", help="relative error of these angles; 0.02 for 2 %%")
    group.add_argument(
        "--current-ratio", type=_RATIO, metavar="R", help="beam current of the image over that of the scan; 1"
    )


def consistency_options(command: argparse.ArgumentParser) -> None:
    """Add the options of ``consistency`` to its `command`."""
    command.add_argument(
        "--standard",
        type=values.reference,
        action="append",
        default=[],
        metavar="FILE=N[,N...]",
        help="an image of known size taken under the same settings; may be repeated",
    )
    command.add_argument(
        "--save-profile", type=values.place, metavar="FILE", help="save what all ways say together as a profile"
    )
    command.add_argument(
        "--force", action="store_true", help="save the profile also over that of another microscope, or another file"
    )
