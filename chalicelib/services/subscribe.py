"""The subscribe command: who may have what, where each topic stands, and what was missed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from chalicelib.domain.changes import Due
from chalicelib.domain.filters import Group
from chalicelib.domain.topics import PRIVATE_KINDS, is_coin_key, is_topic, is_wildcard, kind_of, own_topic
from chalicelib.errors import (
    DefiStreamError,
    NotAllowedError,
    RateTooFastError,
    RefusedError,
    StoreDownError,
    TooManyTopicsError,
    UnknownTopicError,
    WrongTypeError,
)
from chalicelib.ports import JobQueue, Read, Session, Subscribed, Subscriptions
from chalicelib.protocol import commands as protocol
from chalicelib.protocol.pushes import encode_update
from chalicelib.services.fanout import JobBuilder, encode_jobs
from chalicelib.settings import RATES, Tier

_RATE_NAMES = {seconds: name for name, seconds in RATES.items()}
_EVERY_ONE = Group()  # of alerts none may be conflated or filtered away


class SubscribeTopics:
    """Join topics and send where they stand.

    Guarantees: no update falls between the snapshot or replay and the first live one; a topic is recovered wholly or
    not at all; what is sent is in the deliveries queue before the command is answered. Alerts are told at once and all,
    whatever rate and filter the command names and the tier has.
    """

    def __init__(
        self,
        *,
        subscriptions: Subscriptions,
        jobs: JobQueue,
        tiers: Mapping[str, Tier],
        coins: Collection[str],
        frame_bytes: int,
    ) -> None:
        self._subscriptions = subscriptions
        self._jobs = jobs
        self._tiers = tiers
        self._coins = frozenset(coins)
        self._frame_bytes = frame_bytes

    def run(self, connection: str, session: Session, command: protocol.Subscribe) -> dict[str, Any]:
        """The reply's result. Raises RefusedError and its kinds if nothing of the command can be done."""
        topics = [own_topic(text, session.user) for text in command.topics]
        since = {own_topic(topic, session.user): at for topic, at in command.since.items()}
        group = protocol.group_of(command.rate, command.filter)
        self._check(topics, since, group, session)
        patterns, rejected = self._admitted(topics, session.user)
        good: dict[str, dict[str, Any]] = {}
        updates: list[bytes] = []
        for part, asked in _by_group(patterns, group).items():
            subscribed = self._join(connection, session, asked, part, since, snapshot=command.snapshot)
            for text, outcome, matched in subscribed.patterns:
                if outcome != "ok":
                    rejected[text] = self._refusal(text, outcome, session)
                elif is_wildcard(text):
                    good[text] = {"matched": matched}
            for read in subscribed.reads:
                updates += _due(read, part, since)
                if read.topic in patterns or read.topic in since:
                    good[read.topic] = {"epoch": read.epoch, "offset": read.offset, "recovered": read.recovered}
        if rejected and len(rejected) == len(set(topics)):
            raise next(iter(rejected.values()))
        self._send(connection, updates)
        return {"topics": good, "rejected": [_rejection(text, error) for text, error in rejected.items()]}

    def _check(self, topics: list[str], since: Mapping[str, object], group: Group, session: Session) -> None:
        fastest = self._tiers[session.tier].fastest_rate
        if group.rate_s < RATES[fastest] and not (topics and all(map(_is_private, topics))):
            raise RateTooFastError(f"the fastest rate of tier {session.tier} is {fastest}")
        if not topics:
            raise RefusedError("no topics")
        if max(len(topics), len(since)) > protocol.MAX_TOPICS:
            raise TooManyTopicsError(f"at most {protocol.MAX_TOPICS} topics a command")
        for topic in since:
            if not is_topic(topic):
                raise WrongTypeError(f"since names {topic!r:.150}, which is no topic")

    def _join(
        self,
        connection: str,
        session: Session,
        patterns: Mapping[str, str],
        group: Group,
        since: Mapping[str, protocol.Position],
        *,
        snapshot: bool,
    ) -> Subscribed:
        subscribed = self._subscriptions.subscribe(
            connection,
            patterns,
            group=group,
            ends_ms=min(session.session_ms, session.ends_ms),
            max_topics=self._tiers[session.tier].topics,
            snapshot=snapshot,
            since={topic: (at.epoch, at.offset) for topic, at in since.items()},
        )
        if subscribed is None:
            raise RefusedError("this connection has ended")
        return subscribed

    def _refusal(self, text: str, outcome: str, session: Session) -> DefiStreamError:
        if outcome == "unknown":
            return UnknownTopicError(f"no topic {text!r}")
        return TooManyTopicsError(f"tier {session.tier} has {self._tiers[session.tier].topics} topics a connection")

    def _admitted(self, topics: list[str], user: str) -> tuple[dict[str, str], dict[str, DefiStreamError]]:
        admitted: dict[str, str] = {}
        rejected: dict[str, DefiStreamError] = {}
        for text in topics:
            if not protocol.is_subscribable(text):
                rejected[text] = UnknownTopicError(f"no topic {text!r:.150}")
            elif _is_private(text) and (is_wildcard(text) or text != f"alerts:{user}"):
                rejected[text] = NotAllowedError("alerts are private")
            else:
                admitted[text] = self._coin(text)
        return admitted, rejected

    def _coin(self, text: str) -> str:
        """ "-" for a topic that may come later, a coin that is to be polled from now on, or "": it must exist."""
        if _is_private(text):
            return "-"
        if kind_of(text) != "price" or is_wildcard(text):
            return ""
        coin = text.partition(":")[2]
        if coin in self._coins:
            return "-"
        return coin if is_coin_key(coin) else ""

    def _send(self, connection: str, updates: list[bytes]) -> None:
        builder = JobBuilder(frame_bytes=self._frame_bytes, posts_per_job=100)
        builder.add(updates, [connection])
        if self._jobs.send(encode_jobs(builder.jobs)):
            raise StoreDownError("the snapshot could not be sent: subscribe again")


