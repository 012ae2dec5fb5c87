"""Who may open a socket."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence

from chalicelib.errors import AuthenticationError, NotAllowedError
from chalicelib.ports import Identity, Secrets
from chalicelib.services.tokens import KEYS_KEPT_S, KEYS_RENEWED_S, Tokens
from chalicelib.settings import Tier


class AuthorizeConnection:
    """Decide a handshake by token or API key, origin, and the headers that only our CDN sends.

    Guarantees: whoever sends one of the two headers with a live value is let in, so that a rotation of one secret at a
    time refuses nobody; a caller with bad values costs at most one reading of the secrets in ten seconds.
    """

    def __init__(
        self,
        *,
        tokens: Tokens,
        secrets: Secrets,
        tiers: Mapping[str, Tier],
        allowed_origins: Sequence[str],
        origin_secret_ids: Sequence[str],
    ) -> None:
        self._tokens = tokens
        self._secrets = secrets
        self._tiers = tiers
        self._allowed_origins = allowed_origins
        self._origin_secret_ids = origin_secret_ids

    def run(
        self, *, token: str | None, api_key: str | None, origin: str | None, origin_verify: Sequence[str]
    ) -> Identity:
        """``origin_verify`` are the values of ORIGIN_HEADERS, "" where one was not sent.

        Raises AuthenticationError (401), NotAllowedError (403) or StoreDownError (500: try again).
        """
        if self._origin_secret_ids and not self._came_through_the_edge(origin_verify):
            raise NotAllowedError("connect through the public address")
        if origin is not None and self._allowed_origins and origin not in self._allowed_origins:
            raise NotAllowedError("pages of this origin may not connect")
        if token:
            identity = self._tokens.redeem(token)
        elif api_key:
            identity = self._tokens.identify(api_key)
        else:
            raise AuthenticationError("a token or an API key is needed")
        if identity.tier not in self._tiers:
            raise NotAllowedError("this tier has no streaming")
        return identity

    def _came_through_the_edge(self, headers: Sequence[str]) -> bool:
        return any(
            hmac.compare_digest(header.encode(), value.encode())
            for max_age_s in (KEYS_KEPT_S, KEYS_RENEWED_S)  # a value that is sent may be newer than those kept
            for secret_id, header in zip(self._origin_secret_ids, headers, strict=True)
            for value in self._secrets.values(secret_id, max_age_s=max_age_s)
        )
