"""Rules and endpoints of one user, as ``/v1/alerts`` and ``/v1/endpoints`` tell them; nothing evaluates them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.e2e.fake_server import now_text

KEY = "ds_test"
ALL_OF = {"for": "0s", "cooldown": "0s", "repeat": "always", "enabled": True, "muted_until": None, "expires_at": None}
ARMED = {"phase": "armed", "since": None, "due": None, "alert": None, "fired_at": None, "value": None}


def below(topic: str = "peg:usd-coin", value: str = "0.98", name: str = "USDC loses its peg", **more: Any) -> dict:
    """A rule as it is sent."""
    return {"name": name, "when": {"topic": topic, "is": "below", "value": value}, **more}


def alert(state: str = "firing", number: int = 1, **more: Any) -> dict[str, Any]:
    """An alert as it is told."""
    return {
        "id": f"al_{number}",
        "rule": "ru_1",
        "name": "USDC loses its peg",
        "state": state,
        "topic": "peg:usd-coin",
        "value": "0.9611",
        "condition": "value < 0.98",
        "fired_at": "2026-11-23T01:02:00.000Z",
        "at": "2026-11-23T01:02:00.000Z" if state == "firing" else "2026-11-23T01:05:00.000Z",
        **more,
    }


@dataclass
class FakeRules:
    """``refuse`` is status and problem of the next request that changes something, or tries a rule."""

    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    endpoints: list[dict[str, Any]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    would_fire: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)  # method, path and body of what changes something
    refuse: tuple[int, dict[str, Any]] | None = None

    def add(self, body: dict[str, Any], **state: Any) -> dict[str, Any]:
        """A rule that is there; ``state`` is what differs from an armed one's."""
        rule = self._made(body, f"ru_{len(self.rules) + 1}", 1)
        rule["state"] |= state
        self.rules[rule["id"]] = rule
        return rule

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/alerts", self._guarded(self._list)),
            web.post("/v1/alerts", self._guarded(self._create)),
            web.post("/v1/alerts/dry-run", self._guarded(self._dry_run)),
            web.put("/v1/alerts/{id}", self._guarded(self._replace)),
            web.delete("/v1/alerts/{id}", self._guarded(self._delete)),
            web.get("/v1/alerts/{id}/history", self._guarded(self._history)),
            web.get("/v1/alerts/{id}/deliveries", self._guarded(self._deliveries)),
            web.post("/v1/alerts/{id}/deliveries/{delivery}/replay", self._guarded(self._replay)),
            web.get("/v1/endpoints", self._guarded(self._endpoints)),
            web.post("/v1/endpoints", self._guarded(self._add_endpoint)),
            web.post("/v1/endpoints/{id}/rotate", self._guarded(self._rotate)),
            web.delete("/v1/endpoints/{id}", self._guarded(self._remove_endpoint)),
        ]

    def _guarded(self, handle: Any) -> Any:
        async def guarded(request: web.Request) -> web.Response:
            if request.headers.get("x-api-key") != KEY:
                return web.json_response({"code": 4000, "detail": "this API key is not known"}, status=401)
            text = await request.text()
            body = json.loads(text) if text else None
            if request.method != "GET":
                self.asked.append((request.method, request.path, body))
                if self.refuse is not None:
                    status, problem = self.refuse
                    self.refuse = None
                    return web.json_response(problem, status=status, content_type="application/problem+json")
            return handle(request, body)

        return guarded

    def _list(self, _request: web.Request, _body: Any) -> web.Response:
        return web.json_response({"rules": list(self.rules.values()), "next": None})

    def _create(self, _request: web.Request, body: Any) -> web.Response:
        return web.json_response(self.add(body), status=201)

    def _dry_run(self, _request: web.Request, _body: Any) -> web.Response:
        told = {"from": now_text(-7 * 86_400), "to": now_text(), "interval": "raw", "truncated": False}
        return web.json_response({**told, "observations": 1204, "fired": self.would_fire})

    def _replace(self, request: web.Request, body: Any) -> web.Response:
        before = self.rules[request.match_info["id"]]
        if request.headers["if-match"] != f'"{before["version"]}"':
            return web.json_response({"code": 2011, "detail": "read it again"}, status=409)
        rule = self._made(body, before["id"], before["version"] + 1)
        if not rule["enabled"]:
            rule["state"]["phase"] = "ended"
        self.rules[rule["id"]] = rule
        return web.json_response(rule)

    def _delete(self, request: web.Request, _body: Any) -> web.Response:
        del self.rules[request.match_info["id"]]
        return web.Response(status=204)

    def _history(self, _request: web.Request, _body: Any) -> web.Response:
        return web.json_response({"alerts": self.history, "next": None})

    def _deliveries(self, _request: web.Request, _body: Any) -> web.Response:
        return web.json_response({"deliveries": self.deliveries, "next": None})

    def _replay(self, request: web.Request, _body: Any) -> web.Response:
        return web.json_response({"delivery": request.match_info["delivery"]}, status=202)

    def _endpoints(self, _request: web.Request, _body: Any) -> web.Response:
        return web.json_response({"endpoints": self.endpoints})

    def _add_endpoint(self, _request: web.Request, body: Any) -> web.Response:
        self.endpoints.append(endpoint(f"en_{len(self.endpoints) + 1}", **body))
        return web.json_response({**self.endpoints[-1], "secret": "whsec_first"}, status=201)

    def _rotate(self, request: web.Request, _body: Any) -> web.Response:
        found = next(each for each in self.endpoints if each["id"] == request.match_info["id"])
        return web.json_response({**found, "secret": "whsec_second"})

    def _remove_endpoint(self, request: web.Request, _body: Any) -> web.Response:
        self.endpoints = [each for each in self.endpoints if each["id"] != request.match_info["id"]]
        return web.Response(status=204)

    @staticmethod
    def _made(body: dict[str, Any], name: str, version: int) -> dict[str, Any]:
        now = now_text()
        rule = {**ALL_OF, "notify": [{"channel": "socket"}], **body, "id": name, "version": version}
        return {**rule, "condition": "value < 0.98", "created_at": now, "updated_at": now, "state": {**ARMED}}


def endpoint(name: str, kind: str, **address: str) -> dict[str, Any]:
    unsaid = dict.fromkeys(("verified_at", "disabled_at", "failing_since"))
    return {"id": name, "kind": kind, "created_at": now_text(), **unsaid, "problem": "", **address}
