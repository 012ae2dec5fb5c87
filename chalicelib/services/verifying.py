"""Whether an endpoint is its user's: a webhook answers a ping, the reader of an address follows a link."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import structlog

from chalicelib.errors import UnknownEndpointError
from chalicelib.ports import Requests
from chalicelib.ports.endpoints import (
    Answer,
    Attempt,
    DeliveryLog,
    EmailSender,
    Endpoint,
    EndpointStore,
    WebhookSender,
)
from chalicelib.protocol.notifications import ping_event
from chalicelib.protocol.signals import VerifyMessage
from chalicelib.services.endpoints import change
from chalicelib.services.links import Links
from chalicelib.services.mails import confirm_mail

log = structlog.get_logger()

MAILS_A_DAY = 5  # to one address, whoever asks: nobody's mailbox is filled by us
ADDRESSES_A_DAY = 20  # asked for one user, who may delete endpoints and make others: strangers are not written to
DAY_S = 86_400


class VerifyEndpoint:
    """Guarantees: one ping or e-mail a message; an endpoint that is deleted, disabled or verified gets none; an address
    gets no more than MAILS_A_DAY, of all users together, and a user has no more than ADDRESSES_A_DAY sent.
    """

    def __init__(
        self,
        *,
        store: EndpointStore,
        log: DeliveryLog,
        webhooks: WebhookSender,
        emails: EmailSender,
        requests: Requests,
        links: Links,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._log = log
        self._webhooks = webhooks
        self._emails = emails
        self._requests = requests
        self._links = links
        self._now = now

    def run(self, message: VerifyMessage) -> None:
        endpoint = self._store.find(message.user, message.endpoint)
        if endpoint is None or endpoint.disabled_at or endpoint.verified_at:
            return
        at = self._now()
        what, answer = self._ping(endpoint, message.id, at) if endpoint.kind == "webhook" else self._mail(endpoint, at)
        self._log.add(_attempt(endpoint, message.id, what, answer, at), b"")
        verified = at if answer.arrived and endpoint.kind == "webhook" else None
        try:
            change(
                self._store,
                endpoint.user,
                endpoint.id,
                lambda newest: replace(newest, problem=answer.error, verified_at=newest.verified_at or verified),
            )
        except UnknownEndpointError:  # deleted while we waited
            return
        log.info("endpoint_asked", endpoint=endpoint.id, kind=endpoint.kind, arrived=answer.arrived)

    def _ping(self, endpoint: Endpoint, message_id: str, at: datetime) -> tuple[str, Answer]:
        what, body = ping_event(endpoint.id, at)
        secrets = endpoint.secrets_at(at)
        return what, self._webhooks.send(endpoint.address, body, message_id=message_id, secrets=secrets, at=at)

    def _mail(self, endpoint: Endpoint, at: datetime) -> tuple[str, Answer]:
        if not self._is_one_of(ADDRESSES_A_DAY, f"user:{endpoint.user}", at):
            return "endpoint.confirm", Answer(False, error=f"you had {ADDRESSES_A_DAY} addresses asked today")
        if not self._is_one_of(MAILS_A_DAY, _mailbox(endpoint.address), at):
            return "endpoint.confirm", Answer(False, error=f"this address was asked {MAILS_A_DAY} times today")
        link = self._links.url("confirm", endpoint)
        return "endpoint.confirm", self._emails.send(confirm_mail(endpoint, link=link))

    def _is_one_of(self, most: int, whose: str, at: datetime) -> bool:
        """Whether this is one of the first so many of a day."""
        name = hashlib.sha256(whose.encode()).hexdigest()
        keys = (f"confirm#{name}#{at:%Y-%m-%d}#{place}" for place in range(most))
        return any(self._requests.begin(key, "mail", lease_s=DAY_S).state == "ours" for key in keys)


def _mailbox(address: str) -> str:
    """Whose it is: what follows a plus leads to the same reader."""
    name, _, domain = address.lower().rpartition("@")
    return f"{name.partition('+')[0] or name}@{domain}"


def _attempt(endpoint: Endpoint, message_id: str, what: str, answer: Answer, at: datetime) -> Attempt:
    return Attempt(
        delivery=message_id,
        endpoint=endpoint.id,
        rule="",
        what=what,
        at=at,
        number=1,
        arrived=answer.arrived,
        status=answer.status,
        duration_ms=answer.duration_ms,
        error=answer.error,
        answer=answer.text,
    )
