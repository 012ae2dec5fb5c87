"""What a message of the queue ``alerts`` may be, and how what follows from it is put."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from decimal import Context, Decimal

import msgspec

from chalicelib.domain.alerts import Alert
from chalicelib.domain.observations import plain
from chalicelib.domain.rules import FigureKey, Step
from chalicelib.errors import PoisonError
from chalicelib.protocol.envelopes import VERSION, ObservationMessage, decode
from chalicelib.protocol.pushes import rfc3339
from chalicelib.protocol.signals import AlertBody, MoveRecord, NotificationMessage, RecheckMessage, TimerMessage

_READABLE = Context(prec=20)  # of a percentage's digits: more than any observation has

Signal = TimerMessage | RecheckMessage


class _Kind(msgspec.Struct):
    type: str = ""


_kind = msgspec.json.Decoder(_Kind)
_signal = msgspec.json.Decoder(Signal)


def decode_evaluation(body: str | bytes) -> Signal | ObservationMessage:
    """A message of the queue ``alerts``. Raises PoisonError."""
    try:
        if not _kind.decode(body).type:
            return decode(ObservationMessage, body)
        signal: Signal = _signal.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise PoisonError(f"nothing to evaluate: {error}") from error
    if signal.v != VERSION:
        raise PoisonError(f"version {signal.v} of {type(signal).__name__} is not {VERSION}")
    return signal


def records_of(moves: Mapping[FigureKey, tuple[Decimal | None, Decimal | None]]) -> list[MoveRecord]:
    """Exactly: whoever judges by them must find the same."""
    return [
        MoveRecord(over_s, of, *(None if figure is None else str(figure) for figure in move))
        for (_, over_s, of), move in moves.items()
    ]


def figures_of(message: RecheckMessage) -> tuple[dict[FigureKey, Decimal], dict[FigureKey, Decimal]]:
    """Before and at the observation."""
    before: dict[FigureKey, Decimal] = {}
    now: dict[FigureKey, Decimal] = {}
    for move in message.moves:
        for figures, figure in ((before, move.before), (now, move.now)):
            if figure is not None:
                figures[message.topic, move.over_s, move.of] = Decimal(figure)
    return before, now


def body_of(alert: Alert) -> AlertBody:
    return AlertBody(
        id=alert.id,
        rule=alert.rule,
        name=alert.name,
        state=alert.state,
        topic=alert.topic,
        value=None if alert.value is None else plain(_READABLE.plus(alert.value)),
        condition=alert.condition,
        fired_at=rfc3339(alert.fired_at),
        at=rfc3339(alert.at),
    )


def notification_of(alert: Alert, step: Step) -> NotificationMessage:
    """What tells an alert to a webhook or an e-mail address; its id is the same however often it is made."""
    if step.channel == "socket":
        raise ValueError("a socket is told by the stream")
    digest = hashlib.sha256(f"{alert.id}\n{alert.state}\n{step.endpoint}".encode()).digest()
    return NotificationMessage(
        id="nt_" + urlsafe_b64encode(digest[:18]).decode(),
        user=alert.user,
        channel=step.channel,
        endpoint=step.endpoint,
        alert=body_of(alert),
        unless_acknowledged=step.after_s > 0,
    )
