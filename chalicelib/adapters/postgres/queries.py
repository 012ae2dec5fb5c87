"""ports.Queries on PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import errors

from chalicelib.adapters.postgres.statements import statement_of
from chalicelib.errors import QueryTooSlowError
from chalicelib.ports.queries import Rows

if TYPE_CHECKING:
    from chalicelib.adapters.postgres.session import PostgresSession
    from chalicelib.domain.plans import Plan

# One process of the server a query, and nothing compiled for it: what one costs is then the same however idle or busy
# the server is, and a heavy one does not take the cores of the others. Times come in UTC, as they are told.
_ALONE = b"SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL timezone = 'UTC'"


class PostgresQueries:
    """ports.Queries."""

    def __init__(self, session: PostgresSession) -> None:
        self._session = session

    def run(self, plan: Plan, *, timeout_ms: int) -> Rows:
        statement = statement_of(plan)
        try:
            with self._session.transaction("query", timeout_ms=timeout_ms, read_only=True) as connection:
                connection.execute(_ALONE)
                # Never prepared: a plan for values in general knows neither the months nor the topics asked for.
                cursor = connection.execute(statement.text.encode(), statement.parameters, prepare=False)
                rows = cursor.fetchall()
        except errors.QueryCanceled as error:
            raise QueryTooSlowError(
                f"ended after {timeout_ms / 1000:g} s: ask for fewer days or topics, or for wider buckets"
            ) from error
        return _page(plan, rows)


def _page(plan: Plan, rows: list[tuple[object, ...]]) -> Rows:
    width, more = len(plan.outputs), len(rows) > plan.limit
    page = rows[: plan.limit]
    ends = page[-1][width:] if more and not plan.is_aggregated else None
    return Rows([row[:width] for row in page], more, ends)
