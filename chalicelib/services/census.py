"""Who is connected, for whoever operates the stage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.domain.topics import matches
from chalicelib.ports import Listed, Sessions


@dataclass(frozen=True, slots=True)
class Counted:
    """``users`` and ``topics`` are those with the most, the most first; topics are as they were subscribed to."""

    connections: int
    subscriptions: int
    tiers: Mapping[str, int]
    users: Mapping[str, int]
    topics: Mapping[str, int]


class Census:
    """Counts and finds connections by looking through all of them.

    What is told of is what the store knows: a connection whose end nobody told may be among them until its own end.
    """

    def __init__(self, *, sessions: Sessions) -> None:
        self._sessions = sessions

    def count(self, *, top: int) -> Counted:
        """Raises StoreDownError."""
        tiers, users, topics = Counter[str](), Counter[str](), Counter[str]()
        for part in self._sessions.listed():
            tiers.update(one.session.tier for one in part)
            users.update(one.session.user for one in part)
            for one in part:
                topics.update(one.subscriptions.keys())
        return Counted(
            connections=tiers.total(),
            subscriptions=topics.total(),
            tiers=dict(tiers.most_common()),
            users=dict(users.most_common(top)),
            topics=dict(topics.most_common(top)),
        )

    def find(
        self, *, limit: int, user: str | None = None, tier: str | None = None, topic: str | None = None
    ) -> list[Listed]:
        """Up to ``limit`` of those that are of this user and tier and get this topic. Raises StoreDownError."""
        found: list[Listed] = []
        for part in self._sessions.listed():
            found += [
                one
                for one in part
                if (user is None or one.session.user == user)
                and (tier is None or one.session.tier == tier)
                and (topic is None or any(matches(name, topic) for name in one.subscriptions))
            ]
            if len(found) >= limit:
                break
        return found[:limit]
