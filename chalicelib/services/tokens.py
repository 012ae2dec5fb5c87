"""Short-lived tokens for the handshake: signed, good for five minutes, used once."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import jwt

from chalicelib.domain.keys import MAX_KEY_LENGTH, hash_key
from chalicelib.errors import AuthenticationError, ExpiredError, LimitError, RevokedError, TokenUsedError
from chalicelib.ports import Identity, KeyStore, Limits, Secrets

ALGORITHM = "HS256"
AUDIENCE = "defi-stream"
MAX_TOKEN_LENGTH = 2048
KEYS_KEPT_S = 300.0
KEYS_RENEWED_S = 10.0
KEYS_UNUSED_S = 2 * KEYS_RENEWED_S


@dataclass(frozen=True, slots=True)
class IssuedToken:
    token: str
    expires_at: datetime
    tier: str


class Tokens:
    """Issue and redeem tokens, and look up API keys.

    Guarantees: a token is redeemed at most once, and for two signing keys while they rotate; while they do, no token is
    refused for being signed by a key that its reader has yet to read; forged tokens make us read the secret at most
    once in ten seconds; nothing that is said in an error tells whether a key exists.
    """

    def __init__(
        self,
        *,
        keys: KeyStore,
        secrets: Secrets,
        limits: Limits,
        secret_id: str,
        token_seconds: int,
        session_seconds: int,
        anonymous_per_minute: int,
        now: Callable[[], datetime],
    ) -> None:
        self._keys = keys
        self._secrets = secrets
        self._limits = limits
        self._secret_id = secret_id
        self._token_seconds = token_seconds
        self._session_seconds = session_seconds
        self._anonymous_per_minute = anonymous_per_minute
        self._now = now
        self._newest: tuple[str, datetime] | None = None  # the newest signing key, and when it was first seen

    def issue(self, *, api_key: str | None, address: str) -> IssuedToken:
        """A token for a key's owner, or an anonymous one for an address.

        Raises AuthenticationError, RevokedError, LimitError.
        """
        if api_key is not None:
            identity = self.identify(api_key)
            return self._sign(identity.user, identity.tier)
        wait = self._limits.take(f"tokens:{address}", self._anonymous_per_minute / 60, self._anonymous_per_minute)
        if wait:
            raise LimitError("too many anonymous tokens from this address", retry_after=round(wait, 3))
        return self._sign(f"anonymous-{secrets.token_hex(8)}", "free")

    def _sign(self, user: str, tier: str) -> IssuedToken:
        now = self._now()
        expires_at = now + timedelta(seconds=self._token_seconds)
        claims = {
            "sub": user,
            "tier": tier,
            "aud": AUDIENCE,
            "iat": now,
            "exp": expires_at,
            "jti": secrets.token_hex(12),
        }
        token = jwt.encode(claims, self._signing_key(now), algorithm=ALGORITHM)
        return IssuedToken(token, expires_at, tier)

    def _signing_key(self, now: datetime) -> str:
        """The newest key, or the one before while others may not read the newest yet.

        They read again when they meet an unknown signature, but not if they did so within KEYS_RENEWED_S.
        """
        newest, *before = self._secrets.values(self._secret_id)
        if self._newest is None or self._newest[0] != newest:
            self._newest = (newest, now)
        if before and now - self._newest[1] < timedelta(seconds=KEYS_UNUSED_S):
            return before[0]
        return newest

    def redeem(self, token: str) -> Identity:
        """Whose token it is; it is used up. Raises AuthenticationError, ExpiredError or TokenUsedError."""
        claims = self._claims(token)
        if not self._limits.once(f"token:{claims['jti']}", self._token_seconds + 60):
            raise TokenUsedError("this token was used before: get a new one")
        session_ms = int((self._now().timestamp() + self._session_seconds) * 1000)
        return Identity(user=claims["sub"], tier=claims["tier"], session_ms=session_ms)

    def _claims(self, token: str) -> dict[str, str]:
        if len(token) > MAX_TOKEN_LENGTH:
            raise AuthenticationError("not a token of ours")
        for max_age_s in (KEYS_KEPT_S, KEYS_RENEWED_S):  # the key that signed it may be newer than those kept
            for key in self._secrets.values(self._secret_id, max_age_s=max_age_s):
                claims = self._signed_by(key, token)
                if claims is not None:
                    return claims
        raise AuthenticationError("not a token of ours")

    def _signed_by(self, key: str, token: str) -> dict[str, str] | None:
        """The claims, or None if the signature is another key's."""
        try:
            claims: dict[str, str] = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                # Its end is checked below, by the clock that it was issued by.
                options={"require": ["exp", "sub", "jti", "aud", "tier"], "verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidSignatureError:
            return None
        except jwt.InvalidTokenError as error:
            raise AuthenticationError("not a token of ours") from error
        if float(claims["exp"]) <= self._now().timestamp():
            raise ExpiredError("this token has expired: get a new one")
        return claims

    def identify(self, api_key: str) -> Identity:
        """Whose key it is. Raises AuthenticationError or RevokedError."""
        key = self._keys.find(hash_key(api_key)) if len(api_key) <= MAX_KEY_LENGTH else None
        if key is None:
            raise AuthenticationError("not a key of ours")
        if key.revoked_at is not None:
            raise RevokedError("this key was revoked")
        # A key needs no refresh: its session lasts as long as its connection may.
        return Identity(user=key.user, tier=key.tier, session_ms=int((self._now().timestamp() + 86_400) * 1000))
