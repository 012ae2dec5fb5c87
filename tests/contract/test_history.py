"""What is recorded, however it comes: the fake that other tests trust, and PostgreSQL."""

from __future__ import annotations

import json
import os
import random
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.adapters.postgres import tables
from chalicelib.adapters.postgres.history import PostgresHistoryWriter
from chalicelib.adapters.postgres.months import PostgresMonths
from chalicelib.adapters.postgres.reader import PostgresHistoryReader
from chalicelib.adapters.postgres.session import PostgresSession
from chalicelib.adapters.schema import AlembicSchema
from chalicelib.domain.observations import Observation, observation_id
from chalicelib.errors import PoisonError, StoreDownError
from chalicelib.ports import INTERVALS, Candle, Recorded
from localcloud.processes import free_port
from localcloud.stores import PostgresServer
from scripts import backfill
from tests.contract.databases import Database, empty_database
from tests.fake_history import FakeHistory, candles, newest_first

START = datetime(2021, 10, 31, 23, 50, tzinfo=UTC)  # ten minutes before another hour, day and month
EVER = {"start": datetime(2009, 1, 1, tzinfo=UTC), "end": datetime(2100, 1, 1, tzinfo=UTC), "limit": 10_000}
_numbers = count()


def seen(topic: str, minutes: float, value: str, **changes: Any) -> Observation:
    at = START + timedelta(minutes=minutes)
    number = Decimal(value)
    return replace(Observation(observation_id(topic, at.isoformat(), number), topic, number, at), **changes)


def new_topic() -> str:
    """Of a test's own: all share a database."""
    return f"price:coin-{next(_numbers)}"


