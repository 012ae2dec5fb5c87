"""Answering queries: from what is kept, by one of those who ask, and as of before when the database is down."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from chalicelib.errors import BadQueryError, QueryTooSlowError, StoreDownError, TooManyQueriesError
from chalicelib.ports import Found, Rows
from chalicelib.protocol.planning import QueryLimits
from chalicelib.services.queries import AnswerQuery
from tests.fake_results import FakeAnswers, FakeQueries
from tests.fakes import FakeClock

QUERY = b'{"from":"latest","select":["topic","value","observed_at","chains"],"limit":1}'
AT = datetime(2026, 11, 23, 1, 2, 3, 450_000, tzinfo=UTC)
ROW = ("price:ethereum", Decimal("3021.220"), AT, ["Base"])
DOWN, SLOW = StoreDownError("PostgreSQL is down"), QueryTooSlowError("ended")


class Rig:
    """The service on fakes. It sleeps by moving the clock; ``while_asleep`` is what others do meanwhile."""

    def __init__(self) -> None:
        self.clock, tokens = FakeClock(), count()
        self.answers = FakeAnswers(self.clock)
        self.queries = FakeQueries(Rows([ROW]))
        self.while_asleep: Any = lambda: None
        self.service = AnswerQuery(
            queries=self.queries,
            results=self.answers,
            now=self.clock,
            token=lambda: str(next(tokens)),
            limits=QueryLimits(),
            timeout_s=5,
            wait_s=3,
            monotonic=lambda: self.clock().timestamp(),
            sleep=self.sleep,
        )

    def sleep(self, seconds: float) -> None:
        self.clock.forward(seconds=seconds)
        self.while_asleep()

    def ask(self, body: bytes = QUERY, party: str = "u") -> Any:
        return self.service.run(body, party=party)

    def news(self) -> None:
        """Data has come, and a while has passed."""
        self.answers.arrived(["price:ethereum"])
        self.clock.forward(seconds=5)

    def is_being_made(self) -> None:
        """Somebody else has begun to make the answer."""
        find = self.answers.find
        self.answers.find = lambda *given, **named: find(*given, **{**named, "owner": "somebody"})
        self.queries.error = KeyboardInterrupt()  # and neither ends it nor gives it up
        give_up, self.answers.give_up = self.answers.give_up, lambda *_, **__: None
        with pytest.raises(KeyboardInterrupt):
            self.ask()
        self.answers.find, self.answers.give_up, self.queries.error = find, give_up, None
        self.queries.asked.clear()


@pytest.fixture
def rig():
    return Rig()


def test_an_answer_has_columns_and_rows_by_name(rig):
    assert json.loads(rig.ask().body) == {
        "columns": [
            {"name": "topic", "kind": "text"},
            {"name": "value", "kind": "number"},
            {"name": "observed_at", "kind": "time"},
            {"name": "chains", "kind": "list"},
        ],
        "rows": [
            {
                "topic": "price:ethereum",
                "value": "3021.22",
                "observed_at": "2026-11-23T01:02:03.450000Z",
                "chains": ["Base"],
            }
        ],
        "next": None,
        "truncated": False,
    }


def test_more_rows_have_a_cursor_that_leads_to_them(rig):
    rig.queries.rows = Rows([ROW], more=True, ends=[7])
    cursor = json.loads(rig.ask().body)["next"]
    rig.ask(QUERY[:-1] + b',"cursor":"%s"}' % cursor.encode())
    assert rig.queries.asked[-1].after == (7,)


def test_more_groups_are_told_of(rig):
    rig.queries.rows = Rows([(3,)], more=True)
    body = json.loads(rig.ask(b'{"from":"latest","select":[{"fn":"count"}],"group_by":["kind"],"limit":1}').body)
    assert (body["truncated"], body["next"], body["rows"]) == (True, None, [{"count": 3}])


def test_an_equal_question_is_answered_from_what_is_kept(rig):
    first = rig.ask()
    again = rig.ask(b' {"limit":1, "select":["topic","value","observed_at","chains"], "from":"latest"}', party="other")
    assert (again, len(rig.queries.asked)) == (first, 1)


def test_news_is_asked_for(rig):
    rig.ask()
    rig.news()
    rig.queries.rows = Rows([])
    assert json.loads(rig.ask().body)["rows"] == []


def test_while_the_database_is_down_the_last_answer_is_given_and_marked(rig):
    first = rig.ask()
    rig.news()
    rig.queries.error = DOWN
    old = rig.ask()
    assert (old.body, old.made_ms, old.stale) == (first.body, first.made_ms, True)


def test_a_database_that_is_down_is_not_asked_again_at_once(rig):
    rig.ask()
    rig.news()
    rig.queries.error = DOWN
    for _ in range(5):
        assert rig.ask().stale
    assert len(rig.queries.asked) == 2


def test_a_database_that_hangs_is_left_alone_for_as_long_as_it_was_waited_for(rig):
    rig.ask()
    rig.news()
    rig.queries.error, rig.queries.during = DOWN, lambda: rig.clock.forward(seconds=7)
    rig.ask()
    asked = len(rig.queries.asked)
    rig.clock.forward(seconds=6)
    assert rig.ask().stale
    assert len(rig.queries.asked) == asked
    rig.clock.forward(seconds=2)
    rig.ask()
    assert len(rig.queries.asked) == asked + 1


def test_a_database_that_is_back_is_asked(rig):
    rig.ask()
    rig.news()
    rig.queries.error = DOWN
    rig.ask()
    rig.clock.forward(seconds=2)
    rig.queries.error = None
    assert not rig.ask().stale


def test_without_an_earlier_answer_the_database_is_down(rig):
    rig.queries.error = DOWN
    with pytest.raises(StoreDownError):
        rig.ask()


def test_who_comes_while_an_answer_is_made_waits_for_it(rig):
    rig.is_being_made()
    found = Found("make", None, "0")

    def done() -> None:
        made_ms = int(rig.clock().timestamp() * 1000)
        rig.answers.keep(key, "{}", owner="somebody", version=found.version, made_ms=made_ms)

    (key,) = rig.answers._leases
    rig.while_asleep = done
    assert rig.ask().body == "{}"
    assert rig.queries.asked == []


def test_who_has_waited_too_long_is_told_to_come_again(rig):
    rig.is_being_made()
    began = rig.clock()
    with pytest.raises(TooManyQueriesError) as refused:
        rig.ask()
    assert refused.value.retry_after == 1
    assert 3 <= (rig.clock() - began).total_seconds() < 4


def test_who_has_waited_too_long_gets_the_last_answer_if_there_is_one(rig):
    rig.ask()
    rig.news()
    rig.is_being_made()
    assert rig.ask().stale


def test_a_maker_that_died_is_replaced(rig):
    rig.is_being_made()
    rig.clock.forward(seconds=12)
    assert json.loads(rig.ask().body)["rows"]


@pytest.mark.parametrize("error", [SLOW, ValueError("a mistake of ours")])
def test_a_maker_that_fails_leaves_it_to_the_next(rig, error):
    rig.queries.error = error
    with pytest.raises(type(error)):
        rig.ask()
    rig.queries.error = None
    assert json.loads(rig.ask().body)["rows"]


def test_a_party_that_has_its_places_waits_and_another_does_not(rig):
    for key in ("x", "y"):
        rig.answers.find(key, ["*"], owner="o", party="greedy", lease_ms=60_000)
    assert rig.ask(party="modest")
    rig.news()
    with pytest.raises(TooManyQueriesError):
        rig.ask(party="greedy")
    rig.while_asleep = lambda: rig.answers.give_up("x", owner="o")
    assert rig.ask(party="greedy")


def test_a_query_that_failed_gives_its_place_back(rig):
    rig.queries.error = SLOW
    for _ in range(5):
        with pytest.raises(QueryTooSlowError):
            rig.ask()


def test_while_redis_is_down_the_database_is_asked(rig):
    rig.answers.down = True
    assert json.loads(rig.ask().body)["rows"]


def test_an_answer_that_cannot_be_kept_is_given(rig):
    def fall() -> None:
        rig.answers.down = True

    rig.queries.during = fall
    assert json.loads(rig.ask().body)["rows"]


def test_what_is_no_query_asks_nobody(rig):
    with pytest.raises(BadQueryError):
        rig.ask(b"{}")
    assert rig.queries.asked == []


@pytest.mark.parametrize("name", ["x" * 500, '"' * 250, "é" * 84])
def test_an_answer_that_lambda_could_not_give_back_is_refused(rig, name):
    rig.queries.rows = Rows([(name, *ROW[1:])] * 20_000)
    for _ in range(5):  # and gives its place back
        with pytest.raises(BadQueryError) as refused:
            rig.ask()
    assert refused.value.pointer == "/limit"


def test_it_is_counted_how_queries_were_answered(rig, emf):
    from chalicelib.telemetry import metrics

    with metrics.invocation():
        rig.ask()
        rig.ask()
        rig.news()
        rig.queries.error = DOWN
        rig.ask()
        rig.clock.forward(seconds=2)
        rig.queries.error = SLOW
        with pytest.raises(QueryTooSlowError):
            rig.ask()
    (line,) = emf()
    told = {name: line[name] for name in ("QueryHits", "QueryMisses", "QueriesStale", "QueriesTooSlow")}
    assert told == {"QueryHits": [1], "QueryMisses": [3], "QueriesStale": [1], "QueriesTooSlow": [1]}
    assert len(line["QueryDuration"]) == 1
