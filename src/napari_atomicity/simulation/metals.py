"""The metals the library knows, and the two many-body descriptions of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: nearest-neighbour distance in the bulk metal, nm, and atomic number
ELEMENTS: Final[dict[str, tuple[float, int]]] = {
    "Pt": (0.2775, 78),
    "Au": (0.2884, 79),
    "Pd": (0.2751, 46),
    "Ag": (0.2889, 47),
    "Cu": (0.2556, 29),
    "Ni": (0.2492, 28),
    "Ir": (0.2715, 77),
    "Rh": (0.2690, 45),
}


@dataclass(frozen=True)
class GuptaMetal:
    """Second-moment parameters: `a` and `xi` in eV, `p` and `q` without unit; what they were fitted to."""

    a: float
    xi: float
    p: float
    q: float
    neighbour_nm: float
    cohesive_ev: float


@dataclass(frozen=True)
class EmtMetal:
    """Effective-medium parameters: eV, and atomic units of length (bohr) as they were published."""

    e0: float
    s0: float
    v0: float
    eta2: float
    kappa: float
    lam: float


#: Cleri & Rosato, Phys. Rev. B 48, 22 (1993), table II; distances and cohesive energies of their table I
GUPTA: Final[dict[str, GuptaMetal]] = {
    "Pt": GuptaMetal(0.2975, 2.695, 10.612, 4.004, 0.3924 / 2**0.5, 5.853),
    "Au": GuptaMetal(0.2061, 1.790, 10.229, 4.036, 0.4079 / 2**0.5, 3.779),
    "Pd": GuptaMetal(0.1746, 1.718, 10.867, 3.742, 0.3887 / 2**0.5, 3.936),
    "Ag": GuptaMetal(0.1028, 1.178, 10.928, 3.139, 0.4085 / 2**0.5, 2.96),
    "Cu": GuptaMetal(0.0855, 1.224, 10.960, 2.278, 0.3615 / 2**0.5, 3.544),
    "Ni": GuptaMetal(0.0376, 1.070, 16.999, 1.189, 0.3523 / 2**0.5, 4.435),
    "Ir": GuptaMetal(0.1156, 2.289, 16.980, 2.691, 0.3839 / 2**0.5, 6.93),
    "Rh": GuptaMetal(0.0629, 1.660, 18.450, 1.867, 0.3803 / 2**0.5, 5.752),
}

#: Jacobsen, Stoltze & Nørskov, Surf. Sci. 366, 394 (1996), as rounded in ASE's calculator of the same name
EMT: Final[dict[str, EmtMetal]] = {
    "Pt": EmtMetal(-5.85, 2.90, 4.067, 1.812, 3.145, 2.192),
    "Au": EmtMetal(-3.80, 3.00, 2.321, 1.674, 2.873, 2.182),
    "Pd": EmtMetal(-3.90, 2.87, 2.773, 1.818, 3.107, 2.155),
    "Ag": EmtMetal(-2.96, 3.01, 2.132, 1.652, 2.790, 1.892),
    "Cu": EmtMetal(-3.51, 2.67, 2.476, 1.652, 2.740, 1.906),
    "Ni": EmtMetal(-4.44, 2.60, 3.673, 1.669, 2.757, 1.948),
}
