"""What the clients saw, written down."""

import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from defistream.update import Update

from loadtests.ledger import KEPT_PER_SECOND, Delays, Ledger

AT = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)


def update(delay_ms=40, topic="price:ethereum", at=AT):
    return Update(
        topic=topic,
        epoch="e",
        offset=1,
        prev=None,
        value=Decimal(1),
        previous=None,
        change_pct=None,
        observed_at=at,
        published_at=at - timedelta(milliseconds=delay_ms),
        sent_at=at,
        source="test",
        confidence=None,
        snapshot=False,
        received_at=at,
    )


def ledger():
    out, rows = io.StringIO(), []
    delays = Delays(out, {"Stage": "local"})
    return Ledger(lambda **row: rows.append(row), delays), delays, out, rows


def points(delays, out):
    delays.flush()
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_second_is_a_data_point_of_the_metric_that_the_alarm_watches():
    book, delays, out, _ = ledger()
    for milliseconds in (40, 41):
        book.pushed(update(milliseconds), "realtime", 300)
    book.pushed(update(99, at=AT + timedelta(seconds=1)), "realtime", 300)
    first, second = points(delays, out)
    assert first == {
        "namespace": "DefiStream",
        "name": "PublishedToSent",
        "unit": "Milliseconds",
        "dimensions": {"Stage": "local"},
        "timestamp": "2026-11-23T01:02:03Z",
        "values": [40.0, 41.0],
    }
    assert (second["timestamp"], second["values"]) == ("2026-11-23T01:02:04Z", [99.0])


def test_a_slower_rate_is_a_row_but_no_delay_of_ours():
    book, delays, out, rows = ledger()
    book.pushed(update(4000), "5s", 300)
    assert points(delays, out) == []
    assert [(row["request_type"], row["name"]) for row in rows] == [("PUSH", "price 5s")]


def test_what_came_by_resuming_is_a_row_of_its_own():
    book, delays, out, rows = ledger()
    book.replayed(update(9000, topic="peg:dai"), 300)
    assert points(delays, out) == []
    assert rows[0]["name"] == "peg after a reconnect"


def test_a_busy_second_keeps_a_fair_sample():
    """The median of the kept tells the median of all, however many came after the first thousand."""
    book, delays, out, _ = ledger()
    for number in range(20 * KEPT_PER_SECOND):
        book.pushed(update(number / 20), "realtime", 300)
    (point,) = points(delays, out)
    assert len(point["values"]) == KEPT_PER_SECOND
    assert 400 < sorted(point["values"])[KEPT_PER_SECOND // 2] < 600


def test_nothing_is_not_counted():
    book, *_ = ledger()
    book.count("lost", 0)
    assert not book.counts


def test_an_answer_made_once_and_given_thrice_was_kept_twice():
    book, *_ = ledger()
    for _ in range(3):
        book.answered("a", "2026-11-23T06:00:00.000Z")
    book.answered("a", "2026-11-23T06:00:01.000Z")
    book.answered("b", "2026-11-23T06:00:00.000Z")
    assert (book.counts["answers"], book.counts["answers_made"]) == (5, 3)
