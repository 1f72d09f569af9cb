"""What a person labelled, as a training set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.errors import InputError
from napari_atomicity.micrograph import Micrograph
from napari_atomicity.pipeline.counting import patches_steps
from napari_atomicity.progress import Steps

if TYPE_CHECKING:
    from napari_atomicity.counting.calibration import Calibration
    from napari_atomicity.counting.card import ModelCard


def training_set_steps(
    micrograph: Micrograph,
    table: ClusterTable,
    folder: Path,
    card: ModelCard | None = None,
    calibrations: Mapping[int, Calibration] | None = None,
) -> Steps[Path]:
    """Cut out the clusters that a person labelled and save them with their labels; see `training.annotated`.

    Parameters
    ----------
    micrograph
        The image; it must be calibrated.
    table
        Its clusters.
    folder
        New folder to write.
    card
        Of the model that predicted; None where none did.
    calibrations
        Of the frames.

    Returns
    -------
    The folder.

    Raises
    ------
    InputError
        Where no cluster carries a person's label, or the folder cannot be written.
    """
    from napari_atomicity.provenance import describe_image
    from napari_atomicity.training.annotated import AnnotatedSet, save_set

    if not table.labelled.any():
        raise InputError("No cluster carries a label of yours yet; label some before you save a training set.")
    labelled = table.take(table.labelled)
    patches = yield from patches_steps(micrograph, labelled)
    facts = {
        "element": card.element if card is not None else "Pt",
        "pixel_size_nm": micrograph.calibrated_pixel_size_nm,
        "image": describe_image(micrograph),
        "model": None if card is None else {"name": card.name, "version": card.version, "sha256": card.sha256},
    }
    scales = {frame: fit.intensity_per_atom for frame, fit in (calibrations or {}).items()}
    return save_set(AnnotatedSet.of(labelled, patches, scales, facts), folder)
