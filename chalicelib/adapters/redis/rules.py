"""ports.RuleIndex on Redis (see lua/rules_keep.lua for its keys).

A rule is a member of a sorted set for each figure that it compares, scored by where its outcome may change. A figure
that moves from a to b selects the members between the two, both widened to the next double, so that rounding loses
none; whether the rule holds is decided on decimals by who asked. So a move costs what it crosses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar, cast

import msgspec
import structlog

from chalicelib.adapters.redis.client import Redis
from chalicelib.adapters.redis.rule_sets import STALE, Begun, members_of, micros, moment
from chalicelib.domain.judging import Figures
from chalicelib.domain.observations import Observation
from chalicelib.domain.rules import FigureKey, Rule
from chalicelib.ports.alerts import Selected, StaleTopic, Touched
from chalicelib.protocol.rule_records import decode_rule, encode_rule

T = TypeVar("T")

log = structlog.get_logger()

# Redis serves nobody else while a script runs: keep it to some milliseconds.
TOPICS_PER_SCRIPT = 250
RULES_PER_SCRIPT = 200
MEMBERS_PER_PAGE = 2000

NEVER_NEWER = 2**53 - 1  # the version of a rule that was removed
LEASE_MS = 40_000  # longer than evaluate runs: the topics of a worker that died are free then


class RedisRuleIndex:
    """ports.RuleIndex. ``clock`` is event time, ``token`` tells this worker from others."""

    def __init__(self, redis: Redis, *, clock: Callable[[], datetime], now: Callable[[], datetime], token: str) -> None:
        self._redis, self._clock, self._now, self._token = redis, clock, now, token

    # --- rules ---

    def put(self, rules: Sequence[Rule]) -> int:
        return self._keep([("put", rule.id, rule.version, encode_rule(rule), members_of(rule)) for rule in rules])

    def remove(self, rule_id: str) -> None:
        self._keep([("remove", rule_id, NEVER_NEWER, "", "[]")])

    def retire(self, rules: Sequence[Rule]) -> None:
        self._keep([("retire", rule.id, rule.version, encode_rule(rule), "[]") for rule in rules])

    def _keep(self, entries: Sequence[tuple[Any, ...]]) -> int:
        changed = 0
        for part in _parts(entries, RULES_PER_SCRIPT):
            flat = [value for entry in part for value in entry]
            changed += int(self._redis.run("rules_keep", micros(self._clock()), micros(self._now()), *flat))
        return changed

    def rules(self, rule_ids: Sequence[str]) -> Mapping[str, Rule]:
        found = {}
        bodies = self._fields([f"rule:{rule_id}" for rule_id in rule_ids], "body")
        for rule_id, (body,) in zip(rule_ids, bodies, strict=True):
            if body:
                try:
                    found[rule_id] = decode_rule(body)
                except msgspec.MsgspecError as error:  # of another release, say: it must not stop the others
                    log.error("rule_undecodable", rule=rule_id, reason=str(error))
        return found

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
            touched += self._cross([Begun.of(seen, *known) for seen, known in ours if known not in ("busy", "old")])
        return Selected(touched, frozenset(busy))

    def _cross(self, begun: Sequence[Begun]) -> list[Touched]:
        if not begun:
            return []
        args: list[str | int] = [self._token, MEMBERS_PER_PAGE]
        ranges = [one.ranges(self._clock) for one in begun]
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
    ) -> Mapping[str, str]:
        users: dict[str, str] = {}
        for name, *members in found:
            start, to = ranges[name]
            for member in self._all(f"rules:{topic}|{name}", start, to, members):
                rule_id, _, user = member.split("|", 2)
                users[rule_id] = user
        return users

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
        for topic, seen, start, to in self._redis.run("rules_overdue", micros(self._clock()), limit):
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

    def place(self, walk: str) -> str:
        return str(self._redis.call(lambda client: client.hget("rules:index", f"walk:{walk}")) or "")

    def go_on(self, walk: str, place: str) -> None:
        self._redis.call(lambda client: client.hset("rules:index", f"walk:{walk}", place))

    def _fields(self, keys: Sequence[str], *names: str) -> Sequence[Sequence[str | None]]:
        """These fields of each hash, in one round trip."""

        def read(client: Any) -> Any:
            pipeline = client.pipeline(transaction=False)
            for key in keys:
                pipeline.hmget(key, *names)
            return pipeline.execute()

        return cast("Sequence[Sequence[str | None]]", self._redis.call(read)) if keys else []


def _parts(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
