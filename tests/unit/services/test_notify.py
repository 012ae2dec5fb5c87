"""An alert is told by webhook and e-mail: once if it arrives, again and again if not, and not for ever."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import msgspec
import pytest

from chalicelib.domain.alerts import AlertState
from chalicelib.domain.retries import STEPS_S
from chalicelib.errors import StoreDownError, UnknownAlertError
from chalicelib.ports.endpoints import Answer
from chalicelib.services.process import Message
from tests.fake_endpoints import OK, SORRY, World, alert_of, endpoint_of, message_of

ADA = "ada"


@pytest.fixture
def world():
    return World()


@pytest.fixture
def hook(world):
    return world.has(endpoint_of(ADA))


@pytest.fixture
def mail(world):
    return world.has(endpoint_of(ADA, "mail", kind="email"))


def pauses(world):
    """Seconds between one try and the next, by the log."""
    times = [attempt.at for attempt in world.log.attempts]
    return [(later - earlier).total_seconds() for earlier, later in pairwise(times)]


def test_an_alert_arrives_once_however_often_its_message_comes(world, hook):
    message = message_of(hook)
    assert [world.tell(message), world.tell(message)] == [set(), set()]
    assert len(world.fake.sent) == 1


def test_the_body_says_what_became_of_the_alert(world, hook):
    world.tell(message_of(hook, alert=alert_of("resolved", at="2026-11-23T03:00:00Z")))
    (sent,) = world.fake.sent
    body = msgspec.json.decode(sent.body)
    assert (body["type"], body["timestamp"]) == ("alert.resolved", "2026-11-23T03:00:00Z")
    assert msgspec.convert(body["data"], type(alert_of())) == alert_of("resolved", at="2026-11-23T03:00:00Z")
    assert sent.message_id == "msg_resolved_en_1"


def test_a_worker_that_holds_a_message_is_not_overtaken(world, hook):
    world.requests.begin("notify#msg_firing_en_1##0", "done", lease_s=60)
    assert world.tell(message_of(hook)) == {"0"}
    assert world.fake.sent == []


def test_a_worker_that_died_over_a_message_is_followed_by_another(world, hook):
    world.requests.begin("notify#msg_firing_en_1##0", "done", lease_s=60)
    world.clock.forward(seconds=60)
    assert world.tell(message_of(hook)) == set()
    assert len(world.fake.sent) == 1


def test_a_message_that_cannot_be_read_is_left_to_the_dead_letters(world, hook):
    good = msgspec.json.encode(message_of(hook)).decode()
    assert world.notify.run([Message("bad", '{"type":"what"}'), Message("good", good)]) == {"bad"}
    assert len(world.fake.sent) == 1


def test_a_store_that_is_down_brings_the_message_back_and_it_is_done_then(world, hook, monkeypatch):
    def down(*_, **__):
        raise StoreDownError("the table is down")

    with monkeypatch.context() as broken:
        broken.setattr(world.store, "find", down)
        assert world.tell(message_of(hook)) == {"0"}
    assert world.tell(message_of(hook)) == set()
    assert len(world.fake.sent) == 1


def test_a_slow_receiver_holds_nobody_else_up(world):
    """Each waits until all of them are being served."""
    everybody = threading.Barrier(10, timeout=10)
    hooks = [endpoint_of(ADA, str(number)) for number in range(10)]
    world.has(*hooks)

    def together(_):
        everybody.wait()
        return OK

    world.fake.answer = together
    assert world.tell(*map(message_of, hooks)) == set()
    assert len(world.fake.sent) == 10


def test_a_channel_that_fails_does_not_keep_another_from_its_own(world, hook, mail):
    world.fake.answer = lambda _: SORRY
    world.tell(message_of(hook), message_of(mail))
    assert [each.to for each in world.emails.mails] == ["ada@example.com"]


def test_what_did_not_arrive_is_tried_again_at_growing_intervals(world, hook):
    world.fake.answer = lambda _: SORRY
    world.tell(message_of(hook))
    for _ in range(len(STEPS_S)):
        world.next()
    assert pauses(world) == [5, 30, 120, 600, 1800, 3600, 10_800, 21_600, 43_200, 86_400]
    assert {each.message_id for each in world.fake.sent} == {"msg_firing_en_1"}
    assert len({each.body for each in world.fake.sent}) == 1


def test_after_five_days_the_endpoint_is_disabled_and_its_owner_told(world, hook, mail):
    world.fake.answer = lambda _: SORRY
    world.tell(message_of(hook))
    began = world.clock()
    world.to_the_end()
    assert world.clock() == began + timedelta(days=5)
    disabled = world.store.find(ADA, hook.id)
    assert (disabled.disabled_at, disabled.failing_since) == (began + timedelta(days=5), began)
    assert disabled.problem == "it failed for 5 days: answered 500"
    (notice,) = world.emails.mails
    assert (notice.to, notice.subject) == ("ada@example.com", "A webhook of yours was disabled")
    assert hook.address in notice.text


def test_the_five_days_are_the_endpoints_and_not_each_alerts(world, hook):
    """An alert of the fourth day has one day left."""
    world.fake.answer = lambda _: SORRY
    began = world.clock()
    world.tell(message_of(hook))
    while world.clock() < began + timedelta(days=4):
        world.next()
    world.tell(message_of(hook, id="msg_later"))
    world.to_the_end()
    assert world.store.find(ADA, hook.id).disabled_at == began + timedelta(days=5)


def test_one_failure_long_after_another_that_nothing_followed_disables_nothing(world, hook):
    """The first alert was acknowledged before it was tried again."""
    world.fake.answer = lambda _: SORRY
    world.fires()
    world.tell(message_of(hook, unless_acknowledged=True))
    world.states.put(AlertState(rule="ru_1", phase="acknowledged", version=2, alert="al_1"))
    world.to_the_end()
    world.clock.forward(days=30)
    world.tell(message_of(hook, id="msg_later"))
    endpoint = world.store.find(ADA, hook.id)
    assert (endpoint.disabled_at, endpoint.failing_since) == (None, world.clock())
    world.fake.answer = lambda _: OK
    world.to_the_end()
    assert world.store.find(ADA, hook.id).failing_since is None


def test_a_disabled_endpoint_is_told_nothing_and_the_log_says_why(world):
    hook = world.has(endpoint_of(ADA, disabled_at=world.clock(), problem="it answered 410: gone"))
    assert world.tell(message_of(hook)) == set()
    (attempt,) = world.log.attempts
    assert (world.fake.sent, attempt.arrived, attempt.error) == ([], False, "disabled: it answered 410: gone")
    assert world.timers.due == []


def test_one_that_was_not_verified_is_told_nothing(world):
    hook = world.has(endpoint_of(ADA, verified_at=None))
    world.tell(message_of(hook))
    assert (world.fake.sent, world.log.attempts[0].error) == ([], "not verified yet")


def test_an_endpoint_that_was_deleted_ends_the_chain(world, hook):
    world.fake.answer = lambda _: SORRY
    world.tell(message_of(hook))
    world.store.delete(ADA, hook.id)
    world.to_the_end()
    assert len(world.fake.sent) == 1


def test_410_disables_at_once(world, hook):
    world.fake.answer = lambda _: Answer(False, 410, "answered 410")
    world.tell(message_of(hook))
    assert world.store.find(ADA, hook.id).problem == "it answered 410: gone"
    assert world.timers.due == []


def test_what_arrives_ends_the_failing(world, hook):
    told = iter([SORRY, SORRY, OK])
    world.fake.answer = lambda _: next(told)
    world.tell(message_of(hook))
    assert world.store.find(ADA, hook.id).problem == "answered 500"
    world.to_the_end()
    healthy = world.store.find(ADA, hook.id)
    assert (healthy.failing_since, healthy.problem) == (None, "")
    assert [each.arrived for each in world.log.attempts] == [False, False, True]


def test_an_alert_that_never_arrives_at_a_healthy_endpoint_is_given_up_and_disables_nothing(world, hook):
    """Others arrive between its tries: the endpoint is not failing, this body is what it does not take."""
    poisoned = message_of(hook)
    world.fake.answer = lambda _: SORRY
    world.tell(poisoned)
    began = world.clock()
    for number in range(1000):
        world.fake.answer = lambda _: OK
        world.tell(message_of(hook, id=f"msg_other_{number}"))
        world.fake.answer = lambda _: SORRY
        if world.next() is None:
            break
    assert world.clock() == began + timedelta(days=5)
    assert world.store.find(ADA, hook.id).disabled_at is None


@pytest.mark.parametrize(("asked_s", "pause_s"), [(2, 5), (60, 60), (10**9, 86_400)])
def test_retry_after_is_kept_to_within_bounds(world, hook, asked_s, pause_s):
    world.fake.answer = lambda _: Answer(False, 503, "answered 503", retry_after_s=asked_s)
    world.tell(message_of(hook))
    world.next()
    assert pauses(world) == [pause_s]


def test_jitter_spreads_what_failed_together(hook, world):
    world.jitter = 1.0
    world.fake.answer = lambda _: SORRY
    world.tell(message_of(hook))
    world.next()
    assert pauses(world) == [6]


def test_the_log_tells_each_try(world, hook):
    told = iter([Answer(False, 502, "answered 502", "Bad gateway", duration_ms=12), OK])
    world.fake.answer = lambda _: next(told)
    world.tell(message_of(hook))
    world.to_the_end()
    newest_first, following = world.log.of_rule("ru_1", after=None, limit=10)
    assert following is None
    second, first = newest_first
    assert (first.number, first.status, first.answer, first.duration_ms) == (1, 502, "Bad gateway", 12)
    assert first.next_at == second.at
    assert (second.number, second.status, second.next_at, second.what) == (2, 204, None, "alert.firing")


def test_a_replay_is_told_anew_under_its_first_id(world, hook):
    world.tell(message_of(hook))
    world.endpoints.replay(ADA, "ru_1", "msg_firing_en_1")
    world.to_the_end()
    first, second = world.fake.sent
    assert (first.message_id, first.body) == (second.message_id, second.body)
    assert [each.replay for each in world.log.attempts] == [False, True]


def test_a_replay_that_fails_is_tried_again_like_any_other(world, hook):
    world.tell(message_of(hook))
    told = iter([SORRY, OK])
    world.fake.answer = lambda _: next(told)
    world.endpoints.replay(ADA, "ru_1", "msg_firing_en_1")
    world.to_the_end()
    assert [each.arrived for each in world.log.attempts] == [True, False, True]


def test_nobody_elses_delivery_is_replayed(world, hook):
    world.tell(message_of(hook))
    with pytest.raises(UnknownAlertError):
        world.endpoints.replay("eve", "ru_1", "msg_firing_en_1")


def test_an_escalation_is_told_if_nobody_has_acknowledged(world, hook):
    world.fires()
    world.tell(message_of(hook, unless_acknowledged=True))
    assert len(world.fake.sent) == 1


@pytest.mark.parametrize("phase", ["acknowledged", "armed", "cooling", "ended"])
def test_an_escalation_that_was_acknowledged_or_is_over_is_not_told(world, hook, phase):
    world.fires()
    state = world.states.load(["ru_1"])["ru_1"].state
    world.states.put(replace(state, phase=phase))
    world.tell(message_of(hook, unless_acknowledged=True))
    world.tell(message_of(hook, alert=alert_of("resolved"), unless_acknowledged=True))
    assert world.fake.sent == []


def test_an_escalation_of_an_alert_before_is_not_told_for_the_one_that_fires_now(world, hook):
    world.fires(alert="al_2")
    world.tell(message_of(hook, unless_acknowledged=True))
    assert world.fake.sent == []


def test_who_was_told_by_an_escalation_hears_of_its_end(world, hook):
    world.fires()
    world.tell(message_of(hook, unless_acknowledged=True))
    world.states.put(replace(world.states.load(["ru_1"])["ru_1"].state, phase="armed"))
    world.tell(message_of(hook, alert=alert_of("resolved"), unless_acknowledged=True))
    assert [each.message_id for each in world.fake.sent] == ["msg_firing_en_1", "msg_resolved_en_1"]


def test_an_e_mail_that_fails_is_tried_for_a_day_and_its_address_stays_enabled(world, mail):
    world.emails.answer = Answer(False, 429, "too many e-mails at once")
    world.tell(message_of(mail))
    began = world.clock()
    world.to_the_end()
    assert world.clock() == began + timedelta(days=1)
    assert world.store.find(ADA, mail.id).disabled_at is None


def test_two_secrets_are_live_for_a_day_after_a_rotation(world, hook):
    before = hook.secrets[0].value
    _, newest = world.endpoints.rotate(ADA, hook.id)
    world.tell(message_of(hook))
    world.clock.forward(hours=24)
    world.tell(message_of(hook, id="msg_later"))
    assert [each.secrets for each in world.fake.sent] == [(newest, before), (newest,)]
