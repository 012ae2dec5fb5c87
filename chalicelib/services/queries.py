"""Answer a query: from what was answered before if that is still true, else from the database."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import structlog

from chalicelib.domain.plans import Plan, digest, kind_of, scopes
from chalicelib.domain.tables import FieldKind
from chalicelib.errors import DefiStreamError, QueryTooSlowError, StoreDownError, TooManyQueriesError
from chalicelib.ports.queries import Found, Queries, QuerySlots, Results, Rows
from chalicelib.protocol.cursor import cursor_after
from chalicelib.protocol.planning import QueryLimits, plan_of
from chalicelib.protocol.query import decode_query
from chalicelib.protocol.values import TOLD
from chalicelib.telemetry import metrics

log = structlog.get_logger()

LEASE_SPARE_MS = 2000  # for what is neither waiting nor the database's work
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.01, 0.1
DOWN_S = 1.0  # so long a database that did not answer is not asked again where an old answer will do


@dataclass(frozen=True, slots=True)
class Answer:
    """``body`` is a JSON object with columns, rows, next and truncated; ``made_ms`` when it was true (Unix).

    ``stale``: newer data may have arrived since, but the database cannot be asked.
    """

    body: str
    made_ms: int
    stale: bool = False


class AnswerQuery:
    """Guarantees: an answer not marked stale holds all that had arrived, but for the last second's, when it was asked
    for; of equal questions at one time one is asked of the database; a party has at most its slots' queries under way,
    whatever it sends. While Redis is down every question is asked of the database.
    """

    def __init__(
        self,
        *,
        queries: Queries,
        results: Results,
        slots: QuerySlots,
        now: Callable[[], datetime],
        token: Callable[[], str],
        limits: QueryLimits,
        timeout_s: float,
        wait_s: float,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._queries, self._results, self._slots = queries, results, slots
        self._now, self._token, self._limits = now, token, limits
        self._timeout_ms = int(timeout_s * 1000)
        self._wait_s = wait_s
        self._lease_ms = self._timeout_ms + int(wait_s * 1000) + LEASE_SPARE_MS
        self._monotonic, self._sleep = monotonic, sleep
        self._down_until = 0.0

    def run(self, body: bytes, *, party: str) -> Answer:
        """Raises NotJsonError, TooLargeError or BadQueryError for what is no query of ours; QueryTooSlowError,
        TooManyQueriesError; StoreDownError if there is no earlier answer either.
        """
        plan = plan_of(decode_query(body), now=self._now(), limits=self._limits)
        key, owner = digest(plan), self._token()
        try:
            found = self._find(key, plan, owner)
        except StoreDownError:
            log.warning("answers_not_kept", exc_info=True)
            return self._ask(plan)
        if found.kept is not None:
            metrics.count("QueryHits")
            return Answer(found.kept.body, found.kept.made_ms)
        if found.state == "wait":
            return self._old(key, TooManyQueriesError("this query is being answered: ask again", retry_after=1))
        try:
            return self._make(key, plan, owner, found.version, party)
        except BaseException:
            self._give_up(key, owner)
            raise

    def _find(self, key: str, plan: Plan, owner: str) -> Found:
        """The answer, or the right to make it, or "wait" if neither came in time."""
        found = Found("wait")
        for _ in self._tries():
            found = self._results.find(key, scopes(plan), owner=owner, lease_ms=self._lease_ms)
            if found.state != "wait":
                break
        return found

    def _make(self, key: str, plan: Plan, owner: str, version: str, party: str) -> Answer:
        try:
            if self._monotonic() < self._down_until:
                raise StoreDownError("PostgreSQL did not answer a moment ago")
            with self._slot(party, owner):
                answer = self._ask(plan)
        except StoreDownError as error:
            old = self._old(key, error)
            self._give_up(key, owner)
            return old
        try:
            self._results.keep(key, answer.body, owner=owner, version=version, made_ms=answer.made_ms)
        except StoreDownError:
            log.warning("answers_not_kept", exc_info=True)
        return answer

    def _ask(self, plan: Plan) -> Answer:
        metrics.count("QueryMisses")
        made_ms, began = int(self._now().timestamp() * 1000), self._monotonic()
        try:
            rows = self._queries.run(plan, timeout_ms=self._timeout_ms)
        except QueryTooSlowError:
            metrics.count("QueriesTooSlow")
            raise
        except StoreDownError:
            self._down_until = self._monotonic() + DOWN_S
            raise
        metrics.record("QueryDuration", (self._monotonic() - began) * 1000)
        return Answer(answer_body(plan, rows), made_ms)

    def _old(self, key: str, error: DefiStreamError) -> Answer:
        """What was answered before, marked so. Raises ``error`` if there is nothing."""
        try:
            kept = self._results.stale(key)
        except StoreDownError:
            kept = None
        if kept is None:
            raise error
        metrics.count("QueriesStale")
        return Answer(kept.body, kept.made_ms, stale=True)

    @contextmanager
    def _slot(self, party: str, owner: str) -> Iterator[None]:
        """A place for one query of this party, waited for if need be. Raises TooManyQueriesError."""
        try:
            taken = any(self._slots.take(party, owner=owner, lease_ms=self._lease_ms) for _ in self._tries())
        except StoreDownError:
            yield
            return
        if not taken:
            raise TooManyQueriesError("too many queries are under way: wait for their answers", retry_after=1)
        try:
            yield
        finally:
            with suppress(StoreDownError):  # its lease ends by itself
                self._slots.give_back(party, owner=owner)

    def _give_up(self, key: str, owner: str) -> None:
        with suppress(StoreDownError):
            self._results.give_up(key, owner=owner)

    def _tries(self) -> Iterator[None]:
        """One at once, more at growing distances until the time for waiting is over."""
        until, pause_s = self._monotonic() + self._wait_s, FIRST_PAUSE_S
        yield
        while self._monotonic() < until:
            self._sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            yield


def answer_body(plan: Plan, rows: Rows) -> str:
    """``{"columns":[{"name","kind"}],"rows":[{name: value}],"next":cursor or null,"truncated":bool}``.

    ``truncated``: there are more groups than were asked for, and no cursor leads to them.
    """
    kinds = [(output.name, kind_of(output, plan.table)) for output in plan.outputs]
    body = {
        "columns": [{"name": name, "kind": kind} for name, kind in kinds],
        "rows": _named(kinds, rows.values),
        "next": None if rows.ends is None else cursor_after(plan, rows.ends),
        "truncated": rows.more and plan.is_aggregated,
    }
    return msgspec.json.encode(body).decode()


def _named(kinds: Sequence[tuple[str, FieldKind]], rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """Ten thousand rows are a page: what is decided of a column is decided once."""
    columns = [(name, TOLD.get(kind)) for name, kind in kinds]
    return [
        {
            name: value if tell is None or value is None else tell(value)
            for (name, tell), value in zip(columns, row, strict=True)
        }
        for row in rows
    ]
