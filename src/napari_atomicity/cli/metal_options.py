"""The options about metals: what clusters are made of, and how size and composition are told apart."""

from __future__ import annotations

import argparse
from typing import Final

from napari_atomicity.cli import values

_SCALE: Final = values.number(0, 1e300, "a number of counts nm² per atom above zero", above=True)
_SPREAD: Final = values.number(0, 1, "a part above 0 and up to 1, such as 0.02 for 2 %", above=True)
_POWER: Final = values.number(1, 2, "a power of the atomic number from 1 to 2")


def metal_options(command: argparse.ArgumentParser) -> None:
    """Of all commands that count."""
    command.add_argument(
        "--element",
        type=values.element,
        default="",
        metavar="SYMBOL",
        help="metal of the clusters, where it is another",
    )
    command.add_argument(
        "--composition",
        type=values.composition,
        default="",
        metavar="CO=0.25±0.05,...",
        help="atomic fractions of an alloy with their standard deviations; the rest is the metal itself",
    )
    _exponent_option(command)


def alloy_options(command: argparse.ArgumentParser) -> None:
    """Of ``alloy``."""
    command.add_argument("table", type=values.place, metavar="TABLE", help="a table that analyse wrote")
    command.add_argument("-o", "--output", type=values.place, required=True, metavar="DIR", help="folder to write to")
    command.add_argument("--guest", type=values.element, required=True, metavar="SYMBOL", help="the second metal")
    command.add_argument(
        "--host", type=values.element, default="", metavar="SYMBOL", help="the first one; that of the model"
    )
    command.add_argument(
        "--composition",
        type=values.composition,
        default="",
        metavar="CO=0.25±0.05",
        help="atomic fraction of all clusters, with its standard deviation",
    )
    command.add_argument("--fraction", default="", metavar="COLUMN", help="measured atomic fractions of the guest")
    command.add_argument(
        "--fraction-sd", default="0.05", metavar="SD|COLUMN", help="their standard deviation, or a column of it; 0.05"
    )
    command.add_argument("--second", default="", metavar="COLUMN", help="integrals by a second detector")
    command.add_argument(
        "--second-scale", type=_SCALE, metavar="COUNTS_NM2_PER_ATOM", help="integral of one atom there"
    )
    command.add_argument(
        "--second-sd", type=_SPREAD, metavar="SD", help="relative standard deviation of these integrals"
    )
    command.add_argument(
        "--second-exponent", type=values.exponent, default=(1.2, 1.4), metavar="LOW-HIGH",
        help="power of the atomic number there; 1.2-1.4",
    )  # fmt: skip
    command.add_argument(
        "--columns", type=values.place, metavar="FILE", help="table with these columns and ids, where it is another one"
    )
    _exponent_option(command)


def simulated_metal_options(command: argparse.ArgumentParser) -> None:
    """Of ``simulate``."""
    command.add_argument("--element", default="Pt", metavar="SYMBOL", help="metal; Pt")
    command.add_argument(
        "--class-set", default="", metavar="NAME|FILE", help="metal and sizes of a class set: gold, platinum, or a file"
    )
    command.add_argument(
        "--alloy", type=values.composition, default="", metavar="CO=0.25±0.05",
        help="second metal, its mean fraction and the spread between clusters",
    )  # fmt: skip
    command.add_argument(
        "--exponent",
        type=_POWER,
        default=1.6,
        metavar="N",
        help="with which power of the atomic number it scatters; 1.6",
    )
    command.add_argument(
        "--second", type=_POWER, metavar="N", help="also the image of a second detector with this power"
    )


def _exponent_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--exponent",
        type=values.exponent,
        default=(),
        metavar="LOW-HIGH",
        help="power of the atomic number with which the signal grows; 1.46-1.7",
    )
