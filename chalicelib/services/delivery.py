"""Deliver: put frames into the hands of the gateway, and see to what it did not take."""

from __future__ import annotations

import random as _random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
import structlog

from chalicelib.errors import DefiStreamError, StoreDownError
from chalicelib.ports import Connections, GoneQueue, JobQueue, Post, PostResults
from chalicelib.protocol.envelopes import DeliveryJob, Frame, encode
from chalicelib.protocol.pushes import rfc3339
from chalicelib.services.delivery_metrics import changes_of, measure
from chalicelib.telemetry import metrics, note

MAX_DELAY_S = 60
LOGGED_CHANGES = 200  # named in an invocation's line: some 8 KB
MISCONFIGURED = frozenset({401, 403, 404})  # what a wrong role, region or endpoint is answered with

log = structlog.get_logger()


@dataclass(slots=True)
class DeliveryReport:
    """What became of a run's posts, in posts; ``gone`` counts connections.

    ``failed_jobs`` are the indices of the jobs whose remains could not be put back on the queue: their messages
    must come again, whole.
    """

    sent: int = 0
    gone: int = 0
    requeued: int = 0
    refused: int = 0
    dropped: int = 0
    failed_jobs: list[int] = field(default_factory=list)


class Deliver:
    """Post every frame of a set of jobs to its connections.

    Guarantees: a connection gets its frames in the order of the jobs and of the frames in them. A job never fails
    for part of it: what could not be sent comes back as one new job with only that, later each time, and only a job
    whose remains the queue did not take is reported as failed (at least once). So a client that does not read costs
    a run three tries, and from then on only its own job. Connections that are gone are reported once a run.

    What is left of a job that has been tried ``attempts_max`` times is dropped, with an error in the log and counted
    as PostsDropped. What that costs its clients, who had not read for minutes:

    - an update: the next one of its topic shows the gap (its ``prev``), and the client resumes with ``since``;
    - the last update of a topic, which none follows: it is in the snapshot and the log, and the client has it at its
      next ``subscribe``, that is when it reconnects (within two hours, the age limit of every connection);
    - the notice ``going_away``: the connection ends unannounced, and the client reconnects and resumes all the same;
    - the notice ``resubscribe``: the client stays without updates until it reconnects. After 120 s of silence it
      pings, and reconnects if there is no answer, as there is none for one whose socket is stuck.
    """

    def __init__(
        self,
        *,
        connections: Connections,
        jobs: JobQueue,
        gone: GoneQueue,
        now: Callable[[], datetime],
        attempts_max: int,
        monotonic: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self._connections = connections
        self._jobs = jobs
        self._gone = gone
        self._now = now
        self._attempts_max = attempts_max
        self._monotonic = monotonic
        self._random = random

    def run(self, jobs: Sequence[DeliveryJob], *, deadline: float) -> DeliveryReport:
        """Deliver until ``deadline`` (``time.monotonic()``); what is left is put back on the queue after it.

        Raises StoreDownError, having requeued nothing, if the gateway refused all that it answered as not allowed:
        the role or the endpoint is wrong, and the messages must be kept until it is put right.
        """
        _tell(jobs)
        started, started_ms = self._monotonic(), self._now().timestamp() * 1000
        report = DeliveryReport()
        posts, places = self._lay_out(jobs, report)
        results = self._connections.post_all(posts, deadline=deadline, suspects=_suspects(jobs))
        took_s = self._monotonic() - started
        measure(results, posts, jobs, places, took_s=took_s, at_ms=lambda at: started_ms + (at - started) * 1000)
        _raise_if_shut_out(results)
        report.sent = results.sent
        report.refused = len(results.refused)
        for post, status in results.refused:
            log.error("post_refused", status=status, connection_id=post.connection, size_bytes=len(post.body))
        answers = self._requeue(jobs, _remains(places, results.unsent), report)
        self._report_gone(results, report, reachable=answers)
        log.info(
            "delivered",
            sent=report.sent,
            requeued=report.requeued,
            gone=report.gone,
            retries=results.retries,
            throttled=results.throttled,
            posting_ms=round(took_s * 1000, 2),
        )
        return report

    def _lay_out(self, jobs: Sequence[DeliveryJob], report: DeliveryReport) -> tuple[list[Post], list[tuple[int, int]]]:
        """All posts in order, each marked with its place in the list of (job, frame)."""
        posts: list[Post] = []
        places: list[tuple[int, int]] = []
        sent_at = rfc3339(self._now())
        for number, job in enumerate(jobs):
            try:
                bodies = [_body(job, frame, sent_at) for frame in job.frames]
            except IndexError:
                log.error("job_incoherent", job=job.id, reason="a frame names an update that the job does not carry")
                metrics.count("PoisonRecords")
                report.failed_jobs.append(number)
                continue
            for index, (frame, body) in enumerate(zip(job.frames, bodies, strict=True)):
                mark = len(places)
                places.append((number, index))
                posts.extend([Post(connection, body, mark) for connection in frame.to])
        return posts, places

    def _requeue(
        self, jobs: Sequence[DeliveryJob], remains: dict[int, dict[int, list[str]]], report: DeliveryReport
    ) -> bool:
        """False if the queue took nothing of a call: no other is made, since one that times out takes the time left."""
        by_delay: dict[int, list[tuple[int, int, bytes]]] = {}
        for number, frames in remains.items():
            job = jobs[number]
            count = sum(map(len, frames.values()))
            if job.attempt + 1 >= self._attempts_max:
                log.error("job_dropped", job=job.id, attempts=job.attempt + 1, connections=count, sources=job.sources)
                report.dropped += count
                metrics.count("PostsDropped", count)
                continue
            by_delay.setdefault(self._delay_s(job.attempt), []).append((number, count, encode(_rest(job, frames))))
        answers = True
        for delay_s, group in by_delay.items():
            failed = self._send([body for _, _, body in group], delay_s) if answers else set(range(len(group)))
            answers = len(failed) < len(group)
            for place, (number, count, _) in enumerate(group):
                if place in failed:
                    report.failed_jobs.append(number)
                else:
                    report.requeued += count
        return answers

    def _send(self, bodies: Sequence[bytes], delay_s: int) -> set[int]:
        """The indices of the jobs that the queue did not take."""
        try:
            return set(self._jobs.send(bodies, delay_s=delay_s))
        except DefiStreamError as error:
            log.error("requeue_failed", jobs=len(bodies), reason=str(error))
            return set(range(len(bodies)))

    def _delay_s(self, attempt: int) -> int:
        """Full jitter over 1 s · 2^attempt, from 1 to 60 s: SQS delays are whole seconds."""
        ceiling = float(min(MAX_DELAY_S, 2.0 ** min(attempt, 10)))
        return max(1, round(self._random() * ceiling))

    def _report_gone(self, results: PostResults, report: DeliveryReport, *, reachable: bool) -> None:
        connections = list(dict.fromkeys(post.connection for post in results.gone))
        report.gone = len(connections)
        metrics.count("ConnectionsGone", report.gone)
        if not connections or not reachable:  # no loss: the next frame for them is answered 410 again
            return
        try:
            self._gone.report(connections)
        except DefiStreamError as error:
            log.warning("gone_not_reported", connections=len(connections), reason=str(error))


def _body(job: DeliveryJob, frame: Frame, sent_at: str) -> bytes:
    message = bytes(frame.message)
    if message:
        return message
    updates = b",".join([_update(job, index) for index in frame.updates])
    return b'{"type":"updates","sent_at":"%s","updates":[%s]}' % (sent_at.encode(), updates)


def _update(job: DeliveryJob, index: int) -> bytes:
    if index < 0:
        raise IndexError(index)
    return bytes(job.updates[index])


def _suspects(jobs: Sequence[DeliveryJob]) -> set[str]:
    """Connections of the jobs that come again: for these the queue, with its growing delay, is the place to wait."""
    return {connection for job in jobs if job.attempt for frame in job.frames for connection in frame.to}


def _raise_if_shut_out(results: PostResults) -> None:
    statuses = {status for _, status in results.refused}
    if statuses and statuses <= MISCONFIGURED and not results.sent and not results.gone:
        raise StoreDownError(f"the gateway refuses every post: {sorted(statuses)}")


def _remains(places: Sequence[tuple[int, int]], unsent: Sequence[Post]) -> dict[int, dict[int, list[str]]]:
    """Connections that are still to be sent to, by job and frame, each in its first order."""
    remains: dict[int, dict[int, list[str]]] = {}
    for post in sorted(unsent, key=lambda post: post.index):
        number, index = places[post.index]
        remains.setdefault(number, {}).setdefault(index, []).append(post.connection)
    return remains


def _rest(job: DeliveryJob, frames: dict[int, list[str]]) -> DeliveryJob:
    """The next job: only these frames and connections, and only the updates that they need."""
    kept = [(job.frames[index], to) for index, to in frames.items()]
    needed = sorted({update for frame, _ in kept for update in frame.updates})
    place = {update: index for index, update in enumerate(needed)}
    return msgspec.structs.replace(
        job,
        frames=[
            msgspec.structs.replace(frame, to=to, updates=[place[update] for update in frame.updates])
            for frame, to in kept
        ],
        updates=[job.updates[update] for update in needed],
        attempt=job.attempt + 1,
    )


def _tell(jobs: Sequence[DeliveryJob]) -> None:
    """Say which changes come by, as process did, before anything can go wrong with them."""
    changes = changes_of(jobs)
    topics = {change.rpartition("@")[0] for change in changes}
    if len(topics) == 1:
        note(topic=topics.pop())
    named = changes[:LOGGED_CHANGES]
    log.info("delivery_started", jobs=[job.id for job in jobs], count=len(changes), changes=named)
