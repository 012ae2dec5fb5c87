"""A client's view of a deployed stage: is it well, does it let in whom it should, and does an update arrive in time."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from botocore.exceptions import BotoCoreError, ClientError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from chalicelib.adapters.sns import SnsPublisher
from chalicelib.domain.observations import Observation, observation_id
from chalicelib.errors import DefiStreamError
from chalicelib.protocol.envelopes import encode_observations

# Synthetic, and of a kind that is about sources: no subscriber to prices or TVL ever sees it.
PATTERN = "feed:smoke:*"
ANSWER_S = 30.0  # API Gateway itself gives up after 29 s

# How a stage can fail us: it refuses, is not there, or answers what is none of its answers.
_FAULTS = (DefiStreamError, BotoCoreError, ClientError, WebSocketException, OSError, ValueError, LookupError)


FIRES = "ALARM"  # CloudWatch's word


class SmokeError(Exception):
    """What was expected and what came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the stage is. ``headers`` go with every request, such as those of the origin guard."""

    ws_url: str
    rest_url: str
    topic_arn: str
    queue_url: str
    api_key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    within_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried; ``ms`` is how long it took, ``delivery_ms`` how long from published to received."""

    name: str
    ok: bool
    ms: float
    detail: str
    delivery_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """``ok`` if every check was made and passed."""

    ok: bool
    checks: Sequence[Check]
    not_run: Sequence[str]


Step = Callable[[], Awaitable[str]]
OnCheck = Callable[[Check], None]
Alarms = Callable[[], Mapping[str, str]]  # the state of each, by name


