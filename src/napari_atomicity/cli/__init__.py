"""The command line: a thin layer over the pipeline, for batches and for other programs.

Exit code 0: done; 2: bad input, said in one line on stderr; 1: a fault of ours, with a log that holds the details.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_atomicity.threads import settle

if TYPE_CHECKING:
    from napari_atomicity.cli.console import Console

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code.

    Parameters
    ----------
    arguments
        Those of the process where None; then the process is ours, and its libraries are told how to wait.
    """
    if arguments is None:
        settle()
    # only now what loads NumPy, which reads its settings once
    from napari_atomicity.cli.console import DONE, FAULT, STOPPED, Console, quieten

    quieten()
    console = Console()
    try:
        console.guard("", lambda: _run(arguments, console))
    except SystemExit as end:  # --help and --version
        return int(end.code or DONE)
    except KeyboardInterrupt:
        console.remark("stopped; what was written so far is complete.")
        return STOPPED
    except BrokenPipeError:  # the reader of our output has seen enough, as in `... | head`
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
        return console.code or FAULT
    return console.code


def _run(arguments: Sequence[str] | None, console: Console) -> None:
    from napari_atomicity.cli.options import parser

    options = parser().parse_args(arguments)
    options.run(options, console)