@pytest.fixture(scope="module")
def recorded(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with empty_database(postgres_server, "history", Path(tmp_path_factory.mktemp("history"))) as database:
        schema = AlembicSchema(database.postgres())
        schema.upgrade(schema.head(), deadline=time.monotonic() + 60)
        yield database


def session(database: Database, **changes: Any) -> PostgresSession:
    """As a function has it."""
    usual = {"host": "127.0.0.1", "port": database.server.port, "name": database.name, "sslmode": "disable"}
    return PostgresSession(**{**usual, "user": "defi_stream", "application": "record", **changes})


def writer(database: Database, **changes: Any) -> PostgresHistoryWriter:
    own = session(database, **changes)
    return PostgresHistoryWriter(own, PostgresMonths(own))


class Both:
    """A writer and a reader of the same history."""

    def __init__(self, writer: Any, reader: Any) -> None:
        self.record = writer.record
        self.raw, self.candles, self.newest = reader.raw, reader.candles, reader.newest


@pytest.fixture(params=["fake", "postgres"])
def history(request: pytest.FixtureRequest) -> Both:
    if request.param == "fake":
        fake = FakeHistory()
        return Both(fake, fake)
    database = request.getfixturevalue("recorded")
    return Both(writer(database), PostgresHistoryReader(session(database)))


def rounded(found: Sequence[Candle]) -> list[Candle]:
    return [replace(candle, average=candle.average.quantize(Decimal("1e-10"))) for candle in found]


def test_a_repeated_observation_is_kept_once(history):
    first = seen(new_topic(), 0, "1.5")
    assert history.record([first, first]) == Recorded(new=1, known=1)
    assert history.record([first]) == Recorded(known=1)
    assert [point.value for point in history.raw(first.topic, **EVER)] == [Decimal("1.5")]


def test_a_candle_knows_first_last_extremes_average_and_number(history):
    topic = new_topic()
    history.record([seen(topic, minutes, value) for minutes, value in ((0, "2"), (1, "5"), (2, "1"), (3, "4"))])
    assert rounded(history.candles(topic, 5, **EVER)) == [
        Candle(START, Decimal(2), Decimal(5), Decimal(1), Decimal(4), Decimal("3.0000000000"), 4)
    ]


def test_a_late_observation_changes_the_candle_that_it_belongs_to(history):
    topic = new_topic()
    history.record([seen(topic, 1, "2"), seen(topic, 30, "9")])
    history.record([seen(topic, 0, "7")])
    (early, _) = history.candles(topic, 5, **EVER)
    assert (early.open, early.high, early.close, early.samples) == (Decimal(7), Decimal(7), Decimal(2), 2)


def test_of_one_moment_the_larger_is_the_later(history):
    topic = new_topic()
    history.record([seen(topic, 0, "2")])
    history.record([seen(topic, 0, "1"), seen(topic, 0, "3")])
    (only,) = history.candles(topic, 1440, **EVER)
    assert (only.open, only.close) == (Decimal(1), Decimal(3))


def test_points_are_read_on_from_the_last_one(history):
    topic = new_topic()
    history.record([seen(topic, minutes, "1") for minutes in range(5)] + [seen(topic, 2, "8")])
    pages, after = [], None
    while page := history.raw(topic, **{**EVER, "limit": 2}, after=after):
        pages.append(page)
        after = (page[-1].observed_at, page[-1].id)
    assert [point for page in pages for point in page] == list(history.raw(topic, **EVER))
    assert [len(page) for page in pages] == [2, 2, 2]


def test_the_end_of_a_range_is_not_in_it(history):
    topic = new_topic()
    history.record([seen(topic, minutes, "1") for minutes in (0, 5, 10)])
    within = {"start": START, "end": START + timedelta(minutes=10), "limit": 10}
    assert len(history.raw(topic, **within)) == len(history.candles(topic, 5, **within)) == 2


def test_the_newest_is_the_last_observed_whenever_it_came(history):
    topic = new_topic()
    history.record([seen(topic, minutes, "1") for minutes in (10, 0)])
    assert history.newest(topic) == START + timedelta(minutes=10)


def test_a_topic_never_seen_has_no_past(history):
    assert history.newest("price:nothing") is None
    assert list(history.raw("price:nothing", **EVER)) == list(history.candles("price:nothing", 60, **EVER)) == []


# --- candles and the newest, against computing them again ---


def newest_of(database: Database, topic: str) -> list[tuple[Any, ...]]:
    return database.query(
        "SELECT latest.id, latest.value, latest.observed_at, previous_value, previous_at, first_seen, last_seen"
        f" FROM history.latest JOIN history.entities ON entities.id = entity_id WHERE topic = '{topic}'"
    )


def expected_newest(observations: Sequence[Observation]) -> tuple[Any, ...]:
    best, *rest = newest_first(observations)
    before = (rest[0].value, rest[0].observed_at) if rest else (None, None)
    return (best.id, best.value, best.observed_at, *before, min(o.observed_at for o in observations), best.observed_at)


def assert_exact(database: Database, observations: Sequence[Observation]) -> None:
    reader = PostgresHistoryReader(session(database))
    for topic in {observation.topic for observation in observations}:
        own = list({o.id: o for o in observations if o.topic == topic}.values())
        for interval in INTERVALS:
            assert rounded(reader.candles(topic, interval, **EVER)) == candles(own, interval), (topic, interval)
        assert newest_of(database, topic) == [expected_newest(own)]


moves = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 40), st.decimals(-50, 50, places=2)), min_size=1, max_size=40
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=moves, data=st.data())
def test_any_order_repetition_and_batching_gives_the_candles_and_the_newest_of_the_set(recorded, moves, data):
    topics = [new_topic() for _ in range(3)]
    observations = [seen(topics[topic], minutes, str(value)) for topic, minutes, value in moves]
    arriving = data.draw(st.permutations(observations + observations[:5]))
    own = writer(recorded)
    while arriving:
        size = data.draw(st.integers(1, len(arriving)))
        own.record(arriving[:size])
        arriving = arriving[size:]
    assert_exact(recorded, observations)


