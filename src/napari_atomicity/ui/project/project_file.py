"""The project file of a window, and what of it a new version would cost."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_atomicity.io.files import file_state

if TYPE_CHECKING:
    from napari_atomicity.document.document import Document


class ProjectFile:
    """A file that this window has opened or written, as it was then.

    Parameters
    ----------
    path
        The file.
    documents
        The images in it, as they are open here.
    """

    def __init__(self, path: Path, documents: Sequence[Document]) -> None:
        self.path = path
        self._state = file_state(path)
        self._documents = [weakref.ref(document) for document in documents]
        self._images = {_image(document) for document in documents}

    def is_of(self, documents: Sequence[Document]) -> bool:
        """Whether one of these images is in the file, also where it was taken off and opened again."""
        return any(_image(document) in self._images for document in documents)

    def holds_all_of(self, path: Path, documents: Sequence[Document]) -> bool:
        """Whether all that is in the file `path` is known here and among these documents.

        Another window or a colleague may have written it since, and images of it may have been taken off.
        """
        known = path == self.path and file_state(path) == self._state
        return known and all(document() in documents for document in self._documents)


def would_cost(file: ProjectFile | None, path: Path, documents: Sequence[Document]) -> bool:
    """Whether something may be in the file `path` that these documents do not hold.

    Parameters
    ----------
    file
        The project file of the window; None where it has none.
    path
        The file to write.
    documents
        What would be written.
    """
    return path.exists() and (file is None or not file.holds_all_of(path, documents))


def _image(document: Document) -> tuple[str, str, int, tuple[int, ...]]:
    micrograph = document.micrograph
    source = micrograph.provenance
    return micrograph.name, str(source.path), int(source.image_index or 0), tuple(micrograph.data.shape)
