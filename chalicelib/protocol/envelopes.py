"""What travels on the queues and the topic between our own functions.

Every envelope carries ``v``. During a canary both versions read both, so a field is added with a default
and is removed one release after nobody writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import msgspec

from chalicelib.domain.observations import Observation, parse_value, plain
from chalicelib.domain.topics import PRIVATE_KINDS, is_topic, kind_of
from chalicelib.errors import PoisonError
from chalicelib.protocol.signals import AlertBody

T = TypeVar("T", bound=msgspec.Struct)

VERSION = 1
MAX_RECORDS = 100
MAX_NAME_LENGTH = 100  # of a source, chain or category: they travel in updates and filters
MAX_CHAINS = 1000
MAX_ALERT_BYTES = 16_000  # a frame of 32 KB has room for it, whatever else its update says
NO_ALERT = msgspec.Raw()  # the very one: msgspec leaves out a default that is the same object
MAX_MESSAGE_BYTES = 200_000  # a message's room: SQS takes 1 MiB, SNS 256 KiB, attributes included


class ObservationRecord(msgspec.Struct, omit_defaults=True):
    """An observation on the wire: ``value`` and ``confidence`` are decimal strings, the time RFC 3339.

    ``alert``, an AlertBody, only on private topics.
    """

    id: str
    topic: str
    value: str
    observed_at: datetime
    source: str = "defillama"
    confidence: str | None = None
    chains: list[str] = []
    category: str | None = None
    alert: msgspec.Raw = NO_ALERT


class ObservationMessage(msgspec.Struct):
    """Up to 100 observations; records are decoded one by one, so that a poisoned one fails alone.

    ``published_ms`` is when its producer handed it over (Unix milliseconds; 0: it did not say).
    """

    records: list[msgspec.Raw]
    v: int = 1
    published_ms: int = 0


class Frame(msgspec.Struct, omit_defaults=True):
    """One WebSocket message for every connection in ``to``.

    Either the job's updates with these indices, in this order, or one whole ``message``.
    """

    to: list[str]
    updates: list[int] = []
    message: msgspec.Raw = msgspec.Raw()


class DeliveryJob(msgspec.Struct, omit_defaults=True):
    """Frames to post. Updates are carried once a job and shared by its frames.

    ``sources`` are the queue messages that the job came from; ``attempt`` counts the jobs before this one
    that could not finish it. ``published_ms`` is when the oldest observation in it was published and
    ``sequenced_ms`` when its updates got their offsets (Unix milliseconds); both 0 for what is late on purpose.
    """

    id: str
    frames: list[Frame]
    updates: list[msgspec.Raw] = []
    sources: list[str] = []
    attempt: int = 0
    v: int = 1
    published_ms: int = 0
    sequenced_ms: int = 0


class GoneMessage(msgspec.Struct):
    """Connections that the gateway answered 410 for."""

    connections: list[str]
    v: int = 1


class TickMessage(msgspec.Struct):
    """The end of a slot: ``slot`` counts intervals of ``rate`` seconds since the Unix epoch."""

    rate: int
    slot: int
    v: int = 1


_encoder = msgspec.json.Encoder()
_record = msgspec.json.Decoder(ObservationRecord)
_alert = msgspec.json.Decoder(AlertBody)
_messages: dict[type[msgspec.Struct], msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(kind) for kind in (ObservationMessage, DeliveryJob, GoneMessage, TickMessage)
}


def encode(message: msgspec.Struct) -> bytes:
    return _encoder.encode(message)


def decode(kind: type[T], body: str | bytes) -> T:
    """A queue message's body. Raises PoisonError if it is not one of this kind and version."""
    try:
        message = _messages[kind].decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise PoisonError(f"not a {kind.__name__}: {error}") from error
    if message.v != VERSION:
        raise PoisonError(f"version {message.v} of {kind.__name__} is not {VERSION}")
    return cast(T, message)


def decode_record(raw: msgspec.Raw) -> Observation:
    """One observation. Raises PoisonError, which says what is wrong with it."""
    try:
        record = _record.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise PoisonError(f"not an observation: {error}") from error
    if not 1 <= len(record.id) <= 64:
        raise PoisonError("an id has 1 to 64 characters")
    if not is_topic(record.topic):
        raise PoisonError(f"not a topic: {record.topic!r:.60}")
    names = [record.source, record.category or "", *record.chains]
    if len(record.chains) > MAX_CHAINS or any(len(name) > MAX_NAME_LENGTH for name in names):
        raise PoisonError(f"more than {MAX_CHAINS} chains, or a name of more than {MAX_NAME_LENGTH} characters")
    return Observation(
        id=record.id,
        topic=record.topic,
        value=parse_value(record.value),
        observed_at=_in_utc(record.observed_at),
        source=record.source,
        confidence=None if record.confidence is None else parse_value(record.confidence),
        chains=tuple(record.chains),
        category=record.category,
        alert=_decode_alert(record),
    )


def _decode_alert(record: ObservationRecord) -> str | None:
    raw = bytes(record.alert)
    if not raw:
        return None
    if kind_of(record.topic) not in PRIVATE_KINDS:
        raise PoisonError(f"an alert on {record.topic}, which everybody may read")
    if len(raw) > MAX_ALERT_BYTES:
        raise PoisonError(f"an alert of more than {MAX_ALERT_BYTES} bytes")
    try:
        _alert.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise PoisonError(f"not an alert: {error}") from error
    return raw.decode()


def _in_utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise PoisonError("observed_at has no time zone")
    try:
        return at.astimezone(UTC)
    except OverflowError as error:  # the first and last hours of the calendar, in another zone
        raise PoisonError(f"observed_at is out of range: {at.isoformat()}") from error


def encode_observations(
    observations: Iterable[Observation], *, now_ms: Callable[[], int] = lambda: 0
) -> Iterable[bytes]:
    """Messages of at most MAX_RECORDS and MAX_MESSAGE_BYTES, in order, each stamped when it is taken."""
    batch: list[msgspec.Raw] = []
    size = 0
    for observation in observations:
        raw = _encoder.encode(
            ObservationRecord(
                id=observation.id,
                topic=observation.topic,
                value=plain(observation.value),
                observed_at=observation.observed_at,
                source=observation.source,
                confidence=None if observation.confidence is None else plain(observation.confidence),
                chains=list(observation.chains),
                category=observation.category,
                alert=NO_ALERT if observation.alert is None else msgspec.Raw(observation.alert.encode()),
            )
        )
        if batch and (len(batch) == MAX_RECORDS or size + len(raw) > MAX_MESSAGE_BYTES - 100):
            yield encode(ObservationMessage(records=batch, published_ms=now_ms()))
            batch, size = [], 0
        batch.append(msgspec.Raw(raw))
        size += len(raw) + 1
    if batch:
        yield encode(ObservationMessage(records=batch, published_ms=now_ms()))
