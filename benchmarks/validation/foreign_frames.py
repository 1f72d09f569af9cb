"""Frames of the foreign lots: a specimen, a scan and a detector written for them alone.

Nothing of the package's simulator of images is used, so that a model that has learnt its habits is found out. The
specimen is drawn 0.025 nm fine: clusters imaged by multislice, detached atoms, contamination, and one of two supports
(grains of carbon with hills, or overlapping sheets with folds). The whole goes through the transfer function of an
aberrated probe; the scan reads it off point by point, and the detector counts electrons one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import fft, ndimage, signal

from napari_atomicity.simulation.frames import SimulatedFrame
from napari_atomicity.simulation.spec import FrameSpec
from validation.foreign_clusters import Lot
from validation.foreign_optics import Aberrations, transfer
from validation.multislice_library import MultisliceLibrary

Floats = npt.NDArray[np.float64]

CONDITIONS: Final = (
    "clean", "nominal", "low_dose", "defocus", "thick_support", "other_gain", "scan_noise", "coarse_pixels",
)  # fmt: skip
#: side of a cell of the specimen, nm
_CELL_NM: Final = 0.025
#: side of the field and what is drawn beyond it, nm
_FIELD_NM: Final = 42.0
_BEYOND_NM: Final = 1.5
_CLUSTERS: Final = 75
CLASSES: Final = (19, 30, 41, 55, 70)
_OUTSIDERS: Final = (8, 12, 95, 120)
_BETWEEN: Final = (24, 35, 48, 62)
#: free space between clusters, nm
_APART_NM: Final = 0.9
#: signal of a carbon atom in platinum atoms, and carbon atoms per nm³
_CARBON: Final = 0.012
_CARBON_DENSITY: Final = 100.0
#: amplitude of the fluctuation of their number, relative to atoms that ignore each other
_LUMPS: Final = 0.35


@dataclass(frozen=True)
class Settings:
    """One frame of a lot.

    Attributes
    ----------
    condition
        One of `CONDITIONS`.
    pure
        Its only size; 0 for a mixture.
    number
        Of the frame; decides everything that is drawn for it alone.
    session
        Frames of one session were taken one after the other: the same drawn conditions, but for the gain, which wanders
        by 5 %, and the focus, which wanders by 1 nm.
    """

    condition: str
    pure: int
    number: int
    session: int


def plan(mixed: int = 3, sessions: int = 2, pure: int = 1) -> list[Settings]:
    """The frames of a lot.

    Parameters
    ----------
    mixed, sessions
        Mixed frames a session, and sessions a condition.
    pure
        Frames of each class alone, a condition; each is a session of its own.
    """
    frames: list[Settings] = []
    session = 0
    for condition in CONDITIONS:
        for _ in range(sessions):
            frames += [Settings(condition, 0, len(frames) + k, session) for k in range(mixed)]
            session += 1
        for size in CLASSES * pure:
            frames.append(Settings(condition, size, len(frames), session))
            session += 1
    return frames


@dataclass(frozen=True)
class _Drawn:
    """Conditions of a frame, drawn for its named condition."""

    pixel_nm: float
    aberrations: Aberrations
    thickness_nm: float
    hills: float
    contamination: float
    adatoms: float
    electrons: float
    dark: float
    decay_px: float
    slow: float
    jitter_nm: float
    vibration_nm: float
    drift: Floats
    flyback_nm: float
    pickup: float
    streaks: float
    current: float
    gain: float
    black: float


def _draw(condition: str, rng: np.random.Generator) -> _Drawn:
    """Values of one frame; the kinds of conditions are those of the package's own tables, the causes are not."""

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    def decades(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    def directed(size: float) -> complex:
        return complex(size * np.exp(2j * np.pi * rng.random()))

    clean, rough = condition == "clean", condition == "scan_noise"
    out = between(6, 11) * rng.choice([-1, 1]) if condition == "defocus" else between(-3, 3)
    aberrations = Aberrations(
        defocus_nm=0.3 * out if clean else out,
        astigmatism_nm=directed(between(0, 0.5 if clean else 4.0 if condition == "defocus" else 1.5)),
        coma_nm=directed(between(0, 10 if clean else 80)),
        threefold_nm=directed(between(0, 5 if clean else 40)),
        spherical_um=between(-1, 1) * (0.2 if clean else 1.0),
        focal_spread_nm=between(2, 5),
        source_fwhm_nm=between(0.05, 0.08) if clean else between(0.07, 0.14),
        tail=0.0 if clean else between(0, 0.12),
    )
    thick = condition == "thick_support"
    return _Drawn(
        pixel_nm=between(0.08, 0.12) if condition == "coarse_pixels" else between(0.03, 0.06),
        aberrations=aberrations,
        thickness_nm=between(25, 45) if thick else between(1, 3) if clean else between(2, 8),
        hills=between(0.05, 0.2) if clean else between(0.9, 1.9) if thick else between(0.6, 1.4),
        contamination=0.0 if clean else between(0, 1.6),
        adatoms=between(0, 0.3) if clean else between(0, 3),
        electrons=decades(5e3, 3e4)
        if clean
        else decades(20, 80)
        if condition == "low_dose"
        else decades(300, 2000)
        if thick
        else decades(120, 800),
        dark=0.05 if clean else between(0.2, 3.0),
        decay_px=between(0.5, 4),
        slow=0.0 if clean else between(0.03, 0.15) if rough else between(0, 0.06),
        jitter_nm=0.0 if clean else between(0.02, 0.045) if rough else between(0, 0.012),
        vibration_nm=0.0 if clean else between(0.01, 0.04) if rough else between(0, 0.008),
        drift=rng.normal(0, 0.0 if clean else 0.012 if rough else 0.005, 2),
        flyback_nm=0.0 if clean else between(0.05, 0.25) if rough else between(0, 0.08),
        pickup=0.0 if clean else between(0.2, 0.6) if rough else between(0, 0.15),
        streaks=0.0 if clean else between(0.02, 0.06) if rough else between(0, 0.008),
        current=0.0 if clean else between(0.1, 0.25) if rough else between(0, 0.06),
        gain=decades(2e4, 2e5) if condition == "other_gain" else decades(400, 2000),
        black=between(-4e4, 2e5) if condition == "other_gain" else between(0, 3000),
    )


def foreign_frame(lot: Lot, clusters: MultisliceLibrary, settings: Settings) -> SimulatedFrame:
    """One frame with its truth.

    Parameters
    ----------
    lot
        Whose microscope.
    clusters
        The store of the lot.
    settings
        Which frame.

    Returns
    -------
    SimulatedFrame
        Its `scale_counts_nm2_per_atom` is the mean signal of the class members in it per atom, as an ideal standard
        in the same frame would give it; only the condition of its `spec` is to be used.
    """
    rng, drift_nm, gain = _own_draws(lot, settings)
    drawn = _draw(settings.condition, np.random.default_rng([lot.seed, settings.session, 6]))
    drawn = replace(
        drawn,
        gain=drawn.gain * gain,
        aberrations=replace(drawn.aberrations, defocus_nm=drawn.aberrations.defocus_nm + drift_nm),
    )
    side = round((_FIELD_NM + 2 * _BEYOND_NM) / _CELL_NM)
    side = int(fft.next_fast_len(side, real=True))
    specimen = np.zeros((side, side))
    rows, unit = _place_clusters(specimen, clusters, settings, drawn, rng)
    support = _SUPPORTS[lot.name](side, drawn, rng)
    support += _contamination(specimen, drawn, rng)
    spectrum = fft.rfft2(specimen + support, workers=2)
    spectrum *= transfer(lot.optics, drawn.aberrations, specimen.shape, _CELL_NM)
    blurred = fft.irfft2(spectrum, specimen.shape, workers=2)
    pixels = round(_FIELD_NM / drawn.pixel_nm)
    y_nm, x_nm, path = _scan(pixels, drawn, rng)
    seen = ndimage.map_coordinates(blurred, [y_nm / _CELL_NM, x_nm / _CELL_NM], order=1, mode="reflect")
    image = _DETECTORS[lot.name](seen, drawn, rng)
    truth = _truth(rows, path, drawn.pixel_nm, pixels)
    spec = FrameSpec((pixels, pixels), drawn.pixel_nm, {19: 1.0}, condition=settings.condition)
    return SimulatedFrame(image, drawn.pixel_nm, truth, drawn.gain * unit, spec, settings.number)


# ---------------------------------------------------------------------- the specimen


def drawn_shares(lot: Lot, settings: Settings) -> Floats:
    """(classes,) shares that the class members of a mixed frame are drawn with.

    What lies in the frame differs from them by chance, and because small clusters find a free place more easily.
    """
    return _shares(_own_draws(lot, settings)[0])


def _own_draws(lot: Lot, settings: Settings) -> tuple[np.random.Generator, float, float]:
    """What is drawn for a frame alone: by how much its focus and its gain are off those of the session, nm and 1."""
    rng = np.random.default_rng([lot.seed, settings.number, 5])
    return rng, rng.normal(0, 1.0), float(np.exp(rng.normal(0, 0.05)))


def _shares(rng: np.random.Generator) -> Floats:
    return rng.dirichlet(np.full(len(CLASSES), 1.5))


def _sizes(settings: Settings, rng: np.random.Generator) -> Callable[[], int]:
    if settings.pure:
        return lambda: settings.pure
    classes = np.array(CLASSES)
    shares = _shares(rng)

    def draw() -> int:
        kind = rng.random()
        if kind < 0.05:
            return int(rng.choice(_OUTSIDERS))
        return int(rng.choice(_BETWEEN)) if kind < 0.08 else int(rng.choice(classes, p=shares))

    return draw


def _place_clusters(
    specimen: Floats, store: MultisliceLibrary, settings: Settings, drawn: _Drawn, rng: np.random.Generator
) -> tuple[list[tuple[float, float, int, str, float]], float]:
    """Put clusters, touching pairs and detached atoms into the specimen; the rows of the truth in nm, and the unit."""
    size_of = _sizes(settings, rng)
    width = len(specimen) * _CELL_NM
    taken = np.empty((0, 3))
    rows: list[tuple[float, float, int, str, float]] = []
    signal_sum, atom_sum = 0.0, 0
    # shapes differ within a frame as much as between frames
    flat, spread = float(rng.random()), float(rng.uniform(0.05, 0.35))
    pairs, merged = (0.0, 0.0) if settings.pure else (rng.uniform(0, 0.03), rng.uniform(0, 0.04))
    tries = 0
    while len(rows) < _CLUSTERS and tries < 6000:
        tries += 1
        at = rng.uniform(0.3, width - 0.3, 2)
        chance = rng.random()
        n = 2 if chance < pairs + merged else 1
        members = [_cluster(store, size_of(), rng.normal(flat, spread), rng) for _ in range(n)]
        reach = [member[2] for member in members]
        gap = sum(reach) * rng.uniform(0.5, 0.8) if chance < merged else sum(reach) + rng.uniform(0.0, 0.2)
        turn = rng.uniform(0, 2 * np.pi)
        places = [at] if n == 1 else [at, at + gap * np.array([np.sin(turn), np.cos(turn)])]
        apart = [np.hypot(*(taken[:, :2] - p).T) - taken[:, 2] - r for p, r in zip(places, reach, strict=True)]
        if any((distance < _APART_NM).any() for distance in apart):
            continue
        for place, (image, atoms, radius) in zip(places, members, strict=True):
            _add(specimen, image, place / _CELL_NM)
            taken = np.vstack([taken, [*place, radius]])
            if n == 1 and atoms in CLASSES:
                signal_sum, atom_sum = signal_sum + float(image.sum()) * _CELL_NM**2, atom_sum + atoms
            for _ in range(rng.poisson(drawn.adatoms / n)):
                angle, distance = rng.uniform(0, 2 * np.pi), radius + 0.15 + rng.exponential(0.5)
                spot = place + distance * np.array([np.sin(angle), np.cos(angle)])
                _add(specimen, _ATOM, spot / _CELL_NM)
        if chance < merged:
            total = members[0][1] + members[1][1]
            rows.append((*np.mean(places, axis=0), total, "dimer", gap / 2 + max(reach)))
        else:
            kind = "cluster" if n == 1 else "touching"
            rows += [(*p, atoms, kind, r) for p, (_, atoms, r) in zip(places, members, strict=True)]
    return rows, signal_sum / max(atom_sum, 1)


def _cluster(
    store: MultisliceLibrary, n_atoms: int, flat: float, rng: np.random.Generator
) -> tuple[Floats, int, float]:
    """Image of a cluster turned by any angle, its atoms, and its reach in nm."""
    found = [cluster for cluster in store.clusters if len(cluster.positions_nm) == n_atoms]
    # one of the nearest in flatness
    order = np.argsort([abs(cluster.flatness - np.clip(flat, 0, 1)) for cluster in found])
    cluster = found[int(order[rng.integers(min(6, len(order)))])]
    image = cluster.images[0].astype(float)
    angle = rng.uniform(0, 360)
    turned = ndimage.rotate(image, angle, reshape=True, order=3, mode="constant")
    turned *= image.sum() / turned.sum()
    if rng.random() < 0.5:
        turned = turned[:, ::-1]
    # its centre of mass in the middle: there a microscopist would put the point
    off = (np.array(turned.shape) - 1) / 2 - ndimage.center_of_mass(turned)
    turned = ndimage.shift(np.pad(turned, 8), off, order=3)
    return turned, n_atoms, float(np.hypot(*cluster.positions_nm[:, :2].T).max() + 0.1)


def _add(specimen: Floats, image: Floats, centre: Floats) -> None:
    """Add an image with its middle at a place, shifted by parts of a cell through its Fourier phases."""
    middle = (np.array(image.shape) - 1) / 2
    corner = np.floor(centre - middle).astype(int)
    part = centre - middle - corner
    moved = ndimage.shift(np.pad(image, 2), part, order=3, mode="constant")
    corner = corner - 2
    low, high = np.maximum(corner, 0), np.minimum(corner + moved.shape, specimen.shape)
    if (high <= low).any():
        return
    specimen[low[0] : high[0], low[1] : high[1]] += moved[
        low[0] - corner[0] : high[0] - corner[0], low[1] - corner[1] : high[1] - corner[1]
    ]


def _spot(n: int = 41) -> Floats:
    """A lone atom by an ideal probe; Airy's pattern with a first zero at 0.1 nm is near enough for one atom."""
    from scipy.special import j1

    r = np.hypot(*(np.indices((n, n)) - n // 2)) * _CELL_NM
    x = np.where(r > 0, 3.8317 * r / 0.1, 1e-9)
    spot = (2 * j1(x) / x) ** 2
    return np.asarray(spot / spot.sum() / _CELL_NM**2)


_ATOM: Final = _spot()


def _contamination(specimen: Floats, drawn: _Drawn, rng: np.random.Generator) -> Floats:
    """Carbon that the beam has gathered at the clusters: thicker on some sides, thinning out over half a nanometre."""
    if drawn.contamination <= 0:
        return np.zeros_like(specimen)
    near = _smooth(np.minimum(specimen, 15.0), 0.35)
    patchy = _smooth(rng.standard_normal(specimen.shape), 0.5)
    patchy = np.clip(0.6 + patchy / patchy.std() * 0.6, 0, None)
    beside = np.clip(near - 0.35 * _smooth(np.minimum(specimen, 15.0), 0.12), 0, None)
    return np.asarray(drawn.contamination * patchy * beside / 6.0)


def _grains(side: int, drawn: _Drawn, rng: np.random.Generator) -> Floats:
    """Amorphous carbon: its atoms, and hills of all widths, few of them high."""
    width = side * _CELL_NM
    y, x = np.linspace(-0.5, 0.5, side)[:, None], np.linspace(-0.5, 0.5, side)[None]
    slope = rng.normal(0, 0.2, 2)
    film = drawn.thickness_nm * np.clip(1 + slope[0] * y + slope[1] * x, 0.1, None)
    hills = np.zeros((side, side))
    for sigma in (0.3, 0.5, 0.9, 1.6, 3.0):
        # as many hills as stand shoulder to shoulder, of exponential heights
        count = rng.poisson(0.25 * (width / sigma) ** 2)
        points = np.zeros((side, side))
        np.add.at(points, tuple(rng.integers(0, side, (2, count))), rng.exponential(1.0, count))
        hills += _smooth(points, sigma) * (sigma / _CELL_NM) ** 1.5
    mean = film * _CARBON_DENSITY * _CELL_NM**2
    # atoms keep their distance, so that there are less lumps and gaps of them than chance would make
    atoms = mean + _LUMPS * (rng.poisson(mean) - mean)
    return np.asarray(atoms * _CARBON / _CELL_NM**2 + _scaled(hills, drawn.hills))


def _sheets(side: int, drawn: _Drawn, rng: np.random.Generator) -> Floats:
    """Sheets of a layered carbon that overlap, with lattice, folds, steps and spots of dirt."""
    y, x = np.indices((side, side)) * _CELL_NM
    level = np.zeros((side, side))
    for _ in range(max(3, round(drawn.thickness_nm / 1.5))):
        angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-0.3, 1.3) * side * _CELL_NM
        along = x * np.cos(angle) + y * np.sin(angle)
        bent = 1.5 * np.sin(2 * np.pi * (x * np.sin(angle) - y * np.cos(angle)) / rng.uniform(8, 40) + rng.random() * 6)
        level += 1 / (1 + np.exp(-(along + bent - offset) / rng.uniform(0.2, 3.0)))
    level = 0.6 + 0.4 * level / max(level.mean(), 1e-9)
    turn = rng.uniform(0, np.pi)
    lattice = sum(
        np.cos(2 * np.pi / 0.34 * (x * np.cos(turn + k) + y * np.sin(turn + k)))
        for k in (0.0, np.pi / 3, 2 * np.pi / 3)
    )
    dirt = _smooth(rng.standard_normal((side, side)), 0.22)
    dirt = np.clip(dirt / dirt.std() - 0.5, 0, None) ** 1.5
    clouds = _smooth(rng.standard_normal((side, side)), 0.7)
    rough = _scaled(dirt, 1.0) + 0.7 * _scaled(np.exp(0.3 * clouds / clouds.std()), 1.0)
    film = drawn.thickness_nm * _CARBON * _CARBON_DENSITY * level * (1 + 0.015 * np.asarray(lattice))
    return np.asarray(film + _scaled(rough, drawn.hills))


def _scaled(field: Floats, amount: float) -> Floats:
    """A field whose standard deviation between 0.4 and 2 nm is `amount`, its lowest parts at zero."""
    band = _smooth(field, 0.08) - _smooth(field, 0.32)
    scaled = field * (amount / max(float(band.std()), 1e-12))
    return np.asarray(scaled - np.quantile(scaled, 0.01))


def _smooth(field: Floats, sigma_nm: float) -> Floats:
    """A field blurred by a Gaussian; its borders meet."""
    fy, fx = np.fft.fftfreq(field.shape[0], _CELL_NM), np.fft.rfftfreq(field.shape[1], _CELL_NM)
    fall = -2 * (np.pi * sigma_nm) ** 2
    spectrum = fft.rfft2(field) * np.exp(fall * fy**2)[:, None] * np.exp(fall * fx**2)
    return np.asarray(fft.irfft2(spectrum, field.shape))


_SUPPORTS: Final = {"choose": _grains, "report": _sheets}


# ---------------------------------------------------------------------- scan and detector


def _scan(n: int, drawn: _Drawn, rng: np.random.Generator) -> tuple[Floats, Floats, tuple[Floats, Floats, Floats]]:
    """Where the probe stood at every pixel, nm in the specimen; and the slow part of it: by row y and x, by column."""
    row = np.arange(n)
    wander = signal.lfilter([1], [1, -0.5], rng.normal(0, drawn.jitter_nm * np.sqrt(0.75), (2, n)), axis=1)
    cycles = rng.uniform(0.15, 0.45)
    shake = drawn.vibration_nm * np.sin(2 * np.pi * cycles * row[:, None] + rng.random() * 6 + 0.002 * row[None])
    slow_y, slow_x = (drawn.drift[axis] * (row - n / 2) * drawn.pixel_nm for axis in (0, 1))
    settle = drawn.flyback_nm * np.exp(-row * drawn.pixel_nm / 0.7)
    start = _BEYOND_NM
    y = start + row[:, None] * drawn.pixel_nm + slow_y[:, None] + 0.6 * wander[0][:, None] + 0.5 * shake
    x = start + row[None] * drawn.pixel_nm + slow_x[:, None] + wander[1][:, None] + shake + settle[None]
    return y, x, (slow_y, slow_x, settle)


def _counted(seen: Floats, drawn: _Drawn, rng: np.random.Generator) -> Floats:
    """Signal with the noise of its electrons, in lone atoms per nm²; pulses differ in height."""
    per_pixel = drawn.electrons * drawn.pixel_nm**2
    n = seen.shape[0]
    current = 1 + drawn.current * (np.linspace(-0.5, 0.5, n) + 0.3 * np.sin(np.linspace(0, 3 * np.pi, n)))[:, None]
    flicker = signal.lfilter([1], [1, -0.97], rng.standard_normal(seen.size) * np.sqrt(1 - 0.97**2)).reshape(seen.shape)
    mean = np.clip(seen * current * (1 + drawn.streaks * flicker), 0, None) * per_pixel
    electrons = rng.poisson(mean)
    heights = rng.gamma(np.maximum(electrons, 1e-9) * 3.0, 1 / 3.0) * (electrons > 0)
    dark = rng.normal(0, np.sqrt(drawn.dark * per_pixel), seen.shape)
    return np.asarray((heights + dark) / per_pixel)


def _photomultiplier(seen: Floats, drawn: _Drawn, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """A scintillator that glows on, pick-up of the mains, and whole numbers of 16 bits."""
    signal_now = _counted(seen, drawn, rng)
    keep = np.exp(-1 / drawn.decay_px)
    late = signal.lfilter([1 - keep], [1, -keep], signal_now.ravel()).reshape(seen.shape)
    mixed = (1 - drawn.slow) * signal_now + drawn.slow * late
    noise = float(np.std(signal_now[:, 1:] - signal_now[:, :-1]) / np.sqrt(2))
    n = seen.shape[1]
    mains = np.sin(2 * np.pi * (np.arange(n)[None] / rng.uniform(20, 90) + 0.37 * np.arange(n)[:, None]))
    lines = rng.normal(0, 1, n)[:, None]
    mixed = mixed + noise * drawn.pickup * (0.4 * mains + lines)
    return np.asarray(np.round(drawn.black + drawn.gain * mixed), dtype=np.float32)


def _counting(seen: Floats, drawn: _Drawn, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """An average of four quick reads with a preamplifier that smooths along the line, and offsets that wander."""
    quick = replace(drawn, electrons=drawn.electrons / 4)
    reads = [_counted(seen, quick, rng) for _ in range(4)]
    mean = np.mean(reads, axis=0)
    width = rng.uniform(0.05, 0.35)
    mixed = (1 - width) * mean + width * np.roll(mean, 1, axis=1)
    mixed = (1 - drawn.slow) * mixed + drawn.slow * ndimage.uniform_filter1d(mixed, 5, axis=1, origin=2)
    noise = float(np.std(mean[:, 1:] - mean[:, :-1]) / np.sqrt(2))
    wander = signal.lfilter([1], [1, -0.7], rng.normal(0, 0.7, len(seen)))[:, None]
    return np.asarray(drawn.black + drawn.gain * (mixed + noise * drawn.pickup * wander), dtype=np.float32)


_DETECTORS: Final = {"choose": _photomultiplier, "report": _counting}


# ---------------------------------------------------------------------- truth


def _truth(
    rows: Sequence[tuple[float, float, int, str, float]], path: tuple[Floats, Floats, Floats], px: float, n: int
) -> pd.DataFrame:
    """The truth in pixels of the image, as `SimulatedFrame` has it."""
    slow_y, slow_x, settle = path
    found = []
    for y_nm, x_nm, atoms, kind, radius in rows:
        y, x = (y_nm - _BEYOND_NM) / px, (x_nm - _BEYOND_NM) / px
        for _ in range(3):
            row = int(np.clip(round(y), 0, n - 1))
            column = int(np.clip(round(x), 0, n - 1))
            y = (y_nm - _BEYOND_NM - slow_y[row]) / px
            x = (x_nm - _BEYOND_NM - slow_x[row] - settle[column]) / px
        margin = (radius + 0.25) / px
        if -margin < y < n - 1 + margin and -margin < x < n - 1 + margin:
            edge = y < margin or x < margin or y > n - 1 - margin or x > n - 1 - margin
            found.append((y, x, atoms, kind, len(found), 2 * radius, edge))
    columns = ["y_px", "x_px", "n_atoms", "kind", "group", "diameter_nm", "on_edge"]
    return pd.DataFrame(found, columns=columns)
