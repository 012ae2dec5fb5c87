"""ports.Queries on a real PostgreSQL: what a query means is what plain Python makes of it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from chalicelib.adapters.postgres.queries import PostgresQueries
from chalicelib.adapters.postgres.session import READS, PostgresSession
from chalicelib.adapters.schema import AlembicSchema
from chalicelib.domain.tables import TABLES
from chalicelib.errors import QueryTooSlowError, StoreDownError
from chalicelib.protocol.planning import QueryLimits, plan_of
from chalicelib.protocol.query import decode_query
from chalicelib.services.answers import answer_body
from localcloud.processes import free_port
from localcloud.stores import PostgresServer
from tests.contract.databases import Database, empty_database
from tests.contract.query_reference import answer
from tests.contract.query_rows import NOW, insert, make_rows
from tests.contract.query_strategies import queries as any_query
from tests.contract.query_strategies import read

ROWS = make_rows(20261123)
LIMITS = QueryLimits(groups=50_000)  # a row each at most, even in buckets of a minute
ALL = {"field": "observed_at", "op": "between", "value": ["2026-10-25T00:00:00Z", "2026-11-20T00:00:00Z"]}


@pytest.fixture(scope="module")
def filled(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with empty_database(postgres_server, "queries", Path(tmp_path_factory.mktemp("queries"))) as database:
        schema = AlembicSchema(database.postgres())
        schema.upgrade(schema.head(), deadline=time.monotonic() + 60)
        insert(database, ROWS)
        yield database


def session(database: Database, **changes: Any) -> PostgresSession:
    where = {"host": "127.0.0.1", "port": database.server.port, "name": database.name, "sslmode": "disable"}
    usual = {**where, "user": "defi_stream_reader", "application": "api", "settings": READS}
    return PostgresSession(**{**usual, **changes})


@pytest.fixture(scope="module")
def queries(filled: Database) -> PostgresQueries:
    return PostgresQueries(session(filled))


def ask(queries: PostgresQueries, query: dict[str, Any]) -> dict[str, Any]:
    """The body of one page's answer, its values as rows hold them."""
    plan = plan_of(decode_query(msgspec.json.encode(query)), now=NOW, limits=LIMITS)
    body = json.loads(answer_body(plan, queries.run(plan)))
    kinds = {column["name"]: column["kind"] for column in body["columns"]}
    body["rows"] = [{name: read(value, kinds[name]) for name, value in row.items()} for row in body["rows"]]
    return body


def expected(query: dict[str, Any]) -> list[dict[str, Any]]:
    table = TABLES[query["from"]]
    return answer(query, ROWS[table.name], key=table.key, time=table.time)


def alike(mine: Any, theirs: Any) -> bool:
    """Equal; to fifteen places where a division or a root was made."""
    if isinstance(mine, Decimal) and isinstance(theirs, Decimal | int):
        return abs(mine - theirs) <= max(abs(mine), Decimal("1e-15")) * Decimal("1e-14")
    return bool(mine == theirs)


@pytest.mark.timeout(600)
@given(query=any_query())
@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_query_gives_what_plain_python_gives(queries, query):
    page, wanted = ask(queries, query), expected(query)
    shown = wanted[: query["limit"]]
    assert len(page["rows"]) == len(shown)
    for mine, theirs in zip(page["rows"], shown, strict=True):
        assert mine.keys() == theirs.keys()
        assert all(alike(mine[name], theirs[name]) for name in mine), (mine, theirs)
    is_cut = len(wanted) > query["limit"]
    assert (page["next"] is not None or page["truncated"]) == is_cut


@given(query=any_query().filter(lambda query: "group_by" not in query))
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
def test_pages_of_any_query_are_its_whole_answer_in_order(queries, query):
    query["limit"] = 7
    paged: list[dict[str, Any]] = []
    while True:
        page = ask(queries, query)
        paged += page["rows"]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert paged == expected(query)


