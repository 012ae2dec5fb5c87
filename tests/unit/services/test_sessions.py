"""Connections are opened within their owner's limit, not counting the dead, and ended once."""

import pytest

from chalicelib.errors import StoreDownError, TooManyConnectionsError
from tests.unit.services.socket_rig import SocketRig


@pytest.fixture
def rig():
    return SocketRig()


def test_a_session_ends_with_its_identity(rig):
    session = rig.connect(lasts_s=60)
    assert (session.user, session.tier) == ("ann", "pro")
    assert session.session_ms == int(rig.clock().timestamp() + 60) * 1000


def test_a_session_never_outlasts_its_connection(rig):
    session = rig.connect(lasts_s=86_400)
    assert session.session_ms == session.ends_ms == int(rig.clock().timestamp() + 7800) * 1000


def test_a_connection_above_the_limit_is_refused(rig):
    rig.connect("a", tier="tiny")
    with pytest.raises(TooManyConnectionsError) as caught:
        rig.connect("b", tier="tiny")
    assert (caught.value.http_status, caught.value.retry_after) == (429, 60)
    assert "b" not in rig.store.sessions


def test_a_connection_that_the_gateway_no_longer_knows_gives_its_place_up(rig):
    rig.connect("a", tier="tiny")
    rig.connections.gone = {"a"}
    rig.clock.forward(seconds=30)
    rig.connect("b", tier="tiny")
    assert set(rig.store.sessions) == {"b"}


def test_the_gateway_is_not_asked_while_there_is_room(rig):
    rig.connect("a")
    rig.connect("b")
    assert rig.connections.asked == []


def test_ending_twice_or_what_was_never_opened_is_harmless(rig):
    rig.connect("a")
    rig.sessions.end(["a"])
    rig.sessions.end(["a", "never"])
    assert rig.store.sessions == {}


def test_an_end_that_overtakes_its_beginning_wins(rig):
    rig.sessions.end(["a"])
    rig.connect("a")
    assert rig.store.sessions == {}


def test_a_store_that_is_down_is_said_to_be(rig):
    rig.store.down = {"*"}
    with pytest.raises(StoreDownError):
        rig.connect()
    with pytest.raises(StoreDownError):
        rig.sessions.end(["c"])


# --- endings ---


def test_five_minutes_before_its_two_hours_a_connection_is_told_once_to_reconnect(rig):
    rig.connect("a")
    rig.clock.forward(minutes=30)
    rig.connect("b")
    rig.clock.forward(minutes=84)
    assert rig.sessions.announce_endings() == 0
    rig.clock.forward(minutes=1)
    assert rig.sessions.announce_endings() == 1
    assert rig.sessions.announce_endings() == 0
    assert [message["name"] for message in rig.jobs.messages("a")] == ["going_away"]
    assert rig.jobs.messages("b") == []


def test_thousands_are_told_in_jobs_of_a_limited_size(rig):
    for n in range(1100):
        rig.store.ending[f"c{n}"] = 0
    assert rig.sessions.announce_endings() == 1100
    assert [len(job.frames[0].to) for job in rig.jobs.jobs] == [500, 500, 100]


def test_a_notice_that_is_not_taken_is_sent_with_the_next_sweep(rig):
    rig.connect("a")
    rig.clock.forward(minutes=115)
    rig.jobs.takes = lambda _: False
    with pytest.raises(StoreDownError):
        rig.sessions.announce_endings()
    rig.jobs.takes = lambda _: True
    assert rig.sessions.announce_endings() == 1


def test_what_is_open_is_measured(rig, measured):
    rig.connect("a")
    rig.connect("b")
    with measured() as found:
        rig.sessions.count_active()
    assert (found["ActiveConnections"], found["ActiveSubscriptions"]) == ([2], [0])


def test_openings_ends_and_refusals_are_counted(rig, measured):
    with measured() as found:
        rig.connect("a", tier="tiny")
        with pytest.raises(TooManyConnectionsError):
            rig.connect("b", tier="tiny")
        rig.sessions.end(["a", "never seen"])
    assert (found["ConnectionsOpened"], found["ConnectionsRefused"], found["ConnectionsEnded"]) == ([1], [1], [1])
