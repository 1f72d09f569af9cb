"""How well a model does on clusters it has never seen, condition by condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomicity.clusters import OTHER
from napari_atomicity.counting.bundle import Bundle
from napari_atomicity.progress import Steps
from napari_atomicity.training.evaluate import METHODS, EvaluationSet, evaluate_steps
from napari_atomicity.training.library import Library

#: half-widths, in standard deviations, of intervals that should hold 68 % and 95 % of the true counts
INTERVALS: Final = {"68": 1.0, "95": 1.96}


def scores(predictions: pd.DataFrame, methods: Sequence[str] = METHODS) -> pd.DataFrame:
    """Scores of each method, by condition and over all (``pooled``).

    Parameters
    ----------
    predictions
        As from `evaluate_steps`.
    methods
        Those to score; one without a column is passed over.

    Returns
    -------
    pandas.DataFrame
        condition, method, balanced_accuracy (mean recall of the classes; what was not found counts as wrong), ece
        (expected calibration error of the confidence), mae (mean error of the count, atoms), within_68 and within_95
        (share of true counts inside the stated interval), rejected (class members called other), caught (outsiders
        called other), ratio_r2 (see `ratio_r2`), clusters, frames.
    """
    rows = []
    for condition in [*dict.fromkeys(predictions["condition"]), "pooled"]:
        shown = predictions if condition == "pooled" else predictions[predictions["condition"] == condition]
        rows += [
            {"condition": condition, "method": method, **_score(shown, method)}
            for method in methods
            if method in shown.columns
        ]
    return pd.DataFrame(rows)


def _score(shown: pd.DataFrame, method: str) -> dict[str, float]:
    member = shown[shown["truth"] != OTHER]
    stranger = shown[shown["truth"] == OTHER]
    if (member[method] == "").all():  # no other frame of the condition to take a scale from
        return {"clusters": len(member), "frames": shown["frame"].nunique()}
    right = (member[method] == member["truth"]).to_numpy()
    row: dict[str, float] = {
        "balanced_accuracy": float(pd.Series(right).groupby(member["truth"].to_numpy()).mean().mean()),
        "ratio_r2": ratio_r2(shown, method),
        "clusters": len(member),
        "frames": shown["frame"].nunique(),
    }
    if f"{method} p" in shown:
        seen = member[member[method] != ""]
        row["ece"] = expected_calibration_error(
            seen[f"{method} p"].to_numpy(dtype=float), (seen[method] == seen["truth"]).to_numpy()
        )
        error = (seen[f"{method} n"] - seen["n_atoms"]).abs()
        row["mae"] = float(error.mean())
        if f"{method} sd" in seen:
            for name, width in INTERVALS.items():
                row[f"within_{name}"] = float((error <= width * seen[f"{method} sd"]).mean())
        row["rejected"] = float((seen[method] == OTHER).mean())
        row["caught"] = float((stranger[method] == OTHER).mean())
    return row


def ratio_r2(predictions: pd.DataFrame, method: str) -> float:
    """R² of the class ratios about the identity, 1 - SS_res / SS_tot, pooled over frames and classes.

    The true ratios are those of all members in the frame, found or not; the observed ones those of the labels, with
    outsiders that were given a class among them, as a person would read them.

    Parameters
    ----------
    predictions
        As from `evaluate_steps`.
    method
        One of its columns of labels.

    Returns
    -------
    float
        1 at best; nan where all true ratios are the same.
    """
    members = predictions[predictions["truth"] != OTHER]
    true = pd.crosstab(members["frame"], members["truth"], normalize="index")
    labelled_rows = predictions[(predictions[method] != OTHER) & (predictions[method] != "")]
    seen = pd.crosstab(labelled_rows["frame"], labelled_rows[method], normalize="index")
    seen = seen.reindex(index=true.index, columns=true.columns, fill_value=0.0)
    spread = float(((true - true.to_numpy().mean()) ** 2).to_numpy().sum())
    return 1.0 - float(((seen - true) ** 2).to_numpy().sum()) / spread if spread > 0 else float("nan")


def confusion(predictions: pd.DataFrame, method: str, labels: Sequence[str]) -> pd.DataFrame:
    """Share of each true class that was given each label.

    Parameters
    ----------
    predictions
        As from `evaluate_steps`; clusters that were not found are left out.
    method
        One of its columns of labels.
    labels
        The classes in their order.

    Returns
    -------
    pandas.DataFrame
        Truth by rows and label by columns, ``other`` last in both.
    """
    order = [*labels, OTHER]
    seen = predictions[predictions[method] != ""]
    table = pd.crosstab(seen["truth"], seen[method], normalize="index")
    return table.reindex(index=order, columns=order, fill_value=0.0)


def expected_calibration_error(
    confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], bins: int = 10
) -> float:
    """Mean distance between stated and actual rate of being right, over bins of equal width (Naeini et al., AAAI 2015).

    Parameters
    ----------
    confidence
        (n,) stated chances of being right, 0 to 1.
    right
        (n,) bool.
    bins
        Number of bins.

    Returns
    -------
    float
        0 for honest statements; nan for none.
    """
    if not len(confidence):
        return float("nan")
    bin_of = np.clip((confidence * bins).astype(int), 0, bins - 1)
    gaps = [
        abs(confidence[bin_of == b].mean() - right[bin_of == b].mean()) * (bin_of == b).mean()
        for b in range(bins)
        if (bin_of == b).any()
    ]
    return float(np.sum(gaps))


def scored_steps(bundle: Bundle, tested: EvaluationSet | Library) -> Steps[Bundle]:
    """The bundle with its scores, by condition, in the card.

    Parameters
    ----------
    bundle
        The model.
    tested
        Labelled clusters that it was not trained on.

    Returns
    -------
    Bundle
        The same model with another card.
    """
    return with_metrics(bundle, scores((yield from evaluate_steps(bundle, tested))))


def with_metrics(bundle: Bundle, table: pd.DataFrame) -> Bundle:
    """The bundle with a table of scores in its card.

    Parameters
    ----------
    bundle
        The model.
    table
        As from `scores`.

    Returns
    -------
    Bundle
        The same model with another card.
    """
    metrics: dict[str, dict[str, Mapping[str, float]]] = {}
    for row in table.to_dict("records"):
        values = {str(k): round(float(v), 4) for k, v in row.items() if k not in ("condition", "method") and v == v}
        metrics.setdefault(str(row["condition"]), {})[str(row["method"])] = values
    return replace(bundle, card=replace(bundle.card, metrics=metrics))
