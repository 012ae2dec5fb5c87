"""A database full of the recorded figures, rolled up as ``record`` would have rolled them up.

The recording has a point a day of most things. Between two recorded points the product's own feed, asked every minute,
answers with the straight line between them; so do the candles here, and these rows carry the source
``recorded-interpolated`` as the feed's do. Where more than two days are missing there is nothing: gaps stay gaps.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from localcloud.feed.catalog import Catalog
from localcloud.feed.tape import Tape

LONGEST_LINE = timedelta(days=2)
BATCH = 20  # topics between two signs of life

_ENTITY = (
    "INSERT INTO history.entities (topic, kind, name, category, chains, source, first_seen, last_seen)"
    " VALUES (%s, %s, %s, %s, %s, 'recorded-interpolated', %s, %s) RETURNING id"
)
# What sixty polls in an hour would have seen of a line: its ends, and their mean sixty times.
_HOURS = """
    INSERT INTO history.candles
    SELECT entity_id, 60, start, low_end, greatest(low_end, high_end), least(low_end, high_end), high_end,
           (low_end + high_end) * 30, 60, start, start + INTERVAL '59 minutes'
    FROM (SELECT entity_id, at, value, lead(at) OVER later AS next_at, lead(value) OVER later AS next_value
          FROM recorded WHERE entity_id = ANY(%(ids)s) WINDOW later AS (PARTITION BY entity_id ORDER BY at)) AS line,
    LATERAL (SELECT start,
        round(value + (next_value - value) * (extract(epoch FROM start - at) / seconds), 8) AS low_end,
        round(value + (next_value - value) * ((extract(epoch FROM start - at) + 3540) / seconds), 8) AS high_end
        FROM generate_series(at, next_at - INTERVAL '1 hour', INTERVAL '1 hour') AS start,
        LATERAL (SELECT extract(epoch FROM next_at - at) AS seconds) AS long) AS hours
    WHERE next_at - at <= %(longest)s
    ON CONFLICT DO NOTHING
"""
_DAYS = """
    INSERT INTO history.candles
    SELECT entity_id, 1440, date_trunc('day', start, 'UTC') AS day, (array_agg(open ORDER BY start))[1], max(high),
           min(low), (array_agg(close ORDER BY start DESC))[1], sum(sum), sum(samples), min(first_at), max(last_at)
    FROM history.candles WHERE interval = 60 AND entity_id = ANY(%(ids)s) GROUP BY entity_id, day
"""


@dataclass(frozen=True, slots=True)
class Loaded:
    """``points`` were recorded, ``candles`` were made of them."""

    topics: list[str]
    chains: list[str]
    points: int
    candles: int


@dataclass(frozen=True, slots=True)
class Past:
    """One topic's recorded points, unix seconds of full hours to values."""

    topic: str
    category: str | None
    chains: list[str]
    points: Mapping[int, float]


def pasts(since: datetime, until: datetime) -> Iterator[Past]:
    """Of every coin, chain and protocol (all its chains together) with two points in that time."""
    tape, catalog = Tape.load(), Catalog.load()
    found: list[tuple[str, str | None, list[str], list[Any]]] = []
    for table in ("prices_daily", "prices_hourly"):
        found += [(f"price:{coin}", None, [], [series]) for (coin,), series in tape.tables[table].series.items()]
    found += [(f"tvl:chain:{key[0]}", None, [key[0]], [each]) for key, each in tape.tables["chains"].series.items()]
    protocols = defaultdict(list)
    for key, series in tape.tables["protocols"].series.items():
        protocols[key[0]].append(series)
    for slug, parts in protocols.items():
        category = catalog.protocols.get(slug, {}).get("category")
        found.append((f"tvl:protocol:{slug}", category, sorted(part.key[1] for part in parts), parts))
    first, last = since.timestamp(), until.timestamp()
    for topic, category, chains, parts in found:
        points: dict[int, float] = defaultdict(float)
        for part in parts:
            for at, value in part.points(int(last) - 1):
                if at >= first:
                    points[at - at % 3600] += value
        if len(points) > 1:
            yield Past(topic, category, chains, points)


def load(url: str, since: datetime, until: datetime) -> Loaded:
    """Into an empty, migrated database; says on a terminal how far it is."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        connection.execute("CREATE TEMP TABLE recorded (entity_id int, at timestamptz, value numeric)")
        known: dict[str, int] = {}
        every = {past.topic: past for past in pasts(since, until)}  # of a coin in two tables the finer one
        with connection.cursor() as cursor:
            for past in every.values():
                seen = [datetime.fromtimestamp(at, UTC) for at in (min(past.points), max(past.points))]
                kind, name = past.topic.split(":")[0], past.topic.rpartition(":")[2]
                row = connection.execute(_ENTITY, (past.topic, kind, name, past.category, past.chains, *seen))
                known[past.topic] = row.fetchall()[0][0]
            with cursor.copy("COPY recorded FROM STDIN") as copy:
                for past in every.values():
                    for at, value in past.points.items():
                        copy.write_row((known[past.topic], datetime.fromtimestamp(at, UTC), repr(value)))
        points, candles, ids = sum(len(past.points) for past in every.values()), 0, list(known.values())
        for start in range(0, len(ids), BATCH):
            some: dict[str, Any] = {"ids": ids[start : start + BATCH], "longest": LONGEST_LINE}
            candles += connection.execute(_HOURS, some).rowcount
            candles += connection.execute(_DAYS, some).rowcount
            if sys.stderr.isatty():
                print(
                    f"\r{min(start + BATCH, len(ids))}/{len(ids)} topics, {candles:,} candles", end="", file=sys.stderr
                )
        if sys.stderr.isatty():
            print(file=sys.stderr)
        connection.execute("VACUUM ANALYZE history.candles")
        connection.execute("ANALYZE history.entities")
    chains = sorted(
        {chain for past in every.values() for chain in past.chains if past.topic.startswith("tvl:protocol")}
    )
    return Loaded(sorted(known), chains, points, candles)
