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

from napari_atomicity.counting.classify import look_steps
from napari_atomicity.counting.evidence import Evidence
from napari_atomicity.counting.looking import SHIFT_SETTLED, shift_of
from napari_atomicity.counting.scale_likelihood import scale_likelihood, usable_rows
from napari_atomicity.dataset.parts import look_schema, pyarrow
from napari_atomicity.progress import drain

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.counting.calibration import Calibration
    from napari_atomicity.counting.card import ModelCard
    from napari_atomicity.counting.patches import Patches
    from napari_atomicity.pipeline.counting import Count

#: scales that an image is looked at with lie so far apart, in ln(scale): what a look says holds within half of it
LOOK_STEP: Final = 0.06
#: scales less probable than this part of the best are not looked at: if the session means one, the frame stands alone
_POSSIBLE: Final = 0.002
#: how often an image is looked at with a further scale, each time with what it showed to lie outside the aperture
_ROUNDS: Final = 2


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
    for number, looked in enumerate(
        _further_looks(own, count.patches, use, _further_scales(fit, own), bundle), start=1
    ):
        looks.append(_look_rows(image, number, looked, ids, use, classes))


def _further_scales(fit: Calibration, own: Evidence) -> list[float]:
    """Logarithms of the scales that the image may have and was not looked at with."""
    if own.log_scale is None or not len(own):
        return []
    middle = float(own.log_scale[0])
    possible = fit.log_scale[fit.weight > _POSSIBLE * fit.weight.max()]
    steps = np.unique(np.rint((possible - middle) / LOOK_STEP).astype(int))
    return [middle + LOOK_STEP * int(step) for step in steps if step]


def _further_looks(
    own: Evidence, patches: Patches, use: npt.NDArray[np.bool_], scales: Sequence[float], bundle: Bundle
) -> list[Evidence]:
    """What the network sees with further scales, all of them at once: a call of it takes as long as many clusters."""
    if not scales:
        return []
    assert own.shift is not None
    n = len(own)
    shifts = np.full(len(scales), float(own.shift[0]))
    seen = [own] * len(scales)
    wanted = np.arange(len(scales))
    for _ in range(_ROUNDS):
        rows = np.tile(np.arange(n), len(wanted))
        at, shift = (np.repeat(values[wanted], n) for values in (np.asarray(scales), shifts))
        joined = drain(look_steps(bundle, patches.take(rows), own.free.take(rows), at, shift))
        for place, which in enumerate(wanted.tolist()):
            seen[which] = joined.take(np.arange(place * n, (place + 1) * n))
        found = np.array([shift_of(seen[i], patches, use, float(shifts[i])) for i in wanted])
        moved = np.abs(found - shifts[wanted]) >= SHIFT_SETTLED
        shifts[wanted] = found
        wanted = wanted[moved]
        if not len(wanted):
            break
    return seen


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


def evidence_of(look: dict[str, npt.NDArray[Any]], card: ModelCard) -> Evidence:
    """What the network saw with one scale, from its rows.

    Parameters
    ----------
    look
        (n,) of each column of `look_schema`.
    card
        Of the model.
    """
    n = len(look["id"])
    return Evidence(
        card=card,
        shape=np.column_stack([look[f"shape_{size}"] for size in card.class_sizes]).astype(np.float64),
        outside=look["outside_log_odds"].astype(np.float64),
        log_integral=look["log_integral"].astype(np.float64),
        log_integral_sd=look["log_integral_sd"].astype(np.float64),
        features=np.zeros((n, 0), dtype=np.float32),
        branch=np.zeros((n, 0), dtype=np.float32),
        noise=np.zeros(n),
        valid=look["valid"].astype(bool),
        log_scale=look["log_scale"].astype(np.float64),
        shift=np.zeros(n),
    )
