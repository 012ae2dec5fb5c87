"""Alerts, their deliveries and the ways to a user, as the REST API takes and tells them. Rules are in alerts.py."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib.domain.alerts import Alert
from chalicelib.errors import BadEndpointError, BadRuleError
from chalicelib.ports.endpoints import Attempt, Endpoint
from chalicelib.protocol.alerts import RuleAnswer
from chalicelib.protocol.bodies import decode_body
from chalicelib.protocol.evaluation import body_of
from chalicelib.protocol.pushes import rfc3339
from chalicelib.protocol.rest import PageCursor, Time
from chalicelib.protocol.signals import AlertBody

MAX_BYTES = 4096  # of a body that is not a rule

NextPage = Annotated[str | None, Meta(description="Cursor of the next page.")]


class PageQuery(Struct, forbid_unknown_fields=True):
    cursor: PageCursor | UnsetType = UNSET


class TokenQuery(Struct, forbid_unknown_fields=True):
    token: Annotated[str, Meta(min_length=1, max_length=1024, description="Of the link in the e-mail.")]


# --- rules and their alerts --------------------------------------------------------------------------


class RulesPage(Struct):
    rules: list[RuleAnswer]
    next: NextPage


class AcknowledgeBody(Struct, forbid_unknown_fields=True):
    """`alert`: the `id` of the one that was seen."""

    alert: Annotated[str, Meta(min_length=1, max_length=64, examples=["al_Yt1mPfGf7Z6dW9kq0n2s4A"])]


class ToldAlert(AlertBody, omit_defaults=False):
    """An alert as it came to a state. `muted`: nobody was told."""

    muted: bool = False


class HistoryPage(Struct):
    """Newest first."""

    alerts: list[ToldAlert]
    next: NextPage


# --- deliveries --------------------------------------------------------------------------------------


class AttemptBody(Struct):
    """One try to tell an endpoint. `delivery` is the same for every try of one notification: a webhook's `webhook-id`.

    `answer` is the beginning of what the receiver said; `next_at` when it is tried again, null if it arrived or was
    given up.
    """

    delivery: str
    endpoint: str
    what: Annotated[str, Meta(examples=["alert.firing"])]
    at: Time
    number: Annotated[int, Meta(ge=1, description="Of the delivery's tries.")]
    arrived: bool
    status: Annotated[int | None, Meta(description="Of HTTP; null without an answer.")]
    duration_ms: int
    error: str
    answer: str
    next_at: Time | None
    replay: bool


class DeliveriesPage(Struct):
    """Newest first."""

    deliveries: list[AttemptBody]
    next: NextPage


class ReplayedBody(Struct):
    """It is tried again from the start, with the same `webhook-id` and body."""

    delivery: str


# --- endpoints ---------------------------------------------------------------------------------------


class NewEndpoint(Struct, forbid_unknown_fields=True):
    """A webhook has a `url` (https), an e-mail address an `address`."""

    kind: Literal["webhook", "email"]
    url: Annotated[str, Meta(max_length=2048, examples=["https://example.com/hooks/defi"])] | UnsetType = UNSET
    address: Annotated[str, Meta(max_length=254, examples=["you@example.com"])] | UnsetType = UNSET


class EndpointBody(Struct):
    """A way to its user. It is told nothing before it was verified, nor while it is disabled; `problem` says why.

    `secret` signs a webhook's requests. It is shown when it is made, and never again.
    """

    id: str
    kind: Literal["webhook", "email"]
    created_at: Time
    verified_at: Time | None
    disabled_at: Time | None
    failing_since: Time | None
    problem: str
    url: str | UnsetType = UNSET
    address: str | UnsetType = UNSET
    secret: Annotated[str, Meta(examples=["whsec_…"])] | UnsetType = UNSET


class EndpointsList(Struct):
    endpoints: list[EndpointBody]


_acknowledge = msgspec.json.Decoder(AcknowledgeBody)
_endpoint = msgspec.json.Decoder(NewEndpoint)


def read_acknowledge(body: bytes) -> str:
    """The alert's id. Raises TooLargeError, NotJsonError or BadRuleError with a pointer."""
    found = decode_body(
        body,
        _acknowledge,
        what="an acknowledgement",
        refused=BadRuleError,
        max_bytes=MAX_BYTES,
        max_nesting=4,
        choices={},
    )
    return found.alert


def read_endpoint(body: bytes) -> tuple[str, str]:
    """Kind and address. Raises TooLargeError, NotJsonError or BadEndpointError with a pointer."""
    found = decode_body(
        body,
        _endpoint,
        what="an endpoint",
        refused=BadEndpointError,
        max_bytes=MAX_BYTES,
        max_nesting=4,
        choices={"kind": ("webhook", "email")},
    )
    wanted, other = ("url", "address") if found.kind == "webhook" else ("address", "url")
    if getattr(found, other) is not UNSET:
        raise BadEndpointError(f"an endpoint of kind {found.kind} has no {other}", pointer=f"/{other}")
    address = getattr(found, wanted)
    if address is UNSET:
        raise BadEndpointError(f"an endpoint of kind {found.kind} needs {wanted}", pointer=f"/{wanted}")
    return found.kind, address


def endpoint_body(endpoint: Endpoint, secret: str = "") -> EndpointBody:
    is_webhook = endpoint.kind == "webhook"
    return EndpointBody(
        id=endpoint.id,
        kind=endpoint.kind,
        created_at=rfc3339(endpoint.created_at),
        verified_at=_time(endpoint.verified_at),
        disabled_at=_time(endpoint.disabled_at),
        failing_since=_time(endpoint.failing_since),
        problem=endpoint.problem,
        url=endpoint.address if is_webhook else UNSET,
        address=UNSET if is_webhook else endpoint.address,
        secret=secret or UNSET,
    )


def told_alert(alert: Alert) -> ToldAlert:
    return ToldAlert(**msgspec.structs.asdict(body_of(alert)), muted=alert.muted)


def attempt_body(attempt: Attempt) -> AttemptBody:
    return AttemptBody(
        delivery=attempt.delivery,
        endpoint=attempt.endpoint,
        what=attempt.what,
        at=rfc3339(attempt.at),
        number=attempt.number,
        arrived=attempt.arrived,
        status=attempt.status,
        duration_ms=attempt.duration_ms,
        error=attempt.error,
        answer=attempt.answer,
        next_at=_time(attempt.next_at),
        replay=attempt.replay,
    )


def _time(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)
