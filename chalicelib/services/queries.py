"""Answer a query: from what was answered before if that is still true, else from the database."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from chalicelib.domain.plans import Plan, digest, scopes
from chalicelib.errors import BadQueryError, DefiStreamError, QueryTooSlowError, StoreDownError, TooManyQueriesError
from chalicelib.ports.queries import Found, Kept, Queries, Results
from chalicelib.protocol.planning import QueryLimits, plan_of
from chalicelib.protocol.query import decode_query
from chalicelib.services.answers import answer_body
from chalicelib.telemetry import metrics

log = structlog.get_logger()

LEASE_SPARE_MS = 7000  # to connect, to send and to encode: for what is not the statement itself
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.01, 0.1
# Lambda gives no more than 6 MiB back, in which an answer is a JSON string: quotes and letters beyond ASCII take more.
ANSWER_BYTES = 6_000_000
DOWN_S = 1.0  # so long, or as long as it took to fail, a database that did not answer is not asked again


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
    for; of equal questions at one time one is asked of the database; a party has at most its places' queries under way,
    whatever it sends, and all who are anonymous leave some to the others. While Redis is down every question is asked
    of the database.
    """

    def __init__(
        self,
        *,
        queries: Queries,
        results: Results,
        now: Callable[[], datetime],
        token: Callable[[], str],
        limits: QueryLimits,
        timeout_s: float,
        wait_s: float,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._queries, self._results = queries, results
        self._now, self._token, self._limits = now, token, limits
        self._wait_s = wait_s
        self._lease_ms = int(timeout_s * 1000) + LEASE_SPARE_MS
        self._monotonic, self._sleep = monotonic, sleep
        self._down_until = 0.0

    def run(self, body: bytes, *, party: str, is_anonymous: bool = False) -> Answer:
        """Raises NotJsonError, TooLargeError or BadQueryError for what is no query of ours; QueryTooSlowError,
        TooManyQueriesError; StoreDownError if there is no earlier answer either.
        """
        plan = plan_of(decode_query(body), now=self._now(), limits=self._limits)
        key, owner = digest(plan), self._token()
        try:
            found = self._find(key, plan, {"owner": owner, "party": party, "is_anonymous": is_anonymous})
        except StoreDownError:
            log.warning("answers_not_kept", exc_info=True)
            return self._ask(plan)
        match found:
            case Found(kept=Kept() as kept):
                metrics.count("QueryHits")
                return Answer(kept.body, kept.made_ms)
            case Found("wait"):
                return self._old(key, TooManyQueriesError("this query is being answered: ask again", retry_after=1))
            case Found("full"):
                raise TooManyQueriesError("too many queries are under way: wait for their answers", retry_after=1)
        try:
            return self._make(key, plan, owner, found.version)
        except BaseException:
            self._give_up(key, owner)
            raise

    def _find(self, key: str, plan: Plan, who: dict[str, Any]) -> Found:
        """The answer, or the right to make it, or why neither could be had in time."""
        until, pause_s = self._monotonic() + self._wait_s, FIRST_PAUSE_S
        while True:
            found = self._results.find(key, scopes(plan), lease_ms=self._lease_ms, **who)
            if found.state in ("fresh", "make") or self._monotonic() >= until:
                return found
            self._sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _make(self, key: str, plan: Plan, owner: str, version: str) -> Answer:
        try:
            if self._monotonic() < self._down_until:
                raise StoreDownError("PostgreSQL did not answer a moment ago")
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
            rows = self._queries.run(plan)
        except QueryTooSlowError:
            metrics.count("QueriesTooSlow")
            raise
        except StoreDownError:
            failed_at = self._monotonic()
            self._down_until = failed_at + max(DOWN_S, failed_at - began)
            raise
        metrics.record("QueryDuration", (self._monotonic() - began) * 1000)
        body = answer_body(plan, rows)
        if _is_too_large(body):
            raise BadQueryError("the answer is too large: ask for fewer rows or columns", pointer="/limit")
        return Answer(body, made_ms)

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

    def _give_up(self, key: str, owner: str) -> None:
        with suppress(StoreDownError):
            self._results.give_up(key, owner=owner)


def _is_too_large(body: str) -> bool:
    """A letter takes at most twelve bytes: most answers need not be measured."""
    return len(body) > ANSWER_BYTES // 12 and len(json.dumps(body)) > ANSWER_BYTES
