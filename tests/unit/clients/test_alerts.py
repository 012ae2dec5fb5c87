"""One's own alerts: under a name that the client need not know, each told once, none conflated away."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from defistream import Alert
from defistream.__main__ import as_json, as_row
from defistream.buffer import Buffer
from defistream.core import Core, Order
from defistream.update import Update
from defistream.wants import Want, cut_resume

WALL = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
AT = "2026-11-23T00:59:00.000Z"


def update(number: int, prev: int | None = None, *, snapshot: bool = False, user: str = "ann") -> dict[str, Any]:
    alert = {
        "id": f"al_{number}",
        "rule": "ru_1",
        "name": "USDC loses its peg",
        "state": "firing",
        "topic": "peg:usd-coin",
        "value": "0.97",
        "condition": "value < 0.98",
        "fired_at": AT,
        "at": AT,
    }
    return {
        "topic": f"alerts:{user}",
        "epoch": "e1",
        "offset": number,
        "prev": prev,
        "value": "0.97",
        "previous": None,
        "change_pct": None,
        "observed_at": AT,
        "published_at": AT,
        "source": "rules",
        "confidence": None,
        "snapshot": snapshot,
        "alert": alert,
    }


class Line:
    """A core that is subscribed to its own alerts, which the server calls alerts:ann."""

    def __init__(self, order: Order = "arrival") -> None:
        self.core = Core(order=order, jitter=lambda: 0.5)
        self.core.connected(0.0)
        for part in cut_resume({"alerts:me": Want()}, {}, joins=True):
            self.core.subscribe(part, 0.0)

    def answer(self, offset: int = 0) -> dict[str, Any]:
        """Reply to the last command; what it was."""
        (command,) = (json.loads(text) for text in self.core.take_outgoing())
        topics = {"alerts:ann": {"epoch": "e1" if offset else None, "offset": offset, "recovered": True}}
        self.say({"type": "reply", "id": command["id"], "ok": True, "result": {"topics": topics}})
        return command

    def say(self, frame: dict[str, Any]) -> None:
        self.core.receive(json.dumps(frame), 0.0, WALL)

    def push(self, *updates: dict[str, Any]) -> None:
        self.say({"type": "updates", "sent_at": AT, "updates": list(updates)})

    def take(self) -> tuple[list[int], list[str]]:
        updates, events, _ = self.core.take()
        return [each.offset for each in updates], [each.data["id"] for each in events if each.name == "alert"]


def test_an_alert_is_an_update_and_an_event_once_however_often_it_comes() -> None:
    line = Line()
    line.answer()
    for _ in range(2):
        line.push(update(1))
    assert line.take() == ([1], ["al_1"])


def test_one_that_comes_before_the_reply_waits_for_it() -> None:
    line = Line()
    line.push(update(1))
    assert line.take() == ([], [])
    line.answer()
    assert line.take() == ([1], ["al_1"])


def test_the_last_alert_as_a_snapshot_is_shown_and_does_not_ring() -> None:
    line = Line()
    line.answer(7)
    line.push(update(7, snapshot=True))
    assert line.take() == ([7], [])


def test_after_a_break_what_was_missed_is_asked_for_by_its_real_name() -> None:
    line = Line()
    line.answer(1)
    line.push(update(2, 1))
    line.core.disconnected()
    line.core.connected(1.0)
    command = line.answer(4)
    assert (command["topics"], command["since"]) == (["alerts:me"], {"alerts:ann": {"epoch": "e1", "offset": 2}})
    line.push(update(3, 2), update(4, 3))
    assert line.take() == ([2, 3, 4], ["al_2", "al_3", "al_4"])


def test_a_display_of_the_newest_drops_no_alert_that_comes_late() -> None:
    line = Line("newest")
    line.answer(1)
    line.push(update(3, 2))
    line.push(update(2, 1))
    assert line.take() == ([3, 2], ["al_3", "al_2"])


def test_a_slow_reader_of_the_newest_gets_every_alert() -> None:
    line, buffer = Line("newest"), Buffer(limit=10, newest_only=True)
    line.answer(1)
    line.push(update(2, 1), update(3, 2))
    buffer.put(line.core.take()[0])
    assert [each.offset for each in buffer._items.values()] == [2, 3]


def test_who_has_left_is_told_nothing_more() -> None:
    line = Line()
    line.answer(1)
    line.core.unsubscribe(["alerts:me"], 0.0)
    line.push(update(2, 1))
    assert line.take() == ([], [])


@pytest.mark.parametrize("field", ["id", "rule", "state", "condition", "fired_at", "at"])
def test_an_alert_that_lacks_something_harms_no_other(field: str) -> None:
    line = Line()
    line.answer(1)
    broken = update(2, 1)
    del broken["alert"][field]
    line.push(broken, update(3, 1))
    assert line.take() == ([3], ["al_3"])
    assert line.core.stats.malformed == 1


def alerted() -> Update:
    line = Line()
    line.answer(1)
    line.push(update(2, 1))
    return line.core.take()[0][0]


def test_its_figures_are_exact_and_its_times_aware() -> None:
    alert = alerted().alert
    assert isinstance(alert, Alert)
    assert (alert.value, alert.fired_at.tzinfo is not None) == (Decimal("0.97"), True)


def test_the_command_line_says_what_happened_to_which_rule() -> None:
    assert as_row(alerted()) == "00:59:00 FIRING       USDC loses its peg: peg:usd-coin is 0.97 (value < 0.98)"
    assert json.loads(as_json(alerted()))["alert"]["value"] == "0.97"
