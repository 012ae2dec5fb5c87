"""The template's alarms over data points: what rings, and what does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from localcloud.cloudwatch.evaluator import Evaluator
from localcloud.cloudwatch.store import MetricStore
from localcloud.cloudwatch.template import read_alarms
from localcloud.cloudwatch.verdict import State
from tests.infrastructure.conftest import assembled_stage, transformed_stage
from tests.infrastructure.kinds import resources_with
from tests.infrastructure.monitoring_model import EVERYTHING, Use, alarm_uses

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
P = "defi-stream-production-"
OURS = {"Stage": "production"}
ENOUGH = 300  # values a minute, for a p95 to count where too few are ignored

# A good minute of production: by metric; what is not here is 0.
GOOD = {
    "Invocations": 300,
    "Duration": 40,
    "ConcurrentExecutions": 3,
    "ClaimedAccountConcurrency": 60,
    "IntegrationLatency": 30,
    "ConnectCount": 200,
    "Latency": 60,
    "Count": 500,
    "PublishedToSent": 60,
    "ChangesPublished": 80,
    "SourceAge": 300,
    "ConnectionsOpened": 190,
    "ConnectionsRefused": 10,
    "FramesDelivered": 3000,
    "ApproximateAgeOfOldestMessage": 1,
    "ApproximateNumberOfMessagesVisible": 3,
    "EngineCPUUtilization": 20,
    "DatabaseMemoryUsagePercentage": 40,
    "CurrConnections": 200,
    "CPUCreditBalance": 500,
    "CPUUtilization": 15,
    "FreeStorageSpace": 20 * 1024**3,
    "DatabaseConnections": 20,
    "DaysToExpiry": 200,
}


class Operation:
    """Production's alarms on a clock: minutes pass with what is recorded in them."""

    def __init__(self, template: Mapping[str, Any]) -> None:
        self.store, self.at = MetricStore(), NOON
        self._evaluator = Evaluator(read_alarms(template), self.store)

    def record(self, namespace: str, name: str, dimensions: Mapping[str, str], values: Sequence[float]) -> None:
        self.store.put(namespace, name, dimensions, self.at, values, None)

    def passes(self, minutes: int = 1, record: Callable[[], None] = lambda: None) -> None:
        for _ in range(minutes):
            record()
            self.at += MINUTE
            self._evaluator.evaluate(self.at)

    def state(self, alarm: str) -> State:
        return self._evaluator.states[P + alarm]

    def states(self) -> set[State]:
        return set(self._evaluator.states.values())

    def ringing(self) -> set[str]:
        return {name.removeprefix(P) for name, state in self._evaluator.states.items() if state is State.ALARM}


@pytest.fixture(scope="module")
def template():
    return {"Resources": resources_with(assembled_stage("production"), transformed_stage("production"), **EVERYTHING)}


@pytest.fixture
def operation(template):
    return Operation(template)


@pytest.fixture
def ours(operation):
    """Record values of a metric of ours, in this minute."""
    return lambda name, *values, **dimensions: operation.record("DefiStream", name, {**OURS, **dimensions}, values)


@pytest.fixture
def calls(operation):
    """Record a function's minute."""

    def record(function, invocations, *, errors=0, throttles=0):
        at = {"FunctionName": P + function, "Resource": f"{P}{function}:live"}
        for name, value in (("Invocations", invocations), ("Errors", errors), ("Throttles", throttles)):
            operation.record("AWS/Lambda", name, at, [value])

    return record


def plain(use: Use) -> dict[str, str]:
    """Dimensions as the evaluator reads them: a reference is its logical id."""
    return {name: value["Ref"] if isinstance(value, dict) else value for name, value in use.dimensions.items()}


def healthy(operation, template):
    uses = list(alarm_uses(template["Resources"]))
    seen = {(use.namespace, use.name, tuple(plain(use).items())) for use in uses}
    ranked = {use.name for use in uses if use.stat.startswith("p")}

    def minute():
        for namespace, name, dimensions in seen:
            dead = any("dead-letters" in value for _, value in dimensions)
            value = 0 if dead else GOOD.get(name, 0)
            operation.record(namespace, name, dict(dimensions), [value] * (ENOUGH if name in ranked else 1))

    return minute


def test_nothing_rings_in_a_good_hour(operation, template):
    """Every alarm has what it looks at, none of it wrong; each has seen enough of it to say OK."""
    operation.passes(61, healthy(operation, template))
    assert operation.ringing() == set()
    assert operation.states() == {State.OK}


