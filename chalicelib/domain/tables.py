"""The tables that a client may query, as it sees them: their fields, what these hold, and their order.

Where they live in PostgreSQL is adapters/postgres/statements.py's to know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

# number: a decimal; count: an integer; list: names without an order; interval: the width of a candle.
FieldKind = Literal["text", "number", "count", "time", "list", "interval"]

INTERVALS: Mapping[str, int] = {"1m": 1, "5m": 5, "1h": 60, "1d": 1440}  # minutes

# Seconds; None: a calendar month. Weeks begin on Monday, everything in UTC.
BUCKETS: Mapping[str, int | None] = {
    "1m": 60,
    "5m": 300,
    "15m": 900,
    "1h": 3600,
    "4h": 14_400,
    "1d": 86_400,
    "1w": 604_800,
    "1mo": None,
}


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    kind: FieldKind
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """``key`` tells one row from any other and is the order of rows of which none was asked for.

    ``time`` is when a row was; ``scope`` is the wildcard of the topics that it is made of.
    """

    name: str
    fields: Mapping[str, Field]
    key: tuple[str, ...]
    time: str
    scope: str = "*"


ROW = "row"  # the topic's number in the store: part of keys and cursors, unknown to clients


def _table(name: str, *fields: Field, key: tuple[str, ...], time: str, scope: str = "*") -> Table:
    return Table(name, {field.name: field for field in fields}, key, time, scope)


_TOPIC = (
    Field("topic", "text"),
    Field("kind", "text"),
    Field("name", "text"),
    Field("category", "text", nullable=True),
    Field("chains", "list"),
)

TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        _table(
            "observations",
            *_TOPIC,
            Field("observed_at", "time"),
            Field("id", "text"),
            Field("value", "number"),
            Field("confidence", "number", nullable=True),
            Field("source", "text"),
            Field("recorded_at", "time"),
            key=(ROW, "observed_at", "id"),
            time="observed_at",
        ),
        _table(
            "candles",
            *_TOPIC,
            Field("interval", "interval"),
            Field("start", "time"),
            *(Field(price, "number") for price in ("open", "high", "low", "close", "average")),
            Field("samples", "count"),
            Field("first_at", "time"),
            Field("last_at", "time"),
            key=(ROW, "interval", "start"),
            time="start",
        ),
        _table(
            "latest",
            *_TOPIC,
            Field("observed_at", "time"),
            Field("value", "number"),
            Field("confidence", "number", nullable=True),
            Field("previous_value", "number", nullable=True),
            Field("previous_at", "time", nullable=True),
            key=(ROW,),
            time="observed_at",
        ),
        _table(
            "protocols",
            Field("topic", "text"),
            Field("name", "text"),
            Field("category", "text", nullable=True),
            Field("chains", "list"),
            Field("tvl", "number"),
            Field("previous_tvl", "number", nullable=True),
            Field("updated", "time"),
            key=(ROW,),
            time="updated",
            scope="tvl:protocol:*",
        ),
        _table(
            "chains",
            Field("topic", "text"),
            Field("chain", "text"),
            Field("tvl", "number"),
            Field("previous_tvl", "number", nullable=True),
            Field("updated", "time"),
            key=(ROW,),
            time="updated",
            scope="tvl:chain:*",
        ),
    )
}
