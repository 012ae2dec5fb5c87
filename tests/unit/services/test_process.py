"""A batch of messages: what is good goes on, what is bad fails alone, nothing is lost between two queues."""

from __future__ import annotations

import json
from collections import defaultdict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from chalicelib.domain.filters import Group
from chalicelib.protocol.envelopes import encode_observations
from chalicelib.services.process import Message, ProcessObservations
from tests.fake_store import FakeAudience, FakeStore, FakeStream, FakeSubscriptions
from tests.fakes import FakeClock, FakeDeadLetters, FakeJobQueue, FakeRetries, FakeTickQueue, alert_seen, seen

ETH = "price:ethereum"


class Rig:
    """Process on fakes; "c" and "d" may subscribe."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = FakeStore(self.clock)
        self.jobs, self.ticks = FakeJobQueue(), FakeTickQueue()
        self.dead_letters, self.retries = FakeDeadLetters(), FakeRetries()
        self.process = ProcessObservations(
            stream=FakeStream(self.store),
            audience=FakeAudience(self.store),
            jobs=self.jobs,
            ticks=self.ticks,
            dead_letters=self.dead_letters,
            retries=self.retries,
            now=self.clock,
            frame_bytes=32_768,
            posts_per_job=1,
        )

    def subscribe(self, connection: str, *names: str, group: Group = Group()) -> None:  # noqa: B008 - immutable
        FakeSubscriptions(self.store).subscribe(
            connection,
            dict.fromkeys(names, "-"),
            group=group,
            ends_ms=2**52,
            max_topics=100,
            snapshot=False,
            since={},
        )

    def message(self, name: str, *figures: tuple[str, str], receives: int = 1) -> Message:
        (body,) = encode_observations([seen(topic, value, self.clock()) for topic, value in figures])
        return Message(name, body.decode(), receipt=f"r-{name}", receives=receives)

    def run(self, *messages: Message):
        return self.process.run(messages)

    def offsets(self, connection: str) -> list[int]:
        return [update["offset"] for update in self.jobs.updates(connection)]


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.subscribe("c", "price:*")
    return rig


def poisoned(*records: object) -> str:
    return json.dumps({"v": 1, "records": list(records)})


def test_a_change_becomes_one_update_for_each_who_wants_it(rig):
    rig.subscribe("d", "tvl:*")
    report = rig.run(rig.message("m", (ETH, "100"), ("price:dai", "1")))
    assert (report.failed, report.observations, report.changes, report.jobs) == (set(), 2, 2, 1)
    assert [[u["topic"] for u in frame] for frame in rig.jobs.frames("c")] == [[ETH, "price:dai"]]
    assert rig.jobs.frames("d") == []
    assert rig.jobs.jobs[0].sources == ["m"]


def test_five_and_twenty_alerts_of_one_message_are_told_in_one_frame_in_order(rig):
    rig.subscribe("c", "alerts:ann")
    alerts = [alert_seen("ann", str(number), rig.clock()) for number in range(25)]
    (body,) = encode_observations(alerts)
    assert rig.run(Message("a", body.decode())).failed == set()
    assert [update["alert"] for update in rig.jobs.updates("c")] == [json.loads(seen.alert) for seen in alerts]
    assert len(rig.jobs.frames("c")) == 1


def test_what_is_no_change_goes_nowhere(rig):
    rig.run(rig.message("m", (ETH, "100")))
    rig.clock.forward(minutes=1)
    report = rig.run(rig.message("n", (ETH, "100.01")))
    assert (report.changes, report.failed) == (0, set())
    assert rig.offsets("c") == [1]


def test_a_redelivered_observation_keeps_its_offset(rig):
    """At-least-once input, exactly-once observation."""
    message = rig.message("m", (ETH, "100"))
    rig.run(message)
    rig.run(message)
    assert rig.offsets("c") == [1, 1]


def test_a_message_that_comes_twice_in_one_batch_is_told_once_for_both(rig):
    rig.run(rig.message("m", (ETH, "100")), rig.message("again", (ETH, "100")))
    assert rig.offsets("c") == [1]
    assert rig.jobs.jobs[0].sources == ["again", "m"]


def test_a_poisoned_record_is_buried_alone_with_its_reason(rig):
    good = json.loads(rig.message("m", (ETH, "100")).body)["records"][0]
    bad = {**good, "id": "bad", "value": "lots"}
    report = rig.run(Message("m", poisoned(bad, good, 7)))
    assert (report.failed, report.poisoned, report.changes) == (set(), 2, 1)
    assert [(json.loads(record), message) for record, _, message in rig.dead_letters.buried] == [(bad, "m"), (7, "m")]
    assert "not a decimal" in rig.dead_letters.buried[0][1]
    assert rig.offsets("c") == [1]


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_no_calendar_has_in_utc_is_poison_and_no_crash(rig, at):
    record = {"id": "x", "topic": ETH, "value": "1", "observed_at": at}
    report = rig.run(Message("m", poisoned(record)), rig.message("n", (ETH, "100")))
    assert (report.poisoned, report.changes, report.failed) == (1, 1, set())


@pytest.mark.parametrize("body", ["", "nonsense", '{"records":{}}', '{"records":[' + "[" * 20_000])
def test_a_message_that_cannot_be_read_fails_alone_and_reaches_the_dead_letters_soon(rig, body):
    report = rig.run(Message("bad", body, "r-bad", receives=3), rig.message("m", (ETH, "100")))
    assert report.failed == {"bad"}
    assert rig.retries.delays_s == {"r-bad": 0}
    assert rig.offsets("c") == [1]


def test_a_record_that_cannot_be_buried_makes_its_message_come_again(rig):
    rig.dead_letters.down = True
    report = rig.run(Message("m", poisoned(7), "r-m"), rig.message("n", (ETH, "100")))
    assert report.failed == {"m"}
    assert rig.offsets("c") == [1]


def test_a_job_that_is_not_taken_fails_every_message_it_came_from_and_no_other(rig):
    rig.subscribe("d", "tvl:*")
    rig.jobs.takes = lambda job: "c" not in job.frames[0].to
    report = rig.run(
        rig.message("m", (ETH, "100")),
        rig.message("n", ("tvl:chain:Base", "5")),
        rig.message("o", ("price:dai", "1")),
        rig.message("p", ("peg:dai", "1")),
    )
    assert report.failed == {"m", "o"}
    assert [u["topic"] for u in rig.jobs.updates("d")] == ["tvl:chain:Base"]


def test_what_failed_is_told_when_it_comes_again_although_it_is_known(rig):
    message = rig.message("m", (ETH, "100"))
    rig.jobs.takes = lambda _: False
    assert rig.run(message).failed == {"m"}
    rig.jobs.takes = lambda _: True
    assert rig.run(message).failed == set()
    assert rig.offsets("c") == [1]


@pytest.mark.parametrize("method", ["sequence", "recipients"])
def test_a_store_that_is_down_fails_every_message_that_could_be_read(rig, method):
    rig.store.down = {method}
    report = rig.run(rig.message("m", (ETH, "100"), receives=3), rig.message("n", ("price:dai", "1"), receives=20))
    assert report.failed == {"m", "n"}
    assert rig.retries.delays_s == {"r-m": 4, "r-n": 60}
    rig.store.down = set()
    assert rig.run(rig.message("m", (ETH, "100")), rig.message("n", ("price:dai", "1"))).failed == set()
    assert rig.offsets("c") == [1, 1]


def test_ticks_are_sent_before_the_changes_that_need_them(rig):
    rig.subscribe("d", ETH, group=Group(rate_s=5))
    rig.run(rig.message("m", (ETH, "100")))
    rig.clock.forward(seconds=1)
    rig.run(rig.message("n", (ETH, "110")))
    assert [tick.rate_s for tick in rig.ticks.ticks] == [5]
    assert (rig.offsets("c"), rig.offsets("d")) == ([1, 2], [1])


def test_ticks_that_are_not_taken_make_the_message_come_again(rig):
    rig.subscribe("d", ETH, group=Group(rate_s=5))
    rig.run(rig.message("m", (ETH, "100")))
    rig.clock.forward(seconds=1)
    again = rig.message("n", (ETH, "110"))
    rig.ticks.down = True
    assert rig.run(again).failed == {"n"}
    rig.ticks.down = False
    assert rig.run(again).failed == set()
    assert rig.offsets("c") == [1, 2, 2]  # the jobs were taken the first time too: clients drop what they have seen


def test_an_observation_from_the_future_is_buried_alone(rig):
    """A topic's time never goes back, so one wrong clock would silence it."""
    late, soon = rig.message("m", (ETH, "100")), rig.message("n", ("price:a", "1"))
    rig.clock.forward(seconds=-7200)
    assert rig.run(late).failed == set()
    assert rig.offsets("c") == []
    assert [reason for _, reason, _ in rig.dead_letters.buried] != []
    rig.clock.forward(seconds=7200)
    assert rig.run(soon).failed == set()