def test_every_alarm_rings_when_what_it_looks_at_is_as_bad_as_can_be(operation, template):
    """Each by itself can: none waits for a metric or an expression that never comes."""
    uses = list(alarm_uses(template["Resources"]))
    alarms = template["Resources"]
    below = {use.where for use in uses if alarms[use.where]["Properties"]["ComparisonOperator"].startswith("Less")}
    others = {name: each for name, each in alarms.items() if not each["Type"].startswith("AWS::CloudWatch::")}
    rang: set[str] = set()
    for name in {use.where for use in uses}:
        trial = Operation({"Resources": others | {name: alarms[name]}})

        def bad(trial=trial, name=name):
            for use in uses:
                if use.where == name:
                    innocent = use.name in ("Invocations", "Count", "FramesDelivered", "ConnectionsOpened")
                    ratio = len({each.name for each in uses if each.where == name}) > 1
                    value = 0 if name in below else 10 if innocent and ratio else 1e9
                    trial.record(
                        use.namespace, use.name, plain(use), [value] * (ENOUGH if use.stat.startswith("p") else 1)
                    )

        trial.passes(20, bad)
        rang |= trial.ringing()
    assert {use.where for use in uses} - rang == set()


@pytest.mark.parametrize(("latency_ms", "state"), [(150, State.OK), (300, State.ALARM)])
def test_pushes_are_late_when_one_in_twenty_is(operation, ours, latency_ms, state):
    def minute():
        ours("PublishedToSent", *[20.0] * 90, *[float(latency_ms)] * 10)

    operation.passes(2, minute)
    assert operation.state("PushLatencyTooHigh") is state
    assert operation.state("Degraded") is state


@pytest.mark.parametrize(
    ("invocations", "errors", "state"),
    [(1, 1, State.OK), (50, 1, State.OK), (50, 2, State.ALARM), (1000, 10, State.OK), (1000, 11, State.ALARM)],
)
def test_one_error_in_a_quiet_minute_is_no_rate(operation, calls, invocations, errors, state):
    def minute():
        calls("message", invocations, errors=errors)
        calls("api", 500)

    operation.passes(5, minute)
    assert operation.state("RequestErrorRateTooHigh") is state


@pytest.mark.parametrize(("unauthorized", "state"), [(90, State.OK), (60, State.ALARM)])
def test_clients_without_a_login_are_no_fault_of_ours(operation, calls, unauthorized, state):
    """Lambda counts each 401 of an authorizer as an error: nobody is woken by a bot with an old key."""

    def minute():
        calls("authorize", 100, errors=90)
        operation.record("DefiStream", "HandshakesUnauthorized", {"Stage": "production"}, [unauthorized])

    operation.passes(5, minute)
    for alarm in ("RequestErrorRateTooHigh", "HandshakeErrorRateTooHigh"):
        assert operation.state(alarm) is state


@pytest.mark.parametrize(("errors", "state"), [(1, State.ALARM), (0, State.OK)])
def test_a_bad_version_is_found_at_a_tenth_of_little_traffic(operation, template, calls, errors, state):
    """One call a minute of ten: the alias alone would not show it within a canary's five minutes."""
    new = next(
        plain(use)
        for use in alarm_uses(template["Resources"])
        if use.where == "ReleaseRequestErrorRateTooHigh" and use.dimensions.get("FunctionName") == f"{P}message"
    )

    def minute():
        calls("message", 10, errors=errors)
        for name, value in (("Invocations", 1), ("Errors", errors)):
            operation.record("AWS/Lambda", name, new, [value])

    operation.passes(3, minute)
    assert operation.state("ReleaseRequestErrorRateTooHigh") is state
    assert operation.state("DeploymentAlarm") is state
    assert operation.state("RequestErrorRateTooHigh") is State.OK


@pytest.mark.parametrize(("served", "refused", "state"), [(20, 1, State.OK), (20, 2, State.ALARM), (9000, 9, State.OK)])
def test_refused_calls_are_a_rate_of_all_calls(operation, calls, served, refused, state):
    operation.passes(5, lambda: calls("connect", served, throttles=refused))
    assert operation.state("RequestThrottleRateTooHigh") is state


def test_a_function_that_is_only_refused_rings_too(operation, calls):
    operation.passes(5, lambda: calls("authorize", 0, throttles=40))
    assert operation.state("RequestThrottleRateTooHigh") is State.ALARM


