"""Snapshots, history, queries and the document."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from chalicelib.errors import BadQueryError, QueryTooSlowError, StoreDownError, TooManyQueriesError
from chalicelib.services.queries import Answer
from tests.fakes import seen
from tests.unit.services.socket_rig import API_KEY

ROUTE = "/v1/history/{topic}"


def history(invoke, topic="price:ethereum", **query):
    return invoke.rest("GET", f"/v1/history/{topic}", query, route=ROUTE)


def record(invoke, *minutes, topic="price:ethereum"):
    """One observation each so many minutes ago, its value the number of minutes."""
    now = invoke.rig.clock()
    invoke.container.history.record([seen(topic, str(ago), now - timedelta(minutes=ago)) for ago in minutes])


# --- snapshots ---


def test_a_snapshot_is_what_the_socket_would_send(invoke):
    invoke.rig.see("price:ethereum", "100", "101")
    status, _, body = invoke.rest("GET", "/v1/snapshot", {"topics": "price:ethereum,price:none"})
    (update,) = body["updates"]
    assert (status, body["missing"]) == (200, ["price:none"])
    assert (update["topic"], update["value"], update["offset"], update["prev"]) == ("price:ethereum", "101", 2, None)
    assert (update["snapshot"], update["change_pct"]) == (True, "1.0000")


@pytest.mark.parametrize(
    ("topics", "problem"),
    [
        ("price:*", (404, 2003)),
        ("price:a,,price:b", (404, 2003)),
        ("alerts:ann", (403, 2004)),
        ("price:a,price:b,price:c,price:d", (422, 2001)),
        ("", (400, 1004)),
        ("price:ä", (400, 1004)),
    ],
)
def test_a_snapshot_is_of_a_few_public_topics(invoke, topics, problem):
    status, _, body = invoke.rest("GET", "/v1/snapshot", {"topics": topics})
    assert (status, body["code"]) == problem


# --- history ---


def test_history_is_candles_with_its_gaps_named(invoke):
    record(invoke, 3, 2, 30)
    status, _, body = history(invoke, interval="1m", **{"from": "2026-11-23T01:29:00Z"})
    assert (status, body["interval"], body["next"]) == (200, "1m", None)
    assert [candle["start"][11:16] for candle in body["candles"]] == ["01:30", "01:57", "01:58"]
    assert [(gap["from"][11:16], gap["to"][11:16]) for gap in body["gaps"]] == [
        ("01:29", "01:30"),
        ("01:31", "01:57"),
        ("01:59", "02:00"),
    ]


def test_raw_history_is_every_observation(invoke):
    record(invoke, 3, 2)
    body = history(invoke, interval="raw")[2]
    assert [each["value"] for each in body["observations"]] == ["3", "2"]
    assert (body["interval"], "gaps" in body) == ("raw", False)


def test_a_percent_encoded_topic_is_the_topic(invoke):
    record(invoke, 3, topic="tvl:chain:Op Mainnet")
    assert history(invoke, "tvl%3Achain%3AOp%20Mainnet")[2]["topic"] == "tvl:chain:Op Mainnet"


def test_pages_follow_one_another(invoke):
    record(invoke, *range(1, 1500))
    pages, cursor = [], {}
    while True:
        body = history(invoke, interval="1m", **{"from": "2026-11-21T00:00:00Z", **cursor})[2]
        pages.append([candle["start"] for candle in body["candles"]])
        if body["next"] is None:
            break
        assert body["live"] is None
        cursor = {"cursor": body["next"]}
    starts = [start for page in pages for start in page]
    assert [len(page) for page in pages] == [1000, 499]
    assert starts == sorted(set(starts))


def test_the_live_stream_joins_at_what_history_has(invoke):
    invoke.rig.see("price:ethereum", "100", "101")
    invoke.container.history.record([seen("price:ethereum", "101", invoke.rig.clock())])
    place = invoke.rig.store.topics["price:ethereum"]
    assert history(invoke, to="2026-11-23T02:00:01Z")[2]["live"] == {"epoch": place.epoch, "offset": 2}
    assert history(invoke, to="2026-11-23T01:00:00Z")[2]["live"] is None


def test_history_without_redis_is_history(invoke):
    record(invoke, 3)
    invoke.rig.store.down = {"join"}
    status, _, body = history(invoke)
    assert (status, len(body["candles"]), body["live"]) == (200, 1, None)


def test_history_without_postgresql_is_a_temporary_problem(invoke):
    invoke.container.history.fails = [StoreDownError("PostgreSQL at db:5432 cannot be reached")]
    status, _, body = history(invoke)
    assert (status, body["code"], body["temporary"]) == (503, 5001, True)


@pytest.mark.parametrize(
    ("topic", "query", "problem"),
    [
        ("price:none", {}, (404, 2003)),
        ("price:*", {}, (404, 2003)),
        ("alerts:ann", {}, (403, 2004)),
        ("price:a%00", {}, (404, 2003)),
        ("price:ethereum", {"interval": "2m"}, (400, 1004)),
        ("price:ethereum", {"from": "yesterday"}, (400, 1004)),
        ("price:ethereum", {"from": "2026-11-23T02:00:00"}, (400, 1004)),
        ("price:ethereum", {"from": "2026-11-23T02:00:00Z", "to": "2026-11-23T02:00:00Z"}, (400, 1004)),
        ("price:ethereum", {"to": "9999-12-31T23:59:59-12:00"}, (400, 1004)),
        ("price:ethereum", {"to": "1970-01-01T00:00:00Z"}, (400, 1004)),
        ("price:ethereum", {"cursor": "x"}, (400, 1004)),
        ("price:ethereum", {"cursor": "WzcsIjIwMjYtMTEtMjNUMDI6MDA6MDBaIiwiIl0"}, (400, 1004)),
        ("price:ethereum", {"cursor": "WzYwLCIyMDI2LTExLTIzVDAyOjAwOjAwIiwiIl0"}, (400, 1004)),
        ("price:ethereum", {"cursor": "x" * 300}, (400, 1004)),
    ],
)
def test_what_is_no_question_about_the_past_is_refused(invoke, topic, query, problem):
    record(invoke, 3)
    status, _, body = history(invoke, topic, **query)
    assert (status, body["code"]) == problem


def test_an_interval_that_there_is_not_is_answered_with_those_that_there_are(invoke):
    assert history(invoke, interval="2h")[2]["detail"] == "interval is one of 1m, 5m, 1h, 1d, raw, not '2h'"


def test_history_of_a_wildcard_says_where_its_topics_are(invoke):
    assert "GET /v1/topics?match=price:* lists" in history(invoke, "price:*")[2]["detail"]
    assert "wildcard" not in history(invoke, "price:a%00")[2]["detail"]


def test_a_cursor_of_another_interval_is_refused(invoke):
    record(invoke, *range(1, 1100))
    cursor = history(invoke, interval="1m", **{"from": "2026-11-21T00:00:00Z"})[2]["next"]
    assert history(invoke, interval="1h", cursor=cursor)[2]["detail"] == "this cursor is of another interval"


# --- queries ---


def test_a_query_is_answered_with_when_it_was_true(invoke):
    invoke.container.answer_query.answer = Answer('{"columns":[],"rows":[]}', 1795399200456, stale=True)
    status, headers, body = invoke.rest("POST", "/v1/query", body='{"from":"latest"}')
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    assert body == {"made_at": "2026-11-23T02:00:00.456Z", "stale": True, "columns": [], "rows": []}
    assert invoke.container.answer_query.asked == [(b'{"from":"latest"}', "203.0.113.7")]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (BadQueryError("no such field", pointer="/select/0"), 422, 2006),
        (QueryTooSlowError("ended after 5 s"), 422, 2007),
        (TooManyQueriesError("wait", retry_after=1), 429, 3003),
        (StoreDownError("down"), 503, 5001),
    ],
)
def test_what_is_wrong_with_a_query_is_a_problem(invoke, error, status, code):
    invoke.container.answer_query.answer = error
    answer = invoke.rest("POST", "/v1/query", body="{}")
    assert (answer[0], answer[2]["code"]) == (status, code)
    assert answer[2].get("pointer") == getattr(error, "pointer", None)


def test_who_asks_without_a_key_shares_places_with_all_such(invoke):
    for headers, is_anonymous in (({}, True), ({"x-api-key": API_KEY}, False)):
        invoke.rest("POST", "/v1/query", body="{}", **headers)
        assert invoke.container.answer_query.anonymous is is_anonymous


@pytest.mark.parametrize(("kind", "status"), [("application/json; charset=utf-8", 200), ("text/plain", 415), ("", 200)])
def test_a_query_is_json(invoke, kind, status):
    assert invoke.rest("POST", "/v1/query", body="{}", **{"Content-Type": kind})[0] == status


# --- the document ---


def test_the_document_is_served_and_may_be_kept(invoke):
    status, headers, body = invoke.rest("GET", "/v1/openapi.json")
    assert (status, body["openapi"], headers["Cache-Control"]) == (200, "3.1.0", "public, max-age=300")
    assert invoke.rest("GET", "/v1/openapi.json", **{"If-None-Match": headers["ETag"]})[0] == 304
    assert json.dumps(body)
