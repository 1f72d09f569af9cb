"""Readers that silence a library put back what was set, whatever else reads meanwhile."""

from __future__ import annotations

import threading
import warnings

from napari_atomicity.io.quiet import without_warnings


def test_threads_that_overlap_leave_the_filters_as_they_were() -> None:
    before = list(warnings.filters)
    first_in, second_in, first_out = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with without_warnings():
            first_in.set()
            second_in.wait(0.3)  # it has to wait outside
        first_out.set()

    def second() -> None:
        first_in.wait(5)
        with without_warnings():
            second_in.set()
            first_out.wait(5)

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


def test_nothing_is_warned_of_within() -> None:
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        with without_warnings(), without_warnings():
            warnings.warn("of a library", stacklevel=1)
        assert not shown
        warnings.warn("ours", stacklevel=1)
        assert len(shown) == 1