def test_a_message_of_nothing_is_done(rig):
    assert rig.run(Message("m", '{"records":[]}')).failed == set()
    assert rig.run().failed == set()


# --- any interleaving ---

SENT = [
    (topic, value, minute) for minute in range(4) for topic in ("price:a", "price:b") for value in (str(100 + minute),)
]


@given(
    st.lists(st.lists(st.sampled_from(range(len(SENT))), max_size=5), max_size=12), st.lists(st.booleans(), max_size=12)
)
def test_whatever_the_order_and_number_of_deliveries_every_offset_tells_one_thing(batches, outages):
    """Duplicated, reordered and failing messages: a client that remembers offsets sees each change once."""
    rig = Rig()
    rig.subscribe("c", "price:*")
    start = rig.clock.at
    bodies = []
    for topic, value, minute in SENT:
        rig.clock.at = start
        rig.clock.forward(minutes=minute)
        bodies.append(rig.message("x", (topic, value)).body)
    for number, batch in enumerate(batches):
        failing = number < len(outages) and outages[number]
        rig.jobs.takes = lambda _, failing=failing: not failing
        report = rig.run(*[Message(f"{number}.{place}", bodies[index]) for place, index in enumerate(batch)])
        if failing:  # SQS brings back what failed
            rig.jobs.takes = lambda _: True
            back = [Message(name, bodies[batch[int(name.partition(".")[2])]]) for name in report.failed]
            assert rig.run(*back).failed == set()
    told = defaultdict(set)
    for update in rig.jobs.updates("c"):
        told[update["topic"], update["epoch"], update["offset"]].add(msgspec.json.encode(update))
    assert all(len(different) == 1 for different in told.values())
    for name, topic in rig.store.topics.items():
        assert {offset for t, _, offset in told if t == name} == set(range(1, topic.offset + 1))


