"""A user's webhooks and e-mail addresses: made, verified, rotated, disabled and enabled."""

from __future__ import annotations

import re
import secrets
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast

import msgspec

from chalicelib.errors import (
    BadEndpointError,
    LimitError,
    StoreDownError,
    TooManyEndpointsError,
    UnknownAlertError,
    UnknownEndpointError,
)
from chalicelib.ports.alerts import Due, Timers
from chalicelib.ports.endpoints import DeliveryLog, Endpoint, EndpointStore, Kind, SigningSecret, WebhookSender
from chalicelib.protocol.notifications import decode_notification
from chalicelib.protocol.signals import NotificationMessage, VerifyMessage
from chalicelib.services.links import Links

ENDPOINTS_MAX = 20  # of a user
BOTH_LIVE = timedelta(hours=24)
VERIFY_AGAIN = timedelta(seconds=60)
CHANGE_TRIES = 5  # of a change that others got ahead of
SECRET_BYTES = 32
UNSUBSCRIBED = "unsubscribed by a link in an e-mail"
# The form that every mail system takes; whether somebody reads it only a confirmation tells.
_EMAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}\Z"
)


def new_secret() -> str:
    """``whsec_`` and base64 of 32 random bytes, as Standard Webhooks asks for (24 to 64)."""
    return "whsec_" + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def change(store: EndpointStore, user: str, endpoint_id: str, make: Callable[[Endpoint], Endpoint]) -> Endpoint:
    """Apply ``make`` to the newest; what it leaves as it is, is not written.

    Raises UnknownEndpointError, and StoreDownError if others were faster each time.
    """
    for _ in range(CHANGE_TRIES):
        before = store.find(user, endpoint_id)
        if before is None:
            raise UnknownEndpointError(f"there is no endpoint {endpoint_id!r:.40}")
        after = make(before)
        if after == before:
            return before
        after = replace(after, revision=before.revision + 1)
        if store.replace(after):
            return after
    raise StoreDownError("this endpoint is being changed by others: try again")


