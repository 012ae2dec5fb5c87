"""Every metric of ours, in one place: what may be emitted, its unit, and what it means.

Each metric has the dimension set [Stage]; a few have a second one, [Stage, X]. A combination of name and values costs
$0.30 a month, so what tells one connection, user or topic from another belongs in a log line and never here.
docs/metrics.md is made from this (``python -m scripts.metrics``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

NAMESPACE = "DefiStream"

Group = Literal["business", "performance", "errors"]
Unit = Literal["Count", "Milliseconds", "Seconds", "Bytes", "Count/Second"]

# What the extra dimensions may say: nothing of a client's making.
DIMENSIONS: dict[str, tuple[str, ...]] = {
    "Kind": ("price", "tvl", "peg", "yield", "feed", "alerts"),
    "Feed": ("prices", "protocols", "chains", "stablecoins", "yields"),
    "Channel": ("webhook", "email"),
    "Store": ("redis", "dynamodb", "secrets", "sqs", "sns", "s3", "postgres"),
}


@dataclass(frozen=True, slots=True)
class Metric:
    """``dimensions`` go beside Stage in a second dimension set; ``statistic`` is the one to look at first."""

    group: Group
    name: str
    unit: Unit
    meaning: str
    statistic: str = "Sum"
    dimensions: tuple[str, ...] = ()


METRICS: tuple[Metric, ...] = (
    # --- business ---
    Metric("business", "ActiveConnections", "Count", "Open connections, asked of the store once a minute.", "Maximum"),
    Metric(
        "business",
        "ActiveSubscriptions",
        "Count",
        "Topics and wildcards that open connections are subscribed to, each once a connection; once a minute.",
        "Maximum",
    ),
    Metric("business", "ConnectionsOpened", "Count", "Handshakes that ended in a connection."),
    Metric("business", "ConnectionsEnded", "Count", "Connections that were known and ended, by themselves or as gone."),
    Metric(
        "business",
        "ConnectionsRefused",
        "Count",
        "Handshakes refused for want of a valid login, origin or free place; not those that failed for our own faults.",
    ),
    Metric(
        "business",
        "HandshakesUnauthorized",
        "Count",
        "Handshakes answered 401, by invocation of the authorizer: Lambda counts each as an error, and none is one.",
    ),
    Metric("business", "ObservationsPublished", "Count", "Observations that ingest handed to the topic."),
    Metric("business", "ObservationsRecorded", "Count", "Observations that are new in the history."),
    Metric(
        "business",
        "ObservationsExpired",
        "Count",
        "Observations that were not recorded, being older than what the history keeps.",
    ),
    Metric(
        "business",
        "ChangesPublished",
        "Count",
        "Observations that were changes and were fanned out; one that is processed again counts again.",
        dimensions=("Kind",),
    ),
    Metric("business", "UpdatesDelivered", "Count", "Updates in the frames that the gateway took."),
    Metric("business", "FramesDelivered", "Count", "Frames that the gateway took for a connection; it bills these."),
    Metric("business", "CommandsHandled", "Count", "Text frames of clients that were answered, refusals included."),
    Metric(
        "business",
        "NotificationsSent",
        "Count",
        "Alerts that a webhook answered with 2xx, or that the e-mail service took.",
        dimensions=("Channel",),
    ),
    Metric(
        "business",
        "RulesEvaluated",
        "Count",
        "Alert rules that were judged because something touched them; a rule that is looked at again counts again.",
    ),
    Metric("business", "AlertTransitions", "Count", "Steps in the lives of alert rules, each once."),
    Metric("business", "AlertsFired", "Count", "Alerts that began to fire, those of muted rules included."),
    # --- performance ---
    Metric(
        "performance",
        "PublishedToSequenced",
        "Milliseconds",
        "From an observation's publication, on its producer's clock, to its offset; a value a queue message.",
        "p95",
    ),
    Metric(
        "performance",
        "SequencedToSent",
        "Milliseconds",
        "From an update's offset to the gateway's yes to its frame; realtime updates only, a value a frame.",
        "p95",
    ),
    Metric(
        "performance",
        "PublishedToSent",
        "Milliseconds",
        "End to end: from an observation's publication to the gateway's yes to its frame; realtime updates only (slower"
        " rates and snapshots wait on purpose), a value a frame, tries that failed included.",
        "p95",
    ),
    Metric(
        "performance",
        "PublishedToRecorded",
        "Milliseconds",
        "From an observation's publication to its row in PostgreSQL, a value a queue message.",
        "p95",
    ),
    Metric(
        "performance",
        "PublishedToEvaluated",
        "Milliseconds",
        "From an observation's publication until the rules that it touches have been judged, a value a queue message.",
        "p95",
    ),
    Metric(
        "performance", "PostsPerSecond", "Count/Second", "Frames that one worker posted a second, a value a run.", "p50"
    ),
    Metric("performance", "FrameBytes", "Bytes", "Size of a frame's text, a value a distinct frame.", "p95"),
    Metric(
        "performance",
        "UpdatesPerFrame",
        "Count",
        "Updates that share a frame, a value a distinct frame: what coalescing saves in messages.",
        "Average",
    ),
    Metric(
        "performance",
        "SourceAge",
        "Seconds",
        "Age of a feed's newest data at a poll, on our clock.",
        "Maximum",
        dimensions=("Feed",),
    ),
    Metric("performance", "PollDuration", "Milliseconds", "One poll of one feed, from request to publication.", "p95"),
    Metric("performance", "QueryHits", "Count", "Queries answered by what was answered before."),
    Metric("performance", "QueryMisses", "Count", "Queries that the database was asked."),
    Metric(
        "performance",
        "QueryDuration",
        "Milliseconds",
        "One query in the database, from its first byte to its last row; not of those that it ended.",
        "p95",
    ),
    # --- errors ---
    Metric("errors", "RulesMended", "Count", "Alert rules whose index differed from their store, once a minute."),
    Metric("errors", "ValidationErrors", "Count", "Commands that were not the protocol: the client's fault."),
    Metric("errors", "ProcessingErrors", "Count", "Queue messages that were left to come again, and failed commands."),
    Metric("errors", "PoisonRecords", "Count", "Records and messages that no retry can cure; they are dead letters."),
    Metric("errors", "DeliveryErrors", "Count", "Frames that the gateway refused for good (4xx other than 410)."),
    Metric("errors", "PostsDropped", "Count", "Frames given up after their last attempt: clients see a gap."),
    Metric("errors", "ConnectionsGone", "Count", "Connections of which the gateway said 410 at a post."),
    Metric("errors", "PostsThrottled", "Count", "Posts answered 429: the account's quota, or a client that is slow."),
    Metric(
        "errors",
        "PollFailures",
        "Count",
        "Polls of a feed that brought nothing usable: no answer, a bad one, or a shrunken one.",
        dimensions=("Feed",),
    ),
    Metric(
        "errors",
        "StoreErrors",
        "Count",
        "Calls of a store that failed after the client's own retries.",
        dimensions=("Store",),
    ),
    Metric(
        "errors",
        "NotificationsFailed",
        "Count",
        "Tries to tell an alert that did not arrive; most are tried again.",
        dimensions=("Channel",),
    ),
    Metric(
        "errors",
        "EndpointsDisabled",
        "Count",
        "Webhooks that failed for five days, or answered 410, and are left alone.",
    ),
    Metric("errors", "QueriesStale", "Count", "Queries answered as of before, since the database could not be asked."),
    Metric("errors", "QueriesTooSlow", "Count", "Queries that the database ended at the statement timeout."),
)

BY_NAME: dict[str, Metric] = {metric.name: metric for metric in METRICS}
