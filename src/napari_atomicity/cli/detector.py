"""The scan of the detector that the options of a call name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_atomicity.cli.console import Console
from napari_atomicity.cli.requests import DetectorRequest
from napari_atomicity.errors import InputError

if TYPE_CHECKING:
    from napari_atomicity.counting.bundle import Bundle
    from napari_atomicity.pipeline import DetectorScan

_NEEDED: Final = {"kv": "--kv", "convergence": "--convergence", "inner": "--inner", "outer": "--outer"}
_ALL: Final = {**_NEEDED, "angle_sd": "--angle-sd", "current_ratio": "--current-ratio"}


def detector_of(request: DetectorRequest, bundle: Bundle, console: Console) -> DetectorScan | None:
    """What the detector says, and in words to the person; None where no scan is given.

    Parameters
    ----------
    request
        The options.
    bundle
        The model, whose metal is counted.
    console
        Where messages go.

    Raises
    ------
    InputError
        For options that contradict each other, and a scan that shows no detector.
    """
    from napari_atomicity.counting.cross_sections import Annulus
    from napari_atomicity.io import read
    from napari_atomicity.pipeline import detector_steps

    if request.detector_scan is None:
        given = [option for name, option in _ALL.items() if getattr(request, name) is not None]
        if given:
            raise InputError(f"{given[0]} belongs to a scan of the detector; give that with --detector-scan too.")
        return None
    missing = [option for name, option in _NEEDED.items() if getattr(request, name) is None]
    kv, convergence, inner, outer = request.kv, request.convergence, request.inner, request.outer
    if kv is None or convergence is None or inner is None or outer is None:
        raise InputError(f"With --detector-scan voltage and angles are needed; give {', '.join(missing)} too.")
    angle_sd = Annulus.angle_sd if request.angle_sd is None else request.angle_sd
    annulus = Annulus(kv, convergence, inner, outer, angle_sd)
    ratio = 1.0 if request.current_ratio is None else request.current_ratio
    scan = read(request.detector_scan)
    steps = detector_steps(scan, annulus, bundle.card.element, ratio)
    found = console.drain(request.detector_scan.stem, steps)
    seen, reference = found.seen, found.reference(bundle.card.element)
    for remark in seen.remarks:
        console.remark(f"{scan.name}: {remark}")
    console.say(
        f"{scan.name}: detector on {seen.share:.0%} of the scan, {seen.height:.4g} counts over a dark level of "
        f"{seen.dark:.4g}, uneven by {seen.unevenness:.0%}; one {bundle.card.element} atom is worth "
        f"{reference.value:.4g} counts nm² (± {reference.relative_sd:.0%})"
    )
    return found
