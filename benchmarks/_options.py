"""The options that all benchmarks share."""

from __future__ import annotations

import argparse
from typing import Any


def parser_for(header: str | None) -> argparse.ArgumentParser:
    """A parser whose help is the header of the benchmark, with the option ``--quick``."""
    parser = argparse.ArgumentParser(description=header, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="a small selection: shows that it runs, its numbers do not count"
    )
    return parser


def parsed(parser: argparse.ArgumentParser, **quick: Any) -> argparse.Namespace:
    """What the command line says; with ``--quick`` the values of `quick` stand in for options that are not given."""
    if parser.parse_known_args()[0].quick:
        parser.set_defaults(**quick)
    return parser.parse_args()
