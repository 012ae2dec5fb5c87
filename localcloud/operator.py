"""What the scripts of whoever operates a stage ask of this machine: where its parts are, and to invoke a function.

``GET /_operator/platform`` tells the addresses; below ``/_operator/2015-03-31/functions`` Lambda's Invoke is answered,
so that a script invokes a function here as it does on AWS, by its client of Lambda with another address.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from localcloud.runtime import Invocation

PREFIX = "/_operator"
_FUNCTIONS = f"{PREFIX}/2015-03-31/functions/"
_INVOKED = "/invocations"
_NO_STORE = {"Cache-Control": "no-store"}

Invoke = Callable[[str, dict[str, Any]], Awaitable[Invocation]]


class Operator:
    """Answers everything under /_operator; to no other page, since a browser would let any of them invoke.

    ``prefix`` is what a stage's functions have before their names on AWS, and may be left out.
    """

    def __init__(
        self, platform: Mapping[str, Any], *, functions: Mapping[str, object], invoke: Invoke, prefix: str
    ) -> None:
        self._platform = platform
        self._functions = functions
        self._invoke = invoke
        self._prefix = prefix

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return _json(403, {"Message": "not from another page"})
        if request.method == "GET" and request.path == f"{PREFIX}/platform":
            return _json(200, self._platform)
        if request.method == "POST" and request.path.startswith(_FUNCTIONS) and request.path.endswith(_INVOKED):
            return await self._run(request.path.removeprefix(_FUNCTIONS).removesuffix(_INVOKED), await request.read())
        return _json(404, {"Message": f"{request.method} {request.path} is not answered here"})

    async def _run(self, function: str, body: bytes) -> web.Response:
        name = function.partition(":")[0].removeprefix(self._prefix)
        if name not in self._functions:
            return _json(404, {"Message": f"Function not found: {function}"}, error="ResourceNotFoundException")
        try:
            event = json.loads(body or b"{}")
        except ValueError:
            return _json(400, {"Message": "the payload is no JSON"}, error="InvalidRequestContentException")
        done = await self._invoke(name, event)
        if done.error is not None:
            return _json(200, done.error, **{"X-Amz-Function-Error": "Unhandled"})
        return _json(200, done.payload)


def _json(status: int, body: Any, *, error: str = "", **headers: str) -> web.Response:
    more = {"x-amzn-ErrorType": error} if error else {}
    text = json.dumps(body)
    return web.Response(
        status=status, text=text, content_type="application/json", headers={**_NO_STORE, **more, **headers}
    )
