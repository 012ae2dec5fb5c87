"""The questions of benchmarks/query.py: each in the product's language, and in SQL as one would write it by hand."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

Asked = tuple[dict[str, Any], LiteralString, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Stock:
    """What may be asked about: ``days`` of history before ``end``."""

    topics: Sequence[str]
    chains: Sequence[str]
    end: datetime
    days: int


@dataclass(frozen=True, slots=True)
class Question:
    """``make`` gives the query, the SQL and its values, of topics and times at random."""

    name: str
    make: Callable[[random.Random, Stock], Asked]


def _compare(field: str, op: str, value: Any) -> dict[str, Any]:
    return {"field": field, "op": op, "value": value}


def _since(chance: random.Random, stock: Stock, days: int | None = None) -> datetime:
    return stock.end - timedelta(days=min(days or stock.days, stock.days)) + timedelta(hours=chance.randrange(24))


def chart(chance: random.Random, stock: Stock) -> Asked:
    """A topic's closes by the hour in the newest forty days."""
    topic, since = chance.choice(stock.topics), _since(chance, stock, 40)
    where = [
        _compare("topic", "eq", topic),
        _compare("interval", "eq", "1h"),
        _compare("start", "gte", since.isoformat()),
    ]
    query = {
        "from": "candles",
        "select": ["start", "close"],
        "where": {"and": where},
        "order_by": [{"field": "start"}],
        "limit": 1000,
    }
    sql: LiteralString = (
        "SELECT start, close FROM history.candles JOIN history.entities ON id = entity_id"
        " WHERE topic = %(topic)s AND interval = 60 AND start >= %(since)s ORDER BY start LIMIT 1000"
    )
    return query, sql, {"topic": topic, "since": since}


def year_by_day(chance: random.Random, stock: Stock) -> Asked:
    """Ten topics' range by day over everything, from candles of an hour."""
    names = sorted(chance.sample(stock.topics, 10))
    since = _since(chance, stock)
    where = [
        _compare("topic", "in", names),
        _compare("interval", "eq", "1h"),
        _compare("start", "gte", since.isoformat()),
    ]
    query = {
        "from": "candles",
        "select": ["topic", "day", {"fn": "max", "field": "high"}, {"fn": "min", "field": "low"}],
        "where": {"and": where},
        "group_by": ["topic", {"bucket": "1d", "field": "start", "as": "day"}],
    }
    sql: LiteralString = (
        "SELECT topic, date_bin('1 day', start, '2001-01-01Z') AS day, max(high), min(low)"
        " FROM history.candles JOIN history.entities ON id = entity_id"
        " WHERE topic = ANY (%(names)s) AND interval = 60 AND start >= %(since)s GROUP BY topic, day"
        " ORDER BY topic, day LIMIT 10000"
    )
    return query, sql, {"names": names, "since": since}


def percentiles(chance: random.Random, stock: Stock) -> Asked:
    """One topic's figures over everything."""
    topic, since = chance.choice(stock.topics), _since(chance, stock)
    where = [
        _compare("topic", "eq", topic),
        _compare("interval", "eq", "1h"),
        _compare("start", "gte", since.isoformat()),
    ]
    figures = [{"fn": fn, "field": "close"} for fn in ("avg", "stddev", "min", "max")]
    query = {
        "from": "candles",
        "select": [*figures, {"fn": "percentile", "field": "close", "p": 0.95}],
        "where": {"and": where},
    }
    sql: LiteralString = (
        "SELECT avg(close), stddev(close), min(close), max(close), percentile_cont(0.95) WITHIN GROUP (ORDER BY close)"
        " FROM history.candles JOIN history.entities ON id = entity_id"
        " WHERE topic = %(topic)s AND interval = 60 AND start >= %(since)s"
    )
    return query, sql, {"topic": topic, "since": since}


def movers(chance: random.Random, stock: Stock) -> Asked:
    """Of all topics of a chain, the first and last close of a month of days."""
    since, chain = _since(chance, stock, 30), chance.choice(stock.chains)
    where = [
        _compare("chains", "eq", chain),
        _compare("interval", "eq", "1d"),
        _compare("start", "gte", since.isoformat()),
    ]
    ends = [{"fn": "first", "field": "close"}, {"fn": "last", "field": "close"}]
    query = {"from": "candles", "select": ["topic", *ends], "where": {"and": where}, "group_by": ["topic"]}
    sql: LiteralString = (
        "SELECT topic, (array_agg(close ORDER BY start))[1], (array_agg(close ORDER BY start DESC))[1]"
        " FROM history.candles JOIN history.entities ON id = entity_id"
        " WHERE chains @> ARRAY[%(chain)s] AND interval = 1440 AND start >= %(since)s GROUP BY topic ORDER BY topic"
    )
    return query, sql, {"since": since, "chain": chain}


def categories(chance: random.Random, stock: Stock) -> Asked:
    """Every category's mean by week over everything, from candles of a day."""
    since = _since(chance, stock)
    where = [_compare("interval", "eq", "1d"), _compare("start", "gte", since.isoformat())]
    query = {
        "from": "candles",
        "select": ["category", "week", {"fn": "avg", "field": "average"}],
        "where": {"and": where},
        "group_by": ["category", {"bucket": "1w", "field": "start", "as": "week"}],
    }
    sql: LiteralString = (
        "SELECT category, date_bin('7 days', start, '2001-01-01Z') AS week, avg(sum / samples)"
        " FROM history.candles JOIN history.entities ON id = entity_id"
        " WHERE interval = 1440 AND start >= %(since)s GROUP BY category, week ORDER BY category, week LIMIT 10000"
    )
    return query, sql, {"since": since}


QUESTIONS = tuple(Question(each.__name__, each) for each in (chart, year_by_day, percentiles, movers, categories))
