"""How much room an installation takes: the core and each extra, without PyTorch and what it brings.

    python tools/install_size.py

Counted from the files of the environment that it runs in, which must have everything.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

TOP = Path(__file__).resolve().parent.parent


def main() -> None:
    """Print a table."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    core = closure(project["dependencies"])
    print("| | packages | MB |\n|---|---|---|")
    print(f"| core | {len(core)} | {megabytes(core):.0f} |")
    for name, wanted in project["optional-dependencies"].items():
        if name != "all":
            more = closure(wanted) - core
            print(f"| {name}, besides | {len(more)} | {megabytes(more):.0f} |")


def closure(wanted: Iterable[str]) -> set[str]:
    """What is installed for requirements, with all that these bring; PyTorch and what it alone brings is left out.

    Parameters
    ----------
    wanted
        Requirements as in ``pyproject.toml``.

    Returns
    -------
    Names of distributions.
    """
    found: set[str] = set()
    waiting = [Requirement(each) for each in wanted]
    while waiting:
        requirement = waiting.pop()
        name = requirement.name.lower().replace("_", "-")
        if name in found or name == "torch":
            continue
        try:
            known: Distribution = distribution(requirement.name)
        except PackageNotFoundError:
            continue  # not for this system
        found.add(name)
        extras = requirement.extras or {""}
        for text in known.requires or []:
            brought = Requirement(text)
            if brought.marker is None or any(brought.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(brought)
    return found


def megabytes(names: Iterable[str]) -> float:
    """Room that distributions take, in MB of 10⁶ bytes.

    Parameters
    ----------
    names
        Of the distributions.
    """
    places = {Path(str(file.locate())) for name in names for file in distribution(name).files or []}
    return sum(place.stat().st_size for place in places if place.is_file()) / 1e6


if __name__ == "__main__":
    main()
