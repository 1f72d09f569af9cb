"""What an image has to say about its scale, and what its clusters look like with the scales that it may have.

These are all that the second pass needs: no image is read twice, and no network is asked again. An image with many
clusters knows its scale well, so that one look or two are enough; one with few clusters is looked at with more scales,
which costs little.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from napari_atomicity.counting.classify import look_steps
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.scale_likelihood import scale_likelihood, usable_rows
from napari_atomicity.dataset.parts import look_schema, pyarrow
from napari_atomicity.progress import drain

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.calibration import Calibration
    from napari_atomicity.counting.card import ModelCard
    from napari_atomicity.counting.patches import Patches
    from napari_atomicity.pipeline.counting import Count

#: scales that an image is looked at with lie so far apart, in ln(scale); what lies between follows from both sides
LOOK_STEP: Final = 0.12
#: what a look says holds for scales as near as this
_HOLDS: Final = 0.03
#: scales less probable than this part of the best are not looked at: if the session means one, the frame stands alone
_POSSIBLE: Final = 0.002


def add_statistics(
    image: str, count: Count, frame: int, bundle: Bundle, likelihoods: list[dict[str, Any]], looks: list[Any]
) -> None:
    """Add what a counted image says of its scale to the rows of a part.

    Parameters
    ----------
    image
        Its id.
    count
        Of the image, with clusters of one frame alone.
    frame
        Which frame.
    bundle
        The model that counted.
    likelihoods, looks
        Where the rows go.
    """
    own, fit = count.evidence, count.calibrations[frame]
    sizeable = count.table.sizeable & own.valid
    use = sizeable if sizeable.any() else own.valid
    rows, _ = usable_rows(own, use)
    says = scale_likelihood(own.take(rows), count.known[frame])
    likelihoods.append(
        {
            "image": image,
            "log_scale": says.log_scale.tolist(),
            "log_likelihood": says.log_likelihood.tolist(),
            "contradiction": says.contradiction,
        }
    )
    classes, ids = bundle.card.class_sizes, count.table.ids
    looks.append(_look_rows(image, 0, own, ids, use, classes))
    for number, looked in enumerate(_further_looks(own, count.patches, _further_scales(fit, own), bundle), start=1):
        looks.append(_look_rows(image, number, looked, ids, use, classes))


def _further_scales(fit: Calibration, own: Evidence) -> list[float]:
    """Logarithms of the scales that the image may have and was not looked at with."""
    if own.log_scale is None or not len(own):
        return []
    middle = float(own.log_scale[0])
    possible = fit.log_scale[fit.weight > _POSSIBLE * fit.weight.max()]
    below = np.ceil((middle - _HOLDS - float(possible.min())) / LOOK_STEP)
    above = np.ceil((float(possible.max()) - middle - _HOLDS) / LOOK_STEP)
    return [middle + LOOK_STEP * step for step in range(-max(int(below), 0), max(int(above), 0) + 1) if step]


def _further_looks(own: Evidence, patches: Patches, scales: Sequence[float], bundle: Bundle) -> list[Evidence]:
    """What the network sees with further scales, all of them at once: a call of it takes as long as many clusters."""
    if not scales:
        return []
    assert own.shift is not None
    n = len(own)
    rows = np.tile(np.arange(n), len(scales))
    at, shift = np.repeat(scales, n), np.full(len(rows), own.shift[0] if n else 0.0)
    joined = drain(look_steps(bundle, patches.take(rows), own.free.take(rows), at, shift))
    return [joined.take(np.arange(place * n, (place + 1) * n)) for place in range(len(scales))]


def _look_rows(
    image: str,
    number: int,
    seen: Evidence,
    ids: npt.NDArray[np.int64],
    use: npt.NDArray[np.bool_],
    classes: Sequence[int],
) -> Any:
    pa, _ = pyarrow()
    n = len(seen)
    assert seen.log_scale is not None
    values = {
        "image": [image] * n,
        "look": np.full(n, number, dtype=np.int16),
        "log_scale": seen.log_scale,
        "id": ids,
        **{f"shape_{size}": seen.shape[:, i].astype(np.float32) for i, size in enumerate(classes)},
        "outside_log_odds": seen.outside.astype(np.float32),
        "log_integral": seen.log_integral,
        "log_integral_sd": seen.log_integral_sd.astype(np.float32),
        "valid": seen.valid,
        "use": use,
    }
    schema = look_schema(classes)
    return pa.Table.from_arrays(
        [pa.array(values[name], schema.field(name).type) for name in schema.names], schema=schema
    )


def look_at(
    looks: dict[str, npt.NDArray[Any]], log_scale: float, card: ModelCard
) -> tuple[Evidence, npt.NDArray[np.bool_]]:
    """What the network would see with a scale, from the looks on both sides of it.

    Parameters
    ----------
    looks
        The looks of an image, one after the other: (looks · n,) of each column of `look_schema`.
    log_scale
        Logarithm of the scale; one beyond all looks counts as that of the last.
    card
        Of the model.

    Returns
    -------
    evidence
        (n,) clusters.
    use
        (n,) which of them a scale may rest on.
    """
    numbers, firsts = np.unique(looks["look"], return_index=True)
    at = looks["log_scale"][firsts]
    order = np.argsort(at)
    wanted = float(np.clip(log_scale, at[order[0]], at[order[-1]]))
    above = int(np.clip(np.searchsorted(at[order], wanted), min(1, len(at) - 1), len(at) - 1))
    low, high = order[max(above - 1, 0)], order[above]
    part = 0.0 if low == high else (wanted - at[low]) / (at[high] - at[low])
    sides = [{name: values[looks["look"] == numbers[i]] for name, values in looks.items()} for i in (low, high)]

    def between(name: str) -> npt.NDArray[np.float64]:
        first, second = (side[name].astype(np.float64) for side in sides)
        return np.asarray(first + part * (second - first))

    shape = np.column_stack([between(f"shape_{size}") for size in card.class_sizes])
    n = len(shape)
    evidence = Evidence(
        card=card,
        shape=shape - logsumexp(shape, axis=1, keepdims=True),
        outside=between("outside_log_odds"),
        log_integral=between("log_integral"),
        log_integral_sd=between("log_integral_sd"),
        features=np.zeros((n, 0), dtype=np.float32),
        branch=np.zeros((n, 0), dtype=np.float32),
        noise=np.zeros(n),
        valid=sides[0]["valid"].astype(bool),
        log_scale=np.full(n, wanted),
        shift=np.zeros(n),
    )
    return evidence, sides[0]["use"].astype(bool)
