"""Long work that goes wrong in the wrong place: the window is never left busy, locked or slow."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest

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
    usual, work = sys.getswitchinterval(), desk.workspace.work
    desk.show(Micrograph(blobs(), 0.05, name="one"))
    desk.show(Micrograph(blobs(), 0.05, name="two"))

    def check() -> None:
        desk.qtbot.waitUntil(lambda: not work.busy, timeout=5000)
        assert sys.getswitchinterval() == pytest.approx(usual)
        assert not any(layer.locked for layer in desk.viewer.layers)
        done: list[str] = []
        assert work.start("Next", until(open_gate), done.append)
        desk.idle()
        assert done == ["done"]

    return check


def test_overlapping_work_leaves_the_interpreter_as_it_was(desk: Any) -> None:
    usual = sys.getswitchinterval()
    gates = [threading.Event(), threading.Event()]
    works = [desk.workspace.new_work(), desk.workspace.new_work()]
    for work, gate in zip(works, gates, strict=True):
        work.start("Wait", until(gate), lambda _: None)
    assert sys.getswitchinterval() < usual
    for work, gate in zip(works, gates, strict=True):  # the first to start is the first to end
        gate.set()
        desk.qtbot.waitUntil(lambda work=work: not work.busy, timeout=5000)
    assert sys.getswitchinterval() == pytest.approx(usual)


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
    from napari_atomicity import pipeline
    from napari_atomicity.ui.actions import single

    usual = sys.getswitchinterval()
    gate.hold(pipeline, "detect_steps")
    image = desk.show(micrograph)
    workbench = desk.panel("Atomicity")
    gate.close()
    desk.click_on(workbench.analyse)
    desk.qtbot.waitUntil(lambda: gate.begun)
    desk.viewer.close()
    desk.settle()
    gate.open()
    desk.idle()
    assert not image.locked and sys.getswitchinterval() == pytest.approx(usual)
    assert not single.busy(desk.workspace)
