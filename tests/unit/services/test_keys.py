"""Keys are shown once, listed without themselves, revoked for good."""

import pytest

from chalicelib.domain.keys import hash_key
from chalicelib.errors import RefusedError
from chalicelib.services.keys import KeyRing
from tests.fakes import FakeClock, FakeKeyStore


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def store():
    return FakeKeyStore()


@pytest.fixture
def ring(store, clock):
    return KeyRing(keys=store, tiers=["free", "pro"], now=clock)


def test_an_issued_key_is_kept_as_its_hash_only(ring, store):
    key, kept = ring.issue(tier="pro", name="bot", user="ann")
    assert kept.hash == hash_key(key)
    assert (kept.user, kept.tier, kept.name, kept.revoked_at) == ("ann", "pro", "bot", None)
    assert store.all() == [kept]
    assert key not in repr(store.all())


def test_a_key_without_a_user_makes_a_new_one(ring):
    users = {ring.issue(tier="free", name="x")[1].user for _ in range(3)}
    assert len(users) == 3


def test_an_unknown_tier_is_refused(ring, store):
    with pytest.raises(RefusedError):
        ring.issue(tier="gold", name="x")
    assert store.all() == []


def test_keys_are_listed_the_oldest_first(ring, clock):
    first = ring.issue(tier="pro", name="first")[1]
    clock.forward(days=1)
    second = ring.issue(tier="pro", name="second")[1]
    assert ring.list() == [first, second]


def test_a_key_is_revoked_by_the_start_of_its_hash_and_stays_revoked_since_then(ring, store, clock):
    kept = ring.issue(tier="pro", name="x")[1]
    revoked = ring.revoke(kept.hash[:8])
    clock.forward(days=1)
    assert ring.revoke(kept.hash) == revoked
    assert store.find(kept.hash).revoked_at == "2026-11-23T02:00:00.000Z"


@pytest.mark.parametrize("prefix", ["", "zzzzzzzz"])
def test_a_prefix_that_fits_none_or_is_too_short_revokes_nothing(ring, store, prefix):
    ring.issue(tier="pro", name="x")
    with pytest.raises(RefusedError):
        ring.revoke(prefix)
    assert all(key.revoked_at is None for key in store.all())
