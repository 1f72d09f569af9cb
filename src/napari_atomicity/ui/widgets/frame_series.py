"""How many clusters each frame of a stack has, and of which classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_atomicity.clusters import OTHER, ClusterTable
from napari_atomicity.counting.ratios import counted as in_shares
from napari_atomicity.wording import counted, percent

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FrameSeries:
    """Clusters by frame.

    Attributes
    ----------
    labels
        In the order of the model, then ``other``, then further ones that a person gave.
    found
        (t,) all clusters of each frame.
    by_label
        (t, labels) those that enter the shares.
    """

    labels: tuple[str, ...]
    found: Counts
    by_label: Counts

    @classmethod
    def of(cls, table: ClusterTable, labels: Sequence[str], n_frames: int) -> FrameSeries:
        """The clusters of a table.

        Parameters
        ----------
        table
            Of a stack.
        labels
            Of the classes of the model.
        n_frames
            Of the stack.
        """
        final, frame = table.final_labels.astype(str), table.rows["frame"].to_numpy(dtype=np.int64)
        counts = in_shares(table)
        names = (*labels, OTHER)
        names = (*names, *sorted(set(final[counts].tolist()) - set(names)))
        within = (frame >= 0) & (frame < n_frames)
        found = np.bincount(frame[within], minlength=n_frames)
        by_label = [np.bincount(frame[within & counts & (final == name)], minlength=n_frames) for name in names]
        return cls(names, found, np.stack(by_label, axis=1))

    def __len__(self) -> int:
        return len(self.found)

    def words(self, frame: int) -> str:
        """One frame in a sentence."""
        total = int(self.by_label[frame].sum())
        shares = [
            f"{label} {percent(n / total, 0)}" for label, n in zip(self.labels, self.by_label[frame], strict=True) if n
        ]
        said = f"Frame {frame}: {counted(int(self.found[frame]), 'cluster')}"
        return f"{said}, {total} of them in the shares: {', '.join(shares)}." if shares else f"{said}."

    def merged(self, columns: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Frames drawn together where there are more of them than columns.

        Parameters
        ----------
        columns
            Of the picture, in pixels.

        Returns
        -------
        found
            (c,) mean number of clusters of a frame.
        shares
            (c, labels) shares of the labels; 0 where nothing enters them.
        """
        n = min(max(columns, 1), len(self))
        at = np.arange(len(self)) * n // len(self)
        frames = np.bincount(at, minlength=n)
        found = np.bincount(at, self.found, minlength=n) / frames
        sums = np.stack([np.bincount(at, each, minlength=n) for each in self.by_label.T], axis=1)
        return found, sums / np.maximum(sums.sum(axis=1, keepdims=True), 1)
