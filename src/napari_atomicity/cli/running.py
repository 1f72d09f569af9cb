"""One call of the command line, from its options to its exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from napari_atomicity.cli.console import DONE, FAULT, Console, quieten
from napari_atomicity.cli.options import command_of


def run(arguments: Sequence[str] | None) -> int:
    """Read the options and do what they say; gives the exit code."""
    quieten()
    console = Console()
    try:
        console.guard("", lambda: command_of(arguments)(console))
    except SystemExit as end:  # --help and --version
        return int(end.code or DONE)
    except BrokenPipeError:  # the reader of our output has seen enough, as in `... | head`
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
        return console.code or FAULT
    return console.code
