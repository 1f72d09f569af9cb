"""How much of the beam one atom scatters to each angle: what the shipped table of cross-sections is made from.

One atom is one slice of a multislice: the plane wave behind it is ``exp(i sigma V)``, and its Fourier transform squared
is the scattering to every angle. The potential is that of `multislice`, where abTEM is imported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import fft

from napari_atomicity.simulation.optics import Optics
from validation.multislice import form_factor

Floats = npt.NDArray[np.float64]

#: cell that holds the atom, nm: its tails scatter to small angles only, which no annulus collects
_EXTENT_NM: Final = 3.0
#: the core of an atom is sharp: the potential is made out to this many times the largest angle
_FINER: Final = 4.0


@dataclass(frozen=True, eq=False)
class AngularDistribution:
    """Scattering of one atom.

    Attributes
    ----------
    angle_mrad
        (m,) angles.
    per_solid_angle
        (m,) nm² per steradian.
    """

    angle_mrad: Floats
    per_solid_angle: Floats


def angular_distribution(
    element: str, voltage_kv: float, angle_mrad: Floats, potential: str = "lobato"
) -> AngularDistribution:
    """Scattering of one atom at rest, into each angle.

    Parameters
    ----------
    element
        Chemical symbol.
    voltage_kv
        Acceleration voltage.
    angle_mrad
        (m,) ascending angles, above 5 mrad.
    potential
        ``lobato`` or ``kirkland``: whose form factors.
    """
    wavelength = Optics(voltage_kv).wavelength_nm
    n = fft.next_fast_len(int(2 * _FINER * angle_mrad[-1] * 1e-3 / wavelength * _EXTENT_NM))
    factor, sigma = form_factor(element, voltage_kv, potential)
    k = np.fft.fftfreq(n, _EXTENT_NM / n)
    square = k[:, None] ** 2 + k[None, :] ** 2
    volts = fft.ifft2(factor(square / 100) * (n / (_EXTENT_NM * 10)) ** 2, workers=1).real
    amplitude = fft.fft2(np.exp(1j * sigma * volts) - 1, workers=1) * (_EXTENT_NM / n) ** 2
    # |amplitude|² is in nm⁴ of spatial frequency; a solid angle is that times the wavelength squared
    per_solid_angle = np.abs(amplitude) ** 2 / wavelength**2
    radius = np.sqrt(square).ravel() * wavelength * 1e3
    near = radius < angle_mrad[-1] * 1.05
    order = np.argsort(radius[near])
    angle, value = radius[near][order], per_solid_angle.ravel()[near][order]
    # pixels of the same angle are one; a smooth curve through them in logarithms
    edges = np.concatenate([[angle_mrad[0] * 0.9], (angle_mrad[1:] + angle_mrad[:-1]) / 2, [angle_mrad[-1] * 1.04]])
    place = np.digitize(angle, edges) - 1
    inside = (place >= 0) & (place < len(angle_mrad)) & (value > 0)
    count = np.bincount(place[inside], minlength=len(angle_mrad))
    fit = np.log(value[inside] * (angle[inside] / 100) ** 4)  # Rutherford's fall taken off
    total = np.bincount(place[inside], fit, len(angle_mrad)) / np.maximum(count, 1)
    total = np.interp(angle_mrad, angle_mrad[count > 0], total[count > 0])
    return AngularDistribution(angle_mrad, np.exp(total) / (angle_mrad / 100) ** 4)
