"""What Redis is to the product, in memory: fakes of the ports that share its state.

The rules are those of chalicelib/adapters/redis/lua, written down a second time; tests/contract runs both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from chalicelib.domain.changes import Change
from chalicelib.domain.filters import Group
from chalicelib.domain.observations import Observation, plain
from chalicelib.domain.topics import kind_of, wildcards_of
from chalicelib.errors import StoreDownError
from chalicelib.ports import Active, Flushed, Listed, Metered, Place, Read, Sequenced, Session, Subscribed, Tick
from chalicelib.protocol.pushes import rfc3339
from chalicelib.settings import DEFAULT_THRESHOLDS, FILTER_RUNGS, RATES

SLOWER = [rate for rate in RATES.values() if rate]
HUNDRED = Decimal(100)


@dataclass
class Topic:
    """The state of a topic; ``sent`` maps (rate, rung) to the offset and time (ms) sent last."""

    generation: int
    epoch: str
    observed_at: datetime
    offset: int = 0
    newest: Change | None = None
    baselines: dict[str, Decimal] = field(default_factory=dict)
    passed: dict[str, int] = field(default_factory=dict)
    sent: dict[tuple[int, str], tuple[int, int]] = field(default_factory=dict)
    log: list[Change] = field(default_factory=list)
    force: bool = False


class FakeStore:
    """One Redis. ``down`` names the methods of its ports that fail; "*" is all of them."""

    def __init__(self, now: Callable[[], datetime], *, log_entries: int = 200) -> None:
        self.now = now
        self.log_entries = log_entries
        self.topics_per_flush = 250
        self.down: set[str] = set()
        self.generation = 0
        self.epochs = 0
        self.topics: dict[str, Topic] = {}
        self.applied: dict[str, tuple[str, int] | None] = {}
        self.groups: dict[str, dict[Group, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
        self.subs: dict[str, dict[str, Group]] = defaultdict(dict)
        self.sessions: dict[str, Session] = {}
        self.holders: dict[str, dict[str, int]] = defaultdict(dict)
        self.made_elsewhere: set[str] = set()  # connections registered on the server before this one
        self.tombstones: set[str] = set()
        self.ending: dict[str, int] = {}
        self.coins: set[str] = set()
        self.dirty: dict[int, dict[str, int]] = defaultdict(dict)
        self.armed: set[Tick] = set()
        self.flushing: dict[Tick, dict[str, Change]] = {}

    def check(self, method: str) -> None:
        if self.down & {method, "*"}:
            raise StoreDownError(f"{method}: the store is down")

    def now_ms(self) -> int:
        return int(self.now().timestamp() * 1000)

    def fail_over(self) -> None:
        """Another server, which may have lost the newest offsets."""
        self.generation += 1
        for connection in self.sessions:
            self.made_elsewhere.add(connection)

    def new_epoch(self) -> str:
        self.epochs += 1
        return f"e{self.epochs}"

    def topic(self, name: str) -> Topic | None:
        """A topic's state, with a new epoch on its first look in a new generation."""
        topic = self.topics.get(name)
        if topic is not None and topic.generation != self.generation:
            topic.generation, topic.epoch, topic.offset, topic.force = self.generation, self.new_epoch(), 0, True
            topic.passed, topic.sent, topic.log = {}, {}, []
        return topic

    def matching(self, wildcard: str) -> list[str]:
        return sorted(name for name in self.topics if name.startswith(wildcard[:-1]))

    def slow_pairs(self, topic: str) -> set[tuple[int, str]]:
        names = [topic, *wildcards_of(topic)]
        return {(g.rate_s, g.rung) for name in names for g in self.groups.get(name, {}) if g.rate_s}

    def arm(self, tick: Tick) -> bool:
        taken = tick in self.armed
        self.armed.add(tick)
        return not taken

    def leave(self, connection: str, name: str) -> None:
        group = self.subs[connection].pop(name)
        self.groups[name][group].pop(connection, None)
        if not self.groups[name][group]:
            del self.groups[name][group]


