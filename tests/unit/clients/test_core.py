"""The core's timers and plans, frame by frame, with time passed in."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from defistream import AuthenticationError, LimitError
from defistream.core import NO_REPLY, SILENCE_S, Core
from defistream.errors import from_reply, from_status
from defistream.resume import full_jitter
from defistream.tokens import http_url, socket_url
from defistream.wants import Want, cut_resume
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.clients.model_server import T0

WALL = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)


class Line:
    """A connected core and short ways to talk to it."""

    def __init__(self, *topics: str, **want: Any) -> None:
        self.core = Core(jitter=lambda: 0.5)
        self.now = 1000.0
        self.core.connected(self.now)
        for part in cut_resume(dict.fromkeys(topics, Want(**want)), {}, joins=True):
            self.core.subscribe(part, self.now)

    def sent(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.core.take_outgoing()]

    def reply(self, command: dict[str, Any], **result: Any) -> None:
        self.receive({"type": "reply", "id": command["id"], "ok": True, "result": result})

    def refuse(self, id: int | None, code: int, **error: Any) -> None:
        self.receive({"type": "reply", "id": id, "ok": False, "error": {"code": code, "name": "n", **error}})

    def update(self, offset: int, prev: int | None, *, epoch: str = "e1", at: str = T0, topic: str = "price:a") -> None:
        self.receive({"type": "updates", "sent_at": T0, "updates": [{
            "topic": topic, "epoch": epoch, "offset": offset, "prev": prev, "value": "1.5", "previous": None,
            "change_pct": None, "observed_at": T0, "published_at": at, "source": "s", "confidence": None,
            "snapshot": False,
        }]})  # fmt: skip

    def receive(self, frame: Any) -> None:
        self.core.receive(json.dumps(frame), self.now, WALL)

    def got(self) -> list[int]:
        return [update.offset for update in self.core.take()[0]]

    def tick(self, after: float) -> None:
        self.now += after
        self.core.tick(self.now)

    def at(self, offset: int) -> dict[str, Any]:
        return {"price:a": {"epoch": "e1", "offset": offset}}


def joined(*topics: str, **want: Any) -> Line:
    line = Line(*topics, **want)
    for command in line.sent():
        line.reply(command, topics=line.at(1))
    return line


def test_updates_before_the_reply_wait_for_it() -> None:
    line = Line("price:a")
    line.update(2, 1)
    assert line.got() == []

    line.reply(line.sent()[0], topics=line.at(1))
    assert line.got() == [2]


def test_only_the_topics_of_a_command_wait() -> None:
    line = joined("price:*")
    line.core.subscribe(next(cut_resume({"tvl:chain:b": Want()}, {}, joins=True)), line.now)
    line.update(2, 1)
    line.update(1, None, topic="tvl:chain:b")

    assert [update.topic for update in line.core.take()[0]] == ["price:a"]


def test_a_gap_gets_two_seconds_before_it_is_asked_for() -> None:
    line = joined("price:a")
    line.update(3, 2)
    line.tick(1.9)
    assert line.sent() == []

    line.tick(0.2)
    assert [command["since"] for command in line.sent()] == [line.at(1)]


def test_a_gap_that_fills_by_itself_asks_for_nothing() -> None:
    line = joined("price:a")
    line.update(3, 2)
    line.update(2, 1)
    line.tick(5)

    assert line.sent() == []
    assert (line.core.stats.gaps, line.core.stats.filled, line.got()) == (1, 1, [3, 2])


def test_what_is_promised_and_never_sent_is_reported_after_three_attempts() -> None:
    line = joined("price:a")
    line.update(3, 2)
    for _ in range(3):
        line.tick(2.1)
        line.reply(line.sent()[0], topics={"price:a": {**line.at(3)["price:a"], "recovered": True}})
    line.tick(2.1)

    assert line.sent() == []
    assert line.core.stats.not_recovered == 1


def test_a_wildcards_gap_asks_for_its_topic_alone() -> None:
    line = joined("price:*", rate="5s")
    line.update(3, 2)
    line.tick(2.1)
    command = line.sent()[0]

    assert (command["topics"], command["since"], command["snapshot"]) == (["price:*"], line.at(1), False)
    assert command["rate"] == "5s"


def test_a_late_frame_of_an_old_epoch_does_not_bring_it_back() -> None:
    line = joined("price:a")
    line.update(2, 1, at="2026-11-23T01:00:01Z")
    line.update(1, None, epoch="e2", at="2026-11-23T01:00:05Z")
    line.update(3, 2, at="2026-11-23T01:00:02Z")
    line.update(2, 1, epoch="e2", at="2026-11-23T01:00:06Z")

    assert line.got() == [2, 1, 2]
    assert line.core.stats.epochs == 1


def test_silence_is_broken_by_a_ping_and_no_answer_ends_the_connection() -> None:
    line = joined("price:a")
    assert line.core.wakes_at() == line.now + SILENCE_S

    line.tick(SILENCE_S)
    assert [command["action"] for command in line.sent()] == ["ping"]
    line.tick(10.0)
    assert line.core.lost == NO_REPLY


def test_any_frame_answers_the_ping() -> None:
    line = joined("price:a")
    line.tick(SILENCE_S)
    line.update(2, 1)
    line.tick(10.0)

    assert line.core.lost is None


def test_a_refresh_is_due_before_the_session_ends() -> None:
    line = Line("price:a")
    line.reply(line.sent()[0], topics={}, session_expires=(WALL + timedelta(hours=1)).isoformat())
    line.tick(3299)
    assert not line.core.refresh_due
    line.tick(2)

    assert line.core.refresh_due


def test_a_limit_is_waited_out_and_the_resume_sent_again() -> None:
    line = joined("price:a")
    line.core.disconnected()
    line.core.connected(line.now)
    line.refuse(line.sent()[0]["id"], 3001, retry_after=2.0)
    line.tick(1.9)
    assert line.sent() == []

    line.tick(0.5)
    assert [command["since"] for command in line.sent()] == [line.at(1)]


def test_a_refusal_without_an_id_belongs_to_the_only_command() -> None:
    line = Line("price:a")
    line.refuse(None, 3001, retry_after=1)
    assert isinstance(line.core.take()[2][0].error, LimitError)


def test_an_expired_session_asks_for_a_new_connection() -> None:
    line = joined("price:a")
    line.tick(SILENCE_S)
    line.refuse(line.sent()[0]["id"], 4001)

    assert "4001" in str(line.core.lost)


def test_what_was_unsubscribed_stays_so_after_a_reconnect() -> None:
    line = joined("price:a")
    line.core.unsubscribe(["price:a"], line.now)
    line.reply(line.sent()[0], topics=["price:a"])
    line.core.disconnected()
    line.core.connected(line.now)
    line.update(2, 1)

    assert (line.sent(), line.got()) == ([], [])


def test_an_unanswered_subscribe_is_sent_again_on_the_next_connection() -> None:
    line = Line("price:a")
    first = line.sent()
    line.core.disconnected()
    line.core.connected(line.now)

    assert line.sent() == first


@pytest.mark.parametrize(
    "frame", ["[", "[]", "7", '{"message": "Internal server error"}', '{"type":"updates","updates":[{}]}']
)
def test_a_frame_that_makes_no_sense_is_counted_and_left(frame: str) -> None:
    line = joined("price:a")
    line.core.receive(frame, line.now, WALL)
    line.update(2, 1)

    assert (line.core.stats.malformed, line.got()) == (1, [2])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab:*", max_size=5) | st.just("price:a") | st.just("updates"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["topics", "rejected", "epoch", "offset", "code", "updates", "topic"]), inner)
    ),
    max_leaves=8,
)


@given(
    kind=st.sampled_from(["updates", "reply", "notice", "alert", "x"]),
    fields=st.dictionaries(
        st.sampled_from(["id", "ok", "result", "error", "updates", "sent_at", "name"]), JSON | st.just(1)
    ),
)
def test_no_frame_whatever_it_holds_breaks_the_client(kind: str, fields: dict[str, Any]) -> None:
    line = Line("price:a")
    line.receive({**fields, "type": kind})
    line.tick(1)
    line.core.disconnected()
    line.core.connected(line.now)
    for command in line.sent():
        line.reply(command, topics=line.at(1))
    line.update(2, 1)

    assert line.got() in ([2], [])  # [] if that frame said that the topic is refused or elsewhere


def test_a_long_since_is_cut_in_parts_that_fit() -> None:
    topics = [f"price:base:0x{number:0100}" for number in range(700)]
    since = {topic: {"epoch": "k3q9", "offset": 120} for topic in topics}
    parts = list(cut_resume({"price:*": Want()}, since, joins=True))

    assert sum(len(part.since) for part in parts) == 700
    assert all(len(json.dumps(part.body())) < 24_000 and len(part.since) <= 100 for part in parts)
    assert [part.joins for part in parts] == [True] + [False] * (len(parts) - 1)
    assert len(list(cut_resume(dict.fromkeys(topics, Want()), since, joins=True))) == len(parts)


def test_the_delay_grows_and_is_capped() -> None:
    assert [full_jitter(attempt, 1.0) for attempt in (0, 1, 2, 6, 50)] == [0.5, 1.0, 2.0, 30.0, 30.0]
    assert full_jitter(3, 0.0) == 0.0


def test_errors_say_what_to_do() -> None:
    limited = from_status(429, {}, "7")
    assert (type(limited), limited.retry_after, limited.temporary) == (LimitError, 7.0, True)
    expired = from_reply({"code": 4001, "name": "expired", "message": "old"})
    assert (type(expired), expired.temporary, str(expired)) == (AuthenticationError, False, "4001 expired: old")


def test_urls_are_completed() -> None:
    assert socket_url("ws://h:1", "a b") == "ws://h:1/ws?token=a+b"
    assert socket_url("wss://h/other?x=1") == "wss://h/other?x=1"
    assert http_url("wss://h:1/ws") == "https://h:1"
    with pytest.raises(ValueError, match="not a ws"):
        socket_url("http://h")
