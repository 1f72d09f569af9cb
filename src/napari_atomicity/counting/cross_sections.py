"""How much of the beam one atom scatters onto an annular detector: from a table that was made with abTEM's potentials.

The table holds the scattering of one atom at rest to every angle (``benchmarks/cross_sections.py`` makes it). The
aperture of the probe is brought in here: a beam that comes in at an angle meets another part of the annulus.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Final

import numpy as np
import numpy.typing as npt

from napari_atomicity.errors import InputError

Floats = npt.NDArray[np.float64]

#: relative error of the table itself: potentials of two authors differ by 0.7 %, atoms also scatter inelastically
_TABLE_SD: Final = 0.02
_TABLE: Final = "cross_sections.csv"
#: beams that stand for the aperture
_BEAMS: Final = 12
_STEP_MRAD: Final = 0.5


@dataclass(frozen=True)
class Annulus:
    """The settings under which an annular detector collects.

    Attributes
    ----------
    voltage_kv
        Acceleration voltage.
    convergence_mrad
        Semi-angle of the probe.
    inner_mrad, outer_mrad
        Angles between which electrons reach the detector.
    angle_sd
        Relative standard deviation of these angles: camera lengths are seldom known better than to 2 %.
    """

    voltage_kv: float
    convergence_mrad: float
    inner_mrad: float
    outer_mrad: float
    angle_sd: float = 0.02

    def __post_init__(self) -> None:
        if not 1 <= self.convergence_mrad <= 60:
            raise InputError(f"A convergence of {self.convergence_mrad:g} mrad is out of range; give 1 to 60 mrad.")
        if not self.inner_mrad < self.outer_mrad:
            raise InputError(
                f"The detector would begin at {self.inner_mrad:g} mrad and end at {self.outer_mrad:g}; "
                "the inner angle is the smaller one."
            )
        if self.inner_mrad <= self.convergence_mrad:
            raise InputError(
                f"With a convergence of {self.convergence_mrad:g} mrad and an inner angle of {self.inner_mrad:g} mrad "
                "the beam itself falls on the detector; check both angles."
            )
        if not 0 < self.angle_sd <= 0.5:
            raise InputError(f"An error of {self.angle_sd:g} of the angles is impossible; give 0.02 for 2 %.")


@dataclass(frozen=True, eq=False)
class _Table:
    """Scattering of every element at every voltage: (angles,) mrad and nm² per steradian by (element, kV)."""

    angle_mrad: Floats
    per_solid_angle: dict[tuple[str, float], Floats]

    def voltages(self, element: str) -> list[float]:
        return sorted(kv for name, kv in self.per_solid_angle if name == element)


def elements() -> tuple[str, ...]:
    """Chemical symbols that the table holds."""
    return tuple(sorted({name for name, _ in _table().per_solid_angle}))


def scattering(element: str, voltage_kv: float, angle_mrad: Floats) -> Floats:
    """What one atom scatters to angles, nm² per steradian.

    Parameters
    ----------
    element
        Chemical symbol.
    voltage_kv
        Acceleration voltage.
    angle_mrad
        (m,) angles; beyond the table they fall as they do at its end.

    Raises
    ------
    InputError
        For a metal or a voltage that the table does not hold.
    """
    table = _table()
    voltages = table.voltages(element)
    if not voltages:
        raise InputError(
            f"The table of cross-sections does not hold {element}; it holds {', '.join(elements())}. "
            "Give the intensity of one atom from a standard instead."
        )
    if not voltages[0] <= voltage_kv <= voltages[-1]:
        raise InputError(
            f"The table of cross-sections runs from {voltages[0]:g} to {voltages[-1]:g} kV and not to "
            f"{voltage_kv:g} kV; check the voltage."
        )
    # smooth in logarithms once Rutherford's fall with the angle is taken off
    reduced = np.stack([np.log(table.per_solid_angle[element, kv]) + 4 * np.log(table.angle_mrad) for kv in voltages])
    at_angle = np.stack([np.interp(np.log(angle_mrad), np.log(table.angle_mrad), row) for row in reduced])
    at = np.interp(np.log(voltage_kv), np.log(voltages), np.arange(len(voltages)))
    low = min(int(at), len(voltages) - 2) if len(voltages) > 1 else 0
    share = at - low
    mixed = at_angle[low] if len(voltages) == 1 else (1 - share) * at_angle[low] + share * at_angle[low + 1]
    return np.asarray(np.exp(mixed) / angle_mrad**4)


def collected(element: str, annulus: Annulus, edges_mrad: Floats) -> Floats:
    """What one atom scatters into rings around the axis, the aperture of the probe included.

    Parameters
    ----------
    element
        Chemical symbol.
    annulus
        Voltage and convergence are used here.
    edges_mrad
        (m + 1,) ascending angles between which the rings lie.

    Returns
    -------
    (m,) cross-sections in nm².
    """
    # beams of equal weight over the aperture; each scatters around its own direction
    into = annulus.convergence_mrad * np.sqrt((np.arange(_BEAMS) + 0.5) / _BEAMS)
    rings = np.zeros(len(edges_mrad) - 1)
    for beam in into:
        angle = np.arange(max(edges_mrad[0] - beam, 1.0), edges_mrad[-1] + beam, _STEP_MRAD) + _STEP_MRAD / 2
        share = _share_within(edges_mrad, beam, angle)
        strength = scattering(element, annulus.voltage_kv, angle) * 2 * np.pi * angle * _STEP_MRAD * 1e-6
        rings += share @ strength / _BEAMS
    return rings


def cross_section(element: str, annulus: Annulus) -> tuple[float, float]:
    """What one atom scatters onto the detector, as the area of the beam that it takes.

    Parameters
    ----------
    element
        Chemical symbol.
    annulus
        Of the detector.

    Returns
    -------
    nm², and its relative standard deviation: that of the angles and of the table.

    Raises
    ------
    InputError
        For a metal, a voltage or angles that the table does not hold.
    """
    low, high = _table().angle_mrad[[0, -1]]
    least, most = annulus.inner_mrad - annulus.convergence_mrad, annulus.outer_mrad + annulus.convergence_mrad
    if least < low or most > high:
        raise InputError(
            f"Between {annulus.inner_mrad:g} and {annulus.outer_mrad:g} mrad, with a convergence of "
            f"{annulus.convergence_mrad:g} mrad, scattering from {least:g} to {most:g} mrad counts; the table runs "
            f"from {low:g} to {high:g} mrad. Check the angles, or set the outer one to what the column lets through."
        )
    step = annulus.angle_sd
    inner, outer = annulus.inner_mrad, annulus.outer_mrad
    edges = np.array([inner * (1 - step), inner, inner * (1 + step), outer * (1 - step), outer, outer * (1 + step)])
    if edges[2] >= edges[3]:
        raise InputError(f"Between {inner:g} and {outer:g} mrad next to nothing is left of a detector; check both.")
    edges[0] = max(edges[0], annulus.convergence_mrad)
    rings = collected(element, annulus, edges)
    value = float(rings[1:4].sum())
    by_inner = (rings[0] + rings[1]) / 2 / value
    by_outer = (rings[3] + rings[4]) / 2 / value
    # one camera length sets both angles: their errors go together, against each other
    return value, float(np.hypot(abs(by_inner - by_outer), _TABLE_SD))


def _share_within(edges_mrad: Floats, beam_mrad: float, angle_mrad: Floats) -> Floats:
    """(rings, angles) share of the circle at an angle around a tilted beam that lies between two edges."""
    # an edge cuts the circle where r² = b² + a² + 2 a b cos(turn)
    cosine = (edges_mrad[:, None] ** 2 - beam_mrad**2 - angle_mrad**2) / (2 * beam_mrad * angle_mrad)
    below = 1 - np.arccos(np.clip(cosine, -1, 1)) / np.pi
    return np.asarray(np.diff(below, axis=0))


@lru_cache(maxsize=1)
def _table() -> _Table:
    text = resources.files("napari_atomicity.counting").joinpath(_TABLE).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    names = lines[0].split(",")[1:]
    values = np.array([line.split(",") for line in lines[1:]], dtype=float)
    columns = {(name.split()[0], float(name.split()[1])): values[:, i + 1] for i, name in enumerate(names)}
    return _Table(values[:, 0], columns)
