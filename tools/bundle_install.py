"""Install napari-atomicity from the folder that this file lies in, without the net and without an administrator.

    python install.py                       into a folder of your own, with an entry in the menu
    python install.py --folder D:/atomicity
    python install.py --remove

It needs Python as listed in bundle.json and nothing else.
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
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAME = "napari-atomicity"
WINDOWS = os.name == "nt"
#: marks a folder as ours: only such a one is replaced or removed
MARK = ".napari-atomicity"
#: counts a sample where no sources lie
TRIAL = """
import sys
from napari_atomicity.cli import main
from napari_atomicity.io.samples import sample_dir
sys.exit(main(["analyse", str(sample_dir() / "sample_mixed.tif"), "-o", sys.argv[1]]))
"""


def main(arguments: list[str] | None = None) -> int:
    """Install or remove; 2 where that is impossible, said in one sentence."""
    parser = argparse.ArgumentParser(description="Install napari-atomicity without the net.")
    parser.add_argument("--folder", type=Path, default=usual_folder(), help=f"where to; {usual_folder()}")
    parser.add_argument("--no-entry", action="store_true", help="no entry in the menu")
    parser.add_argument("--no-window", action="store_true", help="the command line alone, without napari")
    parser.add_argument("--remove", action="store_true", help="remove what was installed")
    options = parser.parse_args(arguments)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)  # what is said comes as it happens, also into a file
    folder = options.folder.expanduser().absolute()
    try:
        if options.remove:
            remove(folder)
        else:
            install(folder, entry=not (options.no_entry or options.no_window), window=not options.no_window)
    except KeyboardInterrupt:
        print("Stopped; what was installed before is as it was.", file=sys.stderr)
        return 130
    except (Refused, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


class Refused(Exception):
    """Something that makes it impossible, in one sentence."""


def usual_folder() -> Path:
    """Where programs of one person lie on this system."""
    if WINDOWS:
        return Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "Programs" / NAME
    # not the folder of that name in ~/.local/share, where the models of the person lie
    return Path.home() / ".local" / "opt" / NAME


def install(folder: Path, entry: bool = True, window: bool = True) -> None:
    """Install into a folder; what was there of ours is replaced once the new one has counted its sample.

    Parameters
    ----------
    folder
        Where to.
    entry
        Make an entry in the menu.
    window
        Install napari, too.
    """
    bundle = checked(HERE)
    earlier = folder.exists() and any(folder.iterdir())
    if earlier and not (folder / MARK).exists():
        raise Refused(f"{folder} holds something else; choose an empty folder with --folder.")
    place = folder / bundle["version"]
    old = folder / f"{bundle['version']}.old"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()
    # an environment cannot be moved: the old one of the same version steps aside, and comes back where this fails
    if old.exists():  # the power went while this was done before: the new one is half made
        shutil.rmtree(place, ignore_errors=True)
    elif place.exists():
        place.rename(old)
    try:
        fill(place, bundle, window)
        print("Counting a sample")
        _run(python_of(place), "-c", TRIAL, str(place / "trial"), "the sample could not be counted")
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        if old.exists():
            old.rename(place)
        elif not earlier:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)
    for other in environments(folder):
        if other != place:
            shutil.rmtree(other, ignore_errors=True)
    if entry:
        print(f"Entry in the menu: {make_entry(place)}")
    print(
        f"Installed in {place}\nTo start it: {command_of(place)} window"
        if window
        else f"Installed: {command_of(place)}"
    )


def checked(here: Path) -> dict:
    """What the bundle says of itself, once every file of it is there and whole, and fits this computer.

    Parameters
    ----------
    here
        The unpacked bundle.
    """
    try:
        bundle = json.loads((here / "bundle.json").read_text(encoding="utf-8"))
        wheels, wanted, made_for = dict(bundle["wheels"]), str(bundle["python"]), str(bundle["system"])
        _ = bundle["version"] + bundle["extras"]
    except (OSError, ValueError, KeyError, TypeError):
        raise Refused(
            f"{here} is not a whole bundle: bundle.json is missing or damaged; unpack the zip again."
        ) from None
    here_now = f"{sys.version_info.major}.{sys.version_info.minor}"
    if here_now != wanted:
        raise Refused(f"This bundle needs Python {wanted}, and this is {here_now}; start it with that version.")
    system = f"{platform.system().lower()}-{platform.machine().lower()}"
    if system != made_for:
        raise Refused(f"This bundle is for {made_for}, and this computer is {system}.")
    print(f"Checking {len(wheels)} files")
    for name, digest in wheels.items():
        file = here / "wheels" / Path(name).name
        if not file.is_file():
            raise Refused(f"wheels/{name} is missing; unpack the zip again.")
        with file.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != digest:
                raise Refused(f"wheels/{name} is damaged; copy the zip and unpack it again.")
    return bundle


def fill(place: Path, bundle: dict, window: bool) -> None:
    """Make the environment and install into it, from the wheels alone.

    Parameters
    ----------
    place
        Of the environment.
    bundle
        What the bundle says of itself.
    window
        Install napari, too.
    """
    print(f"Installing into {place}; this takes some minutes")
    try:
        venv.create(place, with_pip=True)
    except subprocess.CalledProcessError:
        raise Refused("This Python cannot make environments (venv, ensurepip); install it from python.org.") from None
    extras = ",".join(extra for extra in bundle["extras"].split(",") if window or extra != "gui")
    wanted = f"napari-atomicity[{extras}]=={bundle['version']}" if extras else f"napari-atomicity=={bundle['version']}"
    # compiled as they are first used: most files never are
    pip = ("-m", "pip", "install", "-q", "--no-index", "--no-compile", "--disable-pip-version-check")
    _run(python_of(place), *pip, "--find-links", str(HERE / "wheels"), wanted, "the files could not be installed")


def environments(folder: Path) -> list[Path]:
    """What was installed in a folder; what else a person put there is not ours."""
    return [path for path in folder.iterdir() if (path / "pyvenv.cfg").is_file()]


def python_of(place: Path) -> Path:
    """The Python of an environment."""
    return place / ("Scripts/python.exe" if WINDOWS else "bin/python")


def command_of(place: Path) -> Path:
    """The command of the program in an environment."""
    return place / ("Scripts/napari-atomicity.exe" if WINDOWS else "bin/napari-atomicity")


def make_entry(place: Path) -> Path:
    """Make an entry in the menu of this person; gives its file.

    Parameters
    ----------
    place
        The environment that it starts.
    """
    entry = entry_file()
    entry.parent.mkdir(parents=True, exist_ok=True)
    command = command_of(place)
    if WINDOWS:
        script = (
            "$link = (New-Object -ComObject WScript.Shell).CreateShortcut($env:ENTRY); $link.TargetPath = $env:TARGET; "
            "$link.Arguments = 'window'; $link.WindowStyle = 7; $link.Save()"
        )
        here = {**os.environ, "ENTRY": str(entry), "TARGET": str(command)}
        subprocess.run(["powershell", "-NoProfile", "-Command", script], env=here, check=True)
    elif sys.platform == "darwin":
        entry.write_text(f'#!/bin/sh\nexec "{command}" window\n', encoding="utf-8")
        entry.chmod(0o755)
    else:
        entry.write_text(
            "[Desktop Entry]\nType=Application\nName=Atomicity\nComment=Count the atoms in nanoclusters\n"
            f'Exec="{command}" window %F\nTerminal=false\nCategories=Science;Education;\n',
            encoding="utf-8",
        )
    return entry


def entry_file() -> Path:
    """Where the entry of this person lies."""
    if WINDOWS:
        menu = Path(os.environ.get("APPDATA") or Path.home()) / "Microsoft" / "Windows" / "Start Menu" / "Programs"
        return menu / "Atomicity.lnk"
    if sys.platform == "darwin":
        return Path.home() / "Applications" / "Atomicity.command"
    return (
        Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "applications" / f"{NAME}.desktop"
    )


def remove(folder: Path) -> None:
    """Remove what was installed; what a person made lies elsewhere and stays.

    Parameters
    ----------
    folder
        Where it was installed.
    """
    if not (folder / MARK).exists():
        raise Refused(f"{folder} holds no napari-atomicity; say where it is with --folder.")
    for place in environments(folder):
        shutil.rmtree(place)
    (folder / MARK).unlink()
    if not any(folder.iterdir()):
        folder.rmdir()
    entry_file().unlink(missing_ok=True)
    print(f"Removed {folder}")


def _run(python: Path, *arguments: str) -> None:
    """Run Python; the last argument is what to say where it fails."""
    *call, failure = arguments
    here = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    if subprocess.run([str(python), *call], env=here, check=False).returncode:
        raise Refused(f"It was not installed: {failure}; what was said stands above.")


if __name__ == "__main__":
    sys.exit(main())
