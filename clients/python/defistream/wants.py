"""What a client is subscribed to, and the commands that bring it back after a break.

A command stays under 24 KB (the gateway takes frames of 32 KB) and names at most 100 topics, so a long
``since`` is cut in parts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MAX_COMMAND_BYTES = 24_000
MAX_COMMAND_TOPICS = 100
_ENVELOPE_BYTES = 600  # action, id, rate and filter, generously

MY_ALERTS = "alerts:me"
PRIVATE = "alerts:"

Since = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Want:
    """The options of one subscription."""

    rate: str = "realtime"
    min_change_pct: str | None = None
    chains: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    snapshot: bool = True

    @property
    def all_due(self) -> bool:
        """Every change is due: nothing is conflated or filtered."""
        return self.rate == "realtime" and not self._filter()

    def _filter(self) -> dict[str, Any]:
        fields = {
            "min_change_pct": self.min_change_pct,
            "chains": list(self.chains),
            "categories": list(self.categories),
        }
        return {name: value for name, value in fields.items() if value}

    def fields(self) -> dict[str, Any]:
        """The options as a subscribe command carries them."""
        fields: dict[str, Any] = {"rate": self.rate, "snapshot": self.snapshot}
        if self._filter():
            fields["filter"] = self._filter()
        return fields


@dataclass(frozen=True, slots=True)
class Part:
    """One subscribe command: ``patterns`` (topics or wildcards) with one set of options, and where to resume."""

    patterns: tuple[str, ...]
    want: Want
    since: Since
    joins: bool = True  # False: the connection is subscribed already, only what ``since`` names is in question

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"action": "subscribe", "topics": list(self.patterns), **self.want.fields()}
        if not self.joins:
            body["snapshot"] = False  # the topics that ``since`` leaves out are known already
        if self.since:
            body["since"] = self.since
        return body

    def holds(self) -> set[str]:
        """Topics and wildcards whose live updates wait for this command's reply."""
        return set(self.since) | (set(self.patterns) if self.joins else set())


def wildcards_of(topic: str) -> Iterator[str]:
    """Every wildcard that covers a topic, the most specific first."""
    if topic.startswith(PRIVATE):
        yield MY_ALERTS
    end = topic.rfind(":")
    while end > 0:
        yield topic[: end + 1] + "*"
        end = topic.rfind(":", 0, end)


def is_wildcard(pattern: str) -> bool:
    """Whether topics come by it that have other names; so do one's own alerts, which the server calls by the user."""
    return pattern.endswith(":*") or pattern == MY_ALERTS


def covering(wants: Mapping[str, Want], topic: str) -> str | None:
    """The subscription that a topic comes by: an exact one beats a wildcard."""
    if topic in wants:
        return topic
    return next((wildcard for wildcard in wildcards_of(topic) if wildcard in wants), None)


def cut_resume(wants: Mapping[str, Want], since: Since, *, joins: bool) -> Iterator[Part]:
    """Commands that resume the topics of ``since``; with ``joins``, that (re)new every subscription too."""
    per_pattern: dict[str, list[str]] = {pattern: [] for pattern in wants} if joins else {}
    for topic in since:
        pattern = covering(wants, topic)
        if pattern is not None:
            per_pattern.setdefault(pattern, []).append(topic)
    plain: dict[Want, list[str]] = {}
    for pattern, topics in per_pattern.items():
        if is_wildcard(pattern) and topics:
            yield from _cut_wildcard(pattern, wants[pattern], {topic: since[topic] for topic in topics}, joins=joins)
        else:
            plain.setdefault(wants[pattern], []).append(pattern)
    for want, patterns in plain.items():
        for chunk in _chunks([(pattern, _cost(pattern, since)) for pattern in patterns]):
            yield Part(tuple(chunk), want, {topic: since[topic] for topic in chunk if topic in since}, joins=joins)


def _cut_wildcard(pattern: str, want: Want, since: Since, *, joins: bool) -> Iterator[Part]:
    for index, chunk in enumerate(_chunks([(topic, _cost(topic, since)) for topic in since])):
        # Only the first part joins: it asks for snapshots of the topics that appeared while we were away.
        yield Part((pattern,), want, {topic: since[topic] for topic in chunk}, joins=joins and index == 0)


def _cost(topic: str, since: Since) -> int:
    entry = len(json.dumps({topic: since[topic]})) if topic in since else 0
    return entry + len(json.dumps(topic)) + 4


def _chunks(costs: Iterable[tuple[str, int]]) -> Iterator[list[str]]:
    chunk: list[str] = []
    size = _ENVELOPE_BYTES
    for name, cost in costs:
        if chunk and (len(chunk) == MAX_COMMAND_TOPICS or size + cost > MAX_COMMAND_BYTES):
            yield chunk
            chunk, size = [], _ENVELOPE_BYTES
        chunk.append(name)
        size += cost
    if chunk:
        yield chunk
