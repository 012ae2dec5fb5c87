"""The gateway: a public port for the WebSocket API, the REST API and the page, and one for ``@connections``."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from aiohttp import web

from localcloud.gateway.events import Api
from localcloud.gateway.integration import Integration, Invoke
from localcloud.gateway.management import ManagementApi, ManagementProtocol
from localcloud.gateway.registry import Registry
from localcloud.gateway.rest import RestApi
from localcloud.gateway.sigv4 import Verifier
from localcloud.gateway.site import Site
from localcloud.gateway.throttle import GatewayLimits, TokenBucket
from localcloud.gateway.websocket import WebSocketApi

REST_PREFIX = "/v1"

Page = Callable[[web.Request], Awaitable[web.StreamResponse]]
_BACKLOG = 4096  # a thousand clients may come at once


class PortTakenError(OSError):
    """Somebody listens on ``port`` already."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(errno.EADDRINUSE, f"port {port} of {host} is taken")
        self.host = host
        self.port = port


class Gateway:
    """API Gateway on this machine.

    ``start`` listens on both ports (0 picks a free one, then see ``port`` and ``management_port``) or raises
    PortTakenError and leaves nothing open. ``stop`` closes every connection with 1001, lets their ``$disconnect``
    calls run for a moment, and leaves no task. Give ``max_age_s`` and ``idle_s`` to shorten those limits alone.
    """

    def __init__(
        self,
        invoke: Invoke,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        management_port: int = 0,
        api_id: str = "local",
        stage: str = "ws",
        rest_stage: str = "api",
        region: str = "us-east-1",
        account_id: str = "000000000000",
        credentials: tuple[str, str],
        limits: GatewayLimits | None = None,
        routes: Iterable[str] = (),
        rest_function: str = "api_handler",
        web_root: Path,
        vendor: Mapping[str, Path] | None = None,
        max_age_s: float | None = None,
        idle_s: float | None = None,
    ) -> None:
        limits = limits or GatewayLimits()
        limits = replace(limits, max_age_s=max_age_s or limits.max_age_s, idle_s=idle_s or limits.idle_s)
        self.host, self.port, self.management_port = host, port, management_port
        self.limits = limits
        self.registry = Registry()
        self._stage = stage
        self._integration = Integration(invoke, limits.integration_timeout_s)
        account = TokenBucket(limits.requests_per_s, limits.burst)
        socket_api = Api(api_id, stage, region, account_id)
        self._sockets = WebSocketApi(socket_api, self._integration, self.registry, account, limits)
        self._rest = RestApi(
            replace(socket_api, stage=rest_stage),
            self._integration,
            account,
            limits,
            function=rest_function,
            routes=routes,
        )
        self._site = Site(web_root, vendor or {})
        self._pages: dict[str, Page] = {}
        self.on_request: Callable[[int, float], None] = lambda _status, _took_ms: None  # of the REST API
        verifier = Verifier(*credentials, region, max_skew_s=limits.clock_skew_s)
        self._management = ManagementApi(stage, self.registry, verifier, account, limits)
        self._transports: set[asyncio.Transport] = set()
        self._runner: web.AppRunner | None = None
        self._management_server: asyncio.Server | None = None

    async def start(self) -> None:
        try:
            await self._listen_public()
            await self._listen_management()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        if self._management_server is not None:
            self._management_server.close()
        if self._runner is not None:
            for site in list(self._runner.sites):
                await site.stop()  # no newcomers while the others are sent away
        await self._sockets.stop()
        await self._integration.stop()
        for transport in list(self._transports):
            transport.abort()
        if self._management_server is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._management_server.wait_closed(), 2.0)
            self._management_server = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://{self.host}:{self.port}/{self._stage}"

    @property
    def management_url(self) -> str:
        """What boto3's ``endpoint_url`` must be; it ends with the stage."""
        return f"http://{self.host}:{self.management_port}/{self._stage}"

    @property
    def connections(self) -> int:
        """How many sockets are open."""
        return len(self.registry)

    @property
    def posts(self) -> int:
        """How many messages ``@connections`` has taken since the start."""
        return self._management.posts

    @property
    def latency_s(self) -> float:
        """A delay before each ``@connections`` POST is applied; 0 as a rule."""
        return self._management.latency_s

    @latency_s.setter
    def latency_s(self, seconds: float) -> None:
        self._management.latency_s = seconds

    def serve(self, prefix: str, page: Page) -> None:
        """Answer what is at ``prefix`` and below it by ``page``."""
        self._pages[prefix] = page

    def drop_connections(self) -> int:
        """Cut every socket without a close frame, as a broken network does; returns how many there were."""
        return self._sockets.drop_all()

    async def _listen_public(self) -> None:
        app = web.Application(client_max_size=self.limits.rest_body_bytes)
        app.router.add_route("*", r"/{path:[\s\S]*}", self._dispatch)  # "." is no line feed, which a path may hold
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port, backlog=_BACKLOG)
        try:
            await site.start()
        except OSError as error:
            raise _taken(error, self.host, self.port) from error
        self.port = self._runner.addresses[0][1]

    async def _listen_management(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._management_server = await loop.create_server(
                lambda: ManagementProtocol(self._management, self._transports),
                self.host,
                self.management_port,
                backlog=_BACKLOG,
            )
        except OSError as error:
            raise _taken(error, self.host, self.management_port) from error
        self.management_port = self._management_server.sockets[0].getsockname()[1]

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if path == f"/{self._stage}":
            return await self._sockets.handle(request)
        if path == REST_PREFIX or path.startswith(f"{REST_PREFIX}/"):
            started = time.perf_counter()
            response = await self._rest.handle(request)
            self.on_request(response.status, (time.perf_counter() - started) * 1000)
            return response
        for prefix, page in self._pages.items():
            if path == prefix or path.startswith(f"{prefix}/"):
                return await page(request)
        return await self._site.handle(request)


def _taken(error: OSError, host: str, port: int) -> OSError:
    return PortTakenError(host, port) if error.errno == errno.EADDRINUSE else error
