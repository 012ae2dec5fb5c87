"""Many who ask at once, as as many functions would, on a real PostgreSQL and a real Redis."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.postgres.queries import PostgresQueries
from chalicelib.adapters.postgres.session import READS, PostgresSession
from chalicelib.adapters.redis.client import Redis
from chalicelib.adapters.redis.results import RedisDataVersions, RedisResults
from chalicelib.adapters.schema import AlembicSchema
from chalicelib.errors import TooManyQueriesError
from chalicelib.protocol.planning import QueryLimits
from chalicelib.services.queries import AnswerQuery
from localcloud.stores import PostgresServer
from tests.conftest import running
from tests.contract.databases import Database, empty_database
from tests.contract.query_rows import insert, make_rows
from tests.functions_user import as_functions_user

MB = 1024 * 1024
LIGHT = b'{"from":"latest","select":["topic","value"],"limit":%d}'
# A table that takes its time: the view of chains is made slow below.
HEAVY = b'{"from":"chains","select":["topic","tvl"],"limit":%d}'


class Counting:
    """ports.Queries: how many are under way, and the most there ever were, by table."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.now: dict[str, int] = {}
        self.most: dict[str, int] = {}
        self.asked = 0
        self.is_busy = threading.Event()

    def around(self, queries: Any) -> Any:
        outer = self

        class Counted:
            def run(self, plan: Any) -> Any:
                outer._move(plan.table.name, 1)
                try:
                    return queries.run(plan)
                finally:
                    outer._move(plan.table.name, -1)

        return Counted()

    def _move(self, table: str, by: int) -> None:
        with self._lock:
            self.asked += by > 0
            self.now[table] = self.now.get(table, 0) + by
            self.most[table] = max(self.most.get(table, 0), self.now[table])
            if self.now[table] == 2:
                self.is_busy.set()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    server = PostgresServer()
    with running(server), empty_database(server, "together", Path(tmp_path_factory.mktemp("together"))) as database:
        schema = AlembicSchema(database.postgres())
        schema.upgrade(schema.head(), deadline=time.monotonic() + 60)
        insert(database, make_rows(1))
        database.query(
            "CREATE OR REPLACE VIEW history.chains AS SELECT id AS entity_id, topic, name AS chain, 1::numeric AS tvl,"
            " NULL::numeric AS previous_tvl, now() AS updated FROM history.entities,"
            " (SELECT pg_sleep(0.5)) AS slow WHERE id = 1"
        )
        yield database


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
def function(filled: Database, redis_url: str, counting: Counting) -> Callable[..., AnswerQuery]:
    """Makes the service of one more function, with connections of its own."""
    url = as_functions_user(redis_url)

    def now() -> datetime:
        return datetime.now(UTC)

    def make(**changes: Any) -> AnswerQuery:
        where = {"host": "127.0.0.1", "port": filled.server.port, "name": filled.name, "sslmode": "disable"}
        session = PostgresSession(**where, user="defi_stream_reader", application="api", settings=READS)
        places = {"of_party": 2, "of_all": 12, "of_nobody": 8}
        times = {"fresh_ms": -1, "life_ms": 60_000, "stale_ms": 3600_000}
        usual = {
            "queries": counting.around(PostgresQueries(session)),
            "results": RedisResults(Redis(url), now=now, **times, answer_bytes=MB, budget_bytes=MB, **places),
            "now": now,
            "token": lambda: uuid4().hex,
            "limits": QueryLimits(),
            "timeout_s": 20,
            "wait_s": 20,
        }
        return AnswerQuery(**{**usual, **changes})

    return make


def test_of_many_who_ask_the_same_one_asks_the_database(function, counting):
    """A stampede: all come before there is an answer."""
    crowd, together = [function() for _ in range(16)], threading.Barrier(16)

    def ask(service: AnswerQuery) -> str:
        together.wait()
        return service.run(HEAVY % 1, party=uuid4().hex).body

    with ThreadPoolExecutor(16) as threads:
        assert len(set(threads.map(ask, crowd))) == 1
    assert counting.asked == 1


def test_one_users_heavy_queries_leave_anothers_alone(function, counting):
    """However many one sends, two are worked on; what another asks meanwhile is answered at once."""
    with ThreadPoolExecutor(6) as threads:
        heavy = [threads.submit(function().run, HEAVY % (n + 1), party="greedy") for n in range(6)]
        assert counting.is_busy.wait(20)
        modest = function(wait_s=0.001)  # would be refused if it had to wait for a place
        for number in range(20):
            assert modest.run(LIGHT % (number + 1), party="modest").body
        assert not all(each.done() for each in heavy), "nothing was heavy: this test shows nothing"
        assert all(each.result().body for each in heavy)
    assert counting.most["chains"] == 2


def test_who_cannot_wait_longer_for_a_place_is_told_so(function, counting):
    with ThreadPoolExecutor(2) as threads:
        heavy = [threads.submit(function().run, HEAVY % (n + 1), party="greedy") for n in range(2)]
        assert counting.is_busy.wait(20)
        with pytest.raises(TooManyQueriesError):
            function(wait_s=0.001).run(LIGHT % 1, party="greedy")
        assert all(each.result().body for each in heavy)


def test_news_that_is_told_of_is_in_the_next_answer(function, filled, redis_url):
    service, versions = function(), RedisDataVersions(Redis(redis_url))
    query = b'{"from":"latest","select":["value"],"where":{"field":"topic","op":"eq","value":"peg:dai"}}'
    service.run(query, party="u")
    filled.query("UPDATE history.latest SET value = 0.987 WHERE entity_id = 8")
    versions.arrived(["peg:dai"])
    assert '"0.987"' in service.run(query, party="u").body
