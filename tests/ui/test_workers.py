"""Long work that goes wrong in the wrong place: the window is never left busy or locked, the process never changed."""

from __future__ import annotations

import locale
import os
import sys
import threading
import warnings
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from napari_atomicity.micrograph import Micrograph
from napari_atomicity.progress import Progress

from .stand_ins import blobs


def until(gate: threading.Event) -> Any:
    """Steps that end once the gate is open."""

    def steps() -> Any:
        while not gate.wait(0.005):
            yield Progress(0, 1, "Waiting")
        return "done"

    return steps


def fail(*_: Any) -> None:
    raise ZeroDivisionError("of a listener")


@pytest.fixture
def open_gate() -> threading.Event:
    gate = threading.Event()
    gate.set()
    return gate


@pytest.fixture
def as_before(desk: Any, open_gate: threading.Event) -> Any:
    """To be called in the end: nothing runs, nothing is locked, and the next piece of work is done."""
    work = desk.workspace.work
    desk.show(Micrograph(blobs(), 0.05, name="one"))
    desk.show(Micrograph(blobs(), 0.05, name="two"))

    def check() -> None:
        desk.qtbot.waitUntil(lambda: not work.busy, timeout=5000)
        assert not any(layer.locked for layer in desk.viewer.layers)
        done: list[str] = []
        assert work.start("Next", until(open_gate), done.append)
        desk.idle()
        assert done == ["done"]

    return check


def settings_of_the_process() -> dict[str, Any]:
    """What belongs to napari and every plug-in in it."""
    import logging

    import torch

    return {
        "threads of PyTorch": torch.get_num_threads(),
        "threads of BLAS": sorted((pool["filepath"], pool["num_threads"]) for pool in threadpool_info()),
        "turns of threads": sys.getswitchinterval(),
        "environment": dict(os.environ),
        "warnings": list(warnings.filters),
        "errors of NumPy": np.geterr(),
        "gradients": torch.is_grad_enabled(),
        "logging": (logging.root.level, list(logging.root.handlers)),
        "locale": locale.setlocale(locale.LC_ALL),
        "hook of errors": sys.excepthook,
    }


def test_a_count_leaves_the_process_as_it_was(desk: Any, micrograph: Any, mapped_model: Any) -> None:
    import captum  # noqa: F401  # what a library sets when it is loaded is its own affair
    import torch

    from napari_atomicity.ui.actions import single

    desk.show(micrograph)
    desk.document.choose(model=str(mapped_model))
    single.detect(desk.workspace)
    desk.idle()
    usual = torch.get_num_threads()
    torch.set_num_threads(3)  # as another plug-in may have it
    try:
        before = settings_of_the_process()
        single.classify(desk.workspace)
        desk.idle()
        assert desk.document.counted
        assert settings_of_the_process() == before
    finally:
        torch.set_num_threads(usual)


def test_a_listener_that_fails_at_the_start(desk: Any, open_gate: threading.Event, as_before: Any) -> None:
    work, layers = desk.workspace.work, list(desk.viewer.layers)
    work.started.connect(fail)
    with pytest.raises(Exception, match="of a listener"):
        work.start("Wait", until(open_gate), lambda _: None, layers=layers)
    work.started.disconnect(fail)
    as_before()


def test_a_listener_that_fails_at_the_end(desk: Any, open_gate: threading.Event, as_before: Any) -> None:
    work, layers = desk.workspace.work, list(desk.viewer.layers)
    work.finished.connect(fail)
    with desk.qtbot.capture_exceptions() as raised:
        work.start("Wait", until(open_gate), lambda _: None, layers=layers)
        desk.qtbot.waitUntil(lambda: bool(raised), timeout=5000)
    work.finished.disconnect(fail)
    as_before()


@pytest.mark.parametrize("removed", [False, True])
def test_somebody_who_fails_over_a_locked_layer(
    desk: Any, open_gate: threading.Event, as_before: Any, removed: bool
) -> None:
    work, layers, ended = desk.workspace.work, list(desk.viewer.layers), []
    work.finished.connect(ended.append)
    gate = threading.Event()
    layers[0].events.locked.connect(fail)
    work.start("Wait", until(gate), lambda _: None, layers=layers)
    assert layers[1].locked
    if removed:
        desk.viewer.layers.remove(layers[0])
    gate.set()
    desk.qtbot.waitUntil(lambda: ended == ["done"], timeout=5000)
    layers[0].events.locked.disconnect(fail)
    assert not layers[0].locked
    as_before()


def test_the_window_closes_while_work_runs(desk: Any, micrograph: Any, gate: Any) -> None:
    from napari_atomicity.pipeline import count as count_chain
    from napari_atomicity.ui.actions import single

    gate.hold(count_chain, "detect_steps")
    image = desk.show(micrograph)
    workbench = desk.panel("Atomicity")
    gate.close()
    desk.click_on(workbench.analyse)
    desk.qtbot.waitUntil(lambda: gate.begun)
    desk.viewer.close()
    desk.settle()
    gate.open()
    desk.idle()
    assert not image.locked
    assert not single.busy(desk.workspace)
