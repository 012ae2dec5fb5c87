"""Endpoints and notifications on the tables and queues of our template, as the container puts them together."""

from __future__ import annotations

import json
import urllib.request
import uuid

import msgspec
import pytest
from standardwebhooks import Webhook

from chalicelib.container import Container
from chalicelib.domain.alerts import AlertState
from chalicelib.ports.endpoints import Endpoint
from chalicelib.services.process import Message
from chalicelib.settings import _REQUIRED, from_env
from localcloud.ministack import ACCESS_KEY, REGION, SECRET_KEY
from tests.fake_endpoints import alert_of, message_of
from tests.receiver import answers, receiving

SENDER = "notifications@example.org"


class Deployed:
    """The container, and what Lambda does for it: hand over what is on its queue."""

    def __init__(self, stack, env) -> None:
        self.container, self._stack = Container(from_env(env)), stack
        self._sqs, self._queue = stack.aws.client("sqs"), env["NOTIFICATIONS_QUEUE_URL"]

    def work(self) -> int:
        """One batch, waited for up to ten seconds; how many messages it had. None may fail."""
        found = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10, WaitTimeSeconds=10)
        messages = found.get("Messages", [])
        assert self.container.notify.run([Message(each["MessageId"], each["Body"]) for each in messages]) == set()
        for each in messages:
            self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=each["ReceiptHandle"])
        return len(messages)

    def mails(self, to: str):
        with urllib.request.urlopen(f"{self._stack.aws.url}/_ministack/ses/messages") as answer:
            sent = [mail for account in json.load(answer)["messages"].values() for mail in account]
        return [mail for mail in sent if mail["To"] == [to]]


@pytest.fixture
def deployed(ministack, monkeypatch):
    for name, value in {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_ENDPOINT_URL": ministack.aws.url,
    }.items():
        monkeypatch.setenv(name, value)
    outputs = ministack.outputs
    env = {
        **{name: name.lower() for name in _REQUIRED},
        "AWS_REGION": REGION,
        "ALERTS_QUEUE_URL": outputs["AlertsQueueUrl"],
        "NOTIFICATIONS_QUEUE_URL": outputs["NotificationsQueueUrl"],
        **{f"{name.upper()}_TABLE": outputs[f"{name}Table"] for name in ("Alerts", "Deliveries", "Due", "Idempotency")},
        "EMAIL_SENDER": SENDER,
        "PUBLIC_URL": "https://alerts.example",
        "WEBHOOKS_TO_PRIVATE_ADDRESSES": "on",
    }
    return Deployed(ministack, env)


@pytest.fixture
def user():
    return f"user-{uuid.uuid4()}"


def told(endpoint: Endpoint, **more):
    """An alert of a rule of its own, in this run's tables."""
    name = uuid.uuid4().hex[:12]
    return message_of(endpoint, alert=alert_of(id=f"al_{name}", rule=f"ru_{name}"), id=f"msg_{name}", **more)


def hand_over(deployed, message) -> set[str]:
    return deployed.container.notify.run([Message("m", msgspec.json.encode(message).decode())])


def test_a_webhook_is_verified_told_tried_again_and_replayed(deployed, user):
    with receiving(answers(204)) as receiver:
        made, secret = deployed.container.endpoints.create(user, "webhook", receiver.url())
        assert deployed.work() == 1
        assert deployed.container.endpoints.find(user, made.id).verified_at is not None
        receiver.behaves = answers(500, b"Sorry", retry_after="1")
        message = told(made)
        assert hand_over(deployed, message) == set()
        failing = deployed.container.endpoints.find(user, made.id)
        assert (failing.problem, failing.failing_since is None) == ("answered 500", False)
        receiver.behaves = answers(200)
        assert deployed.work() == 1  # five seconds later
        assert deployed.container.endpoints.find(user, made.id).failing_since is None
        deployed.container.endpoints.replay(user, message.alert.rule, message.id)
        assert deployed.work() == 1
    tries, _ = deployed.container.delivery_log.of_rule(message.alert.rule, after=None, limit=10)
    assert [(each.number, each.status, each.replay) for each in tries] == [
        (1, 200, True),
        (2, 200, False),
        (1, 500, False),
    ]
    assert [each.headers["webhook-id"] for each in receiver.got[1:]] == [message.id] * 3
    for got in receiver.got:
        Webhook(secret).verify(got.body, got.headers)


def test_a_message_that_comes_twice_is_told_once(deployed, user):
    with receiving(answers(204)) as receiver:
        made, _ = deployed.container.endpoints.create(user, "webhook", receiver.url())
        deployed.work()
        message = told(made)
        assert [hand_over(deployed, message) for _ in range(2)] == [set(), set()]
    assert len(receiver.got) == 2  # the ping, and the alert


def test_an_escalation_asks_the_rules_own_state(deployed, user):
    with receiving(answers(204)) as receiver:
        made, _ = deployed.container.endpoints.create(user, "webhook", receiver.url())
        deployed.work()
        fired, over = (told(made, unless_acknowledged=True) for _ in range(2))
        armed = AlertState(rule=fired.alert.rule)
        firing = AlertState(rule=fired.alert.rule, phase="firing", version=1, alert=fired.alert.id)
        assert deployed.container.alert_states.move(armed, firing, [], new=[])
        assert [hand_over(deployed, message) for message in (fired, over)] == [set(), set()]
    assert [each.headers["webhook-id"] for each in receiver.got[1:]] == [fired.id]


def test_an_address_is_confirmed_told_and_unsubscribed(deployed, ministack, user):
    address = f"{user}@example.com"
    ministack.aws.client("sesv2").create_email_identity(EmailIdentity=SENDER)
    made, _ = deployed.container.endpoints.create(user, "email", address)
    assert deployed.work() == 1
    (asked,) = deployed.mails(address)
    link = next(word for word in asked["BodyText"].split() if "/v1/confirm?token=" in word)
    deployed.container.endpoints.confirm(link.partition("token=")[2])
    hand_over(deployed, told(made))
    _, alert = deployed.mails(address)
    assert alert["Subject"] == "Firing: USDC loses its peg"
    link = next(word for word in alert["BodyText"].split() if "/v1/unsubscribe?token=" in word)
    deployed.container.endpoints.unsubscribe(link.partition("token=")[2])
    hand_over(deployed, told(made))
    assert len(deployed.mails(address)) == 2