def test_a_stream_that_stands_is_down_and_not_just_degraded(operation, ours):
    operation.passes(5, lambda: ours("ChangesPublished", 3))
    assert "ServiceDown" not in operation.ringing()
    operation.passes(20)
    assert {"ChangesTooFew", "ServiceDown"} <= operation.ringing()
    operation.passes(1, lambda: ours("ChangesPublished", 3))
    operation.passes(5)
    assert "ServiceDown" not in operation.ringing()


@pytest.mark.parametrize("queue", ["observations", "events", "ticks", "deliveries", "gone"])
def test_one_dead_letter_anywhere_rings_until_it_is_gone(operation, queue):
    def letters(count):
        at = {"QueueName": f"{P}{queue}-dead-letters"}
        return lambda: operation.record("AWS/SQS", "ApproximateNumberOfMessagesVisible", at, [count])

    operation.passes(1, letters(1))
    operation.passes(30)  # the queue is idle: SQS may stop reporting
    assert operation.state("DeadLettersTooMany") is State.ALARM
    operation.passes(1, letters(0))
    assert operation.state("DeadLettersTooMany") is State.OK


def test_a_schedule_that_stopped_rings_while_the_other_runs(operation, calls):
    operation.passes(6, lambda: calls("poll", 1))
    assert operation.state("JobRunsTooFew") is State.ALARM  # sweep never ran
    operation.passes(1, lambda: (calls("poll", 1), calls("sweep", 1)))
    assert operation.state("JobRunsTooFew") is State.OK


def test_a_failed_rotation_rings_until_one_succeeds(operation, calls):
    operation.passes(1, lambda: calls("rotate", 1, errors=1))
    operation.passes(60)
    assert operation.state("MaintenanceErrorsTooMany") is State.ALARM
    operation.passes(1, lambda: calls("rotate", 1))
    operation.passes(5)
    assert operation.state("MaintenanceErrorsTooMany") is State.OK


def test_claimed_concurrency_is_a_share_of_the_quota(operation):
    def claimed(places):
        def minute():
            operation.record("AWS/Lambda", "ClaimedAccountConcurrency", {}, [places])
            operation.record("AWS/Lambda", "ConcurrentExecutions", {}, [10])

        return minute

    operation.passes(5, claimed(790))
    assert operation.state("AccountConcurrencyTooHigh") is State.OK
    operation.passes(5, claimed(810))  # of the thousand that an account has, by default
    assert operation.state("AccountConcurrencyTooHigh") is State.ALARM


@pytest.mark.parametrize("node", ["001", "002"])
def test_either_node_of_redis_rings(operation, node):
    def minute():
        for each in ("001", "002"):
            at = {"CacheClusterId": f"{P}redis-{each}"}
            operation.record("AWS/ElastiCache", "DatabaseMemoryUsagePercentage", at, [90 if each == node else 40])

    operation.passes(3, minute)
    assert operation.state("RedisMemoryTooHigh") is State.ALARM


def test_one_feed_is_too_old_while_the_others_are_not(operation, ours):
    def ages(prices, chains):
        return lambda: (ours("SourceAge", prices, Feed="prices"), ours("SourceAge", chains, Feed="chains"))

    operation.passes(15, ages(600, 5000))
    assert operation.state("SourceTooOld") is State.OK
    operation.passes(15, ages(1000, 5000))
    assert operation.state("SourceTooOld") is State.ALARM


def test_lost_frames_are_a_rate_of_all_frames(operation, ours):
    def minute(lost):
        return lambda: (ours("FramesDelivered", 10_000), ours("PostsDropped", lost))

    operation.passes(5, minute(90))
    assert operation.state("DeliveryErrorRateTooHigh") is State.OK
    operation.passes(5, minute(110))
    assert operation.state("DeliveryErrorRateTooHigh") is State.ALARM


def test_posts_come_near_what_deliver_may(operation, ours):
    """Ten workers at 700 a second are 420,000 a minute."""
    operation.passes(5, lambda: ours("FramesDelivered", 330_000))
    assert operation.state("PostRateTooHigh") is State.OK
    operation.passes(5, lambda: ours("FramesDelivered", 340_000))
    assert operation.state("PostRateTooHigh") is State.ALARM


def test_storage_that_does_not_grow_any_more_rings(operation):
    """Of the 30 GiB that it begins with, a tenth is 3."""
    at = {"DBInstanceIdentifier": f"{P}database"}

    def free(gib):
        return lambda: operation.record("AWS/RDS", "FreeStorageSpace", at, [gib * 1024**3])

    operation.passes(15, free(2.8))
    assert operation.state("DatabaseStorageTooLow") is State.OK
    operation.passes(15, free(2.2))
    assert operation.state("DatabaseStorageTooLow") is State.ALARM
