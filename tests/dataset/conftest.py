"""A small batch of simulated images, and an engine that computes here and now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_atomicity.dataset.batch import Batch, Result, batch_steps
from napari_atomicity.dataset.engine import Done, Task
from napari_atomicity.pipeline import Settings
from napari_atomicity.progress import drain


class Here:
    """Computes in this process, a task at a time; `befall` may raise in the place of one."""

    workers = 1
    dashboard = ""

    def __init__(self, befall: Callable[[Task], None] | None = None) -> None:
        self.befall = befall
        self.begun: list[Task] = []
        self._waiting: list[Task] = []

    @property
    def room(self) -> int:
        return 1 - len(self._waiting)

    def submit(self, task: Task) -> None:
        self.begun.append(task)
        self._waiting.append(task)

    def wait(self, seconds: float) -> list[Done]:
        done = []
        while self._waiting:
            task = self._waiting.pop()
            try:
                if self.befall is not None:
                    self.befall(task)
                done.append(Done(task, task.function(*task.arguments)))
            except Exception as error:
                done.append(Done(task, error=error))
        return done

    def close(self) -> None:
        self._waiting = []


def save(path: Path, image: Any, pixel_size_nm: float = 0.05) -> Path:
    """A TIFF as a microscope writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    per_nm = (1 / pixel_size_nm, 1 / pixel_size_nm)
    counts = np.ascontiguousarray(np.clip(image, 0, 65535).astype(np.uint16))
    tifffile.imwrite(path, counts, imagej=True, resolution=per_nm, metadata={"unit": "nm"})
    return path


@pytest.fixture(scope="session")
def night(tmp_path_factory) -> Path:
    """Two folders of three images each, 192 pixels along a side."""
    from napari_atomicity.simulation.conditions import sample_spec
    from napari_atomicity.simulation.frames import simulate_frame

    folder = tmp_path_factory.mktemp("night")
    spec = sample_spec("nominal", {19: 0.4, 41: 0.3, 70: 0.3}, n_clusters=60, shape=(512, 512), seed=5)
    image = simulate_frame(spec, seed=5).image / 6 + 3500  # within sixteen bits
    for i in range(6):
        top, left = 192 * (i // 3) + 20, 150 * (i % 3)
        save(folder / f"grid{i // 3}" / f"frame{i % 3}.tif", image[top : top + 192, left : left + 192])
    return folder


@pytest.fixture
def run(tmp_path) -> Callable[..., Result]:
    """Runs a batch here to its end."""

    def to_the_end(sources: Any, output: str = "out", engine: Any = None, **options: Any) -> Result:
        listed = [sources] if isinstance(sources, str | Path) else sources
        settings = options.pop("settings", Settings(adapt="off"))
        batch = Batch(listed, tmp_path / output, settings, **options)
        return drain(batch_steps(batch, engine=engine or Here()))

    to_the_end.folder = tmp_path / "out"  # type: ignore[attr-defined]
    return to_the_end
