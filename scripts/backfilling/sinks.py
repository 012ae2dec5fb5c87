"""Where a backfill's observations go: the queue that ``record`` reads, or straight into a database of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from urllib.parse import urlsplit

from chalicelib.adapters.postgres.history import PostgresHistoryWriter
from chalicelib.adapters.postgres.months import PostgresMonths
from chalicelib.adapters.postgres.session import PostgresSession
from chalicelib.adapters.sqs import Queue
from chalicelib.domain.observations import Observation
from chalicelib.errors import StoreDownError
from chalicelib.protocol.envelopes import encode_observations

BATCH = 1000


class Sink(Protocol):
    def take(self, observations: Sequence[Observation]) -> None:
        """All of them, or StoreDownError."""
        ...


class QueueSink:
    """The way everything goes: recorded by ``record``, archived, and its dead letters looked at."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def take(self, observations: Sequence[Observation]) -> None:
        if refused := self._queue.send(list(encode_observations(observations))):
            raise StoreDownError(f"the history queue did not take {len(refused)} messages")


class DatabaseSink:
    """For a laptop and for benchmarks: some thousands a second, by the same statements."""

    def __init__(self, url: str) -> None:
        """Of the form postgresql://user@host:port/name; raises ValueError."""
        parts = urlsplit(url)
        if parts.scheme != "postgresql" or not parts.hostname or not parts.username or len(parts.path) < 2:
            raise ValueError(f"not of the form postgresql://user@host:port/name: {url}")
        session = PostgresSession(
            host=parts.hostname,
            port=parts.port or 5432,
            name=parts.path[1:],
            user=parts.username,
            sslmode="disable" if parts.hostname in ("127.0.0.1", "localhost", "::1") else "verify-full",
            application="backfill",
            password=(lambda: parts.password or "") if parts.password else None,
            timeout_ms=60_000,
        )
        self._writer = PostgresHistoryWriter(session, PostgresMonths(session))

    def take(self, observations: Sequence[Observation]) -> None:
        for start in range(0, len(observations), BATCH):
            self._writer.record(observations[start : start + BATCH])
