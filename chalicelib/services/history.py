"""From queue messages of observations to history: PostgreSQL for what is asked for, S3 for what was said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
import structlog

from chalicelib.domain.months import first_kept
from chalicelib.domain.observations import Observation
from chalicelib.domain.topics import PRIVATE_KINDS, is_rehearsal, kind_of
from chalicelib.errors import DefiStreamError, PoisonError, StoreDownError
from chalicelib.ports import DataVersions, DeadLetters, HistoryWriter, RawArchive, Recorded, Retries
from chalicelib.protocol.envelopes import ObservationMessage, decode, decode_record
from chalicelib.services.process import MAX_AHEAD, Message
from chalicelib.telemetry import metrics

log = structlog.get_logger()

TRIAL = "feed:smoke:record"  # the one rehearsal that is recorded: by it a release shows that it can
LONGEST_WAIT_S = 60  # between two attempts: what was missed meanwhile is the last minute that a query lacks


@dataclass(frozen=True, slots=True)
class Item:
    """An observation, as it was read and as it came."""

    seen: Observation
    raw: msgspec.Raw
    message_id: str


@dataclass(slots=True)
class RecordReport:
    """``failed`` are the ids of messages that must come again."""

    failed: set[str] = field(default_factory=set)
    new: int = 0
    known: int = 0
    expired: int = 0
    poisoned: int = 0
    published_ms: dict[str, int] = field(default_factory=dict)  # by message id, where it is known


class RecordHistory:
    """Keep every observation.

    Guarantees: a message is reported as failed unless all its observations are kept, or buried as dead letters with the
    reason, and its records are in the archive; what comes again, late or out of order changes nothing that it should
    not; while PostgreSQL or S3 is away every message comes again, the later the more often it did.
    """

    def __init__(
        self,
        *,
        writer: HistoryWriter,
        versions: DataVersions,
        archive: RawArchive,
        dead_letters: DeadLetters,
        retries: Retries,
        now: Callable[[], datetime],
        months: int,
    ) -> None:
        self._writer = writer
        self._versions = versions
        self._archive = archive
        self._dead_letters = dead_letters
        self._retries = retries
        self._now = now
        self._months = months

    def run(self, messages: Sequence[Message]) -> RecordReport:
        """Record a batch. Raises nothing that one message causes: it is in ``report.failed``."""
        report = RecordReport()
        records = {message.id: self._records(message, report) for message in messages}
        items = [item for message in messages for item in self._items(message, records[message.id], report)]
        self._record(items, report)
        for message in messages:
            if message.id not in report.failed:
                self._keep(message, records[message.id], report)
        self._measure(report)
        if report.failed:
            self._retries.soon({m.receipt: _delay_s(m) for m in messages if m.id in report.failed and m.receipt})
        return report

    def _records(self, message: Message, report: RecordReport) -> list[msgspec.Raw]:
        try:
            envelope = decode(ObservationMessage, message.body)
        except PoisonError as error:
            self._bury(msgspec.json.encode(message.body), error, message.id, report)
            return []
        if published_ms := envelope.published_ms or message.sent_ms:
            report.published_ms[message.id] = published_ms
        return envelope.records

    def _items(self, message: Message, records: Sequence[msgspec.Raw], report: RecordReport) -> list[Item]:
        items = []
        for raw in records:
            try:
                seen = self._timely(decode_record(raw))
            except PoisonError as error:
                self._bury(bytes(raw), error, message.id, report)
                continue
            if self._is_expired(seen):
                report.expired += 1
            elif _is_history(seen.topic):
                items.append(Item(seen, raw, message.id))
        return items

    def _timely(self, seen: Observation) -> Observation:
        """The newest value of a topic stays until a later one comes."""
        if seen.observed_at > self._now() + MAX_AHEAD:
            raise PoisonError(f"observed_at {seen.observed_at.isoformat()} is in the future")
        return seen

    def _is_expired(self, seen: Observation) -> bool:
        return self._months > 0 and seen.observed_at < first_kept(self._now(), self._months)

    def _record(self, items: Sequence[Item], report: RecordReport) -> None:
        """All at once; if one of them is poison, by halves, until that one is alone."""
        if not items:
            return
        try:
            self._count(self._writer.record([item.seen for item in items]), report)
            self._tell(items)
        except PoisonError as error:
            if len(items) == 1:
                self._bury(bytes(items[0].raw), error, items[0].message_id, report)
                return
            middle = len(items) // 2
            self._record(items[:middle], report)
            self._record(items[middle:], report)
        except DefiStreamError as error:
            log.error("recording_failed", error=error.name, reason=str(error), observations=len(items))
            report.failed.update(item.message_id for item in items)

    def _tell(self, items: Sequence[Item]) -> None:
        """Kept answers to queries are old now; should this not reach them, they are within a minute by themselves."""
        try:
            self._versions.arrived({item.seen.topic for item in items})
        except StoreDownError as error:
            log.warning("arrival_not_told", reason=str(error))

    def _count(self, recorded: Recorded, report: RecordReport) -> None:
        report.new += recorded.new
        report.known += recorded.known
        report.expired += recorded.expired

    def _keep(self, message: Message, records: Sequence[msgspec.Raw], report: RecordReport) -> None:
        """After PostgreSQL: while that is away, each attempt would be another version of the same object."""
        if not records:
            return
        sent_at = datetime.fromtimestamp(message.sent_ms / 1000, UTC) if message.sent_ms else self._now()
        try:
            self._archive.keep([bytes(raw) for raw in records], message_id=message.id, sent_at=sent_at)
        except DefiStreamError as error:
            log.error("archiving_failed", error=error.name, reason=str(error), message_id=message.id)
            report.failed.add(message.id)

    def _bury(self, record: bytes, error: PoisonError, message_id: str, report: RecordReport) -> None:
        log.error("record_poisoned", message_id=message_id, reason=str(error))
        report.poisoned += 1
        metrics.count("PoisonRecords")
        try:
            self._dead_letters.bury(record, reason=str(error), message_id=message_id)
        except DefiStreamError:
            report.failed.add(message_id)

    def _measure(self, report: RecordReport) -> None:
        metrics.count("ObservationsRecorded", report.new)
        metrics.count("ObservationsExpired", report.expired)
        now_ms = self._now().timestamp() * 1000
        for message_id, published_ms in report.published_ms.items():
            if message_id not in report.failed:
                metrics.record("PublishedToRecorded", max(0, now_ms - published_ms))
        log.info("observations_recorded", new=report.new, known=report.known, expired=report.expired)


def _is_history(topic: str) -> bool:
    """A user's own alerts are none of the market, nor is what is published to try a stage out."""
    return kind_of(topic) not in PRIVATE_KINDS and (topic == TRIAL or not is_rehearsal(topic))


def _delay_s(message: Message) -> int:
    """1, 2, 4 … seconds."""
    return min(LONGEST_WAIT_S, 1 << min(message.receives - 1, 6))
