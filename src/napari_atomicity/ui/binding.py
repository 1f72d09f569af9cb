"""What is known to go wrong with the Qt that napari runs on."""

from __future__ import annotations

import sys

import qtpy


def trouble_with_binding(name: str, version: str | None, python: tuple[int, int]) -> str:
    """What a person must know of a binding of Qt before working with it; empty where nothing is known.

    Parameters
    ----------
    name, version
        Of the binding, for example ``PySide6`` and ``6.12.0``.
    python
        First two numbers of the version of Python.
    """
    # every call without a result gives back a None that it was not lent, until Python has none left
    if name == "PySide6" and str(version).startswith("6.12.0") and python < (3, 12):
        return (
            "PySide6 6.12.0 ends Python 3.11 after some minutes, and the window with it. Save what you have, and "
            'install another: pip install "PySide6<6.12", or PyQt6.'
        )
    return ""


def trouble_here() -> str:
    """The same of the binding in use."""
    version = qtpy.PYSIDE_VERSION if qtpy.API_NAME == "PySide6" else qtpy.PYQT_VERSION
    return trouble_with_binding(qtpy.API_NAME, version, sys.version_info[:2])
