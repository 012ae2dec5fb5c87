"""How fast to send, and how long to wait before sending again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

RETRY_BASE_S = 0.05
RETRY_CAP_S = 2.0


class TokenBucket:
    """``rate`` tokens a second, and at most one second's worth saved up; full at the start."""

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._tokens = float(rate)
        self._at = clock()

    def take(self) -> float:
        """Take a token and return 0, or take none and return the seconds until there is one."""
        now = self._clock()
        self._tokens = min(self._rate, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return (1 - self._tokens) / self._rate
        self._tokens -= 1
        return 0.0


def full_jitter(attempt: int, *, base_s: float, cap_s: float, random: Callable[[], float]) -> float:
    """Seconds to wait after a failure: anything up to ``base_s`` · 2^``attempt``, capped.

    AWS Architecture Blog, "Exponential Backoff And Jitter": of the ways to spread retries it takes the least work.
    """
    backoff: float = min(cap_s, base_s * 2.0 ** min(attempt, 32))
    return random() * backoff


class Timers:
    """Timers of an event loop by name: setting one again replaces it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handles: dict[str, asyncio.TimerHandle] = {}

    def at(self, name: str, when: float, then: Callable[[], None]) -> None:
        if name in self._handles:
            self._handles[name].cancel()
        self._handles[name] = self._loop.call_at(when, then)

    def cancel(self) -> None:
        for handle in self._handles.values():
            handle.cancel()
