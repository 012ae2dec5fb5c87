"""The WebSocket API: handshake, routes and the end of a connection, as API Gateway does them."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import logging
from collections.abc import Coroutine, Mapping
from typing import Any

from aiohttp import web

from localcloud.gateway import authorizer, events, frames
from localcloud.gateway.connection import Connection
from localcloud.gateway.ingress import address_and_headers
from localcloud.gateway.integration import Integration, IntegrationError
from localcloud.gateway.registry import Registry
from localcloud.gateway.throttle import GatewayLimits, TokenBucket

log = logging.getLogger(__name__)

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
_STOP_TIMEOUT_S = 3.0
_INTERNAL = "Internal server error"


class RefusedError(Exception):
    """The handshake ends with this answer instead of a connection."""

    def __init__(self, status: int, message: str, *, error_type: str = "", body: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
        self.body = body


class _Upgraded(web.StreamResponse):
    """Tells the HTTP server that the answer was already written."""

    async def prepare(self, request: web.BaseRequest) -> None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


class WebSocketApi:
    """Opens connections and routes what they send.

    Guarantees: ``$connect`` is called after the authorizer allowed it and before the connection can be posted to;
    ``$disconnect`` once after every successful ``$connect``, whatever ended the connection.
    """

    def __init__(
        self,
        api: events.Api,
        integration: Integration,
        registry: Registry,
        account: TokenBucket,
        limits: GatewayLimits,
    ) -> None:
        self._api = api
        self._integration = integration
        self._registry = registry
        self._account = account
        self._connects = TokenBucket(limits.connects_per_s, limits.connects_burst)
        self._limits = limits
        self._tasks: set[asyncio.Task[None]] = set()
        self._live: set[Connection] = set()
        self._stopping = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The answer to a request of the WebSocket path; for an upgrade, once the connection has ended."""
        client = _client(request)
        try:
            accept = _accept(request)
            headers = await self._admit(client)
        except RefusedError as refusal:
            return _refused(refusal, client)
        return await self._open(request, client, {"Sec-WebSocket-Accept": accept, **headers})

    async def stop(self) -> None:
        """End every connection with 1001 and give the ``$disconnect`` calls a moment."""
        self._stopping = True
        for connection in list(self._live):
            connection.close(frames.GOING_AWAY, "Going away")
        await self._settle(connection.closed for connection in list(self._live))
        await self._settle(list(self._tasks))
        for task in list(self._tasks):
            task.cancel()
        await self._settle(list(self._tasks))

    def drop_all(self) -> int:
        """Cut every connection as a broken network does; returns how many there were."""
        connections = list(self._live)
        for connection in connections:
            connection.abort()
        return len(connections)

    # --- handshake ----------------------------------------------------------------------------------

    async def _admit(self, client: events.Client) -> Mapping[str, str]:
        """Authorize and connect; returns headers for the handshake's answer. Raises RefusedError."""
        if not self._connects.take() or not self._account.take():
            raise RefusedError(429, "Too Many Requests", error_type="TooManyRequestsException")
        client.authorizer = await self._authorize(client)
        try:
            answer = await self._integration.call("connect", events.connect_event(self._api, client))
            return _connect_headers(answer)
        except IntegrationError as error:
            log.warning("$connect failed: %s", error)
            raise RefusedError(502, _INTERNAL, error_type="InternalServerErrorException") from error

    async def _authorize(self, client: events.Client) -> dict[str, Any]:
        event = events.authorize_event(self._api, client)
        try:
            answer = await self._integration.call("authorize", event)
            return authorizer.evaluate(answer, event["methodArn"])
        except authorizer.DeniedError as error:
            raise RefusedError(403, str(error), error_type="AccessDeniedException") from error
        except (IntegrationError, authorizer.BadAnswerError) as error:
            # API Gateway knows a refusal from a fault by this one message only.
            if str(error) == "Unauthorized":
                raise RefusedError(401, "Unauthorized", error_type="UnauthorizedException") from error
            log.warning("the authorizer failed: %s", error)
            raise RefusedError(500, _INTERNAL, error_type="AuthorizerConfigurationException") from error

    async def _open(
        self, request: web.Request, client: events.Client, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        transport = request.transport
        if transport is None or transport.is_closing():  # gave up while $connect ran
            self._spawn(self._disconnect(client, frames.ABNORMAL, ""))
            return web.Response(status=400)  # to nobody; an error would be told with its traceback
        lines = {"Upgrade": "websocket", "Connection": "Upgrade", **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        transport.write(f"HTTP/1.1 101 Switching Protocols\r\n{head}\r\n".encode())
        connection = Connection(
            client,
            self._limits,
            on_message=self._message,
            on_closing=self._registry.discard,
            on_closed=self._closed,
        )
        self._registry.add(connection)
        self._live.add(connection)
        # Bytes that the HTTP parser read beyond the handshake belong to the first frames.
        tail = getattr(request.protocol, "_message_tail", b"")
        await connection.take_over(transport, bytes(tail))
        return _Upgraded()

    # --- routes -------------------------------------------------------------------------------------

    def _message(self, connection: Connection, text: str) -> bool:
        if self._stopping:
            return False
        if not self._account.take():
            connection.close(frames.POLICY, "Too many requests")
            return False
        self._spawn(self._route(connection, text))
        return True

    async def _route(self, connection: Connection, text: str) -> None:
        event = events.message_event(self._api, connection.client, text)
        try:
            reply = _reply(await self._integration.call("message", event))
        except IntegrationError as error:
            log.warning("$default failed: %s", error)
            reply = _problem(_INTERNAL, connection.client, event["requestContext"]["requestId"])
        finally:
            connection.done()
        if reply:
            connection.send(reply.encode())

    def _closed(self, connection: Connection) -> None:
        self._live.discard(connection)
        self._spawn(self._disconnect(connection.client, connection.close_code, connection.close_reason))

    async def _disconnect(self, client: events.Client, code: int, reason: str) -> None:
        if code == frames.NO_STATUS:
            reason = "Client-side close frame status not set"  # API Gateway's own words
        try:
            event = events.disconnect_event(self._api, client, code, reason)
            await self._integration.call("disconnect", event)
        except IntegrationError as error:  # best effort: nobody is left to be told, and at the end no function either
            log.log(logging.DEBUG if self._stopping else logging.WARNING, "$disconnect failed: %s", error)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @staticmethod
    async def _settle(waited: Any) -> None:
        futures = list(waited)
        if futures:
            await asyncio.wait(futures, timeout=_STOP_TIMEOUT_S)


def _client(request: web.Request) -> events.Client:
    address, headers = address_and_headers(request)
    return events.Client(
        connection_id=events.new_id(),
        connected_at_ms=events.now_ms(),
        source_ip=address,
        headers=headers,
        query=list(request.query.items()),
    )


def _accept(request: web.Request) -> str:
    """The Sec-WebSocket-Accept of a valid upgrade request. Raises RefusedError for any other."""
    headers = request.headers
    tokens = {token.strip().lower() for token in headers.get("Connection", "").split(",")}
    if request.method != "GET" or "upgrade" not in tokens or headers.get("Upgrade", "").lower() != "websocket":
        raise RefusedError(426, "Upgrade Required")
    key = headers.get("Sec-WebSocket-Key", "")
    try:
        valid = len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        valid = False
    if not valid or headers.get("Sec-WebSocket-Version") != "13":
        raise RefusedError(400, "Bad Request", error_type="BadRequestException")
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


def _connect_headers(answer: Any) -> Mapping[str, str]:
    """What of a ``$connect`` answer goes to the client. Raises RefusedError for a status that is not 2xx."""
    status = answer.get("statusCode") if isinstance(answer, dict) else None
    if not isinstance(status, int) or isinstance(status, bool) or not 100 <= status <= 599:
        raise IntegrationError("malformed $connect answer")
    if not 200 <= status < 300:
        body = answer.get("body")
        raise RefusedError(status, "Forbidden", body=body if isinstance(body, str) else "")
    # The one response header that API Gateway documents for $connect: the chosen subprotocol.
    offered = {str(name).lower(): str(value) for name, value in (answer.get("headers") or {}).items()}
    protocol = offered.get("sec-websocket-protocol", "").replace("\r", "").replace("\n", "")
    return {"Sec-WebSocket-Protocol": protocol} if protocol else {}


def _reply(answer: Any) -> str:
    """The route response: the answer's body. Raises IntegrationError if the answer is malformed or too large."""
    body = answer.get("body") if isinstance(answer, dict) else None
    if not isinstance(answer, dict) or not (body is None or isinstance(body, str)):
        raise IntegrationError("malformed $default answer")
    if body and len(body.encode()) > frames.MAX_MESSAGE_BYTES:
        raise IntegrationError("the answer is over 128 KB")
    return body or ""


def _problem(message: str, client: events.Client, request_id: str) -> str:
    return json.dumps({"message": message, "connectionId": client.connection_id, "requestId": request_id})


def _refused(refusal: RefusedError, client: events.Client) -> web.Response:
    request_id = events.new_id()
    body = _problem(str(refusal), client, request_id) if refusal.body is None else refusal.body
    headers = {"x-amzn-RequestId": request_id}
    if refusal.error_type:
        headers["x-amzn-ErrorType"] = refusal.error_type
    if refusal.status == 426:
        headers["Upgrade"] = "websocket"
    return web.Response(status=refusal.status, text=body, headers=headers, content_type="application/json")