def _is_private(text: str) -> bool:
    return kind_of(text) in PRIVATE_KINDS


def _by_group(patterns: Mapping[str, str], group: Group) -> dict[Group, dict[str, str]]:
    """What is joined together: the public topics as the command says, the private ones always wholly."""
    parts: dict[Group, dict[str, str]] = {}
    for text, coin in patterns.items():
        parts.setdefault(_EVERY_ONE if _is_private(text) else group, {})[text] = coin
    return parts


def _due(read: Read, group: Group, since: Mapping[str, protocol.Position]) -> list[bytes]:
    """The updates that a subscription is sent on joining: what it missed, or a snapshot."""
    if read.snapshot is not None:
        admitted = group.admits(read.snapshot.chains, read.snapshot.category)
        return [encode_update(read.snapshot, None, snapshot=True)] if admitted else []
    if not group.rate_s:
        due = [(change, change.due(group)) for change in read.missed]
        return [encode_update(change, prev) for change, prev in due if not isinstance(prev, Due)]
    wanted = [
        change
        for change in read.missed
        if (not group.rung or group.rung in change.prev) and group.admits(change.chains, change.category)
    ]
    if not wanted:
        return []
    # A slower rate is told the newest value only, which follows what the client had.
    return [encode_update(read.missed[-1], since[read.topic].offset or None)]


def described(group: Group) -> dict[str, Any]:
    """A group as the protocol names it."""
    chosen: dict[str, Any] = {}
    if group.rung:
        chosen["min_change_pct"] = group.rung
    if group.chains:
        chosen["chains"] = list(group.chains)
    if group.categories:
        chosen["categories"] = list(group.categories)
    return {"rate": _RATE_NAMES[group.rate_s], "filter": chosen or None}


def _rejection(text: str, error: DefiStreamError) -> dict[str, Any]:
    return {"topic": text[:150], "code": error.code, "name": error.name, "message": str(error)}
