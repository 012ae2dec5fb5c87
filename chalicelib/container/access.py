"""Who may come in: tokens, the socket's authorizer, and the REST API's callers."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.container.clients import utc_now
from chalicelib.container.stores import Stores

if TYPE_CHECKING:
    from chalicelib.services.authorize import AuthorizeConnection
    from chalicelib.services.callers import Callers
    from chalicelib.services.tokens import Tokens


class Access(Stores):
    """What tells callers apart, on the socket and in the REST API."""

    @cached_property
    def tokens(self) -> Tokens:
        from chalicelib.services.tokens import Tokens

        settings = self.settings
        return Tokens(
            keys=self.keys,
            secrets=self.secrets,
            limits=self.limits,
            secret_id=settings.token_secret_id,
            token_seconds=settings.token_seconds,
            session_seconds=settings.session_seconds,
            anonymous_per_minute=settings.anonymous_tokens_per_minute,
            now=utc_now,
        )

    @cached_property
    def authorize_connection(self) -> AuthorizeConnection:
        from chalicelib.services.authorize import AuthorizeConnection

        return AuthorizeConnection(
            tokens=self.tokens,
            secrets=self.secrets,
            tiers=self.settings.tiers,
            allowed_origins=self.settings.allowed_origins,
            origin_secret_ids=self.settings.origin_secret_ids,
        )

    @cached_property
    def callers(self) -> Callers:
        from chalicelib.services.callers import Callers

        settings = self.settings
        return Callers(
            tokens=lambda: self.tokens,
            limits=self.limits,
            tiers=settings.tiers,
            anonymous_per_minute=settings.anonymous_requests_per_minute,
        )
