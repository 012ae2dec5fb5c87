"""Deliver loses nothing: what is not sent comes back, and only that."""

import json
import time
from collections import Counter
from datetime import UTC, datetime

import msgspec
import pytest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from chalicelib.adapters.connections import ConnectionsClient
from chalicelib.errors import StoreDownError
from chalicelib.ports import PostResults
from chalicelib.protocol.envelopes import DeliveryJob, Frame, decode, encode
from chalicelib.services.delivery import Deliver
from tests.unit.adapters.scripted_gateway import ScriptedGateway

KEY = ReadOnlyCredentials("AKIDEXAMPLE", "secret", None)
NOW = datetime(2026, 11, 23, 1, 2, 3, 456789, tzinfo=UTC)


class FakeConnections:
    """Answers each connection as ``outcomes`` says: sent unless "gone", "unsent" or a status."""

    def __init__(self):
        self.outcomes = {}
        self.posts = []
        self.deadline = None
        self.suspects = None
        self.sent_at = 0.0  # monotonic

    def post_all(self, posts, *, deadline, suspects=frozenset()):
        self.deadline, self.suspects = deadline, suspects
        results = PostResults()
        for post in posts:
            outcome = self.outcomes.get(post.connection, "sent")
            if outcome == "gone":
                results.gone.append(post)
            elif outcome == "unsent":
                results.unsent.append(post)
            elif outcome == "sent":
                results.sent += 1
                results.sent_at.append((post.index, self.sent_at))
                self.posts.append(post)
            else:
                results.refused.append((post, outcome))
        return results

    def bodies(self, connection):
        return [post.body for post in self.posts if post.connection == connection]


class FakeJobs:
    def __init__(self):
        self.sent = []
        self.refuse = set()
        self.down = False
        self.calls = 0

    def send(self, bodies, *, delay_s=0):
        self.calls += 1
        if self.down:
            raise StoreDownError("no queue")
        taken = [index for index in range(len(bodies)) if decode(DeliveryJob, bodies[index]).id not in self.refuse]
        self.sent += [(decode(DeliveryJob, bodies[index]), delay_s) for index in taken]
        return sorted(set(range(len(bodies))) - set(taken))

    @property
    def jobs(self):
        return [job for job, _ in self.sent]


class FakeGone:
    def __init__(self):
        self.reports = []
        self.down = False

    def report(self, connections):
        if self.down:
            raise StoreDownError("no queue")
        self.reports.append(list(connections))


class Rig:
    def __init__(self, **options):
        self.connections, self.jobs, self.gone = FakeConnections(), FakeJobs(), FakeGone()
        options = {"now": lambda: NOW, "attempts_max": 8, "random": lambda: 0.5, **options}
        self.deliver = Deliver(connections=self.connections, jobs=self.jobs, gone=self.gone, **options)

    def run(self, *jobs):
        wired = [decode(DeliveryJob, encode(job)) for job in jobs]  # as they come from the queue
        return self.deliver.run(wired, deadline=123.0)


@pytest.fixture
def rig():
    return Rig()


def update(number):
    return msgspec.Raw(b'{"topic":"price:%d","value":"1.10"}' % number)


def make_job(name="j", *frames, updates=4, **fields):
    frames = frames or (Frame(to=["a", "b"], updates=[0, 2]), Frame(to=["c"], updates=[1]))
    return DeliveryJob(id=name, frames=list(frames), updates=[update(n) for n in range(updates)], **fields)


def test_a_frame_carries_its_updates_untouched_and_the_time(rig):
    report = rig.run(make_job())
    assert report.sent == 3
    assert rig.connections.bodies("a") == [
        b'{"type":"updates","sent_at":"2026-11-23T01:02:03.456Z","updates":'
        b'[{"topic":"price:0","value":"1.10"},{"topic":"price:2","value":"1.10"}]}'
    ]
    assert rig.connections.bodies("a")[0] is rig.connections.bodies("b")[0]
    assert rig.connections.deadline == 123.0


