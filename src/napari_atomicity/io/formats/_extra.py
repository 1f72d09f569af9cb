"""What to say when an optional package is missing."""

from __future__ import annotations

from pathlib import Path

from napari_atomicity.errors import InputError


def missing_formats(path: Path) -> InputError:
    """The error for a file whose reader is not installed."""
    return InputError(
        f"{path.name}: reading {path.suffix.lower()} files needs an extra; "
        'install it with  pip install "napari-atomicity[formats]"  or save the image as TIFF.'
    )
