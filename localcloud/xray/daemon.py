"""The X-Ray daemon of this machine: takes segments by UDP and answers over HTTP on the same port.

The SDK asks it for sampling rules (``/GetSamplingRules``, ``/SamplingTargets``), people and the console for traces
(see api.py). Whatever else comes by UDP is counted and dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import socket
import time
from typing import Any

from aiohttp import web

from localcloud.xray.api import XrayApi
from localcloud.xray.document import DocumentError, read_datagram
from localcloud.xray.sampling import EVERYTHING, Sampler
from localcloud.xray.store import TraceStore

_log = logging.getLogger(__name__)
_RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024  # many workers end at once; the kernel gives what its limit allows
_ATTEMPTS = 20  # to find a number that is free for TCP and for UDP


class Receiver(asyncio.DatagramProtocol):
    """Puts what is a document into the store; counts what is not."""

    def __init__(self, store: TraceStore) -> None:
        self._store = store
        self.received = 0
        self.refused = 0

    def datagram_received(self, data: bytes, addr: Any) -> None:
        try:
            self._store.put(read_datagram(data))
        except DocumentError as error:
            self.refused += 1
            if self.refused == 1:  # one is worth a look, a flood is not
                _log.warning("a datagram that is no segment: %s", error)
        else:
            self.received += 1


class Daemon:
    """Between ``start`` and ``stop`` it listens on ``port`` (0: any free one) of loopback, UDP and TCP.

    ``start`` raises OSError for a port that is taken, unless ``elsewhere`` allows another.
    """

    def __init__(
        self, *, port: int = 0, elsewhere: bool = False, store: TraceStore | None = None, sampler: Sampler | None = None
    ) -> None:
        self.store = store or TraceStore()
        self.sampler = sampler or Sampler([EVERYTHING])
        self.api = XrayApi(self.store)
        self.receiver = Receiver(self.store)
        self.port = port
        self._elsewhere = elsewhere
        self._transport: asyncio.DatagramTransport | None = None
        self._runner: web.AppRunner | None = None

    @property
    def address(self) -> str:
        """For AWS_XRAY_DAEMON_ADDRESS."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    async def start(self) -> None:
        tcp, udp = _pair(self.port, elsewhere=self._elsewhere)
        self.port = tcp.getsockname()[1]
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self.receiver, sock=udp)
        self._runner = web.AppRunner(self._application(), access_log=None)
        await self._runner.setup()
        await web.SockSite(self._runner, tcp).start()

    async def stop(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _application(self) -> web.Application:
        application = web.Application()
        application.router.add_post("/GetSamplingRules", self._rules)
        application.router.add_post("/SamplingTargets", self._targets)
        application.router.add_get("/{path:.*}", self._traces)
        return application

    async def _rules(self, _: web.Request) -> web.Response:
        return web.json_response({"SamplingRuleRecords": [rule.record() for rule in self.sampler.rules]})

    async def _targets(self, request: web.Request) -> web.Response:
        try:
            said = json.loads(await request.text())["SamplingStatisticsDocuments"]
            names = [document["RuleName"] for document in said]
        except (ValueError, KeyError, TypeError):
            return web.json_response({"Message": "SamplingStatisticsDocuments is needed"}, status=400)
        targets = self.sampler.targets(names)
        return web.json_response(
            {"SamplingTargetDocuments": targets, "LastRuleModification": int(time.time()), "UnprocessedStatistics": []}
        )

    async def _traces(self, request: web.Request) -> web.Response:
        status, answer = self.api.answer(request.match_info["path"], dict(request.query))
        return web.json_response(answer, status=status)


def _pair(port: int, *, elsewhere: bool) -> tuple[socket.socket, socket.socket]:
    """A TCP and a UDP socket of the same number. Raises OSError."""
    for wanted in [port] * bool(port) + [0] * (_ATTEMPTS if elsewhere or not port else 0):
        with contextlib.suppress(OSError):
            return _bound(wanted)
    raise OSError(errno.EADDRINUSE, f"port {port} of 127.0.0.1 is taken")


def _bound(port: int) -> tuple[socket.socket, socket.socket]:
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind(("127.0.0.1", port))
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        udp.bind(tcp.getsockname())
        for end in (tcp, udp):
            end.setblocking(False)
        stack.pop_all()
    return tcp, udp
