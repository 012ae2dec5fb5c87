"""ports.HistoryWriter on PostgreSQL: three statements a batch, however many topics and intervals it touches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import psycopg

from chalicelib.adapters.postgres.months import OpenMonth, PostgresMonths
from chalicelib.adapters.postgres.recording import ADD_TOPICS, FIND_TOPICS, LOCK_TOPICS, RECORD
from chalicelib.adapters.postgres.session import ENDED, PostgresSession
from chalicelib.domain.observations import Observation, plain
from chalicelib.domain.topics import kind_of
from chalicelib.errors import PoisonError, StoreDownError
from chalicelib.ports import Recorded

SEPARATOR = "\x1f"  # between chains: an array of arrays would have to be a rectangle
TOPICS_KEPT = 100_000  # ids remembered by a process: some 15 MB


class PostgresHistoryWriter:
    """ports.HistoryWriter.

    Guarantees: candles and the newest values are exactly those of the observations kept, whatever their order, and
    however many workers record at once: whoever records a topic holds its row until the end, and takes the rows of
    several in the order of their ids, so that no two wait for each other.
    """

    def __init__(self, session: PostgresSession, months: PostgresMonths) -> None:
        self._session = session
        self._months = months
        self._ids: dict[str, int] = {}

    def record(self, observations: Sequence[Observation]) -> Recorded:
        distinct = list({(seen.topic, seen.id): seen for seen in observations}.values())
        repeated = len(observations) - len(distinct)
        try:
            try:
                return self._record(distinct, repeated)
            except psycopg.errors.CheckViolation:  # no partition: a month was retired meanwhile
                self._forget()
                return self._record(distinct, repeated)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            raise PoisonError(f"PostgreSQL refuses it: {error.diag.message_primary or error}") from error
        except ENDED as error:
            raise StoreDownError("PostgreSQL took too long") from error

    def _record(self, observations: Sequence[Observation], repeated: int) -> Recorded:
        months = self._months.of(month_of(seen.observed_at) for seen in observations)
        kept = [seen for seen in observations if months[month_of(seen.observed_at)].has_observations]
        expired = len(observations) - len(kept)
        if not kept:
            return Recorded(known=repeated, expired=expired)
        ids = self._topic_ids(kept)
        kept.sort(key=lambda seen: (ids[seen.topic], seen.observed_at))
        with self._session.transaction("record") as connection:
            wanted = sorted({ids[seen.topic] for seen in kept})
            if connection.execute(LOCK_TOPICS, (wanted,)).rowcount != len(wanted):
                self._forget()
                raise StoreDownError("the database is not the one that it was: topics are gone")
            row = connection.execute(RECORD, _columns(kept, ids, months)).fetchone()
        new = int(row[0]) if row else 0
        return Recorded(new, repeated + len(kept) - new, expired)

    def _topic_ids(self, observations: Iterable[Observation]) -> Mapping[str, int]:
        newest = {seen.topic: seen for seen in sorted(observations, key=lambda seen: seen.observed_at)}
        unknown = [topic for topic in sorted(newest) if topic not in self._ids]
        if unknown:
            # Apart from the rest: an id that is remembered must not belong to a row that was rolled back.
            with self._session.transaction("topics") as connection:
                found: dict[str, int] = dict(connection.execute(FIND_TOPICS, (unknown,)).fetchall())
                # Looked for first: whoever tries to add a row takes a number for it, and numbers do not come back.
                added = [topic for topic in unknown if topic not in found]
                if added:
                    connection.execute(ADD_TOPICS, _described([newest[topic] for topic in added]))
                    found.update(connection.execute(FIND_TOPICS, (added,)).fetchall())
            if len(self._ids) > TOPICS_KEPT:
                self._ids.clear()
            self._ids.update(found)
        return self._ids

    def _forget(self) -> None:
        self._ids.clear()
        self._months.forget()


def month_of(at: datetime) -> date:
    """The first day of its month in UTC."""
    return date(at.year, at.month, 1)


def _columns(
    observations: Sequence[Observation], ids: Mapping[str, int], months: Mapping[date, OpenMonth]
) -> dict[str, Any]:
    return {
        "entity_ids": [ids[seen.topic] for seen in observations],
        "times": [seen.observed_at for seen in observations],
        "ids": [seen.id for seen in observations],
        "values": [plain(seen.value) for seen in observations],
        "confidences": [None if seen.confidence is None else plain(seen.confidence) for seen in observations],
        "sources": [seen.source for seen in observations],
        "categories": [seen.category for seen in observations],
        "chains": [SEPARATOR.join(seen.chains) for seen in observations],
        "fine": [months[month_of(seen.observed_at)].has_fine_candles for seen in observations],
    }


def _described(observations: Sequence[Observation]) -> dict[str, Any]:
    return {
        "topics": [seen.topic for seen in observations],
        "kinds": [kind_of(seen.topic) for seen in observations],
        "names": [seen.topic.rpartition(":")[2] for seen in observations],
        "categories": [seen.category for seen in observations],
        "chains": [SEPARATOR.join(seen.chains) for seen in observations],
        "sources": [seen.source for seen in observations],
        "times": [seen.observed_at for seen in observations],
    }
