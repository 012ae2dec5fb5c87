"""Connections: opened within their owner's limit, ended once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import structlog

from chalicelib.errors import TooManyConnectionsError
from chalicelib.ports import Connections, Identity, Session, Sessions
from chalicelib.settings import Tier
from chalicelib.telemetry import metrics

log = structlog.get_logger()


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
        connection_seconds: int,
        now: Callable[[], datetime],
    ) -> None:
        self._sessions = sessions
        self._connections = connections
        self._tiers = tiers
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
            raise TooManyConnectionsError(f"this key has its {limit} connections", retry_after=60)
        metrics.count("ConnectionsOpened", 1)
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
