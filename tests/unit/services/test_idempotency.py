"""A request that comes again is answered again and not done again."""

from __future__ import annotations

import pytest

from chalicelib.errors import InProgressError, KeyReusedError, StoreDownError
from chalicelib.services.idempotency import LEASE_S, DoOnce
from tests.fakes import FakeClock, FakeRequests


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def store(clock):
    return FakeRequests(clock)


@pytest.fixture
def once(store):
    return DoOnce(requests=store)


def run(once, make, *, key="k", party="p", what="POST /x", body=b"{}"):
    return once.run(key, party=party, what=what, body=body, keep_s=300, make=make)


def numbers():
    made = iter("123456789")
    return lambda: next(made)


def test_it_is_done_once_and_answered_alike(once):
    make = numbers()
    assert [run(once, make) for _ in range(3)] == [("1", False), ("1", True), ("1", True)]


@pytest.mark.parametrize("other", [{"key": "l"}, {"party": "q"}])
def test_another_key_or_party_is_another_request(once, other):
    make = numbers()
    run(once, make)
    assert run(once, make, **other) == ("2", False)


@pytest.mark.parametrize("other", [{"body": b"[]"}, {"what": "POST /y"}])
def test_one_key_for_two_requests_is_refused(once, other):
    run(once, numbers())
    with pytest.raises(KeyReusedError):
        run(once, numbers(), **other)


def test_keys_and_parties_are_not_run_together(once):
    make = numbers()
    run(once, make, party="ab", key="c")
    assert run(once, make, party="a", key="bc") == ("2", False)


def test_while_it_is_done_another_try_is_told_to_wait(once):
    def make():
        with pytest.raises(InProgressError) as raised:
            run(once, numbers())
        assert raised.value.retry_after == 1
        return "done"

    assert run(once, make) == ("done", False)


def test_what_failed_may_be_tried_again_at_once(once):
    def fail():
        raise StoreDownError("down")

    with pytest.raises(StoreDownError):
        run(once, fail)
    assert run(once, numbers()) == ("1", False)


def test_who_died_over_it_holds_it_no_longer_than_the_lease(once, store, clock):
    def die():
        store.down = True
        raise KeyboardInterrupt

    with pytest.raises(StoreDownError):
        run(once, die)
    store.down = False
    with pytest.raises(InProgressError):
        run(once, numbers())
    clock.forward(seconds=LEASE_S)
    assert run(once, numbers()) == ("1", False)
