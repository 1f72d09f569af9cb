"""Where images come from while a microscope scans."""

from napari_atomicity.live.sources.arrival import Arrival, FrameSource
from napari_atomicity.live.sources.folder import FolderSource

__all__ = ["Arrival", "FolderSource", "FrameSource"]
