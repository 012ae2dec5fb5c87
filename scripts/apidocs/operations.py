"""What the REST API can be asked for: each route with its types. A test holds this against the routes of app.py."""

from __future__ import annotations

from chalicelib.protocol import query, rest
from scripts.apidocs.alerting import ALERTING
from scripts.apidocs.operation import Operation, Part

EXAMPLE_QUERY = {
    "from": "candles",
    "select": ["topic", {"fn": "max", "field": "high", "as": "highest"}],
    "where": {
        "and": [
            {"field": "interval", "op": "eq", "value": "1h"},
            {"field": "topic", "op": "in", "value": ["price:ethereum", "price:bitcoin"]},
            {"field": "start", "op": "gte", "value": "2026-11-22T00:00:00Z"},
        ]
    },
    "group_by": ["topic"],
    "order_by": [{"field": "highest", "dir": "desc"}],
}


TOPIC = Part("A single topic, percent-encoded where it has to be.", "^[a-z]+(:[^:%/]+)+$", "price:ethereum", 128)

OPERATIONS = (
    Operation(
        "POST",
        "/v1/tokens",
        "issueToken",
        "A token for the socket",
        "For the owner of the key in `x-api-key`, or, without one, for nobody, at the free tier. It opens "
        "one connection within five minutes.",
        {201: (rest.IssuedTokenBody,)},
        problems=(409, 422),
        takes_key=True,
        is_done_once=True,
    ),
    Operation(
        "GET",
        "/v1/topics",
        "listTopics",
        "Topics and their newest values",
        "Those that match a topic or a wildcard, up to about 500 a page.",
        {200: (rest.TopicsPage,)},
        parameters=rest.TopicsQuery,
        problems=(403, 404),
        is_tagged=True,
    ),
    Operation(
        "GET",
        "/v1/snapshot",
        "readSnapshot",
        "The newest values of some topics, with their positions",
        "Read, then subscribe with `since` the positions: no change between the two is missed.",
        {200: (rest.SnapshotBody,)},
        parameters=rest.SnapshotQuery,
        problems=(403, 404, 422),
        is_tagged=True,
    ),
    Operation(
        "GET",
        "/v1/history/{topic}",
        "readHistory",
        "A topic's past",
        "Candles of the width that makes one page of the range (a day, without `from`), or of the one asked for; "
        "with `interval=raw` single observations. Candles of 1 and 5 minutes are kept for some months, the wider ones "
        "for ever. A page of the newest says in `live` where the stream joins.",
        {200: (rest.CandleHistory, rest.RawHistory)},
        parameters=rest.HistoryQuery,
        in_path={"topic": TOPIC},
        problems=(403, 404),
        is_tagged=True,
    ),
    Operation(
        "POST",
        "/v1/query",
        "runQuery",
        "Rows of the tables: filtered, grouped, ordered",
        "See docs/queries.md for the language and its limits. What is wrong with a query is told with a `pointer`.",
        {200: (rest.QueryAnswer,)},
        body=query.Query,
        example=EXAMPLE_QUERY,
        problems=(413, 415, 422),
        takes_key=True,
    ),
    *ALERTING,
    Operation(
        "GET",
        "/v1/health",
        "readHealth",
        "Whether it works",
        "200 while the socket works, even if a source is stale or another store is down (`degraded`); 503 if it does "
        "not (`down`). Stores are asked at most once in ten seconds.",
        {200: (rest.HealthBody,), 503: (rest.HealthBody,)},
        is_counted=False,
    ),
    Operation(
        "GET",
        "/v1/openapi.json",
        "readOpenApi",
        "This document",
        "As OpenAPI 3.1.",
        {200: ()},
        is_tagged=True,
        is_counted=False,
    ),
)
