"""The same call for many things, several under way at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 10  # the connections that a client keeps open
FEW = 10  # for these threads cost more than they save


def together(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """What ``work`` makes of each, in their order.

    Raises what it raised for the first that it failed for, after all others were done.
    """
    if len(items) <= FEW:
        return [work(item) for item in items]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        # each in a copy of this context: log lines keep the request's id
        begun = [pool.submit(copy_context().run, work, item) for item in items]
    return [each.result() for each in begun]