def test_a_whole_message_goes_out_as_it_is(rig):
    message = msgspec.Raw(b'{"type":"notice","name":"going_away"}')
    rig.run(make_job("j", Frame(to=["a"], message=message)))
    assert rig.connections.bodies("a") == [bytes(message)]


def test_a_connection_gets_its_frames_in_the_order_of_jobs_and_frames(rig):
    first = make_job("1", Frame(to=["a", "b"], updates=[0]), Frame(to=["a"], updates=[1]))
    second = make_job("2", Frame(to=["b", "a"], updates=[2]))
    rig.run(first, second)
    topics = [json.loads(body)["updates"][0]["topic"] for body in rig.connections.bodies("a")]
    assert topics == ["price:0", "price:1", "price:2"]


def test_what_was_not_sent_becomes_one_job_with_only_that(rig):
    rig.connections.outcomes = {"b": "unsent", "d": "unsent"}
    job = make_job(
        "j",
        Frame(to=["a"], updates=[0]),
        Frame(to=["a", "b", "d"], updates=[3, 1]),
        Frame(to=["b"], updates=[1]),
        sources=["m1"],
    )
    report = rig.run(job)
    assert (report.sent, report.requeued, report.failed_jobs) == (2, 3, [])
    (rest,) = rig.jobs.jobs
    assert (rest.id, rest.attempt, rest.sources) == ("j", 1, ["m1"])
    assert rest.updates == [update(1), update(3)]
    assert [(frame.to, frame.updates) for frame in rest.frames] == [(["b", "d"], [1, 0]), (["b"], [0])]


def test_the_next_run_sends_the_rest_as_the_first_would_have(rig):
    rig.connections.outcomes = {"b": "unsent"}
    rig.run(make_job())
    rig.connections.outcomes = {}
    rig.run(*rig.jobs.jobs)
    assert rig.connections.bodies("a") == rig.connections.bodies("b")


@pytest.mark.parametrize(("attempt", "delay_s"), [(0, 1), (1, 1), (3, 4), (5, 16), (6, 30), (60, 30)])
def test_the_delay_grows_to_a_minute(attempt, delay_s):
    rig = Rig(attempts_max=100)
    rig.connections.outcomes = {"c": "unsent"}
    rig.run(make_job(attempt=attempt))
    assert [delay for _, delay in rig.jobs.sent] == [delay_s]


@pytest.mark.parametrize("random", [0.0, 0.999999])
def test_the_delay_stays_between_one_second_and_sixty(random):
    rig = Rig(random=lambda: random, attempts_max=100)
    rig.connections.outcomes = {"c": "unsent"}
    rig.run(make_job("1"), make_job("2", attempt=50))
    assert all(1 <= delay <= 60 for _, delay in rig.jobs.sent)


def test_a_job_tried_too_often_is_dropped_and_named(rig):
    rig.connections.outcomes = {"a": "unsent", "b": "unsent"}
    with capture_logs() as logs:
        report = rig.run(make_job("tired", attempt=7), make_job("fresh", attempt=6))
    assert (report.dropped, report.requeued, report.failed_jobs) == (2, 2, [])
    assert [job.id for job in rig.jobs.jobs] == ["fresh"]
    (line,) = [line for line in logs if line["event"] == "job_dropped"]
    assert (line["log_level"], line["job"], line["connections"]) == ("error", "tired", 2)


def test_what_is_dropped_is_counted(rig, measured):
    rig.connections.outcomes = {"a": "unsent", "b": "unsent"}
    with measured() as found:
        rig.run(make_job("tired", attempt=7))
    assert found["PostsDropped"] == [2]


def test_connections_whose_jobs_come_again_are_suspects(rig):
    rig.run(make_job("fresh"), make_job("again", Frame(to=["b", "x"], updates=[0]), attempt=1))
    assert rig.connections.suspects == {"b", "x"}


def test_only_the_job_that_could_not_be_put_back_fails(rig):
    rig.connections.outcomes = {"c": "unsent"}
    rig.jobs.refuse = {"2"}
    report = rig.run(make_job("1"), make_job("2"), make_job("3", attempt=4))
    assert report.failed_jobs == [1]
    assert sorted(job.id for job in rig.jobs.jobs) == ["1", "3"]
    assert report.requeued == 2


