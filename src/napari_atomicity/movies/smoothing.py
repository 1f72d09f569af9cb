"""The number of atoms of a cluster over time: a hidden Markov model of counts that stay, fall or rise.

The state is a number of atoms. From frame to frame it stays, or with the chances that the movie itself tells it falls
or rises, by few atoms more likely than by many. What is counted scatters about it with the stated standard deviation,
times a factor that the movie tells as well: a part of the stated error is the same in all frames of a cluster, and does
not scatter. What scatters lasts for some frames, as long as a cluster keeps its shape and its place; so many frames
tell as much as one that stands alone, and the chance of each count is taken to that part. Chances and factor by
expectation and maximisation, paths by Viterbi (Rabiner, Proc. IEEE 77, 257 (1989)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: states of the grid at most; beyond so many atoms it is wider than one atom
_STATES: Final = 160
#: of a change, the part that is by few atoms, and how many these are on average
_FEW_PART: Final = 0.2
_FEW: Final = 2.0
#: counts that belong to something else
_OUTLIER: Final = 0.02
#: stated relative error where there is none, and the least
_USUAL: Final = 0.1
_LEAST: Final = 0.02
_TURNS: Final = 12
_SETTLED: Final = 0.02
#: chances of change a frame: where to begin, least and most
_START: Final = 0.02
_CHANCE: Final = (1e-4, 0.3)
_SPREAD: Final = (0.15, 2.5)
#: steps over which errors of one cluster are compared to find out how long they last, pairs that tell it, and the most
_LAGS: Final = 12
_PAIRS: Final = 200
_LONGEST: Final = 8.0
#: tracks that are computed side by side
_TOGETHER: Final = 48


@dataclass(frozen=True, eq=False)
class Smoothed:
    """Counts of one track over its steps.

    Attributes
    ----------
    atoms, atoms_sd
        (t,) mean number of atoms and its standard deviation, with what all frames share.
    level
        (t,) most likely path.
    chance
        (t,) that the number changed since the step before; 0 at the first.
    """

    atoms: Floats
    atoms_sd: Floats
    level: Floats
    chance: Floats


@dataclass(frozen=True)
class Rates:
    """What the movie says of its changes.

    Attributes
    ----------
    fall, rise
        Chance in a frame that a cluster loses atoms, and that it gains some.
    spread
        How wide counts of one cluster scatter beside their stated standard deviation.
    lasting
        Frames that tell as much of a cluster as one that stands alone.
    """

    fall: float
    rise: float
    spread: float
    lasting: float = 1.0


@dataclass(frozen=True, eq=False)
class _Batch:
    """Tracks side by side, padded to the longest."""

    #: (tracks, t, states) ln chance of what was counted; 0 where nothing was
    counts: Floats
    errors: Floats
    length: npt.NDArray[np.int64]


def smoothed(counts: Sequence[Floats], errors: Sequence[Floats]) -> tuple[list[Smoothed], Rates]:
    """Smooth the counts of tracks.

    Parameters
    ----------
    counts
        For each track (t,) atoms in each step from its first to its last; nan where it was not counted.
    errors
        (t,) stated standard deviation of each.

    Returns
    -------
    Each track, and what they say of changes together.
    """
    grid = _grid(counts)
    rates = Rates(_START, _START, 1.0, _lasting(counts))
    order = sorted(range(len(counts)), key=lambda at: len(counts[at]))
    groups = [order[at : at + _TOGETHER] for at in range(0, len(order), _TOGETHER)]
    batches = [_padded([counts[at] for at in group], [errors[at] for at in group]) for group in groups]
    for _ in range(_TURNS):
        before = rates
        rates = _maximised(batches, grid, rates)
        if abs(rates.spread - before.spread) < _SETTLED and abs(rates.fall - before.fall) < _SETTLED * before.fall:
            break
    results: dict[int, Smoothed] = {}
    for group, batch in zip(groups, batches, strict=True):
        results |= dict(zip(group, _results(batch, grid, rates), strict=True))
    return [results[at] for at in range(len(counts))], rates


def _lasting(counts: Sequence[Floats]) -> float:
    """Frames that tell as much as one alone: how much less counts differ that are near in time than those far apart.

    Medians, so that clusters that lose atoms, which are few, do not count.
    """
    logs = [np.log(np.maximum(one, 1.0)) for one in counts if len(one) > _LAGS]
    differences = []
    for lag in range(1, _LAGS + 1):
        apart = np.concatenate([np.abs(one[lag:] - one[:-lag]) for one in logs] or [np.empty(0)])
        apart = apart[np.isfinite(apart)]
        if len(apart) < _PAIRS:
            return 1.0
        differences.append(float(np.median(apart)) ** 2)
    far = float(np.mean(differences[-3:]))
    alike = 1 - np.array(differences[:-3]) / far if far > 0 else np.zeros(1)
    return float(np.clip(1 + 2 * np.maximum(alike, 0.0).sum(), 1.0, _LONGEST))


def _grid(counts: Sequence[Floats]) -> Floats:
    top = max([10.0, *(float(np.nanmax(one)) for one in counts if np.isfinite(one).any())]) * 1.25 + 5
    return np.arange(1.0, top + 1) if top <= _STATES else np.linspace(1.0, top, _STATES)


def _padded(counts: Sequence[Floats], errors: Sequence[Floats]) -> _Batch:
    longest = max(map(len, counts))
    values, relative = np.full((len(counts), longest), np.nan), np.full((len(counts), longest), _USUAL)
    for row, (own, error) in enumerate(zip(counts, errors, strict=True)):
        values[row, : len(own)] = own
        stated = error / np.maximum(own, 1.0)
        relative[row, : len(own)] = np.where(np.isfinite(stated), np.maximum(stated, _LEAST), _USUAL)
    return _Batch(values, relative, np.array([len(own) for own in counts]))


def _moves(grid: Floats, rates: Rates) -> Floats:
    """(from, to) chances of one step."""
    gap = np.abs(grid[:, None] - grid[None, :])
    few = np.exp(-gap / _FEW)
    moves = np.zeros_like(gap)
    for lower, chance in ((True, rates.fall), (False, rates.rise)):
        side = np.tri(len(grid), k=-1) if lower else np.tri(len(grid), k=-1).T
        parts = [few * side, side]
        totals = [np.maximum(part.sum(axis=1, keepdims=True), 1e-300) for part in parts]
        mixed = _FEW_PART * parts[0] / totals[0] + (1 - _FEW_PART) * parts[1] / totals[1]
        moves += chance * mixed
    np.fill_diagonal(moves, 0.0)
    np.fill_diagonal(moves, 1 - moves.sum(axis=1))
    return moves


def _seen(batch: _Batch, grid: Floats, rates: Rates) -> tuple[Floats, Floats]:
    """(tracks, t, states) chance of each count, and what part of it is no outlier."""
    sd = np.maximum(rates.spread * batch.errors[..., None] * grid, 0.3)
    off = (batch.counts[..., None] - grid) / sd
    good = (1 - _OUTLIER) * np.exp(-0.5 * off**2) / sd
    bad = _OUTLIER / (grid[-1] - grid[0])
    known = np.isfinite(batch.counts)[..., None]
    return np.where(known, (good + bad) ** (1 / rates.lasting), 1.0), np.where(known, good / (good + bad), 0.0)


def _forward_backward(seen: Floats, moves: Floats) -> tuple[Floats, Floats]:
    """(tracks, t, states) scaled forward and backward chances; what is padded says nothing and changes nothing."""
    n, steps, states = seen.shape
    forward, backward = np.empty((n, steps, states)), np.ones((n, steps, states))
    forward[:, 0] = seen[:, 0] / states
    forward[:, 0] /= forward[:, 0].sum(axis=1, keepdims=True)
    for t in range(1, steps):
        forward[:, t] = (forward[:, t - 1] @ moves) * seen[:, t]
        forward[:, t] /= forward[:, t].sum(axis=1, keepdims=True)
    for t in range(steps - 2, -1, -1):
        backward[:, t] = (backward[:, t + 1] * seen[:, t + 1]) @ moves.T
        backward[:, t] /= backward[:, t].sum(axis=1, keepdims=True)
    return forward, backward


def _changes(
    batch: _Batch, seen: Floats, moves: Floats, forward: Floats, backward: Floats
) -> tuple[Floats, Floats, Floats]:
    """(tracks, t) chances that the number fell, stayed, rose since the step before."""
    after = seen[:, 1:] * backward[:, 1:]
    before = forward[:, :-1]
    lower, upper = np.tril(moves, -1), np.triu(moves, 1)
    fell, rose = ((before @ part * after).sum(axis=2) for part in (lower, upper))
    stayed = (before * np.diag(moves) * after).sum(axis=2)
    total = np.maximum(fell + rose + stayed, 1e-300)
    real = np.arange(1, seen.shape[1])[None, :] < batch.length[:, None]
    shape = (len(seen), 1)
    return tuple(  # type: ignore[return-value]
        np.hstack([np.zeros(shape), np.where(real, part / total, 0.0)]) for part in (fell, stayed, rose)
    )


def _maximised(batches: Sequence[_Batch], grid: Floats, rates: Rates) -> Rates:
    moves = _moves(grid, rates)
    fell = rose = steps = squares = weight = 0.0
    for batch in batches:
        seen, good = _seen(batch, grid, rates)
        forward, backward = _forward_backward(seen, moves)
        down, stayed, up = _changes(batch, seen, moves, forward, backward)
        fell, rose, steps = fell + down.sum(), rose + up.sum(), steps + (down + stayed + up).sum()
        state = forward * backward
        state /= state.sum(axis=2, keepdims=True)
        own = state * good
        off = (np.nan_to_num(batch.counts)[..., None] - grid) / (batch.errors[..., None] * grid)
        squares += float((own * off**2).sum())
        weight += float(own.sum())
    spread = np.sqrt(squares / weight) if weight else 1.0
    return Rates(
        float(np.clip((fell + 0.5) / (steps + 50), *_CHANCE)),
        float(np.clip((rose + 0.5) / (steps + 50), *_CHANCE)),
        float(np.clip(spread, *_SPREAD)),
        rates.lasting,
    )


def _results(batch: _Batch, grid: Floats, rates: Rates) -> list[Smoothed]:
    moves = _moves(grid, rates)
    seen, _ = _seen(batch, grid, rates)
    forward, backward = _forward_backward(seen, moves)
    fell, _, rose = _changes(batch, seen, moves, forward, backward)
    state = forward * backward
    state /= state.sum(axis=2, keepdims=True)
    mean = state @ grid
    own = np.sqrt(np.maximum(state @ grid**2 - mean**2, 0.0))
    shared = np.sqrt(max(1 - rates.spread**2, 0.0)) * batch.errors.mean(axis=1, keepdims=True) * mean
    path = grid[_viterbi(np.log(seen), np.log(np.maximum(moves, 1e-300)))]
    total = np.hypot(own, shared)
    return [
        Smoothed(mean[row, :n], total[row, :n], path[row, :n], (fell + rose)[row, :n])
        for row, n in enumerate(batch.length)
    ]


def _viterbi(log_seen: Floats, log_moves: Floats) -> npt.NDArray[np.int64]:
    """(tracks, t) states of the most likely paths."""
    n, steps, _ = log_seen.shape
    from_where = np.zeros(log_seen.shape, dtype=np.int16)
    score = log_seen[:, 0]
    for t in range(1, steps):
        offered = score[:, :, None] + log_moves
        from_where[:, t] = offered.argmax(axis=1)
        score = np.take_along_axis(offered, from_where[:, None, t].astype(np.int64), axis=1)[:, 0] + log_seen[:, t]
    path = np.zeros((n, steps), dtype=np.int64)
    path[:, -1] = score.argmax(axis=1)
    rows = np.arange(n)
    for t in range(steps - 1, 0, -1):
        path[:, t - 1] = from_where[rows, t, path[:, t]]
    return path
