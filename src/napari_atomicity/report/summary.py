"""Everything about an analysis that is not in its table, for the JSON beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from napari_atomicity.clusters import ClusterTable
from napari_atomicity.counting.prior import as_in_file, file_key
from napari_atomicity.provenance import describe_image, versions

if TYPE_CHECKING:
    from napari_atomicity.counting.calibration import Calibration
    from napari_atomicity.pipeline import ImageState

_CHANGED: Final = "The file changed after its pixels were read; the numbers and the hash are those of what was read."


def describe(analysis: ImageState) -> dict[str, Any]:
    """Parameters, versions, hashes, ratios with intervals, what was rejected and why, timings; JSON-serialisable."""
    from napari_atomicity.counting.ratios import class_ratios
    from napari_atomicity.pipeline import metal_count

    table, card = analysis.table, analysis.model_in_force.card
    calibrations = analysis.calibrations
    image, metals = describe_image(analysis.micrograph), metal_count(analysis)
    changed = analysis.micrograph.provenance.file is not None and image["sha256_of"] != "file"
    report = {
        "image": image,
        "parameters": {**as_in_file(analysis.settings_in_force), "session": list(analysis.counted_with)},
        "versions": versions(),
        "model": _describe_model(analysis),
        "counts": _counts(table),
        "metals": None if metals is None else metals.as_dict(),
        "ratios": class_ratios(table, card, calibrations=calibrations).to_dict("records"),
        "ratios_by_diameter": class_ratios(table, card, by="diameter").to_dict("records"),
        "ambiguous": any(calibration.ambiguous for calibration in calibrations.values()),
        "candidates": _candidates(list(calibrations.values())),
        "calibration": {frame: _describe_calibration(calibration) for frame, calibration in calibrations.items()},
        "adaptation": _describe_adaptation(analysis),
        "session": _describe_session(analysis),
        "profile": None if analysis.profile is None else as_in_file(analysis.profile),
        "messages": [*analysis.messages, *[_CHANGED] * changed],
        "timings": analysis.timings,
    }
    return _jsonable(report)  # type: ignore[no-any-return]


def _describe_model(analysis: ImageState) -> dict[str, Any]:
    from napari_atomicity.counting.bundle import weights_sha256

    card = analysis.model_in_force.card
    return {
        "name": card.name,
        "version": card.version,
        "element": card.element,
        "classes": list(card.labels),
        "channels": list(card.channels),
        "sha256": weights_sha256(analysis.model_in_force),
        "file_sha256": card.sha256,
        "history": list(card.history),
    }


def _counts(table: ClusterTable) -> dict[str, Any]:
    """How many were found, how many enter the ratios, and why the others do not."""
    from napari_atomicity.counting.ratios import counted, rejected

    return {"found": len(table), "analysed": int(counted(table).sum()), "rejected": rejected(table)}


def _candidates(calibrations: Sequence[Calibration]) -> list[dict[str, Any]]:
    """Which class may dominate, best first; the mean over the frames of a stack."""
    chance: dict[str, float] = {}
    for calibration in calibrations:
        for candidate in calibration.candidates:
            name = str(candidate["dominant"])
            chance[name] = chance.get(name, 0.0) + float(candidate["probability"]) / len(calibrations)
    ordered = sorted(chance.items(), key=lambda item: -item[1])
    return [{"dominant": name, "probability": probability} for name, probability in ordered]


def _describe_calibration(calibration: Calibration) -> dict[str, Any]:
    names = (
        "intensity_per_atom",
        "intensity_per_atom_sd",
        "fractions",
        "intervals",
        "ambiguous",
        "candidates",
        "confidence",
        "misfit",
    )
    return {file_key(name): getattr(calibration, name) for name in (*names, "clusters")}


def _describe_adaptation(analysis: ImageState) -> dict[str, Any] | None:
    """What the model was tuned on, whether that was accepted, and what it changed in this image."""
    from napari_atomicity.counting.ratios import class_ratios

    card, before = analysis.model_in_force.card, analysis.before
    done = None if analysis.adaptation is None else analysis.adaptation.adaptation
    if done is None:
        return None
    by_class = done.anchors.assign(label=pd.Categorical(done.anchors["label"], card.labels))
    anchors = by_class.groupby(["source", "label"], observed=True).agg(
        anchors=("id", "size"),
        held_back=("held_back", "sum"),
        low_nm=("diameter_nm", "min"),
        high_nm=("diameter_nm", "max"),
    )
    changed, ratios = 0, None
    if before is not None:
        changed = int((before.table.rows["label"].to_numpy() != analysis.table.rows["label"].to_numpy()).sum())
        ratios = class_ratios(before.table, card, calibrations=before.calibrations)
    return {
        "mode": analysis.settings_in_force.adapt,
        "accepted": done.accepted,
        "reason": done.reason,
        "anchors": anchors.reset_index(),
        "before": done.before,
        "after": done.after,
        "labels_changed": changed,
        "ratios_before": ratios,
    }


def _describe_session(analysis: ImageState) -> dict[str, Any] | None:
    """The images that calibrated each other, and whether this one fits them; None for an image that stood alone."""
    if not analysis.counted_with:
        return None
    return {"images": analysis.counted_with, "fits": not any(one.misfit for one in analysis.calibrations.values())}


def _jsonable(value: Any) -> Any:
    """The same in JSON's own types; what is not a number becomes null."""
    if isinstance(value, pd.DataFrame):
        return _jsonable(value.to_dict("records"))
    if isinstance(value, np.ndarray | np.generic):
        return _jsonable(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
