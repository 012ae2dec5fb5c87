"""ports.Stream and ports.Audience on Redis (see lua/sequence.lua, flush.lua, recipients.lua)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from chalicelib.adapters.redis.client import Redis, token
from chalicelib.domain.changes import Change
from chalicelib.domain.filters import Group, parse_group
from chalicelib.domain.observations import Observation, plain
from chalicelib.domain.topics import kind_of
from chalicelib.ports import Flushed, Recipients, Sequenced, Tick
from chalicelib.protocol.pushes import rfc3339
from chalicelib.settings import RATES, Threshold

# Redis serves nobody else while a script runs: keep it to some ten milliseconds.
RECORDS_PER_SCRIPT = 500
TOPICS_PER_FLUSH = 250


class Attributes(msgspec.Struct, omit_defaults=True):
    chains: list[str] = []
    category: str | None = None


class Entry(msgspec.Struct):
    """A log entry, as sequence.lua writes it."""

    offset: int
    value: str
    observed_at: str
    published_at: str
    source: str
    previous: str | None = None
    confidence: str | None = None
    prev: dict[str, int | None] = {}
    slow: dict[str, int | None] = {}
    alert: str | None = None


_entry = msgspec.json.Decoder(Entry)
_attributes = msgspec.json.Decoder(Attributes)
_encoder = msgspec.json.Encoder()


def change_of(topic: str, epoch: str, attrs: str, entry: str, *, realtime: bool = True) -> Change:
    """A log entry as a change."""
    # Lua's cjson writes an empty table as {} where a list is meant and the other way round.
    decoded = _entry.decode(entry.replace('"prev":[]', '"prev":{}').replace('"slow":[]', '"slow":{}'))
    attributes = _attributes.decode(attrs)
    return Change(
        topic=topic,
        epoch=epoch,
        offset=decoded.offset,
        value=decoded.value,
        previous=decoded.previous,
        observed_at=decoded.observed_at,
        published_at=decoded.published_at,
        source=decoded.source,
        confidence=decoded.confidence,
        chains=tuple(attributes.chains),
        category=attributes.category,
        prev=decoded.prev,
        slow=decoded.slow,
        realtime=realtime,
        alert=decoded.alert,
    )


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


class RedisStream:
    """ports.Stream."""

    def __init__(
        self,
        redis: Redis,
        *,
        thresholds: Mapping[str, Threshold],
        now: Callable[[], datetime],
        log_entries: int,
        log_seconds: int,
        applied_seconds: int,
    ) -> None:
        self._redis = redis
        self._thresholds = thresholds
        self._now = now
        self._keep = (log_entries, log_seconds, applied_seconds)

    def sequence(self, observations: Sequence[Observation]) -> Sequenced:
        changes: list[Change | None] = []
        ticks: list[Tick] = []
        for start in range(0, len(observations), RECORDS_PER_SCRIPT):
            part = observations[start : start + RECORDS_PER_SCRIPT]
            attrs = [self._attrs(observation) for observation in part]
            now = self._now()
            args: list[str | int | float] = [_milliseconds(now), rfc3339(now), token(), *self._keep]
            for observation, text in zip(part, attrs, strict=True):
                args.extend(self._record(observation, text))
            results, armed = self._redis.run("sequence", *args)
            for observation, text, (status, epoch, entry) in zip(part, attrs, results, strict=True):
                told = status in ("change", "known") and entry
                changes.append(change_of(observation.topic, epoch, text, entry) if told else None)
            ticks += [Tick(rate, slot) for rate, slot in armed]
        return Sequenced(changes, ticks)

    @staticmethod
    def _attrs(observation: Observation) -> str:
        return _encoder.encode(Attributes(list(observation.chains), observation.category)).decode()

    def _record(self, observation: Observation, attrs: str) -> list[str | int | float]:
        threshold = self._thresholds.get(kind_of(observation.topic), Threshold(Decimal(0)))
        return [
            observation.id,
            observation.topic,
            plain(observation.value),
            _milliseconds(observation.observed_at),
            rfc3339(observation.observed_at),
            observation.source,
            "" if observation.confidence is None else plain(observation.confidence),
            attrs,
            str(threshold.pct),
            "" if threshold.absolute is None else str(threshold.absolute),
            observation.alert or "",
        ]

    def flush(self, tick: Tick) -> Flushed:
        frozen, again, more = self._redis.run("flush", tick.rate_s, tick.slot, token(), TOPICS_PER_FLUSH)
        changes = [change_of(topic, epoch, attrs, entry, realtime=False) for topic, epoch, attrs, entry in frozen]
        return Flushed(changes, Tick(tick.rate_s, tick.slot + 1) if again else None, bool(more))

    def flushed(self, tick: Tick, changes: Sequence[Change]) -> None:
        self._redis.run("flushed", f"{tick.rate_s}:{tick.slot}", *(change.topic for change in changes))

    def overdue(self, grace_s: float) -> Sequence[Tick]:
        slower = [rate for rate in RATES.values() if rate]
        found = self._redis.run("overdue", _milliseconds(self._now()), int(grace_s * 1000), *slower)
        return [Tick(rate, slot) for rate, slot in found]


class RedisAudience:
    """ports.Audience."""

    def __init__(self, redis: Redis, *, now: Callable[[], datetime]) -> None:
        self._redis = redis
        self._now = now

    def recipients(self, names: Sequence[str]) -> Recipients:
        found: dict[str, dict[Group, Sequence[str]]] = {}
        for name, *groups in self._redis.run("recipients", _milliseconds(self._now()), *names):
            found[name] = {parse_group(group): members for group, members in groups}
        return found
