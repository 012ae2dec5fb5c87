"""From queue messages of observations to delivery jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
import structlog

from chalicelib.domain.changes import Change
from chalicelib.domain.observations import Observation
from chalicelib.domain.topics import kind_of
from chalicelib.errors import DefiStreamError, PoisonError
from chalicelib.ports import Audience, DeadLetters, JobQueue, Retries, Stream, TickQueue
from chalicelib.protocol.envelopes import DeliveryJob, ObservationMessage, decode, decode_record
from chalicelib.services.fanout import build_jobs, encode_jobs, names_of
from chalicelib.telemetry import metrics, note

log = structlog.get_logger()

MAX_AHEAD = timedelta(hours=1)
LOGGED_CHANGES = 200  # named in an invocation's line: some 8 KB


@dataclass(frozen=True, slots=True)
class Message:
    """A queue message; ``receives`` counts how often it was handed out, ``sent_ms`` is the queue's own time of it."""

    id: str
    body: str
    receipt: str = ""
    receives: int = 1
    sent_ms: int = 0


@dataclass(slots=True)
class ProcessReport:
    """``failed`` are the ids of messages that must come again."""

    failed: set[str] = field(default_factory=set)
    undecodable: set[str] = field(default_factory=set)
    observations: int = 0
    changes: int = 0
    poisoned: int = 0
    jobs: int = 0
    published_ms: dict[str, int] = field(default_factory=dict)  # by message id, where it is known


class ProcessObservations:
    """Turn observations into changes and hand each subscriber one frame.

    Guarantees: an observation applied before is published again with its first offset, never with a second; an older
    one is dropped; a poisoned record is buried alone, with its reason; a message is reported as failed unless every
    job that it gave rise to was taken by the queue.
    """

    def __init__(
        self,
        *,
        stream: Stream,
        audience: Audience,
        jobs: JobQueue,
        ticks: TickQueue,
        dead_letters: DeadLetters,
        retries: Retries,
        now: Callable[[], datetime],
        frame_bytes: int,
        posts_per_job: int,
    ) -> None:
        self._stream = stream
        self._audience = audience
        self._jobs = jobs
        self._ticks = ticks
        self._dead_letters = dead_letters
        self._retries = retries
        self._now = now
        self._limits = {"frame_bytes": frame_bytes, "posts_per_job": posts_per_job}

    def run(self, messages: Sequence[Message]) -> ProcessReport:
        """Process a batch. Raises nothing that one message causes: it is in ``report.failed``."""
        report = ProcessReport()
        observations: list[Observation] = []
        sources: list[str] = []
        for message in messages:
            for observation in self._decode(message, report):
                observations.append(observation)
                sources.append(message.id)
        report.observations = len(observations)
        hopeless = report.undecodable
        if observations:
            try:
                self._publish(observations, sources, report)
            except DefiStreamError as error:
                log.error("processing_failed", error=error.name, reason=str(error), messages=len(messages))
                report.failed.update(sources)
        if report.failed:
            self._retries.soon(
                {m.receipt: _delay_s(m, hopeless) for m in messages if m.id in report.failed and m.receipt}
            )
        return report

    def _decode(self, message: Message, report: ProcessReport) -> list[Observation]:
        try:
            envelope = decode(ObservationMessage, message.body)
        except PoisonError as error:
            log.error("message_undecodable", message_id=message.id, reason=str(error))
            report.failed.add(message.id)
            report.undecodable.add(message.id)
            metrics.count("PoisonRecords")
            return []
        if published_ms := envelope.published_ms or message.sent_ms:
            report.published_ms[message.id] = published_ms
        found = []
        for raw in envelope.records:
            try:
                found.append(self._timely(decode_record(raw)))
            except PoisonError as error:
                self._bury(raw, error, message, report)
        return found

    def _timely(self, observation: Observation) -> Observation:
        """A topic's time never goes back: one observation from the future would silence it until then."""
        if observation.observed_at > self._now() + MAX_AHEAD:
            raise PoisonError(f"observed_at {observation.observed_at.isoformat()} is in the future")
        return observation

    def _bury(self, raw: msgspec.Raw, error: PoisonError, message: Message, report: ProcessReport) -> None:
        log.error("record_poisoned", message_id=message.id, reason=str(error))
        report.poisoned += 1
        metrics.count("PoisonRecords")
        try:
            self._dead_letters.bury(bytes(raw), reason=str(error), message_id=message.id)
        except DefiStreamError:
            report.failed.add(message.id)  # its good records are known by their ids when it comes again

    def _publish(self, observations: Sequence[Observation], sources: Sequence[str], report: ProcessReport) -> None:
        sequenced = self._stream.sequence(observations)
        sequenced_ms = int(self._now().timestamp() * 1000)
        changes: list[Change] = []
        came_from: dict[int, list[str]] = {}
        places: dict[tuple[str, str, int], int] = {}
        for change, source in zip(sequenced.changes, sources, strict=True):
            if change is None:
                continue
            # A message that came twice in one batch gives the same change twice: it is told once, for both.
            place = places.setdefault((change.topic, change.epoch, change.offset), len(changes))
            if place == len(changes):
                changes.append(change)
            came_from.setdefault(place, []).append(source)
        report.changes = len(changes)
        _measure(changes, {message for of in came_from.values() for message in of}, report.published_ms, sequenced_ms)
        if changes:
            recipients = self._audience.recipients(names_of(changes))
            jobs = build_jobs(changes, recipients, sources=came_from, **self._limits)
            report.jobs = len(jobs)
            _stamp(jobs, report.published_ms, sequenced_ms)
            _tell(changes, [job.id for job in jobs])
            for index in self._jobs.send(encode_jobs(jobs)):
                report.failed.update(jobs[index].sources)
        if sequenced.ticks:
            self._ticks.send(sequenced.ticks)


def _measure(
    changes: Sequence[Change], messages: Iterable[str], published_ms: Mapping[str, int], sequenced_ms: int
) -> None:
    for kind, number in Counter(kind_of(change.topic) for change in changes).items():
        metrics.count("ChangesPublished", number, Kind=kind)
    for message in messages:
        if message in published_ms:
            metrics.record("PublishedToSequenced", max(0, sequenced_ms - published_ms[message]))


def _stamp(jobs: Sequence[DeliveryJob], published_ms: Mapping[str, int], sequenced_ms: int) -> None:
    """For deliver to measure by: of the messages that a job came from, the oldest counts."""
    for job in jobs:
        job.sequenced_ms = sequenced_ms
        job.published_ms = min((published_ms[source] for source in job.sources if source in published_ms), default=0)


def _tell(changes: Sequence[Change], jobs: Sequence[str]) -> None:
    """One line for all changes: a line each would cost more than all else that is logged."""
    topics = {change.topic for change in changes}
    if len(topics) == 1:
        note(topic=changes[0].topic)
    named = [f"{change.topic}@{change.offset}" for change in changes[:LOGGED_CHANGES]]
    log.info("changes_published", count=len(changes), changes=named, jobs=jobs)


def _delay_s(message: Message, hopeless: set[str]) -> int:
    """1, 2, 4 … 60 seconds; none for what no time cures, so that it reaches the dead letters at once."""
    return 0 if message.id in hopeless else min(60, 2 ** min(message.receives - 1, 6))
