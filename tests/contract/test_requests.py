"""ports.Requests: the fake, and DynamoDB made from our template."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import pytest

from chalicelib.adapters.requests import DynamoRequests
from chalicelib.errors import StoreDownError
from chalicelib.ports import Begun, Requests
from tests.fakes import FakeClock, FakeRequests


@dataclass
class Table:
    requests: Requests
    clock: FakeClock


@pytest.fixture(params=["fake", "dynamodb"])
def table(request: pytest.FixtureRequest) -> Table:
    clock = FakeClock()
    if request.param == "fake":
        return Table(FakeRequests(clock), clock)
    stack = request.getfixturevalue("ministack")
    client, name = stack.aws.client("dynamodb"), stack.outputs["IdempotencyTable"]
    return Table(DynamoRequests(client, name, now=clock), clock)


@pytest.fixture
def key() -> str:
    return f"rest#{uuid.uuid4()}"


def test_a_request_is_ours_once(table, key):
    assert table.requests.begin(key, "a", lease_s=30) == Begun("ours")
    assert table.requests.begin(key, "a", lease_s=30) == Begun("running")


def test_what_was_done_has_its_answer(table, key):
    table.requests.begin(key, "a", lease_s=30)
    table.requests.done(key, "a", '{"token":"ä"}', keep_s=300)
    assert table.requests.begin(key, "a", lease_s=30) == Begun("done", '{"token":"ä"}')


def test_another_request_with_the_key_is_told_so(table, key):
    table.requests.begin(key, "a", lease_s=30)
    assert table.requests.begin(key, "b", lease_s=30) == Begun("other")


def test_who_died_over_it_holds_it_no_longer_than_the_lease(table, key):
    table.requests.begin(key, "a", lease_s=30)
    table.clock.forward(seconds=30)
    assert table.requests.begin(key, "b", lease_s=30) == Begun("ours")


def test_an_answer_is_forgotten_in_time_even_if_it_is_still_there(table, key):
    table.requests.begin(key, "a", lease_s=30)
    table.requests.done(key, "a", "1", keep_s=300)
    table.clock.forward(seconds=299)
    assert table.requests.begin(key, "a", lease_s=30).state == "done"
    table.clock.forward(seconds=1)
    assert table.requests.begin(key, "a", lease_s=30) == Begun("ours")


def test_what_failed_may_be_tried_again_at_once(table, key):
    table.requests.begin(key, "a", lease_s=30)
    table.requests.give_up(key, "a")
    assert table.requests.begin(key, "a", lease_s=30) == Begun("ours")


def test_who_lost_the_lease_changes_nothing_of_the_next(table, key):
    table.requests.begin(key, "a", lease_s=30)
    table.clock.forward(seconds=30)
    table.requests.begin(key, "b", lease_s=30)
    table.requests.done(key, "a", "1", keep_s=300)
    table.requests.give_up(key, "a")
    assert table.requests.begin(key, "b", lease_s=30) == Begun("running")


def test_a_table_that_is_not_there_is_a_store_that_is_down(ministack, key):
    requests = DynamoRequests(ministack.aws.client("dynamodb"), "never-made", now=FakeClock())
    with pytest.raises(StoreDownError, match="ResourceNotFoundException"):
        requests.begin(key, "a", lease_s=30)
