"""How well a model does on clusters it has never seen, condition by condition."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.clusters import OTHER
from napari_atomicity.counting.bundle import Bundle
from napari_atomicity.counting.calibrate import Calibration, Predictions, calibrate, posterior
from napari_atomicity.counting.classify import Evidence, evidence_steps
from napari_atomicity.counting.diameter_only import classify_by_diameter
from napari_atomicity.progress import Progress, Steps
from napari_atomicity.training.library import Library

#: ways of using the model, and the two simple methods beside it
METHODS = ("scale known", "no scale", "auto", "diameter only", "intensity, scale known")


def evaluate_steps(bundle: Bundle, library: Library) -> Steps[pd.DataFrame]:
    """Predictions of every method for every cluster of a labelled library.

    Returns
    -------
    One row a class member with flag ``ok``: condition, frame, truth (label), n_atoms; and for each method its label,
    for those of the model also confidence and n_atoms. Rows of outsiders carry the truth ``other``; sizes between the
    classes, which are neither, are left out.
    """
    card = bundle.card
    evidence = yield from evidence_steps(bundle, library.patches)
    index, outside = library.class_index(card.class_sizes), library.is_outside(card.class_sizes)
    labels = np.array([*card.labels, OTHER], dtype=object)
    parts: list[pd.DataFrame] = []
    frames = np.unique(library.frame)
    for done, frame in enumerate(frames):
        yield Progress(done, len(frames), "Scoring frames")
        rows = np.flatnonzero(library.frame == frame)
        part, seen = library.take(rows), evidence.take(rows)
        usable = part.flag == "ok"
        values: dict[str, Any] = {
            "condition": part.condition,
            "frame": part.frame,
            "truth": labels[np.where(index[rows] >= 0, index[rows], -1)],
            "n_atoms": part.n_atoms,
        }
        for method, found in _of_model(seen, part, usable).items():
            values |= {method: found.label, f"{method} p": found.confidence, f"{method} n": found.n_atoms}
        values["diameter only"] = classify_by_diameter(part.diameter_nm, card)
        nearest = np.abs((part.log_integral - part.log_scale)[:, None] - np.log(card.class_sizes)).argmin(axis=1)
        values["intensity, scale known"] = labels[nearest]
        scored = usable & ((index[rows] >= 0) | outside[rows])
        parts.append(pd.DataFrame(values)[scored])
    return pd.concat(parts, ignore_index=True)


def _of_model(evidence: Evidence, part: Library, usable: npt.NDArray[np.bool_]) -> dict[str, Predictions]:
    card = evidence.card
    exact = Calibration.at_scale(float(np.exp(part.log_scale[0])), card.class_sizes, card.element)
    return {
        "scale known": posterior(evidence, exact),
        "no scale": posterior(evidence, None),
        "auto": posterior(evidence, calibrate(evidence, use=usable)),
    }


def scores(predictions: pd.DataFrame) -> pd.DataFrame:
    """Scores of each method, by condition and over all (``pooled``).

    Returns
    -------
    condition, method, balanced_accuracy (mean recall of the classes), ece (expected calibration error of the
    confidence), mae (mean error of the count, atoms), rejected (class members called other), caught (outsiders
    called other), clusters.
    """
    rows = []
    for condition in [*dict.fromkeys(predictions["condition"]), "pooled"]:
        here = predictions if condition == "pooled" else predictions[predictions["condition"] == condition]
        member = here[here["truth"] != OTHER]
        stranger = here[here["truth"] == OTHER]
        for method in METHODS:
            right = (member[method] == member["truth"]).to_numpy()
            recall = pd.Series(right).groupby(member["truth"].to_numpy()).mean()
            row = {"condition": condition, "method": method, "balanced_accuracy": float(recall.mean())}
            if f"{method} p" in here:
                row["ece"] = expected_calibration_error(member[f"{method} p"].to_numpy(), right)
                row["mae"] = float((member[f"{method} n"] - member["n_atoms"]).abs().mean())
                row["rejected"] = float((member[method] == OTHER).mean())
                row["caught"] = float((stranger[method] == OTHER).mean())
            rows.append({**row, "clusters": len(member)})
    return pd.DataFrame(rows)


def expected_calibration_error(
    confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], bins: int = 10
) -> float:
    """Mean distance between stated and actual rate of being right, over bins of equal width."""
    bin_of = np.clip((confidence * bins).astype(int), 0, bins - 1)
    gaps = [
        abs(confidence[bin_of == b].mean() - right[bin_of == b].mean()) * (bin_of == b).mean()
        for b in range(bins)
        if (bin_of == b).any()
    ]
    return float(np.sum(gaps))


def scored_steps(bundle: Bundle, library: Library) -> Steps[Bundle]:
    """The bundle with its scores on `library`, by condition, in the card."""
    table = scores((yield from evaluate_steps(bundle, library)))
    metrics: dict[str, dict[str, dict[str, float]]] = {}
    for row in table.to_dict("records"):
        values = {str(k): round(float(v), 4) for k, v in row.items() if k not in ("condition", "method") and v == v}
        metrics.setdefault(str(row["condition"]), {})[str(row["method"])] = values
    return replace(bundle, card=replace(bundle.card, metrics=metrics))