def test_a_queue_that_is_down_fails_the_jobs_with_remains_and_no_other(rig):
    rig.connections.outcomes = {"x": "unsent"}
    rig.jobs.down = True
    report = rig.run(make_job("1"), make_job("2", Frame(to=["x"], updates=[0])))
    assert (report.sent, report.failed_jobs) == (3, [1])


def test_a_queue_that_is_down_is_asked_once(rig):
    """Each call may take seconds until it fails, and the function must end in time to say which messages failed."""
    rig.connections.outcomes = {"c": "unsent", "a": "gone"}
    rig.jobs.down = True
    report = rig.run(make_job("1"), make_job("2", attempt=3), make_job("3", attempt=5))
    assert (report.failed_jobs, rig.jobs.calls, rig.gone.reports) == ([0, 1, 2], 1, [])


def test_the_gone_are_reported_once(rig):
    rig.connections.outcomes = {"a": "gone"}
    report = rig.run(make_job("1"), make_job("2", Frame(to=["a"], updates=[0]), Frame(to=["a"], updates=[1])))
    assert rig.gone.reports == [["a"]]
    assert (report.gone, report.sent) == (1, 2)


def test_nobody_gone_is_no_report(rig):
    rig.run(make_job())
    assert rig.gone.reports == []


def test_a_gone_queue_that_is_down_fails_no_job(rig):
    """They are found gone again at the next frame."""
    rig.gone.down = True
    rig.connections.outcomes = {"a": "gone", "b": "unsent"}
    assert rig.run(make_job()).failed_jobs == []
    assert len(rig.jobs.jobs) == 1


def test_a_refused_post_is_logged_and_not_repeated(rig):
    rig.connections.outcomes = {"a": 413}
    with capture_logs() as logs:
        report = rig.run(make_job())
    assert (report.refused, report.requeued, report.sent) == (1, 0, 2)
    assert [line["status"] for line in logs if line["event"] == "post_refused"] == [413]


def test_a_gateway_that_refuses_everything_alarms_and_loses_nothing(rig):
    """A wrong role or endpoint: the messages stay on the queue."""
    rig.connections.outcomes = {"a": 403, "b": 403, "c": "unsent"}
    with pytest.raises(StoreDownError, match="403"):
        rig.run(make_job())
    assert rig.jobs.sent == []


def test_one_403_among_others_is_not_an_outage(rig):
    rig.connections.outcomes = {"a": 403}
    assert rig.run(make_job()).refused == 1


@pytest.mark.parametrize("index", [-1, 4])
def test_an_incoherent_job_fails_alone(rig, index):
    report = rig.run(make_job("bad", Frame(to=["z"], updates=[0]), Frame(to=["a"], updates=[index])), make_job("good"))
    assert (report.failed_jobs, report.sent) == ([0], 3)
    assert rig.connections.bodies("z") == []


def test_no_jobs_are_no_work(rig):
    assert rig.run().sent == 0


frames = st.builds(Frame, to=st.lists(st.sampled_from("abcdef"), unique=True), updates=st.lists(st.integers(0, 3)))
outcomes = st.sampled_from(["sent", "unsent", "gone"])


@given(
    jobs=st.lists(st.lists(frames, max_size=4), max_size=3),
    rounds=st.lists(st.dictionaries(st.sampled_from("abcdef"), outcomes), max_size=4),
)
def test_every_update_arrives_exactly_as_often_as_it_was_due(jobs, rounds):
    """Over any run of outages that ends before the attempts do."""
    rig = Rig(attempts_max=10)
    work = [
        make_job(str(number), *frames) if frames else make_job(str(number), Frame(to=[]))
        for number, frames in enumerate(jobs)
    ]
    due = Counter((c, tuple(f.updates)) for job in work for f in job.frames for c in f.to)
    gone = set()
    for outcome in [*rounds, {}]:
        rig.connections.outcomes = {**outcome, **dict.fromkeys(gone, "gone")}
        gone |= {connection for connection, what in outcome.items() if what == "gone"}
        rig.jobs.sent = []
        rig.run(*work)
        work = rig.jobs.jobs
    got = Counter(
        (post.connection, tuple(int(u["topic"][6:]) for u in json.loads(post.body)["updates"]))
        for post in rig.connections.posts
    )
    assert work == []
    assert {key: count for key, count in due.items() if key[0] not in gone} == {
        key: count for key, count in got.items() if key[0] not in gone
    }


