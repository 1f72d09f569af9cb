"""placeholder"""

from napari_atomicity.dataset.plan import Folder


def write_overview(folder: Folder) -> None: ...
