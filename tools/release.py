"""What a release is checked for, the words of its announcement, and a trial of the built wheel.

    python tools/release.py check [v1.2.3]    version, changelog and citation agree, with the tag where one is given
    python tools/release.py notes v1.2.3      what changed, from CHANGELOG.md
    python tools/release.py try dist          install the wheel of a folder on its own and count the sample

The standard library alone. A release: set the version in `pyproject.toml`, `src/napari_atomicity/__init__.py` and
`CITATION.cff`, give its heading in `CHANGELOG.md` the number and the date, commit, tag `v` and the version, and push
the tag.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path
from typing import Final

TOP: Final = Path(__file__).resolve().parent.parent
#: where each version is written
PLACES: Final = {
    "src/napari_atomicity/__init__.py": r'^__version__ = "(.+)"$',
    "CITATION.cff": r"^version: (.+)$",
}
#: counts the sample that the wheel carries, from a folder where no sources lie
TRIAL: Final = """
from pathlib import Path
import napari_atomicity_manifest as carried
from napari_atomicity.cli import main
sample = Path(next(iter(carried.__path__))) / "sample_data" / "sample_mixed.tif"
raise SystemExit(main(["analyse", str(sample), "-o", "out"]))
"""


def main(arguments: list[str] | None = None) -> int:
    """Do what the command says; 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="version, changelog and citation agree").add_argument(
        "tag", nargs="?", default=""
    )
    commands.add_parser("notes", help="what changed in a version").add_argument("tag")
    commands.add_parser("try", help="install a built wheel and count the sample").add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    if options.command == "try":
        return try_wheel(options.folder)
    if options.command == "notes":
        print(notes(TOP, options.tag.removeprefix("v")))
        return 0
    complaints = check(TOP, options.tag)
    print("\n".join(complaints) or "Version, changelog and citation agree.")
    return 1 if complaints else 0


def check(top: Path, tag: str = "") -> list[str]:
    """What does not agree in a source tree; nothing where all does.

    Parameters
    ----------
    top
        Of the source tree.
    tag
        Such as ``v1.2.3``; then the changelog must have that version, too.
    """
    version = tomllib.loads((top / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    complaints = []
    for place, pattern in PLACES.items():
        found = re.search(pattern, (top / place).read_text(encoding="utf-8"), flags=re.MULTILINE)
        if found is None or found[1] != version:
            complaints.append(f"{place} says {found[1] if found else 'no version'}, pyproject.toml says {version}.")
    if tag and tag != f"v{version}":
        complaints.append(f"The tag is {tag}, pyproject.toml says {version}.")
    if tag and not notes(top, tag.removeprefix("v")):
        complaints.append(f"CHANGELOG.md has nothing under “## {tag.removeprefix('v')}”.")
    return complaints


def notes(top: Path, version: str) -> str:
    """What `CHANGELOG.md` says under the heading of a version; empty where there is none.

    Parameters
    ----------
    top
        Of the source tree.
    version
        Such as ``1.2.3``.
    """
    text = (top / "CHANGELOG.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(version)}\b[^\n]*\n(.*?)(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL)
    return found[1].strip() if found else ""


def try_wheel(folder: Path) -> int:
    """Install the one wheel of a folder into an environment of its own and count the sample that it carries.

    Parameters
    ----------
    folder
        With one wheel.

    Returns
    -------
    The exit code.
    """
    wheels = sorted(folder.resolve().glob("napari_atomicity-*.whl"))
    if len(wheels) != 1:
        print(f"{folder} holds {len(wheels)} wheels of napari-atomicity; there must be one.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as place:
        venv.create(place, with_pip=True)
        python = Path(place) / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        # a path in the environment would let the sources answer for the wheel
        here = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        for call in (["-m", "pip", "install", "-q", str(wheels[0])], ["-c", TRIAL]):
            code = subprocess.run([str(python), *call], cwd=place, env=here, check=False).returncode
            if code:
                return code
        made = sorted(path.name for path in (Path(place) / "out").iterdir())
        print(f"The built wheel counts its sample: {', '.join(made)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
