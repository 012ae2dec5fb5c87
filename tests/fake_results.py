"""Fakes of what is kept of queries: answers, what arrived since, and who makes which."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chalicelib.domain.plans import Plan
from chalicelib.domain.topics import wildcards_of
from chalicelib.errors import StoreDownError
from chalicelib.ports import Found, Kept, Rows

OVERHEAD_BYTES = 300  # of an answer, beside itself and its key


class FakeAnswers:
    """ports.Results and ports.DataVersions, in memory; ``down`` makes every call fail."""

    def __init__(
        self,
        now: Callable[[], datetime],
        *,
        fresh_ms: int = 1000,
        life_ms: int = 60_000,
        stale_ms: int = 3600_000,
        answer_bytes: int = 10_000,
        budget_bytes: int = 50_000,
        of_party: int = 2,
        of_all: int = 3,
        of_nobody: int = 3,
    ) -> None:
        self._now = now
        self._fresh_ms, self._life_ms, self._stale_ms = fresh_ms, life_ms, stale_ms
        self._answer_bytes, self._budget_bytes = answer_bytes, budget_bytes
        self._kept: OrderedDict[str, tuple[str, Kept, int]] = OrderedDict()  # the one used longest ago first
        self._places, self._of_nobody = (of_party, of_all), of_nobody
        self._leases: dict[str, tuple[str, str, int, bool]] = {}
        self._arrived: Counter[str] = Counter()
        self.down = False

    def arrived(self, topics: Collection[str]) -> None:
        self._check()
        if topics:
            self._arrived.update({"*", *topics, *(name for topic in topics for name in wildcards_of(topic))})

    def find(
        self, key: str, scopes: Sequence[str], *, owner: str, party: str, lease_ms: int, is_anonymous: bool = False
    ) -> Found:
        now_ms, version = self._check(), ":".join(str(self._arrived[scope]) for scope in scopes)
        if key in self._kept:
            self._kept.move_to_end(key)
            known, kept, _ = self._kept[key]
            age_ms = now_ms - kept.made_ms
            if age_ms <= self._fresh_ms or (known == version and age_ms <= self._life_ms):
                return Found("fresh", kept, version)
        self._leases = {known: lease for known, lease in self._leases.items() if lease[2] > now_ms}
        if key in self._leases:
            return Found("wait", None, version)
        parties = [lease[1] for lease in self._leases.values()]
        if parties.count(party) >= self._places[0] or len(parties) >= self._places[1]:
            return Found("full", None, version)
        if is_anonymous and sum(lease[3] for lease in self._leases.values()) >= self._of_nobody:
            return Found("full", None, version)
        self._leases[key] = (owner, party, now_ms + lease_ms, is_anonymous)
        return Found("make", None, version)

    def keep(self, key: str, body: str, *, owner: str, version: str, made_ms: int) -> bool:
        now_ms = self._check()
        self.give_up(key, owner=owner)
        if len(body.encode()) > self._answer_bytes:
            return False
        if key not in self._kept or self._kept[key][1].made_ms <= made_ms:
            self._kept[key] = (version, Kept(body, made_ms), now_ms + self._stale_ms)
            self._kept.move_to_end(key)
        while sum(map(self._bytes, self._kept)) > self._budget_bytes:
            self._kept.popitem(last=False)
        return True

    def give_up(self, key: str, *, owner: str) -> None:
        self._check()
        if self._leases.get(key, ("",))[0] == owner:
            del self._leases[key]

    def stale(self, key: str) -> Kept | None:
        self._check()
        return self._kept[key][1] if key in self._kept else None

    def _bytes(self, key: str) -> int:
        return len(self._kept[key][1].body.encode()) + len(key) + OVERHEAD_BYTES

    def _check(self) -> int:
        if self.down:
            raise StoreDownError("down")
        now_ms = int(self._now().timestamp() * 1000)
        for key in [key for key, (_, _, ends_ms) in self._kept.items() if ends_ms <= now_ms]:
            del self._kept[key]
        return now_ms


@dataclass
class FakeQueries:
    """ports.Queries: gives ``rows``, or raises ``error``; ``during`` is called while it works."""

    rows: Rows = field(default_factory=lambda: Rows([]))
    error: Exception | None = None
    during: Callable[[], Any] = lambda: None
    asked: list[Plan] = field(default_factory=list)

    def run(self, plan: Plan) -> Rows:
        self.asked.append(plan)
        self.during()
        if self.error is not None:
            raise self.error
        return self.rows
