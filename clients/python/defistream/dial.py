"""One handshake: credentials, URL, and what a refusal means."""

from __future__ import annotations

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI

from defistream.errors import CommandError, ConnectionLostError, StreamError, from_status, reason_of
from defistream.tokens import TokenSource, json_object, socket_url

_HANDSHAKE_S = 10.0
_MAX_MESSAGE_BYTES = 1 << 20  # the gateway sends at most 128 KB


class Dialer:
    """Opens connections with a key in a header, or with a token, which is good for one handshake.

    A refusal with 401 or 403 is final unless ``tokens`` can give another token; then the second in a row is.
    """

    def __init__(
        self, url: str, *, api_key: str | None = None, token: str | None = None, tokens: TokenSource | None = None
    ) -> None:
        socket_url(url)  # a wrong URL is the caller's mistake: say so at once
        self._url = url
        self._api_key = api_key
        self._token = token
        self._tokens = tokens

    async def new_token(self) -> str | None:
        """Another token, or None if there is nowhere to get one. Raises StreamError."""
        return None if self._tokens is None else await self._tokens()

    @property
    def fastest_rate(self) -> str | None:
        """What the last answer of ``tokens`` said, if it says such things."""
        return getattr(self._tokens, "fastest_rate", None)

    async def dial(self) -> ClientConnection:
        """An open connection. Raises CommandError (refused) or ConnectionLostError (no answer; temporary)."""
        first_token, self._token = self._token, None
        try:
            return await self._open(first_token)
        except CommandError as error:
            if first_token is None or self._tokens is None or error.http_status not in (401, 403):
                raise
        return await self._open(None)

    async def _open(self, token: str | None) -> ClientConnection:
        if token is None and self._api_key is None:
            token = await self.new_token()
            if token is None:
                raise from_status(401, {"message": "the token is used up, and there is nowhere to get another"}, None)
        headers = {} if self._api_key is None else {"x-api-key": self._api_key}
        try:
            return await open_socket(
                socket_url(self._url, token),
                additional_headers=headers,
                open_timeout=_HANDSHAKE_S,
                close_timeout=2.0,
                max_size=_MAX_MESSAGE_BYTES,
                compression=None,  # API Gateway does not negotiate it
                ping_interval=None,  # the protocol's own ping, after silence, also proves that the session is known
            )
        except InvalidStatus as refused:
            response = refused.response
            body = json_object(bytes(response.body or b""))
            raise from_status(response.status_code, body, response.headers.get("retry-after")) from refused
        except InvalidURI as error:
            raise StreamError(str(error)) from error
        except (OSError, TimeoutError, InvalidHandshake) as error:
            raise ConnectionLostError(f"no connection to {self._url}: {reason_of(error)}") from error
