"""Fakes of ports.endpoints that only remember, and the services that tell alerts, on fakes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec

from chalicelib.domain.alerts import AlertState
from chalicelib.ports.endpoints import Answer, Attempt, Endpoint, Kind, Mail, SigningSecret, WebhookSender
from chalicelib.protocol.signals import AlertBody, NotificationMessage, VerifyMessage
from chalicelib.services.endpoints import ManageEndpoints, new_secret
from chalicelib.services.links import Links
from chalicelib.services.notify import Notify
from chalicelib.services.process import Message
from chalicelib.services.telling import TellAlert
from chalicelib.services.verifying import VerifyEndpoint
from tests.fake_alerts import FakeAlertStates, FakeEndpointStore, FakeTimers
from tests.fakes import FakeClock, FakeRequests

OK = Answer(True, 204)
SORRY = Answer(False, 500, "answered 500")


@dataclass(frozen=True, slots=True)
class Sent:
    url: str
    body: bytes
    message_id: str
    secrets: tuple[str, ...]
    at: datetime


class FakeWebhooks:
    """ports.WebhookSender; ``answer`` says what comes back, by URL."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.answer: Callable[[str], Answer] = lambda _: OK
        self.checked: list[str] = []

    def check(self, url: str) -> None:
        self.checked.append(url)

    def send(self, url: str, body: bytes, *, message_id: str, secrets: Sequence[str], at: datetime) -> Answer:
        self.sent.append(Sent(url, body, message_id, tuple(secrets), at))
        return self.answer(url)


class FakeEmails:
    """ports.EmailSender."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.answer = Answer(True, 200)

    def send(self, mail: Mail) -> Answer:
        self.mails.append(mail)
        return self.answer


class FakeDeliveryLog:
    """ports.DeliveryLog."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self._messages: dict[tuple[str, str], bytes] = {}

    def add(self, attempt: Attempt, message: bytes) -> None:
        self.attempts.append(attempt)
        if attempt.rule and attempt.number == 1 and not attempt.replay:
            self._messages[attempt.rule, attempt.delivery] = message

    def of_endpoint(self, endpoint_id: str, *, after: str | None, limit: int) -> tuple[Sequence[Attempt], str | None]:
        return self._page([each for each in self.attempts if each.endpoint == endpoint_id], after, limit)

    def of_rule(self, rule_id: str, *, after: str | None, limit: int) -> tuple[Sequence[Attempt], str | None]:
        return self._page([each for each in self.attempts if each.rule == rule_id], after, limit)

    def message(self, rule_id: str, delivery: str) -> bytes | None:
        return self._messages.get((rule_id, delivery))

    @staticmethod
    def _page(found: list[Attempt], after: str | None, limit: int) -> tuple[Sequence[Attempt], str | None]:
        start = int(after or 0)
        newest_first = sorted(found, key=lambda each: (each.at, each.delivery, each.number), reverse=True)
        return newest_first[start : start + limit], str(start + limit) if len(found) > start + limit else None


def endpoint_of(user: str, name: str = "1", *, kind: Kind = "webhook", address: str = "", **more: object) -> Endpoint:
    """Endpoint ``en_{name}``, verified."""
    at = FakeClock()()
    address = address or ("https://example.com/hook" if kind == "webhook" else f"{user}@example.com")
    made = Endpoint(
        id=f"en_{name}",
        user=user,
        kind=kind,
        address=address,
        secrets=(SigningSecret(new_secret(), at),),
        created_at=at,
        verified_at=at,
    )
    return replace(made, **more)  # type: ignore[arg-type]


def alert_of(state: str = "firing", **more: str) -> AlertBody:
    fields = {
        "id": "al_1",
        "rule": "ru_1",
        "name": "USDC loses its peg",
        "state": state,
        "topic": "peg:usd-coin",
        "value": "0.97",
        "condition": "value < 0.98 for 5m",
        "fired_at": "2026-11-23T02:00:00Z",
        "at": "2026-11-23T02:00:00Z",
    }
    return msgspec.convert({**fields, **more}, AlertBody)


@dataclass
class World:
    """Everything that tells alerts, on fakes; ``queue`` is what is on its way, in the order of its time."""

    clock: FakeClock = field(default_factory=FakeClock)
    store: FakeEndpointStore = field(default_factory=FakeEndpointStore)
    log: FakeDeliveryLog = field(default_factory=FakeDeliveryLog)
    emails: FakeEmails = field(default_factory=FakeEmails)
    states: FakeAlertStates = field(default_factory=FakeAlertStates)
    timers: FakeTimers = field(default_factory=FakeTimers)
    fake: FakeWebhooks = field(default_factory=FakeWebhooks)
    webhooks: WebhookSender | None = None
    jitter: float = 0.0

    def __post_init__(self) -> None:
        self.webhooks = self.webhooks or self.fake
        self.requests = FakeRequests(self.clock)
        self.links = Links(endpoints=self.store, public_url="https://alerts.example/", now=self.clock)
        shared = {"store": self.store, "log": self.log, "webhooks": self.webhooks, "links": self.links}
        telling = {**shared, "emails": self.emails, "requests": self.requests, "now": self.clock}
        tell = TellAlert(**telling, states=self.states, timers=self.timers, random=lambda: self.jitter)
        self.notify = Notify(tell=tell, verify=VerifyEndpoint(**telling), requests=self.requests)
        self.endpoints = ManageEndpoints(**shared, timers=self.timers, has_email=True, now=self.clock)

    def has(self, *endpoints: Endpoint) -> Endpoint:
        self.store.endpoints.update({endpoint.id: endpoint for endpoint in endpoints})
        return endpoints[0]

    def fires(self, rule: str = "ru_1", alert: str = "al_1") -> None:
        self.states.put(AlertState(rule=rule, phase="firing", version=1, alert=alert))

    def tell(self, *messages: NotificationMessage | VerifyMessage) -> set[str]:
        """As the queue hands them over, in one batch; the indices of those that have to come again."""
        bodies = [msgspec.json.encode(message).decode() for message in messages]
        return self.notify.run([Message(str(index), body) for index, body in enumerate(bodies)])

    def next(self) -> datetime | None:
        """Let the time come of what is next on the queue, and hand it over; None if there is nothing."""
        if not self.timers.due:
            return None
        due = min(self.timers.due, key=lambda each: each.at)
        self.timers.due.remove(due)
        self.clock.at = max(self.clock.at, due.at)
        assert self.notify.run([Message(due.id, due.body.decode())]) == set()
        return due.at

    def to_the_end(self) -> None:
        while self.next():
            pass


def message_of(endpoint: Endpoint, *, alert: AlertBody | None = None, **more: object) -> NotificationMessage:
    told = alert or alert_of()
    made = NotificationMessage(f"msg_{told.state}_{endpoint.id}", endpoint.user, endpoint.kind, endpoint.id, told)
    return msgspec.structs.replace(made, **more)