class FakeStream:
    """ports.Stream."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store

    def sequence(self, observations: Sequence[Observation]) -> Sequenced:
        self._store.check("sequence")
        ticks: list[Tick] = []
        return Sequenced([self._apply(seen, ticks) for seen in observations], ticks)

    def _apply(self, seen: Observation, ticks: list[Tick]) -> Change | None:
        topic = self._store.topic(seen.topic)
        if seen.id in self._store.applied and not (topic and topic.force):
            return self._known(seen, topic, ticks)
        if topic and seen.alert is None and seen.observed_at < topic.observed_at:
            self._store.applied[seen.id] = None
            return None
        passed = [rung for rung in FILTER_RUNGS if self._passes(seen, topic, rung)]
        if not self._is_change(seen, topic, passed):
            assert topic is not None
            topic.observed_at = seen.observed_at
            self._store.applied[seen.id] = None
            return None
        if topic is None:
            topic = Topic(self._store.generation, self._store.new_epoch(), seen.observed_at)
            self._store.topics[seen.topic] = topic
        change = self._append(seen, topic, passed, ticks)
        self._store.applied[seen.id] = (topic.epoch, topic.offset)
        return change

    def _known(self, seen: Observation, topic: Topic | None, ticks: list[Tick]) -> Change | None:
        applied = self._store.applied[seen.id]
        if applied is None or topic is None or topic.epoch != applied[0]:
            return None
        for rate in SLOWER:
            if seen.topic in self._store.dirty[rate]:
                self._mark_dirty(seen.topic, rate, ticks)
        found = next((change for change in topic.log if change.offset == applied[1]), None)
        return found and replace(found, chains=seen.chains, category=seen.category)

    @staticmethod
    def _passes(seen: Observation, topic: Topic | None, rung: str) -> bool:
        if topic is None or topic.force or rung not in topic.baselines:
            return True
        return _moved(seen.value, topic.baselines[rung], Decimal(rung), None)

    @staticmethod
    def _is_change(seen: Observation, topic: Topic | None, passed: Sequence[str]) -> bool:
        if topic is None or topic.force or topic.newest is None or seen.alert is not None:
            return True
        threshold = DEFAULT_THRESHOLDS[kind_of(seen.topic)]
        if _moved(seen.value, Decimal(topic.newest.value), threshold.pct, threshold.absolute):
            return True
        return any(Decimal(rung) >= threshold.pct for rung in passed)

    def _append(self, seen: Observation, topic: Topic, passed: Sequence[str], ticks: list[Tick]) -> Change:
        topic.offset += 1
        change = Change(
            topic=seen.topic,
            epoch=topic.epoch,
            offset=topic.offset,
            value=plain(seen.value),
            previous=topic.newest.value if topic.newest and seen.alert is None else None,
            observed_at=rfc3339(seen.observed_at),
            published_at=rfc3339(self._store.now()),
            source=seen.source,
            confidence=None if seen.confidence is None else plain(seen.confidence),
            chains=seen.chains,
            category=seen.category,
            prev={rung: topic.passed.get(rung) for rung in passed},
            slow=self._slow(seen.topic, topic, passed, ticks),
            alert=seen.alert,
        )
        for rung in passed:
            topic.passed[rung], topic.baselines[rung] = topic.offset, seen.value
        topic.newest, topic.observed_at, topic.force = change, seen.observed_at, False
        topic.log = [*topic.log, change][-self._store.log_entries :]
        return change

    def _slow(self, name: str, topic: Topic, passed: Sequence[str], ticks: list[Tick]) -> dict[str, int | None]:
        now_ms, due = self._store.now_ms(), {}
        for rate, rung in self._store.slow_pairs(name):
            if rung and rung not in passed:
                continue
            offset, at_ms = topic.sent.get((rate, rung), (None, None))
            if at_ms is None or now_ms >= at_ms + rate * 1000:
                due[f"{rate}|{rung}"] = offset
                topic.sent[rate, rung] = (topic.offset, now_ms)
            else:
                self._mark_dirty(name, rate, ticks)
        return due

    def _mark_dirty(self, topic: str, rate: int, ticks: list[Tick]) -> None:
        slot = self._store.now_ms() // (rate * 1000) + 1
        self._store.dirty[rate].setdefault(topic, slot)
        if self._store.arm(Tick(rate, slot)):
            ticks.append(Tick(rate, slot))

    def flush(self, tick: Tick) -> Flushed:
        self._store.check("flush")
        frozen, again = self._store.flushing.get(tick, {}), False
        dirty = self._store.dirty[tick.rate_s]
        due = sorted((slot, name) for name, slot in dirty.items() if slot <= tick.slot)
        for _, name in due[: max(0, self._store.topics_per_flush - len(frozen))]:
            del dirty[name]
            topic = self._store.topic(name)
            if name in frozen or (topic and self._freeze(name, topic, tick, frozen)):
                dirty[name] = tick.slot + 1
                again = True
        if frozen:
            self._store.flushing[tick] = frozen
        following = Tick(tick.rate_s, tick.slot + 1)
        more = any(slot <= tick.slot for slot in dirty.values())
        return Flushed(list(frozen.values()), following if again and self._store.arm(following) else None, more)

    def _freeze(self, name: str, topic: Topic, tick: Tick, frozen: dict[str, Change]) -> bool:
        later, due, due_ms = False, {}, tick.slot * tick.rate_s * 1000
        for rate, rung in self._store.slow_pairs(name):
            newest = topic.passed.get(rung) if rung else topic.offset
            last, last_ms = topic.sent.get((rate, rung), (None, None))
            if rate != tick.rate_s or newest is None or newest <= (-1 if last is None else last):
                continue
            if last_ms is None or due_ms >= last_ms + rate * 1000:
                due[f"{rate}|{rung}"] = last
                topic.sent[rate, rung] = (topic.offset, due_ms)
            else:
                later = True
        if due and topic.newest:
            frozen[name] = replace(topic.newest, offset=topic.offset, prev={}, slow=due, realtime=False)
        return later

    def flushed(self, tick: Tick, changes: Sequence[Change]) -> None:
        self._store.check("flushed")
        frozen = self._store.flushing.get(tick, {})
        for change in changes:
            frozen.pop(change.topic, None)
        if not frozen:
            self._store.flushing.pop(tick, None)

    def overdue(self, grace_s: float) -> Sequence[Tick]:
        self._store.check("overdue")
        past_ms = self._store.now_ms() - int(grace_s * 1000)
        late = [
            Tick(rate, past_ms // (rate * 1000))
            for rate in SLOWER
            if self._store.dirty[rate] and min(self._store.dirty[rate].values()) * rate * 1000 <= past_ms
        ]
        return [*late, *(tick for tick in self._store.flushing if tick.slot * tick.rate_s * 1000 <= past_ms)]


def _moved(value: Decimal, base: Decimal, pct: Decimal, absolute: Decimal | None) -> bool:
    delta = abs(value - base)
    if not pct:
        return True
    if not delta:
        return False
    return base == 0 or (absolute is not None and delta >= absolute) or delta * HUNDRED >= pct * abs(base)


class FakeAudience:
    """ports.Audience."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store

    def recipients(self, names: Sequence[str]) -> Mapping[str, Mapping[Group, Sequence[str]]]:
        self._store.check("recipients")
        return {name: found for name in names if (found := self._of(name))}

    def _of(self, name: str) -> dict[Group, Sequence[str]]:
        now_ms = self._store.now_ms()
        groups = self._store.groups.get(name, {})
        living = {group: [c for c, ends in members.items() if ends > now_ms] for group, members in groups.items()}
        return {group: sorted(members) for group, members in living.items() if members}


