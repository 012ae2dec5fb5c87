"""Traffic: what a stage is assumed to do, and the flows that follow from it.

Every default is an assumption and an argument of the command. Sizes and durations are measured where something
measures them (benchmarks, the encoders) and else set on the high side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import ROUND_CEILING, Decimal

from chalicelib.protocol.envelopes import MAX_MESSAGE_BYTES, MAX_RECORDS
from chalicelib.protocol.pushes import FRAME_OVERHEAD_BYTES
from chalicelib.settings import Settings
from chalicelib.telemetry.catalogue import DIMENSIONS, METRICS
from scripts.costs.prices import MONTH_MINUTES, MONTH_SECONDS

DEFAULTS = {field.name: field.default for field in fields(Settings)}
POSTS_PER_JOB = Decimal(str(DEFAULTS["posts_per_job"]))
POSTS_PER_SECOND = Decimal(str(DEFAULTS["deliver_posts_per_s"]))  # of one worker, unless its stage says otherwise

UPDATE_BYTES = Decimal(300)  # an encoded update is 290 to 297
ADDRESS_BYTES = Decimal(20)  # a connection's id in a job
WEBSOCKET_UNIT = Decimal(32 * 1024)
SILENCE_S = Decimal(120)  # a client that has received nothing for so long pings


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Averages over a month. ``rate_s`` 0 is realtime: every update in a message of its own, the worst case."""

    connections: Decimal  # open sockets
    updates_per_second: Decimal  # due to each of them, before coalescing
    rate_s: Decimal = Decimal(5)
    topics: Decimal = Decimal(25)  # that a connection's updates spread over
    session_minutes: Decimal = Decimal(30)
    requests_per_second: Decimal = Decimal("0.1")  # of the REST API
    page_views_per_day: Decimal = Decimal(100)
    observations_per_minute: Decimal = Decimal(2_000)  # new ones, over all feeds
    alerts_per_day: Decimal = Decimal(1_000)  # that fire, or end, and go to a webhook or an e-mail address
    source_gb: Decimal = Decimal(10)  # from DefiLlama: prices a minute, TVL and yields (2-3 MB each) an hour
    custom_metrics: Decimal = field(default_factory=lambda: Decimal(metric_combinations()))
    flow_log_gb: Decimal = Decimal(1)  # of rejected packets
    raw_gb: Decimal = Decimal(5)
    table_gb: Decimal = Decimal(1)
    cold_starts: Decimal = Decimal("0.01")  # of the invocations, a second each: billed since August 2025


def metric_combinations() -> int:
    """Metrics of our own as CloudWatch counts them: each alone and with each value of a dimension."""
    return len(METRICS) + sum(len(DIMENSIONS[key]) for metric in METRICS for key in metric.dimensions)


# Updates: DefiLlama is polled once a minute, and what a poll finds reaches a connection in some three frames.
STAGES: Mapping[str, Traffic] = {
    "dev": Traffic(connections=Decimal(5), updates_per_second=Decimal("0.05"), requests_per_second=Decimal("0.01")),
    "staging": Traffic(connections=Decimal(100), updates_per_second=Decimal("0.05")),
    "production": Traffic(
        connections=Decimal(1_000),
        updates_per_second=Decimal("0.05"),
        requests_per_second=Decimal(2),
        page_views_per_day=Decimal(10_000),
        flow_log_gb=Decimal(10),  # of all packets
        raw_gb=Decimal(50),
        table_gb=Decimal(10),
    ),
}


def ceiling(value: Decimal) -> Decimal:
    return value.to_integral_value(ROUND_CEILING)


@dataclass(frozen=True, slots=True)
class Pushes:
    """What reaching the subscribers takes, a second; ``units`` are messages as they are billed."""

    posts_per_second: Decimal
    frame_bytes: Decimal
    units_per_post: Decimal
    flushes_per_second: Decimal
    jobs_per_second: Decimal
    job_bytes: Decimal


def pushes(traffic: Traffic) -> Pushes:
    """Frames a connection is sent: one an update in realtime, at most one per ``rate_s`` else.

    A coalesced frame carries the newest value of each topic that changed: of n updates spread evenly over t topics
    t · (1 - (1 - 1/t)^n) differ.
    """
    updates = traffic.updates_per_second
    if not traffic.rate_s or updates * traffic.rate_s <= 1:
        flushes, distinct = updates, Decimal(1)
    else:
        flushes = 1 / traffic.rate_s
        distinct = traffic.topics * (1 - (1 - 1 / traffic.topics) ** (updates * traffic.rate_s))
    if not traffic.connections:
        flushes = Decimal(0)
    frame = FRAME_OVERHEAD_BYTES + distinct * UPDATE_BYTES
    jobs_per_flush = ceiling(traffic.connections / POSTS_PER_JOB)
    in_a_job = min(traffic.connections, POSTS_PER_JOB)
    return Pushes(
        posts_per_second=traffic.connections * flushes,
        frame_bytes=frame,
        units_per_post=ceiling(frame / WEBSOCKET_UNIT),
        flushes_per_second=flushes,
        jobs_per_second=flushes * jobs_per_flush,
        job_bytes=min(Decimal(MAX_MESSAGE_BYTES), frame + in_a_job * ADDRESS_BYTES),
    )


@dataclass(frozen=True, slots=True)
class Flows:
    """Events a month, and the posts a second of one worker of deliver."""

    connects: Decimal
    commands: Decimal
    observation_messages: Decimal
    alerts: Decimal
    ticks: Decimal
    jobs: Decimal
    posts: Decimal
    requests: Decimal
    page_views: Decimal
    pace: Decimal


def flows(traffic: Traffic, push: Pushes, pace: Decimal = POSTS_PER_SECOND) -> Flows:
    connects = traffic.connections * MONTH_MINUTES / traffic.session_minutes
    silent = push.posts_per_second < traffic.connections / SILENCE_S
    pings = traffic.connections * MONTH_SECONDS / SILENCE_S if silent else Decimal(0)
    messages_a_minute = ceiling(traffic.observations_per_minute / MAX_RECORDS)
    return Flows(
        connects=connects,
        commands=connects * 2 + pings,  # subscribes, and unsubscribes or resumes
        observation_messages=messages_a_minute * MONTH_MINUTES,
        alerts=traffic.alerts_per_day * MONTH_MINUTES / 1440,
        ticks=push.flushes_per_second * MONTH_SECONDS if traffic.rate_s else Decimal(0),
        jobs=push.jobs_per_second * MONTH_SECONDS,
        posts=push.posts_per_second * MONTH_SECONDS,
        requests=traffic.requests_per_second * MONTH_SECONDS,
        page_views=traffic.page_views_per_day * MONTH_MINUTES / 1440,
        pace=pace,
    )
