"""What `make coverage` says last of lines and branches that no test comes by: a total, and the least covered files."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

#: how many files are named
_FILES = 10


def told(terminal: Any) -> None:
    """Write it, where the tests were run with ``--cov``."""
    from coverage import Coverage
    from coverage.exceptions import CoverageException

    coverage = Coverage()
    try:
        coverage.load()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "coverage.json"
            coverage.json_report(outfile=str(path))
            content = json.loads(path.read_text(encoding="utf-8"))
    except CoverageException as error:
        terminal.write_line(f"Nothing is known of what the tests come by: {error}")
        return
    total = content["totals"]
    terminal.section("lines and branches that tests come by")
    terminal.write_line(
        f"{total['percent_covered']:.1f} % of all: {total['covered_lines']} of {total['num_statements']} lines, "
        f"{total['covered_branches']} of {total['num_branches']} branches; the least covered files:"
    )
    files = {name: file["summary"]["percent_covered"] for name, file in content["files"].items()}
    for name in sorted(files, key=files.__getitem__)[:_FILES]:
        terminal.write_line(f"{files[name]:6.1f} %  {name}")
