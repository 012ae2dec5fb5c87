"""Everyone gets what is due to them, once, in order, in few posts; nothing else goes out."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.changes import Change, Due
from chalicelib.domain.filters import Group
from chalicelib.domain.topics import matches
from chalicelib.protocol.envelopes import MAX_MESSAGE_BYTES, encode
from chalicelib.services.delivery import _body
from chalicelib.services.fanout import JobBuilder, build_jobs, coalesce, encode_jobs, names_of

AT = "2026-11-23T02:00:00.000Z"
TOPICS = ("price:a", "price:b", "tvl:chain:x", "tvl:protocol:y", "tvl:protocol:z")
NAMES = (*TOPICS, "price:*", "tvl:*", "tvl:chain:*", "tvl:protocol:*")
CONNECTIONS = [f"{n:03}AbCdEfGhIjKl=" for n in range(6)]


def change(topic="price:a", offset=1, **more):
    fields = {"topic": topic, "epoch": "e", "offset": offset, "value": "1", "previous": None, "source": "test"}
    return Change(**{**fields, "observed_at": AT, "published_at": AT, **more})


groups = st.builds(
    Group,
    rate_s=st.sampled_from([0, 0, 5]),
    rung=st.sampled_from(["", "", "1", "5"]),
    chains=st.sampled_from([(), (), ("Base",), ("Base", "Solana")]),
    categories=st.sampled_from([(), (), ("Dexes",)]),
)
subscriptions = st.dictionaries(
    st.sampled_from(CONNECTIONS), st.dictionaries(st.sampled_from(NAMES), groups, max_size=4), max_size=6
)
offsets = st.none() | st.integers(1, 9)
changes = st.lists(
    st.builds(
        change,
        topic=st.sampled_from(TOPICS),
        offset=st.integers(1, 50),
        value=st.sampled_from(["1", "12345.678"]),
        chains=st.sampled_from([(), ("Base",), ("Solana", "Tron")]),
        category=st.sampled_from([None, "Dexes", "Lending"]),
        prev=st.dictionaries(st.sampled_from(["1", "5"]), offsets),
        slow=st.dictionaries(st.sampled_from(["5|", "5|1"]), offsets),
        realtime=st.booleans(),
    ),
    max_size=12,
)


def recipients_of(wants):
    """As the store answers: name -> group -> connections."""
    found = {}
    for connection, names in wants.items():
        for name, group in names.items():
            found.setdefault(name, {}).setdefault(group, []).append(connection)
    return found


def expected(moved, wants):
    """Connection by connection, change by change: (index, prev) in order. The longest matching name decides."""
    due = {}
    for connection, names in wants.items():
        for index, one in enumerate(moved):
            fitting = [name for name in names if matches(name, one.topic)]
            if not fitting:
                continue
            best = one.topic if one.topic in fitting else max(fitting, key=len)
            prev = one.due(names[best])
            if prev is not Due.NO:
                due.setdefault(connection, []).append((index, prev))
    return due


@given(changes, subscriptions)
def test_everyone_gets_what_their_most_specific_subscription_wants_and_only_that(moved, wants):
    got = {}
    for payload in coalesce(moved, recipients_of(wants)):
        for connection in payload.connections:
            assert connection not in got  # one payload each
            got[connection] = list(payload.variants)
    assert got == expected(moved, wants)


@given(changes, subscriptions)
def test_connections_that_get_the_same_share_one_payload(moved, wants):
    payloads = [tuple(payload.variants) for payload in coalesce(moved, recipients_of(wants))]
    assert len(payloads) == len(set(payloads))
    assert all(payloads)


@given(changes, subscriptions, st.integers(300, 3000), st.integers(1, 4), st.data())
def test_jobs_carry_every_update_in_order_within_their_limits(moved, wants, frame_bytes, posts_per_job, data):
    sources = {
        index: data.draw(st.lists(st.sampled_from(["m1", "m2", "m3"]), min_size=1, max_size=2))
        for index in range(len(moved))
    }
    jobs = build_jobs(
        moved, recipients_of(wants), sources=sources, frame_bytes=frame_bytes, posts_per_job=posts_per_job
    )
    assert received(jobs) == {
        connection: [(moved[index].topic, moved[index].offset, prev) for index, prev in due]
        for connection, due in expected(moved, wants).items()
    }
    for job in jobs:
        assert len(encode(job)) <= MAX_MESSAGE_BYTES
        assert 1 <= sum(len(frame.to) for frame in job.frames) <= posts_per_job
        bodies = [_body(job, frame, AT) for frame in job.frames]
        assert all(len(body) <= frame_bytes or len(msgspec.json.decode(body)["updates"]) == 1 for body in bodies)
        assert len(set(map(bytes, job.updates))) == len(job.updates)
        assert set(job.sources) >= {
            source
            for frame in job.frames
            for update in frame.updates
            for source in sources_of(job.updates[update], moved, sources)
        }
        assert set(job.sources) <= {source for named in sources.values() for source in named}
        assert len(set(job.sources)) == len(job.sources)


def sources_of(encoded, moved, sources):
    """The messages of the change that an update tells of, where it can only be one change."""
    told = msgspec.json.decode(encoded)
    fitting = [n for n, one in enumerate(moved) if (one.topic, one.offset) == (told["topic"], told["offset"])]
    return sources[fitting[0]] if len(fitting) == 1 else []


def received(jobs):
    """Connection -> (topic, offset, prev) over all its frames, in order."""
    got = {}
    for job in jobs:
        for frame in job.frames:
            for connection in frame.to:
                for index in frame.updates:
                    update = msgspec.json.decode(job.updates[index])
                    got.setdefault(connection, []).append((update["topic"], update["offset"], update["prev"]))
    return got


def test_a_batch_is_one_frame_for_a_connection():
    moved = [change(topic, offset=2) for topic in TOPICS]
    jobs = build_jobs(moved, {"price:*": {Group(): ["c"]}, "tvl:*": {Group(): ["c"]}}, sources={}, **limits())
    assert [len(frame.updates) for job in jobs for frame in job.frames] == [5]


def limits(frame_bytes=32_768, posts_per_job=500):
    return {"frame_bytes": frame_bytes, "posts_per_job": posts_per_job}


def test_many_connections_are_spread_over_jobs_of_so_many_posts():
    everyone = [f"c{n}" for n in range(1201)]
    jobs = build_jobs([change()], {"price:a": {Group(): everyone}}, sources={0: ["m"]}, **limits())
    assert [sum(len(frame.to) for frame in job.frames) for job in jobs] == [500, 500, 201]
    assert all(job.sources == ["m"] for job in jobs)
    assert len({job.id for job in jobs}) == 3


def test_many_different_payloads_stay_within_a_messages_room():
    moved = [change(f"price:coin-number-{n}", offset=9) for n in range(900)]
    wants = {one.topic: {Group(): [f"{n:014}==" for n in range(index % 3 + 1)]} for index, one in enumerate(moved)}
    jobs = build_jobs(moved, wants, sources={n: ["m" * 36] for n in range(900)}, **limits())
    assert max(map(len, encode_jobs(jobs))) <= MAX_MESSAGE_BYTES


def test_many_tiny_frames_stay_within_a_messages_room():
    builder = JobBuilder(**limits(frame_bytes=1, posts_per_job=100_000))
    for n in range(9_000):
        builder.add([b'"%d"' % (n % 10)], [f"{n:014}=="])
    assert len(builder.jobs) > 1
    assert max(map(len, encode_jobs(builder.jobs))) <= MAX_MESSAGE_BYTES


def test_a_whole_message_is_carried_as_it_is():
    builder = JobBuilder(**limits())
    builder.add_message(b'{"type":"notice"}', ["c"])
    (job,) = builder.jobs
    assert _body(job, job.frames[0], AT) == b'{"type":"notice"}'


def test_nobody_to_tell_is_no_job():
    assert build_jobs([change()], {}, sources={0: ["m"]}, **limits()) == []
    assert build_jobs([], {"price:a": {Group(): ["c"]}}, sources={}, **limits()) == []


def test_who_may_want_changes_is_asked_once_each():
    assert names_of([change("price:a"), change("price:b"), change("tvl:chain:x")]) == [
        "price:a",
        "price:*",
        "price:b",
        "tvl:chain:x",
        "tvl:chain:*",
        "tvl:*",
    ]


@pytest.mark.parametrize("size", [200, 32_768])
def test_an_update_larger_than_a_frame_still_goes_alone(size):
    builder = JobBuilder(**limits(frame_bytes=1000))
    builder.add([b"1" * 10, b"2" * size, b"3" * 10], ["c"])
    frames = [list(frame.updates) for job in builder.jobs for frame in job.frames]
    assert [update for frame in frames for update in frame] == [0, 1, 2]
