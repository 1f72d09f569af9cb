"""Projects: everything that a person did to some micrographs, in one file that opens again as it was.

See docs/projects.md for the form of the file.
"""

from napari_atomicity.project.encode import FORMAT
from napari_atomicity.project.files import SUFFIX, describe, open_steps, save_project, save_steps
from napari_atomicity.project.images import UnclearImage, outside_sentence
from napari_atomicity.project.merge import Conflict, Merged, fits, merge, resolve
from napari_atomicity.project.project import HistoryStep, Project, SavedImage

__all__ = [
    "FORMAT",
    "SUFFIX",
    "Conflict",
    "HistoryStep",
    "Merged",
    "Project",
    "SavedImage",
    "UnclearImage",
    "describe",
    "fits",
    "merge",
    "open_steps",
    "outside_sentence",
    "resolve",
    "save_project",
    "save_steps",
]
