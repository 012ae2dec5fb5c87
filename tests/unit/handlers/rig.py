"""The real Chalice app on a container of fakes, called with events as AWS sends them."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import app as switchboard
from chalicelib.errors import DefiStreamError, StoreDownError
from chalicelib.protocol.alerts import DryRunAnswer
from chalicelib.services.callers import Callers
from chalicelib.services.census import Census
from chalicelib.services.conflation import Conflation
from chalicelib.services.delivery import Deliver
from chalicelib.services.evaluate import EvaluateReport
from chalicelib.services.health import CheckHealth
from chalicelib.services.history import RecordHistory
from chalicelib.services.idempotency import DoOnce
from chalicelib.services.ingest import Ingest
from chalicelib.services.process import Message, ProcessObservations
from chalicelib.services.queries import Answer
from chalicelib.services.reading import ReadHistory
from chalicelib.services.retention import KeepMonths
from chalicelib.services.rotation import RotateSecret
from chalicelib.services.snapshots import ReadSnapshot
from tests.fake_endpoints import World
from tests.fake_history import FakeArchive, FakeHistory, FakeMonths
from tests.fake_results import FakeAnswers
from tests.fake_rotation import FakeEdge, FakeSecretVersions
from tests.fake_store import FakeCatalogue, FakePositions, FakeSessions
from tests.fakes import (
    FakeDeadLetters,
    FakeGoneQueue,
    FakeIngestStore,
    FakePublisher,
    FakeRequests,
    FakeRetries,
    FakeSource,
    FakeTickQueue,
)
from tests.unit.services.socket_rig import TIERS, SocketRig

EVENTS = Path(__file__).parents[2] / "data" / "events"


def event(name: str, **changes: Any) -> dict[str, Any]:
    """A recorded event; ``changes`` are put over its top level."""
    recorded: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return {**recorded, **changes}


def batch(*bodies: str, receives: int = 1) -> dict[str, Any]:
    """The recorded SQS batch with these bodies; message ids are "m0", "m1" …"""
    recorded = event("sqs_batch")["Records"][0]
    records = []
    for number, body in enumerate(bodies):
        record = copy.deepcopy({**recorded, "messageId": f"m{number}", "receiptHandle": f"r{number}", "body": body})
        record["attributes"]["ApproximateReceiveCount"] = str(receives)
        records.append(record)
    return {"Records": records}


class Context:
    aws_request_id = "4a5ee0ff-0d1f-4b7a-9d4c-6f1d6c5f7a10"
    function_name = "defi-stream"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 30_000


class FakeSettings:
    tiers = TIERS
    stage = "test"
    version = "1.2.3"
    origin_secret_ids = ()
    allowed_origins = ()
    token_seconds = 300


class FakeContainer:
    """What app.py asks a container for, built from fakes."""

    def __init__(self) -> None:
        self.rig = rig = SocketRig()
        self.settings = FakeSettings()
        self.ticks, self.dead_letters, self.retries = FakeTickQueue(), FakeDeadLetters(), FakeRetries()
        self.gone, self.source, self.publisher = FakeGoneQueue(), FakeSource(), FakePublisher()
        self.sessions, self.commands, self.tokens = rig.sessions, rig.commands, rig.tokens
        self.authorize_connection = rig.authorizer(origins=("https://defi-stream.dev",))
        self.catalogue = FakeCatalogue(rig.store)
        limits = {"frame_bytes": 32_768, "posts_per_job": 500}
        self.conflation = Conflation(
            stream=rig.stream,
            audience=rig.audience,
            jobs=rig.jobs,
            ticks=self.ticks,
            retries=self.retries,
            **limits,
        )
        self.census = Census(sessions=FakeSessions(rig.store))
        self.process = ProcessObservations(
            stream=rig.stream,
            audience=rig.audience,
            jobs=rig.jobs,
            ticks=self.ticks,
            dead_letters=self.dead_letters,
            retries=self.retries,
            now=rig.clock,
            **limits,
        )
        self.deliver = Deliver(
            connections=rig.connections, jobs=rig.jobs, gone=self.gone, now=rig.clock, attempts_max=3
        )
        self.history, self.archive, self.months = FakeHistory(), FakeArchive(), FakeMonths()
        self.record_history = RecordHistory(
            writer=self.history,
            versions=FakeAnswers(rig.clock),
            archive=self.archive,
            dead_letters=self.dead_letters,
            retries=self.retries,
            now=rig.clock,
            months=0,
        )
        self.keep_months = KeepMonths(
            months=self.months, now=rig.clock, kept={"observations": 13}, grace=timedelta(days=7)
        )
        self.feeds = FakeIngestStore()
        self.ingest = Ingest(
            source=self.source, store=self.feeds, publisher=self.publisher, coins=["ethereum"], now=rig.clock
        )
        self.down: set[str] = set()
        probes = {name: lambda name=name: self._probe(name) for name in ("postgresql", "dynamodb")}
        self.health = CheckHealth(store=self.feeds, now=rig.clock, probes=probes)
        self.callers = Callers(tokens=lambda: rig.tokens, limits=rig.limits, tiers=TIERS, anonymous_per_minute=20)
        self.requests = FakeRequests(rig.clock)
        self.do_once = DoOnce(requests=self.requests)
        self.positions = FakePositions(rig.store)
        self.read_snapshot = ReadSnapshot(positions=self.positions, topics_max=3)
        self.read_history = ReadHistory(reader=self.history, positions=self.positions, now=rig.clock, fine_months=4)
        self.answer_query = FakeAnswerQuery()
        self.manage_rules, self.dry_run = rig.rules, FakeDryRun()
        telling = World(clock=rig.clock, store=rig.endpoints, states=rig.alert_states, timers=rig.timers)
        self.delivery_log, self.links, self.webhooks = telling.log, telling.links, telling.fake
        self.endpoints, self.notify = telling.endpoints, telling.notify
        self.evaluate, self.keep_index, self.timers = FakeEvaluate(), FakeKeepIndex(), rig.timers
        self.versions = FakeSecretVersions(signing="the signing key that was put when the stack was made")
        self.rotate_secret = RotateSecret(
            versions=self.versions, edge=FakeEdge, token_secret_id="signing", origin_secrets={}
        )

    def _probe(self, name: str) -> None:
        if name in self.down:
            raise StoreDownError(f"{name} at 10.0.0.7:5432 is down")


class FakeDryRun:
    """``asked`` are the bodies and users."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, str]] = []

    def run(self, body: bytes, *, user: str) -> DryRunAnswer:
        self.asked.append((body, user))
        return DryRunAnswer(
            from_="2026-11-16T02:00:00.000Z",
            to="2026-11-23T02:00:00.000Z",
            interval="1h",
            observations=0,
            fired=[],
            truncated=False,
        )


