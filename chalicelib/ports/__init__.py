"""What the services need of the world, each named for its job, a file for each concern.

Adapters implement these; tests/fakes.py holds a fake of each, and tests/contract runs one suite on both.
Every method may raise ``errors.StoreDownError`` when its outside system cannot be reached.
"""

from chalicelib.ports.delivery import Connections, GoneQueue, JobQueue, Post, PostResults
from chalicelib.ports.history import (
    INTERVALS,
    Candle,
    HistoryReader,
    HistoryWriter,
    Interval,
    MonthlyTable,
    Months,
    Point,
    RawArchive,
    Recorded,
)
from chalicelib.ports.ingest import (
    FEED_KINDS,
    FeedKind,
    FeedResult,
    FeedState,
    IngestStore,
    ObservationPublisher,
    Source,
)
from chalicelib.ports.queries import DataVersions, Found, Kept, Queries, QuerySlots, Results, Rows
from chalicelib.ports.schema import CustomResources, Migration, Schema
from chalicelib.ports.secrets import ApiKey, Edge, KeyStore, Secrets, SecretState, SecretVersions
from chalicelib.ports.sessions import Active, Identity, Limits, Read, Session, Sessions, Subscribed, Subscriptions
from chalicelib.ports.stream import (
    Audience,
    Catalogue,
    DeadLetters,
    Flushed,
    Recipients,
    Retries,
    Sequenced,
    Stream,
    Tick,
    TickQueue,
)

__all__ = [
    "FEED_KINDS",
    "INTERVALS",
    "Active",
    "ApiKey",
    "Audience",
    "Candle",
    "Catalogue",
    "Connections",
    "CustomResources",
    "DataVersions",
    "DeadLetters",
    "Edge",
    "FeedKind",
    "FeedResult",
    "FeedState",
    "Flushed",
    "Found",
    "GoneQueue",
    "HistoryReader",
    "HistoryWriter",
    "Identity",
    "IngestStore",
    "Interval",
    "JobQueue",
    "Kept",
    "KeyStore",
    "Limits",
    "Migration",
    "MonthlyTable",
    "Months",
    "ObservationPublisher",
    "Point",
    "Post",
    "PostResults",
    "Queries",
    "QuerySlots",
    "RawArchive",
    "Read",
    "Recipients",
    "Recorded",
    "Results",
    "Retries",
    "Rows",
    "Schema",
    "SecretState",
    "SecretVersions",
    "Secrets",
    "Sequenced",
    "Session",
    "Sessions",
    "Source",
    "Stream",
    "Subscribed",
    "Subscriptions",
    "Tick",
    "TickQueue",
]
