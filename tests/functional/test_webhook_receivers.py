"""Alerts on their way to a receiver that is really there, and misbehaves: what is tried, when, and what the log says.

Only the clock and the queue are fakes; how each misbehaviour looks on the wire is tests/contract/test_webhooks.py's.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from chalicelib.adapters.webhooks import HttpWebhooks
from tests.fake_endpoints import World, alert_of, endpoint_of, message_of
from tests.fakes import FakeClock
from tests.receiver import answers, drips, is_silent, receiving, says

ADA = "ada"


def world_of(receiver, *, timeout_s=5.0):
    """Its clock starts now, since the library's verifier looks at the real one."""
    clock = FakeClock(datetime.now(UTC))
    world = World(clock=clock, webhooks=HttpWebhooks(to_private=True, timeout_s=timeout_s))
    return world, world.has(endpoint_of(ADA, address=receiver.url()))


def test_an_alert_and_its_end_arrive_signed_so_that_the_librarys_verifier_takes_them():
    with receiving(answers(204)) as receiver:
        world, hook = world_of(receiver)
        world.tell(message_of(hook), message_of(hook, alert=alert_of("resolved")))
    told = {
        got.headers["webhook-id"]: Webhook(hook.secrets[0].value).verify(got.body, got.headers) for got in receiver.got
    }
    assert {name: body["type"] for name, body in told.items()} == {
        "msg_firing_en_1": "alert.firing",
        "msg_resolved_en_1": "alert.resolved",
    }
    assert told["msg_firing_en_1"]["data"]["condition"] == "value < 0.98 for 5m"


@pytest.mark.parametrize(
    ("behaviour", "status", "error"),
    [
        (answers(500, b"Sorry"), 500, "answered 500"),
        (answers(302, location="https://example.com/"), 302, "answered 302: redirects are not followed"),
        (says(b"SSH-2.0-OpenSSH\r\n"), None, "the answer is not HTTP: BadStatusLine"),
        (says(b""), None, "the connection was closed without an answer"),
        (is_silent, None, "no answer within 0.2 s"),
        (drips, None, "no answer within 0.2 s"),
    ],
)
def test_a_receiver_that_recovers_gets_what_it_missed(behaviour, status, error):
    with receiving(behaviour) as receiver:
        world, hook = world_of(receiver, timeout_s=0.2)
        world.tell(message_of(hook))
        world.next()
        receiver.behaves = answers(200)
        world.to_the_end()
    tries = world.log.attempts
    assert [(each.number, each.status, each.error) for each in tries] == [
        (1, status, error),
        (2, status, error),
        (3, 200, ""),
    ]
    assert [
        (later - earlier).total_seconds() for earlier, later in ((tries[0].at, tries[1].at), (tries[1].at, tries[2].at))
    ] == [5, 30]
    assert world.store.find(ADA, hook.id).failing_since is None
    assert len({(got.headers["webhook-id"], got.body) for got in receiver.got}) == 1


def test_one_that_stays_down_is_disabled_after_five_days_and_told_again_once_it_is_enabled():
    with receiving(answers(200)) as receiver:
        pass  # its port is closed again
    world, hook = world_of(receiver)
    began = world.clock()
    world.tell(message_of(hook))
    world.to_the_end()
    assert world.store.find(ADA, hook.id).disabled_at == began + timedelta(days=5)
    assert {each.error for each in world.log.attempts} == {"no connection: Connection refused"}
    with receiving(answers(200)) as receiver:
        world.has(endpoint_of(ADA, address=receiver.url(), secrets=hook.secrets))
        world.endpoints.replay(ADA, "ru_1", "msg_firing_en_1")
        world.to_the_end()
    assert [got.headers["webhook-id"] for got in receiver.got] == ["msg_firing_en_1"]
    assert world.log.attempts[-1].replay


def test_each_try_is_signed_for_its_own_time():
    with receiving(answers(500)) as receiver:
        world, hook = world_of(receiver)
        world.tell(message_of(hook))
        world.next()
    first, second = (int(got.headers["webhook-timestamp"]) for got in receiver.got)
    assert second - first == 5
    for got in receiver.got:
        at = datetime.fromtimestamp(int(got.headers["webhook-timestamp"]), UTC)
        signed = Webhook(hook.secrets[0].value).sign("msg_firing_en_1", at, got.body.decode())
        assert got.headers["webhook-signature"] == signed


def test_a_slow_receiver_costs_the_others_of_its_batch_nothing():
    """The quick one has its answer while the slow one is being waited for still."""
    with receiving(answers(200)) as quick, receiving(is_silent) as slow:
        world, hook = world_of(quick, timeout_s=0.5)
        other = world.has(endpoint_of(ADA, "2", address=slow.url()))
        world.tell(message_of(other), message_of(hook))
    arrived, late = world.log.attempts
    assert (arrived.endpoint, arrived.arrived) == (hook.id, True)
    assert (late.endpoint, late.error) == (other.id, "no answer within 0.5 s")
