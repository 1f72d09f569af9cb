"""Two cores' worth of threads, shared fairly."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

#: threads that one piece of work may use: enough for speed, few enough to leave the window its turn
WORKERS = 2


@lru_cache(maxsize=1)
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def single_threaded_blas() -> AbstractContextManager[Any]:
    """Linear algebra on one thread each: many small products in several threads of ours would only fight."""
    context: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return context
