"""Long work off the interface thread: one piece at a time in a viewer, with progress and cancel."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from napari.layers import Layer
from napari.qt.threading import GeneratorWorker, create_worker
from napari.utils.notifications import show_error, show_info, show_warning
from psygnal import Signal
from qtpy.QtCore import Qt

from napari_atomicity.errors import InputError
from napari_atomicity.progress import Milestone, Progress, Steps

Result = TypeVar("Result")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Failure:
    message: str
    ours: bool


class TaskRunner:
    """At most one piece of long work in a viewer.

    Signals: `started` with the title, `progressed` with each `Progress`,
    `finished` with ``"done"``, ``"stopped"`` or ``"failed"``. All come on the interface thread.
    """

    started = Signal(str)
    progressed = Signal(object)
    finished = Signal(str)

    def __init__(self) -> None:
        self.title = ""
        self.owner: object = None
        self._worker: GeneratorWorker[Any, Any, Any] | None = None
        self._work = _Work(_no_steps)
        self._outcome: _Failure | tuple[Any] | None = None
        self._apply: Callable[[Any], None] = _nothing
        self._meanwhile: Callable[[Any], None] | None = None
        self._locked: list[tuple[Layer, Any]] = []

    @property
    def busy(self) -> bool:
        """Whether work runs."""
        return self._worker is not None

    def start(
        self,
        title: str,
        steps: Callable[[], Steps[Result]],
        apply: Callable[[Result], None],
        owner: object = None,
        layers: Iterable[Layer] = (),
        meanwhile: Callable[[Any], None] | None = None,
    ) -> bool:
        """Run `steps` in a thread; `apply` gets its result on the interface thread once it is finished.

        Parameters
        ----------
        title
            What is done, for people: ``"Find clusters"``.
        owner
            The document that the work belongs to.
        layers
            Layers that the interface may not delete meanwhile.
        meanwhile
            Gets the result of every `Milestone` on the interface thread.

        Returns
        -------
        Whether it was started; while other work runs it is refused with a sentence.
        """
        if self.busy:
            show_info(f"{self.title} is still running; wait for it or stop it first.")
            return False
        self.title, self.owner, self._outcome = title, owner, None
        self._apply, self._meanwhile = apply, meanwhile
        self._lock(layers)
        self._work = _Work(steps)
        worker = create_worker(_Named(title, self._work))  # type: ignore[arg-type]  # any function, for all napari says
        worker.yielded.connect(self._on_progress)
        worker.returned.connect(self._on_returned)
        worker.finished.connect(self._on_finished)  # a function made here would be kept with the worker
        # what was stopped is closed in its own thread: threads and processes of it may take a moment to end
        worker.aborted.connect(self._work.end, Qt.ConnectionType.DirectConnection)
        self._worker = worker
        worker.start()  # before others hear of it: it must end even where one of them fails
        self.started.emit(title)
        return True

    def stop(self) -> None:
        """Ask the work to stop at its next step; nothing will be changed by it."""
        if self._worker is not None:
            self._worker.quit()

    def _on_progress(self, progress: Progress) -> None:
        if self._worker is None:
            return
        self.progressed.emit(progress)
        if isinstance(progress, Milestone) and self._meanwhile is not None and not self._worker.abort_requested:
            try:
                self._meanwhile(progress.result)
            except Exception:  # the end of the work shows more than this would have
                _log.exception("%s: what is ready could not be shown", self.title)

    def _on_returned(self, outcome: _Failure | tuple[Any]) -> None:
        self._outcome = outcome

    def _on_finished(self) -> None:
        outcome, stopped = self._outcome, self._worker is None or self._worker.abort_requested
        title, apply = self.title, self._apply
        self._worker, self._outcome, self._meanwhile, self.owner, self.title = None, None, None, None, ""
        self._apply = _nothing
        self._work.end()
        self._unlock()
        ending = "done"
        if stopped or outcome is None:
            ending = "stopped"
        elif isinstance(outcome, _Failure):
            ending = "failed"
            (show_error if outcome.ours else show_warning)(outcome.message)
        else:
            try:
                apply(outcome[0])
            except InputError as error:
                ending = "failed"
                show_warning(str(error))
            except Exception:
                ending = "failed"
                _log.exception("%s: the result could not be shown", title)
                show_error(_fault(title))
        self.finished.emit(ending)

    def _lock(self, layers: Iterable[Layer]) -> None:
        for layer in layers:
            if hasattr(layer, "locked"):
                self._locked.append((layer, layer.locked))
                _set_locked(layer, True)

    def _unlock(self) -> None:
        locked, self._locked = self._locked, []
        for layer, before in locked:
            _set_locked(layer, before)


def _nothing(_: object) -> None:
    pass


def _set_locked(layer: Layer, locked: Any) -> None:
    """Lock a layer; whoever listens to that and fails must not keep the others from it."""
    try:
        layer.locked = locked
    except Exception:
        _log.exception("%s: somebody failed over locking it", layer)


class _Work:
    """Steps that are let go once they have ended.

    napari keeps the worker of everything that ran until its window closes, and by it what was run: steps that were
    stopped, too, which would never come to their ends, and the images that they were about.
    """

    def __init__(self, steps: Callable[[], Steps[Any]]) -> None:
        self._steps: Callable[[], Steps[Any]] = steps
        self._running: Steps[Any] | None = None

    def __next__(self) -> Progress:
        if self._running is None:
            self._running = self._steps()
        return next(self._running)

    def end(self) -> None:
        """Close what was stopped, and let all of it go."""
        running, self._running, self._steps = self._running, None, _no_steps
        try:
            if running is not None:
                running.close()
        except Exception:
            _log.exception("What was stopped could not be closed")


def _no_steps() -> Steps[None]:
    yield from ()


def _guarded(work: _Work) -> Generator[Progress, None, _Failure | tuple[Any]]:
    """The work, with every error turned into a sentence: napari would show a traceback."""
    try:
        while True:
            yield next(work)
    except StopIteration as end:
        return (end.value,)
    except InputError as error:
        return _Failure(str(error), ours=False)
    except Exception as error:
        _log.exception("Work failed")
        return _Failure(_explained(error), ours=True)


class _Named(partial[Generator[Progress, None, "_Failure | tuple[Any]"]]):
    """The work under its name: napari asks with it whether the window is to be closed while it runs."""

    def __new__(cls, title: str, work: _Work) -> _Named:
        named = super().__new__(cls, _guarded, work)
        named.title = title
        return named

    title: str

    def __str__(self) -> str:
        return f"“{self.title}”. It would be given up; what was done before it is kept and offered at the next start"


def _explained(error: Exception) -> str:
    if isinstance(error, ImportError | OSError) and "torch" in str(error).lower():
        return (
            "PyTorch could not be loaded. On Windows start the window with "
            "`napari-atomicity window`, which loads PyTorch before Qt; see Troubleshooting in the documentation."
        )
    if isinstance(error, MemoryError):
        return "There was not enough memory for this; close other images or work on one frame, then try again."
    return _fault("This step")


def _fault(what: str) -> str:
    return f"{what} failed by a fault of napari-atomicity; nothing was changed. The details are in the log."
