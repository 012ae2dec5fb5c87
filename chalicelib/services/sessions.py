"""Connections: opened within their owner's limit, ended once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import structlog

from chalicelib.errors import StoreDownError, TooManyConnectionsError
from chalicelib.ports import Connections, Identity, JobQueue, Session, Sessions
from chalicelib.protocol.pushes import encode_notice
from chalicelib.services.fanout import JobBuilder, encode_jobs
from chalicelib.settings import Tier
from chalicelib.telemetry import metrics

log = structlog.get_logger()

# Records outlive the gateway's two hours by ten minutes; the end is announced five minutes before.
SLACK_S = 600
NOTICE_S = 300


class ManageSessions:
    """Open and end connections.

    Guarantees: never more connections a user than its tier allows, counting none that the gateway no longer knows;
    ending one twice, or one never opened, is harmless.
    """

    def __init__(
        self,
        *,
        sessions: Sessions,
        connections: Callable[[], Connections],
        tiers: Mapping[str, Tier],
        jobs: JobQueue,
        connection_seconds: int,
        now: Callable[[], datetime],
    ) -> None:
        self._sessions = sessions
        self._connections = connections
        self._tiers = tiers
        self._jobs = jobs
        self._connection_seconds = connection_seconds
        self._now = now

    def open(self, connection: str, identity: Identity) -> Session:
        """Raises TooManyConnectionsError (429) or StoreDownError."""
        session = self._session(identity)
        limit = self._tiers[identity.tier].connections
        holders = self._sessions.open(connection, session, limit)
        if holders is not None and self._evict(holders):
            holders = self._sessions.open(connection, session, limit)
        if holders is not None:
            metrics.count("ConnectionsRefused")
            raise TooManyConnectionsError(f"this key has its {limit} connections", retry_after=60)
        metrics.count("ConnectionsOpened")
        return session

    def _session(self, identity: Identity) -> Session:
        ends_ms = int((self._now().timestamp() + self._connection_seconds) * 1000)
        return Session(identity.user, identity.tier, min(identity.session_ms, ends_ms), ends_ms)

    def _evict(self, holders: Sequence[str]) -> int:
        """Forget those of which the gateway says that they are gone."""
        alive = self._connections().alive(holders)
        gone = [holder for holder, living in zip(holders, alive, strict=True) if not living]
        return self._sessions.forget(gone) if gone else 0

    def end(self, connections: Sequence[str]) -> None:
        """Raises StoreDownError."""
        known = self._sessions.forget(connections)
        metrics.count("ConnectionsEnded", known)

    def count_active(self) -> None:
        """Measure what is open now. Raises StoreDownError."""
        active = self._sessions.active()
        metrics.record("ActiveConnections", active.connections)
        metrics.record("ActiveSubscriptions", active.subscriptions)

    def announce_endings(self) -> int:
        """Tell connections that are about to reach their age limit to reconnect; returns how many.

        At least once each. Raises StoreDownError.
        """
        before_ms = int((self._now().timestamp() + SLACK_S + NOTICE_S) * 1000)
        ending = self._sessions.ending(before_ms)
        if not ending:
            return 0
        text = "this connection reaches its two-hour limit in 5 minutes: reconnect and resume"
        notice = encode_notice("going_away", text, self._now())
        builder = JobBuilder(frame_bytes=32_768, posts_per_job=500)
        for start in range(0, len(ending), 500):
            builder.add_message(notice, ending[start : start + 500])
        if self._jobs.send(encode_jobs(builder.jobs)):
            raise StoreDownError("the deliveries queue did not take every notice")
        self._sessions.announced(ending)
        return len(ending)