class Smoke:
    """The checks, in order, each with what it needs of those before."""

    def __init__(
        self, target: Target, *, sns: Any, sqs: Any, alarms: Alarms | None = None, on_check: OnCheck = lambda _: None
    ) -> None:
        self._target = target
        self._alarms = alarms
        self._delivery_ms: float | None = None
        self._topic = SnsPublisher(sns, target.topic_arn)
        self._sqs = sqs
        self._on_check = on_check
        self._token: dict[str, Any] = {}
        self._socket: ClientConnection | None = None

    async def run(self) -> Report:
        """Never raises for what the stage does wrong: that is in the report."""
        steps: list[tuple[str, Step]] = [
            ("health", self._health),
            ("topics", self._topics),
            ("token", self._get_token),
            ("refusal", self._refusal),
            ("connect", self._connect),
            ("subscribe", self._subscribe),
            ("update_by_topic", self._update_by_topic),
            ("update_by_queue", self._update_by_queue),
            ("newest_values", self._newest_values),
            ("ping", self._ping),
        ]
        if self._alarms is not None:
            steps.append(("alarms", self._quiet))
        checks: list[Check] = []
        try:
            for name, step in steps:
                checks.append(await self._checked(name, step))
                self._on_check(checks[-1])
                if not checks[-1].ok:
                    break
        finally:
            if self._socket:
                await self._socket.close()
        not_run = [name for name, _ in steps[len(checks) :]]
        return Report(checks[-1].ok and not not_run, checks, not_run)

    async def _checked(self, name: str, step: Step) -> Check:
        started, self._delivery_ms = time.monotonic(), None
        try:
            async with asyncio.timeout(self._target.within_s + ANSWER_S):
                detail, ok = await step(), True
        except TimeoutError:
            detail, ok = "no answer in time", False
        except (SmokeError, *_FAULTS) as error:
            detail, ok = f"{error}" or type(error).__name__, False
        return Check(name, ok, round((time.monotonic() - started) * 1000, 1), detail, self._delivery_ms)

    async def _quiet(self) -> str:
        states = await asyncio.to_thread(self._alarms or dict)
        firing = sorted(name for name, state in states.items() if state == FIRES)
        if firing:
            raise SmokeError(f"in ALARM: {', '.join(firing)}")
        return ", ".join(f"{name} {state}" for name, state in sorted(states.items())) or "the stage has none"

    # --- REST ---

    async def _health(self) -> str:
        answer = await self._rest("GET", "/v1/health", expected=200)
        return f"stage {answer['stage']}, {answer['status']}"  # degraded is no failure: a new stage has polled nothing

    async def _topics(self) -> str:
        answer = await self._rest("GET", "/v1/topics?match=price:*", expected=200)
        return f"{len(answer['topics'])} prices"

    async def _get_token(self) -> str:
        self._token = await self._rest("POST", "/v1/tokens", expected=201)
        return f"tier {self._token['tier']}, fastest rate {self._token['fastest_rate']}"

    async def _newest_values(self) -> str:
        answer = await self._rest("GET", f"/v1/topics?{urlencode({'match': PATTERN})}", expected=200)
        if len(answer["topics"]) < 2:
            raise SmokeError(f"the topics published to are not listed: {answer['topics']}")
        return ", ".join(topic["topic"] for topic in answer["topics"])

    async def _rest(self, method: str, path: str, *, expected: int) -> dict[str, Any]:
        url = self._target.rest_url.rstrip("/") + path
        headers = {**self._target.headers, "accept": "application/json"}
        if self._target.api_key:
            headers["x-api-key"] = self._target.api_key
        request = urllib.request.Request(url, method=method, headers=headers)  # noqa: S310 - the operator's own URL
        status, body = await asyncio.to_thread(_send, request, self._patience_s)
        if status != expected:
            raise SmokeError(f"{method} {url} answered {status} instead of {expected}: {body[:300]}")
        answer: dict[str, Any] = json.loads(body)
        return answer

    # --- the socket ---

    async def _refusal(self) -> str:
        try:
            await (await self._dial(self._target.ws_url)).close()
        except InvalidStatus as refused:
            if refused.response.status_code in (401, 403):
                return f"{refused.response.status_code} without credentials"
            raise
        raise SmokeError("a handshake without credentials was let in")

    async def _connect(self) -> str:
        url = f"{self._target.ws_url}?{urlencode({'token': self._token['token']})}"
        self._socket = await self._dial(url)
        return "let in with a token"

    async def _dial(self, url: str) -> ClientConnection:
        # API Gateway negotiates no compression; a cold authorizer is waited for as long as any answer.
        headers = self._target.headers
        return await connect(url, additional_headers=headers, compression=None, open_timeout=self._patience_s)

    async def _subscribe(self) -> str:
        command = {"topics": [PATTERN], "rate": self._token["fastest_rate"], "snapshot": False}
        return f"subscribed to {', '.join((await self._command('subscribe', **command))['topics'])}"

    async def _ping(self) -> str:
        result = await self._command("ping")
        return f"session until {result['session_expires']}"

    async def _command(self, action: str, **fields: Any) -> dict[str, Any]:
        await self._open.send(json.dumps({"action": action, "id": action, **fields}))
        async for frame in self._open:
            reply = json.loads(frame)
            if reply.get("type") == "reply" and reply.get("id") == action:
                if not reply["ok"]:
                    raise SmokeError(f"{action} was refused: {reply['error']}")
                return dict(reply["result"])
        raise SmokeError(f"the connection ended before the reply to {action}")

    @property
    def _patience_s(self) -> float:
        return max(ANSWER_S, self._target.within_s)  # where functions start slowly, more is granted by the operator

    @property
    def _open(self) -> ClientConnection:
        if self._socket is None:
            raise SmokeError("not connected")
        return self._socket

    # --- through the whole path ---

    async def _update_by_topic(self) -> str:
        observation = observed("feed:smoke:topic")
        published = time.monotonic()
        await asyncio.to_thread(self._topic.publish, [observation])
        return await self._arrived(observation, published)

    async def _update_by_queue(self) -> str:
        observation = observed("feed:smoke:queue")
        published = time.monotonic()
        for body in encode_observations([observation]):
            send = self._sqs.send_message
            await asyncio.to_thread(send, QueueUrl=self._target.queue_url, MessageBody=body.decode())
        return await self._arrived(observation, published)

    async def _arrived(self, observation: Observation, published: float) -> str:
        try:
            async with asyncio.timeout(self._target.within_s):
                async for frame in self._open:
                    for update in json.loads(frame).get("updates", ()):
                        if update["topic"] == observation.topic and Decimal(update["value"]) == observation.value:
                            self._delivery_ms = round((time.monotonic() - published) * 1000, 1)
                            return f"{observation.topic} at offset {update['offset']}, {self._delivery_ms:.0f} ms"
        except TimeoutError:
            raise SmokeError(f"no update of {observation.topic} within {self._target.within_s:g} s") from None
        raise SmokeError(f"the connection ended before the update of {observation.topic}")


def observed(topic: str) -> Observation:
    """Always a change: its value is the time in milliseconds."""
    now = datetime.now(UTC)
    value = Decimal(int(now.timestamp() * 1000))
    return Observation(observation_id(topic, now.isoformat(), value), topic, value, now, source="smoke")


def _send(request: urllib.request.Request, timeout_s: float) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310 - the operator's own URL
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
