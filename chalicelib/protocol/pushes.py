"""What the server says: replies, updates, notices, as JSON text frames (PROTOCOL.md)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from chalicelib.domain.changes import Change, change_pct
from chalicelib.errors import DefiStreamError
from chalicelib.protocol.signals import AlertBody

_encoder = msgspec.json.Encoder()
_alert = msgspec.json.Decoder(AlertBody)

# {"type":"updates","sent_at":"2026-11-23T01:02:03.456Z","updates":[]} and room for a comma an update
FRAME_OVERHEAD_BYTES = 80


class Update(msgspec.Struct):
    """One update of one topic; ``prev`` is the offset of the update before it that was due to this subscription.

    ``alert`` is what happened to a rule: only on ``alerts:{user}``, whose ``value`` is the figure that fired it.
    """

    topic: str
    epoch: str
    offset: int
    prev: int | None
    value: str
    previous: str | None
    change_pct: str | None
    observed_at: str
    published_at: str
    source: str
    confidence: str | None
    snapshot: bool = False
    alert: AlertBody | UnsetType = UNSET


def rfc3339(at: datetime) -> str:
    """Milliseconds and a Z: 2026-11-23T01:02:03.456Z."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def update_of(change: Change, prev: int | None, *, snapshot: bool = False) -> Update:
    return Update(
        topic=change.topic,
        epoch=change.epoch,
        offset=change.offset,
        prev=prev,
        value=change.value,
        previous=change.previous,
        change_pct=change_pct(change.value, change.previous),
        observed_at=change.observed_at,
        published_at=change.published_at,
        source=change.source,
        confidence=change.confidence,
        snapshot=snapshot,
        alert=UNSET if change.alert is None else _alert.decode(change.alert),
    )


def encode_update(change: Change, prev: int | None, *, snapshot: bool = False) -> bytes:
    return _encoder.encode(update_of(change, prev, snapshot=snapshot))


def encode_reply(command_id: int | str | None, result: dict[str, Any]) -> str:
    return _encoder.encode({"type": "reply", "id": command_id, "ok": True, "result": result}).decode()


def error_body(error: DefiStreamError) -> dict[str, Any]:
    return {
        "code": error.code,
        "name": error.name,
        "message": str(error),
        "temporary": error.temporary,
        "retry_after": error.retry_after,
    }


def encode_error(command_id: int | str | None, error: DefiStreamError) -> str:
    return _encoder.encode({"type": "reply", "id": command_id, "ok": False, "error": error_body(error)}).decode()


def encode_notice(name: str, message: str, at: datetime) -> bytes:
    return _encoder.encode({"type": "notice", "name": name, "at": rfc3339(at), "message": message})
