"""What many sockets got, counted exactly: lost, repeated, and how late."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

MAX_MEMO = 512


@dataclass(frozen=True, slots=True)
class Seen:
    """One update of a frame: its identity, its value, when it was published (Unix seconds)."""

    key: tuple[str, str, int]
    value: str
    published_at: float
    sent_at: float
    snapshot: bool


def decode(frame: bytes) -> list[Seen]:
    """The updates of a frame; none if it is another kind of frame."""
    message = json.loads(frame)
    if message.get("type") != "updates":
        return []
    sent_at = datetime.fromisoformat(message["sent_at"]).timestamp()
    return [
        Seen(
            (raw["topic"], raw["epoch"], raw["offset"]),
            raw["value"],
            datetime.fromisoformat(raw["published_at"]).timestamp(),
            sent_at,
            raw.get("snapshot", False),
        )
        for raw in message["updates"]
    ]


class Tally:
    """What each connection got. Snapshots are not counted: they are no changes."""

    def __init__(self) -> None:
        self._memo: dict[bytes, list[Seen]] = {}
        self._values: dict[tuple[str, str, int], str] = {}
        self._per_connection: dict[int, Counter[tuple[str, str, int]]] = {}
        self.delays_s = array("d")
        self.sent_s = array("d")  # published to handed to the gateway: the part that is not the gateway's
        self.frames = 0
        self.updates = 0

    def frame(self, connection: int, frame: bytes, at: float) -> None:
        """A frame of updates that a connection received at Unix time ``at``."""
        updates = self._memo.get(frame)
        if updates is None:
            if len(self._memo) >= MAX_MEMO:
                self._memo.clear()
            updates = self._memo[frame] = decode(frame)
        self.frames += 1
        got = self._per_connection.setdefault(connection, Counter())
        for seen in updates:
            if seen.snapshot:
                continue
            got[seen.key] += 1
            if got[seen.key] == 1:
                self._values[seen.key] = seen.value
                self.delays_s.append(at - seen.published_at)
                self.sent_s.append(seen.sent_at - seen.published_at)
                self.updates += 1

    def begin(self) -> float | None:
        """Forget what was counted so far; its longest delay in milliseconds."""
        longest = percentile(self.delays_s, 100)
        self._per_connection.clear()
        self._values.clear()
        self.delays_s, self.sent_s = array("d"), array("d")
        self.frames = self.updates = 0
        return longest

    def result(self, connections: int, changes: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """``changes``: every (topic, value) that each of the connections should have got exactly once."""
        due = set(changes)
        keys_due = {key for key, value in self._values.items() if (key[0], value) in due}
        received = repeated = unexpected = 0
        for got in self._per_connection.values():
            received += len({(key[0], self._values[key]) for key in got if key in keys_due})
            repeated += sum(count - 1 for count in got.values())
            unexpected += sum(key not in keys_due for key in got)
        expected = connections * len(due)
        return {
            "p50_ms": percentile(self.delays_s, 50),
            "p95_ms": percentile(self.delays_s, 95),
            "p99_ms": percentile(self.delays_s, 99),
            "max_ms": percentile(self.delays_s, 100),
            "sent_p50_ms": percentile(self.sent_s, 50),
            "sent_p95_ms": percentile(self.sent_s, 95),
            "expected": expected,
            "received": received,
            "lost": expected - received,
            "repeated": repeated,
            "unexpected": unexpected,
            "frames": self.frames,
        }


def percentile(delays_s: Iterable[float], percent: float) -> float | None:
    """By the nearest rank, in milliseconds; None of nothing."""
    ordered = sorted(delays_s)
    if not ordered:
        return None
    rank = max(1, -(-len(ordered) * percent // 100))
    return round(ordered[int(rank) - 1] * 1000, 3)
