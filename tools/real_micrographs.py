"""Fetches the experimental micrographs that tests read: ``python -m tools.real_micrographs FOLDER``."""

from __future__ import annotations

import hashlib
import json
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

LIST = Path(__file__).parents[1] / "tests" / "real_micrographs.json"


def main(folder: Path) -> int:
    """Those that are missing, each as its authors published it; gives how many could not be had."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = 0
    for entry in json.loads(LIST.read_text(encoding="utf-8")):
        path = folder / entry["file"]
        if path.exists():
            continue
        if "derived_how" in entry:
            print(f"{path.name}: to be made from {entry['path']} of {entry['repo']}: {entry['derived_how']}")
            continue
        try:
            path.write_bytes(_fetched(entry))
            print(f"{path.name}: {entry['repo']}, {entry['licence']}")
        except (OSError, ValueError) as error:
            print(f"{path.name}: {error}", file=sys.stderr)
            missing += 1
    print(f"For the tests: export NAPARI_ATOMICITY_REAL={folder.resolve()}")
    return missing


def _fetched(entry: dict[str, Any]) -> bytes:
    url = f"https://raw.githubusercontent.com/{entry['repo']}/{entry['commit']}/{urllib.parse.quote(entry['path'])}"
    with urllib.request.urlopen(url, timeout=60) as answer:
        content: bytes = answer.read()
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise ValueError("what came is another file than the one that the tests are about")
    return content


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    sys.exit(min(main(Path(sys.argv[1])), 1))
