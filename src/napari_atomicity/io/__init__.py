"""Files in and out: micrographs of every format, tables of clusters, and the hooks napari calls."""

from napari_atomicity.io.description import describe
from napari_atomicity.io.files import file_state, hash_of, image_hash, is_unchanged, micrograph_hash
from napari_atomicity.io.reading import ImageInfo, list_images, read

__all__ = [
    "ImageInfo",
    "describe",
    "file_state",
    "hash_of",
    "image_hash",
    "is_unchanged",
    "list_images",
    "micrograph_hash",
    "read",
]