class FakeSubscriptions:
    """ports.Subscriptions."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store

    def subscribe(
        self,
        connection: str,
        patterns: Mapping[str, str],
        *,
        group: Group,
        ends_ms: int,
        max_topics: int,
        snapshot: bool,
        since: Mapping[str, tuple[str, int]],
    ) -> Subscribed | None:
        self._store.check("subscribe")
        if connection in self._store.tombstones:
            return None
        told, joined = [], []
        for name, coin in patterns.items():
            outcome = self._join(connection, name, coin, group, ends_ms, max_topics, since)
            if outcome == "ok":
                joined.append(name)
            told.append((name, outcome, len(self._store.matching(name)) if name.endswith("*") else 1))
        wanted = dict.fromkeys(self._wanted(connection, joined, snapshot=snapshot, since=since))
        return Subscribed(told, [self._read(topic, since.get(topic), snapshot) for topic in wanted])

    def _join(
        self,
        connection: str,
        name: str,
        coin: str,
        group: Group,
        ends_ms: int,
        max_topics: int,
        since: Mapping[str, tuple[str, int]],
    ) -> str:
        held = self._store.subs[connection]
        if name not in held and len(held) >= max_topics:
            return "too_many"
        if not name.endswith("*") and not coin and not (name in since or self._exists(name)):
            return "unknown"
        if coin not in ("", "-"):
            self._store.coins.add(coin)
        if name in held:
            self._store.leave(connection, name)
        held[name] = group
        self._store.groups[name][group][connection] = ends_ms
        return "ok"

    def _exists(self, topic: str) -> bool:
        return topic in self._store.topics or not self._store.matching(next(wildcards_of(topic)))

    def _wanted(
        self, connection: str, joined: Sequence[str], *, snapshot: bool, since: Mapping[str, object]
    ) -> Iterator[str]:
        yield from (name for name in joined if not name.endswith("*"))
        for name in joined:
            if name.endswith("*"):
                for topic in self._store.matching(name):
                    if topic in since or (snapshot and topic not in self._store.subs[connection]):
                        yield topic
                yield from (topic for topic in since if topic.startswith(name[:-1]))

    def _read(self, name: str, since: tuple[str, int] | None, snapshot: bool) -> Read:
        topic = self._store.topic(name)
        if topic is None:
            return Read(name, None, 0, False if since else None, None, [])
        if since and since[0] == topic.epoch and 0 <= topic.offset - since[1] <= len(topic.log):
            missed = topic.log[len(topic.log) - (topic.offset - since[1]) :]
            return Read(name, topic.epoch, topic.offset, True, None, missed)
        shown = None
        if (snapshot or since) and topic.newest:
            shown = replace(topic.newest, epoch=topic.epoch, offset=topic.offset)
        return Read(name, topic.epoch, topic.offset, False if since else None, shown, [])

    def unsubscribe(self, connection: str, patterns: Sequence[str]) -> Sequence[str]:
        self._store.check("unsubscribe")
        held = self._store.subs[connection]
        left = [name for name in (patterns or list(held)) if name in held]
        for name in left:
            self._store.leave(connection, name)
        return left

    def subscribed(self, connection: str) -> Mapping[str, Group]:
        self._store.check("subscribed")
        return dict(self._store.subs[connection])


class FakeSessions:
    """ports.Sessions."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store

    def open(self, connection: str, session: Session, limit: int) -> Sequence[str] | None:
        self._store.check("open")
        if connection in self._store.tombstones:
            return None
        held = self._store.holders[session.user]
        for ended in [name for name, ends in held.items() if ends <= self._store.now_ms()]:
            del held[ended]
        if connection not in held and len(held) >= limit:
            settled = [name for name, ends in held.items() if ends <= session.ends_ms - 30_000]
            return sorted(settled, key=lambda name: (held[name], name))[:50]
        self._store.made_elsewhere.discard(connection)
        held[connection] = self._store.ending[connection] = session.ends_ms
        known = self._store.sessions.get(connection)
        if known and known.user == session.user:
            session = replace(session, session_ms=max(known.session_ms, session.session_ms))
        self._store.sessions[connection] = session
        return None

    def get(self, connection: str) -> Session | None:
        self._store.check("get")
        return None if connection in self._store.made_elsewhere else self._store.sessions.get(connection)

    def ended(self, connection: str) -> bool:
        self._store.check("ended")
        return connection in self._store.tombstones

    def extend(self, connection: str, session_ms: int) -> None:
        self._store.check("extend")
        session = self._store.sessions.get(connection)
        if session is None:
            return
        self._store.sessions[connection] = replace(session, session_ms=session_ms)
        for name, group in self._store.subs[connection].items():
            self._store.groups[name][group][connection] = min(session_ms, session.ends_ms)

    def settled(self, connection: str) -> None:
        self._store.check("settled")
        self._store.sessions[connection] = replace(self._store.sessions[connection], rebuilt=False)

    def drop(self, connection: str) -> None:
        self._store.check("drop")
        self._store.sessions.pop(connection, None)

    def ending(self, before_ms: int) -> Sequence[str]:
        self._store.check("ending")
        return [connection for connection, ends in self._store.ending.items() if ends <= before_ms]

    def announced(self, connections: Sequence[str]) -> None:
        self._store.check("announced")
        for connection in connections:
            self._store.ending.pop(connection, None)

    def active(self) -> Active:
        self._store.check("active")
        minute = self._store.now_ms() // 60_000
        living = [name for name, session in self._store.sessions.items() if session.ends_ms // 60_000 >= minute]
        return Active(len(living), sum(len(self._store.subs[name]) for name in living))

    def listed(self) -> Iterator[Sequence[Listed]]:
        self._store.check("listed")
        for connection, session in self._store.sessions.items():
            groups = self._store.subs[connection].items()
            yield [Listed(connection, session, {name: group.name for name, group in groups})]

    def forget(self, connections: Sequence[str]) -> int:
        self._store.check("forget")
        known = 0
        for connection in connections:
            self._store.tombstones.add(connection)
            self._store.ending.pop(connection, None)
            for name in list(self._store.subs[connection]):
                self._store.leave(connection, name)
            session = self._store.sessions.pop(connection, None)
            if session:
                self._store.holders[session.user].pop(connection, None)
                known += 1
        return known


class FakeLimits:
    """ports.Limits."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._buckets: dict[str, tuple[float, datetime]] = {}
        self._used: dict[str, datetime] = {}

    def take(self, key: str, per_s: float, burst: float) -> float:
        return self.meter(key, per_s, burst).wait_s

    def meter(self, key: str, per_s: float, burst: float) -> Metered:
        now = self._now()
        tokens, at = self._buckets.get(key, (burst, now))
        tokens = min(burst, tokens + (now - at).total_seconds() * per_s)
        left = tokens - 1 if tokens >= 1 else tokens
        self._buckets[key] = (left, now)
        return Metered(0.0 if tokens >= 1 else (1 - tokens) / per_s, int(left), (burst - left) / per_s)

    def charge(self, key: str, per_s: float, burst: float, tokens: float) -> None:
        now = self._now()
        held, at = self._buckets.get(key, (burst, now))
        held = min(burst, held + (now - at).total_seconds() * per_s)
        self._buckets[key] = (max(-10 * burst, held - tokens), now)

    def once(self, key: str, ttl_s: int) -> bool:
        if key in self._used and self._now() < self._used[key]:
            return False
        self._used[key] = self._now() + timedelta(seconds=ttl_s)
        return True


class FakeCatalogue:
    """ports.Catalogue, whose cursor is a place in the sorted list."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store

    def topics(self, pattern: str, *, cursor: int, limit: int) -> tuple[Sequence[tuple[str, str, str]], int]:
        self._store.check("topics")
        names = self._store.matching(pattern) if pattern.endswith(":*") else [pattern] * (pattern in self._store.topics)
        page = names[cursor : cursor + limit]
        newest = [(name, self._store.topics[name].newest) for name in page]
        listed = [(name, change.value, change.observed_at) for name, change in newest if change]
        return listed, cursor + limit if cursor + limit < len(names) else 0


class FakePositions:
    """ports.Positions."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store

    def newest(self, topics: Sequence[str]) -> Mapping[str, Change]:
        self._store.check("newest")
        found = {}
        for name in topics:
            topic = self._store.topic(name)
            if topic and topic.newest:
                found[name] = replace(topic.newest, epoch=topic.epoch, offset=topic.offset)
        return found

    def join(self, name: str, seen: datetime | None) -> Place | None:
        self._store.check("join")
        topic = self._store.topic(name)
        if topic is None or topic.newest is None:
            return None
        after = "" if seen is None else rfc3339(seen)
        known = [change for change in topic.log if change.observed_at <= after]
        if known:
            return Place(topic.epoch, known[-1].offset)
        if topic.log:
            return Place(topic.epoch, topic.log[0].offset - 1)
        return Place(topic.epoch, topic.offset if topic.newest.observed_at <= after else max(0, topic.offset - 1))
