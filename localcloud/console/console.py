"""The operator console: a page of this machine's dashboards, alarms, traces and logs.

Its colours, icon and chart library are those of the public page, which the gateway serves at the root.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from localcloud.console.api import ConsoleApi
from localcloud.gateway.site import HEADERS, Site

PREFIX = "/console"
STATIC = Path(__file__).with_name("static")
_API = "/api/"
_NO_STORE = {**HEADERS, "Cache-Control": "no-store"}

Evaluate = Callable[[], Awaitable[None]]


class Console:
    """Answers everything under /console. Only ``POST /console/api/evaluate`` changes something: it evaluates the
    alarms now.
    """

    def __init__(self, api: ConsoleApi, *, evaluate: Evaluate) -> None:
        self._api = api
        self._evaluate = evaluate
        self._site = Site(STATIC, {})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix(PREFIX)
        if not path:
            return web.Response(status=308, headers={"Location": f"{PREFIX}/"})
        if not path.startswith(_API):
            return await self._site.handle(request, prefix=PREFIX)
        name = path.removeprefix(_API)
        if request.method == "POST" and name == "evaluate":
            if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
                return _json(403, {"message": "not from another page"})
            await self._evaluate()
            return _json(200, {})
        if request.method != "GET":
            return _json(405, {"message": "GET, or POST of evaluate"})
        return _json(*await self._api.answer(name, dict(request.query)))


def _json(status: int, body: Any) -> web.Response:
    return web.Response(status=status, text=json.dumps(body), content_type="application/json", headers=_NO_STORE)
