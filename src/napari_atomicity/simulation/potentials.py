"""Energies and forces of many clusters of one size at once, in two descriptions of the metal.

Positions are (batch, n, 3) in nm, energies in eV relative to free atoms, forces in eV per nm. Pair quantities are
(batch, n, n) tensors; a force is a sum over neighbours of a scalar times a difference of positions, so that it needs
no (batch, n, n, 3) tensor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from napari_atomicity.errors import InputError
from napari_atomicity.simulation.metals import ELEMENTS, EMT, GUPTA, EmtMetal, GuptaMetal

if TYPE_CHECKING:
    from torch import Tensor

#: an atom is never nearer to itself
_FAR_NM: Final = 1e3


class Potential(Protocol):
    """What an anneal needs to know of a metal."""

    def evaluate(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Energy of every atom (batch, n) in eV and force on it (batch, n, 3) in eV/nm."""
        ...


@dataclass(frozen=True)
class Gupta:
    """Second-moment approximation of tight binding (Gupta 1981; Cleri & Rosato, Phys. Rev. B 48, 22 (1993)).

    The parameters were fitted with the fifth neighbours as the last; a smooth step between the fifth and the sixth
    shell does the same here.
    """

    metal: GuptaMetal

    def evaluate(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Energy of every atom and force on it; see `Potential`."""
        m, r0 = self.metal, self.metal.neighbour_nm
        r = _distances(positions)
        strain = r / r0 - 1
        repulsion = (strain * -m.p).exp_().mul_(m.a)
        begin, width = 5**0.5 * r0 * 1.01, (6**0.5 - 5**0.5) * r0 * 0.98
        t = ((r - begin) / width).clamp_(0, 1)
        hopping = strain.mul_(-2 * m.q).exp_().mul_(m.xi**2)
        step_slope = (t * (t - 1)).mul_(6 / width).mul_(hopping)
        hopping *= 1 - t * t * (3 - 2 * t)
        band = hopping.sum(-1).clamp_(min=1e-12).sqrt_()
        energy = repulsion.sum(-1) - band
        slope = hopping.mul_(-2 * m.q / r0).add_(step_slope)
        half = 0.5 / band
        slope *= half[:, :, None] + half[:, None, :]
        pull = slope.add_(repulsion, alpha=2 * m.p / r0).div_(r)
        return energy, _forces(pull, positions)


@dataclass(frozen=True)
class EffectiveMedium:
    """Effective medium theory (Jacobsen, Stoltze & Nørskov, Surf. Sci. 366, 394 (1996)).

    Follows ASE's calculator, cut-off included, so that the two agree; energies there are relative to the bulk.
    """

    metal: EmtMetal

    def evaluate(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Energy of every atom and force on it; see `Potential`."""
        m, bohr = self.metal, _BOHR_NM
        s0, eta2, kappa, lam = m.s0 * bohr, m.eta2 / bohr, m.kappa / bohr, m.lam / bohr
        gamma1, gamma2 = _lattice_sums(s0, eta2, kappa)
        r = _distances(positions)
        cut = ((r - _CUT_NM) * -_CUT_SLOPE).sigmoid_()
        cut_slope = (cut - 1).mul_(_CUT_SLOPE)  # of the logarithm
        density = ((r - _BETA * s0) * -eta2).exp_().mul_(cut)
        pair = ((r / _BETA - s0) * -kappa).exp_().mul_(cut).mul_(-0.5 * m.v0 / gamma2)
        total = density.sum(-1).clamp_(min=1e-12)
        shift = (total / (12 * gamma1)).log_().div_(-_BETA * eta2)
        cohesion = (shift * -lam).exp_() * m.e0
        correction = (shift * -kappa).exp_().mul_(6 * m.v0)
        energy = cohesion * (1 + lam * shift) + correction + pair.sum(-1)
        by_shift = -lam * lam * shift * cohesion - kappa * correction
        by_density = by_shift / (-_BETA * eta2 * total)
        density *= cut_slope - eta2
        density *= by_density[:, :, None] + by_density[:, None, :]
        slope = density.add_(pair.mul_(cut_slope - kappa / _BETA), alpha=2)
        pull = slope.div_(r).neg_()
        return energy, _forces(pull, positions)


_BOHR_NM: Final = 0.0529177210544
_BETA: Final = 1.809  # (16 π / 3)^(1/3) / √2, rounded as in the published programs
#: middle and steepness of the cut-off, between the third and fourth neighbours of the largest metal
_CUT_NM: Final = _BETA * 3.01 * _BOHR_NM * 0.5 * (3**0.5 + 2)
_CUT_SLOPE: Final = math.log(1e4 - 1) / (_BETA * 3.01 * _BOHR_NM * 2 - _CUT_NM)


def _lattice_sums(s0: float, eta2: float, kappa: float) -> tuple[float, float]:
    """Neighbour sums of the perfect crystal up to the third shell, which the densities are relative to."""
    gamma1 = gamma2 = 0.0
    for count, shell in ((12, 1), (6, 2), (24, 3)):
        r = _BETA * s0 * shell**0.5
        weight = count / 12 / (1 + math.exp(_CUT_SLOPE * (r - _CUT_NM)))
        gamma1 += weight * math.exp(-eta2 * (r - _BETA * s0))
        gamma2 += weight * math.exp(-kappa / _BETA * (r - _BETA * s0))
    return gamma1, gamma2


def _distances(positions: Tensor) -> Tensor:
    """(batch, n, n) distances in nm, an atom very far from itself."""
    import torch

    square = (positions * positions).sum(-1)
    r2 = torch.baddbmm(square[:, None, :], positions, positions.transpose(1, 2), alpha=-2)
    r2 += square[:, :, None]
    r2.diagonal(dim1=1, dim2=2).fill_(_FAR_NM**2)
    return r2.clamp_(min=1e-6).sqrt_()


def _forces(pull: Tensor, positions: Tensor) -> Tensor:
    """Sum over neighbours of pull_ij (r_i - r_j)."""
    import torch

    return torch.baddbmm(positions * pull.sum(-1, keepdim=True), pull, positions, alpha=-1)


def potential(family: str, element: str) -> Potential:
    """The description of a metal by a family of potentials.

    Parameters
    ----------
    family
        ``gupta`` or ``emt``.
    element
        Chemical symbol, one of `ELEMENTS`.

    Returns
    -------
    Potential
        With the parameters of the metal.

    Raises
    ------
    InputError
        Where there is no such metal, or the family does not know it.
    """
    if element not in ELEMENTS:
        raise InputError(f"There is no metal {element!r} in the library; choose one of {', '.join(ELEMENTS)}.")
    if family == "gupta":
        return Gupta(GUPTA[element])
    if family == "emt" and element in EMT:
        return EffectiveMedium(EMT[element])
    if family == "emt":
        raise InputError(f"Effective medium theory does not know {element}; use the families gupta or block for it.")
    raise InputError(f"There is no potential {family!r}; choose gupta or emt.")


def stiffness(metal: Potential, element: str) -> float:
    """Stiffest vibration of a metal: sets the time step of a unit mass.

    Parameters
    ----------
    metal
        Its potential.
    element
        Chemical symbol, whose bulk distance is used.

    Returns
    -------
    float
        eV/nm²: twice the force constant of an atom whose twelve neighbours stand still, for the zone boundary vibrates
        about twice as stiffly.
    """
    import torch

    spacing = ELEMENTS[element][0]
    corners = [(i, j, 0) for i in (-1, 1) for j in (-1, 1)]
    shell = [(0.0, 0.0, 0.0)] + [c[k:] + c[:k] for c in corners for k in range(3)]
    atoms = torch.tensor([shell], dtype=torch.float64) * spacing / 2**0.5
    atoms[0, 0, 2] += 1e-4
    _, force = metal.evaluate(atoms)
    # the zone boundary vibrates about twice as stiffly as one atom among still neighbours
    return max(float(-force[0, 0, 2]) / 1e-4, 1.0) * 2


def surface_energy(metal: Potential, element: str) -> float:
    """Energy of the unrelaxed close-packed surface: twice this is what wetting costs.

    Parameters
    ----------
    metal
        Its potential.
    element
        Chemical symbol, whose bulk distance is used.

    Returns
    -------
    float
        eV an atom.
    """
    import torch

    height, slip = (2 / 3) ** 0.5, (0.5, 0.5 / 3**0.5)
    sheet = [(i + j / 2, j * 3**0.5 / 2) for i in range(-6, 7) for j in range(-6, 7) if abs(i + j) <= 6]
    middle = sheet.index((0.0, 0.0))
    layers = [[(x + k * slip[0], y + k * slip[1], k * height) for x, y in sheet] for k in range(-3, 4)]
    atoms = torch.tensor(layers, dtype=torch.float64).reshape(1, -1, 3) * ELEMENTS[element][0]
    energy = metal.evaluate(atoms)[0].reshape(len(layers), -1)[:, middle]
    return float((energy - energy[3]).sum()) / 2
