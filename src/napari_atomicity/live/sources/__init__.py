"""Where images come from while a microscope scans."""

from napari_atomicity.live.sources.arrival import Arrival, FrameSource
from napari_atomicity.live.sources.folder import FolderSource
from napari_atomicity.live.sources.receiver import Receiver
from napari_atomicity.live.sources.replay import Replay, replay_of, write_slowly

__all__ = ["Arrival", "FolderSource", "FrameSource", "Receiver", "Replay", "replay_of", "write_slowly"]
