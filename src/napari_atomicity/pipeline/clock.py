"""How long each stage takes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TypeVar

from napari_atomicity.progress import Steps

Result = TypeVar("Result")


@dataclass
class Clock:
    """Seconds a stage, summed over its steps; not the time that the caller takes between two steps."""

    seconds: dict[str, float] = field(default_factory=dict)

    def time(self, stage: str, steps: Steps[Result]) -> Steps[Result]:
        """The same steps, with what they take added to a stage.

        Parameters
        ----------
        stage
            Its name.
        steps
            The work.
        """
        while True:
            start = time.perf_counter()
            try:
                progress = next(steps)
            except StopIteration as end:
                result: Result = end.value
                return result
            finally:
                self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start
            yield progress
