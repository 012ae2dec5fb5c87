"""ports.RuleIndex on Redis (see lua/rules_keep.lua for its keys).

A rule is a member of a sorted set for each figure that it compares, scored by where its outcome may change. A figure
that moves from a to b selects the members between the two, both widened to the next double, so that rounding loses
none; whether the rule holds is decided on decimals by who asked. So a move costs what it crosses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar, cast

import msgspec

from chalicelib.adapters.redis.client import Redis
from chalicelib.domain.judging import Figures
from chalicelib.domain.observations import Observation
from chalicelib.domain.rules import FigureKey, Measure, Rule, edges, stale_leaves
from chalicelib.domain.windows import change
from chalicelib.ports.alerts import Move, Selected, StaleTopic, Touched
from chalicelib.protocol.rule_records import decode_rule, encode_rule

T = TypeVar("T")

# Redis serves nobody else while a script runs: keep it to some milliseconds.
TOPICS_PER_SCRIPT = 250
RULES_PER_SCRIPT = 200
MEMBERS_PER_PAGE = 2000

NEVER_NEWER = 2**53 - 1  # the version of a rule that was removed
LEASE_MS = 40_000  # longer than evaluate runs: the topics of a worker that died are free then
STALE = "stale"
VALUE = "0|value"
_ALL = ("-inf", "+inf")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def moment(at: str | int) -> datetime:
    return _EPOCH + timedelta(microseconds=int(at))


class RedisRuleIndex:
    """ports.RuleIndex. ``token`` tells this worker from others."""

    def __init__(self, redis: Redis, *, now: Callable[[], datetime], token: str) -> None:
        self._redis, self._now, self._token = redis, now, token

    # --- rules ---

    def put(self, rules: Sequence[Rule]) -> int:
        return self._keep([("put", rule.id, rule.version, encode_rule(rule), _members(rule)) for rule in rules])

    def remove(self, rule_id: str) -> None:
        self._keep([("remove", rule_id, NEVER_NEWER, "", "[]")])

    def retire(self, rules: Sequence[Rule]) -> None:
        self._keep([("retire", rule.id, rule.version, encode_rule(rule), "[]") for rule in rules])

    def _keep(self, entries: Sequence[tuple[Any, ...]]) -> int:
        changed = 0
        for part in _parts(entries, RULES_PER_SCRIPT):
            flat = [value for entry in part for value in entry]
            changed += int(self._redis.run("rules_keep", micros(self._now()), *flat))
        return changed

    def rules(self, rule_ids: Sequence[str]) -> Mapping[str, Rule]:
        bodies = self._fields([f"rule:{rule_id}" for rule_id in rule_ids], "body")
        return {rule_id: decode_rule(body) for rule_id, (body,) in zip(rule_ids, bodies, strict=True) if body}

    def outdated(self, rules: Sequence[Rule]) -> Sequence[Rule]:
        versions = self._fields([f"rule:{rule.id}" for rule in rules], "version")
        return [rule for rule, (kept,) in zip(rules, versions, strict=True) if kept is None or int(kept) < rule.version]

    def ids(self, *, cursor: int, limit: int) -> tuple[Sequence[str], int]:
        following, found = self._redis.call(lambda client: client.sscan("rules", cursor=cursor, count=limit))
        return found, int(following)

    # --- moves ---

    def select(self, observations: Sequence[Observation]) -> Selected:
        touched: list[Touched] = []
        busy: set[str] = set()
        for part in _parts(observations, TOPICS_PER_SCRIPT):
            args = [(seen.topic, micros(seen.observed_at), seen.id) for seen in part]
            begun = self._redis.run("rules_begin", self._token, LEASE_MS, *(value for arg in args for value in arg))
            busy.update(seen.topic for seen, known in zip(part, begun, strict=True) if known == "busy")
            ours = zip(part, begun, strict=True)
            touched += self._cross([_Begun.of(seen, *known) for seen, known in ours if known not in ("busy", "old")])
        return Selected(touched, frozenset(busy))

    def _cross(self, begun: Sequence[_Begun]) -> list[Touched]:
        if not begun:
            return []
        args: list[str | int] = [self._token, MEMBERS_PER_PAGE]
        ranges = [one.ranges(self._now()) for one in begun]
        for one, searched in zip(begun, ranges, strict=True):
            args += [one.seen.topic, micros(one.seen.observed_at), len(searched)]
            for name, (start, to) in searched.items():
                args += [name, one.text(name), start, to]
        crossed = self._redis.run("rules_cross", *args)
        return [
            Touched(one.seen, one.moves(), self._crossed(one.seen.topic, found, searched))
            for one, found, searched in zip(begun, crossed, ranges, strict=True)
        ]

    def _crossed(
        self, topic: str, found: Sequence[Sequence[str]], ranges: Mapping[str, tuple[str, str]]
    ) -> Sequence[str]:
        ids: dict[str, None] = {}
        for name, *members in found:
            start, to = ranges[name]
            for member in self._all(f"rules:{topic}|{name}", start, to, members):
                ids[member.partition("|")[0]] = None
        return list(ids)

    def _all(self, key: str, start: str, to: str, members: Sequence[str]) -> Iterable[str]:
        """``members`` are the first page; whose place is lost while somebody removes rules begins again."""
        page = members
        while True:
            yield from page
            if len(page) < MEMBERS_PER_PAGE:
                return
            kept, *page = self._redis.run("rules_page", key, to, page[-1], MEMBERS_PER_PAGE)
            if not kept:
                page = self._page(key, start, to)

    def _page(self, key: str, start: str, to: str) -> Sequence[str]:
        def first(client: Any) -> Any:
            return client.zrange(key, start, to, byscore=True, offset=0, num=MEMBERS_PER_PAGE)

        return cast("Sequence[str]", self._redis.call(first))

    def advance(self, touched: Sequence[Touched]) -> Sequence[str]:
        lost = []
        for part in _parts(touched, TOPICS_PER_SCRIPT):
            args: list[str | int] = [self._token]
            for one in part:
                seen = one.observation
                args += [seen.topic, micros(seen.observed_at), seen.id, len(one.moves)]
                for (_, over_s, of), move in one.moves.items():
                    args += [f"{over_s}|{of}", "" if move.now is None else str(move.now)]
            ours = self._redis.run("rules_advance", *args)
            lost += [one.observation.topic for one, kept in zip(part, ours, strict=True) if not kept]
        return lost

    def give_up(self, topics: Sequence[str]) -> None:
        for part in _parts(topics, TOPICS_PER_SCRIPT):
            self._redis.run("rules_release", self._token, *part)

    # --- figures ---

    def figures(self, keys: Sequence[FigureKey], topics: Sequence[str]) -> Figures:
        if not keys and not topics:
            return Figures()

        def read(client: Any) -> Any:
            pipeline = client.pipeline(transaction=False)
            for topic, over_s, of in keys:
                pipeline.hget(f"figures:{topic}", f"new:{over_s}|{of}")
            for topic in topics:
                pipeline.hmget(f"figures:{topic}", "new:at", "watched")
            return pipeline.execute()

        found = self._redis.call(read)
        values = {key: Decimal(text) for key, text in zip(keys, found, strict=False) if text is not None}
        seen = {
            topic: moment(at or watched)
            for topic, (at, watched) in zip(topics, found[len(keys) :], strict=True)
            if at or watched
        }
        return Figures(values, seen)

    # --- silence ---

    def overdue(self, limit: int) -> Sequence[StaleTopic]:
        found = []
        for topic, seen, start, to in self._redis.run("rules_overdue", micros(self._now()), limit):
            key = f"rules:{topic}|{STALE}"
            members = self._all(key, start, to, self._page(key, start, to))
            ids = list(dict.fromkeys(member.partition("|")[0] for member in members))
            found.append(StaleTopic(topic, moment(seen), int(to), ids))
        return found

    def told(self, stale: StaleTopic) -> None:
        self._redis.run("rules_told", stale.topic, micros(stale.seen), stale.over_s)

    # --- rebuilding ---

    def progress(self) -> str | None:
        whole, upto = self._redis.call(lambda client: client.hmget("rules:index", "whole", "upto"))
        return None if whole else upto or ""

    def rebuilt(self, upto: str | None) -> None:
        field, value = ("whole", "1") if upto is None else ("upto", upto)
        self._redis.call(lambda client: client.hset("rules:index", field, value))

    def _fields(self, keys: Sequence[str], *names: str) -> Sequence[Sequence[str | None]]:
        """These fields of each hash, in one round trip."""

        def read(client: Any) -> Any:
            pipeline = client.pipeline(transaction=False)
            for key in keys:
                pipeline.hmget(key, *names)
            return pipeline.execute()

        return cast("Sequence[Sequence[str | None]]", self._redis.call(read)) if keys else []


@dataclass(frozen=True, slots=True)
class _Begun:
    """An observation of a topic that is ours, and by the name of its set each figure of the topic as it moves."""

    seen: Observation
    figures: Mapping[str, Move]
    silent_since: datetime | None  # None: nobody waits for that

    @classmethod
    def of(
        cls, seen: Observation, flat: Sequence[str], sets: Sequence[str], bases: Sequence[tuple[str, str]]
    ) -> _Begun:
        known = dict(zip(flat[::2], flat[1::2], strict=True))
        based = {over: Decimal(sample.partition("|")[2]) for over, sample in bases}
        figures = {}
        for name in {VALUE, *sets} - {STALE}:
            over, _, of = name.partition("|")
            before = Decimal(known[name]) if name in known else None
            figures[name] = Move(before, change(seen.value, based.get(over), cast("Measure", of)))
        watched = known.get("at", known.get("watched")) if STALE in sets else None
        return cls(seen, figures, moment(watched) if watched else None)

    def moves(self) -> dict[FigureKey, Move]:
        return {(self.seen.topic, *_figure(name)): move for name, move in self.figures.items()}

    def text(self, name: str) -> str:
        move = self.figures.get(name)
        return "" if move is None or move.now is None else str(move.now)

    def ranges(self, now: datetime) -> dict[str, tuple[str, str]]:
        """Where in each set the rules are that this touches. Whoever found the topic stale finds so no longer."""
        found = {name: _range(move) for name, move in self.figures.items()}
        if self.silent_since is not None:
            silent = max(now, self.seen.observed_at) - self.silent_since
            found[STALE] = ("0", str(math.ceil(silent.total_seconds())))
        return found


def _members(rule: Rule) -> bytes:
    """Where a rule is found: topic, set, score, member, as JSON; nowhere if it is not enabled."""
    if not rule.enabled:
        return b"[]"
    places = sorted({(*edge.figure, float(edge.level)) for edge in edges(rule.when)})
    found = [(topic, f"{over_s}|{of}", repr(level)) for topic, over_s, of, level in places]
    found += [
        (topic, STALE, str(over_s)) for topic, over_s in {(leaf.topic, leaf.over_s) for leaf in stale_leaves(rule.when)}
    ]
    return msgspec.json.encode([(*place, f"{rule.id}|{number}") for number, place in enumerate(found)])


def _range(move: Move) -> tuple[str, str]:
    """The scores between which a move finds rules: all when the figure was or is not known; none if it stayed."""
    if move.before == move.now:
        return ("", "")
    if move.before is None or move.now is None:
        return _ALL
    low, high = sorted((float(move.before), float(move.now)))
    return repr(math.nextafter(low, -math.inf)), repr(math.nextafter(high, math.inf))


def _figure(name: str) -> tuple[int, Measure]:
    over_s, _, of = name.partition("|")
    return int(over_s), cast("Measure", of)


def _parts(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
