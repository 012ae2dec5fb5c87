"""Clients that connect: the steps of one, what refuses it on the way, and when it tries again."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from benchmarks.autoscaling.environments import TICK_S, ticks

HANDSHAKE = ("authorize", "connect")
STEPS = (*HANDSHAKE, "message", "message")  # two commands: what it wants, and what it missed
CONNECTS_PER_S = 500  # of an account, by API Gateway; as many at once
BACKOFF_S, BACKOFF_CAP_S = 1.0, 30.0  # of our clients: a random part of 1 s, 2 s, 4 s …, at most 30 s
NOTICED_S = 1.0  # in which sockets notice that they are gone


@dataclass(slots=True)
class Client:
    """One on its way: since when, whether it was connected before, its step, how often it was refused."""

    since: int
    returning: bool
    step: int = 0
    attempts: int = 0


@dataclass
class Bucket:
    """A throttle of API Gateway: so many a second, and a second's worth at once."""

    per_s: float
    _held: float = -1.0

    def passes(self) -> None:
        self._held = self.per_s if self._held < 0 else min(self.per_s, self._held + self.per_s * TICK_S)

    @property
    def holds(self) -> bool:
        return self._held >= 1

    def take(self) -> bool:
        if self.holds:
            self._held -= 1
            return True
        return False


@dataclass
class Clients:
    """All that are on their way, by the tick of their next step."""

    random: random.Random
    requests_per_s: float
    back: list[float] = field(
        default_factory=list
    )  # seconds that each that returned took until its last command was answered
    refused: Counter[str] = field(default_factory=Counter)  # by API Gateway or Lambda
    _due: defaultdict[int, list[Client]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self._connects, self._requests = Bucket(CONNECTS_PER_S), Bucket(self.requests_per_s)

    def arrive(self, count: int, tick: int, *, returning: bool = False, within_s: float = NOTICED_S) -> None:
        for _ in range(count):
            at = tick + ticks(self.random.random() * within_s)
            self._due[at].append(Client(at, returning))

    def passes(self) -> None:
        self._connects.passes()
        self._requests.passes()

    def heard(self, leaving: int) -> int:
        """Of those that leave, how many the throttle lets ``disconnect`` hear of; nobody tells of the others."""
        return sum(self._requests.take() for _ in range(leaving))

    def due(self, tick: int) -> list[Client]:
        """Whose next step is let in by API Gateway now; the others come again later."""
        return [client for client in self._due.pop(tick, []) if self._let_in(client, tick)]

    def done(self, client: Client, tick: int) -> None:
        """Its step is answered at ``tick``."""
        client.step += 1
        if client.step == len(STEPS):
            if client.returning:
                self.back.append((tick - client.since) * TICK_S)
        else:
            self._due[tick].append(client)

    def turned_away(self, client: Client, tick: int, who: str) -> None:
        """A refused handshake begins anew, a refused command is sent again."""
        self.refused[who] += 1
        if STEPS[client.step] in HANDSHAKE:
            client.step = 0
        longest = min(BACKOFF_CAP_S, BACKOFF_S * 2**client.attempts)
        client.attempts += 1
        self._due[tick + ticks(self.random.random() * longest)].append(client)

    def _let_in(self, client: Client, tick: int) -> bool:
        if STEPS[client.step] == "connect":  # one request with authorize
            return True
        if self._requests.holds and (client.step > 0 or self._connects.take()):
            return self._requests.take()
        self.turned_away(client, tick, "API Gateway")
        return False
