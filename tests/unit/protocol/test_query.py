"""The query language: what is wrong is refused, with a pointer to it and what would be right."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chalicelib.errors import BadQueryError, NotJsonError, TooLargeError
from chalicelib.protocol.planning import QueryLimits, plan_of
from chalicelib.protocol.query import MAX_QUERY_BYTES, SMALLEST, decode_query
from tests.fakes import FakeClock

NOW = FakeClock()()
LATEST = {"from": "latest", "select": ["topic"]}
WEEK = {"field": "observed_at", "op": "gte", "value": "2026-11-20T00:00:00Z"}
HOURS = {"field": "interval", "op": "eq", "value": "1h"}


def test_the_smallest_query_is_one():
    assert plan_of(decode_query(SMALLEST.encode()), now=NOW, limits=QueryLimits())


def plan(query: dict[str, Any], **limits: int) -> Any:
    return plan_of(decode_query(msgspec.json.encode(query)), now=NOW, limits=QueryLimits(**limits))


def compare(field: str, op: str, value: Any) -> dict[str, Any]:
    return {"field": field, "op": op, "value": value}


def nested(depth: int) -> dict[str, Any]:
    condition = compare("value", "gt", 1)
    for _ in range(depth - 1):
        condition = {"not": condition}
    return condition


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "a table that is not there": ({"from": "users", "select": ["topic"]}, "/from", "one of observations, candles"),
    "nothing selected": ({"from": "latest", "select": []}, "/select", "length >= 1"),
    "a field that is not there": ({"from": "latest", "select": ["password"]}, "/select/0", "no field 'password'"),
    "a field of the store's own": ({"from": "latest", "select": ["row"]}, "/select/0", "no field 'row'"),
    "a function that is not there": (
        {"from": "latest", "select": [{"fn": "pg_sleep"}]},
        "/select/0/fn",
        "one of sum, avg",
    ),
    "a name that is none": (
        {"from": "latest", "select": [{"fn": "count", "as": 'x"; --'}]},
        "/select/0/as",
        "matching regex",
    ),
    "the same name twice": ({"from": "latest", "select": ["topic", "topic"]}, "/select/1", "name it with 'as'"),
    "the sum of texts": (
        {"from": "latest", "select": [{"fn": "sum", "field": "name"}]},
        "/select/0/field",
        "of numbers",
    ),
    "a sum of nothing": ({"from": "latest", "select": [{"fn": "sum"}]}, "/select/0/field", "needs a field"),
    "a percentile without p": (
        {"from": "latest", "select": [{"fn": "percentile", "field": "value"}]},
        "/select/0/p",
        "needs p",
    ),
    "a p above one": (
        {"from": "latest", "select": [{"fn": "percentile", "field": "value", "p": 95}]},
        "/select/0/p",
        "<= 1",
    ),
    "a field beside a function that is not grouped by": (
        {"from": "latest", "select": ["topic", {"fn": "count"}]},
        "/select/0",
        "neither grouped by (none) nor in a function",
    ),
    "groups of lists": ({**LATEST, "group_by": ["chains"]}, "/group_by/0", "is a list"),
    "a bucket of numbers": (
        {**LATEST, "group_by": [{"bucket": "1h", "field": "value"}]},
        "/group_by/0/field",
        "no time",
    ),
    "a bucket of no width": (
        {**LATEST, "group_by": [{"bucket": "2h", "field": "observed_at"}]},
        "/group_by/0/bucket",
        "one of 1m, 5m",
    ),
    "an order that is not there": ({**LATEST, "order_by": [{"field": "x"}]}, "/order_by/0/field", "no field 'x'"),
    "an order of lists": ({**LATEST, "order_by": [{"field": "chains"}]}, "/order_by/0/field", "no order"),
    "an order of groups by what is not in them": (
        {"from": "latest", "select": [{"fn": "count"}], "order_by": [{"field": "value"}]},
        "/order_by/0/field",
        "neither selected nor grouped by",
    ),
    "more rows than there may be": ({**LATEST, "limit": 1001}, "/limit", "at most 1000"),
    "no row at all": ({**LATEST, "limit": 0}, "/limit", ">= 1"),
    "no row at all, and how to get more than a page": ({**LATEST, "limit": -1}, "/limit", "'next' of an answer"),
    "more rows than a page has": ({**LATEST, "limit": 1001}, "/limit", "'next' of the answer leads to more"),
    "more groups than a page has": (
        {"from": "latest", "select": [{"fn": "count"}], "limit": 10_001},
        "/limit",
        "at most 10000 groups",
    ),
    "what is no field of a query": (
        {**LATEST, "having": 1},
        "",
        "unknown field 'having': there are from, select, where, group_by, order_by, limit, cursor",
    ),
    "a slip of the pen": (
        {"from": "latest", "selct": ["topic"]},
        "",
        "unknown field 'selct': there are from, select,",
    ),
    "a bucket of the query": ({**LATEST, "bucket": "1d"}, "", "a bucket belongs in group_by"),
    "a bucket among what is selected": (
        {"from": "candles", "select": [{"bucket": "1d", "field": "start"}]},
        "/select/0",
        "there are fn, field, p, as; a bucket belongs in group_by",
    ),
    "what is no part of a filter": (
        {**LATEST, "where": {"and": [{"not": {"feld": "value"}}]}},
        "/where/and/0/not",
        "there are and, or, not, field, op, value",
    ),
    "what is no part of an order": ({**LATEST, "order_by": [{"by": "value"}]}, "/order_by/0", "there are field, dir"),
    "what is no part of a group": (
        {**LATEST, "group_by": [{"bucket": "1d", "field": "observed_at", "tz": "x"}]},
        "/group_by/0",
        "there are bucket, field, as",
    ),
    "an order by nothing": ({**LATEST, "order_by": [{"dir": "asc"}]}, "/order_by/0", "missing is 'field'"),
    "nothing at all": ({}, "", 'missing is \'from\': the smallest query is {"from":"latest"'),
    "no word of what is selected": ({"from": "latest"}, "", 'the smallest query is {"from":"latest","select"'),
    "an operation that is not there": (
        {**LATEST, "where": {"and": [compare("value", "regex", 1)]}},
        "/where/and/0/op",
        "one of eq, ne",
    ),
    "half a comparison": ({**LATEST, "where": {"field": "value", "op": "eq"}}, "/where", "expected one of"),
    "two things at once": ({**LATEST, "where": {"and": [], "or": []}}, "/where", "expected one of"),
    "a single part": ({**LATEST, "where": {"op": "eq"}}, "/where", "field, op and value"),
    "an empty and": ({**LATEST, "where": {"and": []}}, "/where/and", "at least one"),
    "an order among lists": (
        {**LATEST, "where": {"or": [{"not": compare("chains", "gt", "a")}]}},
        "/where/or/0/not/op",
        "a list, which has eq, ne, in, nin",
    ),
    "a pattern for numbers": ({**LATEST, "where": compare("value", "like", "1%")}, "/where/op", "number, which has"),
    "a text for a number": ({**LATEST, "where": compare("value", "gt", "much")}, "/where/value", "expected a number"),
    "true for a number": ({**LATEST, "where": compare("value", "gt", True)}, "/where/value", "expected a number"),
    "another script's digits": (
        {**LATEST, "where": compare("value", "gt", "\N{ARABIC-INDIC DIGIT THREE}")},
        "/where/value",
        "expected a number",
    ),
    "digits apart": ({**LATEST, "where": compare("value", "gt", "1_000")}, "/where/value", "expected a number"),
    "more digits than Python reads": (
        {**LATEST, "where": compare("value", "gt", "9" * 9000)},
        "/where/value",
        "expected a number",
    ),
    "no number": ({**LATEST, "where": compare("value", "gt", "NaN")}, "/where/value", "expected a number"),
    "an endless number": ({**LATEST, "where": compare("value", "gt", "1e999999")}, "/where/value", "expected a number"),
    "a number of too many digits": (
        {**LATEST, "where": compare("value", "gt", "0." + "1" * 31)},
        "/where/value",
        "at most 30 decimals",
    ),
    "a time without a zone": (
        {**LATEST, "where": compare("observed_at", "gt", "2026-11-23T00:00:00")},
        "/where/value",
        "2026-11-23T01:02:03Z",
    ),
    "a day that was not": (
        {**LATEST, "where": compare("observed_at", "gt", "2026-02-30T00:00:00Z")},
        "/where/value",
        "expected a time",
    ),
    "a time before time": (
        {**LATEST, "where": compare("observed_at", "gt", "0001-01-01T00:00:00+12:00")},
        "/where/value",
        "from 1970 to 2200",
    ),
    "an interval that is not there": (
        {"from": "candles", "select": ["open"], "where": compare("interval", "eq", "2h")},
        "/where/value",
        "one of 1m, 5m, 1h, 1d",
    ),
    "a text with a NUL": ({**LATEST, "where": compare("name", "eq", "a\0b")}, "/where/value", "none of them NUL"),
    "a text that is too long": ({**LATEST, "where": compare("name", "eq", "x" * 257)}, "/where/value", "at most 256"),
    "null where there is none": ({**LATEST, "where": compare("name", "eq", None)}, "/where/value", "expected a text"),
    "null in a list": (
        {**LATEST, "where": compare("category", "in", ["a", None])},
        "/where/value/1",
        "expected a text",
    ),
    "no list": ({**LATEST, "where": compare("name", "in", "a")}, "/where/value", "list of at most 200"),
    "a long list": ({**LATEST, "where": compare("value", "in", list(range(201)))}, "/where/value", "at most 200"),
    "one end": ({**LATEST, "where": compare("value", "between", [1])}, "/where/value", "the two ends"),
    "a pattern that ends in an escape": (
        {**LATEST, "where": compare("name", "like", "a\\\\\\")},
        "/where/value",
        "escapes nothing",
    ),
    "a pattern of wildcards": ({**LATEST, "where": compare("name", "like", "%a" * 9)}, "/where/value", "at most 8"),
    "a deep filter": ({**LATEST, "where": nested(9)}, "/where" + "/not" * 8, "at most 8 deep"),
    "a long filter": (
        {**LATEST, "where": {"or": [compare("value", "eq", n) for n in range(51)]}},
        "/where/or/50",
        "at most 50 comparisons",
    ),
    "observations of all time": (
        {"from": "observations", "select": ["value"]},
        "/where",
        "to at most 31 days (366 if 'topic' is one of at most 20)",
    ),
    "observations bounded on one side of an or": (
        {"from": "observations", "select": ["value"], "where": {"or": [WEEK, compare("value", "gt", 0)]}},
        "/where",
        "observed_at bounded, under 'and'",
    ),
    "observations that are not of some days": (
        {"from": "observations", "select": ["value"], "where": {"not": WEEK}},
        "/where",
        "observed_at bounded",
    ),
    "a topic's observations of years": (
        {
            "from": "observations",
            "select": ["value"],
            "where": {"and": [compare("topic", "eq", "a"), compare("observed_at", "gt", "2020-01-01T00:00:00Z")]},
        },
        "/where",
        "at most 366 days",
    ),
    "candles of all widths": ({"from": "candles", "select": ["open"]}, "/where", "several widths"),
    "candles of a minute, of all time": (
        {"from": "candles", "select": ["open"], "where": compare("interval", "eq", "1m")},
        "/where",
        "start bounded",
    ),
    "too many buckets": (
        {
            "from": "candles",
            "select": ["start", {"fn": "count"}],
            "group_by": [{"bucket": "1m", "field": "start"}],
            "where": {"and": [HOURS, compare("start", "gt", "2026-01-01T00:00:00Z")]},
        },
        "/group_by",
        "more than 10000 buckets",
    ),
    "somebody else's cursor": ({**LATEST, "cursor": "WyJhIiwxXQ"}, "/cursor", "of the same query"),
    "a cursor that is none": ({**LATEST, "cursor": "!"}, "/cursor", "of the same query"),
    "a cursor of groups": (
        {"from": "latest", "select": [{"fn": "count"}], "cursor": "WyJhIiwxXQ"},
        "/cursor",
        "has no cursor",
    ),
}


@pytest.mark.parametrize(("query", "pointer", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_is_told_with_its_place_and_what_is_allowed(query, pointer, words):
    with pytest.raises(BadQueryError) as refused:
        plan(query)
    assert refused.value.pointer == pointer
    assert words in str(refused.value)


def test_a_body_that_is_too_large_is_not_read():
    with pytest.raises(TooLargeError):
        decode_query(b" " * (MAX_QUERY_BYTES + 1))


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"from":"latest","select":["topic"]} x', b'{"from":"\\ud800"}'])
def test_what_is_no_json_is_not_a_query(body):
    with pytest.raises(NotJsonError):
        decode_query(body)


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b"[" * 8000, b'{"where":' * 1000])
def test_json_that_is_no_query_is_refused_however_deep(body):
    with pytest.raises(BadQueryError):
        decode_query(body)


SAME: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "in any order": (
        {"and": [compare("value", "gt", 1), compare("name", "eq", "a")]},
        {"and": [compare("name", "eq", "a"), compare("value", "gt", "1.0")]},
    ),
    "nested in itself": (
        {"or": [compare("value", "gt", 1), {"or": [compare("name", "eq", "a")]}]},
        {"or": [compare("name", "eq", "a"), compare("value", "gt", 1), compare("value", "gt", 1)]},
    ),
    "said twice no": (compare("value", "gt", 1), {"not": {"not": compare("value", "gt", 1)}}),
    "said the other way": (compare("value", "ne", 1), {"not": compare("value", "eq", 1)}),
    "the opposite": (compare("value", "lte", 1), {"not": compare("value", "gt", 1)}),
    "as de Morgan has it": (
        {"not": {"and": [compare("value", "eq", 1), compare("name", "eq", "a")]}},
        {"or": [compare("value", "ne", 1), compare("name", "ne", "a")]},
    ),
    "a list in any order": (compare("name", "in", ["a", "b", "a"]), compare("name", "in", ["b", "a"])),
    "a list of one": (compare("name", "nin", ["a"]), compare("name", "ne", "a")),
    "between as its ends": (
        compare("value", "between", [1, 2]),
        {"and": [compare("value", "lte", 2), compare("value", "gte", 1)]},
    ),
    "another zone": (
        compare("observed_at", "gt", "2026-11-23T01:00:00+01:00"),
        compare("observed_at", "gt", "2026-11-23T00:00:00Z"),
    ),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_the_same_question_has_the_same_key(one, other):
    first, second = (plan({**LATEST, "where": where}) for where in (one, other))
    assert first == second
    assert first.fingerprint() == second.fingerprint()


DIFFERENT = (
    ({}, {"where": compare("value", "gt", 1)}),
    ({"where": compare("value", "gt", 1)}, {"where": compare("value", "gt", 2)}),
    ({"where": compare("value", "gt", 1)}, {"where": compare("value", "gte", 1)}),
    ({"where": compare("name", "eq", "1")}, {"where": compare("category", "eq", "1")}),
    ({"where": compare("confidence", "lte", 1)}, {"where": {"not": compare("confidence", "gt", 1)}}),
    ({"limit": 1}, {"limit": 2}),
    ({"order_by": [{"field": "value"}]}, {"order_by": [{"field": "value", "dir": "desc"}]}),
    ({"select": ["topic", "value"]}, {"select": ["value", "topic"]}),
)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_other_questions_have_other_keys(one, other):
    assert plan({**LATEST, **one}).fingerprint() != plan({**LATEST, **other}).fingerprint()


def test_what_a_client_leaves_out_is_as_if_it_had_said_it():
    said = {"limit": 100, "order_by": [{"field": "value", "dir": "asc"}], "group_by": []}
    assert plan({**LATEST, "order_by": [{"field": "value"}]}) == plan({**LATEST, **said})


def test_a_number_is_what_was_written_and_no_binary_fraction():
    where = plan_of(
        decode_query(b'{"from":"latest","select":["topic"],"where":{"field":"value","op":"eq","value":0.1}}'),
        now=NOW,
        limits=QueryLimits(),
    ).where
    assert str(where.value) == "0.1"
