"""What EventBridge fires."""

import pytest

from chalicelib.errors import StoreDownError
from chalicelib.ports import FeedResult, FeedState
from tests.fakes import seen
from tests.unit.handlers.rig import event


def test_a_poll_publishes_what_the_source_says_and_reports_it(invoke):
    now = invoke.rig.clock()
    invoke.container.source.answers["chains"] = FeedResult(
        [seen("tvl:chain:Base", "5", now)], FeedState(count=1, total=5.0, last_success=now), now
    )
    report = invoke("poll", event("scheduled"))
    assert report["held"] is False
    assert {feed["kind"]: feed["new"] for feed in report["feeds"]}["chains"] == 1
    assert invoke.container.publisher.figures("tvl:") == [("tvl:chain:Base", "5")]


def test_a_sweep_takes_what_was_lost_and_announces_ends(invoke):
    invoke.rig.connect()
    invoke.rig.ask("subscribe", topics=["price:ethereum"], rate="5s")
    invoke.rig.see("price:ethereum", "100", "101")
    invoke.rig.clock.forward(seconds=11)
    assert invoke("sweep", event("scheduled")) == {"overdue": 1, "ending": 0, "mended": 0, "due": 0}
    invoke.rig.clock.forward(hours=2)
    assert invoke("sweep", event("scheduled")) == {"overdue": 0, "ending": 1, "mended": 0, "due": 0}
    assert [update["value"] for update in invoke.rig.jobs.updates("c")] == ["101"]


def test_what_fails_in_a_sweep_keeps_nothing_else_from_its_turn(invoke):
    invoke.rig.connect()
    invoke.rig.ask("subscribe", topics=["price:ethereum"], rate="5s")
    invoke.rig.see("price:ethereum", "100", "101")
    invoke.rig.clock.forward(seconds=11)
    invoke.container.keep_index.is_down = True
    with pytest.raises(StoreDownError):
        invoke("sweep", event("scheduled"))
    assert [update["value"] for update in invoke.rig.jobs.updates("c")] == ["101"]


def test_a_rehearsed_poll_asks_no_source_and_publishes_to_no_client(invoke):
    answer = invoke("poll", event("scheduled", detail={"rehearsal": True}))
    assert (answer["rehearsal"], answer["published"]) == (True, 1)
    assert [topic for topic, _ in invoke.container.publisher.figures("")] == ["feed:smoke:poll"]
    assert invoke.container.source.kinds == set()
    assert invoke.container.feeds.acquire("the next run", 55)  # the lease is free


def test_a_rehearsed_sweep_looks_and_does_nothing(invoke):
    invoke.rig.connect()
    invoke.rig.ask("subscribe", topics=["price:ethereum"], rate="5s")
    invoke.rig.see("price:ethereum", "100", "101")
    invoke.rig.clock.forward(hours=1)
    answer = invoke("sweep", event("scheduled", detail={"rehearsal": True}))
    assert answer["rehearsal"] is True
    assert answer["overdue"] == 1
    assert invoke.container.keep_index.sweeps == 0
    assert invoke.rig.jobs.updates("c") == []


def test_once_a_day_months_come_and_go(invoke):
    assert invoke("maintain", event("scheduled")) == {
        "retired": ["observations_2020_01"],
        "dropped": ["observations_2019_01"],
    }
    assert len(invoke.container.months.opened) == 3


def test_an_operator_is_told_who_is_connected_and_nothing_is_swept(invoke):
    invoke.rig.connect()
    invoke.rig.ask("subscribe", topics=["price:ethereum"], rate="5s")
    asked = event("scheduled", detail={"connections": {"count": 5}})
    assert invoke("sweep", asked) == {
        "connections": 1,
        "subscriptions": 1,
        "tiers": {"pro": 1},
        "users": {"ann": 1},
        "topics": {"price:ethereum": 1},
    }
    (one,) = invoke("sweep", event("scheduled", detail={"connections": {"list": 5, "topic": "price:ethereum"}}))[
        "connections"
    ]
    assert (one["connection"], one["session"]["user"]) == ("c", "ann")
    none = event("scheduled", detail={"connections": {"list": 5, "user": "nobody", "tier": None}})
    assert invoke("sweep", none) == {"connections": []}
