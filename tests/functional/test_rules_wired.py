"""The alert rules as the container wires them: a real Redis, real queues and tables of the template."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from chalicelib.container import Container
from chalicelib.domain.rules import Compared, Rule, Step
from chalicelib.protocol.envelopes import ObservationMessage, decode, decode_record
from chalicelib.services.process import Message
from chalicelib.settings import _REQUIRED, from_env
from tests.fake_alerts import rule_of
from tests.functional.rules_world import bodies, seen
from tests.functions_user import as_functions_user

VARIABLES = {
    "ALERTS_TABLE": "AlertsTable",
    "DELIVERIES_TABLE": "DeliveriesTable",
    "DUE_TABLE": "DueTable",
    "ALERTS_QUEUE_URL": "AlertsQueueUrl",
    "ALERTS_DEAD_LETTERS_URL": "AlertsDeadLettersUrl",
    "NOTIFICATIONS_QUEUE_URL": "NotificationsQueueUrl",
    "EVENTS_QUEUE_URL": "EventsQueueUrl",
}


@pytest.fixture
def container(redis_url: str, ministack: Any, monkeypatch: pytest.MonkeyPatch) -> Container:
    """On empty queues."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", ministack.aws.url)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    env = {name: ministack.outputs[output] for name, output in VARIABLES.items()}
    for name in ("ALERTS_QUEUE_URL", "NOTIFICATIONS_QUEUE_URL", "EVENTS_QUEUE_URL"):
        ministack.aws.client("sqs").purge_queue(QueueUrl=env[name])
    region = ministack.aws.client("sqs").meta.region_name
    needed = {name: name.lower() for name in _REQUIRED} | {"AWS_REGION": region}
    return Container(from_env({**needed, "REDIS_URL": as_functions_user(redis_url), **env}))


def take(ministack: Any, output: str) -> list[str]:
    sqs, url = ministack.aws.client("sqs"), ministack.outputs[output]
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=2)
    for message in answer.get("Messages", []):
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [message["Body"] for message in answer.get("Messages", [])]


def evaluate(container: Container, *sent: bytes | str) -> None:
    texts = [body.decode() if isinstance(body, bytes) else body for body in sent]
    assert not container.evaluate.run([Message(str(n), text) for n, text in enumerate(texts)]).failed


@pytest.fixture
def topic() -> str:
    """No rule that another test left in the tables is about it."""
    return f"peg:{uuid.uuid4()}"


def made(container: Container, topic: str) -> Rule:
    steps = (Step("socket"), Step("webhook", "en_1"))
    user = f"user-{uuid.uuid4()}"
    when, tomorrow = Compared(topic, "below", Decimal("0.98")), datetime.now(UTC) + timedelta(days=1)
    rule = rule_of(user, uuid.uuid4().hex, when=when, notify=steps, expires_at=tomorrow)
    assert container.rule_store.create(rule, limit=9)
    container.rule_index.put([rule])
    return rule


def test_an_observation_becomes_an_alert_on_the_stream_and_a_notification(container, ministack, topic):
    """And the rule's state, history and timer are where they are looked for."""
    rule, now = made(container, topic), datetime.now(UTC)
    evaluate(container, *bodies(seen(topic, "1", now - timedelta(seconds=2))))
    evaluate(container, *bodies(seen(topic, "0.97", now)))
    (event,) = take(ministack, "EventsQueueUrl")
    (record,) = decode(ObservationMessage, event).records
    alert = msgspec.json.decode(decode_record(record).alert or "")
    (notification,) = [msgspec.json.decode(body) for body in take(ministack, "NotificationsQueueUrl")]
    assert (alert["rule"], alert["state"], alert["value"]) == (rule.id, "firing", "0.97")
    assert (notification["alert"], notification["endpoint"]) == (alert, "en_1")
    kept = container.alert_states.load([rule.id])[rule.id]
    assert (kept.state.phase, list(kept.unsaid)) == ("firing", [])
    assert [told.id for told in container.alert_states.history(rule.id, after=None, limit=9)[0]] == [alert["id"]]
    assert kept.state.due == rule.expires_at


def test_what_is_made_is_judged_by_the_message_that_its_making_sends(container, ministack, topic):
    evaluate(container, *bodies(seen(topic, "0.9", datetime.now(UTC))))
    user = f"user-{uuid.uuid4()}"
    when = {"topic": topic, "is": "below", "value": "0.98"}
    body = msgspec.json.encode({"name": "n", "when": when, "notify": [{"channel": "socket"}]})
    rule = container.manage_rules.create(body, user=user, seed=user.encode(), limit=9).rule
    evaluate(container, *take(ministack, "AlertsQueueUrl"))
    assert container.manage_rules.find(user, rule.id).state.phase == "firing"
    container.manage_rules.delete(user, rule.id)
    assert container.rule_index.rules([rule.id]) == {}
    assert len(take(ministack, "EventsQueueUrl")) == 2


def test_after_a_flush_of_redis_a_sweep_or_an_observation_finds_the_rules_again(container, redis_url, topic):
    rule = made(container, topic)
    as_functions_user(redis_url)
    container.redis.call(lambda client: client.delete("rules", f"rule:{rule.id}", "rules:index"))
    container.keep_index.sweep()
    assert container.rule_index.rules([rule.id]) == {rule.id: rule}
