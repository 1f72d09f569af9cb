"""Count the atoms in metal nanoclusters on HAADF-STEM micrographs."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # typing takes a while to load, in which Ctrl-C of a command would not be met
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"

# Imported at first use: importing the package must stay cheap (no torch, no Qt), because napari
# discovers plug-ins at start-up.
_HOMES = {
    "InputError": "errors",
    "Micrograph": "micrograph",
    "Provenance": "micrograph",
    "ClusterTable": "clusters",
    "read": "io",
    "Settings": "pipeline",
    "ImageState": "pipeline",
    "analyse": "pipeline",
    "detect": "pipeline",
}

__all__ = ["__version__", *sorted(_HOMES)]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
