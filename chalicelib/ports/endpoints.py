"""Webhooks and e-mail addresses of users: where they are kept, how they are reached, what became of each attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

Kind = Literal["webhook", "email"]


@dataclass(frozen=True, slots=True)
class SigningSecret:
    """``whsec_`` and base64. While a secret is rotated two are live; the older one has an end."""

    value: str
    created_at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A way to a user. ``address`` is a webhook's URL or an e-mail address; alerts go only to one that was verified.

    ``secrets``, the newest first: of a webhook what it is signed with, of an e-mail address what its links are signed
    with. ``failing_since`` is the first failure after the last success. ``problem`` says why it was not reached last,
    or why it was disabled. ``revision`` counts changes.
    """

    id: str  # en_…
    user: str
    kind: Kind
    address: str
    secrets: tuple[SigningSecret, ...]
    created_at: datetime
    verify_asked_at: datetime | None = None
    verified_at: datetime | None = None
    disabled_at: datetime | None = None
    failing_since: datetime | None = None
    problem: str = ""
    revision: int = 1

    def secrets_at(self, at: datetime) -> tuple[str, ...]:
        """Those that are live, the newest first."""
        return tuple(each.value for each in self.secrets if each.expires_at is None or at < each.expires_at)


class EndpointStore(Protocol):
    """Kept for good, a user's own together."""

    def create(self, endpoint: Endpoint, *, limit: int) -> bool:
        """False if the user has ``limit`` of them already, however many are made at once."""
        ...

    def find(self, user: str, endpoint_id: str) -> Endpoint | None:
        """As it is now, never as it was."""
        ...

    def of_user(self, user: str) -> Sequence[Endpoint]:
        """All of them, by id."""
        ...

    def replace(self, endpoint: Endpoint) -> bool:
        """Put it in the place of ``revision - 1``; False if that is not the newest, or it was deleted."""
        ...

    def delete(self, user: str, endpoint_id: str) -> bool:
        """False if there is none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to reach an endpoint. ``delivery`` is the webhook-id: the same for every try of one notification.

    ``status`` is an HTTP status, None without an answer; ``answer`` its first printable characters. ``next_at``: when
    it is tried again; None if it arrived, or is given up.
    """

    delivery: str
    endpoint: str
    rule: str  # "" for what is about no rule: a verification
    what: str  # alert.firing, endpoint.ping …
    at: datetime
    number: int  # of the delivery's tries, from 1
    arrived: bool
    status: int | None
    duration_ms: int
    error: str
    answer: str = ""
    next_at: datetime | None = None
    replay: bool = False


class DeliveryLog(Protocol):
    """Attempts, newest first, for 90 days."""

    def add(self, attempt: Attempt, message: bytes) -> None:
        """``message`` is what was to be told, as it came from the queue, for a replay."""
        ...

    def of_endpoint(self, endpoint_id: str, *, after: str | None, limit: int) -> tuple[Sequence[Attempt], str | None]:
        """A page, and the ``after`` of the next."""
        ...

    def of_rule(self, rule_id: str, *, after: str | None, limit: int) -> tuple[Sequence[Attempt], str | None]: ...

    def message(self, rule_id: str, delivery: str) -> bytes | None:
        """What a delivery of this rule told, None if there is none (any longer)."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request. ``arrived``: it was accepted. ``error`` says why not, in words for its owner."""

    arrived: bool
    status: int | None = None
    error: str = ""
    text: str = ""
    retry_after_s: float = 0
    duration_ms: int = 0


class WebhookSender(Protocol):
    def check(self, url: str) -> None:
        """Raises BadEndpointError if this URL may not be sent to: by its form, or by what its name resolves to now."""
        ...

    def send(self, url: str, body: bytes, *, message_id: str, secrets: Sequence[str], at: datetime) -> Answer:
        """POST, signed with each secret. An answer within 10 s, whatever the receiver does; raises nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Mail:
    """``unsubscribe`` is a URL that takes a POST without a login (RFC 8058); "" in mails that were asked for."""

    to: str
    subject: str
    text: str
    html: str
    unsubscribe: str = ""


class EmailSender(Protocol):
    def send(self, mail: Mail) -> Answer:
        """Raises nothing."""
        ...
