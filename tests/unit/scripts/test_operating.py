"""The operator's tools on AWS: the ages of queues, connections by the function that knows them, secrets rotated."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

import pytest

from scripts import connections as connections_command
from scripts import rotate_secrets
from scripts.deployment.errors import RefusedError, StackError, StillGoingError
from scripts.deployment.stack import StackResource, StackState
from scripts.deployment.waiting import Waiting
from scripts.operations.connections import Connections
from scripts.operations.place import Place
from scripts.operations.queues import Queues
from scripts.operations.secrets import SECRET, Secrets


class GoneException(Exception):  # noqa: N818 - boto3's
    pass


class FakeAccount:
    """Clients by service, as a test made them."""

    def __init__(self, **clients: Any) -> None:
        self.clients = clients

    def client(self, service: str) -> Any:
        return self.clients[service]


class FakeStack:
    """``resources`` are (type, logical id, physical id)."""

    name = "defi-stream-staging"

    def __init__(self, *resources: tuple[str, str, str], aws: bool = True) -> None:
        url = "https://cloudformation.us-east-1.amazonaws.com" if aws else "http://127.0.0.1:4566"
        self.client = SimpleNamespace(meta=SimpleNamespace(endpoint_url=url, region_name="us-east-1"))
        self._resources = [StackResource(logical, kind, physical) for kind, logical, physical in resources]

    def state(self) -> StackState:
        return StackState("CREATE_COMPLETE")

    def resources(self) -> tuple[StackResource, ...]:
        return tuple(self._resources)


def place(stack: FakeStack, addresses: dict[str, str] | None = None, **clients: Any) -> Place:
    return Place("staging", FakeAccount(**clients), stack, addresses or {})  # type: ignore[arg-type]


# --- queues ---


def test_on_aws_the_age_of_the_oldest_message_is_cloudwatchs():
    asked: list[Any] = []
    attributes = {"ApproximateNumberOfMessages": "3", "ApproximateNumberOfMessagesNotVisible": "0", "QueueArn": "arn:q"}

    def data(**query: Any) -> Any:
        asked.append(query["MetricDataQueries"][0]["MetricStat"]["Metric"]["Dimensions"])
        return {"MetricDataResults": [{"Id": "q0", "Values": [95.0, 35.0]}]}

    sqs = SimpleNamespace(get_queue_attributes=lambda **_: {"Attributes": attributes})
    stack = FakeStack(("AWS::SQS::Queue", "Events", "https://sqs/1/defi-stream-staging-events"))
    (queue,) = Queues(place(stack, sqs=sqs, cloudwatch=SimpleNamespace(get_metric_data=data))).all()
    assert (queue.name, queue.waiting, queue.oldest_s) == ("events", 3, 95)
    assert asked == [[{"Name": "QueueName", "Value": "defi-stream-staging-events"}]]


# --- connections ---


def lambda_that(answers: Any, *, error: str = "") -> Any:
    calls: list[Any] = []

    def invoke(**asked: Any) -> Any:
        calls.append((asked["FunctionName"], json.loads(asked["Payload"])["detail"]))
        return {"Payload": io.BytesIO(json.dumps(answers).encode()), **({"FunctionError": error} if error else {})}

    return SimpleNamespace(invoke=invoke, calls=calls)


def gateway(*open_ones: str) -> Any:
    there = set(open_ones)

    def drop(*, ConnectionId: str) -> None:  # noqa: N803 - boto3's
        if ConnectionId not in there:
            raise GoneException
        there.remove(ConnectionId)

    def look(*, ConnectionId: str) -> None:  # noqa: N803 - boto3's
        if ConnectionId not in there:
            raise GoneException

    exceptions = SimpleNamespace(GoneException=GoneException)
    return SimpleNamespace(delete_connection=drop, get_connection=look, exceptions=exceptions)


def connected(function: Any, *open_ones: str) -> Connections:
    clients = {"lambda": function, "apigatewaymanagementapi": gateway(*open_ones)}
    return Connections(place(FakeStack(), {"here": "yes"}, **clients))


def test_the_function_that_reaches_redis_is_asked_by_its_alias():
    function = lambda_that({"connections": 2, "subscriptions": 3, "tiers": {"pro": 2}, "users": {}, "topics": {}})
    assert connected(function).count(5)["tiers"] == {"pro": 2}
    assert function.calls == [("defi-stream-staging-sweep:live", {"connections": {"count": 5}})]


def test_what_the_function_says_went_wrong_is_told():
    function = lambda_that({"errorMessage": "Redis is down"}, error="Unhandled")
    with pytest.raises(StackError, match="sweep: Redis is down"):
        connected(function).count(5)


def test_a_connection_is_closed_once_and_then_not_open_any_more(capsys):
    connections = connected(lambda_that({}), "a", "b")
    arguments = connections_command.parser().parse_args(["local", "close", "a", "c", "--dry-run"])
    assert connections_command.run(arguments, connections) == 0
    assert capsys.readouterr().out == "a  open\nc  not open any more\n"
    arguments = connections_command.parser().parse_args(["local", "close", "a", "--json"])
    for word in ("closed", "not open any more"):
        connections_command.run(arguments, connections)
        assert json.loads(capsys.readouterr().out)["connections"] == {"a": word}


# --- secrets ---


class FakeManager:
    """Secrets Manager with one rotating secret, whose rotation takes so many looks; ``keeps_old`` is what it should."""

    def __init__(self, *, looks: int = 1, keeps_old: bool = True, pending: str | None = None) -> None:
        self.values = {"v0": "first", "v1": "second"}
        self.labels = {"AWSCURRENT": "v0", **({"AWSPENDING": pending} if pending else {})}
        self.looks, self.keeps_old, self.begun = looks, keeps_old, 0

    def describe_secret(self, **_: str) -> Any:
        if "AWSPENDING" in self.labels:
            self.looks -= 1
            if self.looks < 0:
                new = self.labels.pop("AWSPENDING")
                old = self.labels["AWSCURRENT"] if self.keeps_old else new
                self.labels |= {"AWSPREVIOUS": old, "AWSCURRENT": new}
        stages: dict[str, list[str]] = {}
        for label, version in self.labels.items():
            stages.setdefault(version, []).append(label)
        return {"RotationEnabled": True, "VersionIdsToStages": stages}

    def rotate_secret(self, **_: str) -> Any:
        self.begun += 1
        self.labels["AWSPENDING"] = "v1"
        return {"VersionId": "v1"}

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> Any:  # noqa: N803 - boto3's
        return {"SecretString": self.values[self.labels[VersionStage]]}


def secrets(manager: FakeManager, **waiting: float) -> Secrets:
    stack = FakeStack((SECRET, "TokenSecret", "arn:token"))
    return Secrets(place(stack, secretsmanager=manager), waiting=Waiting(**{"every_s": 0.001, **waiting}))


def test_a_rotation_is_waited_for_and_both_values_are_seen_to_live():
    manager = FakeManager(looks=3)
    tool = secrets(manager)
    done = tool.rotate(tool.named("token"))
    assert (done.version, done.live, done.was_under_way) == ("v1", ("AWSCURRENT", "AWSPREVIOUS"), False)


def test_a_rotation_that_is_under_way_is_followed_and_not_begun_again():
    manager = FakeManager(looks=4, pending="v1")
    tool = secrets(manager)
    done = tool.rotate(tool.named("token"))
    assert (done.was_under_way, manager.begun) == (True, 0)


def test_who_holds_the_old_value_must_not_be_locked_out():
    tool = secrets(FakeManager(keeps_old=False))
    with pytest.raises(StackError, match="locked out"):
        tool.rotate(tool.named("token"))


def test_a_rotation_that_takes_too_long_is_left_to_secrets_manager():
    tool = secrets(FakeManager(looks=10**6), limit_s=0.01)
    with pytest.raises(StillGoingError, match="same command follows it"):
        tool.rotate(tool.named("token"))


def test_a_dry_run_begins_nothing(capsys):
    manager = FakeManager()
    arguments = rotate_secrets.parser().parse_args(["local", "rotate", "all", "--dry-run"])
    assert rotate_secrets.run(arguments, secrets(manager)) == 0
    assert (manager.begun, capsys.readouterr().out) == (0, "would rotate token\n")


def test_no_value_is_shown(capsys):
    arguments = rotate_secrets.parser().parse_args(["local", "rotate", "token", "--json"])
    assert rotate_secrets.run(arguments, secrets(FakeManager())) == 0
    said = capsys.readouterr()
    assert "first" not in said.out + said.err
    assert "second" not in said.out + said.err


def test_an_unknown_secret_is_answered_with_those_that_there_are():
    with pytest.raises(RefusedError, match="there are token"):
        secrets(FakeManager()).named("tokens")