class ManageEndpoints:
    """Guarantees: a secret is shown when it is made and never again; an endpoint is told nothing before it was
    verified; after a rotation both secrets are live for 24 hours; an address that unsubscribed is asked again before it
    hears of anything.
    """

    def __init__(
        self,
        *,
        store: EndpointStore,
        log: DeliveryLog,
        webhooks: WebhookSender,
        timers: Timers,
        links: Links,
        has_email: bool,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._log = log
        self._webhooks = webhooks
        self._timers = timers
        self._links = links
        self._has_email = has_email
        self._now = now

    def create(self, user: str, kind: str, address: str) -> tuple[Endpoint, str]:
        """The endpoint, on its way to be verified, and a webhook's secret ("" for e-mail).

        Raises BadEndpointError, TooManyEndpointsError.
        """
        self._check(kind, address)
        now = self._now()
        secret = new_secret()
        endpoint = Endpoint(
            id=f"en_{secrets.token_urlsafe(12)}",
            user=user,
            kind=cast(Kind, kind),
            address=address,
            secrets=(SigningSecret(secret, now),),
            created_at=now,
            verify_asked_at=now,
        )
        if not self._store.create(endpoint, limit=ENDPOINTS_MAX):
            raise TooManyEndpointsError(f"you have {ENDPOINTS_MAX} endpoints, which is all there can be: delete one")
        self._ask(endpoint)
        return endpoint, secret if kind == "webhook" else ""

    def of_user(self, user: str) -> Sequence[Endpoint]:
        return self._store.of_user(user)

    def find(self, user: str, endpoint_id: str) -> Endpoint:
        """Raises UnknownEndpointError."""
        return change(self._store, user, endpoint_id, lambda endpoint: endpoint)

    def delete(self, user: str, endpoint_id: str) -> None:
        """Raises UnknownEndpointError."""
        if not self._store.delete(user, endpoint_id):
            raise UnknownEndpointError(f"there is no endpoint {endpoint_id!r:.40}")

    def verify(self, user: str, endpoint_id: str) -> Endpoint:
        """Ping it, or send it the e-mail with the link, once more; nothing if it was verified.

        Raises UnknownEndpointError, BadEndpointError for one that is disabled, LimitError within a minute of the last
        time.
        """
        now = self._now()

        def asked(endpoint: Endpoint) -> Endpoint:
            if endpoint.verified_at:
                return endpoint
            if endpoint.disabled_at:
                raise BadEndpointError("this endpoint is disabled: enable it first")
            wait = VERIFY_AGAIN - (now - endpoint.verify_asked_at) if endpoint.verify_asked_at else timedelta(0)
            if wait > timedelta(0):
                raise LimitError("a verification was sent just now", retry_after=round(wait.total_seconds(), 3))
            return replace(endpoint, verify_asked_at=now)

        endpoint = change(self._store, user, endpoint_id, asked)
        if not endpoint.verified_at:
            self._ask(endpoint)
        return endpoint

    def rotate(self, user: str, endpoint_id: str) -> tuple[Endpoint, str]:
        """A new secret; the newest of those before is live for another 24 hours, an older one no longer.

        Raises UnknownEndpointError, BadEndpointError for an e-mail address, which has none.
        """
        now, secret = self._now(), new_secret()

        def rotated(endpoint: Endpoint) -> Endpoint:
            if endpoint.kind != "webhook":
                raise BadEndpointError("an e-mail address has no secret that could be rotated")
            before = replace(endpoint.secrets[0], expires_at=now + BOTH_LIVE)
            return replace(endpoint, secrets=(SigningSecret(secret, now), before))

        return change(self._store, user, endpoint_id, rotated), secret

    def enable(self, user: str, endpoint_id: str) -> Endpoint:
        """Tell it alerts again, and count its failures anew. Raises UnknownEndpointError."""
        return change(
            self._store,
            user,
            endpoint_id,
            lambda endpoint: replace(endpoint, disabled_at=None, failing_since=None, problem=""),
        )

    def confirm_target(self, token: str) -> Endpoint:
        """Which address a link would confirm; nothing is changed. Raises BadEndpointError."""
        return self._links.read("confirm", token)

    def confirm(self, token: str) -> Endpoint:
        """The link in an e-mail was followed: the address is verified. Raises BadEndpointError."""
        found, now = self._links.read("confirm", token), self._now()
        return change(
            self._store,
            found.user,
            found.id,
            lambda endpoint: endpoint if endpoint.verified_at else replace(endpoint, verified_at=now, problem=""),
        )

    def unsubscribe_target(self, token: str) -> Endpoint:
        """Which address a link would unsubscribe; nothing is changed: mail programs look at links by themselves.

        Raises BadEndpointError.
        """
        return self._links.read("unsubscribe", token)

    def unsubscribe(self, token: str) -> Endpoint:
        """Write to this address no more; to enable it again is not enough, it has to be verified too.

        Raises BadEndpointError.
        """
        found, now = self._links.read("unsubscribe", token), self._now()
        return change(
            self._store,
            found.user,
            found.id,
            lambda endpoint: (
                endpoint
                if endpoint.problem == UNSUBSCRIBED
                else replace(endpoint, disabled_at=now, verified_at=None, problem=UNSUBSCRIBED)
            ),
        )

    def replay(self, user: str, rule_id: str, delivery: str) -> None:
        """Try a delivery of this rule, whose owner the caller has seen to, from the start: the same id, the same body.

        Raises UnknownAlertError, UnknownEndpointError.
        """
        kept = self._log.message(rule_id, delivery)
        message = decode_notification(kept) if kept else None
        if not isinstance(message, NotificationMessage) or message.user != user:
            raise UnknownAlertError(f"there is no delivery {delivery!r:.80} of this rule")
        self.find(user, message.endpoint)
        chain = secrets.token_urlsafe(9)
        again = msgspec.structs.replace(message, replay=chain, attempt=0, first_at=None, unless_acknowledged=False)
        due = Due(f"{delivery}#{chain}", "notifications", msgspec.json.encode(again), self._now(), user)
        self._timers.put([due])

    def _ask(self, endpoint: Endpoint) -> None:
        """Not here: the function that serves users is inside the VPC, and must not wait for a stranger's server."""
        asked = endpoint.verify_asked_at or endpoint.created_at
        name = f"verify-{endpoint.id}-{int(asked.timestamp())}"
        message = VerifyMessage(name, endpoint.user, endpoint.id)
        self._timers.put([Due(name, "notifications", msgspec.json.encode(message), self._now(), endpoint.user)])

    def _check(self, kind: str, address: str) -> None:
        match kind:
            case "webhook":
                self._webhooks.check(address)
            case "email" if not self._has_email:
                raise BadEndpointError("this deployment sends no e-mail: use a webhook", pointer="/kind")
            case "email":
                if len(address) > 254 or not _EMAIL.match(address):
                    raise BadEndpointError("this is no e-mail address, such as you@example.com", pointer="/address")
            case _:
                raise BadEndpointError(f"kind {kind!r:.20} is neither webhook nor email", pointer="/kind")
