"""What tests of the window put in the place of the real thing: a small picture, an adaptation, work that waits."""

from __future__ import annotations

import inspect
import threading
from typing import Any

import numpy as np
import pandas as pd
import pytest

from napari_atomicity.progress import Progress
from seeds import seeded


class Gate:
    """Steps, or a plain function, that go on only once the gate is opened; `begun` says whether they came to it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._gate, self._begun = threading.Event(), threading.Event()
        self._gate.set()

    def hold(self, owner: Any, name: str) -> None:
        """Put a gate before what `owner` calls `name`."""
        whole = getattr(owner, name)

        def steps(*arguments: Any, **options: Any) -> Any:
            self._begun.set()
            # rarely enough for panels that follow each progress 20 ms later to come to rest in between
            while not self._gate.wait(0.05):
                yield Progress(0, 10, "Waiting")
            return (yield from whole(*arguments, **options))

        def plain(*arguments: Any, **options: Any) -> Any:
            self._begun.set()
            assert self._gate.wait(60)
            return whole(*arguments, **options)

        self._monkeypatch.setattr(owner, name, steps if inspect.isgeneratorfunction(whole) else plain)

    @property
    def begun(self) -> bool:
        """Whether anybody waits at the gate, or has gone through it since it was closed."""
        return self._begun.is_set()

    def close(self) -> None:
        """Whoever comes to the gate waits."""
        self._begun.clear()
        self._gate.clear()

    def open(self) -> None:
        """Let everybody through."""
        self._gate.set()


def blobs(shape: tuple[int, int] = (200, 200)) -> Any:
    """A picture of a few blobs at known places, for tests that need no clusters."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.zeros(shape, dtype=np.float32)
    for cy, cx in ((50, 60), (120, 40), (140, 150)):
        image += 100 * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 50)
    return image + np.random.default_rng(seeded(0)).normal(10, 1, shape).astype(np.float32)


def adapt_always(monkeypatch: pytest.MonkeyPatch, accepted: bool = True) -> None:
    """An untrained model has no clear anchors; an adaptation of the same form stands in for it.

    It turns the head of the network around, so that most labels change, and lets its gate wider open.
    """
    import copy
    import dataclasses

    from napari_atomicity import pipeline
    from napari_atomicity.counting.adapt import Adaptation
    from napari_atomicity.counting.classify import look_steps
    from napari_atomicity.counting.evidence import Evidence
    from napari_atomicity.counting.patches import Patches

    def steps(classified: Any, bundle: Any, settings: Any) -> Any:
        yield Progress(0, 1, "Fine-tuning")
        parts = [classified] if isinstance(classified, pipeline.Count) else list(classified)
        first = np.cumsum([0, *(len(part.table) for part in parts)])
        ids = np.concatenate([at + np.arange(6) for at in first[:-1]])
        n = len(ids)
        anchors = pd.DataFrame(
            {
                "id": ids,
                "label": np.resize(["Pt19", "Pt19", "Pt55"], n),
                "diameter_nm": np.resize([0.8, 0.9, 1.3], n),
                "certainty": np.full(n, 0.97),
                "source": np.resize(["calibrated", "calibrated", "annotations"], n),
                "held_back": np.resize([False, True, False], n),
                "low_nm": np.resize([0.8, 0.8, 1.3], n),
                "high_nm": np.resize([0.9, 0.9, 1.3], n),
            }
        )
        before = {"right": 0.5, "loss": 1.0, "anchors": 2.0, "silhouette": 0.1, "log_likelihood": -1.0}
        after = {"right": 1.0, "loss": 0.2, "anchors": 2.0, "silhouette": np.nan, "log_likelihood": -0.5}
        if not accepted:
            return Adaptation(bundle, False, "No clear diameters.", anchors, before, after)
        network = copy.deepcopy(bundle.network)
        for branch in network.each:
            branch.gate.bias.add_(0.3)
            for values in branch.shape[-1].parameters():
                values.mul_(-30.0)
        card = dataclasses.replace(bundle.card, history=("tuned",))
        tuned = dataclasses.replace(bundle, card=card, network=network)
        patches = Patches.join([part.patches for part in parts])
        seen = Evidence.join([part.evidence for part in parts])
        evidence = yield from look_steps(tuned, patches, seen.free, seen.log_scale, seen.shift)
        return Adaptation(tuned, True, "Fitted to 6 clusters.", anchors, before, after, evidence)

    monkeypatch.setattr("napari_atomicity.pipeline.count.adapt_steps", steps)


def leave_undecided(document: Any, *dominant: str) -> dict[str, float]:
    """Let a counted image of one frame be unable to decide between two classes; gives the scale of each."""
    import dataclasses

    first, second = dominant
    fit = document.state.offered.calibrations[0]
    scales = {first: 100.0, second: 70.0}
    grid = np.linspace(np.log(40), np.log(140), 200)
    peaks = (np.exp(-0.5 * ((grid - np.log(scale)) / 0.03) ** 2) for scale in scales.values())
    weight = sum(chance * peak for chance, peak in zip((0.6, 0.4), peaks, strict=True))
    shares = np.full((200, len(fit.class_sizes) + 1), 0.02)
    near_first = grid > np.log(85)
    for label, near in ((first, near_first), (second, ~near_first)):
        shares[near, fit.class_sizes.index(int(label.removeprefix("Pt")))] = 0.9
    candidates = tuple(
        {"dominant": label, "probability": chance, "scale": scale}
        for (label, scale), chance in zip(scales.items(), (0.6, 0.4), strict=True)
    )
    two = dataclasses.replace(
        fit, log_scale=grid, weight=weight / weight.sum(), shares=shares, ambiguous=True, candidates=candidates
    )
    offered = dataclasses.replace(document.state.offered, calibrations={0: two})
    document.amend(offered=offered, count=offered)
    return scales
