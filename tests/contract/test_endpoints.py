"""ports.EndpointStore and ports.DeliveryLog: the fakes, and DynamoDB made from our template."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.adapters.deliveries import DynamoDeliveries
from chalicelib.adapters.endpoints import DynamoEndpoints
from chalicelib.adapters.table import Table
from chalicelib.errors import StoreDownError
from chalicelib.ports.endpoints import Attempt
from tests.fake_alerts import FakeEndpointStore
from tests.fake_endpoints import FakeDeliveryLog, endpoint_of
from tests.fakes import FakeClock

AT = FakeClock()()


@pytest.fixture(params=["fake", "dynamodb"])
def kind(request):
    return request.param


@pytest.fixture
def store(kind, request):
    if kind == "fake":
        return FakeEndpointStore()
    stack = request.getfixturevalue("ministack")
    return DynamoEndpoints(Table(stack.aws.client("dynamodb"), stack.outputs["AlertsTable"]))


@pytest.fixture
def log(kind, request):
    if kind == "fake":
        return FakeDeliveryLog()
    stack = request.getfixturevalue("ministack")
    return DynamoDeliveries(Table(stack.aws.client("dynamodb"), stack.outputs["DeliveriesTable"]))


@pytest.fixture
def user():
    return f"user-{uuid.uuid4()}"


def test_what_was_made_is_found_as_it_was_made(store, user):
    made = endpoint_of(user, problem="ä", failing_since=AT, verify_asked_at=AT + timedelta(microseconds=1))
    assert store.create(made, limit=20)
    assert store.find(user, made.id) == made
    assert store.find("somebody else", made.id) is None
    assert store.find(user, "en_other") is None


def test_a_users_own_are_together_and_nobody_elses(store, user):
    made = [endpoint_of(user, name) for name in "312"]
    for endpoint in made:
        store.create(endpoint, limit=20)
    store.create(endpoint_of(f"{user}2", "4"), limit=20)
    assert [each.id for each in store.of_user(user)] == ["en_1", "en_2", "en_3"]


def test_one_more_than_the_limit_is_not_made_until_another_is_deleted(store, user):
    made = [store.create(endpoint_of(user, str(number)), limit=2) for number in range(3)]
    assert made == [True, True, False]
    assert store.find(user, "en_2") is None
    assert store.delete(user, "en_0")
    assert store.create(endpoint_of(user, "2"), limit=2)


def test_what_is_not_there_is_not_deleted_and_frees_nothing(store, user):
    store.create(endpoint_of(user), limit=1)
    assert not store.delete(user, "en_other")
    assert not store.create(endpoint_of(user, "2"), limit=1)


def test_of_two_changes_of_one_revision_the_first_stays(store, user):
    made = endpoint_of(user)
    store.create(made, limit=20)
    assert store.replace(replace(made, revision=2, problem="first"))
    assert not store.replace(replace(made, revision=2, problem="second"))
    assert store.find(user, made.id).problem == "first"


def test_a_change_does_not_bring_back_what_was_deleted(store, user):
    made = endpoint_of(user)
    store.create(made, limit=20)
    store.delete(user, made.id)
    assert not store.replace(replace(made, revision=2))
    assert store.find(user, made.id) is None


def test_made_at_once_they_are_not_more_than_the_limit(ministack, user):
    store = DynamoEndpoints(Table(ministack.aws.client("dynamodb"), ministack.outputs["AlertsTable"]))
    with ThreadPoolExecutor(8) as pool:
        made = pool.map(lambda number: store.create(endpoint_of(user, str(number)), limit=3), range(8))
        assert sum(made) == 3
    assert len(store.of_user(user)) == 3


def attempt(number: int, *, rule: str, endpoint: str, **more) -> Attempt:
    made = Attempt(
        delivery="msg_1",
        endpoint=endpoint,
        rule=rule,
        what="alert.firing",
        at=AT + timedelta(seconds=number),
        number=number,
        arrived=False,
        status=500,
        duration_ms=12,
        error="answered 500",
        answer="Sorry, ä",
        next_at=AT + timedelta(seconds=number + 5),
    )
    return replace(made, **more)


def test_the_log_is_newest_first_by_endpoint_and_by_rule(log, user):
    rule, endpoint = f"ru_{user}", f"en_{user}"
    tries = [attempt(number, rule=rule, endpoint=endpoint) for number in (1, 2, 3)]
    for each in tries:
        log.add(each, b"{}")
    assert log.of_endpoint(endpoint, after=None, limit=10) == (tries[::-1], None)
    first, after = log.of_rule(rule, after=None, limit=2)
    assert (first, after is None) == ([tries[2], tries[1]], False)
    assert log.of_rule(rule, after=after, limit=2) == ([tries[0]], None)
    assert log.of_rule("ru_none", after=None, limit=2) == ([], None)


def test_what_was_told_first_is_kept_for_a_replay(log, user):
    rule, endpoint = f"ru_{user}", f"en_{user}"
    log.add(attempt(1, rule=rule, endpoint=endpoint), b'{"first":"\xc3\xa4"}')
    log.add(attempt(2, rule=rule, endpoint=endpoint), b'{"second":1}')
    log.add(attempt(1, rule=rule, endpoint=endpoint, replay=True), b'{"replay":1}')
    assert log.message(rule, "msg_1") == b'{"first":"\xc3\xa4"}'
    assert log.message(rule, "msg_2") is None
    assert log.message("ru_none", "msg_1") is None


def test_a_ping_is_about_no_rule(log, user):
    ping = attempt(1, rule="", endpoint=f"en_{user}", what="endpoint.ping")
    log.add(ping, b"")
    assert log.of_endpoint(f"en_{user}", after=None, limit=10) == ([ping], None)


def test_the_log_forgets_after_90_days(ministack, user):
    client, name = ministack.aws.client("dynamodb"), ministack.outputs["DeliveriesTable"]
    DynamoDeliveries(Table(client, name)).add(attempt(1, rule=f"ru_{user}", endpoint=f"en_{user}"), b"{}")
    rows = [
        client.query(
            TableName=name, KeyConditionExpression="endpoint = :name", ExpressionAttributeValues={":name": {"S": key}}
        )["Items"][0]
        for key in (f"en_{user}", f"deliveries:ru_{user}", f"messages:ru_{user}")
    ]
    assert [int(row["expires_at"]["N"]) - int(AT.timestamp()) for row in rows] == [90 * 86_400 + 1] * 3


def test_a_table_that_is_not_there_is_a_store_that_is_down(ministack, user):
    table = Table(ministack.aws.client("dynamodb"), "never-made")
    with pytest.raises(StoreDownError, match="ResourceNotFoundException"):
        DynamoEndpoints(table).find(user, "en_1")
    with pytest.raises(StoreDownError):
        DynamoEndpoints(table).create(endpoint_of(user), limit=1)
