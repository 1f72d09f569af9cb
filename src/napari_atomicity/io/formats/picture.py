"""PNG, JPEG and BMP: screenshots and exports of micrographs, without calibration."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_atomicity.errors import InputError
from napari_atomicity.io.grey import to_grey, verdict
from napari_atomicity.io.raw import RawImage


def images(path: Path) -> list[RawImage]:
    """The one picture of the file, grey. Its dpi entry means nothing and is left out."""
    import imageio
    from imageio import v3

    try:
        picture = np.asarray(v3.imread(path, index=0, plugin="pillow"))
    except Exception as error:  # Pillow raises whatever its decoders raise
        raise InputError(f"{path.name} is damaged or not a picture; export it again.") from error
    warnings: tuple[str, ...] = ()
    refusal = ""
    if picture.ndim == 3:
        warnings, refusal = verdict(picture)
        picture = to_grey(picture)
    if path.suffix.lower() in (".jpg", ".jpeg"):
        warnings += ("JPEG compression has changed the intensities; count on the microscope's own file.",)
    return [
        RawImage(
            title="",
            shape=picture.shape,
            dtype=picture.dtype,
            load=lambda: picture,
            reader=f"imageio {imageio.__version__}",
            warnings=warnings,
            refusal=refusal,
        )
    ]
