"""ports.Months on PostgreSQL, by the procedures of the schema's owner."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import psycopg

from chalicelib.adapters.postgres.patience import Row
from chalicelib.adapters.postgres.session import ENDED, PostgresSession
from chalicelib.errors import PoisonError, StoreDownError
from chalicelib.ports import MonthlyTable


@dataclass(frozen=True, slots=True)
class OpenMonth:
    """What of a month is kept."""

    has_observations: bool
    has_fine_candles: bool


class PostgresMonths:
    """ports.Months. What is open is remembered, for ``forget`` to forget."""

    def __init__(self, session: PostgresSession) -> None:
        self._session = session
        self._known: dict[date, OpenMonth] = {}

    def of(self, months: Iterable[date]) -> Mapping[date, OpenMonth]:
        """What these months have, opened if need be. Raises StoreDownError; PoisonError for one out of bounds."""
        unknown = sorted(set(months) - self._known.keys())
        if unknown:
            for month, *has in self._call("SELECT * FROM history.open_months(%s)", (unknown,)):
                self._known[month] = OpenMonth(*has)
        return self._known

    def open(self, months: Sequence[datetime]) -> None:
        self.of(date(at.year, at.month, 1) for at in months)

    def forget(self) -> None:
        self._known.clear()

    def retire(self, table: MonthlyTable, before: datetime) -> Sequence[str]:
        return [name for (name,) in self._call("SELECT history.retire_months(%s, %s)", (table, before.date()))]

    def drop_retired(self, grace: timedelta) -> Sequence[str]:
        return [name for (name,) in self._call("SELECT history.drop_retired(%s)", (grace,))]

    def _call(self, statement: str, values: Sequence[object]) -> list[Row]:
        try:
            with self._session.transaction("months") as connection:
                return connection.execute(statement.encode(), values).fetchall()
        except psycopg.errors.InvalidParameterValue as error:
            raise PoisonError(f"PostgreSQL refuses it: {error.diag.message_primary}") from error
        except ENDED as error:
            raise StoreDownError("PostgreSQL took too long") from error
