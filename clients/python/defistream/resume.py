"""Bringing subscriptions back: which commands are waiting, under way, or to be tried again."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from defistream.wants import Part, Since, Want, cut_resume

WINDOW = 4  # commands under way at once: the free tier's burst is 10
RETRY_BASE_S = 0.5
RETRY_CAP_S = 30.0


def full_jitter(attempt: int, random: float) -> float:
    """A delay between 0 and min(cap, base · 2^attempt) seconds; ``random`` is in [0, 1)."""
    return random * min(RETRY_CAP_S, RETRY_BASE_S * 2.0 ** min(attempt, 16))


class Resumer:
    """Guarantees: a part planned is sent, and sent again after a temporary refusal, until done or cleared."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._waiting: list[tuple[float, Part]] = []
        self._under_way: list[Part] = []
        self._failures = 0

    @property
    def due_at(self) -> float | None:
        """When the next waiting part may be sent; None if that depends on a reply."""
        if len(self._under_way) >= WINDOW:
            return None
        return min((due for due, _ in self._waiting), default=None)

    def plan(self, wants: Mapping[str, Want], since: Since, *, joins: bool) -> list[Part]:
        parts = list(cut_resume(wants, since, joins=joins))
        self._waiting += [(0.0, part) for part in parts]
        return parts

    def ready(self, now: float) -> list[Part]:
        """The parts to send now, in the order planned."""
        room = WINDOW - len(self._under_way)
        parts = [part for due, part in self._waiting if due <= now][: max(room, 0)]
        for part in parts:
            self._waiting = [entry for entry in self._waiting if entry[1] is not part]
        self._under_way += parts
        return parts

    def done(self, part: Part | None) -> None:
        self._failures = 0
        self._under_way = [other for other in self._under_way if other is not part]

    def again(self, part: Part, now: float, retry_after: float | None) -> None:
        """A temporary refusal: wait as long as the server says, else back off with full jitter."""
        delay = full_jitter(self._failures, self._jitter())
        self.done(part)
        self._failures += 1
        self._waiting.append((now + delay + (retry_after or 0.0), part))

    def leave(self, everything: bool, patterns: set[str]) -> list[Part]:
        """Waiting parts of subscriptions that were given up: taken out and returned."""
        gone = [part for _, part in self._waiting if everything or patterns.issuperset(part.patterns)]
        self._waiting = [entry for entry in self._waiting if not any(entry[1] is part for part in gone)]
        return gone

    def clear(self) -> None:
        self._waiting.clear()
        self._under_way.clear()
        self._failures = 0