def test_over_a_real_socket_the_rest_comes_back_and_the_gone_are_named():
    with ScriptedGateway() as gateway:
        gateway.script("a", *[429] * 50)
        gateway.script("c", 410)
        client = ConnectionsClient(endpoint_url=gateway.url, region="r", credentials=lambda: KEY, size=2)
        jobs, gone = FakeJobs(), FakeGone()
        deliver = Deliver(connections=client, jobs=jobs, gone=gone, now=lambda: NOW, attempts_max=8)
        try:
            report = deliver.run([make_job()], deadline=time.monotonic() + 0.5)
        finally:
            client.close()
    assert (report.sent, report.gone, report.requeued) == (1, 1, 1)
    assert [frame.to for job in jobs.jobs for frame in job.frames] == [["a"]]
    assert gone.reports == [["c"]]
    assert json.loads(gateway.bodies("b")[0])["sent_at"] == "2026-11-23T01:02:03.456Z"


# --- what is measured ---


NOW_MS = int(NOW.timestamp() * 1000)


def test_delays_are_from_publication_and_offset_to_the_gateways_yes_a_value_a_frame(measured):
    rig = Rig(monotonic=lambda: 100.0)
    rig.connections.sent_at = 100.25
    with measured() as found:
        rig.run(make_job(published_ms=NOW_MS - 50, sequenced_ms=NOW_MS - 10))
    assert found["PublishedToSent"] == pytest.approx([300.0] * 3, abs=1)
    assert found["SequencedToSent"] == pytest.approx([260.0] * 3, abs=1)


def test_what_waits_on_purpose_has_no_delay(rig, measured):
    """Slower rates, snapshots and notices."""
    with measured() as found:
        rig.run(make_job())
    assert found.keys().isdisjoint({"PublishedToSent", "SequencedToSent"})


def test_what_was_not_sent_has_no_delay_yet_and_the_whole_one_later(measured):
    rig = Rig(monotonic=lambda: 0.0)
    rig.connections.outcomes = {"a": "unsent", "c": "unsent"}
    with measured() as found:
        rig.run(make_job(published_ms=NOW_MS - 50, sequenced_ms=NOW_MS))
    assert len(found["PublishedToSent"]) == 1
    (job,) = rig.jobs.jobs
    assert (job.published_ms, job.sequenced_ms) == (NOW_MS - 50, NOW_MS)


def test_frames_their_sizes_and_their_updates_are_counted(rig, measured):
    rig.connections.outcomes = {"c": "gone"}
    with measured() as found:
        rig.run(make_job())
    bodies = [len(body) for body in (rig.connections.bodies("a")[0],)]
    assert (found["FramesDelivered"], found["UpdatesDelivered"], found["ConnectionsGone"]) == ([2], [4], [1])
    assert found["UpdatesPerFrame"] == [2, 1]
    assert found["FrameBytes"][:1] == bodies


def test_what_the_gateway_refuses_and_throttles_is_counted(rig, measured):
    rig.connections.outcomes = {"c": 413}
    with measured() as found:
        rig.run(make_job())
    assert found["DeliveryErrors"] == [1]


def test_a_delivery_names_the_changes_that_it_carries(rig):
    updates = [msgspec.Raw(b'{"topic":"price:a","offset":7}'), msgspec.Raw(b'{"topic":"price:b","offset":1}')]
    with capture_logs() as logs:
        rig.run(DeliveryJob(id="j", frames=[Frame(to=["c"], updates=[0, 1])], updates=updates))
    (line,) = [line for line in logs if line["event"] == "delivery_started"]
    assert (line["jobs"], line["changes"]) == (["j"], ["price:a@7", "price:b@1"])