@pytest.mark.parametrize("run", range(3))
def test_several_workers_at_once_neither_lose_nor_double_nor_wait_crosswise(recorded, run):
    seed = random.randrange(10**6)  # not a parameter: processes that share the tests have to find the same ones
    print(f"seed {seed}")  # noqa: T201 - pytest shows it with a failure
    chance = random.Random(seed)
    topics = [new_topic() for _ in range(20)]
    observations = [
        seen(chance.choice(topics), chance.randrange(240) / 2, str(chance.randrange(1000))) for _ in range(1500)
    ]
    total, failures = [], []

    def work(own: PostgresHistoryWriter, batches: list[list[Observation]]) -> None:
        try:
            total.extend(own.record(batch).new for batch in batches)
        except Exception as error:
            failures.append(error)

    threads = []
    for _ in range(4):  # each sees three quarters of all, in an order of its own
        part = chance.sample(observations, 1125) + observations[::7]
        batches = [part[start : start + 100] for start in range(0, len(part), 100)]
        threads.append(threading.Thread(target=work, args=(writer(recorded), batches)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total.append(writer(recorded).record(observations).new)
    assert failures == []
    assert sum(total) == len({(o.topic, o.id) for o in observations})
    assert_exact(recorded, observations)


# --- what only PostgreSQL has ---


def test_the_same_id_a_little_later_is_the_same_observation(recorded):
    """A source without times, polled twice for one schedule event, is stamped by two clocks."""
    first = seen(new_topic(), 0, "1")
    again = replace(first, observed_at=first.observed_at + timedelta(minutes=2))
    own = writer(recorded)
    assert [own.record([first]).new, own.record([again]).new] == [1, 0]


def test_a_topic_is_described_by_its_newest_observation(recorded):
    topic, own = new_topic(), writer(recorded)
    own.record([seen(topic, 1, "1", category="Dexs", chains=("Ethereum", "Near Protocol"))])
    own.record([seen(topic, 2, "1", category="Lending", chains=())])
    own.record([seen(topic, 0, "1", category="CEX", chains=("Tron",))])
    found = recorded.query(f"SELECT kind, name, category, chains FROM history.entities WHERE topic = '{topic}'")
    assert found == [("price", topic.removeprefix("price:"), "Lending", [])]


def test_the_newest_of_protocols_and_chains_are_tables_of_their_own(recorded):
    writer(recorded).record(
        [
            seen("tvl:protocol:curve-dex", 0, "20", category="Dexs", chains=("Ethereum",)),
            seen("tvl:chain:Near-Protocol", 0, "7", chains=("Near Protocol",)),
        ]
    )
    assert recorded.query("SELECT name, category, chains, tvl FROM history.protocols") == [
        ("curve-dex", "Dexs", ["Ethereum"], Decimal(20))
    ]
    assert recorded.query("SELECT chain, tvl FROM history.chains") == [("Near Protocol", Decimal(7))]


def test_what_can_never_be_kept_is_poison_and_leaves_nothing(recorded):
    good = seen(new_topic(), 0, "1")
    own = writer(recorded)
    for bad in (replace(good, id="nul\0"), replace(good, id="old", observed_at=datetime(1970, 1, 1, tzinfo=UTC))):
        with pytest.raises(PoisonError):
            own.record([good, bad])
    assert own.record([good]) == Recorded(new=1)


def test_a_month_that_was_retired_takes_nothing_more(recorded):
    """Not even its coarser candles: what cannot be told from a repetition must not be added."""
    old = datetime(2010, 5, 7, tzinfo=UTC)
    topic, own = new_topic(), writer(recorded)
    own.record([seen(topic, 0, "1", observed_at=old)])
    months = PostgresMonths(session(recorded))
    assert months.retire("observations", datetime(2010, 6, 1, tzinfo=UTC)) == ["observations_2010_05"]
    late = seen(topic, 0, "2", observed_at=old + timedelta(hours=1))
    assert own.record([late]) == Recorded(expired=1)  # it believed that the month is open, and learned that it is not
    assert recorded.query("SELECT count(*) FROM history.observations_2010_05") == [(1,)]


def test_a_month_without_its_finer_candles_still_has_the_coarser(recorded):
    old = datetime(2011, 5, 7, tzinfo=UTC)
    topic, own = new_topic(), writer(recorded)
    months = PostgresMonths(session(recorded))
    months.open([old])
    for table in ("candles_1", "candles_5"):
        months.retire(table, datetime(2011, 6, 1, tzinfo=UTC))
    own.record([seen(topic, 0, "1", observed_at=old)])
    reader = PostgresHistoryReader(session(recorded))
    assert [len(reader.candles(topic, interval, **EVER)) for interval in INTERVALS] == [0, 0, 1, 1]


def test_retired_months_are_dropped_after_their_grace(recorded):
    months = PostgresMonths(session(recorded))
    months.open([datetime(2012, 5, 7, tzinfo=UTC)])
    months.retire("observations", datetime(2012, 6, 1, tzinfo=UTC))
    assert "observations_2012_05" not in months.drop_retired(timedelta(days=7))
    recorded.query("UPDATE history.retired SET retired_at = retired_at - interval '8 days'")
    assert "observations_2012_05" in months.drop_retired(timedelta(days=7))
    assert recorded.query("SELECT to_regclass('history.observations_2012_05')") == [(None,)]


def test_a_month_that_was_attached_again_is_not_dropped(recorded):
    months = PostgresMonths(session(recorded))
    months.open([datetime(2013, 5, 7, tzinfo=UTC)])
    months.retire("observations", datetime(2013, 6, 1, tzinfo=UTC))
    recorded.query(
        "ALTER TABLE history.observations ATTACH PARTITION history.observations_2013_05"
        " FOR VALUES FROM ('2013-05-01 00:00Z') TO ('2013-06-01 00:00Z')"
    )
    recorded.query("UPDATE history.retired SET retired_at = retired_at - interval '8 days'")
    assert "observations_2013_05" not in months.drop_retired(timedelta(days=7))
    assert months.retire("observations", datetime(2013, 6, 1, tzinfo=UTC)) == ["observations_2013_05"]
    assert "observations_2013_05" not in months.drop_retired(timedelta(days=7))  # its grace begins anew


def test_neither_this_month_nor_the_last_can_be_retired(recorded):
    with pytest.raises(PoisonError, match="never retired"):
        PostgresMonths(session(recorded)).retire("observations", datetime.now(UTC) + timedelta(days=1))


def test_a_lost_connection_is_replaced_before_anything_is_asked_of_it(recorded):
    own = writer(recorded)
    own.record([seen(new_topic(), 0, "1")])
    recorded.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'record'"
        " AND datname = current_database()"
    )
    assert own.record([seen(new_topic(), 0, "1")]) == Recorded(new=1)


def test_a_database_that_is_away_is_said_to_be(recorded):
    with pytest.raises(StoreDownError, match=r"127\.0\.0\.1:\d+ cannot be reached"):
        writer(recorded, port=free_port()).record([seen(new_topic(), 0, "1")])


def test_a_statement_ends_at_its_timeout(recorded):
    own = session(recorded, timeout_ms=50)
    with pytest.raises(Exception, match="statement timeout"), own.transaction("sleep") as connection:
        connection.execute("SELECT pg_sleep(60)")
    with own.transaction("again") as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("50ms",)


def test_the_server_ends_a_session_that_a_frozen_or_lost_function_keeps(recorded):
    with session(recorded).transaction("settings") as connection:
        assert connection.execute("SHOW idle_session_timeout").fetchone() == ("1min",)


def test_a_server_that_died_is_noticed_while_somebody_waits_for_the_answer(recorded):
    with (
        session(recorded).transaction("settings") as connection,
        socket.socket(fileno=os.dup(connection.fileno())) as s,
    ):
        unacknowledged_ms = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        silent_s = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) + unacknowledged_ms / 1000
    assert 0 < unacknowledged_ms <= 5000
    assert silent_s <= 10  # then, within the API's 20 s, another connection and another attempt