class FakeEvaluate:
    """``fails``: the message ids that are to come again."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.fails: dict[str, int] = {}

    def run(self, messages: Sequence[Message]) -> EvaluateReport:
        self.messages += messages
        return EvaluateReport(failed=self.fails)


class FakeKeepIndex:
    def __init__(self) -> None:
        self.sweeps = 0
        self.is_down = False

    def sweep(self) -> int:
        self.sweeps += 1
        if self.is_down:
            raise StoreDownError("the store of rules is down")
        return 0


class FakeAnswerQuery:
    """``answer`` or the error is what every query gets; ``asked`` are the bodies and parties."""

    def __init__(self) -> None:
        self.answer: Answer | DefiStreamError = Answer('{"columns":[],"rows":[],"next":null,"truncated":false}', 0)
        self.asked: list[tuple[bytes, str]] = []
        self.anonymous: bool | None = None

    def run(self, body: bytes, *, party: str, is_anonymous: bool) -> Answer:
        self.anonymous = is_anonymous
        self.asked.append((body, party))
        if isinstance(self.answer, DefiStreamError):
            raise self.answer
        return self.answer


class Lambda:
    """Every function of the app by name, and the REST API."""

    def __init__(self, container: FakeContainer) -> None:
        self.container = container
        self.rig = container.rig

    def __call__(self, function: str, sent: dict[str, Any]) -> Any:
        return getattr(switchboard, function)(sent, Context())

    def rest(
        self,
        method: str,
        path: str,
        query: dict[str, Any] | None = None,
        *,
        body: str | None = None,
        route: str | None = None,
        **headers: str,
    ) -> tuple[int, Any, Any]:
        """Status, headers and body of a request, decoded if it is JSON. ``route``: the path's, if it has parameters."""
        resource = route or path
        sent = event("rest_v1_proxy", resource=resource, path=path, httpMethod=method, body=body)
        many = {name: value if isinstance(value, list) else [value] for name, value in (query or {}).items()}
        sent["multiValueQueryStringParameters"] = many or None
        sent["queryStringParameters"] = {name: values[-1] for name, values in many.items()} or None
        if route:
            pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", route)
            sent["pathParameters"] = re.fullmatch(pattern, path).groupdict()
        sent["headers"] |= headers
        sent["multiValueHeaders"] |= {name: [value] for name, value in headers.items()}
        sent["requestContext"] |= {"resourcePath": resource, "httpMethod": method}
        answer = switchboard.app(sent, Context())
        told = answer["body"]
        is_json = "json" in answer["headers"].get("Content-Type", "")
        return answer["statusCode"], answer["headers"], json.loads(told) if told and is_json else told or None
