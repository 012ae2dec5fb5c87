"""ports.Queries on PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import errors

from chalicelib.adapters.postgres.statements import Statement, statement_of
from chalicelib.errors import QueryTooSlowError
from chalicelib.ports.queries import Rows

if TYPE_CHECKING:
    from chalicelib.adapters.postgres.session import PostgresSession
    from chalicelib.domain.plans import Plan


class PostgresQueries:
    """ports.Queries, on a session for reads: its timeout is the queries'."""

    def __init__(self, session: PostgresSession) -> None:
        self._session = session

    def run(self, plan: Plan) -> Rows:
        statement = statement_of(plan)
        try:
            rows = self._session.read("query", statement.text.encode(), statement.parameters, numbers_as_text=True)
        except errors.QueryCanceled as error:
            raise QueryTooSlowError("it took too long: ask for fewer days or topics, or for wider buckets") from error
        except errors.ConfigurationLimitExceeded as error:
            told = "it sorts or groups more than the database has room for: ask for fewer days, topics or columns"
            raise QueryTooSlowError(told) from error
        return _page(plan, statement, rows)


def _page(plan: Plan, statement: Statement, rows: list[tuple[object, ...]]) -> Rows:
    width, more = len(plan.outputs), len(rows) > plan.limit
    page = rows[: plan.limit]
    ends = [page[-1][place] for place in statement.ends] if more and not plan.is_aggregated else None
    is_wider = statement.width > width
    return Rows([row[:width] for row in page] if is_wider else page, more, ends)
