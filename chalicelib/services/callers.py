"""Who calls the REST API, and how much more they may ask for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from chalicelib.domain.keys import hash_key
from chalicelib.errors import AuthenticationError, StoreDownError, TooManyRequestsError
from chalicelib.ports import Identity, Limits
from chalicelib.services.tokens import Tokens
from chalicelib.settings import Tier

log = structlog.get_logger()

KEY_S = 30.0  # so long a key is known without asking again, and so long at most a revoked one still works
MAX_KEYS = 1000  # remembered by a process, and as many addresses


@dataclass(frozen=True, slots=True)
class Caller:
    """``party`` is whose limits count: a user, or an address of nobody's, whose ``user`` is None."""

    party: str
    tier: Tier
    per_minute: int
    user: str | None


@dataclass(frozen=True, slots=True)
class Quota:
    """Of requests in a minute: how many there are and are left, and when all are again. ``wait_s``: none is left."""

    per_minute: int
    left: int
    full_s: float
    wait_s: float


class Callers:
    """Guarantees: a key is looked up at most once in 30 seconds by a process; an address that sends wrong keys has as
    many requests as one without a key, after which no unknown key of its is looked up; while Redis is down nobody is
    counted.
    """

    def __init__(
        self,
        *,
        tokens: Callable[[], Tokens],
        limits: Limits,
        tiers: Mapping[str, Tier],
        anonymous_per_minute: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tokens, self._limits, self._tiers = tokens, limits, tiers
        self._anonymous_per_minute = anonymous_per_minute
        self._monotonic = monotonic
        self._known: dict[str, tuple[float, Identity]] = {}
        self._guessing: dict[str, float] = {}  # by address, until when

    def identify(self, *, api_key: str | None, address: str) -> Caller:
        """Raises AuthenticationError or RevokedError for a key that is not good, TooManyRequestsError for too many."""
        if api_key is None:
            return Caller(address, self._tiers["free"], self._anonymous_per_minute, None)
        identity = self._identity(api_key, address)
        tier = self._tiers[identity.tier]
        return Caller(f"user:{identity.user}", tier, tier.requests_per_minute, identity.user)

    def _identity(self, api_key: str, address: str) -> Identity:
        now, hashed = self._monotonic(), hash_key(api_key)
        until, identity = self._known.get(hashed, (0.0, None))
        if identity is None or until < now:
            self._known.pop(hashed, None)
            _check_wait(self._guessing.get(address, now) - now)
            try:
                identity = self._tokens().identify(api_key)
            except AuthenticationError:
                _check_wait(self._blame(address, now))
                raise
            if len(self._known) >= MAX_KEYS:
                self._known.clear()
            self._known[hashed] = (now + KEY_S, identity)
        return identity

    def _blame(self, address: str, now: float) -> float:
        """A wrong key more; the seconds for which no other is looked up."""
        try:
            per_minute = self._anonymous_per_minute
            wait_s = self._limits.meter(f"keys:{address}", per_minute / 60, per_minute).wait_s
        except StoreDownError:
            log.warning("requests_not_counted", exc_info=True)
            return 0.0
        if wait_s:
            if len(self._guessing) >= MAX_KEYS:
                self._guessing.clear()
            self._guessing[address] = now + wait_s
        return wait_s

    def count(self, caller: Caller) -> Quota | None:
        """One request more; None if nobody can tell."""
        try:
            metered = self._limits.meter(f"rest:{caller.party}", caller.per_minute / 60, caller.per_minute)
        except StoreDownError:
            log.warning("requests_not_counted", exc_info=True)
            return None
        return Quota(caller.per_minute, metered.left, metered.full_s, metered.wait_s)


def _check_wait(wait_s: float) -> None:
    if wait_s > 0:
        raise TooManyRequestsError("too many wrong keys from this address", retry_after=round(wait_s, 3))
