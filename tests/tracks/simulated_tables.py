"""Simulated movies as tables of clusters, without pixels: what a perfect search and a noisy count would give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from napari_atomicity.movies import Movie, MovieSettings, follow

PIXEL_NM = 0.05
SHAPE = (512, 512)


@dataclass
class Told:
    """A movie as a person would tell it: clusters with a way and atoms a frame."""

    rows: list[dict[str, Any]]

    @classmethod
    def empty(cls) -> Told:
        return cls([])

    def cluster(
        self, frames: range, at_nm: tuple[float, float], atoms: Any, step_nm: tuple[float, float] = (0.0, 0.0)
    ) -> Told:
        """One more cluster: where it is in the first of its frames, and its atoms (a number, or one a frame)."""
        many = np.broadcast_to(np.asarray(atoms, dtype=float), len(frames))
        for number, frame in enumerate(frames):
            y, x = np.asarray(at_nm) + number * np.asarray(step_nm)
            self.rows.append({"frame": frame, "y_px": y / PIXEL_NM, "x_px": x / PIXEL_NM, "n_atoms": many[number]})
        return self

    def table(self, seed: int = 0, noise: float = 0.05) -> pd.DataFrame:
        """Rows as a table of clusters has them, in the order of frames."""
        rng = np.random.default_rng(seed)
        rows = pd.DataFrame(self.rows).sort_values("frame", kind="stable", ignore_index=True)
        rows["n_atoms"] *= 1 + noise * rng.standard_normal(len(rows))
        rows[["y_px", "x_px"]] += 0.5 * rng.standard_normal((len(rows), 2))
        return rows.assign(
            id=np.arange(len(rows)), n_atoms_sd=0.08 * rows["n_atoms"], diameter_nm=1.1, sizeable=True, cut_off=False,
            track=-1,
        )  # fmt: skip


def followed(rows: pd.DataFrame, frames: int, edits: pd.DataFrame | None = None, **settings: Any) -> Movie:
    """The movie of a table whose frames lie on one another."""
    return follow(rows, MovieSettings(**settings), np.zeros((frames, 2)), SHAPE, PIXEL_NM, edits)
