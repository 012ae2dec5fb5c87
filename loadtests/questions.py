"""What a dashboard asks of ``POST /v1/query``: few questions, the first ones far more often than the last."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

KINDS = ("price", "tvl", "peg", "yield")
CHARTS = 8  # topics that somebody looks at


def questions(topics: Sequence[str], now: datetime) -> list[dict[str, Any]]:
    """Of every kind the largest and how many there are, and the last day of some topics; the same for all who ask."""
    return [query for kind in KINDS for query in _of_kind(kind)] + [_day_of(topic, now) for topic in topics[:CHARTS]]


def choose(chance: random.Random, asked: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The n-th 1/n as often as the first."""
    (query,) = chance.choices(asked, [1 / (place + 1) for place in range(len(asked))])
    return query


def _of_kind(kind: str) -> list[dict[str, Any]]:
    where = {"field": "kind", "op": "eq", "value": kind}
    largest = {
        "select": ["topic", "value", "observed_at"],
        "order_by": [{"field": "value", "dir": "desc"}],
        "limit": 20,
    }
    figures = {"select": [{"fn": "count"}, {"fn": "percentile", "field": "value", "p": 0.5}]}
    return [{"from": "latest", "where": where, **more} for more in (largest, figures)]


def _day_of(topic: str, now: datetime) -> dict[str, Any]:
    """From a whole hour on, so that it is one question for an hour."""
    since = now.replace(minute=0, second=0, microsecond=0) - timedelta(days=1)
    where = [
        {"field": "topic", "op": "eq", "value": topic},
        {"field": "interval", "op": "eq", "value": "5m"},
        {"field": "start", "op": "gte", "value": since.isoformat()},
    ]
    order = [{"field": "start"}]
    return {"from": "candles", "select": ["start", "close"], "where": {"and": where}, "order_by": order, "limit": 500}
