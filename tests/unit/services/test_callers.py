"""Who calls: a key is known for a while, an address has the anonymous quota."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.errors import AuthenticationError, RevokedError, StoreDownError, TooManyRequestsError
from chalicelib.services.callers import Callers
from tests.unit.services.socket_rig import API_KEY, TIERS, SocketRig


@pytest.fixture
def rig():
    return SocketRig()


@pytest.fixture
def callers(rig):
    return Callers(
        tokens=lambda: rig.tokens,
        limits=rig.limits,
        tiers=TIERS,
        anonymous_per_minute=60,
        monotonic=lambda: rig.clock().timestamp(),
    )


def test_a_keys_owner_has_the_quota_of_the_tier_whichever_address_asks(callers):
    one, other = (callers.identify(api_key=API_KEY, address=address) for address in ("192.0.2.1", "192.0.2.2"))
    assert one == other
    assert (one.party, one.per_minute, one.user) == ("user:ann", 1000, "ann")


def test_an_address_cannot_be_taken_for_a_user(callers):
    assert callers.identify(api_key=None, address="ann").party != callers.identify(api_key=API_KEY, address="x").party


def test_a_revoked_key_is_refused_half_a_minute_later(callers, rig):
    callers.identify(api_key=API_KEY, address="x")
    (key,) = rig.keys.all()
    rig.keys.put(replace(key, revoked_at="2026-11-23T02:00:00.000Z"))
    assert callers.identify(api_key=API_KEY, address="x").party == "user:ann"
    rig.clock.forward(seconds=31)
    with pytest.raises(RevokedError):
        callers.identify(api_key=API_KEY, address="x")


def test_a_wrong_key_is_refused_every_time(callers):
    for _ in range(2):
        with pytest.raises(AuthenticationError):
            callers.identify(api_key="ds_wrong", address="x")


def test_who_guesses_keys_is_soon_refused_without_a_look_up(callers, rig, monkeypatch):
    for n in range(60):
        with pytest.raises(AuthenticationError):
            callers.identify(api_key=f"ds_{n}", address="192.0.2.1")
    with pytest.raises(TooManyRequestsError) as refused:
        callers.identify(api_key="ds_60", address="192.0.2.1")
    assert refused.value.retry_after == pytest.approx(1)
    with monkeypatch.context() as patched:
        patched.setattr(rig.keys, "find", lambda _: pytest.fail("looked up"))
        with pytest.raises(TooManyRequestsError):
            callers.identify(api_key="ds_61", address="192.0.2.1")
    assert callers.identify(api_key=API_KEY, address="192.0.2.2").party == "user:ann"
    assert callers.identify(api_key=API_KEY, address="192.0.2.1").party == "user:ann"  # is known already
    rig.clock.forward(seconds=2)
    with pytest.raises(AuthenticationError):
        callers.identify(api_key="ds_62", address="192.0.2.1")


def test_while_redis_is_down_a_wrong_key_is_no_more_than_wrong(callers, rig, monkeypatch):
    def down(*_):
        raise StoreDownError("Redis cannot be reached")

    monkeypatch.setattr(rig.limits, "meter", down)
    with pytest.raises(AuthenticationError):
        callers.identify(api_key="ds_wrong", address="x")


def test_what_is_left_is_counted_down_and_comes_back(callers, rig):
    caller = callers.identify(api_key=None, address="192.0.2.1")
    left = [callers.count(caller).left for _ in range(61)]
    assert left == [*range(59, -1, -1), 0]
    assert callers.count(caller).wait_s == pytest.approx(1)
    rig.clock.forward(seconds=60)
    quota = callers.count(caller)
    assert (quota.left, quota.wait_s, quota.full_s) == (59, 0, 1)


def test_while_redis_is_down_nobody_is_counted(callers, rig, monkeypatch):
    def down(*_):
        raise StoreDownError("Redis cannot be reached")

    monkeypatch.setattr(rig.limits, "meter", down)
    assert callers.count(callers.identify(api_key=None, address="x")) is None