def stamped(rig, name, *figures, published_ms):
    (body,) = encode_observations(
        [seen(topic, value, rig.clock()) for topic, value in figures], now_ms=lambda: published_ms
    )
    return Message(name, body.decode())


def test_a_job_knows_when_the_oldest_of_its_observations_was_published_and_when_it_was_sequenced(rig, measured):
    now_ms = int(rig.clock().timestamp() * 1000)
    rig.subscribe("c", "price:*")
    with measured() as found:
        rig.run(
            stamped(rig, "1", (ETH, "100"), published_ms=now_ms - 20),
            stamped(rig, "2", ("price:bitcoin", "5"), published_ms=now_ms - 90),
        )
    (job,) = rig.jobs.jobs
    assert (job.published_ms, job.sequenced_ms) == (now_ms - 90, now_ms)
    assert sorted(found["PublishedToSequenced"]) == [20, 90]


def test_where_the_producer_did_not_say_when_the_queue_does(rig, measured):
    """A message of the release before, or of another producer."""
    now_ms = int(rig.clock().timestamp() * 1000)
    rig.subscribe("c", ETH)
    message = stamped(rig, "1", (ETH, "100"), published_ms=0)
    with measured() as found:
        rig.run(Message("1", message.body, sent_ms=now_ms - 30))
    assert found["PublishedToSequenced"] == [30]
    assert rig.jobs.jobs[0].published_ms == now_ms - 30


def test_changes_are_counted_by_kind_and_named_in_one_line(rig, measured):
    rig.subscribe("c", ETH)
    with capture_logs() as logs, measured() as found:
        rig.run(rig.message("1", (ETH, "100"), ("price:bitcoin", "5"), ("tvl:protocol:aave", "7"), (ETH, "100")))
    assert (found["ChangesPublished", "price"], found["ChangesPublished", "tvl"]) == ([2], [1])
    (line,) = [line for line in logs if line["event"] == "changes_published"]
    assert line["changes"] == [f"{ETH}@1", "price:bitcoin@1", "tvl:protocol:aave@1"]
    assert line["jobs"] == [job.id for job in rig.jobs.jobs]


def test_poisoned_records_and_messages_are_counted(rig, measured):
    with measured() as found:
        rig.run(Message("1", "no envelope"), Message("2", '{"records":[{"id":"x"}]}'))
    assert found["PoisonRecords"] == [2]
