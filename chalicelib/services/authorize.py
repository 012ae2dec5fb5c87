"""Who may open a socket."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence

from chalicelib.errors import AuthenticationError, NotAllowedError
from chalicelib.ports import Identity, Secrets
from chalicelib.services.tokens import Tokens
from chalicelib.settings import Tier


class AuthorizeConnection:
    """Decide a handshake by token or API key, origin, and the header that only our CDN sends."""

    def __init__(
        self,
        *,
        tokens: Tokens,
        secrets: Secrets,
        tiers: Mapping[str, Tier],
        allowed_origins: Sequence[str],
        origin_secret_id: str,
    ) -> None:
        self._tokens = tokens
        self._secrets = secrets
        self._tiers = tiers
        self._allowed_origins = allowed_origins
        self._origin_secret_id = origin_secret_id

    def run(self, *, token: str | None, api_key: str | None, origin: str | None, origin_verify: str | None) -> Identity:
        """Raises AuthenticationError (401), NotAllowedError (403) or StoreDownError (500: try again)."""
        if self._origin_secret_id and not self._came_through_the_edge(origin_verify or ""):
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

    def _came_through_the_edge(self, header: str) -> bool:
        live = self._secrets.values(self._origin_secret_id)
        return any(hmac.compare_digest(header.encode(), value.encode()) for value in live)
