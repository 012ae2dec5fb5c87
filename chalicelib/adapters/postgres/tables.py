"""The tables and views of schema ``history``, as the newest revision of chalicelib/migrations makes them.

What a row of each means, its indexes and the plans that they are for: docs/history.md. Nothing is made from here:
a test holds these against the migrated database.
"""

from __future__ import annotations

from sqlalchemy import Column, DateTime, Integer, MetaData, Numeric, SmallInteger, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

SCHEMA = "history"
INTERVALS = (1, 5, 60, 1440)  # minutes; of candles
metadata = MetaData(schema=SCHEMA)

_AT = DateTime(timezone=True)

# A topic. ``name`` is its last segment; ``category`` and ``chains`` are those of its newest observation.
entities = Table(
    "entities",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("category", Text),
    Column("chains", ARRAY(Text), nullable=False),
    Column("source", Text),
    Column("first_seen", _AT, nullable=False),
    Column("last_seen", _AT, nullable=False),
    Column("attributes", JSONB, nullable=False),
)

# What was seen, each once; partitioned by month of ``observed_at``.
observations = Table(
    "observations",
    metadata,
    Column("entity_id", Integer, primary_key=True),
    Column("observed_at", _AT, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("value", Numeric, nullable=False),
    Column("confidence", Numeric),
    Column("source", Text, nullable=False),
    Column("recorded_at", _AT, nullable=False),
)

# Observations of ``interval`` minutes from ``start`` (UTC); average = sum / samples. Partitioned by interval, the finer
# ones (1 and 5 minutes, kept for a shorter time) by month too. Of observations of one moment the larger is the later.
candles = Table(
    "candles",
    metadata,
    Column("entity_id", Integer, primary_key=True),
    Column("interval", SmallInteger, primary_key=True),
    Column("start", _AT, primary_key=True),
    Column("open", Numeric, nullable=False),
    Column("high", Numeric, nullable=False),
    Column("low", Numeric, nullable=False),
    Column("close", Numeric, nullable=False),
    Column("sum", Numeric, nullable=False),
    Column("samples", Integer, nullable=False),
    Column("first_at", _AT, nullable=False),
    Column("last_at", _AT, nullable=False),
)

# The newest observation of each topic, and the one before it.
latest = Table(
    "latest",
    metadata,
    Column("entity_id", Integer, primary_key=True),
    Column("observed_at", _AT, nullable=False),
    Column("id", Text, nullable=False),
    Column("value", Numeric, nullable=False),
    Column("confidence", Numeric),
    Column("previous_value", Numeric),
    Column("previous_at", _AT),
)

# Views: the newest of tvl:protocol:* and tvl:chain:*, one row each.
protocols = Table(
    "protocols",
    metadata,
    Column("entity_id", Integer, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("category", Text),
    Column("chains", ARRAY(Text), nullable=False),
    Column("tvl", Numeric, nullable=False),
    Column("previous_tvl", Numeric),
    Column("updated", _AT, nullable=False),
)

chains = Table(
    "chains",
    metadata,
    Column("entity_id", Integer, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("chain", Text, nullable=False),
    Column("tvl", Numeric, nullable=False),
    Column("previous_tvl", Numeric),
    Column("updated", _AT, nullable=False),
)
