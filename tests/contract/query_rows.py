"""A small history for queries: values and times that repeat, figures that are missing, names that need care."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg

from tests.contract.databases import Database

START = datetime(2026, 10, 25, 22, 0, tzinfo=UTC)  # a Sunday: a new week, and a week later a new month
NOW = datetime(2026, 11, 23, tzinfo=UTC)
TOPICS = (
    ("price:ethereum", None, []),
    ("price:base:0xAb_%1", None, ["Base"]),
    ("price:a%b\\c", None, []),
    ("tvl:protocol:aave", "Lending", ["Ethereum", "Base"]),
    ("tvl:protocol:Zoë's", "lending", ["Base"]),
    ("tvl:protocol:x'; DROP TABLE entities; --", None, []),
    ("tvl:chain:Base", None, ["Base"]),
    ("peg:dai", "USD", ["Ethereum"]),
)
VALUES = ("0", "1", "-1.5", "1.50", "0.1", "2500.123456789", "123456789012345678", "0.000000000000000001", "7")
CONFIDENCES = (None, None, "0.9", "0.99", "1")
INTERVALS = {"1m": 1, "5m": 5, "1h": 60, "1d": 1440}

Rows = dict[str, list[dict[str, Any]]]


def make_rows(seed: int) -> Rows:
    """Every table as a client sees it, by its name."""
    chance = random.Random(seed)
    topics = [
        {"row": number, "topic": topic, "kind": topic.split(":")[0], "name": topic.rsplit(":", 1)[1]}
        | {"category": category, "chains": chains}
        for number, (topic, category, chains) in enumerate(TOPICS, start=1)
    ]
    latest = [{**topic, **_newest(chance)} for topic in topics]
    tvl = [
        {**row, "tvl": row["value"], "previous_tvl": row["previous_value"], "updated": row["observed_at"]}
        for row in latest
    ]
    return {
        "observations": [{**chance.choice(topics), **_observation(chance, number)} for number in range(300)],
        "candles": [
            {**topic, **_candle(chance, interval, number)}
            for topic in topics
            for interval in INTERVALS
            for number in chance.sample(range(20), 8)
        ],
        "latest": latest,
        "protocols": [row for row in tvl if row["topic"].startswith("tvl:protocol:")],
        "chains": [{**row, "chain": row["chains"][0]} for row in tvl if row["topic"].startswith("tvl:chain:")],
    }


def _value(chance: random.Random) -> Decimal:
    return Decimal(chance.choice(VALUES))


def _observation(chance: random.Random, number: int) -> dict[str, Any]:
    at = START + timedelta(minutes=chance.randrange(0, 14 * 24 * 60, 97), microseconds=chance.choice((0, 0, 1)))
    confidence = chance.choice(CONFIDENCES)
    return {
        "id": f"{chance.choice('aBz')}{number}",
        "observed_at": at,
        "value": _value(chance),
        "confidence": None if confidence is None else Decimal(confidence),
        "source": chance.choice(("defillama", "Backfill")),
        "recorded_at": at + timedelta(seconds=chance.randrange(3)),
    }


def _candle(chance: random.Random, interval: str, number: int) -> dict[str, Any]:
    start = START + timedelta(minutes=INTERVALS[interval] * number)
    samples = chance.choice((1, 2, 4, 5))
    prices = {price: _value(chance) for price in ("open", "high", "low", "close", "average")}
    ends = {"first_at": start, "last_at": start + timedelta(seconds=chance.randrange(60))}
    return {"interval": interval, "start": start, **prices, "samples": samples, **ends}


def _newest(chance: random.Random) -> dict[str, Any]:
    at = START + timedelta(minutes=chance.randrange(4))
    before = chance.choice((None, at - timedelta(minutes=1)))
    previous = {"previous_value": before and _value(chance), "previous_at": before}
    confidence = chance.choice(CONFIDENCES)
    known = None if confidence is None else Decimal(confidence)
    return {"observed_at": at, "value": _value(chance), "confidence": known, "id": "newest", **previous}


def insert(database: Database, rows: Rows) -> None:
    """Into the tables as they are stored."""
    url = f"postgresql://postgres@127.0.0.1:{database.server.port}/{database.name}"
    with psycopg.connect(url) as connection:
        connection.execute("SELECT history.open_months(ARRAY['2026-10-01', '2026-11-01']::date[])")
        for row in rows["latest"]:
            connection.execute(
                "INSERT INTO history.entities (id, topic, kind, name, category, chains, first_seen, last_seen)"
                " OVERRIDING SYSTEM VALUE"
                " VALUES (%(row)s, %(topic)s, %(kind)s, %(name)s, %(category)s, %(chains)s, now(), now())",
                row,
            )
        _copy(
            connection,
            "latest",
            rows["latest"],
            ("observed_at", "id", "value", "confidence", "previous_value", "previous_at"),
        )
        _copy(
            connection,
            "observations",
            rows["observations"],
            ("id", "observed_at", "value", "confidence", "source", "recorded_at"),
        )
        candles = [
            {**row, "interval": INTERVALS[row["interval"]], "sum": row["average"] * row["samples"]}
            for row in rows["candles"]
        ]
        figures = ("open", "high", "low", "close", "sum", "samples", "first_at", "last_at")
        _copy(connection, "candles", candles, ("interval", "start", *figures))


def _copy(
    connection: psycopg.Connection[Any], table: str, rows: Sequence[dict[str, Any]], columns: Sequence[str]
) -> None:
    places = ", ".join(f"%({name})s" for name in ("row", *columns))
    for row in rows:
        connection.execute(
            f"INSERT INTO history.{table} (entity_id, {', '.join(columns)}) VALUES ({places})",
            row,  # type: ignore[arg-type]
        )