def test_a_function_that_starts_takes_no_new_numbers_for_known_topics(recorded):
    topic = new_topic()
    for minute in range(5):
        writer(recorded).record([seen(topic, minute, "1")])
    writer(recorded).record([seen(other := new_topic(), 0, "1")])
    ids = dict(recorded.query("SELECT topic, id FROM history.entities"))
    assert ids[other] == ids[topic] + 1


def test_the_tables_are_what_the_migrations_make(recorded):
    made = recorded.query(
        "SELECT table_name, column_name, is_nullable = 'NO' FROM information_schema.columns"
        " WHERE table_schema = 'history' ORDER BY 1, 2"
    )
    views = {name for (name,) in recorded.query("SELECT viewname FROM pg_views WHERE schemaname = 'history'")}
    for table in tables.metadata.tables.values():
        found = {column: required for name, column, required in made if name == table.name}
        assert {column.name for column in table.columns} == found.keys(), table.name
        if table.name not in views:
            assert {column.name: not column.nullable for column in table.columns} == found, table.name


# --- loading the past ---


def test_a_backfill_of_the_recorded_figures_adds_nothing_the_second_time(recorded, tmp_path, capsys):
    url = f"postgresql://defi_stream@127.0.0.1:{recorded.server.port}/{recorded.name}"
    words = ["--database", url, "--from-recorded", "--kinds", "chains", "--limit", "2", "--json"]
    wanted = "SELECT count(*) FROM history.observations JOIN history.entities ON entities.id = entity_id"
    loaded = f"{wanted} WHERE topic LIKE 'tvl:chain:%' AND category IS NULL AND observed_at < '2021-10-31'"
    counts = []
    for state in ("first.json", "first.json", "forgotten.json"):
        assert backfill.main([*words, "--state", str(tmp_path / state)]) == 0
        counts.append((json.loads(capsys.readouterr().out)["observations"], recorded.query(loaded)[0][0]))
    (first, rows), again, anew = counts
    assert first > rows > 700
    assert (again, anew) == ((0, rows), (first, rows))
