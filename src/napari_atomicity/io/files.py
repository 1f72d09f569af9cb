"""Is there a file at all, and which one exactly."""

from __future__ import annotations

import hashlib
from pathlib import Path

from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph


def existing_file(path: str | Path) -> Path:
    """`path` if it is a file with something in it, else an `InputError`."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the image files in it.")
    if not path.exists():
        raise InputError(f"{path} does not exist; check the name and the folder.")
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path.name} is empty (0 bytes); copy it again from the microscope.")
        with path.open("rb"):
            pass
    except OSError as error:
        raise InputError(f"{path.name} cannot be opened ({error.strerror}); check the access rights.") from error
    return path


def image_hash(path: str | Path) -> str:
    """SHA-256 of the file `path`, in hexadecimal: which image a number belongs to."""
    with existing_file(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def micrograph_hash(micrograph: Micrograph) -> str:
    """SHA-256 of the file that a micrograph came from; of its pixels where there is none."""
    path = micrograph.provenance.path
    if path is not None and Path(path).is_file():
        return image_hash(path)
    digest = hashlib.sha256()
    for index in range(micrograph.n_frames):
        digest.update(micrograph.frame(index).tobytes())
    return digest.hexdigest()
