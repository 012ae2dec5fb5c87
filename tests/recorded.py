"""Recorded observations of two collapses, as rules look at them."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from chalicelib.domain.replays import Seen
from localcloud.feed.table import read_table

ROOT = Path(__file__).parent.parent
DEPEG = ROOT / "tests/data/recorded/usdc_chainlink_2023-03.csv"
TAPE = ROOT / "localcloud/feed/data"


def usdc_depeg(topic="peg:usd-coin"):
    """Every round of Chainlink's feed, 2023-03-09T06:00:35Z to 2023-03-12T08:49:47Z, 291."""
    rows = [line.split(",") for line in DEPEG.read_text().splitlines() if line[0].isdigit()]
    return [Seen(_utc(int(time)), topic, Decimal(value)) for time, value in rows]


def terra(table, key, topic):
    """A series of the laptop's tape, 2022-05-01 to 2022-05-14: one figure a day, of midnight."""
    series = read_table(TAPE / f"{table}.gz").series[(key,)]
    first, last = datetime(2022, 5, 1, tzinfo=UTC), datetime(2022, 5, 14, tzinfo=UTC)
    points = [(_utc(time), Decimal(str(series.value(index)))) for index, time in enumerate(series.times)]
    return [Seen(at, topic, value) for at, value in points if first <= at <= last]


def _utc(time):
    return datetime.fromtimestamp(time, UTC)