ORDERS = {
    "an index's way": [{"field": "observed_at", "dir": "desc"}],
    "both ways": [{"field": "value", "dir": "desc"}, {"field": "observed_at", "dir": "asc"}],
    "by what may be missing": [{"field": "confidence", "dir": "desc"}, {"field": "value", "dir": "asc"}],
    "by a text": [{"field": "source", "dir": "asc"}],
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_a_cursor_continues_whatever_the_order(queries, order):
    query = {
        "from": "observations",
        "select": ["id", "confidence", "value"],
        "where": ALL,
        "order_by": order,
        "limit": 11,
    }
    seen = []
    while True:
        page = ask(queries, query)
        seen += page["rows"]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert len(seen) == len(ROWS["observations"])
    assert seen == expected(query)


def test_rows_that_come_while_pages_are_read_move_none_of_the_others(queries, filled):
    query = {"from": "latest", "select": ["topic"], "order_by": [{"field": "topic"}], "limit": 3}
    first = ask(queries, query)
    filled.query(
        "INSERT INTO history.entities (id, topic, kind, name, first_seen, last_seen)"
        " OVERRIDING SYSTEM VALUE VALUES (99, 'a', 'a', 'a', now(), now());"
        "INSERT INTO history.latest (entity_id, observed_at, id, value) VALUES (99, now(), 'x', 1)"
    )
    try:
        second = ask(queries, {**query, "cursor": first["next"]})
    finally:
        filled.query("DELETE FROM history.latest WHERE entity_id = 99; DELETE FROM history.entities WHERE id = 99")
    assert [*first["rows"], *second["rows"]] == expected(query)[:6]


INJECTIONS = [
    "'; DROP TABLE history.entities; --",
    "x' OR '1'='1",
    '"',
    "%(c0)s",
    "%s",
    "$1",
    "\\'",
    "\N{RIGHT SINGLE QUOTATION MARK}",
]


@pytest.mark.parametrize("text", INJECTIONS)
def test_what_a_client_sends_is_a_value_and_nothing_else(queries, text):
    for op, value in (("eq", text), ("in", [text, "b"]), ("gte", text), ("like", text + "%")):
        query = {"from": "latest", "select": ["topic"], "where": {"field": "name", "op": op, "value": value}}
        assert [row["topic"] for row in ask(queries, query)["rows"]] == [row["topic"] for row in expected(query)]


def test_an_average_orders_groups(queries):
    item = {"fn": "avg", "field": "value", "as": "mean"}
    query = {"from": "observations", "select": ["topic", item], "group_by": ["topic"], "where": ALL}
    means = [row["mean"] for row in ask(queries, {**query, "order_by": [{"field": "mean", "dir": "desc"}]})["rows"]]
    assert means == sorted(means, reverse=True)
    assert len(means) == len({row["topic"] for row in ROWS["observations"]})


@contextmanager
def many_latest(filled: Database, times: str) -> Iterator[None]:
    """The table of the newest, times another."""
    filled.query("ALTER TABLE history.latest RENAME TO kept")
    filled.query(f"CREATE VIEW history.latest AS SELECT kept.* FROM history.kept, {times}")
    filled.query("GRANT SELECT ON history.latest TO defi_stream_reader")
    try:
        yield
    finally:
        filled.query("DROP VIEW history.latest; ALTER TABLE history.kept RENAME TO latest")


def test_the_database_ends_what_takes_too_long(queries, filled):
    with many_latest(filled, "pg_sleep(30)"), pytest.raises(QueryTooSlowError, match="ask for fewer"):
        ask(PostgresQueries(session(filled, timeout_ms=50)), {"from": "latest", "select": ["value"]})
    assert ask(queries, {"from": "latest", "select": ["value"]})["rows"]


def test_a_database_that_cannot_be_reached_is_down(filled):
    nowhere = PostgresQueries(session(filled, port=free_port()))
    with pytest.raises(StoreDownError):
        ask(nowhere, {"from": "latest", "select": ["value"]})


def test_what_does_not_fit_on_the_disk_is_ended(filled):
    """A sort that memory does not hold goes to the disk, which is everybody's."""
    filled.query("ALTER ROLE defi_stream_reader SET temp_file_limit = '64kB'")
    try:
        query = {"from": "latest", "select": [{"fn": "percentile", "field": "value", "p": 0.5}]}
        with (
            many_latest(filled, "generate_series(1, 20000)"),
            pytest.raises(QueryTooSlowError, match="more than the database has room for: ask for fewer"),
        ):
            ask(PostgresQueries(session(filled, settings={**READS, "work_mem": "64kB"})), query)
    finally:
        filled.query("ALTER ROLE defi_stream_reader RESET temp_file_limit")


def test_a_server_that_hangs_is_not_waited_for(filled, monkeypatch):
    """It is there, so TCP is content; it does not even end the statement."""
    monkeypatch.setattr("chalicelib.adapters.postgres.session._SPARE_S", 0.1)
    mine = session(filled, application="hung", timeout_ms=50)
    asked, query = PostgresQueries(mine), {"from": "latest", "select": ["value"]}
    first = ask(asked, query)
    ((pid,),) = filled.query("SELECT pid FROM pg_stat_activity WHERE application_name = 'hung'")
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(StoreDownError, match=r"no answer within 0\.15 s"):
            ask(asked, query)
        assert ask(asked, query) == first, "another connection is made, which is served by another process"
    finally:
        os.kill(pid, signal.SIGCONT)
    mine.close()


def test_who_reads_may_not_have_every_connection(filled):
    """The others are for what records, keeps and changes."""
    ((limit,),) = filled.query("SELECT rolconnlimit FROM pg_roles WHERE rolname = 'defi_stream_reader'")
    filled.query("ALTER ROLE defi_stream_reader CONNECTION LIMIT 0")
    try:
        with pytest.raises(StoreDownError, match="too many connections for role"):
            ask(PostgresQueries(session(filled)), {"from": "latest", "select": ["value"]})
        assert session(filled, user="defi_stream").read("query", b"SELECT 1", {}) == [(1,)]
    finally:
        filled.query(f"ALTER ROLE defi_stream_reader CONNECTION LIMIT {limit}")


@pytest.mark.parametrize(
    "statement",
    [
        b"UPDATE history.latest SET value = 0 RETURNING value",
        b"SELECT history.drop_retired('2 days')",
        b"CREATE TABLE history.t (n int)",
    ],
)
def test_who_reads_may_not_write_even_in_a_session_that_could(filled, statement):
    with pytest.raises(StoreDownError, match="permission denied"):
        session(filled, settings={}).read("query", statement, {})


def test_a_query_changes_nothing(filled):
    """Were a statement ever another than was meant: who reads may only read."""
    with pytest.raises(StoreDownError, match="read-only"):
        session(filled).read("query", b"DELETE FROM history.latest RETURNING value", {})


def test_a_connection_that_was_lost_is_replaced(filled):
    """Its server ends it between two queries, as a restart does; nobody is told."""
    mine = session(filled, application="lost")
    asked = PostgresQueries(mine)
    first = ask(asked, {"from": "latest", "select": ["value"]})
    filled.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'lost'")
    assert ask(asked, {"from": "latest", "select": ["value"]}) == first
    mine.close()
