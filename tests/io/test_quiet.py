"""Readers that silence a library put back what was set, whatever else reads meanwhile."""

from __future__ import annotations

import logging
import threading
import warnings

import pytest

from napari_atomicity.io.quiet import warnings_raised, without_log, without_warnings


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


def test_a_warning_is_raised_where_it_is_asked_for() -> None:
    before = list(warnings.filters)
    with pytest.raises(UserWarning, match="of a library"), warnings_raised():
        warnings.warn("of a library", stacklevel=1)
    assert list(warnings.filters) == before


def test_a_log_is_heard_again_once_all_have_ended_in_whatever_order(caplog) -> None:
    log = logging.getLogger("napari_atomicity.tests.quiet")
    first, second = without_log(log.name), without_log(log.name)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    log.error("unheard")
    second.__exit__(None, None, None)
    log.error("heard")
    assert [record.message for record in caplog.records] == ["heard"]
