"""The bundle for computers without the net: wheels of everything, and an installer that needs Python alone.

    python tools/bundle.py build -o bundle         make the zip, for this system and this version of Python
    python tools/bundle.py try bundle              unpack it elsewhere, cut off the net, install it, count the sample

On the other computer: unpack the zip, then `python install.py`. `docs/offline.md` tells the rest.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

TOP: Final = Path(__file__).resolve().parent.parent
INSTALLER: Final = TOP / "tools" / "bundle_install.py"
#: what a window and every file format need; the feature map's Numba and the rest can be asked for
EXTRAS: Final = "gui,formats"
#: no name can be found out, no proxy answers: what still wants the net fails at once
CUT_OFF: Final = {
    **dict.fromkeys(
        ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9"
    ),
    "PIP_NO_INDEX": "1",
    "PIP_CONFIG_FILE": os.devnull,
}


class BundleError(RuntimeError):
    """Something is missing for the bundle, in one sentence."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command says; 1 where it cannot be done."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("build", help="make the zip")
    making.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    making.add_argument("--wheel", type=Path, metavar="DIR|FILE", help="the built wheel; else it is built now")
    making.add_argument("--extras", default=EXTRAS, help=f"what goes in besides the core; {EXTRAS}")
    making.add_argument("--torch-index", metavar="URL", help="where PyTorch without CUDA is taken from")
    making.add_argument("--find-links", action="append", default=[], metavar="DIR", help="wheels that are here already")
    trying = commands.add_parser("try", help="install the zip with the net cut off, and count the sample")
    trying.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    try:
        if options.command == "build":
            links = [str(place.resolve()) for place in map(Path, options.find_links)]
            made = build(options.output, options.wheel, options.extras, options.torch_index, links)
            print(f"{made} ({made.stat().st_size / 1e6:.0f} MB)")
            return 0
        return attempt(options.folder)
    except (BundleError, OSError) as error:
        print(f"The bundle: {error}", file=sys.stderr)
        return 1


def build(
    output: Path,
    wheel: Path | None = None,
    extras: str = EXTRAS,
    torch_index: str | None = None,
    links: Sequence[str] = (),
) -> Path:
    """Make the zip.

    Parameters
    ----------
    output
        Folder for it.
    wheel
        The built wheel of the program, or the folder where it lies; built from the sources where None.
    extras
        What goes in besides the core, with commas between.
    torch_index
        Where PyTorch without CUDA is taken from.
    links
        Folders with wheels that need not be fetched.

    Returns
    -------
    The zip.

    Raises
    ------
    BundleError
        Where a wheel is missing or pip fails.
    """
    output = output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bundle-", dir=output) as place:
        inside = Path(place)
        wheels = inside / "wheels"
        wheels.mkdir()
        own = shutil.copy(_wheel(wheel, inside), wheels)
        call = ["download", "-q", "--only-binary", ":all:", "-d", str(wheels), "-c", str(TOP / "constraints.txt")]
        for link in (*links, str(wheels)):
            call += ["--find-links", link]
        if torch_index:
            call += ["--extra-index-url", torch_index]
        _pip(*call, f"napari-atomicity[{extras}] @ {Path(own).as_uri()}")
        return _zipped(inside, output, extras)


def _zipped(inside: Path, output: Path, extras: str) -> Path:
    """The installer, the list of wheels with their hashes, and the wheels, as one zip."""
    files = sorted((inside / "wheels").glob("*.whl"))
    version = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    listed = {
        "version": version,
        "extras": extras,
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "system": system(),
        "wheels": {file.name: _sha256(file) for file in files},
    }
    target = output / f"napari-atomicity-{version}-{listed['system']}.zip"
    half = target.with_suffix(".part")
    # wheels are compressed already
    with zipfile.ZipFile(half, "w", zipfile.ZIP_STORED) as archive:
        archive.write(INSTALLER, "install.py")
        archive.write(TOP / "LICENSE", "LICENSE")
        archive.writestr("bundle.json", json.dumps(listed, indent=1))
        for file in files:
            archive.write(file, f"wheels/{file.name}")
    half.replace(target)
    return target


def attempt(folder: Path) -> int:
    """Install the one zip of a folder as a newcomer would, in a place of its own without the net; it counts a sample.

    Parameters
    ----------
    folder
        With the zip.

    Returns
    -------
    The exit code.

    Raises
    ------
    BundleError
        Where the folder does not hold one zip.
    """
    zips = sorted(folder.glob("napari-atomicity-*.zip"))
    if len(zips) != 1:
        raise BundleError(f"{folder} holds {len(zips)} bundles; there must be one.")
    with tempfile.TemporaryDirectory(prefix="newcomer-", dir=folder) as place:
        home = Path(place).resolve()
        with zipfile.ZipFile(zips[0]) as archive:
            archive.extractall(home / "unpacked")
        kept = (
            "PATH",
            "SYSTEMROOT",
            "TEMP",
            "TMP",
            "COMSPEC",
            "PATHEXT",
            "LANG",
            "NUMBER_OF_PROCESSORS",
            "PROCESSOR_ARCHITECTURE",
        )
        here = {name: os.environ[name] for name in kept if name in os.environ} | CUT_OFF
        here |= {
            "HOME": str(home),
            "USERPROFILE": str(home),
            "APPDATA": str(home / "AppData"),
            "LOCALAPPDATA": str(home / "Local"),
        }
        call = [
            *_without_net(),
            _base_python(),
            str(home / "unpacked" / "install.py"),
            "--folder",
            str(home / "installed"),
        ]
        return subprocess.run(call, cwd=home, env=here, check=False).returncode


def system() -> str:
    """Of which system and processor a bundle is, such as ``linux-x86_64``."""
    return f"{platform.system().lower()}-{platform.machine().lower()}"


def _without_net() -> list[str]:
    """What cuts a process off from the net altogether, where this system has it and lets us."""
    call = ["unshare", "--map-root-user", "--net"]
    if shutil.which("unshare") and subprocess.run([*call, "true"], capture_output=True, check=False).returncode == 0:
        return call
    return []


def _base_python() -> str:
    """The Python of the system, not that of a virtual environment which sees packages."""
    return getattr(sys, "_base_executable", sys.executable)


def _wheel(given: Path | None, inside: Path) -> Path:
    """The wheel of the program: the one that is given, or built now."""
    if given is None:
        _pip("wheel", "-q", "--no-deps", "-w", str(inside), str(TOP))
        given = inside
    found = [given] if given.suffix == ".whl" else sorted(given.glob("napari_atomicity-*.whl"))
    if len(found) != 1 or not found[0].is_file():
        raise BundleError(f"{given} holds {len(found)} wheels of napari-atomicity; there must be one.")
    return found[0].resolve()


def _pip(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments], check=False)
    if done.returncode:
        raise BundleError(f"pip {arguments[0]} failed; what it said stands above.")


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


if __name__ == "__main__":
    sys.exit(main())
