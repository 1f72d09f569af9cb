"""Long work that goes wrong in the wrong place: the window is never left busy or locked, the process never changed."""

from __future__ import annotations

import gc
import locale
import os
import sys
import threading
import warnings
import weakref
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from napari_atomicity.errors import InputError
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
def as_before(app: Any, open_gate: threading.Event) -> Any:
    """To be called in the end: nothing runs, nothing is locked, and the next piece of work is done."""
    work = app.workspace.work
    app.show(Micrograph(blobs(), 0.05, name="one"))
    app.show(Micrograph(blobs(), 0.05, name="two"))

    def check() -> None:
        app.qtbot.waitUntil(lambda: not work.busy, timeout=5000)
        assert not any(layer.locked for layer in app.viewer.layers)
        done: list[str] = []
        assert work.start("Next", until(open_gate), done.append)
        app.idle()
        assert done == ["done"]

    return check


@pytest.mark.parametrize("ending", ["done", "stopped", "failed"])
def test_what_has_ended_holds_nothing_that_it_was_for(app: Any, ending: str) -> None:
    """Napari keeps the worker of everything that ran for as long as its window is open."""
    work = app.workspace.work

    begun = threading.Event()
    ended_in: list[threading.Thread] = []

    def begin() -> weakref.ref[Micrograph]:
        image = Micrograph(blobs(), 0.05, name="large")

        def steps() -> Any:
            try:
                begun.set()
                yield Progress(0, 1, "Waiting")
                while ending == "stopped":
                    yield Progress(0, 1, image.name)
                if ending == "failed":
                    raise InputError("It does not work.")
                return image
            finally:
                ended_in.append(threading.current_thread())

        assert work.start("Look", steps, lambda _: image.name, meanwhile=lambda _: image.name)
        return weakref.ref(image)

    gone = begin()
    if ending == "stopped":
        app.qtbot.waitUntil(begun.is_set, timeout=10_000)
        work.stop()
    app.idle()
    assert len(ended_in) == 1 and ended_in[0] is not threading.main_thread()
    gc.collect()
    assert gone() is None


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


def test_a_count_leaves_the_process_as_it_was(app: Any, micrograph: Any, mapped_model: Any) -> None:
    import captum  # noqa: F401  # what a library sets when it is loaded is its own affair
    import torch

    from napari_atomicity.ui.actions import single

    app.show(micrograph)
    app.document.choose(model=str(mapped_model))
    single.detect(app.workspace)
    app.idle()
    usual = torch.get_num_threads()
    torch.set_num_threads(3)  # as another plug-in may have it
    try:
        before = settings_of_the_process()
        single.classify(app.workspace)
        app.idle()
        assert app.document.counted
        assert settings_of_the_process() == before
    finally:
        torch.set_num_threads(usual)


def test_a_listener_that_fails_at_the_start(app: Any, open_gate: threading.Event, as_before: Any) -> None:
    work, layers = app.workspace.work, list(app.viewer.layers)
    work.started.connect(fail)
    with pytest.raises(Exception, match="of a listener"):
        work.start("Wait", until(open_gate), lambda _: None, layers=layers)
    work.started.disconnect(fail)
    as_before()


def test_a_listener_that_fails_at_the_end(app: Any, open_gate: threading.Event, as_before: Any) -> None:
    work, layers = app.workspace.work, list(app.viewer.layers)
    work.finished.connect(fail)
    with app.qtbot.capture_exceptions() as raised:
        work.start("Wait", until(open_gate), lambda _: None, layers=layers)
        app.qtbot.waitUntil(lambda: bool(raised), timeout=5000)
    work.finished.disconnect(fail)
    as_before()


@pytest.mark.few(1)
@pytest.mark.parametrize("removed", [False, True])
def test_somebody_who_fails_over_a_locked_layer(
    app: Any, open_gate: threading.Event, as_before: Any, removed: bool
) -> None:
    work, layers, ended = app.workspace.work, list(app.viewer.layers), []
    work.finished.connect(ended.append)
    gate = threading.Event()
    layers[0].events.locked.connect(fail)
    work.start("Wait", until(gate), lambda _: None, layers=layers)
    assert layers[1].locked
    if removed:
        app.viewer.layers.remove(layers[0])
    gate.set()
    app.qtbot.waitUntil(lambda: ended == ["done"], timeout=5000)
    layers[0].events.locked.disconnect(fail)
    assert not layers[0].locked
    as_before()


def test_the_window_closes_while_work_runs(app: Any, micrograph: Any, gate: Any) -> None:
    from napari_atomicity.pipeline import count as count_chain
    from napari_atomicity.ui.actions import single

    gate.hold(count_chain, "detect_steps")
    image = app.show(micrograph)
    workbench = app.panel("Atomicity")
    gate.close()
    app.click_on(workbench.analyse)
    app.qtbot.waitUntil(lambda: gate.begun)
    app.viewer.close()
    app.settle()
    gate.open()
    app.idle()
    assert not image.locked
    assert not single.busy(app.workspace)


def test_napari_asks_in_plain_words_whether_to_close_while_work_runs(app: Any, micrograph: Any) -> None:
    gate = threading.Event()
    app.show(micrograph)
    assert app.workspace.work.start("Find clusters", until(gate), lambda _: None)
    statuses = app.viewer.__wrapped__.window._task_status_manager.get_status
    app.qtbot.waitUntil(lambda: any("Executing" in text for text in statuses()), timeout=5000)
    (text,) = statuses()
    gate.set()
    app.idle()
    assert "“Find clusters”" in text and "is kept" in text and "function" not in text


def test_analyse_shows_rings_before_labels_and_one_bar_that_never_goes_back(
    app: Any, micrograph: Any, mapped_model: Any
) -> None:
    app.show(micrograph)
    document, bar = app.document, []
    document.choose(model=str(mapped_model), adapt="off")
    seen: list[tuple[int, bool]] = []
    document.table_changed.connect(lambda: seen.append((len(document.table), document.counted)))
    app.workspace.work.progressed.connect(lambda progress: bar.append(progress.done / max(progress.total, 1)))
    app.click(app.workbench.analyse)
    assert seen[0][0] > 30 and not seen[0][1] and seen[-1][1]
    assert bar == sorted(bar) and len(bar) > 5
    assert document.history == ["Analyse"], "what came on the way is no step of its own"
    document.undo()
    assert not len(document.table)


def test_what_a_person_does_between_rings_and_labels_stays(
    app: Any, micrograph: Any, mapped_model: Any, gate: Any
) -> None:
    from napari_atomicity.ui.actions import single

    gate.hold(single, "label_steps")
    gate.close()
    app.show(micrograph)
    document = app.document
    document.choose(model=str(mapped_model), adapt="off")
    app.click_on(app.workbench.analyse)
    app.qtbot.waitUntil(lambda: gate.begun and len(document.table) > 0, timeout=60_000)
    document.annotate([0], "Pt19")
    document.edit("Delete 1 cluster", document.table.drop([1]), [])
    gate.open()
    app.idle()
    assert document.counted and 1 not in document.table.ids
    assert document.table.values_of("annotation", [0]).tolist() == ["Pt19"]
    assert document.history == ["Find clusters", "Label 1 as Pt19", "Delete 1 cluster", "Analyse"]
